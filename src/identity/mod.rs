//! Identity: credentials in, who asks out. Decides nothing.
