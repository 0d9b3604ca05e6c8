//! The door of PostgreSQL's protocol: who gets in, both ways of asking, portals, cancelling, and bytes that are no messages.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use crate::support::gateway::Gateway;
use crate::support::pg_client::{Client, config, connect, open};

const POLICY: &str = r#"
grants:
  - { to: "user:ana", on: shop.orders, permissions: [select] }
  - { to: "user:bo", on: shop.orders, permissions: [select], columns: { exclude: [total] }, rows: "region = 'east'" }
"#;

async fn gateway() -> Gateway {
    let rows = "id,region,total\n1,east,10.50\n2,west,20.25\n3,east,30.00\n";
    let gateway =
        Gateway::start().await.with_csv("shop.orders", rows).await.with_csv("hr.pay", "id\n1\n").await;
    gateway.with_policy(POLICY).await
}

fn state(error: &tokio_postgres::Error) -> SqlState {
    error.code().cloned().unwrap_or_else(|| panic!("{error}"))
}

/// The error, as a client has it: SQLSTATE, our code and our words.
fn told(error: &tokio_postgres::Error) -> (String, String, String) {
    let told = error.as_db_error().unwrap_or_else(|| panic!("{error}"));
    let code = told.routine().unwrap_or_default().to_owned();
    (told.code().code().to_owned(), code, told.message().to_owned())
}

