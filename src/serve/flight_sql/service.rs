//! The calls of Flight SQL. Each finds out who calls, does one thing, and knows nothing of policy.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;

use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{ActionCancelQueryRequest, ActionCancelQueryResult};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, Any, Command, CommandGetCatalogs, CommandGetDbSchemas,
    CommandGetExportedKeys, CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo,
    CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo, CommandPreparedStatementQuery,
    CommandPreparedStatementUpdate, CommandStatementQuery, CommandStatementUpdate,
    DoPutPreparedStatementResult, ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightDescriptor,
    FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, SchemaAsIpc, Ticket,
};
use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::ipc::writer::IpcWriteOptions;
use futures::{Stream, StreamExt, stream};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use super::asked::Asked;
use super::caller::{Caller, caller};
use super::catalog;
use super::information::{ABILITIES, TYPES};
use super::plain::{plain_batch, plain_schema};
use super::running::Running;
use super::status::{malformed, status};
use crate::app::App;
use crate::error::Error;
use crate::policy::principal::Identity;
use crate::query::{self, Answer, PolicyNotice};

/// The action by which newer clients cancel.
const CANCEL_FLIGHT_INFO: &str = "CancelFlightInfo";

/// `CancelResult` of the protocol, which the library does not name.
const CANCELLED: i32 = 1;
const NOT_CANCELLABLE: i32 = 3;

/// The door: the gateway, and what is being sent.
#[derive(Debug, Clone)]
pub(super) struct Door {
    app: Arc<App>,
    running: Running,
}

type Rows = <Door as FlightService>::DoGetStream;

impl Door {
    pub fn new(app: Arc<App>) -> Self {
        Self { app, running: Running::default() }
    }

    async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        caller(&self.app, request.metadata()).await
    }

    /// The shape of `asked` for `identity`, by its parameters as far as it has them.
    async fn prepared(&self, identity: Arc<Identity>, asked: &Asked) -> Result<query::Prepared, Status> {
        let request = asked.request()?;
        let query_id = request.query_id;
        query::prepare(&self.app, identity, request).await.map_err(|error| status(&error, query_id))
    }

    /// What `asked` would give, with the ticket to have it.
    async fn described(
        &self,
        identity: Arc<Identity>,
        asked: Asked,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>, Status> {
        let prepared = self.prepared(identity, &asked).await?;
        let ticket = TicketStatementQuery { statement_handle: asked.to_bytes()? };
        let info = offer(&plain_schema(&prepared.schema), &ticket, descriptor)?;
        Ok(Response::new(info.with_app_metadata(notice(&prepared.notice)?)))
    }

    /// The rows of `asked` as they come, until it is cancelled.
    async fn sent(&self, identity: Arc<Identity>, asked: Asked) -> Result<Response<Rows>, Status> {
        let run = self.running.start(&identity.user, asked.run);
        let request = asked.request()?;
        let query_id = request.query_id;
        let answered = tokio::select! {
            answered = query::run(&self.app, identity, request) => answered,
            () = run.cancelled.cancelled() => Err(cancelled()),
        };
        let Answer { schema, notice: policy, rows, .. } =
            answered.map_err(|error| status(&error, query_id))?;
        let schema = plain_schema(&schema);
        let plain = Arc::clone(&schema);
        let until = run.cancelled.clone();
        let batches = rows
            .map(move |batch| {
                let batch = batch.map_err(|error| broken(&error, query_id))?;
                plain_batch(&batch, &plain).map_err(FlightError::Arrow)
            })
            .take_until(until.clone().cancelled_owned())
            // A result that was cut off must not look whole.
            .chain(
                stream::once(async move { until.is_cancelled() }).filter_map(move |is_cut| async move {
                    is_cut.then(|| Err(broken(&cancelled(), query_id)))
                }),
            )
            // The run can be cancelled as long as its rows are being sent.
            .inspect(move |_| {
                let _ = &run;
            });
        let mut response = Response::new(encoded(schema, batches));
        for (name, value) in [
            ("lakegate-query-id", query_id.to_string()),
            ("lakegate-policy", ascii(&serde_json::to_string(&policy).unwrap_or_default())),
        ] {
            if let Ok(value) = value.parse() {
                response.metadata_mut().insert(name, value);
            }
        }
        Ok(response)
    }

    /// Runs `asked` for what it does.
    async fn done(&self, identity: Arc<Identity>, asked: &Asked) -> Result<i64, Status> {
        let request = asked.request()?;
        let query_id = request.query_id;
        let told = |error: Error| status(&error, query_id);
        let mut rows = query::run(&self.app, identity, request).await.map_err(told)?.rows;
        while let Some(batch) = rows.next().await {
            batch.map_err(told)?;
        }
        // No statement changes rows.
        Ok(0)
    }

    /// Cancels what the ticket in `info` runs.
    fn cancel(&self, identity: &Identity, info: &FlightInfo) -> Result<bool, Status> {
        let ticket = info.endpoint.iter().find_map(|endpoint| endpoint.ticket.as_ref());
        let ticket = ticket.ok_or_else(|| malformed("there is no ticket in what is to be cancelled"))?;
        let unreadable = |_| malformed("the ticket of what is to be cancelled does not read");
        let message = Any::decode(ticket.ticket.as_ref()).map_err(unreadable)?;
        let handle = match Command::try_from(message).map_err(|_| malformed("that cannot be cancelled"))? {
            Command::TicketStatementQuery(ticket) => ticket.statement_handle,
            Command::CommandPreparedStatementQuery(prepared) => prepared.prepared_statement_handle,
            _ => return Ok(false),
        };
        Ok(self.running.cancel(&identity.user, Asked::from_bytes(&handle)?.run))
    }
}

