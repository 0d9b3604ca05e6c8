//! `lakegate init`: an empty gateway in a folder.
//!
//! The configuration is written last and never over another, so a folder that has one is complete.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::config::FILE_NAME;
use crate::error::{Error, Result};
use crate::identity::LocalIssuer;
use crate::ingest::jobs::seal::Sealer;
use crate::policy::principal::Principal;
use crate::store::Store;

/// Arguments of `lakegate init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder, made if missing
    #[arg(long)]
    dir: PathBuf,
}

/// Lays out the folder and says what comes next.
pub async fn run(args: Args, _config: Option<PathBuf>) -> Result<()> {
    let file = lay_out(&args.dir, &[Principal::User("admin".to_owned())]).await?;
    eprintln!("wrote {}; start with `lakegate serve --config {}`", file.display(), file.display());
    Ok(())
}

/// Writes configuration, keys and lake folder into `dir`; the configuration's path comes back.
pub async fn lay_out(dir: &Path, administrators: &[Principal]) -> Result<PathBuf> {
    let file = dir.join(FILE_NAME);
    if file.exists() {
        return Err(Error::conflict(format!("`{}` exists already and is left as it is", file.display())));
    }
    let lake = dir.join("lake");
    std::fs::create_dir_all(&lake).map_err(|error| failed(&lake, &error))?;
    let key = dir.join("signing-key.pem");
    if key.exists() {
        LocalIssuer::open(&key)?
    } else {
        LocalIssuer::create(&key)?
    };
    Sealer::create(&dir.join("store-key"))?;
    let store = std::path::absolute(dir.join("lakegate.db")).map_err(|error| failed(dir, &error))?;
    Store::connect(&format!("sqlite://{}", store.display())).await?.migrate().await?;
    let mut text =
        OpenOptions::new().write(true).create_new(true).open(&file).map_err(|error| failed(&file, &error))?;
    text.write_all(configuration(administrators)?.as_bytes()).map_err(|error| failed(&file, &error))?;
    Ok(file)
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::AlreadyExists => {
            Error::conflict(format!("`{}` exists already and is left as it is", path.display()))
        }
        _ => Error::invalid_request(format!("cannot write `{}`: {error}", path.display())),
    }
}

fn configuration(administrators: &[Principal]) -> Result<String> {
    // A list of JSON texts is a list of TOML texts too.
    let administrators = serde_json::to_string(administrators).map_err(Error::internal)?;
    Ok(format!(
        r#"# lakegate: docs/CONFIGURATION.md has every key. Relative paths are from this file's folder.
# The environment goes over it: LAKEGATE__SERVER__HTTP=0.0.0.0:8080

[server]
http = "127.0.0.1:8080"
flight = "127.0.0.1:8081"             # Arrow Flight SQL, for ADBC and JDBC; or "off"
postgres = "127.0.0.1:5433"           # PostgreSQL's protocol, for psql and its drivers; or "off"

[store]
url = "sqlite://lakegate.db"          # or postgres://USER:PASSWORD@HOST/DATABASE
key_file = "store-key"                # encrypts the passwords of sources; every node needs the same

[lake]
root = "file://lake"                  # or s3://BUCKET/PREFIX, with AWS_* in the environment

[auth]
administrators = {administrators}
local_issuer = true                   # accepts tokens of `lakegate token`
signing_key = "signing-key.pem"

# [[auth.issuers]]
# issuer = "https://login.example.com"
# audience = "lakegate"
"#
    ))
}
