//! The names of the columns of one table, which no reader may take for each other.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// Refuses names that are the same, in whatever case.
pub(super) fn refuse_alike<'a>(names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut met = HashMap::new();
    for name in names {
        if let Some(before) = met.insert(name.to_lowercase(), name) {
            return Err(Error::invalid_request(match before == name {
                true => format!("column `{name}` is there twice: rename one of them"),
                false => {
                    format!("columns `{before}` and `{name}` differ in their case alone: rename one of them")
                }
            }));
        }
    }
    Ok(())
}
