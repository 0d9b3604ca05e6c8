//! The door itself: statements in, rows out, by both protocols of PostgreSQL, the simple and the extended one.
//!
//! Rows are sent as they come and never gathered, also those of a portal; what is asked to be cancelled is, wherever it is.

use std::fmt::Debug;
use std::ops::DerefMut;
use std::sync::Arc;

use arrow_pg::datatypes::df::deserialize_parameters;
use arrow_schema::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::common::ParamValues;
use futures::{Sink, SinkExt, StreamExt, TryStreamExt, stream};
use pgwire::api::portal::{Format, Portal, PortalExecutionState};
use pgwire::api::query::{
    ExtendedQueryHandler, SimpleQueryHandler, send_execution_response, send_partial_query_response,
    send_query_response, send_ready_for_query,
};
use pgwire::api::results::{QueryResponse, Response, Tag};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{
    ClientInfo, ClientPortalStore, ConnectionManager, DEFAULT_NAME, PgWireConnectionState,
    RandomPidSecretKeyGenerator,
};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::{Execute, Sync as PgSync};
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query;
use uuid::Uuid;

use super::session::{Running, Session};
use super::shapes::{as_number_or_time, shown};
use super::statement::{OfSession, Statement, split};
use super::{notice, rows, status};
use crate::app::App;
use crate::query::{self, Answer, Dialect, Parameter, Request};

/// What all connections share.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub app: Arc<App>,
    pub connections: Arc<ConnectionManager>,
    pub keys: Arc<RandomPidSecretKeyGenerator>,
}

/// A prepared statement: what was asked, and what it wants and gives.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub sql: String,
    pub statement: Statement,
    pub parameters: Vec<DataType>,
    /// None when it gives no rows.
    pub columns: Option<SchemaRef>,
}

/// What came of a statement, before anything of it is sent.
enum Done {
    Rows(QueryResponse),
    Said(OfSession),
    Command(Tag),
}

impl Door {
    pub fn new(app: Arc<App>) -> Self {
        Self { app, connections: Arc::default(), keys: Arc::default() }
    }

    pub fn request(&self, session: &Session, sql: &str, params: Vec<Parameter>) -> Request {
        Request {
            query_id: Uuid::now_v7(),
            sql: sql.to_owned(),
            dialect: Dialect::Postgres,
            params,
            database: session.settings(|settings| settings.database()),
            strict: false,
            max_rows: None,
            door: "postgres",
            watch: None,
        }
    }

