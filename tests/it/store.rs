//! The policy store: one set of cases, run on SQLite and on a real PostgreSQL.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit};
use chrono::{DateTime, TimeDelta, Utc};
use lakegate::audit::event::{AskedAs, AuditEvent, Verdict};
use lakegate::error::{Error, ErrorKind};
use lakegate::policy::model::{Columns, Grant, Permission, Role, TableName, Target};
use lakegate::policy::principal::Principal;
use lakegate::store::record::{
    Bookmark, Change, Database, Format, State, TableRecord, TakenFile, TakenFiles,
};
use lakegate::store::{AuditFilter, Store};
use uuid::Uuid;

use crate::support::postgres::PostgresServer;

const AWKWARD: &str = "Ünïcode 表 🦀 'single' \"double\" `back` \\ % _ ; -- \n\t $1 ? end";

/// One test a case and database. `$case` gets the URL of a fresh, migrated store and a handle to it.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                let dir = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}/store.db", dir.path().display());
                super::$case(&url, super::open(&url).await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                let url = super::PostgresServer::shared().await.database().await;
                super::$case(&url, super::open(&url).await).await;
            })*
        }
    };
}

cases!(
    keeps_every_field,
    applies_every_kind_of_change,
    raises_revision_and_version,
    refuses_a_revision_that_is_past,
    refuses_to_create_what_exists,
    refuses_to_change_what_is_missing,
    applies_all_changes_or_none,
    keeps_a_database_that_has_tables,
    keeps_grants_of_a_dropped_table,
    refuses_roles_that_contain_themselves,
    commits_only_on_the_expected_version,
    loses_no_update_of_two_writers,
    hands_every_version_to_one_writer,
    records_each_change,
    keeps_audit_events_whole,
    pages_the_audit_log,
    filters_the_audit_log,
    keeps_a_secret,
    migrates_again_and_side_by_side,
    reads_one_moment,
    keeps_the_versions_that_were_published,
    notes_the_files_that_versions_take,
);

async fn open(url: &str) -> Store {
    let store = Store::connect(url).await.unwrap();
    store.migrate().await.unwrap();
    store
}

fn database(name: &str) -> Database {
    Database { name: name.into(), comment: None }
}

fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap()
}

fn table(name: &str) -> TableRecord {
    let name: TableName = name.parse().unwrap();
    let nested = Fields::from(vec![Field::new("x", DataType::Int32, true)]);
    let fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("表 '\"", DataType::Decimal128(38, 10), true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("list", DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))), true),
        Field::new("inner", DataType::Struct(nested), true)
            .with_metadata([("k".to_owned(), "v".to_owned())].into()),
    ];
    TableRecord {
        id: Uuid::new_v4().to_string(),
        location: format!("s3://bucket/{}/a%20b", name.table),
        name,
        format: Format::Delta,
        version: Some(7),
        schema: Arc::new(Schema::new(fields)),
        partition_columns: vec!["at".into(), "a,b".into()],
        bookmark: Some(Bookmark {
            columns: vec!["at".into()],
            values: vec!["2024-01-02 03:04:05.000001".into()],
        }),
        comment: Some(AWKWARD.into()),
        created_at: time(1_700_000_000_123_456),
        updated_at: time(1_700_000_001_654_321),
    }
}

fn role(name: &str, members: &[&str]) -> Role {
    Role { name: name.into(), members: members.iter().map(|member| member.parse().unwrap()).collect() }
}

