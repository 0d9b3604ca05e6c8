//! Which version of a table a statement means, and what that version is.
//!
//! Only what was published can be named. The log of a table may have more: what a run left there before it ended is no
//! version of the table.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::TableRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::policy::model::TableName;
use crate::store::Store;

/// Which version of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum At {
    /// The one that is published.
    #[default]
    Now,
    Version(i64),
    /// The one that was published then.
    Time(DateTime<Utc>),
}

/// A table or view as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableAt {
    pub name: TableName,
    pub at: At,
}

/// `record` as it was at `at`: with that version's number and columns. Its files are there for `reading` more; for nobody
/// who only asks for its columns need they be.
///
/// # Errors
///
/// `not_found` when no version that is kept is meant, and `invalid_request` when the table keeps none at all.
pub async fn published(
    store: &Store,
    record: &TableRecord,
    at: At,
    reading: Duration,
) -> Result<TableRecord> {
    let name = &record.name;
    if record.version.is_none() && at != At::Now {
        return Err(Error::invalid_request(format!(
            "`{name}` keeps no versions: its files are {} and no Delta table",
            record.format
        )));
    }
    let found = match at {
        At::Now => return Ok(record.clone()),
        At::Version(version) if record.version == Some(version) => return Ok(record.clone()),
        At::Version(version) => store.version_of(&record.id, version, reading).await?,
        At::Time(time) if time > Utc::now() => {
            return Err(Error::invalid_request(format!("`{}` is in the future", written(time))));
        }
        At::Time(time) => store.version_at(&record.id, time, reading).await?,
    };
    let found = found.ok_or_else(|| no_such_version(name, at))?;
    Ok(TableRecord {
        version: Some(found.version),
        schema: found.schema,
        partition_columns: found.partition_columns,
        ..record.clone()
    })
}

/// The one text for a version that never was, one that is no longer kept, and one of which nothing is the reader's.
pub fn no_such_version(name: &TableName, at: At) -> Error {
    let what = match at {
        At::Now => "is not published".to_owned(),
        At::Version(version) => format!("has no version {version}"),
        At::Time(time) => format!("has no version of `{}`", written(time)),
    };
    Error::new(ErrorKind::NotFound, format!("`{name}` {what}: it was never published, or is no longer kept"))
}

fn written(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

impl From<TableName> for TableAt {
    /// As it is now.
    fn from(name: TableName) -> Self {
        Self { name, at: At::Now }
    }
}

impl fmt::Display for TableAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            At::Now => self.name.fmt(f),
            at => write!(f, "{} {at}", self.name),
        }
    }
}

/// As a statement has it behind the table's name; nothing for now.
impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => Ok(()),
            Self::Version(version) => write!(f, "VERSION AS OF {version}"),
            Self::Time(time) => write!(f, "TIMESTAMP AS OF '{}'", written(*time)),
        }
    }
}

/// Reads exactly what is written.
impl FromStr for At {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let version = text.strip_prefix("VERSION AS OF ").and_then(|number| number.parse().ok());
        let time = || {
            let time = text.strip_prefix("TIMESTAMP AS OF '")?.strip_suffix('\'')?;
            DateTime::parse_from_rfc3339(time).ok().map(|time| time.to_utc())
        };
        let at = version.map(Self::Version).or_else(|| time().map(Self::Time)).ok_or(())?;
        if at.to_string() == text { Ok(at) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "VERSION AS OF 3",
            "VERSION AS OF 0",
            "TIMESTAMP AS OF '2026-01-01T00:00:00Z'",
            "TIMESTAMP AS OF '2026-01-01T00:00:00.000001Z'",
        ] {
            assert_eq!(text.parse::<At>().unwrap().to_string(), text);
        }
        for text in
            ["", "VERSION AS OF", "VERSION AS OF 03", "version as of 3", "TIMESTAMP AS OF '2026'", "x"]
        {
            assert!(text.parse::<At>().is_err(), "{text}");
        }
    }
}
