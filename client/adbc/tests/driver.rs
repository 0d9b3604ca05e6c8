//! The driver through the traits of ADBC, against a server that answers what a test wants. Through its C interface it is
//! tested with the driver manager of Python and a whole gateway.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what must be true by panicking"
)]

#[allow(dead_code, unreachable_pub, reason = "the client's own tests use all of it")]
#[path = "../../tests/it/server.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use adbc_core::error::{Error, Status};
use adbc_core::options::{
    InfoCode, ObjectDepth, OptionConnection, OptionDatabase, OptionStatement, OptionValue,
};
use adbc_core::{Connection, Database, Driver, Optionable, Statement};
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arrow_ipc::writer::StreamWriter;
use lakegate_adbc::{LakegateConnection, LakegateDriver, LakegateStatement};
use server::{ARROW_HEADERS, Line, Server, arrow, batch, json, problem, rows, until_closed};

fn connect(server: &Server) -> LakegateConnection {
    let options = [
        (OptionDatabase::Uri, OptionValue::from(server.address.as_str())),
        (OptionDatabase::Password, OptionValue::from("t0ps3cret")),
    ];
    LakegateDriver.new_database_with_opts(options).unwrap().new_connection().unwrap()
}

fn statement(server: &Server, sql: &str) -> LakegateStatement {
    let mut statement = connect(server).new_statement().unwrap();
    statement.set_sql_query(sql).unwrap();
    statement
}

fn other(name: &str) -> OptionStatement {
    OptionStatement::Other(name.to_owned())
}

/// The driver blocks, as C's callers do.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn numbers(values: Vec<Option<i64>>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("n", Arc::new(Int64Array::from(values)) as ArrayRef, true)])
        .unwrap()
}

