//! The edge: the only folder that names a protocol.