    /// Does what `asked` says. Its rows are on their way, in `format`, when this is done.
    async fn run<C>(
        &self,
        client: &mut C,
        asked: &Asked,
        params: Vec<Parameter>,
        format: &Format,
    ) -> PgWireResult<Done>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let session = Session::needed(client)?;
        let identity = session.identity(&self.app).await?;
        refuse_in_transaction(client.transaction_status(), &asked.statement)?;
        let tag = match &asked.statement {
            Statement::Session(said) => return say(client, &session, said, format).await,
            Statement::Query(tag) => tag,
            Statement::Command(tag) => tag,
        };
        let request = self.request(&session, &asked.sql, params);
        let answer = query::run(&self.app, identity, request).await.map_err(|error| status::error(&error))?;
        let Answer { schema, notice, rows, .. } = answer;
        if let Some(message) = notice::message(&notice).map_err(|error| status::error(&error))? {
            client.feed(message).await?;
        }
        if matches!(asked.statement, Statement::Command(_)) {
            rows.try_for_each(|_| std::future::ready(Ok(()))).await.map_err(|error| status::error(&error))?;
            return Ok(Done::Command(Tag::new(tag)));
        }
        if asked.columns.as_ref().is_some_and(|told| !rows::are_alike(told, &schema)) {
            let text = "the columns of the statement are others than when it was prepared; prepare it again";
            return Err(status::refused("0A000", text));
        }
        let columns = Arc::new(rows::columns(&schema, format));
        let of_batch = Arc::clone(&columns);
        let encoded = rows.map(move |batch| {
            let batch = batch.map_err(|error| status::error(&error))?;
            Ok::<_, PgWireError>(stream::iter(rows::rows(&batch, &of_batch)?.into_iter().map(Ok)))
        });
        let mut response = QueryResponse::new(columns, encoded.try_flatten());
        response.set_command_tag(tag);
        Ok(Done::Rows(response))
    }

    async fn run_text<C>(&self, client: &mut C, sql: &str) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let limit = self.app.config.limits.max_sql_bytes;
        query::refuse_too_long(sql, limit).map_err(|error| status::error(&error))?;
        let statements = split(sql);
        if statements.is_empty() {
            client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        for sql in statements {
            let statement = Statement::of(sql);
            let asked = Asked { sql: sql.to_owned(), statement, parameters: Vec::new(), columns: None };
            match self.run(client, &asked, Vec::new(), &Format::UnifiedText).await? {
                Done::Rows(response) => send_query_response(client, response, true).await?,
                Done::Command(tag) => send_execution_response(client, tag).await?,
                Done::Said(said) => acknowledge(client, &said).await?,
            }
        }
        Ok(())
    }

    async fn run_portal<C>(&self, client: &mut C, portal: &Portal<Asked>, max_rows: usize) -> PgWireResult<()>
    where
        C: ClientInfo
            + ClientPortalStore<PortalStore: PortalStore<Statement = Asked>>
            + Sink<PgWireBackendMessage>
            + Unpin
            + Send
            + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        // A portal goes on only for whom it would begin.
        Session::needed(client)?.identity(&self.app).await?;
        refuse_in_transaction(client.transaction_status(), &portal.statement.statement.statement)?;
        let state = portal.state();
        let mut state = state.lock().await;
        if matches!(*state, PortalExecutionState::Initial) {
            let asked = &portal.statement.statement;
            let params = parameters(portal)?;
            match self.run(client, asked, params, &portal.result_column_format).await? {
                Done::Rows(response) => *state = PortalExecutionState::Suspended(response),
                Done::Command(tag) => return send_execution_response(client, tag).await,
                Done::Said(said) => return acknowledge(client, &said).await,
            }
        }
        let is_over = match state.deref_mut() {
            PortalExecutionState::Suspended(response) => {
                !send_partial_query_response(client, response, max_rows).await?
            }
            _ => {
                send_execution_response(client, Tag::new("SELECT").with_rows(0)).await?;
                true
            }
        };
        if is_over {
            *state = PortalExecutionState::Finished;
        }
        Ok(())
    }
}

/// After a failure nothing but its end is done in a transaction; and what cannot be undone is not done in one.
fn refuse_in_transaction(now: TransactionStatus, statement: &Statement) -> PgWireResult<()> {
    let ends = matches!(
        statement,
        Statement::Session(OfSession::Commit | OfSession::Rollback | OfSession::RollbackTo)
    );
    match now {
        TransactionStatus::Error if !ends => {
            Err(status::refused("25P02", "a statement of this transaction has failed: end it with ROLLBACK"))
        }
        TransactionStatus::Transaction if matches!(statement, Statement::Command(_)) => Err(status::refused(
            "25001",
            "it takes effect at once and ROLLBACK would not undo it: send it outside of a transaction",
        )),
        _ => Ok(()),
    }
}

/// Does what is said about the connection.
async fn say<C>(client: &mut C, session: &Session, said: &OfSession, format: &Format) -> PgWireResult<Done>
where
    C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
    C::PortalStore: PortalStore,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    match said {
        OfSession::Set { name, value } => {
            if let Some(text) = session.settings(|settings| settings.set(name, value))? {
                client.feed(notice::warning(text)).await?;
            }
        }
        OfSession::Reset(name) => session.settings(|settings| settings.reset(name.as_deref())),
        OfSession::Deallocate(Some(name)) => client.portal_store().rm_statement(name),
        OfSession::Show(name) => {
            let value = session.settings(|settings| settings.get(name));
            let value =
                value.ok_or_else(|| status::refused("42704", &format!("there is no setting `{name}`")))?;
            let schema = shown(name);
            let values = Arc::new(StringArray::from(vec![value]));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![values])
                .map_err(|error| PgWireError::ApiError(Box::new(error)))?;
            let columns = Arc::new(rows::columns(&schema, format));
            let told = rows::rows(&batch, &columns)?;
            let mut response = QueryResponse::new(columns, stream::iter(told.into_iter().map(Ok)));
            response.set_command_tag("SHOW");
            return Ok(Done::Rows(response));
        }
        _ => {}
    }
    Ok(Done::Said(said.clone()))
}

