//! Configuration: one typed struct per concern, from a file and the environment.
