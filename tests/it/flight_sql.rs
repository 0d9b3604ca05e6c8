//! The Flight SQL door, as its clients use it.

use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables, ProstMessageExt, TicketStatementQuery};
use arrow_flight::{CancelFlightInfoRequest, FlightClient, FlightInfo, Ticket};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::TryStreamExt;
use prost::Message;
use std::sync::Arc;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::gateway::Gateway;

type Client = FlightSqlServiceClient<Channel>;

const POLICY: &str = "
grants:
  - { to: user:ana, on: s.t, permissions: [select] }
  - { to: user:bo, on: s.t, permissions: [select], rows: region = 'EU', columns: { exclude: [salary] } }
restrictions:
  - { name: short, on: s.t.name, applies_to: user:bo, mask: redact }
";

async fn gateway() -> Gateway {
    Gateway::start()
        .await
        .with_csv("s.t", "id,region,name,salary\n1,EU,Ann,10\n2,US,Bob,20\n3,EU,Cat,30\n")
        .await
        .with_csv("hidden.t", "x\n1\n")
        .await
        .with_policy(POLICY)
        .await
}

async fn channel(gateway: &Gateway) -> Channel {
    Channel::from_shared(gateway.flight.clone()).unwrap().connect().await.unwrap()
}

async fn client(gateway: &Gateway, who: &str) -> Client {
    let mut client = FlightSqlServiceClient::new(channel(gateway).await);
    client.set_token(gateway.token(who));
    client
}

async fn rows_of(client: &mut Client, info: &FlightInfo) -> Result<Vec<RecordBatch>, Status> {
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let rows = client.do_get(ticket).await.map_err(|error| as_status(&error))?;
    rows.try_collect().await.map_err(Status::from)
}

async fn ask(client: &mut Client, sql: &str) -> Result<RecordBatch, Status> {
    let info = client.execute(sql.to_owned(), None).await.map_err(|error| as_status(&error))?;
    let schema = Arc::new(info.clone().try_decode_schema().unwrap());
    let rows = rows_of(client, &info).await?;
    let all =
        arrow::compute::concat_batches(&rows.first().map_or(Arc::clone(&schema), RecordBatch::schema), &rows);
    let all = all.unwrap();
    let types = |of: &arrow::datatypes::Schema| {
        of.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect::<Vec<_>>()
    };
    assert_eq!(types(&all.schema()), types(&schema), "what was told is what came: {sql}");
    Ok(all)
}

fn as_status(error: &FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => status.as_ref().clone(),
        other => Status::unknown(other.to_string()),
    }
}

