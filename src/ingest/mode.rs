//! How a table is brought in: all of it each time, what is new since the last time, or what has changed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use arrow_schema::DataType;
use serde::{Deserialize, Serialize};

use super::source::{SourceTable, required};
use crate::config::parse_duration;
use crate::error::{Error, Result};

/// How a table is brought in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mode {
    /// All of it, as a new version.
    #[default]
    Snapshot,
    /// The rows behind the bookmark, or of files those that are new. Those that are there stay as they are.
    Append(Growth),
    /// The rows behind the bookmark, each in the place of the one with its key.
    Merge(Growth, Deletes),
}

/// How to tell what is new.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Growth {
    /// Columns whose values only go up: of a new row they are behind those of all rows before it.
    pub bookmark: Vec<String>,
    /// How far before the bookmark is read again, for rows that became visible late.
    pub overlap: Option<Overlap>,
    /// Columns that tell rows apart; the source's primary key when empty.
    pub key: Vec<String>,
}

/// A step back from a bookmark. Written as a number, or as a time: `100`, `5m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Overlap {
    /// Of a column with times.
    Time(Duration),
    /// Of a column with numbers.
    Units(u64),
}

/// How rows that are gone from the source are found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Deletes {
    /// They stay in the lake.
    #[default]
    Stay,
    /// All keys of the source are compared with those in the lake.
    Keys,
    /// A column of the source marks them: true, not 0, or any value of another type.
    Marked(String),
}

/// How tables are brought in, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ModeName {
    /// All rows, as a new version.
    #[default]
    Snapshot,
    /// The rows behind the bookmark; of files, those that are new.
    Append,
    /// The rows behind the bookmark, each in the place of the one with its key.
    Merge,
}

/// How rows that are gone are found, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum DeletesName {
    /// By comparing the keys of the source with those of the lake.
    Keys,
}

impl Mode {
    /// The mode that is called `name`.
    ///
    /// # Errors
    ///
    /// `invalid_request` for what another mode does.
    pub fn named(
        name: ModeName,
        growth: Growth,
        deletes: Option<DeletesName>,
        soft_delete: Option<String>,
    ) -> Result<Self> {
        let deletes = match (soft_delete, deletes) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid_request(
                    "rows that are gone are found by a mark or by their keys, not by both",
                ));
            }
            (Some(column), None) => Deletes::Marked(column),
            (None, Some(DeletesName::Keys)) => Deletes::Keys,
            (None, None) => Deletes::Stay,
        };
        match name {
            ModeName::Snapshot if growth == Growth::default() && deletes == Deletes::Stay => {
                Ok(Self::Snapshot)
            }
            ModeName::Append if deletes == Deletes::Stay => Ok(Self::Append(growth)),
            ModeName::Merge => Ok(Self::Merge(growth, deletes)),
            ModeName::Append => {
                Err(Error::invalid_request("rows that are gone are found with the mode `merge` alone"))
            }
            ModeName::Snapshot => Err(Error::invalid_request(
                "a snapshot brings in all rows: a bookmark and a key are for the modes `append` and `merge`",
            )),
        }
    }

    /// How to tell what is new, of a mode that does.
    pub fn growth(&self) -> Option<&Growth> {
        match self {
            Self::Snapshot => None,
            Self::Append(growth) | Self::Merge(growth, _) => Some(growth),
        }
    }

    /// The column that marks rows as deleted.
    pub fn mark(&self) -> Option<&str> {
        match self {
            Self::Merge(_, Deletes::Marked(column)) => Some(column),
            _ => None,
        }
    }

    /// The columns that tell rows of `table` apart; none when the mode needs none.
    ///
    /// # Errors
    ///
    /// `invalid_request` when the mode and the table do not go together.
    pub fn key_of(&self, table: &SourceTable) -> Result<Vec<String>> {
        let Some(growth) = self.growth() else { return Ok(Vec::new()) };
        if growth.bookmark.is_empty() {
            return Err(Error::invalid_request("a bookmark is needed: name the columns that only go up"));
        }
        for column in growth.bookmark.iter().chain(&growth.key).map(String::as_str).chain(self.mark()) {
            required(table, column)?;
        }
        growth.refuse_other_overlap(table)?;
        if matches!(self, Self::Append(_)) {
            growth.refuse_missing(table)?;
            if growth.overlap.is_none() {
                return Ok(Vec::new());
            }
        }
        let key = if growth.key.is_empty() { &table.key } else { &growth.key };
        if key.is_empty() {
            return Err(Error::invalid_request(format!(
                "`{}` has no primary key: name the columns that tell its rows apart",
                table.name
            )));
        }
        if let Some(column) = key.iter().find(|column| table.optional.contains(*column)) {
            return Err(Error::invalid_request(format!(
                "`{column}` of `{}` may be NULL and tells no rows apart: declare it NOT NULL, or name another key",
                table.name
            )));
        }
        Ok(key.clone())
    }
}

impl Growth {
    /// Rows without a bookmark would never be seen again by a mode that does not read them each time.
    fn refuse_missing(&self, table: &SourceTable) -> Result<()> {
        match self.bookmark.iter().find(|column| table.optional.contains(*column)) {
            Some(column) => Err(Error::invalid_request(format!(
                "the bookmark `{column}` of `{}` may be NULL, and such rows would be missed: merge them, or declare it \
                 NOT NULL",
                table.name
            ))),
            None => Ok(()),
        }
    }

    /// A time before a number, or a number before a time, is nothing; some sources would take it for no rows at all.
    fn refuse_other_overlap(&self, table: &SourceTable) -> Result<()> {
        let Some(overlap) = self.overlap else { return Ok(()) };
        let [column] = self.bookmark.as_slice() else {
            return Err(Error::invalid_request("an overlap is for a bookmark of one column"));
        };
        let data_type = required(table, column)?.data_type();
        let fits = match overlap {
            Overlap::Time(_) => matches!(data_type, DataType::Date32 | DataType::Timestamp(..)),
            Overlap::Units(_) => data_type.is_integer() || data_type.is_decimal(),
        };
        match fits {
            true => Ok(()),
            false => Err(Error::invalid_request(format!(
                "the overlap does not go with the bookmark `{column}`: write a time as `5m` for a date or a time, and a \
                 number for a number"
            ))),
        }
    }
}

impl FromStr for Overlap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(units) = text.parse() {
            return Ok(Self::Units(units));
        }
        parse_duration(text).map(Self::Time).map_err(|_| {
            format!("`{text}` is no overlap: write a number, or a time as `30s`, `5m`, `2h` or `1d`")
        })
    }
}

impl TryFrom<String> for Overlap {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Overlap> for String {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Units(units) => units.to_string(),
            Overlap::Time(time) => format!("{}s", time.as_secs()),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snapshot => "snapshot",
            Self::Append(_) => "append",
            Self::Merge(..) => "merge",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_number_or_a_time() {
        for (text, overlap) in [
            ("1000", Overlap::Units(1000)),
            ("30s", Overlap::Time(Duration::from_secs(30))),
            ("2h", Overlap::Time(Duration::from_secs(7200))),
        ] {
            assert_eq!(text.parse(), Ok(overlap));
        }
        for text in ["", "m", "5x", "-1", "1.5h", "99999999999999999d", "ü"] {
            assert!(text.parse::<Overlap>().is_err(), "{text}");
        }
    }
}