fn listing(columns: &[(&str, &[&str])], position: bool) -> Line {
    let texts = |values: &[&str]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let mut arrays: Vec<_> =
        columns.iter().map(|(name, values)| ((*name).to_owned(), texts(values))).collect();
    if position {
        let positions = Int64Array::from_iter_values(1..=i64::try_from(columns[0].1.len()).unwrap());
        arrays.insert(3, ("ordinal_position".to_owned(), Arc::new(positions)));
    }
    let batch = RecordBatch::try_from_iter(arrays).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    Line::Say(until_closed(&writer.into_inner().unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_has_its_rows_and_what_policy_did() {
    let server = Server::start(vec![rows(&[batch(1), batch(4)])]).await;
    let asked = server.clone();
    blocking(move || {
        let mut statement = statement(&server, "SELECT 1");
        statement.set_option(other("lakegate.strict"), OptionValue::from("true")).unwrap();
        statement.set_option(other("lakegate.max_rows"), OptionValue::from(9)).unwrap();
        let reader = statement.execute().unwrap();
        let schema = reader.schema();
        let batches = reader.map(Result::unwrap).collect::<Vec<_>>();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 6);
        assert!(batches.iter().all(|batch| batch.schema() == schema));
        let policy = statement.get_option_string(other("lakegate.policy")).unwrap();
        assert!(policy.contains(r#""rows_filtered":true"#), "{policy}");
        assert_eq!(schema.metadata()["lakegate.policy"], policy);
        assert_eq!(statement.get_option_string(other("lakegate.query_id")).unwrap(), "0190-abc");
        assert_eq!(statement.get_option_string(other("lakegate.max_rows")).unwrap(), "9");
        assert_eq!(statement.get_option_string(other("x")).unwrap_err().status, Status::NotFound);
    })
    .await;
    assert_eq!(asked.asked(), [r#"POST /v1/sql {"sql":"SELECT 1","strict":true,"max_rows":9}"#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_runs_for_each_row_of_its_parameters() {
    let server = Server::start(vec![rows(&[batch(1)]), rows(&[]), rows(&[batch(4)])]).await;
    let asked = server.clone();
    blocking(move || {
        let mut statement = statement(&server, "SELECT $1");
        statement.prepare().unwrap();
        statement.bind(numbers(vec![Some(7), None, Some(9)])).unwrap();
        let batches = statement.execute().unwrap().map(Result::unwrap).collect::<Vec<_>>();
        let ids =
            batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
        assert_eq!(ids.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        // No row of parameters: nothing runs.
        statement.bind(numbers(Vec::new())).unwrap();
        assert_eq!(statement.execute().unwrap().count(), 0);
        assert_eq!(statement.execute_update().unwrap(), None);
        // A new text has no parameters yet.
        statement.set_sql_query("SELECT 2").unwrap();
        assert_eq!(statement.execute().err().unwrap().status, Status::IO);
    })
    .await;
    let sent = |params: &str| format!(r#"POST /v1/sql {{"sql":"SELECT $1","params":[{params}]}}"#);
    assert_eq!(asked.asked(), [sent("7"), sent("null"), sent("9")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_have_a_status_a_sqlstate_and_the_words_of_the_gateway() {
    for (code, http, status, sqlstate) in [
        ("table_not_found", 404, Status::NotFound, "42P01"),
        ("policy_withheld", 403, Status::Unauthorized, "42501"),
        ("unauthenticated", 401, Status::Unauthenticated, "28P01"),
        ("syntax_error", 400, Status::InvalidArguments, "42601"),
        ("statement_not_allowed", 403, Status::NotImplemented, "0A000"),
        ("a_code_of_tomorrow", 500, Status::Internal, "XX000"),
    ] {
        let server = Server::start(vec![problem(http, code)]).await;
        let error = blocking(move || statement(&server, "SELECT 1").execute().err().unwrap()).await;
        assert_eq!(
            (error.status, error.sqlstate.map(|letter| letter as u8)),
            (status, *sqlstate.as_bytes().first_chunk().unwrap())
        );
        assert_eq!(error.message, format!("so it is ({code})"));
        assert_eq!(error.details.unwrap()[0], ("lakegate-code".to_owned(), code.as_bytes().to_vec()));
    }
    let cut = until_closed(&arrow(&[batch(1)])[..300]);
    let server = Server::start(vec![Line::Say(cut)]).await;
    let error = blocking(move || statement(&server, "GRANT").execute_update().unwrap_err()).await;
    assert_eq!((error.status, error.sqlstate.map(|letter| letter as u8)), (Status::IO, *b"08006"));
}

/// The driver manager asks for the handle once, before anything runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_handle_of_a_new_statement_cancels_each_of_its_runs() {
    let body = arrow(&[batch(1), batch(4)]);
    let begun = [format!("{ARROW_HEADERS}\r\n").as_bytes(), &body[..arrow(&[batch(1)]).len()]].concat();
    let server = Server::start(vec![Line::Hold(begun), Line::Hold(Vec::new()), rows(&[batch(1)])]).await;
    blocking(move || {
        let mut statement = statement(&server, "SELECT 1");
        let handle: Arc<dyn adbc_core::CancelHandle> = statement.get_cancel_handle().into();
        let soon = |handle: &Arc<dyn adbc_core::CancelHandle>| {
            let handle = Arc::clone(handle);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100));
                handle.try_cancel().unwrap();
            });
        };
        let mut reader = statement.execute().unwrap();
        assert_eq!(reader.next().unwrap().unwrap().num_rows(), 3);
        soon(&handle);
        let error = reader.next().unwrap().unwrap_err();
        assert!(error.to_string().contains("the statement was cancelled"), "{error}");
        assert!(reader.next().is_none());
        soon(&handle);
        assert_eq!(statement.execute().err().unwrap().status, Status::Cancelled);
        assert_eq!(statement.execute().unwrap().count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_columns_of_a_change_are_not_found_out_by_making_it() {
    let server = Server::start(vec![rows(&[])]).await;
    let asked = server.clone();
    blocking(move || {
        let mut statement = statement(&server, "GRANT SELECT ON a.b TO USER bo");
        assert_eq!(statement.execute_schema().unwrap_err().status, Status::NotImplemented);
        statement.set_sql_query("SELECT 1").unwrap();
        assert_eq!(statement.execute_schema().unwrap().fields().len(), 2);
    })
    .await;
    assert_eq!(asked.asked(), [r#"POST /v1/sql {"sql":"SELECT 1","max_rows":0}"#]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tree_is_as_deep_as_it_is_wanted() {
    let schemata = || listing(&[("schema_name", &["sales"])], false);
    let tables = || {
        listing(
            &[("s", &["sales", "sales"]), ("t", &["orders", "totals"]), ("k", &["BASE TABLE", "VIEW"])],
            false,
        )
    };
    let columns = listing(
        &[
            ("s", &["sales"]),
            ("t", &["orders"]),
            ("c", &["total"]),
            ("k", &["decimal(10,2)"]),
            ("n", &["NO"]),
        ],
        true,
    );
    let script = vec![schemata(), tables(), schemata(), columns, tables(), schemata()];
    let server = Server::start(script).await;
    blocking(move || {
        let connection = connect(&server);
        let told = |depth, catalog, types| {
            let mut reader = connection.get_objects(depth, catalog, None, None, types, None).unwrap();
            let batch = reader.next().unwrap().unwrap();
            assert!(reader.next().is_none());
            let mut text = Vec::new();
            let mut writer = arrow::json::LineDelimitedWriter::new(&mut text);
            writer.write(&batch).unwrap();
            writer.finish().unwrap();
            String::from_utf8(text).unwrap()
        };
        assert_eq!(told(ObjectDepth::Catalogs, None, None), "{\"catalog_name\":\"lakegate\"}\n");
        assert_eq!(told(ObjectDepth::All, Some("other"), None), "");
        let schemas = told(ObjectDepth::Schemas, Some("lake%"), None);
        assert!(schemas.contains("sales") && !schemas.contains("orders"), "{schemas}");
        let tables = told(ObjectDepth::Tables, None, Some(vec!["VIEW"]));
        assert!(tables.contains("totals") && !tables.contains("orders"), "{tables}");
        let all = told(ObjectDepth::All, None, None);
        for part in [
            r#""column_name":"total""#,
            r#""ordinal_position":1"#,
            r#""xdbc_data_type":3"#,
            r#""xdbc_column_size":10"#,
            r#""xdbc_decimal_digits":2"#,
            r#""xdbc_is_nullable":"NO""#,
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_has_a_schema_and_names_are_quoted() {
    let server = Server::start(vec![rows(&[]), problem(404, "table_not_found")]).await;
    let asked = server.clone();
    blocking(move || {
        let connection = connect(&server);
        let schema = connection.get_table_schema(Some("lakegate"), Some("sa\"les"), "orders").unwrap();
        assert_eq!((schema.fields().len(), schema.metadata().len()), (2, 0));
        let missing = connection.get_table_schema(None, Some(""), "nothing").unwrap_err();
        assert_eq!(missing.status, Status::NotFound);
        assert_eq!(
            connection.get_table_schema(Some("x"), None, "a").unwrap_err().status,
            Status::InvalidArguments
        );
    })
    .await;
    let sent = |table: &str| format!(r#"POST /v1/sql {{"sql":"SELECT * FROM {table} LIMIT 0"}}"#);
    assert_eq!(asked.asked(), [sent(r#"\"sa\"\"les\".\"orders\""#), sent(r#"\"nothing\""#)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn options_are_read_back_and_what_there_is_not_is_refused() {
    let server = Server::start(vec![json("200 OK", "{}")]).await;
    blocking(move || {
        let mut connection = connect(&server);
        let status = |outcome: Result<(), Error>| outcome.unwrap_err().status;
        connection.set_option(OptionConnection::CurrentSchema, OptionValue::from("sales")).unwrap();
        assert_eq!(connection.get_option_string(OptionConnection::CurrentSchema).unwrap(), "sales");
        assert_eq!(connection.get_option_string(OptionConnection::CurrentCatalog).unwrap(), "lakegate");
        connection.set_option(OptionConnection::AutoCommit, OptionValue::from("true")).unwrap();
        let off = connection.set_option(OptionConnection::AutoCommit, OptionValue::from("false"));
        assert_eq!(status(off), Status::NotImplemented);
        let strict = || OptionConnection::Other("lakegate.strict".to_owned());
        connection.set_option(strict(), OptionValue::from("true")).unwrap();
        let statement = connection.new_statement().unwrap();
        assert_eq!(statement.get_option_string(other("lakegate.strict")).unwrap(), "true");
        assert_eq!(status(connection.commit()), Status::NotImplemented);
        let mut database = LakegateDriver.new_database().unwrap();
        assert_eq!(database.new_connection().err().unwrap().status, Status::InvalidArguments);
        let unknown = OptionDatabase::Other("x".to_owned());
        assert_eq!(status(database.set_option(unknown, OptionValue::from("y"))), Status::NotImplemented);
        database.set_option(OptionDatabase::Uri, OptionValue::from("lakegate://h?token=t0ps3cret")).unwrap();
        assert!(database.get_option_string(OptionDatabase::Uri).is_err());
        assert!(!format!("{database:?}").contains("t0ps3cret"));
    })
    .await;
}

#[test]
fn the_driver_says_what_it_is() {
    let database = LakegateDriver
        .new_database_with_opts([(OptionDatabase::Uri, OptionValue::from("lakegate://127.0.0.1:1"))])
        .unwrap();
    let connection = database.new_connection().unwrap();
    let all = connection.get_info(None).unwrap().next().unwrap().unwrap();
    assert_eq!(all.num_rows(), 6);
    let some =
        connection.get_info(Some([InfoCode::VendorName, InfoCode::VendorArrowVersion].into())).unwrap();
    let some = some.map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!((some.len(), some[0].num_rows()), (1, 1));
    let value = some[0].column(1).as_union().value(0);
    assert_eq!(value.as_string::<i32>().value(0), "lakegate");
    let types = connection.get_table_types().unwrap().next().unwrap().unwrap();
    assert_eq!(types.column(0).len(), 2);
}