fn cancelled() -> Error {
    Error::new(crate::error::ErrorKind::Cancelled, "the query was cancelled")
}

fn broken(error: &Error, query_id: Uuid) -> FlightError {
    FlightError::Tonic(Box::new(status(error, query_id)))
}

fn unable(error: impl Display) -> Status {
    status(&Error::internal(error.to_string()), Uuid::now_v7())
}

/// `schema`, to be had for `ticket`, from wherever this call was made.
fn offer(
    schema: &Schema,
    ticket: &impl ProstMessageExt,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Status> {
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let endpoint = FlightEndpoint::new().with_ticket(ticket);
    let info = FlightInfo::new().try_with_schema(schema).map_err(unable)?;
    Ok(info.with_endpoint(endpoint).with_descriptor(descriptor))
}

fn encoded(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Rows {
    let data = FlightDataEncoderBuilder::new().with_schema(schema).build(batches);
    Box::pin(data.map(|part| part.map_err(Status::from)))
}

fn one(batch: RecordBatch) -> Response<Rows> {
    Response::new(encoded(batch.schema(), stream::iter([Ok(batch)])))
}

fn notice(notice: &PolicyNotice) -> Result<Bytes, Status> {
    serde_json::to_vec(notice).map(Bytes::from).map_err(unable)
}

/// JSON as a header can hold it.
fn ascii(json: &str) -> String {
    let escaped = |letter: char| match letter.is_ascii() {
        true => letter.to_string(),
        false => letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    };
    json.chars().map(escaped).collect()
}

fn as_ipc(schema: &Schema) -> Result<Bytes, Status> {
    let message: IpcMessage =
        SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into().map_err(unable)?;
    Ok(message.0)
}

#[tonic::async_trait]
impl FlightSqlService for Door {
    type FlightService = Self;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        let Caller { token, .. } = self.caller(&request).await?;
        let bearer = format!("Bearer {token}").parse().map_err(|_| malformed("the token is no header"))?;
        let answer = HandshakeResponse { protocol_version: 0, payload: token.into() };
        let mut response: Response<Pin<Box<dyn Stream<Item = _> + Send>>> =
            Response::new(Box::pin(stream::iter([Ok(answer)])));
        response.metadata_mut().insert("authorization", bearer);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let caller = self.caller(&request).await?;
        let asked = Asked::new(query.query, request.metadata())?;
        self.described(caller.identity, asked, request.into_inner()).await
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let caller = self.caller(&request).await?;
        self.sent(caller.identity, Asked::from_bytes(&ticket.statement_handle)?).await
    }

    async fn do_put_statement_update(
        &self,
        command: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let caller = self.caller(&request).await?;
        self.done(caller.identity, &Asked::new(command.query, request.metadata())?).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let caller = self.caller(&request).await?;
        let asked = Asked::new(query.query, request.metadata())?;
        let prepared = self.prepared(caller.identity, &asked).await?;
        let parameter = |(at, data_type): (usize, &DataType)| {
            Field::new(format!("${}", at.saturating_add(1)), data_type.clone(), true)
        };
        let parameters = prepared.parameters.iter().enumerate().map(parameter).collect::<Vec<_>>();
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: asked.to_bytes()?,
            dataset_schema: as_ipc(&plain_schema(&prepared.schema))?,
            parameter_schema: as_ipc(&plain_schema(&Schema::new(parameters)))?,
        })
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        self.caller(&request).await?;
        let asked = Asked::from_bytes(&query.prepared_statement_handle)?;
        let asked = asked.bound(request.into_inner()).await?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(asked.to_bytes()?) })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let caller = self.caller(&request).await?;
        let asked = Asked::from_bytes(&query.prepared_statement_handle)?.anew();
        self.described(caller.identity, asked, request.into_inner()).await
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let caller = self.caller(&request).await?;
        self.sent(caller.identity, Asked::from_bytes(&query.prepared_statement_handle)?).await
    }

    async fn do_put_prepared_statement_update(
        &self,
        query: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        let caller = self.caller(&request).await?;
        let asked = Asked::from_bytes(&query.prepared_statement_handle)?.bound(request.into_inner()).await?;
        self.done(caller.identity, &asked).await
    }

    /// Nothing is kept, so there is nothing to close.
    async fn do_action_close_prepared_statement(
        &self,
        _query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        self.caller(&request).await.map(drop)
    }

    async fn do_action_cancel_query(
        &self,
        query: ActionCancelQueryRequest,
        request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        let caller = self.caller(&request).await?;
        let info =
            FlightInfo::decode(query.info).map_err(|_| malformed("what is to be cancelled does not read"))?;
        let result = match self.cancel(&caller.identity, &info)? {
            true => CANCELLED,
            false => NOT_CANCELLABLE,
        };
        Ok(ActionCancelQueryResult { result })
    }

    async fn list_custom_actions(&self) -> Option<Vec<Result<ActionType, Status>>> {
        let description =
            "Cancels a query\nRequest: CancelFlightInfoRequest\nResponse: CancelFlightInfoResult";
        Some(vec![Ok(ActionType {
            r#type: CANCEL_FLIGHT_INFO.to_owned(),
            description: description.to_owned(),
        })])
    }

    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        let caller = self.caller(&request).await?;
        let action = request.into_inner();
        if action.r#type != CANCEL_FLIGHT_INFO {
            return Err(malformed(format!("there is no action `{}`", action.r#type)));
        }
        let unreadable = |_| malformed("what is to be cancelled does not read");
        let info = CancelFlightInfoRequest::decode(action.body).map_err(unreadable)?.info;
        let info = info.ok_or_else(|| malformed("nothing to cancel was named"))?;
        let status = match self.cancel(&caller.identity, &info)? {
            true => CancelStatus::Cancelled,
            false => CancelStatus::NotCancellable,
        };
        let result = CancelFlightInfoResult::new(status);
        let body = arrow_flight::Result { body: result.encode_to_vec().into() };
        Ok(Response::new(Box::pin(stream::iter([Ok(body)]))))
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        let schema = query.into_builder().schema();
        offer(&schema, &query, request.into_inner()).map(Response::new)
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        catalog::catalogs(query).map(one).map_err(unable)
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        let schema = query.clone().into_builder().schema();
        offer(&schema, &query, request.into_inner()).map(Response::new)
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let caller = self.caller(&request).await?;
        catalog::databases(&self.app, &caller.identity, query).map(one).map_err(unable)
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        let schema = query.clone().into_builder().schema();
        offer(&schema, &query, request.into_inner()).map(Response::new)
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        let caller = self.caller(&request).await?;
        catalog::tables(&self.app, &caller.identity, query).map(one).map_err(unable)
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        let schema = query.into_builder().schema();
        offer(&schema, &query, request.into_inner()).map(Response::new)
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        catalog::table_types(query).map(one).map_err(unable)
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        let abilities = ABILITIES.as_ref().map_err(unable)?;
        let schema = query.clone().into_builder(abilities).schema();
        offer(&schema, &query, request.into_inner()).map(Response::new)
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        let abilities = ABILITIES.as_ref().map_err(unable)?;
        query.into_builder(abilities).build().map(one).map_err(unable)
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        let types = TYPES.as_ref().map_err(unable)?;
        let schema = query.into_builder(types).schema();
        offer(&schema, &query, request.into_inner()).map(Response::new)
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        let types = TYPES.as_ref().map_err(unable)?;
        query.into_builder(types).build().map(one).map_err(unable)
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        offer(&catalog::primary_keys(), &query, request.into_inner()).map(Response::new)
    }

    async fn do_get_primary_keys(
        &self,
        _query: CommandGetPrimaryKeys,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        Ok(one(RecordBatch::new_empty(Arc::new(catalog::primary_keys()))))
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        offer(&catalog::foreign_keys(), &query, request.into_inner()).map(Response::new)
    }

    async fn do_get_exported_keys(
        &self,
        _query: CommandGetExportedKeys,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        Ok(one(RecordBatch::new_empty(Arc::new(catalog::foreign_keys()))))
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        offer(&catalog::foreign_keys(), &query, request.into_inner()).map(Response::new)
    }

    async fn do_get_imported_keys(
        &self,
        _query: CommandGetImportedKeys,
        request: Request<Ticket>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        Ok(one(RecordBatch::new_empty(Arc::new(catalog::foreign_keys()))))
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}
