//! A user at one of the doors. Whichever it is: the same rows, the same refusals, the same notice.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::{StreamExt, TryStreamExt, stream};
use lakegate::error::Result as ServerResult;
use lakegate::query::PolicyNotice;
use lakegate::serve::http::formats::{self, Format, Head, Rows};
use lakegate_client::{ConnectOptions, Connection};
use reqwest::Method;
use serde_json::{Value, json};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType};
use tokio_postgres::types::Type;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};
use tonic::transport::Channel;

use crate::support::gateway::{Gateway, Response};
use crate::support::pg_client;

/// The ways in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Http,
    Submitted,
    Client,
    FlightSql,
    Postgres,
}

impl Way {
    pub const ALL: [Self; 5] = [Self::Http, Self::Submitted, Self::Client, Self::FlightSql, Self::Postgres];
}

/// A user at a door.
pub struct Door {
    pub gateway: Arc<Gateway>,
    pub who: String,
    pub way: Way,
}

/// What the gateway refused with: its code and its words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// What came of a statement: as HTTP tells it in JSON.
struct Told {
    columns: usize,
    rows: Vec<Value>,
    notice: Value,
}

#[async_trait::async_trait]
impl AsyncDB for Door {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        let told = match self.way {
            Way::Http => self.over_http(sql).await?,
            Way::Submitted => self.submitted(sql).await?,
            Way::Client => self.with_the_client(sql).await?,
            Way::FlightSql => self.over_flight_sql(sql).await?,
            Way::Postgres => self.over_postgres(sql).await?,
        };
        if self.way != Way::Http && sql.trim_start().starts_with("SELECT") {
            let there = self.over_http(sql).await?;
            assert_eq!(told.notice, there.notice, "{:?} tells another notice: {sql}", self.way);
        }
        let types = vec![DefaultColumnType::Any; told.columns];
        let rows = told.rows.iter().map(|row| row.as_array().unwrap().iter().map(word).collect());
        Ok(DBOutput::Rows { types, rows: rows.collect() })
    }

    async fn shutdown(&mut self) {}
}

impl Door {
    async fn over_http(&self, sql: &str) -> Result<Told, Refused> {
        answered(&self.gateway.sql(&self.who, sql).await)
    }

    async fn submitted(&self, sql: &str) -> Result<Told, Refused> {
        let submitted = self.gateway.post(&self.who, "/v1/queries", &json!({ "sql": sql })).await;
        let place = submitted.headers["location"].to_str().unwrap();
        let told = answered(&self.gateway.get(&self.who, &format!("{place}/result")).await);
        let request = self.gateway.request(Method::DELETE, place);
        self.gateway.send(request.bearer_auth(self.gateway.token(&self.who))).await;
        told
    }

    async fn with_the_client(&self, sql: &str) -> Result<Told, Refused> {
        let options = ConnectOptions::new(&self.gateway.url).token(self.gateway.token(&self.who));
        let failed = |error: lakegate_client::Error| match error.problem() {
            Some(problem) => refused(problem.code.as_str(), &problem.detail),
            None => panic!("{sql}: {error}"),
        };
        let rows = Connection::new(options).unwrap().query(sql).stream().await.map_err(failed)?;
        let (schema, notice) = (rows.schema(), serde_json::to_value(&rows.policy).unwrap());
        let batches = rows.try_collect::<Vec<_>>().await.map_err(failed)?;
        Ok(Told { notice, ..as_over_http(schema, batches).await })
    }

    async fn over_flight_sql(&self, sql: &str) -> Result<Told, Refused> {
        let channel = Channel::from_shared(self.gateway.flight.clone()).unwrap().connect().await.unwrap();
        let mut client = FlightSqlServiceClient::new(channel);
        client.set_token(self.gateway.token(&self.who));
        let info = client.execute(sql.to_owned(), None).await.map_err(of_flight)?;
        let notice = serde_json::from_slice(&info.app_metadata).unwrap();
        let schema = Arc::new(info.clone().try_decode_schema().unwrap());
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let rows = client.do_get(ticket).await.map_err(of_flight)?;
        let batches = rows.try_collect::<Vec<_>>().await.map_err(of_flight)?;
        Ok(Told { notice, ..as_over_http(schema, batches).await })
    }
}