fn shown(batch: &RecordBatch) -> String {
    arrow::util::pretty::pretty_format_batches(std::slice::from_ref(batch)).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_what_they_may_see() {
    let gateway = gateway().await;
    let all = ask(&mut client(&gateway, "ana").await, "SELECT * FROM s.t ORDER BY id").await.unwrap();
    assert_eq!((all.num_rows(), all.num_columns()), (3, 4));
    assert_eq!(*all.schema().field(2).data_type(), DataType::Utf8, "texts are plain");
    let some = ask(&mut client(&gateway, "bo").await, "SELECT * FROM s.t ORDER BY id").await.unwrap();
    let expected = "\
+----+--------+----------+
| id | region | name     |
+----+--------+----------+
| 1  | EU     | REDACTED |
| 3  | EU     | REDACTED |
+----+--------+----------+";
    assert_eq!(shown(&some), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_is_asked_for_every_call() {
    let gateway = gateway().await;
    let mut nobody = FlightSqlServiceClient::new(channel(&gateway).await);
    for token in [None, Some("x".to_owned()), Some(format!("{}x", gateway.token("ana")))] {
        if let Some(token) = token {
            nobody.set_token(token);
        }
        let refused = ask(&mut nobody, "SELECT 1").await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
        let refused = nobody.get_catalogs().await.unwrap_err();
        assert_eq!(as_status(&refused).code(), Code::Unauthenticated, "{refused}");
    }
    // A name and the token for a password.
    let mut basic = FlightSqlServiceClient::new(channel(&gateway).await);
    basic.handshake("bo", &gateway.token("bo")).await.unwrap();
    assert_eq!(ask(&mut basic, "SELECT * FROM s.t").await.unwrap().num_rows(), 2);
    let mut another = FlightSqlServiceClient::new(channel(&gateway).await);
    assert!(another.handshake("ana", &gateway.token("bo")).await.is_err(), "the token of somebody else");
    assert!(another.handshake("ana", "password").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_gives_no_right() {
    let gateway = gateway().await;
    let info = client(&gateway, "ana").await.execute("SELECT * FROM s.t".to_owned(), None).await.unwrap();
    let mut bo = client(&gateway, "bo").await;
    let rows = rows_of(&mut bo, &info).await.unwrap();
    let rows = arrow::compute::concat_batches(&rows[0].schema(), &rows).unwrap();
    assert_eq!((rows.num_rows(), rows.num_columns()), (2, 3), "the rights are those of who brings it");
    let refused = rows_of(&mut client(&gateway, "eve").await, &info).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_those_of_the_other_doors() {
    let gateway = gateway().await;
    let mut bo = client(&gateway, "bo").await;
    for (sql, code, name, detail) in [
        ("SELECT * FROM hidden.t", Code::NotFound, "table_not_found", "table not found: `hidden.t`"),
        ("SELECT salary FROM s.t", Code::InvalidArgument, "column_not_found", "column not found: `salary`"),
        ("SELEC 1", Code::InvalidArgument, "syntax_error", ""),
        ("DROP TABLE s.t", Code::PermissionDenied, "statement_not_allowed", ""),
        ("SELECT 1 / (id - 1) FROM s.t", Code::FailedPrecondition, "query_failed", "failed on a row"),
        ("GRANT SELECT ON s.t TO USER eve", Code::PermissionDenied, "permission_denied", ""),
    ] {
        let refused = ask(&mut bo, sql).await.unwrap_err();
        assert_eq!(refused.code(), code, "{sql}: {refused}");
        let told = refused.metadata().get("lakegate-code").unwrap().to_str().unwrap();
        assert_eq!(told, name, "{sql}");
        assert!(refused.message().contains(detail), "{sql}: {refused}");
    }
    assert_eq!(ask(&mut bo, "SELECT 1").await.unwrap().num_rows(), 1, "the door goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_have_what_is_visible_and_no_more() {
    let gateway = gateway().await;
    let mut bo = client(&gateway, "bo").await;
    let info = bo.get_catalogs().await.unwrap();
    assert_eq!(rows_of(&mut bo, &info).await.unwrap()[0].num_rows(), 1);
    let all = CommandGetDbSchemas { catalog: None, db_schema_filter_pattern: None };
    let info = bo.get_db_schemas(all).await.unwrap();
    let names = rows_of(&mut bo, &info).await.unwrap();
    assert_eq!(names[0].column(1).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("s")]);
    let tables = CommandGetTables {
        catalog: None,
        db_schema_filter_pattern: Some("%".to_owned()),
        table_name_filter_pattern: None,
        table_types: Vec::new(),
        include_schema: true,
    };
    let info = bo.get_tables(tables).await.unwrap();
    let found = rows_of(&mut bo, &info).await.unwrap();
    assert_eq!(found[0].column(2).as_string::<i32>().iter().collect::<Vec<_>>(), [Some("t")]);
    let schema = found[0].column(4).as_binary::<i32>().value(0);
    let schema = arrow_flight::IpcMessage(schema.to_vec().into());
    let schema = arrow::datatypes::Schema::try_from(schema).unwrap();
    let columns = schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>();
    assert_eq!(columns, ["id", "region", "name"]);
    let mut nobody = client(&gateway, "nobody").await;
    let info = nobody.get_db_schemas(CommandGetDbSchemas::default()).await.unwrap();
    let none = rows_of(&mut nobody, &info).await.unwrap();
    assert_eq!(none.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_tells_its_parameters_and_takes_them() {
    let gateway = gateway().await;
    let mut bo = client(&gateway, "bo").await;
    let sql = "SELECT id, name FROM s.t WHERE id >= $1 AND region = $2 ORDER BY id";
    let mut statement = bo.prepare(sql.to_owned(), None).await.unwrap();
    let types = statement.parameter_schema().unwrap().fields().iter().map(|field| field.data_type().clone());
    assert_eq!(types.collect::<Vec<_>>(), [DataType::Int64, DataType::Utf8]);
    assert_eq!(statement.dataset_schema().unwrap().fields().len(), 2);
    for (from, expected) in [(1, vec![1, 3]), (2, vec![3]), (9, vec![])] {
        let ids: arrow::array::ArrayRef = Arc::new(Int64Array::from(vec![from]));
        let regions: arrow::array::ArrayRef = Arc::new(StringArray::from(vec!["EU"]));
        let row = RecordBatch::try_from_iter([("$1", ids), ("$2", regions)]).unwrap();
        statement.set_parameters(row).unwrap();
        let info = statement.execute().await.unwrap();
        let rows = rows_of(&mut bo, &info).await.unwrap();
        let found =
            rows.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
    statement.close().await.unwrap();
    let refused = bo.prepare("SELECT salary FROM s.t".to_owned(), None).await.unwrap_err();
    assert_eq!(as_status(&refused).code(), Code::InvalidArgument, "what may not be run may not be described");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_changes_something_is_run_once() {
    let gateway = gateway().await;
    let mut admin = client(&gateway, "admin").await;
    let told = ask(&mut admin, "GRANT SELECT ON s.t TO USER eve").await.unwrap();
    assert_eq!(told.column(0).as_string::<i32>().value(0), "GRANT");
    let records = gateway.get("admin", "/v1/audit?action=create_grant&user=admin").await.json();
    let records = records["items"].as_array().unwrap();
    assert_eq!(records.len(), 1, "asking what it would give does not do it");
    assert_eq!(admin.execute_update("REVOKE ALL ON s.t FROM USER eve".to_owned(), None).await.unwrap(), 0);
    assert_eq!(gateway.sql("eve", "SELECT * FROM s.t").await.code(), "table_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_by_who_runs_it_and_by_nobody_else() {
    let gateway = gateway().await;
    let mut ana = client(&gateway, "ana").await;
    let endless = "SELECT a.value FROM generate_series(1, 1000000000) a";
    let info = ana.execute(endless.to_owned(), None).await.unwrap();
    let mut rows = ana.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    assert!(rows.try_next().await.unwrap().is_some());
    let request = || CancelFlightInfoRequest { info: Some(info.clone()) };
    let cancel = async |who: &str| {
        let mut client = FlightClient::new(channel(&gateway).await);
        client.add_header("authorization", &format!("Bearer {}", gateway.token(who))).unwrap();
        client.cancel_flight_info(request()).await.unwrap()
    };
    let other = cancel("bo").await;
    assert_eq!(other.status, arrow_flight::CancelStatus::NotCancellable as i32);
    let done = cancel("ana").await;
    assert_eq!(done.status, arrow_flight::CancelStatus::Cancelled as i32);
    let end = async {
        while rows.try_next().await?.is_some() {}
        Ok::<_, FlightError>(())
    };
    let end = tokio::time::timeout(std::time::Duration::from_secs(20), end).await.expect("it ends");
    assert_eq!(Status::from(end.unwrap_err()).code(), Code::Cancelled, "a cut result does not look whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_read_is_refused_and_the_door_goes_on() {
    let gateway = gateway().await;
    let mut ana = client(&gateway, "ana").await;
    let forged = |handle: &[u8]| {
        let ticket = TicketStatementQuery { statement_handle: handle.to_vec().into() };
        Ticket::new(ticket.as_any().encode_to_vec())
    };
    let huge = format!(r#"{{"sql":"{}"}}"#, "x".repeat(17 << 20));
    for ticket in [
        Ticket::new(vec![0xff; 100]),
        Ticket::new(Vec::new()),
        forged(b""),
        forged(b"{"),
        forged(br#"{"sql":"SELECT 1"}"#),
        forged(br#"{"sql":"SELECT 1","database":null,"strict":false,"max_rows":null,"params":"!!","run":"00000000-0000-0000-0000-000000000000"}"#),
        forged(br#"{"sql":"SELECT 1","database":null,"strict":false,"max_rows":null,"params":null,"run":"x","identity":"admin"}"#),
        forged(huge.as_bytes()),
    ] {
        assert!(ana.do_get(ticket).await.is_err());
        assert_eq!(ask(&mut ana, "SELECT 1").await.unwrap().num_rows(), 1);
    }
    // Bytes that are no gRPC at all.
    let address = gateway.flight.trim_start_matches("http://").to_owned();
    for noise in [
        vec![0_u8; 64],
        vec![0xff; 4096],
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        BASE64_STANDARD.encode("x").into(),
    ] {
        let mut socket = tokio::net::TcpStream::connect(&address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, &noise).await.unwrap();
        drop(socket);
    }
    assert_eq!(ask(&mut ana, "SELECT 1").await.unwrap().num_rows(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_that_names_a_table_leaves_its_record() {
    let gateway = gateway().await;
    let mut eve = client(&gateway, "eve").await;
    assert!(ask(&mut eve, "SELECT * FROM s.t").await.is_err());
    let mut bo = client(&gateway, "bo").await;
    ask(&mut bo, "SELECT id FROM s.t").await.unwrap();
    let verdicts = async |user: &str| {
        let log = gateway.get("admin", &format!("/v1/audit?user={user}")).await.json();
        let records = log["items"].as_array().unwrap().iter();
        let told = |record: &serde_json::Value| {
            assert_eq!(record["door"], "flight_sql");
            format!("{} {} {}", record["action"], record["verdict"], record["rows"]).replace('"', "")
        };
        records.map(told).collect::<Vec<_>>()
    };
    assert_eq!(verdicts("eve").await, ["prepare denied 0"]);
    assert_eq!(verdicts("bo").await, ["query allowed 2", "prepare allowed 0"]);
}

/// Sizes that a client writes down are not taken at their word.
#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_claim_to_be_large_are_refused() {
    let gateway = gateway().await;
    let mut ana = client(&gateway, "ana").await;
    let words: arrow::array::ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 20)]));
    let row = RecordBatch::try_from_iter([("$1", words)]).unwrap();
    let stream = |compression| {
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &row.schema(), options).unwrap();
        writer.write(&row).unwrap();
        writer.into_inner().unwrap()
    };
    let (plain, small) = (stream(None), stream(Some(CompressionType::LZ4_FRAME)));
    assert!(small.len() < plain.len() / 10);
    let ticket = |params: &[u8]| {
        let params = BASE64_STANDARD.encode(params);
        let handle = serde_json::json!({
            "sql": "SELECT length($1) AS n", "database": null, "strict": false, "max_rows": null, "params": params,
            "run": "00000000-0000-0000-0000-000000000000",
        });
        let ticket = TicketStatementQuery { statement_handle: handle.to_string().into() };
        Ticket::new(ticket.as_any().encode_to_vec())
    };
    let rows = ana.do_get(ticket(&plain)).await.unwrap().try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(rows[0].num_rows(), 1, "one that is honest is read");
    let mut refused = vec![small, plain[..plain.len() / 2].to_vec(), vec![0xff; 64], Vec::new()];
    // Every number of the description in turn claims to be huge.
    for at in (0..400.min(plain.len() - 8)).step_by(4) {
        let mut claims = plain[..plain.len().min(4000)].to_vec();
        claims[at..at + 4].copy_from_slice(&[0xff, 0xff, 0xff, 0x7f]);
        refused.push(claims);
    }
    for params in refused {
        let error = ana.do_get(ticket(&params)).await.map(|_| ()).unwrap_err();
        assert_eq!(as_status(&error).code(), Code::InvalidArgument, "{error}");
    }
    assert_eq!(ask(&mut ana, "SELECT 1").await.unwrap().num_rows(), 1, "the door goes on");
}
