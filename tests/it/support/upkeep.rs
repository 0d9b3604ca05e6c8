//! Tables that are kept in shape by the library, as the command line does it.

use std::time::Duration;

use deltalake_core::kernel::Add;
use lakegate::error::Result;
use lakegate::ingest::upkeep::{Keeping, Optimized, Order, Partition, Wanted, optimize};
use lakegate::lake::DeltaLog;
use lakegate::policy::model::TableName;

use super::gateway::Gateway;

/// What keeps tables in shape may hold so many bytes.
pub const MEMORY: u64 = 64 << 20;

/// Versions are over at once: nothing is read there by what does not say so.
pub const AT_ONCE: Keeping = Keeping { retention: Duration::ZERO, least: Duration::ZERO };

/// Lays `table` anew.
pub async fn lay(gateway: &Gateway, table: &str, wanted: &Wanted) -> Result<Optimized> {
    let context = gateway.ingestion(MEMORY);
    let outcome = optimize(&context, &table.parse().unwrap(), wanted).await;
    context.audit.flush().await;
    gateway.app.refresh().await.unwrap();
    outcome
}

/// The log of `table`.
pub fn log(gateway: &Gateway, table: &str) -> DeltaLog {
    let state = gateway.app.state();
    gateway
        .app
        .lake
        .delta_log(&state.state.tables[&table.parse::<TableName>().unwrap()].value.location)
        .unwrap()
}

/// The files of the published version of `table`.
pub async fn files(gateway: &Gateway, table: &str) -> Vec<Add> {
    let version = gateway.app.state().state.tables[&table.parse::<TableName>().unwrap()].value.version;
    log(gateway, table).open(version).await.unwrap().files().unwrap()
}

pub fn sorted(columns: &[&str]) -> Wanted {
    Wanted { order: Some(Order::Sort(names(columns))), ..Wanted::default() }
}

pub fn curved(columns: &[&str]) -> Wanted {
    Wanted { order: Some(Order::Zorder(names(columns))), ..Wanted::default() }
}

pub fn parted(parts: &[&str]) -> Wanted {
    let partition = parts.iter().map(|part| Partition::from((*part).to_owned())).collect();
    Wanted { partition: Some(partition), ..Wanted::default() }
}

pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
