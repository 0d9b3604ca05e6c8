//! The settings of a connection that PostgreSQL's clients look at or change.
//!
//! What is not listed does not exist. A setting that could change what a result looks like can only be set to what it
//! is; one that cannot may be set to anything.

use std::collections::{BTreeMap, HashMap};

use pgwire::error::PgWireResult;

use super::status;
use crate::query::POSTGRES_VERSION;

/// What a setting may be set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    /// To what it is.
    Stay,
    /// To anything; it is told again and does nothing else.
    Vary,
    /// To anything, with a warning that it has no effect.
    Warn(&'static str),
    /// It says where tables are looked up.
    Database,
}

const IN_UTC: &str = "instants are told in UTC whatever the time zone is";
const NO_TIME: &str = "the time that a statement may take is the gateway's own";

const KNOWN: [(&str, &str, May); 35] = [
    ("application_name", "", May::Vary),
    ("bytea_output", "hex", May::Stay),
    ("client_encoding", "UTF8", May::Stay),
    ("client_min_messages", "notice", May::Vary),
    ("DateStyle", "ISO, MDY", May::Vary),
    ("default_transaction_isolation", "read committed", May::Vary),
    ("default_transaction_read_only", "off", May::Vary),
    ("escape_string_warning", "on", May::Vary),
    ("extra_float_digits", "1", May::Vary),
    ("geqo", "on", May::Vary),
    ("idle_in_transaction_session_timeout", "0", May::Vary),
    ("in_hot_standby", "off", May::Stay),
    ("integer_datetimes", "on", May::Stay),
    ("IntervalStyle", "postgres", May::Stay),
    ("is_superuser", "off", May::Stay),
    ("jit", "off", May::Vary),
    ("lc_collate", "C", May::Stay),
    ("lc_ctype", "C", May::Stay),
    ("lc_messages", "C", May::Vary),
    ("lc_monetary", "C", May::Vary),
    ("lock_timeout", "0", May::Vary),
    ("max_identifier_length", "128", May::Stay),
    ("row_security", "on", May::Stay),
    ("search_path", "", May::Database),
    ("server_encoding", "UTF8", May::Stay),
    ("server_version", POSTGRES_VERSION, May::Stay),
    ("server_version_num", "160006", May::Stay),
    ("session_authorization", "", May::Stay),
    ("ssl_renegotiation_limit", "0", May::Vary),
    ("standard_conforming_strings", "on", May::Stay),
    ("statement_timeout", "0", May::Warn(NO_TIME)),
    ("synchronous_commit", "on", May::Vary),
    ("TimeZone", "UTC", May::Warn(IN_UTC)),
    ("transaction_isolation", "read committed", May::Vary),
    ("transaction_read_only", "off", May::Vary),
];

/// What a client is told when it connects.
pub(super) const REPORTED: [&str; 13] = [
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
];

/// Databases that stand for the gateway as a whole.
const OF_ALL: [&str; 2] = ["lakegate", "postgres"];

/// The settings of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    changed: BTreeMap<&'static str, String>,
}

impl Settings {
    /// What a client asks for when it connects as `user`. A database that it names is where its tables are looked up.
    pub fn of_startup(user: &str, asked: &HashMap<String, String>) -> PgWireResult<Self> {
        let mut settings = Self::default();
        settings.changed.insert("session_authorization", user.to_owned());
        let database = asked.get("database").filter(|name| !OF_ALL.contains(&name.as_str()));
        settings.changed.extend(database.map(|name| ("search_path", quoted(name))));
        for (name, value) in asked {
            match name.as_str() {
                "user" | "database" | "replication" => {}
                "options" => settings.set_all(value)?,
                name if name.starts_with("_pq_.") => {}
                // Drivers say the zone of their machine without being asked to.
                name => settings.set(name, value).map(drop)?,
            }
        }
        Ok(settings)
    }

    /// `-c name=value …`, as the environment of libpq has it.
    fn set_all(&mut self, options: &str) -> PgWireResult<()> {
        let words = options.split_whitespace().filter(|word| *word != "-c");
        for word in words.map(|word| word.trim_start_matches("-c").trim_start_matches("--")) {
            let (name, value) = word
                .split_once('=')
                .ok_or_else(|| status::refused("22023", "options are written `-c NAME=VALUE`"))?;
            self.set(name, value)?;
        }
        Ok(())
    }

