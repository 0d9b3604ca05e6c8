//! `lakegate migrate`: brings the policy store up to date, for those who do it before a new release starts.

use std::path::PathBuf;

use crate::config::Config;
use crate::error::Result;
use crate::store::Store;

/// Nothing but the configuration.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Applies every migration that the store does not have yet.
pub async fn run(_args: Args, config: Option<PathBuf>) -> Result<()> {
    let config = Config::load(config.as_deref())?;
    Store::connect(&config.store.url).await?.migrate().await?;
    eprintln!("the policy store is up to date");
    Ok(())
}
