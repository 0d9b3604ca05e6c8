//! `lakegate sql`: one statement from the command line, a script from standard input, or the interactive shell.
//!
//! Asks a gateway through the client library, as any program would: it sees what the token's identity may see, and
//! knows nothing of the store or the lake beside it. Data goes to standard output, words to standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use lakegate_client::ConnectOptions;

use crate::cli::shell;
use crate::cli::shell::rows::Format;
use crate::cli::shell::script::{self, Input};
use crate::cli::shell::session::Session;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::identity::LocalIssuer;

/// Where a gateway listens unless something else is said.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// The exit code of what Ctrl-C ended, as shells know it.
const INTERRUPTED: i32 = 130;

/// How long what is interrupted may take to put things away.
const GRACE: Duration = Duration::from_secs(2);

/// How long a token of `--user` is valid.
const SESSION: Duration = Duration::from_secs(8 * 60 * 60);

/// Arguments of `lakegate sql`.
#[derive(clap::Args)]
pub struct Args {
    /// The gateway; by default the one that `--config` describes, or `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The token that says who asks; `lakegate token` makes one.
    #[arg(long, value_name = "TOKEN", env = "LAKEGATE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Ask as this user, with a token signed by the local issuer of `--config`, instead of `--token`.
    #[arg(long, value_name = "NAME", requires = "config")]
    user: Option<String>,
    /// A group of `--user`; may be repeated.
    #[arg(long = "group", value_name = "GROUP", requires = "user")]
    groups: Vec<String>,
    /// The database that table names without one are looked up in.
    #[arg(long, value_name = "DB")]
    database: Option<String>,
    /// Run this and exit; several statements are separated by `;`, a backslash command has a line of its own.
    #[arg(short = 'c', long = "command", value_name = "SQL")]
    command: Option<String>,
    /// How to write results.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

impl std::fmt::Debug for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Args").field("url", &self.url).field("format", &self.format).finish_non_exhaustive()
    }
}

/// Runs the subcommand to its end.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<()> {
    let config = config.map(|file| Config::load(Some(&file))).transpose()?;
    let token = match (args.user, &config) {
        (Some(user), Some(config)) => local_token(&user, &args.groups, config)?,
        _ => args.token.ok_or_else(|| {
            Error::invalid_request(
                "no token: give `--token` or `LAKEGATE_TOKEN`; `lakegate token --user NAME` makes one",
            )
        })?,
    };
    let mut options = ConnectOptions::new(address(args.url, config.as_ref())).token(token);
    if let Some(database) = args.database {
        options = options.database(database);
    }
    let session = Session::new(options, args.format).map_err(shell::failure)?;
    let is_at_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    match args.command {
        Some(text) => unless_interrupted(script::run(session, Input::text(text))).await,
        None if is_at_terminal => shell::run(session).await,
        None => unless_interrupted(script::run(session, Input::Stdin)).await,
    }
}

/// Ctrl-C ends a script. What it was doing is dropped first, which cancels its query and takes away a file that is not
/// whole.
async fn unless_interrupted(script: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let mut script = tokio::spawn(script);
    tokio::select! {
        outcome = &mut script => outcome.map_err(Error::internal)?,
        _ = tokio::signal::ctrl_c() => {
            script.abort();
            // A write that waits for a reader cannot be dropped, and must not keep the program.
            let _ = tokio::time::timeout(GRACE, script).await;
            std::process::exit(INTERRUPTED)
        }
    }
}

fn address(url: Option<String>, config: Option<&Config>) -> String {
    match (url, config) {
        (Some(url), _) => url,
        (None, Some(config)) => {
            let mut http = config.server.http;
            // A server that listens everywhere is reached here, but not at an address that means everywhere.
            if http.ip().is_unspecified() {
                http.set_ip(if http.is_ipv4() {
                    Ipv4Addr::LOCALHOST.into()
                } else {
                    Ipv6Addr::LOCALHOST.into()
                });
            }
            format!("http://{http}")
        }
        (None, None) => DEFAULT_URL.to_owned(),
    }
}

/// Whoever may read the signing key may be anybody, with `lakegate token` as here.
fn local_token(user: &str, groups: &[String], config: &Config) -> Result<String> {
    match &config.auth.signing_key {
        Some(key) if config.auth.local_issuer => {
            LocalIssuer::open(key)?.issue(user, groups, &BTreeMap::new(), SESSION)
        }
        _ => {
            Err(Error::invalid_request("the local issuer is off: give a token of your issuer with `--token`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_the_one_that_is_named_then_the_configured_one_then_the_usual_one() {
        let mut config = Config::default();
        config.server.http = "0.0.0.0:9090".parse().unwrap();
        assert_eq!(address(Some("http://elsewhere:1".to_owned()), Some(&config)), "http://elsewhere:1");
        assert_eq!(address(None, Some(&config)), "http://127.0.0.1:9090");
        assert_eq!(address(None, None), DEFAULT_URL);
    }

    #[test]
    fn a_user_can_be_named_only_where_the_local_issuer_is_on() {
        let error = local_token("bo", &[], &Config::default()).unwrap_err();
        assert!(error.detail().contains("`--token`"), "{error}");
    }
}
