//! `lakegate token`: a token of the local issuer on stdout, and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::config::{Config, parse_duration};
use crate::error::{Error, Result};
use crate::identity::LocalIssuer;

/// Arguments of `lakegate token`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The user's name
    #[arg(long)]
    user: String,
    /// A group of the user; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// An attribute; the value is JSON if it reads as JSON (`level=3`, `regions=["EU"]`), otherwise text
    #[arg(long = "attr", value_name = "KEY=VALUE", value_parser = attribute)]
    attributes: Vec<(String, Value)>,
    /// How long it is valid: `30m`, `8h`, `7d`
    #[arg(long, default_value = "8h", value_parser = ttl)]
    ttl: Duration,
}

/// Signs and prints.
pub async fn run(args: Args, config: Option<PathBuf>) -> Result<()> {
    let auth = Config::load(config.as_deref())?.auth;
    let key = match (&auth.signing_key, auth.local_issuer) {
        (Some(key), true) => key,
        _ => {
            return Err(Error::invalid_request(
                "the local issuer is off: set `auth.local_issuer = true`, or get a token from your issuer",
            ));
        }
    };
    let attributes: BTreeMap<String, Value> = args.attributes.into_iter().collect();
    println!("{}", LocalIssuer::open(key)?.issue(&args.user, &args.groups, &attributes, args.ttl)?);
    Ok(())
}

pub(super) fn attribute(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            Ok((key.to_owned(), value))
        }
        _ => Err(format!("`{text}` is not an attribute: write `KEY=VALUE`")),
    }
}

fn ttl(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        span if span.is_zero() => Err("must be more than 0".to_owned()),
        span => Ok(span),
    }
}
