//! A connection: a gateway, a token, and the database that tables are looked up in.

use std::collections::HashSet;

use adbc_core::error::Result;
use adbc_core::options::{InfoCode, ObjectDepth, OptionConnection, OptionValue};
use adbc_core::sync::CancelHandle;
use adbc_core::{Connection, Optionable};
use arrow::array::RecordBatchReader;
use arrow::datatypes::Schema;
use lakegate_client::{ConnectOptions, DatabaseMetaData, blocking};

use crate::fault::{invalid, not_implemented, of_client};
use crate::info;
use crate::objects::{self, Wanted};
use crate::options::{RunOptions, only_texts, text, unset};
use crate::reader::{Reader, Rows, Stop};
use crate::statement::LakegateStatement;

/// The one catalog that a gateway has.
const CATALOG: &str = DatabaseMetaData::CATALOG;

/// A connection to a gateway.
#[derive(Debug)]
pub struct LakegateConnection {
    client: blocking::Connection,
    run: RunOptions,
    stop: Stop,
}

impl LakegateConnection {
    /// Checks what it is made of. Says nothing to the gateway.
    pub(crate) fn new(gateway: ConnectOptions) -> Result<Self> {
        let client = blocking::Connection::new(gateway).map_err(|error| of_client(&error))?;
        Ok(Self { client, run: RunOptions::default(), stop: Stop::default() })
    }
}

impl Connection for LakegateConnection {
    type StatementType = LakegateStatement;

    fn new_statement(&mut self) -> Result<LakegateStatement> {
        Ok(LakegateStatement::new(self.client.clone(), self.run.clone()))
    }

    fn get_cancel_handle(&self) -> Box<dyn CancelHandle> {
        Box::new(self.stop.clone())
    }

    fn get_info(&self, codes: Option<HashSet<InfoCode>>) -> Result<Reader> {
        info::info(codes.as_ref())
    }

    fn get_objects(
        &self,
        depth: ObjectDepth,
        catalog: Option<&str>,
        db_schema: Option<&str>,
        table_name: Option<&str>,
        table_type: Option<Vec<&str>>,
        column_name: Option<&str>,
    ) -> Result<Reader> {
        let wanted = Wanted {
            depth,
            catalog,
            database: db_schema,
            table: table_name,
            table_type,
            column: column_name,
        };
        objects::objects(&self.client.metadata(), &wanted)
    }

    /// As a query that wants no row has it: with the columns that may be read.
    fn get_table_schema(
        &self,
        catalog: Option<&str>,
        db_schema: Option<&str>,
        table: &str,
    ) -> Result<Schema> {
        // Some driver managers say that nothing is said with an empty name.
        let said = |name: Option<&str>| name.filter(|name| !name.is_empty()).map(str::to_owned);
        if said(catalog).is_some_and(|name| name != CATALOG) {
            return Err(invalid(format!("there is one catalog, `{CATALOG}`")));
        }
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let database = said(db_schema).map(|name| format!("{}.", quoted(&name))).unwrap_or_default();
        let query = self.client.query(format!("SELECT * FROM {database}{} LIMIT 0", quoted(table)));
        let rows = Rows::open([query.cancelled_by(&self.stop.anew())])?;
        Ok(Schema::new(rows.schema().fields().clone()))
    }

    fn get_table_types(&self) -> Result<Reader> {
        info::table_types(&self.client.metadata().table_types())
    }

    fn get_statistic_names(&self) -> Result<Reader> {
        Err(not_implemented("statistics"))
    }

    fn get_statistics(
        &self,
        _catalog: Option<&str>,
        _db_schema: Option<&str>,
        _table_name: Option<&str>,
        _approximate: bool,
    ) -> Result<Reader> {
        Err(not_implemented("statistics"))
    }

    fn commit(&mut self) -> Result<()> {
        Err(not_implemented("a transaction"))
    }

    fn rollback(&mut self) -> Result<()> {
        Err(not_implemented("a transaction"))
    }

    fn read_partition(&self, _partition: impl AsRef<[u8]>) -> Result<Reader> {
        Err(not_implemented("a result in parts"))
    }
}

impl Optionable for LakegateConnection {
    type Option = OptionConnection;

    fn set_option(&mut self, key: OptionConnection, value: OptionValue) -> Result<()> {
        if self.run.set(key.as_ref(), &value)? {
            return Ok(());
        }
        let value = text(key.as_ref(), value)?;
        match (&key, value.as_str()) {
            (OptionConnection::CurrentSchema, database) => self.client = self.client.in_database(database),
            (OptionConnection::CurrentCatalog, CATALOG) | (OptionConnection::AutoCommit, "true") => {}
            _ => return Err(not_implemented(&format!("`{}` = `{value}`", key.as_ref()))),
        }
        Ok(())
    }

    fn get_option_string(&self, key: OptionConnection) -> Result<String> {
        let value = match &key {
            OptionConnection::CurrentCatalog => Some(CATALOG.to_owned()),
            OptionConnection::CurrentSchema => self.client.database().map(str::to_owned),
            OptionConnection::AutoCommit => Some("true".to_owned()),
            other => self.run.get(other.as_ref()),
        };
        value.ok_or_else(|| unset(key.as_ref()))
    }

    only_texts!(OptionConnection);
}