/// Says that it is done, and keeps in mind whether the client is in a transaction.
async fn acknowledge<C>(client: &mut C, said: &OfSession) -> PgWireResult<()>
where
    C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
    C::PortalStore: PortalStore,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let before = client.transaction_status();
    let (now, tag) = match (said, before) {
        (OfSession::Begin(_) | OfSession::RollbackTo, _) => (TransactionStatus::Transaction, said.tag()),
        // A transaction that has failed ends with what was done, which is nothing, whatever the client says.
        (OfSession::Commit, TransactionStatus::Error) => (TransactionStatus::Idle, Tag::new("ROLLBACK")),
        (OfSession::Commit | OfSession::Rollback, _) => (TransactionStatus::Idle, said.tag()),
        _ => (before, said.tag()),
    };
    client.set_transaction_status(now);
    if matches!(now, TransactionStatus::Idle) && !matches!(before, TransactionStatus::Idle) {
        client.portal_store().clear_portals();
    }
    send_execution_response(client, tag).await
}

/// The values that a client bound, as those types that the statement wants, or the client says.
fn parameters(portal: &Portal<Asked>) -> PgWireResult<Vec<Parameter>> {
    let said = portal.statement.parameter_types.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    let wanted = portal.statement.statement.parameters.iter().zip(said).map(|(wanted, said)| {
        match (wanted, said.and_then(as_number_or_time)) {
            // As in PostgreSQL: a number or a time that is said to be of another type is compared as what it is.
            (_, Some(said)) => said,
            (DataType::Null, None) => DataType::Utf8,
            (wanted, None) => wanted.clone(),
        }
    });
    let wanted: Vec<DataType> = wanted.collect();
    let wanted: Vec<Option<&DataType>> = wanted.iter().map(Some).collect();
    match deserialize_parameters(portal, &wanted)? {
        ParamValues::List(values) => Ok(values.into_iter().map(|value| value.value).collect()),
        ParamValues::Map(_) => Err(status::refused("08P01", "parameters have numbers and no names")),
    }
}

/// `work`, until it is done or its client wants no more of it.
async fn unless_cancelled<T>(
    running: Option<Arc<Running>>,
    work: impl Future<Output = PgWireResult<T>>,
) -> PgWireResult<T> {
    let Some(running) = running else { return work.await };
    let cancelled = running.0.start_query().await;
    tokio::select! {
        outcome = work => outcome,
        Ok(()) = cancelled => Err(PgWireError::QueryCanceled),
    }
}

#[async_trait]
impl SimpleQueryHandler for Door {
    async fn on_query<C>(&self, client: &mut C, query: Query) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        client.set_state(PgWireConnectionState::QueryInProgress);
        let running = client.session_extensions().get::<Running>();
        unless_cancelled(running, self.run_text(client, &query.query)).await?;
        client.set_state(PgWireConnectionState::ReadyForQuery);
        send_ready_for_query(client, client.transaction_status()).await
    }

    async fn do_query<C>(&self, _client: &mut C, _query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        Err(not_this_way())
    }
}

#[async_trait]
impl ExtendedQueryHandler for Door {
    type Statement = Asked;
    type QueryParser = Self;

    fn query_parser(&self) -> Arc<Self> {
        Arc::new(self.clone())
    }

    async fn on_execute<C>(&self, client: &mut C, message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Asked>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        client.set_state(PgWireConnectionState::QueryInProgress);
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        match client.portal_store().get_portal(name) {
            Some(Entry::Value(portal)) => {
                let running = client.session_extensions().get::<Running>();
                let max_rows = usize::try_from(message.max_rows).unwrap_or_default();
                let outcome = unless_cancelled(running, self.run_portal(client, &portal, max_rows)).await;
                if outcome.is_err() {
                    // What has failed has no more rows, and holds nothing.
                    *portal.state().lock().await = PortalExecutionState::Finished;
                }
                outcome?;
            }
            Some(Entry::Empty) => {
                client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
            }
            None => return Err(PgWireError::PortalNotFound(name.to_owned())),
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        Ok(())
    }

    async fn on_sync<C>(&self, client: &mut C, _message: PgSync) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Asked>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        // Outside of a transaction each sync ends one, and with it its portals and what they run.
        match client.transaction_status() {
            TransactionStatus::Idle => client.portal_store().clear_portals(),
            _ => client.portal_store().rm_portal(DEFAULT_NAME),
        }
        send_ready_for_query(client, client.transaction_status()).await
    }

    async fn do_query<C>(
        &self,
        _client: &mut C,
        _portal: &Portal<Asked>,
        _rows: usize,
    ) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Asked>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        Err(not_this_way())
    }
}

/// The library's own way would gather all rows of a portal, and cancel nothing once the first one is there.
fn not_this_way() -> PgWireError {
    status::error(&crate::error::Error::internal("a statement came by the library's own way"))
}
