//! Ingestion: from a source database to a published version in the lake.