async fn texts(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    let messages = client.simple_query(sql).await.unwrap();
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_the_password_and_the_name_is_its_own() {
    let gateway = gateway().await;
    assert!(connect(&gateway, "ana", "shop").await.is_ok());
    let refused = |outcome: Result<Client, tokio_postgres::Error>| {
        let error = outcome.err().expect("it is refused");
        assert_eq!(state(&error), SqlState::INVALID_PASSWORD);
        assert_eq!(told(&error).2, "missing or invalid bearer token");
    };
    refused(open(config(&gateway, "ana", "shop").user("bo")).await);
    refused(open(config(&gateway, "ana", "shop").password("x")).await);
    refused(open(config(&gateway, "ana", "shop").password("")).await);
    let unknown = open(config(&gateway, "ana", "shop").options("-c nosuch=1")).await;
    assert_eq!(state(&unknown.err().unwrap()), SqlState::UNDEFINED_OBJECT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_ends_its_connection() {
    let gateway = gateway().await;
    let token = gateway.token_for("ana", Duration::from_secs(2));
    let client = open(config(&gateway, "ana", "shop").password(token)).await.unwrap();
    assert_eq!(texts(&client, "SELECT count(*) FROM orders").await, [[Some("3".to_owned())]]);
    let start = Instant::now();
    let error = loop {
        match client.simple_query("SELECT 1").await {
            Ok(_) => assert!(start.elapsed() < Duration::from_secs(120), "it never ends"),
            Err(error) => break error,
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(told(&error).1, "unauthenticated");
    assert!(client.simple_query("SELECT 1").await.unwrap_err().is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_what_is_theirs_and_is_told_so() {
    let gateway = gateway().await;
    let mut bo = connect(&gateway, "bo", "shop").await.unwrap();
    let rows = bo.query("SELECT * FROM orders ORDER BY id", &[]).await.unwrap();
    let rows: Vec<(i64, String)> = rows.iter().map(|row| (row.get("id"), row.get("region"))).collect();
    assert_eq!(rows, [(1, "east".to_owned()), (3, "east".to_owned())]);
    let notice = bo.notices().pop().unwrap();
    let policy: Value = serde_json::from_str(notice.message().strip_prefix("policy: ").unwrap()).unwrap();
    assert_eq!((&policy["rows_filtered"], &policy["columns_hidden"]), (&json!(true), &json!(true)));
    for (sql, refused) in [
        ("SELECT total FROM orders", ("42703", "column_not_found", "column not found: `total`")),
        ("SELECT * FROM hr.pay", ("42P01", "table_not_found", "table not found: `hr.pay`")),
        ("SELECT * FROM hr.nosuch", ("42P01", "table_not_found", "table not found: `hr.nosuch`")),
        ("DROP TABLE orders", ("0A000", "statement_not_allowed", "`DROP` is not allowed here; send a query")),
        ("GRANT SELECT ON shop.orders TO USER eve", ("42501", "permission_denied", "")),
        ("COPY orders TO STDOUT", ("42601", "syntax_error", "expected")),
    ] {
        let (sqlstate, code, text) = told(&bo.simple_query(sql).await.unwrap_err());
        assert_eq!((sqlstate.as_str(), code.as_str()), (refused.0, refused.1), "{sql}: {text}");
        assert!(text.starts_with(refused.2), "{sql}: {text}");
        assert_eq!(told(&bo.query(sql, &[]).await.unwrap_err()).1, refused.1, "{sql}");
    }
    let mut ana = connect(&gateway, "ana", "shop").await.unwrap();
    ana.simple_query("SELECT * FROM orders").await.unwrap();
    assert!(ana.notices().is_empty(), "nothing was withheld");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_have_types_and_a_statement_is_prepared_once() {
    let gateway = gateway().await;
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    let by_id = ana.prepare("SELECT region FROM orders WHERE id = $1 AND region LIKE $2").await.unwrap();
    assert_eq!(by_id.params(), [Type::INT8, Type::TEXT]);
    for (id, region) in [(1_i64, "east"), (2, "west")] {
        let rows = ana.query(&by_id, &[&id, &"%st"]).await.unwrap();
        assert_eq!(rows[0].get::<_, String>(0), region);
    }
    assert!(ana.query(&by_id, &[&9_i64, &"%"]).await.unwrap().is_empty());
    let typed = ana.prepare_typed("SELECT $1, $2", &[Type::INT4, Type::BOOL]).await.unwrap();
    let row = ana.query_one(&typed, &[&7_i32, &None::<bool>]).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, Option<bool>>(1)), (7, None));
    let untyped = ana.query_one("SELECT $1", &[&"a'b"]).await.unwrap();
    assert_eq!(untyped.get::<_, String>(0), "a'b");
}

/// What a statement gives may change while it lies prepared: then its rows are others than its reader was told.
#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_statement_is_judged_anew_each_time() {
    let gateway = gateway().await;
    let bo = connect(&gateway, "bo", "shop").await.unwrap();
    let (all, counted) = (
        bo.prepare("SELECT * FROM orders").await.unwrap(),
        bo.prepare("SELECT count(*) FROM orders").await.unwrap(),
    );
    gateway
        .apply(&POLICY.replace("exclude: [total]", "exclude: [region]").replace("region = 'east'", "id = 2"))
        .await
        .unwrap();
    gateway.app.refresh().await.unwrap();
    let error = bo.query(&all, &[]).await.unwrap_err();
    assert_eq!(state(&error), SqlState::FEATURE_NOT_SUPPORTED, "{error}");
    gateway.post("admin", "/v1/sql", &json!({ "sql": "REVOKE SELECT ON shop.orders FROM USER bo" })).await;
    let error = bo.query(&counted, &[]).await.unwrap_err();
    assert_eq!(told(&error).1, "table_not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_gives_so_many_rows_at_a_time() {
    let gateway = gateway().await;
    let mut ana = config(&gateway, "ana", "shop").connect(NoTls).await.unwrap();
    tokio::spawn(ana.1);
    let transaction = ana.0.transaction().await.unwrap();
    let portal =
        transaction.bind("SELECT value FROM generate_series(1, 1000000000) AS t(value)", &[]).await.unwrap();
    for from in [1, 4, 7] {
        let rows = transaction.query_portal(&portal, 3).await.unwrap();
        let rows: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(rows, [from, from + 1, from + 2]);
    }
    transaction.commit().await.unwrap();
    // All rows of a large result, without a number: they come as they are made.
    let rows =
        ana.0.query_raw("SELECT value FROM generate_series(1, 300000) AS t(value)", Vec::<i64>::new()).await;
    let count = rows.unwrap().try_fold(0_u64, |count, _| async move { Ok(count + 1) }).await.unwrap();
    assert_eq!(count, 300_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_cancelled_and_the_connection_goes_on() {
    let gateway = gateway().await;
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    let endless = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b";
    for is_extended in [false, true] {
        let cancel = ana.cancel_token();
        let work = async {
            match is_extended {
                true => ana.query(endless, &[]).await.map(drop),
                false => ana.simple_query(endless).await.map(drop),
            }
        };
        let cancelling = async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            cancel.cancel_query(NoTls).await.unwrap();
        };
        let start = Instant::now();
        let (outcome, ()) = tokio::join!(work, cancelling);
        let error = outcome.unwrap_err();
        assert_eq!((state(&error), told(&error).1), (SqlState::QUERY_CANCELED, "cancelled".to_owned()));
        assert!(start.elapsed() < Duration::from_secs(30));
        assert_eq!(texts(&ana, "SELECT 7").await, [[Some("7".to_owned())]]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_what_its_client_takes_it_for() {
    let gateway = gateway().await;
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    ana.batch_execute("BEGIN; SELECT 1; COMMIT; SELECT 2").await.unwrap();
    ana.batch_execute("BEGIN").await.unwrap();
    assert!(ana.simple_query("SELECT nosuch FROM orders").await.is_err());
    let error = ana.simple_query("SELECT 1").await.unwrap_err();
    assert_eq!(state(&error), SqlState::IN_FAILED_SQL_TRANSACTION);
    ana.batch_execute("ROLLBACK TO SAVEPOINT a").await.unwrap();
    ana.batch_execute("SELECT 1; COMMIT").await.unwrap();

    let admin = connect(&gateway, "admin", "shop").await.unwrap();
    let grant = "GRANT SELECT ON shop.orders TO USER eve";
    admin.batch_execute("BEGIN").await.unwrap();
    let error = admin.simple_query(grant).await.unwrap_err();
    assert_eq!(state(&error), SqlState::ACTIVE_SQL_TRANSACTION);
    admin.batch_execute("ROLLBACK").await.unwrap();
    assert!(
        connect(&gateway, "eve", "shop").await.unwrap().simple_query("SELECT * FROM orders").await.is_err()
    );
    assert_eq!(admin.execute(grant, &[]).await.unwrap(), 0);
    assert!(
        connect(&gateway, "eve", "shop").await.unwrap().simple_query("SELECT * FROM orders").await.is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_those_of_the_connection() {
    let gateway = gateway().await;
    let mut ana = connect(&gateway, "ana", "lakegate").await.unwrap();
    assert!(ana.simple_query("SELECT * FROM orders").await.is_err(), "no database is looked at");
    ana.batch_execute("SET search_path TO shop, public").await.unwrap();
    assert_eq!(
        texts(&ana, "SELECT count(*) FROM orders; SHOW search_path").await.concat(),
        [Some("3".to_owned()), Some("shop,public".to_owned())]
    );
    assert_eq!(texts(&ana, "SELECT current_schema()").await, [[Some("shop".to_owned())]]);
    ana.batch_execute("SET TIME ZONE 'Asia/Tokyo'").await.unwrap();
    assert_eq!(ana.notices().pop().unwrap().severity(), "WARNING");
    assert_eq!(ana.query_one("SHOW TimeZone", &[]).await.unwrap().get::<_, String>(0), "UTC");
    for (sql, refused) in [
        ("SET nosuch = 1", SqlState::UNDEFINED_OBJECT),
        ("SET client_encoding = 'LATIN1'", SqlState::INVALID_PARAMETER_VALUE),
        ("SHOW nosuch", SqlState::UNDEFINED_OBJECT),
        ("SET ROLE admin", SqlState::FEATURE_NOT_SUPPORTED),
        ("SET SESSION AUTHORIZATION admin", SqlState::FEATURE_NOT_SUPPORTED),
    ] {
        assert_eq!(state(&ana.simple_query(sql).await.unwrap_err()), refused, "{sql}");
    }
    ana.batch_execute("DISCARD ALL").await.unwrap();
    assert!(ana.simple_query("SELECT * FROM orders").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_has_what_its_reader_may_know() {
    let gateway = gateway().await;
    let columns = "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog') AND a.attnum > 0 ORDER BY 1, a.attnum";
    let seen = |rows: Vec<Vec<Option<String>>>| {
        rows.into_iter()
            .map(|row| row.into_iter().flatten().collect::<Vec<_>>().join("."))
            .collect::<Vec<_>>()
    };
    let of =
        async |who: &str, sql: &str| seen(texts(&connect(&gateway, who, "shop").await.unwrap(), sql).await);
    assert_eq!(of("ana", columns).await, ["orders.id", "orders.region", "orders.total"]);
    assert_eq!(of("bo", columns).await, ["orders.id", "orders.region"]);
    assert_eq!(of("eve", columns).await, [""; 0]);
    let everywhere = [
        "SELECT nspname FROM pg_namespace",
        "SELECT tablename FROM pg_tables",
        "SELECT relname FROM pg_class",
        "SELECT attname FROM pg_attribute",
        "SELECT rolname FROM pg_roles",
        "SELECT datname FROM pg_database",
    ];
    for sql in everywhere {
        let told = of("bo", sql).await;
        assert!(
            !told.iter().any(|name| ["hr", "pay", "total", "ana", "admin"].contains(&name.as_str())),
            "{sql}: {told:?}"
        );
    }
    assert_eq!(
        of("bo", "SELECT 'orders'::regclass::oid = oid FROM pg_class WHERE relname = 'orders'").await,
        ["t"]
    );
    assert_eq!(
        of("bo", "SELECT session_user AS a, current_user AS b, current_database()").await,
        ["bo.bo.lakegate"]
    );
    // The functions of the catalog are there for who asks it, and change nothing of what may be read.
    let refused = "SELECT pg_get_userbyid(1), total FROM orders";
    let error = connect(&gateway, "bo", "shop").await.unwrap().simple_query(refused).await.unwrap_err();
    assert_eq!(told(&error).1, "column_not_found");
    assert_eq!(gateway.sql("bo", "SELECT pg_get_userbyid(1)").await.code(), "query_failed");
}

/// A text that a client has put in quotes stays that text, however the statement is taken apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_in_quotes_stays_what_it_is() {
    let gateway = gateway().await;
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    for value in
        ["it's", "a''b", r"x\' OR 1=1 --", r"\", "'; SELECT 1; --", "/*", "{a}", "$q$", "x' OR '1'='1"]
    {
        let literal = format!("'{}'", value.replace('\'', "''"));
        let alone = texts(&ana, &format!("SELECT {literal} AS a")).await;
        assert_eq!(alone, [[Some(value.to_owned())]], "{literal}");
        let one_of_two = texts(&ana, &format!("SELECT {literal} AS a; SELECT 'end'")).await;
        assert_eq!(one_of_two, [[Some(value.to_owned())], [Some("end".to_owned())]], "{literal}");
        let beside_the_catalog = texts(&ana, &format!("SELECT {literal} AS a, current_user AS b")).await;
        assert_eq!(beside_the_catalog, [[Some(value.to_owned()), Some("ana".to_owned())]], "{literal}");
    }
    let spliced = ana.simple_query("SELECT '{(SELECT max(total) FROM orders)}'::int[], current_user").await;
    assert_eq!(told(&spliced.unwrap_err()).1, "query_failed", "it is a text that is no number");
    let quoted = ana.simple_query(r#"SELECT 1 AS "a""b", current_user"#).await;
    assert_eq!(state(&quoted.unwrap_err()), SqlState::SYNTAX_ERROR);
}

/// What is known of the catalog's tables is not taken for true of others.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_names_the_user_means_the_same_as_one_that_does_not() {
    let gateway = gateway().await;
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    for sql in [
        "SELECT id, (SELECT max(o.total) FROM orders o WHERE o.id = orders.id) AS m FROM orders WHERE TRUE ORDER BY id",
        "SELECT *, id AS again FROM orders WHERE TRUE ORDER BY 1",
        r"SELECT count(*) FROM orders WHERE region LIKE 'e\_st' ESCAPE '\' AND TRUE",
        "SELECT id FROM orders WHERE total > (SELECT avg(total) FROM orders) AND TRUE ORDER BY 1",
    ] {
        let plain = texts(&ana, sql).await;
        let named = texts(&ana, &sql.replace("TRUE", "current_user = 'ana'")).await;
        assert_eq!(named, plain, "{sql}");
        assert!(!plain.is_empty());
    }
    let many =
        ana.simple_query("SELECT (SELECT id FROM orders) FROM orders WHERE current_user = 'ana'").await;
    assert!(many.is_err(), "a subquery that gives many rows is no value");
}

/// What the engine would read as something else, and not refuse.
#[tokio::test(flavor = "multi_thread")]
async fn literals_and_forms_of_time_mean_what_they_mean_in_postgresql() {
    let gateway = gateway().await;
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    for (sql, value) in [
        ("SELECT count(*) FROM orders WHERE region = ANY('{west,north}'::text[])", "1"),
        ("SELECT count(*) FROM orders WHERE id = ANY('{1,3}'::int[]) AND current_user = 'ana'", "2"),
        (r"SELECT encode('\x01ff'::bytea, 'hex')", "01ff"),
        ("SELECT 2 ^ 3 * 2", "16.0"),
        ("SELECT (id + 1) ^ -1 FROM orders WHERE id = 3", "0.25"),
        ("SELECT to_char(DATE '2024-03-09', 'YYYY-MM')", "2024-03"),
        ("SELECT TO_DATE('1995-01-31', 'YYYY-MM-DD')", "1995-01-31"),
        (
            "SELECT TO_TIMESTAMP('1995-01-31 10:20:30.000500', 'YYYY-MM-DD HH24:MI:SS.US')",
            "1995-01-31 10:20:30.000500+00",
        ),
    ] {
        assert_eq!(texts(&ana, sql).await, [[Some(value.to_owned())]], "{sql}");
    }
    let unknown = ana.simple_query("SELECT to_char(DATE '2024-03-09', 'J')").await.unwrap_err();
    assert_eq!(told(&unknown).2, "the form `J` has letters that are not known here");
    let similar = ana.simple_query("SELECT 'ab' SIMILAR TO '(a|b)%'").await.unwrap_err();
    assert_eq!(told(&similar).2, "`SIMILAR TO` is not known here: write `~` or `LIKE`");
}

/// A value that a client says the type of is compared as what it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_another_type_is_compared_as_a_number() {
    let gateway = gateway().await;
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    let count = async |sql: &str, kind: Type, value: &(dyn tokio_postgres::types::ToSql + Sync)| {
        let statement = ana.prepare_typed(sql, &[kind]).await.unwrap();
        ana.query_one(&statement, &[value]).await.unwrap().get::<_, i64>(0)
    };
    let exact = "SELECT count(*) FROM orders WHERE CAST(total AS DECIMAL(15, 2)) > $1";
    assert_eq!(count(exact, Type::INT4, &20_i32).await, 2);
    assert_eq!(count(exact, Type::FLOAT8, &20.25_f64).await, 1);
    assert_eq!(count("SELECT count(*) FROM orders WHERE id > $1", Type::FLOAT8, &1.5_f64).await, 2);
    assert_eq!(count("SELECT count(*) FROM orders WHERE id = $1", Type::INT2, &3_i16).await, 1);
    let access = texts(&ana, "EXPLAIN ACCESS SELECT id FROM orders WHERE region = current_user").await;
    assert!(!access.is_empty());
    let flag = "SELECT count(*) FROM (SELECT id = 1 AS is_first FROM orders) t WHERE is_first = 'f'";
    assert_eq!(texts(&ana, flag).await, [[Some("2".to_owned())]]);
}

/// Drivers without types of their own ask the server for those of their parameters.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_has_the_type_that_its_place_says() {
    let gateway = gateway().await;
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    for (sql, kind) in [
        ("SELECT count(*) FROM orders WHERE id = ANY($1)", Type::INT8_ARRAY),
        ("SELECT count(*) FROM orders WHERE id <> ALL($1)", Type::INT8_ARRAY),
        ("SELECT count(*) FROM orders WHERE id >= ANY($1)", Type::INT8_ARRAY),
        ("SELECT count(*) FROM orders WHERE region = ANY($1)", Type::TEXT_ARRAY),
        ("SELECT count(*) FROM orders WHERE id = ANY($1::int[])", Type::INT4_ARRAY),
        ("SELECT $1::int, $1::int", Type::INT4),
        ("SELECT $1::int, $1::text", Type::TEXT),
        ("SELECT id FROM orders LIMIT $1", Type::INT8),
    ] {
        assert_eq!(ana.prepare(sql).await.unwrap().params(), [kind], "{sql}");
    }
    let count = async |sql: &str, value: &(dyn tokio_postgres::types::ToSql + Sync)| {
        ana.query_one(sql, &[value]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!(count("SELECT count(*) FROM orders WHERE id = ANY($1)", &vec![1_i64, 3, 9]).await, 2);
    assert_eq!(count("SELECT count(*) FROM orders WHERE id <> ALL($1)", &vec![1_i64, 3]).await, 1);
    assert_eq!(count("SELECT count(*) FROM orders WHERE id > ANY($1)", &vec![2_i64, 7]).await, 1);
    assert_eq!(count("SELECT count(*) FROM orders WHERE region = ANY($1)", &vec!["west", "'"]).await, 1);
    assert_eq!(count("SELECT count(*) FROM orders WHERE id = ANY($1)", &Vec::<i64>::new()).await, 0);
    let bo = connect(&gateway, "bo", "shop").await.unwrap();
    let all = bo.query_one("SELECT count(*) FROM orders WHERE id = ANY($1)", &[&vec![1_i64, 2]]).await;
    assert_eq!(all.unwrap().get::<_, i64>(0), 1, "a list finds nothing that the row rule hides");
}

/// PostgreSQL lets a result have two columns of one name.
#[tokio::test(flavor = "multi_thread")]
async fn columns_of_a_result_may_have_one_name() {
    let gateway = gateway().await;
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    for (sql, names) in [
        ("SELECT count(*), count(*) FROM orders", vec!["count(*)", "count(*)"]),
        ("SELECT region, region::text, 1 AS region FROM orders WHERE id = 1", vec!["region"; 3]),
        ("SELECT *, id FROM orders WHERE id = 1 ORDER BY id", vec!["id", "region", "total", "id"]),
        ("SELECT a.id, b.id FROM orders a JOIN orders b ON a.id = b.id WHERE a.id = 1", vec!["id", "id"]),
        ("SELECT NULL, NULL, current_user AS a, current_user AS a", vec!["NULL", "null", "a", "a"]),
    ] {
        let row = ana.query_one(sql, &[]).await.unwrap();
        let found: Vec<&str> = row.columns().iter().map(tokio_postgres::Column::name).collect();
        assert_eq!(found, names, "{sql}");
    }
    let bo = connect(&gateway, "bo", "shop").await.unwrap();
    let hidden = bo.query("SELECT total, total FROM orders", &[]).await.unwrap_err();
    assert_eq!(told(&hidden).2, "column not found: `total`");
}

/// Sends `bytes` and reads until the gateway has had enough.
async fn sent(gateway: &Gateway, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(gateway.postgres).await.unwrap();
    let _ = socket.write_all(bytes).await;
    let _ = socket.shutdown().await;
    let mut answer = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(40), socket.read_to_end(&mut answer));
    // A reset is an end, too.
    let _ = reading.await.expect("the connection ends");
    answer
}

fn startup(user: &str) -> Vec<u8> {
    let body =
        [&196_608_i32.to_be_bytes()[..], format!("user\0{user}\0database\0shop\0\0").as_bytes()].concat();
    [&i32::try_from(body.len() + 4).unwrap().to_be_bytes()[..], &body].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &i32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_messages_end_their_connection_alone() {
    let gateway = gateway().await;
    let known = [startup("ana"), message(b'p', format!("{}\0", gateway.token("ana")).as_bytes())].concat();
    let length = |kind: u8, length: i32| [&[kind][..], &length.to_be_bytes()].concat();
    let mut unknown = vec![
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        vec![0xff; 64],
        i32::MAX.to_be_bytes().to_vec(),
        vec![0, 0, 0, 0, 0, 0, 0, 0],
        // Nobody asks anything before they have said who they are.
        [startup("ana"), message(b'Q', b"SELECT 1\0")].concat(),
        [startup("ana"), message(b'P', b"\0SELECT 1\0\0\0"), message(b'S', b"")].concat(),
        [startup("ana"), length(b'p', i32::MAX)].concat(),
        [startup("ana"), length(b'p', -5)].concat(),
        [startup("ana"), message(b'p', b"no end")].concat(),
    ];
    let silent = async {
        let mut socket = TcpStream::connect(gateway.postgres).await.unwrap();
        socket.write_all(&i32::MAX.to_be_bytes()).await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), socket.read_to_end(&mut Vec::new())).await
    };
    assert!(silent.await.is_ok(), "who says nothing is not waited for");
    let mut random = 88_172_645_463_325_252_u64;
    for _ in 0..40 {
        let mut bytes = startup("ana");
        for _ in 0..200 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            bytes.push(random.to_be_bytes()[0]);
        }
        unknown.push(bytes);
    }
    for bytes in unknown {
        let answer = sent(&gateway, &bytes).await;
        let text = String::from_utf8_lossy(&answer);
        assert!(!text.contains("server_version") && !text.contains("Int64(1)"), "it got in: {bytes:?}");
    }
    for bytes in [
        length(b'Q', i32::MAX),
        length(b'Q', 3),
        length(b'B', -1),
        message(b'!', b"what"),
        message(b'B', b"\0\0\xff\xff"),
        message(b'P', b"no end"),
        message(b'D', b""),
        message(b'E', b"\0"),
        message(b'Q', &[0xff, 0xfe, 0]),
    ] {
        // What can be read and is wrong is told, and the connection goes on until its client ends it.
        sent(&gateway, &[&known[..], &bytes, &message(b'X', b"")].concat()).await;
    }
    let ana = connect(&gateway, "ana", "shop").await.unwrap();
    assert_eq!(texts(&ana, "SELECT count(*) FROM orders").await, [[Some("3".to_owned())]]);
}
