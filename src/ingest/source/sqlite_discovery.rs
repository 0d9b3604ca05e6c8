//! What a SQLite file has. It knows no schemas, comments or rights, and rows are counted only where `ANALYZE` has run.

use std::collections::HashMap;

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Decode, Row, Sqlite, Type};

use super::discovery::{DiscoveredColumn, DiscoveredTable, Discovery, ForeignKey, TableKind};
use super::pattern::{Found, choose};
use super::sqlite::{COLUMNS, TABLES, mapped, no_equal, read_failed};
use crate::error::Result;

/// Where `ANALYZE` keeps what it found; the first number is how many rows a table or an index has.
const ESTIMATES: &str = "SELECT tbl, max(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl";

const HAS_ESTIMATES: &str = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";

/// A column of each foreign key in a row; the other side is not told where it is the primary key there.
const FOREIGN_KEYS: &str =
    "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list($1) ORDER BY id DESC, seq";

const PRIMARY_KEY: &str = "SELECT name FROM pragma_table_xinfo($1) WHERE pk > 0 ORDER BY pk";

/// All that there is of what `patterns` mean.
pub(super) async fn discover(connection: &mut SqliteConnection, patterns: &[String]) -> Result<Discovery> {
    let rows = sqlx::query(TABLES).fetch_all(&mut *connection).await.map_err(read_failed)?;
    let listed = rows.iter().map(|row| Ok((value(row, 0)?, value::<String>(row, 1)? == "view")));
    let mut listed = listed.collect::<Result<Vec<(String, bool)>>>()?;
    if !patterns.is_empty() {
        let found = |(name, _): &(String, bool)| Found { schema: None, name: name.clone() };
        let mut chosen = choose(listed.iter().map(found).collect(), patterns, None)?.into_iter().peekable();
        // Both are in one order.
        listed.retain(|one| chosen.next_if(|next| *next == found(one)).is_some());
    }
    let mut estimates = estimates(connection).await?;
    let mut tables = Vec::with_capacity(listed.len());
    for (name, is_view) in listed {
        let estimate = estimates.remove(&name).and_then(|rows| u64::try_from(rows).ok());
        tables.push(table(connection, name, is_view, estimate).await?);
    }
    Ok(Discovery { schemas: Vec::new(), tables })
}

async fn estimates(connection: &mut SqliteConnection) -> Result<HashMap<String, i64>> {
    let has: i64 =
        sqlx::query_scalar(HAS_ESTIMATES).fetch_one(&mut *connection).await.map_err(read_failed)?;
    if has == 0 {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(ESTIMATES).fetch_all(connection).await.map_err(read_failed)?;
    rows.iter().map(|row| Ok((value(row, 0)?, value(row, 1)?))).collect()
}

async fn table(
    connection: &mut SqliteConnection,
    name: String,
    is_view: bool,
    estimate: Option<u64>,
) -> Result<DiscoveredTable> {
    let mut table = DiscoveredTable {
        schema: None,
        name,
        kind: if is_view { TableKind::View } else { TableKind::Table },
        comment: None,
        estimate,
        columns: Vec::new(),
        key: Vec::new(),
        foreign_keys: Vec::new(),
        unreadable: None,
        shows_some_rows: false,
    };
    match sqlx::query(COLUMNS).bind(&table.name).fetch_all(&mut *connection).await {
        Ok(rows) => add_columns(&mut table, &rows)?,
        // A view of a table that is gone: its own trouble, and no other table's.
        Err(sqlx::Error::Database(fault)) => {
            table.unreadable = Some(format!("it cannot be read: {}", fault.message()));
            return Ok(table);
        }
        Err(fault) => return Err(read_failed(fault)),
    }
    let query = sqlx::query(FOREIGN_KEYS).bind(&table.name);
    add_foreign_keys(&mut table, &query.fetch_all(&mut *connection).await.map_err(read_failed)?)?;
    for foreign in table.foreign_keys.iter_mut().filter(|foreign| foreign.references.is_empty()) {
        let query = sqlx::query_scalar(PRIMARY_KEY).bind(&foreign.table);
        foreign.references = query.fetch_all(&mut *connection).await.map_err(read_failed)?;
    }
    Ok(table)
}

fn add_columns(table: &mut DiscoveredTable, rows: &[SqliteRow]) -> Result<()> {
    let mut key = Vec::new();
    for row in rows {
        let (name, declared) = (value::<String>(row, 0)?, value::<String>(row, 1)?);
        let place = value::<i64>(row, 3)?;
        // A primary key may be NULL here, unless it is the number of the row.
        let is_row_number = place > 0 && declared.eq_ignore_ascii_case("integer");
        if place > 0 {
            key.push((place, name.clone()));
        }
        table.columns.push(DiscoveredColumn {
            lake_type: mapped(&declared).ok_or_else(|| no_equal(&name, &declared)),
            name,
            source_type: Some(declared),
            nullable: value::<i64>(row, 2)? == 0 && !is_row_number,
            comment: None,
        });
    }
    key.sort();
    table.key = key.into_iter().map(|(_, column)| column).collect();
    Ok(())
}

fn add_foreign_keys(table: &mut DiscoveredTable, rows: &[SqliteRow]) -> Result<()> {
    let mut last = None;
    for row in rows {
        let id: i64 = value(row, 0)?;
        if last.replace(id) != Some(id) {
            let (columns, references) = (Vec::new(), Vec::new());
            table.foreign_keys.push(ForeignKey { columns, schema: None, table: value(row, 1)?, references });
        }
        if let Some(foreign) = table.foreign_keys.last_mut() {
            foreign.columns.push(value(row, 2)?);
            foreign.references.extend(value::<Option<String>>(row, 3)?);
        }
    }
    Ok(())
}

fn value<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(row: &'r SqliteRow, at: usize) -> Result<T> {
    row.try_get(at).map_err(read_failed)
}
