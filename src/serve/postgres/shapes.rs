//! What a prepared statement would give, and what it wants: found by the gateway, told in PostgreSQL's types.

use std::sync::Arc;

use arrow_pg::datatypes::into_pg_type;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::scalar::ScalarValue;
use pgwire::api::ClientInfo;
use pgwire::api::portal::Format;
use pgwire::api::results::FieldInfo;
use pgwire::api::stmt::QueryParser;
use pgwire::error::PgWireResult;
use postgres_types::Type;

use super::handler::{Asked, Door};
use super::rows;
use super::session::Session;
use super::statement::{OfSession, Statement, split};
use super::status;
use crate::error::Error;
use crate::query::{self, Parameter, Prepared};

#[async_trait]
impl QueryParser for Door {
    type Statement = Asked;

    async fn parse_sql<C>(&self, client: &C, sql: &str, types: &[Option<Type>]) -> PgWireResult<Option<Asked>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let limit = self.app.config.limits.max_sql_bytes;
        query::refuse_too_long(sql, limit).map_err(|error| status::error(&error))?;
        let texts = split(sql);
        let sql = match texts.as_slice() {
            [] => return Ok(None),
            [one] => (*one).to_owned(),
            _ => {
                let text = "one statement a request: send what follows the `;` on its own";
                return Err(status::error(&Error::invalid_request(text)));
            }
        };
        let statement = Statement::of(&sql);
        let (parameters, columns) = match &statement {
            Statement::Session(OfSession::Show(name)) => (Vec::new(), Some(shown(name))),
            Statement::Session(_) => (Vec::new(), None),
            Statement::Query(_) | Statement::Command(_) => {
                let session = Session::needed(client)?;
                let prepared = self.prepared(&session, &sql, types).await?;
                let columns = matches!(statement, Statement::Query(_)).then_some(prepared.schema);
                (prepared.parameters, columns)
            }
        };
        Ok(Some(Asked { sql, statement, parameters, columns }))
    }

    fn get_parameter_types(&self, asked: &Asked) -> PgWireResult<Vec<Type>> {
        asked.parameters.iter().map(wanted).collect()
    }

    fn get_result_schema(&self, asked: &Asked, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        let format = format.unwrap_or(&Format::UnifiedText);
        Ok(asked.columns.as_ref().map(|schema| rows::columns(schema, format)).unwrap_or_default())
    }
}

impl Door {
    /// The shape of `sql`. Where its parameters decide the type of a column, those that the client says are taken.
    async fn prepared(&self, session: &Session, sql: &str, types: &[Option<Type>]) -> PgWireResult<Prepared> {
        let identity = session.identity(&self.app).await?;
        let ask = |params: Vec<Parameter>| {
            let request = self.request(session, sql, params);
            query::prepare(&self.app, Arc::clone(&identity), request)
        };
        let mut prepared = ask(Vec::new()).await.map_err(|error| status::error(&error))?;
        // What a client says of more parameters than are left, it will also send.
        prepared.parameters.resize(prepared.parameters.len().max(types.len()), DataType::Null);
        let is_open = prepared.parameters.contains(&DataType::Null);
        if !is_open || types.len() != prepared.parameters.len() {
            return Ok(prepared);
        }
        let given = prepared.parameters.iter().zip(types).map(|(wanted, said)| {
            match said.as_ref().and_then(as_said) {
                Some(said) if *wanted == DataType::Null => said,
                _ if *wanted == DataType::Null => DataType::Utf8,
                _ => wanted.clone(),
            }
        });
        let given: Vec<DataType> = given.collect();
        let values = given.iter().map(|given| ScalarValue::try_from(given).unwrap_or(ScalarValue::Null));
        let told = ask(values.collect()).await.map_err(|error| status::error(&error))?;
        Ok(Prepared { parameters: given, ..told })
    }
}

/// What one setting is told in.
pub(super) fn shown(name: &str) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, false)]))
}

fn wanted(data_type: &DataType) -> PgWireResult<Type> {
    match data_type {
        DataType::Null => Ok(Type::TEXT),
        known => into_pg_type(known),
    }
}

/// As [`as_said`], for numbers and times: a text or a boolean has one type only.
pub(super) fn as_number_or_time(said: &Type) -> Option<DataType> {
    match *said {
        Type::BOOL | Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::BYTEA => None,
        _ => as_said(said),
    }
}

fn as_said(said: &Type) -> Option<DataType> {
    Some(match *said {
        Type::BOOL => DataType::Boolean,
        Type::INT2 => DataType::Int16,
        Type::INT4 => DataType::Int32,
        Type::INT8 => DataType::Int64,
        Type::FLOAT4 => DataType::Float32,
        Type::FLOAT8 => DataType::Float64,
        Type::TEXT | Type::VARCHAR | Type::BPCHAR => DataType::Utf8,
        // As many digits as the protocol's library reads, on both sides of the point.
        Type::NUMERIC => DataType::Decimal128(38, 18),
        Type::DATE => DataType::Date32,
        Type::BYTEA => DataType::Binary,
        Type::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        _ => return None,
    })
}
