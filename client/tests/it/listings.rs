//! Prepared statements and what there is to ask: which requests they make, and what they read.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};
use arrow_ipc::writer::StreamWriter;
use lakegate_client::{RecordBatch, blocking};

use crate::server::{Line, Server, batch, problem, rows, until_closed};

fn table(columns: Vec<(&str, ArrayRef)>) -> Line {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, it)| (name, it, true)));
    let batch = batch.unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    Line::Say(until_closed(&writer.into_inner().unwrap()))
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[tokio::test]
async fn a_batch_runs_in_order_and_ends_with_its_first_failure() {
    let script = vec![rows(&[batch(1)]), rows(&[]), problem(422, "query_failed"), rows(&[])];
    let server = Server::start(script).await;
    let mut statement = server.connection().prepare("SELECT $1, $2");
    statement.set(2, "x").unwrap();
    for number in 1..=4 {
        statement.set(1, number).unwrap().add_batch().unwrap();
    }
    let mut results = statement.execute_batch();
    let mut counts = Vec::new();
    let error = loop {
        match results.next().await {
            Ok(rows) => counts.push(rows.unwrap().collect().await.unwrap().len()),
            Err(error) => break error,
        }
    };
    assert_eq!((counts, error.problem().unwrap().status), (vec![3, 0], 422));
    assert!(results.next().await.unwrap().is_none());
    let sent = |number: u32| format!(r#"POST /v1/sql {{"sql":"SELECT $1, $2","params":[{number},"x"]}}"#);
    assert_eq!(server.asked(), [sent(1), sent(2), sent(3)]);
}

#[tokio::test]
async fn names_are_sent_as_parameters_and_never_as_sql() {
    let hostile = "x' OR '1' = '1";
    let script = vec![
        table(vec![("schema_name", texts(&[Some("sales")]))]),
        table(vec![
            ("table_schema", texts(&[Some("sales")])),
            ("table_name", texts(&[Some("orders")])),
            ("table_type", texts(&[Some("VIEW")])),
        ]),
        table(vec![
            ("table_schema", texts(&[Some("sales")])),
            ("table_name", texts(&[Some("orders")])),
            ("column_name", texts(&[Some("id")])),
            ("ordinal_position", Arc::new(arrow::array::Int64Array::from(vec![1]))),
            ("data_type", texts(&[Some("bigint")])),
            ("is_nullable", texts(&[Some("NO")])),
        ]),
        table(vec![
            ("grantee", texts(&[Some("user:ana")])),
            ("object", texts(&[Some("sales.orders")])),
            ("permissions", texts(&[Some("select, describe")])),
            ("columns", texts(&[None])),
            ("rows", texts(&[Some("id > 1")])),
            ("grantable", Arc::new(BooleanArray::from(vec![true]))),
            ("valid_from", texts(&[None])),
            ("valid_until", texts(&[None])),
        ]),
    ];
    let server = Server::start(script).await;
    let metadata = server.connection().metadata();
    assert_eq!(metadata.databases(Some(hostile)).await.unwrap(), ["sales"]);
    let tables = metadata.tables(None, Some(hostile)).await.unwrap();
    assert_eq!((tables[0].name.as_str(), tables[0].kind.as_str()), ("orders", "VIEW"));
    let columns = metadata.columns(Some("a"), Some("b"), Some(hostile)).await.unwrap();
    assert_eq!((columns[0].position, columns[0].nullable), (1, false));
    let privileges = metadata.privileges(Some(hostile)).await.unwrap();
    assert_eq!(privileges[0].permissions, ["select", "describe"]);
    assert_eq!((privileges[0].rows.as_deref(), privileges[0].grantable), (Some("id > 1"), true));
    let params = [
        format!("[\"{hostile}\"]"),
        format!("[\"%\",\"{hostile}\"]"),
        format!("[\"a\",\"b\",\"{hostile}\"]"),
        format!("[\"{hostile}\"]"),
    ];
    for (asked, params) in server.asked().iter().zip(params) {
        let (sql, sent) = asked.split_once("\"params\":").unwrap();
        assert_eq!(sent.trim_end_matches('}'), params);
        assert!(!sql.contains(hostile));
    }
}

#[tokio::test]
async fn connections_of_one_another_keep_who_asks_and_where_apart() {
    let server = Server::start(vec![rows(&[]), rows(&[])]).await;
    let connection = server.connection();
    connection.in_database("sales").query("SELECT 1").rows().await.unwrap();
    connection.as_bearer("other").unwrap().query("SELECT 1").rows().await.unwrap();
    assert!(connection.as_bearer("no\ntoken").is_err());
    let expected =
        [r#"POST /v1/sql {"sql":"SELECT 1","database":"sales"}"#, r#"POST /v1/sql {"sql":"SELECT 1"}"#];
    assert_eq!(server.asked(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_blocking_face_has_batches_and_listings_too() {
    let listing = table(vec![("schema_name", texts(&[Some("sales")]))]);
    let server = Server::start(vec![rows(&[batch(1)]), rows(&[]), listing]).await;
    let connection = blocking::Connection::new(server.options()).unwrap();
    let work = tokio::task::spawn_blocking(move || {
        let mut statement = connection.prepare("SELECT $1");
        statement.set(1, 1).unwrap().add_batch().unwrap().set(1, 2).unwrap().add_batch().unwrap();
        let counts = statement.execute_batch().map(|rows| rows.unwrap().count()).collect::<Vec<_>>();
        (counts, connection.metadata().databases(None).unwrap())
    });
    assert_eq!(work.await.unwrap(), (vec![3, 0], vec!["sales".to_owned()]));
}