    /// What `name` is; none when there is no such setting.
    pub fn get(&self, name: &str) -> Option<String> {
        let (name, default, _) = known(name)?;
        Some(self.changed.get(name).cloned().unwrap_or_else(|| default.to_owned()))
    }

    /// Sets `name`, and says what is to be said of it.
    pub fn set(&mut self, name: &str, value: &str) -> PgWireResult<Option<&'static str>> {
        let Some((name, default, may)) = known(name) else {
            return Err(status::refused("42704", &format!("there is no setting `{name}`")));
        };
        match may {
            May::Stay if same(value, self.changed.get(name).map_or(default, String::as_str)) => Ok(None),
            May::Stay => {
                Err(status::refused("22023", &format!("`{name}` is `{default}` and cannot be changed")))
            }
            May::Vary | May::Database => {
                self.changed.insert(name, value.to_owned());
                Ok(None)
            }
            May::Warn(text) => Ok((!same(value, default)).then_some(text)),
        }
    }

    /// Sets one setting, or all, back to what it was before anything was set.
    pub fn reset(&mut self, name: Option<&str>) {
        match name.and_then(known) {
            Some((name, ..)) => drop(self.changed.remove(name)),
            None => self.changed.retain(|name, _| *name == "session_authorization"),
        }
    }

    /// Where a table without a database is looked up.
    pub fn database(&self) -> Option<String> {
        let path = self.changed.get("search_path")?.trim();
        let name = match path.strip_prefix('"') {
            // Two quotes stand for one, and one ends the name.
            Some(quoted) => quoted.replace("\"\"", "\0").split('"').next()?.replace('\0', "\""),
            None => path.split(',').next()?.trim().trim_matches('\'').to_owned(),
        };
        (!["", "public", "$user", "pg_catalog"].contains(&name.as_str())).then_some(name)
    }
}

fn known(name: &str) -> Option<(&'static str, &'static str, May)> {
    KNOWN.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name)).copied()
}

/// `UTF-8`, `utf8` and `UNICODE` are one encoding, and `true` is `on`.
fn same(value: &str, other: &str) -> bool {
    let plain = |value: &str| {
        let value = value.trim_matches('\'').replace('-', "").to_lowercase();
        match value.as_str() {
            "unicode" => "utf8".to_owned(),
            "true" | "yes" | "1" => "on".to_owned(),
            "false" | "no" | "0" | "0ms" | "0s" => "off".to_owned(),
            "etc/utc" | "gmt" => "utc".to_owned(),
            _ => value,
        }
    };
    plain(value) == plain(other)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup(asked: &[(&str, &str)]) -> PgWireResult<Settings> {
        let asked = asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings::of_startup("bo", &asked)
    }

    #[test]
    fn a_database_is_where_tables_are_looked_up() {
        let of = |asked: &[(&str, &str)]| startup(asked).unwrap().database();
        assert_eq!(of(&[("database", "shop")]).as_deref(), Some("shop"));
        assert_eq!(of(&[("database", "a \"b\", c")]).as_deref(), Some("a \"b\", c"));
        assert_eq!(of(&[("database", "lakegate")]), None);
        assert_eq!(
            of(&[("options", "-c search_path=shop,public -c extra_float_digits=3")]).as_deref(),
            Some("shop")
        );
        let mut settings = startup(&[]).unwrap();
        settings.set("Search_Path", "tiny, public").unwrap();
        assert_eq!(settings.database().as_deref(), Some("tiny"));
        settings.reset(None);
        assert_eq!(
            (settings.database(), settings.get("session_authorization").as_deref()),
            (None, Some("bo"))
        );
    }

    #[test]
    fn what_would_change_a_result_stays_as_it_is() {
        let mut settings = startup(&[("client_encoding", "utf-8"), ("TimeZone", "Europe/Berlin")]).unwrap();
        assert_eq!(settings.get("timezone").as_deref(), Some("UTC"));
        assert!(settings.set("timezone", "Asia/Tokyo").unwrap().is_some());
        assert!(settings.set("client_encoding", "LATIN1").is_err());
        assert!(settings.set("standard_conforming_strings", "off").is_err());
        assert!(settings.set("nosuch", "1").is_err() && settings.get("nosuch").is_none());
        assert!(startup(&[("nosuch", "1")]).is_err());
    }
}
