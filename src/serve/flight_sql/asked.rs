//! A statement as tickets and handles carry it. What they hold is the client's own; it is read as if it came anew.

use arrow_flight::FlightData;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::Stream;
use serde::{Deserialize, Serialize};
use tonic::Status;
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use super::parameters::{received, values};
use super::status::malformed;
use crate::query::{Dialect, Parameter, Request};

/// A statement with how it is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    sql: String,
    database: Option<String>,
    strict: bool,
    max_rows: Option<u64>,
    /// One row, as an Arrow stream in base64.
    params: Option<String>,
    /// By which its run can be cancelled.
    pub run: Uuid,
}

impl Asked {
    /// `sql` with what the headers say of it: `database` (or `schema`), `lakegate-strict`, `lakegate-max-rows`.
    pub fn new(sql: String, headers: &MetadataMap) -> Result<Self, Status> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let strict = header("lakegate-strict").map(str::parse::<bool>).transpose();
        let max_rows = header("lakegate-max-rows").map(str::parse::<u64>).transpose();
        Ok(Self {
            sql,
            database: header("database")
                .or(header("schema"))
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            strict: strict.map_err(|_| malformed("`lakegate-strict` is `true` or `false`"))?.unwrap_or(false),
            max_rows: max_rows.map_err(|_| malformed("`lakegate-max-rows` is a number"))?,
            params: None,
            run: Uuid::now_v7(),
        })
    }

    pub fn to_bytes(&self) -> Result<Bytes, Status> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|_| malformed("the statement cannot be kept"))
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Status> {
        serde_json::from_slice(bytes)
            .map_err(|_| malformed("this is no ticket and no handle of this gateway"))
    }

    /// The same statement with the one row of `parameters`.
    pub async fn bound(
        self,
        parameters: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    ) -> Result<Self, Status> {
        let params = received(parameters).await?.map(|row| BASE64_STANDARD.encode(row));
        Ok(Self { params, ..self })
    }

    pub fn request(&self) -> Result<Request, Status> {
        Ok(Request {
            query_id: Uuid::now_v7(),
            sql: self.sql.clone(),
            dialect: Dialect::Plain,
            params: self.params.as_deref().map(kept).transpose()?.unwrap_or_default(),
            database: self.database.clone(),
            strict: self.strict,
            max_rows: self.max_rows,
            door: "flight_sql",
            watch: None,
        })
    }

    /// The same as a run of its own.
    pub fn anew(self) -> Self {
        Self { run: Uuid::now_v7(), ..self }
    }
}

/// Whether `bytes` is a ticket or a handle with a statement and parameters.
pub(crate) fn reads(bytes: &[u8]) -> bool {
    Asked::from_bytes(bytes).and_then(|asked| asked.request()).is_ok()
}

/// Whether `bytes` are the parameters of a handle.
pub(crate) fn parameters_read(bytes: &[u8]) -> bool {
    values(bytes).is_ok()
}

fn kept(params: &str) -> Result<Vec<Parameter>, Status> {
    let bytes = BASE64_STANDARD.decode(params);
    values(&bytes.map_err(|_| malformed("the parameters of this handle do not read"))?)
}