fn grant(id: &str, on: &str) -> Grant {
    Grant {
        id: id.into(),
        to: "role:analyst".parse().unwrap(),
        on: on.parse().unwrap(),
        permissions: [Permission::Select, Permission::CreateTable].into(),
        columns: Columns::Exclude(["a".to_owned(), "ü \"b\"".to_owned()].into()),
        rows: Some("region = 'US' AND name <> 'O''Hara'".into()),
        filter: Some(AWKWARD.into()),
        grantable: true,
        from: Some(time(1_700_000_000_123_456)),
        until: Some(time(1_900_000_000_000_001)),
        reason: Some(AWKWARD.into()),
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.unwrap_err().kind()
}

async fn actions(store: &Store) -> Vec<String> {
    let filter = AuditFilter { limit: Some(1000), ..AuditFilter::default() };
    let mut events = store.audit(&filter).await.unwrap().events;
    events.reverse();
    events.into_iter().map(|event| event.action).collect()
}

async fn keeps_every_field(url: &str, store: Store) {
    let huge = "x'\"表".repeat(200_000);
    // Of what a database's name may have.
    let name = "Ünïcode 表 🦀 'single' \\ % _ ; -- $1 ? end";
    let commented = Database { name: name.into(), comment: Some(huge) };
    let bare = TableRecord { version: None, comment: None, format: Format::Ndjson, ..table("sales.bare") };
    let everyone = role(AWKWARD, &["user:ana", "group:a:b", "role:other", "public"]);
    let plain = Grant {
        to: Principal::Public,
        on: Target::AllTables("sales".into()),
        columns: Columns::All,
        rows: None,
        reason: None,
        permissions: BTreeSet::new(),
        ..grant("g2", "sales")
    };
    let included = Grant { columns: Columns::Include(["a".to_owned()].into()), ..grant("g3", "sales") };
    let tables = [table("sales.orders"), bare];
    let grants = [grant("g1", "sales.orders"), plain, included];
    let mut changes = vec![
        Change::CreateDatabase(commented.clone()),
        Change::CreateDatabase(database("sales")),
        Change::CreateRole(everyone.clone()),
    ];
    changes.extend(tables.iter().cloned().map(Change::CreateTable));
    changes.extend(grants.iter().cloned().map(Change::CreateGrant));
    store.commit("ana", changes).await.unwrap();

    let state = Store::connect(url).await.unwrap().load().await.unwrap();
    assert_eq!(state.version, 1);
    assert_eq!(values(state.databases.values()), [&database("sales"), &commented]);
    assert_eq!(values(state.tables.values()), [&Arc::new(tables[1].clone()), &Arc::new(tables[0].clone())]);
    assert_eq!(values(state.roles.values()), [&everyone]);
    let kept = values(state.grants.values()).into_iter().map(|grant| Grant::clone(grant)).collect::<Vec<_>>();
    assert_eq!(kept, grants);
}

fn values<'a, T: 'a>(kept: impl Iterator<Item = &'a lakegate::store::record::Versioned<T>>) -> Vec<&'a T> {
    kept.map(|versioned| {
        assert_eq!(versioned.revision, 1);
        &versioned.value
    })
    .collect()
}

/// Creates, updates and drops one of each, in an order that works.
fn every_change() -> Vec<Change> {
    let table = table("sales.orders");
    let changed = TableRecord { version: Some(8), format: Format::Parquet, ..table.clone() };
    let grant = grant("g1", "sales.orders");
    vec![
        Change::CreateDatabase(database("sales")),
        Change::UpdateDatabase {
            value: Database { comment: Some("new".into()), ..database("sales") },
            expected: Some(1),
        },
        Change::CreateTable(table.clone()),
        Change::UpdateTable { value: changed, expected: Some(1) },
        Change::CreateRole(role("analyst", &["user:ana"])),
        Change::UpdateRole { value: role("analyst", &["user:bo"]), expected: Some(1) },
        Change::CreateGrant(grant.clone()),
        Change::UpdateGrant { value: Grant { rows: None, ..grant }, expected: Some(1) },
        Change::DropGrant { id: "g1".into(), expected: Some(2) },
        Change::DropRole { name: "analyst".into(), expected: Some(2) },
        Change::DropTable { name: table.name, expected: Some(2) },
        Change::DropDatabase { name: "sales".into(), expected: Some(2) },
    ]
}

async fn applies_every_kind_of_change(_: &str, store: Store) {
    let changes = every_change();
    store.commit("ana", changes[..8].to_vec()).await.unwrap();
    let state = store.load().await.unwrap();
    assert_eq!(state.databases["sales"].value.comment.as_deref(), Some("new"));
    let orders = &state.tables[&TableName::new("sales", "orders")];
    assert_eq!((orders.revision, orders.value.version, orders.value.format), (2, Some(8), Format::Parquet));
    assert_eq!(state.roles["analyst"].value, role("analyst", &["user:bo"]));
    assert_eq!(state.grants["g1"].value.rows, None);

    store.commit("ana", changes[8..].to_vec()).await.unwrap();
    let State { version, databases, tables, roles, grants, .. } = store.load().await.unwrap();
    assert_eq!(version, 2);
    assert_eq!((databases.len(), tables.len(), roles.len(), grants.len()), (0, 0, 0, 0));
}

async fn raises_revision_and_version(_: &str, store: Store) {
    assert_eq!(store.policy_version().await.unwrap(), 0);
    assert_eq!(store.commit("ana", vec![]).await.unwrap(), 0);
    assert_eq!(store.commit("ana", vec![Change::CreateDatabase(database("a"))]).await.unwrap(), 1);
    for expected in 1..4 {
        let update = Change::UpdateDatabase { value: database("a"), expected: Some(expected) };
        assert_eq!(store.commit("ana", vec![update]).await.unwrap(), expected + 1);
    }
    assert_eq!(store.policy_version().await.unwrap(), 4);
    assert_eq!(store.load().await.unwrap().databases["a"].revision, 4);
}

async fn refuses_a_revision_that_is_past(_: &str, store: Store) {
    let setup = every_change().into_iter().take(8).collect();
    store.commit("ana", setup).await.unwrap();
    let orders = table("sales.orders");
    let expected = Some(1);
    let stale = [
        Change::UpdateDatabase { value: database("sales"), expected },
        Change::UpdateTable { value: orders.clone(), expected },
        Change::UpdateRole { value: role("analyst", &[]), expected },
        Change::UpdateGrant { value: grant("g1", "sales"), expected },
        Change::DropGrant { id: "g1".into(), expected },
        Change::DropRole { name: "analyst".into(), expected },
        Change::DropTable { name: orders.name, expected },
        Change::DropDatabase { name: "sales".into(), expected },
    ];
    for change in stale {
        let error = store.commit("bo", vec![change.clone()]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{change:?}");
        assert!(error.detail().contains("changed by somebody else since it was read"), "{error}");
    }
    assert_eq!(store.policy_version().await.unwrap(), 1);
    let unconditional = Change::UpdateRole { value: role("analyst", &[]), expected: None };
    assert_eq!(store.commit("bo", vec![unconditional]).await.unwrap(), 2);
}

async fn refuses_to_create_what_exists(_: &str, store: Store) {
    let all = every_change();
    store.commit("ana", all[..8].to_vec()).await.unwrap();
    for index in [0, 2, 4, 6] {
        let again = vec![all[index].clone()];
        assert_eq!(kind(store.commit("bo", again).await), ErrorKind::Conflict, "{:?}", all[index]);
    }
    let same_id = TableRecord { name: TableName::new("sales", "other"), ..existing(&store).await };
    assert_eq!(kind(store.commit("bo", vec![Change::CreateTable(same_id)]).await), ErrorKind::Conflict);
}

async fn existing(store: &Store) -> TableRecord {
    let state = store.load().await.unwrap();
    TableRecord::clone(&state.tables.values().next().unwrap().value)
}

async fn refuses_to_change_what_is_missing(_: &str, store: Store) {
    let all = every_change();
    // Updates, drops, and a table of no database.
    for index in [1, 2, 3, 5, 7, 8, 9, 10, 11] {
        let missing = vec![all[index].clone()];
        assert_eq!(kind(store.commit("bo", missing).await), ErrorKind::NotFound, "{:?}", all[index]);
    }
}

async fn applies_all_changes_or_none(_: &str, store: Store) {
    let good = Change::CreateDatabase(database("a"));
    let bad = Change::DropRole { name: "nobody".into(), expected: None };
    assert_eq!(kind(store.commit("ana", vec![good.clone(), bad]).await), ErrorKind::NotFound);
    let state = store.load().await.unwrap();
    assert_eq!((state.version, state.databases.len()), (0, 0));
    assert!(actions(&store).await.is_empty());
    assert_eq!(store.commit("ana", vec![good]).await.unwrap(), 1);
}

async fn keeps_a_database_that_has_tables(_: &str, store: Store) {
    store.commit("ana", every_change()[..4].to_vec()).await.unwrap();
    let drop = Change::DropDatabase { name: "sales".into(), expected: None };
    let error = store.commit("ana", vec![drop]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.detail().contains("still has tables"), "{error}");
    assert_eq!(store.load().await.unwrap().databases.len(), 1);
}

async fn keeps_grants_of_a_dropped_table(_: &str, store: Store) {
    store.commit("ana", every_change()[..8].to_vec()).await.unwrap();
    let drop = Change::DropTable { name: TableName::new("sales", "orders"), expected: None };
    store.commit("ana", vec![drop]).await.unwrap();
    let state = store.load().await.unwrap();
    assert_eq!((state.tables.len(), state.grants.len()), (0, 1));
}

async fn refuses_roles_that_contain_themselves(_: &str, store: Store) {
    let itself = vec![Change::CreateRole(role("a", &["role:a"]))];
    assert_eq!(kind(store.commit("ana", itself).await), ErrorKind::InvalidRequest);
    let fine = vec![
        Change::CreateRole(role("a", &["role:b", "role:c"])),
        Change::CreateRole(role("b", &["role:d", "user:x"])),
        Change::CreateRole(role("c", &["role:d"])),
    ];
    store.commit("ana", fine).await.unwrap();
    let closing = role("d", &["group:a", "role:a"]);
    let error = store.commit("ana", vec![Change::CreateRole(closing.clone())]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.detail(), "a role cannot contain itself: `d` contains `a` contains `b` contains `d`");
    store.commit("ana", vec![Change::CreateRole(role("d", &[]))]).await.unwrap();
    let update = Change::UpdateRole { value: closing, expected: None };
    assert_eq!(kind(store.commit("ana", vec![update]).await), ErrorKind::InvalidRequest);
}

async fn commits_only_on_the_expected_version(_: &str, store: Store) {
    let create = |name| vec![Change::CreateDatabase(database(name))];
    assert_eq!(store.commit_if("ana", Some(0), create("a")).await.unwrap(), 1);
    let error = store.commit_if("ana", Some(0), create("b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(kind(store.commit_if("ana", Some(2), create("b")).await), ErrorKind::Conflict);
    assert_eq!(kind(store.commit_if("ana", Some(0), vec![]).await), ErrorKind::Conflict);
    assert_eq!(store.commit_if("ana", Some(1), create("b")).await.unwrap(), 2);
}

/// Adds one member to the role at a time, from what it has just read.
async fn add_members(url: String, prefix: &'static str) -> usize {
    let store = Store::connect(&url).await.unwrap();
    let mut done = 0;
    for number in 0..50 {
        let read = store.load().await.unwrap().roles["analyst"].clone();
        let mut value = read.value;
        value.members.insert(Principal::User(format!("{prefix}{number}")));
        match store.commit(prefix, vec![Change::UpdateRole { value, expected: Some(read.revision) }]).await {
            Ok(_) => done += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
    }
    done
}

async fn loses_no_update_of_two_writers(url: &str, store: Store) {
    store.commit("ana", vec![Change::CreateRole(role("analyst", &[]))]).await.unwrap();
    let one = tokio::spawn(add_members(url.to_owned(), "a"));
    let two = tokio::spawn(add_members(url.to_owned(), "b"));
    let done = one.await.unwrap() + two.await.unwrap();
    let state = store.load().await.unwrap();
    assert!(done >= 50, "of two writers one always succeeds: {done}");
    assert_eq!(state.roles["analyst"].value.members.len(), done);
    assert_eq!(state.roles["analyst"].revision, done as i64 + 1);
    assert_eq!(state.version, done as i64 + 1);
    assert_eq!(actions(&store).await.len(), done + 1);
}

async fn hands_every_version_to_one_writer(url: &str, store: Store) {
    let mut writers = Vec::new();
    for writer in 0..2 {
        let store = Store::connect(url).await.unwrap();
        writers.push(tokio::spawn(async move {
            let mut versions = Vec::new();
            for number in 0..50 {
                let create = Change::CreateDatabase(database(&format!("{writer}_{number}")));
                versions.push(store.commit("ana", vec![create]).await.unwrap());
            }
            versions
        }));
    }
    let mut versions = Vec::new();
    for writer in writers {
        versions.extend(writer.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=100).collect::<Vec<i64>>());
    assert_eq!(store.load().await.unwrap().databases.len(), 100);
}

async fn records_each_change(_: &str, store: Store) {
    store.commit("ana", every_change()).await.unwrap();
    assert_eq!(
        actions(&store).await,
        [
            "create_database",
            "update_database",
            "create_table",
            "update_table",
            "create_role",
            "update_role",
            "create_grant",
            "update_grant",
            "drop_grant",
            "drop_role",
            "drop_table",
            "drop_database",
        ]
    );
    let filter = AuditFilter { action: Some("update_role".into()), ..AuditFilter::default() };
    let event = store.audit(&filter).await.unwrap().events.remove(0);
    assert_eq!((event.actor.as_str(), event.verdict), ("ana", Verdict::Allowed));
    assert_eq!(event.policy["before"]["members"], serde_json::json!(["user:ana"]));
    assert_eq!(event.policy["after"]["members"], serde_json::json!(["user:bo"]));
    let filter = AuditFilter { table: Some("sales.orders".into()), ..AuditFilter::default() };
    let on_table = store.audit(&filter).await.unwrap().events;
    assert_eq!(on_table.len(), 6, "three changes of the table and three of the grant on it");
    assert_eq!(on_table[0].policy["after"], serde_json::Value::Null);
    assert_eq!(on_table[0].policy["before"]["version"], 8);
}

fn event(number: i64, actor: &str) -> AuditEvent {
    let mut event = AuditEvent::new(Uuid::now_v7(), actor, "query");
    event.at = time(1_700_000_000_000_000) + TimeDelta::seconds(number);
    event
}

async fn keeps_audit_events_whole(_: &str, store: Store) {
    let full = AuditEvent {
        asked_as: Some(AskedAs {
            groups: ["a".into(), AWKWARD.into()].into(),
            database: Some("sales".into()),
        }),
        door: Some("http".into()),
        sql: Some(AWKWARD.into()),
        governed_sql: Some("x".repeat(1_000_000)),
        tables: vec!["sales.orders".into(), AWKWARD.into(), "sales.orders".into()],
        columns: vec!["sales.orders.id".into()],
        verdict: Verdict::Cancelled,
        error_code: Some("cancelled".into()),
        policy: serde_json::json!({ "grants": ["g1"], "rows_filtered": true, "n": 1.5, "nul": "\u{0}" }),
        rows: i64::MAX,
        bytes: 2,
        duration_ms: 3,
        detail: Some(AWKWARD.into()),
        ..event(0, AWKWARD)
    };
    let bare = event(1, "bo");
    store.record(&[full.clone(), bare.clone()]).await.unwrap();
    store.record(&[full.clone(), bare.clone()]).await.unwrap();
    let page = store.audit(&AuditFilter::default()).await.unwrap();
    assert_eq!(page.events, [bare, full]);
    assert_eq!(page.next, None);

    let nul = AuditEvent { sql: Some("a\0b".into()), ..event(2, "c\0d") };
    store.record(&[nul]).await.unwrap();
    let kept = store.audit(&AuditFilter::default()).await.unwrap().events.remove(0);
    assert_eq!((kept.sql.as_deref(), kept.actor.as_str()), (Some("a\u{fffd}b"), "c\u{fffd}d"));
}

async fn pages_the_audit_log(_: &str, store: Store) {
    let events: Vec<AuditEvent> = (0..250).map(|number| event(number, "ana")).collect();
    store.record(&events).await.unwrap();
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    let mut after = None;
    loop {
        let page = store.audit(&AuditFilter { after, ..AuditFilter::default() }).await.unwrap();
        sizes.push(page.events.len());
        seen.extend(page.events);
        // What arrives meanwhile is newer and belongs to no later page.
        store.record(&[event(1000, "late")]).await.unwrap();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [100, 100, 50]);
    seen.reverse();
    assert_eq!(seen, events);

    let limited =
        |limit| AuditFilter { limit: Some(limit), user: Some("ana".into()), ..AuditFilter::default() };
    let exact = store.audit(&limited(250)).await.unwrap();
    assert_eq!((exact.events.len(), exact.next), (250, None));
    assert_eq!(store.audit(&limited(0)).await.unwrap().events.len(), 1);
    let many: Vec<AuditEvent> = (0..1001).map(|number| event(number, "ana")).collect();
    store.record(&many).await.unwrap();
    assert_eq!(store.audit(&limited(5000)).await.unwrap().events.len(), 1000);
    let nowhere = AuditFilter { after: Some("x' OR 1=1".into()), ..AuditFilter::default() };
    assert_eq!(kind(store.audit(&nowhere).await), ErrorKind::InvalidRequest);
}

async fn filters_the_audit_log(_: &str, store: Store) {
    let tables = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let events = [
        AuditEvent { tables: tables(&["a.t", "b.t"]), ..event(0, "ana") },
        AuditEvent { tables: tables(&["b.t"]), verdict: Verdict::Denied, ..event(1, "bo") },
        AuditEvent { action: "ingest".into(), verdict: Verdict::Failed, ..event(2, "ana") },
        AuditEvent { tables: tables(&["a.tt"]), ..event(3, "an%") },
    ];
    store.record(&events).await.unwrap();
    let none = AuditFilter::default;
    let start = events[0].at;
    let cases = [
        (none(), vec![3, 2, 1, 0]),
        (AuditFilter { user: Some("ana".into()), ..none() }, vec![2, 0]),
        (AuditFilter { user: Some("an%".into()), ..none() }, vec![3]),
        (AuditFilter { user: Some("' OR ''='".into()), ..none() }, vec![]),
        (AuditFilter { table: Some("a.t".into()), ..none() }, vec![0]),
        (AuditFilter { table: Some("b.t".into()), ..none() }, vec![1, 0]),
        (AuditFilter { verdict: Some(Verdict::Denied), ..none() }, vec![1]),
        (AuditFilter { action: Some("ingest".into()), ..none() }, vec![2]),
        (AuditFilter { from: Some(start + TimeDelta::seconds(2)), ..none() }, vec![3, 2]),
        (AuditFilter { until: Some(start + TimeDelta::seconds(2)), ..none() }, vec![1, 0]),
        (
            AuditFilter {
                user: Some("ana".into()),
                table: Some("b.t".into()),
                verdict: Some(Verdict::Allowed),
                action: Some("query".into()),
                from: Some(start),
                until: Some(start + TimeDelta::microseconds(1)),
                limit: Some(1),
                after: Some(events[1].id.to_string()),
            },
            vec![0],
        ),
    ];
    for (filter, expected) in cases {
        let page = store.audit(&filter).await.unwrap();
        let expected: Vec<AuditEvent> =
            expected.into_iter().map(|index: usize| events[index].clone()).collect();
        assert_eq!(page.events, expected, "{filter:?}");
    }
}

async fn keeps_a_secret(url: &str, store: Store) {
    let other = Store::connect(url).await.unwrap();
    let bytes = vec![0, 255, 39, 0, 128];
    let make = |value: Vec<u8>| move || value;
    let (one, two) =
        tokio::join!(store.secret("hash", make(bytes.clone())), other.secret("hash", make(bytes.clone())));
    assert_eq!((one.unwrap(), two.unwrap()), (bytes.clone(), bytes.clone()));
    assert_eq!(other.secret("hash", || panic!("made already")).await.unwrap(), bytes);
    assert_eq!(other.secret("another", || vec![1]).await.unwrap(), [1]);

    let (one, two) = tokio::join!(store.secret("race", || vec![1]), other.secret("race", || vec![2]));
    assert_eq!(one.unwrap(), two.unwrap());
}

async fn migrates_again_and_side_by_side(url: &str, store: Store) {
    store.commit("ana", vec![Change::CreateDatabase(database("a"))]).await.unwrap();
    let other = Store::connect(url).await.unwrap();
    let (one, two) = tokio::join!(store.migrate(), other.migrate());
    one.unwrap();
    two.unwrap();
    assert_eq!(store.load().await.unwrap().databases.len(), 1);
}

/// A reader beside a writer sees a version with all that belongs to it, and nothing of the next.
async fn reads_one_moment(url: &str, store: Store) {
    let writing = Store::connect(url).await.unwrap();
    let writer = tokio::spawn(async move {
        for number in 0..40 {
            let name = format!("n{number}");
            let changes = vec![
                Change::CreateDatabase(database(&name)),
                Change::CreateRole(role(&name, &[])),
                Change::CreateGrant(grant(&name, &name)),
            ];
            writing.commit("ana", changes).await.unwrap();
        }
    });
    let mut version = 0;
    while version < 40 {
        let state = store.load().await.unwrap();
        version = state.version;
        let count = usize::try_from(version).unwrap();
        assert_eq!((state.databases.len(), state.roles.len(), state.grants.len()), (count, count, count));
    }
    writer.await.unwrap();
}

#[tokio::test]
async fn two_that_start_at_once_make_one_store() {
    let dir = tempfile::tempdir().unwrap();
    let file = format!("sqlite://{}/new store.db", dir.path().display());
    for url in [file, PostgresServer::shared().await.database().await] {
        let (one, two) = tokio::join!(async { Store::connect(&url).await?.migrate().await }, async {
            Store::connect(&url).await?.migrate().await
        });
        one.unwrap();
        two.unwrap();
        assert_eq!(Store::connect(&url).await.unwrap().policy_version().await.unwrap(), 0);
    }
    assert!(dir.path().join("new store.db").exists());
}

#[tokio::test]
async fn a_store_that_is_away_is_unavailable_and_keeps_its_password() {
    for url in ["postgres://u:hunter2@127.0.0.1:1/x", "sqlite:///nowhere/at/all/store.db"] {
        let error = Store::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    for url in ["mysql://u:hunter2@h/x", "sqlite://", "store.db", "postgres://u:hunter2@h:99999/x"] {
        let error = Store::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{url}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

async fn keeps_the_versions_that_were_published(_: &str, store: Store) {
    let first = table("a.t");
    let csv = TableRecord { format: Format::Csv, version: None, ..table("a.csv") };
    let create = vec![
        Change::CreateDatabase(database("a")),
        Change::CreateTable(first.clone()),
        Change::CreateTable(csv.clone()),
    ];
    store.commit("ann", create).await.unwrap();
    assert_eq!(store.versions(&csv.id).await.unwrap(), []);
    let narrow = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let next = TableRecord {
        version: Some(9),
        schema: narrow.clone(),
        partition_columns: Vec::new(),
        ..first.clone()
    };
    let commented = TableRecord { comment: None, ..next.clone() };
    let back = TableRecord { comment: None, ..first.clone() };
    for value in [next, commented, back] {
        store.commit("ann", vec![Change::UpdateTable { value, expected: None }]).await.unwrap();
    }
    let versions = store.versions(&first.id).await.unwrap();
    let numbers = versions.iter().map(|version| version.version).collect::<Vec<_>>();
    assert_eq!(numbers, [7, 9, 7], "a comment makes no version");
    assert!(versions.is_sorted_by(|one, next| one.published_at < next.published_at));
    assert_eq!(
        (&versions[0].schema, &versions[0].partition_columns),
        (&first.schema, &first.partition_columns)
    );
    assert_eq!((&versions[1].schema, versions[1].partition_columns.len()), (&narrow, 0));

    assert_eq!(
        store.version_of(&first.id, 7, Duration::ZERO).await.unwrap().as_ref(),
        Some(&versions[2]),
        "the latest of them"
    );
    assert_eq!(store.version_of(&first.id, 8, Duration::ZERO).await.unwrap(), None);
    assert_eq!(store.version_of(&csv.id, 7, Duration::ZERO).await.unwrap(), None);
    let moment = TimeDelta::microseconds(1);
    for (time, meant) in [
        (versions[0].published_at - moment, None),
        (versions[0].published_at, Some(&versions[0])),
        (versions[1].published_at - moment, Some(&versions[0])),
        (versions[1].published_at, Some(&versions[1])),
        (Utc::now() + TimeDelta::days(1), Some(&versions[2])),
    ] {
        assert_eq!(store.version_at(&first.id, time, Duration::ZERO).await.unwrap().as_ref(), meant);
    }

    // Whoever reads a version has it until they are done.
    let hour = Duration::from_secs(3600);
    let read = store.version_of(&first.id, 9, hour).await.unwrap().unwrap();
    assert!(read.read_until > Utc::now() + TimeDelta::minutes(119), "{read:?}");
    let again = store.version_at(&first.id, versions[1].published_at, hour).await.unwrap().unwrap();
    assert_eq!(again, read, "it is written down once");
    assert!(!store.forget_version(&first.id, &versions[1]).await.unwrap());
    assert!(store.forget_version(&first.id, &versions[0]).await.unwrap());
    assert!(!store.forget_version(&first.id, &versions[0]).await.unwrap(), "it is gone");
    assert_eq!(store.version_at(&first.id, versions[0].published_at, hour).await.unwrap(), None);
    let left = store.versions(&first.id).await.unwrap().into_iter().map(|version| version.version);
    assert_eq!(left.collect::<Vec<_>>(), [9, 7]);

    let name = first.name.clone();
    store.commit("ann", vec![Change::DropTable { name, expected: None }]).await.unwrap();
    assert_eq!(store.versions(&first.id).await.unwrap(), [], "they go with their table");
}

async fn notes_the_files_that_versions_take(_: &str, store: Store) {
    let url = |file: usize| format!("s3://drop/{file} {AWKWARD}.csv");
    let urls = (0..1000).map(url).collect::<Vec<_>>();
    let file = |file: usize, tag: &str| TakenFile { url: url(file), tag: tag.to_owned() };
    let taking = |table: &TableRecord, anew: bool, files: Vec<TakenFile>| TakenFiles {
        table_id: table.id.clone(),
        anew,
        files,
    };
    let taken = async |table: &TableRecord| store.taken_files(&table.id, &urls).await.unwrap();
    let orders = TableRecord { bookmark: Some(Bookmark::of_files()), ..table("sales.orders") };
    let others = TableRecord { bookmark: Some(Bookmark::of_files()), ..table("sales.others") };
    let make = vec![Change::CreateDatabase(database("sales")), Change::CreateTable(orders.clone())];
    let first = taking(&orders, true, (0..450).map(|number| file(number, "a")).collect());
    store.commit_taking("ana", make, Some(&first)).await.unwrap();
    let make = vec![Change::CreateTable(others.clone())];
    store.commit_taking("ana", make, Some(&taking(&others, true, vec![file(1, "b")]))).await.unwrap();
    let found = taken(&orders).await;
    assert_eq!((found.len(), found.get(&url(449))), (450, Some(&"a".to_owned())));
    assert_eq!(taken(&others).await, [(url(1), "b".to_owned())].into());

    // One that is taken already takes nothing, and no version is published.
    let next = |table: &TableRecord, version| TableRecord { version: Some(version), ..table.clone() };
    let update =
        |table: TableRecord, expected| vec![Change::UpdateTable { value: table, expected: Some(expected) }];
    let twice = taking(&orders, false, vec![file(450, "a"), file(10, "c")]);
    let refused = store.commit_taking("ana", update(next(&orders, 8), 1), Some(&twice)).await;
    assert_eq!(kind(refused), ErrorKind::Conflict);
    assert_eq!(taken(&orders).await.len(), 450);
    assert_eq!(store.load().await.unwrap().tables[&orders.name].value.version, Some(7));
    let more = taking(&orders, false, vec![file(450, "a")]);
    store.commit_taking("ana", update(next(&orders, 8), 1), Some(&more)).await.unwrap();
    assert_eq!(taken(&orders).await.len(), 451);
    let anew = taking(&orders, true, vec![file(10, "c")]);
    store.commit_taking("ana", update(next(&orders, 9), 2), Some(&anew)).await.unwrap();
    assert_eq!(taken(&orders).await, [(url(10), "c".to_owned())].into());
    // Without a bookmark all rows are there anew, and with its table all of it goes.
    let whole = TableRecord { bookmark: None, ..next(&orders, 10) };
    store.commit("ana", update(whole, 3)).await.unwrap();
    assert!(taken(&orders).await.is_empty());
    store.commit("ana", vec![Change::DropTable { name: others.name.clone(), expected: None }]).await.unwrap();
    assert!(taken(&others).await.is_empty());
}
