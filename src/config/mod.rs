//! Configuration: one typed struct per concern, from a file and the environment.
//!
//! [`Config::load`] is the only reader. A value that cannot be right stops the start with its key and the reason,
//! so what the rest of the program gets is valid and its paths are absolute. These files know std, serde and the
//! policy's principals, and nothing of what they configure.

mod auth;
mod lake;
mod limits;
mod server;
mod store;
mod value;

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::providers::{Env, Format, Toml};
use serde::{Deserialize, Serialize};

pub use auth::{AuthConfig, IssuerConfig, LOCAL_ISSUER, SigningAlgorithm};
pub use lake::LakeConfig;
pub use limits::LimitsConfig;
pub use server::{ServerConfig, TlsConfig};
pub use store::StoreConfig;
pub use value::{parse_duration, parse_size};

use crate::error::{Error, Result};

/// The configuration's name in the working directory.
pub const FILE_NAME: &str = "lakegate.toml";

/// Everything that can be set: a table of `lakegate.toml` for each field.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[server]`: where the gateway listens.
    pub server: ServerConfig,
    /// `[store]`: where policy, catalog and audit are kept.
    pub store: StoreConfig,
    /// `[lake]`: where tables are kept.
    pub lake: LakeConfig,
    /// `[auth]`: whose tokens are accepted, and who administers.
    pub auth: AuthConfig,
    /// `[limits]`: what one query and one process may use.
    pub limits: LimitsConfig,
}

impl Config {
    /// Reads the file at `path`, else `./lakegate.toml`, else the one that `$LAKEGATE_CONFIG` names, and lays
    /// the environment (`LAKEGATE__SERVER__HTTP=…`) over it. Relative paths are from the file's folder.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let path = locate(path)?;
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Error::invalid_request(format!("cannot read the configuration `{}`: {error}", path.display()))
        })?;
        let place = path.display().to_string();
        let mut config: Self = Figment::from(Toml::string(&text))
            .merge(Env::prefixed("LAKEGATE__").split("__"))
            .extract()
            .map_err(|error| {
                Error::invalid_request(format!("configuration `{place}`: {}", explain(&error)))
            })?;
        config
            .validate()
            .map_err(|reason| Error::invalid_request(format!("configuration `{place}`: {reason}")))?;
        let absolute = std::path::absolute(&path).map_err(Error::internal)?;
        config.resolve(absolute.parent().unwrap_or(Path::new("/")));
        Ok(config)
    }

    fn validate(&self) -> Result<(), String> {
        self.store.validate()?;
        self.lake.validate()?;
        self.auth.validate()?;
        self.limits.validate()
    }

    fn resolve(&mut self, folder: &Path) {
        self.server.resolve(folder);
        self.store.resolve(folder);
        self.lake.resolve(folder);
        self.auth.resolve(folder);
    }
}

fn locate(path: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = path {
        return Ok(path.to_path_buf());
    }
    let here = PathBuf::from(FILE_NAME);
    if here.exists() {
        return Ok(here);
    }
    match std::env::var_os("LAKEGATE_CONFIG") {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err(Error::invalid_request(
            "no configuration: there is no `./lakegate.toml` and `LAKEGATE_CONFIG` is not set; \
             name one with `--config FILE`, or write one with `lakegate init --dir DIR`",
        )),
    }
}

/// The key and the reason. Values are told only where they are no secret, so a type error tells kinds alone.
fn explain(error: &figment::Error) -> String {
    let key = error.path.join(".");
    match &error.kind {
        Kind::Message(text) if text.starts_with("TOML parse error") => toml_error(text),
        Kind::Message(text) if key.is_empty() => text.clone(),
        Kind::Message(text) => format!("`{key}`: {text}"),
        Kind::UnknownField(name, known) => {
            let owner = key.strip_suffix(name.as_str()).unwrap_or(&key).trim_end_matches('.');
            let full = if owner.is_empty() { name.clone() } else { format!("{owner}.{name}") };
            format!("`{full}`: there is no such key; known here: {}", listed(known))
        }
        Kind::UnknownVariant(name, known) => {
            format!("`{key}`: `{name}` is not accepted; write one of {}", listed(known))
        }
        Kind::MissingField(name) => {
            let full = if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
            format!("`{full}`: must be set")
        }
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            format!("`{key}`: {} is not what belongs here: write {}", kind_of(actual), expectation(expected))
        }
        Kind::ISizeOutOfRange(_) | Kind::USizeOutOfRange(_) => format!("`{key}`: the number is out of range"),
        _ => format!("`{key}`: the value cannot be read"),
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Where and why, without the source line that the parser prints: it may hold a password.
fn toml_error(text: &str) -> String {
    let mut lines = text.lines();
    let place = lines.next().and_then(|line| line.split_once(" at ")).map_or("", |(_, place)| place);
    let reason: Vec<&str> =
        lines.skip_while(|line| line.contains('|')).filter(|line| !line.contains('|')).collect();
    format!("{place}: {}", reason.join(", "))
}

fn kind_of(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "this value",
    }
}

fn expectation(expected: &str) -> String {
    match expected {
        text if text.starts_with("struct ") => "a table of keys".to_owned(),
        "a boolean" | "bool" => "true or false".to_owned(),
        "a sequence" => "a list such as `[\"user:admin\"]`".to_owned(),
        "a string" | "path string" => "text in quotes".to_owned(),
        "usize" | "u64" | "u32" | "u16" => "a whole number, not negative".to_owned(),
        other => other.to_owned(),
    }
}
