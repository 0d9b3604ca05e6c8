//! Tables that are kept in shape: their rows are laid anew for fast reading, and versions of which nobody has a use go.
//!
//! Both work on tables of the lake alone, on what is published of them. A version that is laid anew has the rows and columns
//! of the one before; nobody sees more or less of it. Nothing here is on the path of a query.

mod arrangement;
mod curve;
mod optimize;
mod parts;
mod vacuum;

pub use arrangement::{Arrangement, DatePart, Order, Partition, Wanted};
pub use optimize::{Optimized, Size, optimize};
pub use vacuum::{Keeping, Vacuumed, vacuum};

use uuid::Uuid;

use super::Context;
use crate::audit::event::AuditEvent;
use crate::catalog::TableRecord;
use crate::error::{Error, Result};
use crate::lake::{DeltaLog, OpenTable};
use crate::policy::model::TableName;
use crate::store::record::Format;

/// A table that the lake keeps itself, as it is published.
struct Kept {
    record: TableRecord,
    version: i64,
    log: DeltaLog,
    open: OpenTable,
}

impl Kept {
    /// The table `name`. One that lies in the lake may be another system's nevertheless: what its files do not say alone, these
    /// works would not see.
    async fn find(context: &Context, name: &TableName) -> Result<Self> {
        let other = || {
            Error::invalid_request(format!(
                "`{name}` is a registered folder: the system that writes it keeps it in shape"
            ))
        };
        let record = context.catalog.found(name).await?.value;
        let version = record.version.filter(|_| record.format == Format::Delta).ok_or_else(other)?;
        if !context.lake.owns(&record.location) {
            return Err(other());
        }
        let log = context.lake.delta_log(&record.location)?;
        let open = log.open(Some(version)).await?;
        match open.is_in_its_files_alone()? {
            true => Ok(Self { record, version, log, open }),
            false => Err(other()),
        }
    }
}

/// What the audit log says of `action` on a table, which came to `told`.
fn event(
    context: &Context,
    action: &str,
    name: &TableName,
    told: serde_json::Value,
    error: Option<&Error>,
) -> AuditEvent {
    let mut event = AuditEvent::new(Uuid::now_v7(), context.catalog.actor(), action);
    event.door = Some(context.door.to_owned());
    event.tables = vec![name.to_string()];
    event.policy = told;
    match error {
        Some(error) => event.failed(error.kind().code(), error.detail()),
        None => event,
    }
}
