//! What a PostgreSQL server has, from its catalog alone, at one point in time and with four questions for any number of tables.
//!
//! The catalog shows everybody every table. So one that the account may not read is listed too, and what it lacks is told.

use std::collections::HashMap;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Decode, Postgres, Row, Type};

use super::super::discovery::{
    DiscoveredColumn, DiscoveredTable, Discovery, ForeignKey, SourceSchema, TableKind, missing_rights, said,
};
use super::super::pattern::choose;
use super::{COLUMNS, KEY, declared, is_schema, is_table, read_failed};
use crate::error::Result;

const SCHEMAS: &str = concat!(
    "SELECT n.nspname::text, obj_description(n.oid, 'pg_namespace') FROM pg_namespace n WHERE ",
    is_schema!(),
    " ORDER BY 1"
);

/// A partitioned table has the rows of its leaves, and no estimate where one of them has none. The server says -1 for a table that
/// it has never looked at, and keeps no count of a view's rows.
const TABLES: &str = concat!(
    "WITH RECURSIVE part (root, oid) AS ( \
       SELECT c.oid, c.oid FROM pg_class c WHERE c.relkind = 'p' AND NOT c.relispartition \
       UNION ALL SELECT part.root, i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.oid), \
     sums AS ( \
       SELECT part.root, CASE WHEN min(c.reltuples) >= 0 THEN sum(c.reltuples)::int8 END AS estimate \
       FROM part JOIN pg_class c ON c.oid = part.oid WHERE c.relkind <> 'p' GROUP BY part.root) \
     SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, obj_description(c.oid, 'pg_class'), \
       CASE c.relkind WHEN 'p' THEN sums.estimate WHEN 'v' THEN NULL ELSE c.reltuples::int8 END, \
       has_schema_privilege(n.oid, 'USAGE'), row_security_active(c.oid) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN sums ON sums.root = c.oid WHERE ",
    is_table!(),
    " ORDER BY 2, 3"
);

/// Not those that partitions have from their table.
const FOREIGN_KEYS: &str = "SELECT f.conrelid::int8, n.nspname::text, c.relname::text, \
       ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS k (attnum, place) \
         JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum ORDER BY k.place), \
       ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS k (attnum, place) \
         JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum ORDER BY k.place) \
     FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE f.contype = 'f' AND f.conparentid = 0 AND f.conrelid = ANY ($1::int8[]::oid[]) \
     ORDER BY f.conrelid, f.conname";

/// A table, and whether its schema may be used at all.
struct Listed {
    oid: i64,
    has_usage: bool,
    table: DiscoveredTable,
}

/// Columns with what the account may do with them.
#[derive(Default)]
struct Columns {
    columns: Vec<DiscoveredColumn>,
    unreadable: Vec<String>,
}

/// All that is there of what `patterns` mean.
pub(super) async fn discover(connection: &mut PgConnection, patterns: &[String]) -> Result<Discovery> {
    let schemas = sqlx::query(SCHEMAS).fetch_all(&mut *connection).await.map_err(read_failed)?;
    let schemas = schemas.iter().map(schema).collect::<Result<Vec<_>>>()?;
    let rows = sqlx::query(TABLES).fetch_all(&mut *connection).await.map_err(read_failed)?;
    let mut listed = rows.iter().map(listed).collect::<Result<Vec<_>>>()?;
    if !patterns.is_empty() {
        let all = listed.iter().map(|one| one.table.found()).collect();
        let mut chosen = choose(all, patterns, Some("public"))?.into_iter().peekable();
        // Both are in one order.
        listed.retain(|one| chosen.next_if(|next| *next == one.table.found()).is_some());
    }
    let oids = listed.iter().map(|one| one.oid).collect::<Vec<_>>();
    let mut columns = columns(&ask(connection, COLUMNS, &oids).await?)?;
    let mut keys = gathered(&ask(connection, KEY, &oids).await?, |row| Ok((value(row, 1)?, value(row, 0)?)))?;
    let mut foreign = gathered(&ask(connection, FOREIGN_KEYS, &oids).await?, foreign_key)?;
    let complete = |Listed { oid, has_usage, mut table }: Listed| {
        let Columns { columns, unreadable } = columns.remove(&oid).unwrap_or_default();
        let schema = table.schema.as_deref().unwrap_or_default();
        table.unreadable = missing_rights(schema, has_usage, &unreadable, columns.len());
        table.columns = columns;
        table.key = keys.remove(&oid).unwrap_or_default();
        table.foreign_keys = foreign.remove(&oid).unwrap_or_default();
        table
    };
    Ok(Discovery { schemas, tables: listed.into_iter().map(complete).collect() })
}

async fn ask(connection: &mut PgConnection, question: &'static str, oids: &[i64]) -> Result<Vec<PgRow>> {
    sqlx::query(question).bind(oids.to_vec()).fetch_all(connection).await.map_err(read_failed)
}

fn schema(row: &PgRow) -> Result<SourceSchema> {
    Ok(SourceSchema { name: value(row, 0)?, comment: said(value(row, 1)?) })
}

fn listed(row: &PgRow) -> Result<Listed> {
    let kind = match value::<String>(row, 3)?.as_str() {
        "v" => TableKind::View,
        "m" => TableKind::MaterializedView,
        "f" => TableKind::ForeignTable,
        _ => TableKind::Table,
    };
    let table = DiscoveredTable {
        schema: value(row, 1)?,
        name: value(row, 2)?,
        kind,
        comment: said(value(row, 4)?),
        estimate: value::<Option<i64>>(row, 5)?.and_then(|rows| u64::try_from(rows).ok()),
        columns: Vec::new(),
        key: Vec::new(),
        foreign_keys: Vec::new(),
        unreadable: None,
        shows_some_rows: value(row, 7)?,
    };
    Ok(Listed { oid: value(row, 0)?, has_usage: value(row, 6)?, table })
}

/// The columns of each table.
fn columns(rows: &[PgRow]) -> Result<HashMap<i64, Columns>> {
    let mut all = HashMap::<i64, Columns>::new();
    for row in rows {
        let declared = declared(row)?;
        let of = all.entry(value(row, 8)?).or_default();
        // None when the column went away in the meantime.
        if !value::<Option<bool>>(row, 10)?.unwrap_or_default() {
            of.unreadable.push(declared.name.clone());
        }
        of.columns.push(DiscoveredColumn {
            name: declared.name.clone(),
            source_type: Some(declared.shown.clone()),
            lake_type: declared.mapped().map(|mapped| mapped.field.data_type().clone()),
            nullable: !declared.required,
            comment: said(value(row, 9)?),
        });
    }
    Ok(all)
}

fn foreign_key(row: &PgRow) -> Result<(i64, ForeignKey)> {
    let foreign = ForeignKey {
        columns: value(row, 3)?,
        schema: value(row, 1)?,
        table: value(row, 2)?,
        references: value(row, 4)?,
    };
    Ok((value(row, 0)?, foreign))
}

/// What the rows say, for each table in their order.
fn gathered<T>(rows: &[PgRow], read: impl Fn(&PgRow) -> Result<(i64, T)>) -> Result<HashMap<i64, Vec<T>>> {
    let mut all = HashMap::<i64, Vec<T>>::new();
    for row in rows {
        let (oid, one) = read(row)?;
        all.entry(oid).or_default().push(one);
    }
    Ok(all)
}

/// The value of a row at a place.
pub(super) fn value<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, at: usize) -> Result<T> {
    row.try_get(at).map_err(read_failed)
}