impl Door {
    /// By the extended protocol to learn the types of the columns, and by the simple one for the values.
    async fn over_postgres(&self, sql: &str) -> Result<Told, Refused> {
        let mut client = pg_client::connect(&self.gateway, &self.who, "lakegate").await.unwrap();
        let prepared = client.prepare(sql).await.map_err(of_postgres)?;
        let messages = client.simple_query(sql).await.map_err(of_postgres)?;
        let row = |row: &SimpleQueryRow| {
            let columns = prepared.columns().iter().enumerate();
            columns.map(|(at, column)| as_json(row.get(at), column.type_())).collect::<Value>()
        };
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(of) => Some(row(of)),
            _ => None,
        });
        let rows: Vec<Value> = rows.collect();
        if prepared.columns().is_empty() {
            // A command is told by its tag, which this client keeps to itself.
            let words = if sql.contains(" VIEW ") { 2 } else { 1 };
            let tag = sql.split_whitespace().take(words).collect::<Vec<_>>().join(" ");
            return Ok(Told { columns: 1, rows: vec![json!([tag])], notice: json!(PolicyNotice::default()) });
        }
        let notice = client
            .notices()
            .into_iter()
            .find_map(|notice| serde_json::from_str(notice.message().strip_prefix("policy: ")?).ok());
        let notice = notice.unwrap_or_else(|| json!(PolicyNotice::default()));
        Ok(Told { columns: prepared.columns().len(), rows, notice })
    }
}

/// The value as HTTP has it.
fn as_json(text: Option<&str>, kind: &Type) -> Value {
    match (text, kind) {
        (None, _) => Value::Null,
        (Some(text), &Type::BOOL) => json!(text == "t"),
        (Some(text), &(Type::INT2 | Type::INT4 | Type::INT8)) => serde_json::from_str(text).unwrap(),
        (Some(text), &(Type::FLOAT4 | Type::FLOAT8)) => json!(text.parse::<f64>().unwrap()),
        (Some(text), &(Type::TIMESTAMP | Type::TIMESTAMPTZ)) => {
            let text = text.trim_end_matches('0').trim_end_matches('.');
            json!(text.replacen(' ', "T", 1))
        }
        (Some(text), &Type::JSON) => serde_json::from_str(text).unwrap(),
        (Some(text), _) => json!(text),
    }
}

fn of_postgres(error: tokio_postgres::Error) -> Refused {
    let told = error.as_db_error().unwrap_or_else(|| panic!("{error}"));
    refused(told.routine().expect("a code"), told.message())
}

fn answered(answer: &Response) -> Result<Told, Refused> {
    let body = answer.json();
    match answer.status {
        200 => Ok(told(&body)),
        _ => Err(refused(&word(&body["code"]), &word(&body["detail"]))),
    }
}

fn told(body: &Value) -> Told {
    Told {
        columns: body["columns"].as_array().unwrap().len(),
        rows: body["rows"].as_array().unwrap().clone(),
        notice: body["policy"].clone(),
    }
}

/// Batches that are all there.
struct Kept(stream::Iter<std::vec::IntoIter<ServerResult<RecordBatch>>>);

impl futures::Stream for Kept {
    type Item = ServerResult<RecordBatch>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Rows for Kept {
    fn truncated(&self) -> bool {
        false
    }
}

/// The values as JSON has them over HTTP.
async fn as_over_http(schema: SchemaRef, batches: Vec<RecordBatch>) -> Told {
    let head = Head { query_id: uuid::Uuid::now_v7(), schema, notice: PolicyNotice::default() };
    let rows = Kept(stream::iter(batches.into_iter().map(Ok).collect::<Vec<_>>()));
    let body = formats::start(Format::Json, head, rows).await.unwrap();
    let body = body.try_fold(Vec::new(), |mut all, part| async move {
        all.extend_from_slice(&part);
        Ok(all)
    });
    told(&serde_json::from_slice(&body.await.unwrap()).unwrap_or(json!(null)))
}

fn of_flight(error: FlightError) -> Refused {
    let FlightError::Tonic(status) = error else { panic!("{error}") };
    let code = status.metadata().get("lakegate-code").expect("a code").to_str().unwrap();
    refused(code, status.message())
}

fn refused(code: &str, detail: &str) -> Refused {
    Refused(format!("{code}: {detail}"))
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
