//! `lakegate table optimize` and `lakegate table vacuum`: what keeps a table fast and its folder small.

use std::time::Duration;

use super::ingest::context;
use crate::config::{Config, parse_duration};
use crate::error::{Error, Result};
use crate::ingest::upkeep::{Keeping, Optimized, Order, Partition, Vacuumed, Wanted, optimize, vacuum};
use crate::policy::model::TableName;

/// What clocks of nodes may differ by, and what a query may take from its start to its first file.
const SLACK: Duration = Duration::from_secs(60);

/// `lakegate table optimize …`
#[derive(Debug, clap::Args)]
pub(super) struct OptimizeArgs {
    /// DATABASE.TABLE
    table: TableName,
    /// Sort rows by these columns, the first one first.
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS", group = "order")]
    sort: Vec<String>,
    /// Put rows side by side that are near in all of these columns.
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS", group = "order")]
    zorder: Vec<String>,
    /// Leave rows in the order in which they came.
    #[arg(long, group = "order")]
    unsorted: bool,
    /// Put rows into files of their own by these: a column, or year, month, day or hour of one, as `month(created_at)`.
    #[arg(long, value_delimiter = ',', value_name = "PARTS", group = "apart")]
    partition: Vec<Partition>,
    /// Let rows of all values share files.
    #[arg(long, group = "apart")]
    unpartitioned: bool,
    /// Write a bloom filter for these columns, for conditions as `id = '…'` on values without an order.
    #[arg(long, value_delimiter = ',', value_name = "COLUMNS", group = "filters")]
    bloom: Vec<String>,
    /// Write no bloom filters.
    #[arg(long, group = "filters")]
    no_bloom: bool,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

/// `lakegate table vacuum …`
#[derive(Debug, clap::Args)]
pub(super) struct VacuumArgs {
    /// DATABASE.TABLE
    table: TableName,
    /// How long a version is kept after the next one was published.
    #[arg(long, default_value = "7d", value_parser = parse_duration)]
    retention: Duration,
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

impl OptimizeArgs {
    /// Lays the rows of the table as it is asked.
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        let context = context(config).await?;
        let (table, json, wanted) = (self.table.clone(), self.json, self.wanted());
        let outcome = optimize(&context, &table, &wanted).await;
        context.audit.flush().await;
        let done = outcome?;
        match json {
            true => print_json(&done),
            false => {
                println!("{}", told(&done));
                Ok(())
            }
        }
    }

    fn wanted(self) -> Wanted {
        let order = match (self.sort.is_empty(), self.zorder.is_empty(), self.unsorted) {
            (false, ..) => Some(Order::Sort(self.sort)),
            (_, false, _) => Some(Order::Zorder(self.zorder)),
            (.., true) => Some(Order::Any),
            _ => None,
        };
        Wanted {
            order,
            partition: (self.unpartitioned || !self.partition.is_empty()).then_some(self.partition),
            bloom: (self.no_bloom || !self.bloom.is_empty()).then_some(self.bloom),
        }
    }
}

impl VacuumArgs {
    /// Removes what is over.
    pub(super) async fn run(self, config: &Config) -> Result<()> {
        let context = context(config).await?;
        let least = config.limits.query_timeout + config.store.grace + SLACK;
        let keeping = Keeping { retention: self.retention, least };
        let outcome = vacuum(&context, &self.table, keeping, self.dry_run).await;
        context.audit.flush().await;
        let done = outcome?;
        match self.json {
            true => print_json(&done),
            false => {
                println!("{}", removed(&done, self.dry_run));
                Ok(())
            }
        }
    }
}

fn print_json(done: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(done).map_err(Error::internal)?);
    Ok(())
}

fn told(done: &Optimized) -> String {
    let Optimized { table, version, arrangement, rows, before, after, seconds } = done;
    let arrangement = arrangement.to_string();
    let arrangement = if arrangement.is_empty() { String::new() } else { format!(" ({arrangement})") };
    match version {
        None => format!("{table} lies as it should{arrangement}: {} files", after.files),
        Some(version) => format!(
            "{table} is version {version}{arrangement}: {rows} rows written anew, {} files with {} bytes before, {} with \
             {} now, {seconds:.1} s",
            before.files, before.bytes, after.files, after.bytes
        ),
    }
}

fn removed(done: &Vacuumed, is_trial: bool) -> String {
    let would = if is_trial { "would be " } else { "" };
    let Vacuumed { table, versions, in_use, files, bytes } = done;
    let mut told =
        format!("{table}: {} versions and {files} files with {bytes} bytes {would}removed", versions.len());
    if !in_use.is_empty() {
        let numbers = in_use.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        told += &format!("; queries read {numbers}");
    }
    told
}
