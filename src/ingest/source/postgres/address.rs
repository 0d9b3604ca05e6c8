//! How a server is reached: by what its URL says, and by nothing else.
//!
//! The driver takes what a URL leaves out from the environment of this process and from a file of passwords, which are for other
//! servers: a password of one would be sent to another. What it cannot be kept from taking refuses the source.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use crate::error::{Error, Result};

/// How the sessions of this program are called in the server's own lists.
const APPLICATION: &str = "lakegate";
const PORT: u16 = 5432;

/// Variables that would count where the URL does not have what they are about, and what that is; of options also where it has
/// some, since both would count.
const TAKEN: [(&str, &[&str], &str); 6] = [
    ("PGHOST", &["host", "hostaddr"], "name the host in the URL"),
    ("PGHOSTADDR", &["host", "hostaddr"], "name the host in the URL"),
    ("PGUSER", &["user"], "name the user in the URL"),
    ("PGSSLCERT", &["sslcert", "ssl-cert"], "write `sslcert` into the URL"),
    ("PGSSLKEY", &["sslkey", "ssl-key"], "write `sslkey` into the URL"),
    ("PGOPTIONS", &[], "write `options` into the URL"),
];

/// How to reach the server at `url`; `is_set` says which variables the environment has.
///
/// # Errors
///
/// `invalid_request` for a URL that is none, or beside which a variable would count.
pub(super) fn options(url: &Url, is_set: impl Fn(&str) -> bool) -> Result<PgConnectOptions> {
    let said = Said(url);
    for (variable, parts, advice) in TAKEN {
        if is_set(variable) && !said.has(parts) {
            return Err(Error::invalid_request(format!(
                "the environment variable `{variable}` of this process would count for the source: start it without, and \
                 {advice}"
            )));
        }
    }
    let mut options = PgConnectOptions::from_str(url.as_str())
        .map_err(|_| super::no_address())?
        .disable_statement_logging();
    if !said.has(&["port"]) {
        options = options.port(PORT);
    }
    if !said.has(&["dbname"]) {
        let user = options.get_username().to_owned();
        options = options.database(&user);
    }
    if !said.has(&["password"]) {
        options = options.password("");
    }
    if !said.has(&["sslmode", "ssl-mode"]) {
        options = options.ssl_mode(PgSslMode::Prefer);
    }
    if !said.has(&["sslrootcert", "ssl-root-cert", "ssl-ca"]) {
        // None but those that the program trusts.
        options = options.ssl_root_cert_from_pem(Vec::new());
    }
    if !said.has(&["application_name"]) {
        options = options.application_name(APPLICATION);
    }
    Ok(options)
}

/// What a URL says.
struct Said<'a>(&'a Url);

impl Said<'_> {
    /// Whether it has any of `parts`, which are called as its parameters are.
    fn has(&self, parts: &[&str]) -> bool {
        let Self(url) = self;
        let is_part = |part: &&str| match *part {
            "host" => url.host_str().is_some_and(|host| !host.is_empty()),
            "user" => !url.username().is_empty(),
            "port" => url.port().is_some(),
            "password" => url.password().is_some(),
            "dbname" => !url.path().trim_start_matches('/').is_empty(),
            _ => false,
        };
        parts.iter().any(is_part) || url.query_pairs().any(|(name, _)| parts.contains(&name.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str, variable: &str) -> Option<String> {
        let url = Url::parse(url).unwrap();
        options(&url, |name| name == variable).err().map(|error| error.detail().to_owned())
    }

    #[test]
    fn a_variable_counts_for_no_source() {
        for (url, variable, refuses) in [
            ("postgres:///shop", "PGHOST", true),
            ("postgres:///shop?host=/run/postgresql", "PGHOST", false),
            ("postgres://db/shop", "PGHOSTADDR", false),
            ("postgres://db/shop", "PGUSER", true),
            ("postgres://etl@db/shop", "PGUSER", false),
            ("postgres://db/shop?user=etl", "PGUSER", false),
            ("postgres://etl@db/shop?options=-c%20a%3Db", "PGOPTIONS", true),
            ("postgres://etl@db/shop", "PGSSLKEY", true),
            ("postgres://etl@db/shop", "PATH", false),
        ] {
            let told = refusal(url, variable);
            assert_eq!(told.is_some(), refuses, "{url} {variable}");
            assert!(told.is_none_or(|told| told.contains(variable)));
        }
    }

    #[test]
    fn what_a_url_leaves_out_is_the_same_everywhere() {
        let told = |url: &str| options(&Url::parse(url).unwrap(), |_| false).unwrap();
        let bare = told("postgres://etl@db");
        assert_eq!((bare.get_port(), bare.get_database()), (PORT, Some("etl")));
        assert_eq!(bare.get_application_name(), Some(APPLICATION));
        let full = told("postgres://etl:x@db:5433/shop?application_name=me&sslmode=require");
        assert_eq!((full.get_port(), full.get_database()), (5433, Some("shop")));
        assert_eq!(full.get_application_name(), Some("me"));
        assert!(matches!(full.get_ssl_mode(), PgSslMode::Require));
    }
}
