//! What the lake has of files already, as a source of files asks for it: a run that appends takes only those that are new.

use std::collections::HashMap;

use arrow_schema::SchemaRef;
use async_trait::async_trait;

use crate::error::Result;

/// Knows which files are part of the lake's tables.
#[async_trait]
pub trait Known: Send + Sync {
    /// What is known of those of `urls` that would be files of `table`; none of a table that is to be read whole.
    async fn of(&self, table: &str, urls: &[String]) -> Result<Option<KnownFiles>>;
}

/// What a table that takes files has taken.
#[derive(Debug, Clone)]
pub struct KnownFiles {
    /// Its columns in the lake.
    pub schema: SchemaRef,
    /// The tags that its files had, by their URLs.
    pub tags: HashMap<String, String>,
}
