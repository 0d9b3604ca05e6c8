//! The catalog: which table a name means, and which version of it is published.
