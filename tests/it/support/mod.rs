//! What several tests share: servers that run inside the test process or beside it.

pub mod deletion_vector;
pub mod gateway;
pub mod house;
pub mod mariadb;
pub mod pg_client;
pub mod postgres;
pub mod program;
pub mod s3;
pub mod upkeep;
pub mod versions;
