//! What a server of MySQL or MariaDB has, from `information_schema` alone: a few questions for each schema.
//!
//! The server shows an account only the tables on which it has a right, and the keys only to some accounts. What it may not select
//! is listed with that said.

use std::collections::HashMap;

use sqlx::mysql::{MySqlConnection, MySqlRow};

use super::super::discovery::{
    DiscoveredColumn, DiscoveredTable, Discovery, ForeignKey, SourceSchema, TableKind, missing_rights, said,
};
use super::super::pattern::choose;
use super::{Listed, MySql, TABLES, columns, declared, listed, no_columns, read, types};
use crate::error::Result;

const SCHEMAS: &str = "SELECT schema_name FROM information_schema.schemata \
     WHERE schema_name NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') ORDER BY schema_name";

const COLUMNS: &str = columns!("ORDER BY table_name, ordinal_position");

/// Primary and foreign keys, a row for each of their columns.
const KEYS: &str = "SELECT table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name, \
       referenced_column_name \
     FROM information_schema.key_column_usage \
     WHERE table_schema = ? AND (constraint_name = 'PRIMARY' OR referenced_table_name IS NOT NULL) \
     ORDER BY table_name, constraint_name, ordinal_position";

/// The tables of one schema by their names, each with the columns that the account may not read.
struct Tables<'a>(HashMap<String, (&'a mut DiscoveredTable, Vec<String>)>);

impl MySql {
    /// All that there is of what `patterns` mean.
    pub(super) async fn discovered(&self, patterns: &[String]) -> Result<Discovery> {
        let mut connection = self.session().await?;
        let rows = self.ask(&mut connection, SCHEMAS, None).await?;
        let schema = |row| Ok(SourceSchema { name: text(row, 0)?, comment: None });
        let schemas = rows.iter().map(schema).collect::<Result<Vec<_>>>()?;
        let rows = self.ask(&mut connection, TABLES, None).await?;
        let mut tables = rows.iter().map(|row| Ok(table(listed(row)?))).collect::<Result<Vec<_>>>()?;
        if !patterns.is_empty() {
            let all = tables.iter().map(DiscoveredTable::found).collect();
            let mut chosen = choose(all, patterns, self.database.as_deref())?.into_iter().peekable();
            // Both are in one order.
            tables.retain(|table| chosen.next_if(|next| *next == table.found()).is_some());
        }
        for tables in tables.chunk_by_mut(|one, next| one.schema == next.schema) {
            let Some(schema) = tables.first().and_then(|table| table.schema.clone()) else { continue };
            let columns = self.ask(&mut connection, COLUMNS, Some(&schema)).await?;
            let keys = self.ask(&mut connection, KEYS, Some(&schema)).await?;
            Tables::of(tables).fill(&schema, &columns, &keys)?;
        }
        Ok(Discovery { schemas, tables })
    }

    /// All rows that a question about `schema`, where it is about one, gives.
    pub(super) async fn ask(
        &self,
        connection: &mut MySqlConnection,
        question: &'static str,
        schema: Option<&str>,
    ) -> Result<Vec<MySqlRow>> {
        let query = sqlx::query(question);
        let query = match schema {
            Some(schema) => query.bind(schema.to_owned()),
            None => query,
        };
        query.fetch_all(connection).await.map_err(|error| self.refused("list the tables", error))
    }
}

pub(super) fn text(row: &MySqlRow, at: usize) -> Result<String> {
    read::text(row, at).map(Option::unwrap_or_default)
}

fn table(listed: Listed) -> DiscoveredTable {
    DiscoveredTable {
        schema: Some(listed.schema),
        name: listed.name,
        kind: if listed.is_view { TableKind::View } else { TableKind::Table },
        // The comment of a view is only that it is one, or why it is broken.
        comment: if listed.is_view { None } else { said(listed.comment) },
        estimate: listed.estimate,
        columns: Vec::new(),
        key: Vec::new(),
        foreign_keys: Vec::new(),
        unreadable: None,
        shows_some_rows: false,
    }
}

impl<'a> Tables<'a> {
    fn of(tables: &'a mut [DiscoveredTable]) -> Self {
        Self(tables.iter_mut().map(|table| (table.name.clone(), (table, Vec::new()))).collect())
    }

    fn fill(mut self, schema: &str, columns: &[MySqlRow], keys: &[MySqlRow]) -> Result<()> {
        for row in columns {
            self.add_column(schema, row)?;
        }
        self.add_keys(keys)?;
        for (table, unreadable) in self.0.into_values() {
            table.unreadable = match table.columns.is_empty() {
                true => Some(no_columns(&table.name)),
                false => missing_rights(schema, true, &unreadable, table.columns.len()),
            };
        }
        Ok(())
    }

    fn add_column(&mut self, schema: &str, row: &MySqlRow) -> Result<()> {
        if text(row, 0)? != schema {
            return Ok(());
        }
        let Some((table, unreadable)) = self.0.get_mut(&text(row, 1)?) else { return Ok(()) };
        let declared = declared(row, table.kind == TableKind::View)?;
        // Where the server does not show the key itself, its columns are known, and not their order.
        if text(row, 9)? == "PRI" {
            table.key.push(declared.name.clone());
        }
        if !text(row, 11)?.split(',').any(|right| right.trim().eq_ignore_ascii_case("select")) {
            unreadable.push(declared.name.clone());
        }
        table.columns.push(DiscoveredColumn {
            name: declared.name.clone(),
            source_type: Some(declared.column_type.clone()),
            lake_type: types::map(&declared).map(|mapped| mapped.field.data_type().clone()),
            nullable: declared.nullable,
            comment: said(read::text(row, 10)?),
        });
        Ok(())
    }

    fn add_keys(&mut self, rows: &[MySqlRow]) -> Result<()> {
        let mut last = None;
        for row in rows {
            let (name, column) = (text(row, 0)?, text(row, 2)?);
            let constraint = Some((name.clone(), text(row, 1)?));
            let is_first = last != constraint;
            last = constraint;
            let Some((table, _)) = self.0.get_mut(&name) else { continue };
            match read::text(row, 4)? {
                None if is_first => table.key = vec![column],
                None => table.key.push(column),
                Some(other) => {
                    if is_first {
                        let schema = read::text(row, 3)?;
                        let (columns, references) = (Vec::new(), Vec::new());
                        table.foreign_keys.push(ForeignKey { columns, schema, table: other, references });
                    }
                    if let Some(foreign) = table.foreign_keys.last_mut() {
                        foreign.columns.push(column);
                        foreign.references.push(text(row, 5)?);
                    }
                }
            }
        }
        Ok(())
    }
}
