//! Everything that requests share, and the only place that wires concrete types.
