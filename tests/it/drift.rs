//! A source that changes its columns: what loses nothing is followed, what may be meant otherwise stops the table, and nobody
//! sees more than before.

use lakegate::ingest::drift::{Drift, OnDrift};
use lakegate::ingest::mode::{Deletes, Growth, Mode};
use lakegate::policy::model::TableName;
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::house::{House, sources, sqlite};
use crate::support::postgres::PostgresServer;

const ITEM: &str = "CREATE TABLE item (id int PRIMARY KEY NOT NULL, name varchar(40), price decimal(6,2), changed bigint NOT NULL)";
const ROWS: &str = "INSERT INTO item VALUES (1, 'a', 1.50, 1), (2, 'b', 9999.99, 1)";

fn merge() -> Mode {
    let growth = Growth { bookmark: vec!["changed".to_owned()], ..Growth::default() };
    Mode::Merge(growth, Deletes::Keys)
}

fn append() -> Mode {
    Mode::Append(Growth { bookmark: vec!["changed".to_owned()], ..Growth::default() })
}

async fn drifts(house: &House, mode: &Mode) -> Drift {
    let done = house.run("item", mode).await;
    assert!(done.error.is_none(), "{done:?}");
    done.columns
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_come_and_go_and_every_row_keeps_its_values() {
    let folder = tempfile::tempdir().unwrap();
    for url in sources(folder.path()).await {
        let mut house = House::with(url.clone(), &[ITEM, ROWS]).await;
        house.runs("item", &merge()).await;
        house.does("ALTER TABLE item ADD COLUMN note varchar(40)").await;
        house.does("INSERT INTO item VALUES (3, 'c', 2, 2, 'new')").await;
        let added = Drift { added: names(&["note"]), ..Drift::default() };
        assert_eq!(drifts(&house, &merge()).await, added, "{url}");
        let all = "SELECT id, name, price, changed, note FROM shop.item ORDER BY id";
        let now =
            json!([[1, "a", "1.50", 1, null], [2, "b", "9999.99", 1, null], [3, "c", "2.00", 2, "new"]]);
        assert_eq!(house.lake(all).await, now, "{url}");
        // A merge that writes an old file again, and conditions on the column that the file does not have.
        house.does("UPDATE item SET note = 'set', changed = 3 WHERE id = 1").await;
        assert!(drifts(&house, &merge()).await.is_empty());
        let set = "SELECT id FROM shop.item WHERE note IS NOT NULL ORDER BY id";
        assert_eq!(house.lake(set).await, json!([[1], [3]]), "{url}");
        assert_eq!(house.lake("SELECT id FROM shop.item WHERE note IS NULL").await, json!([[2]]));
        assert_eq!(house.lake("SELECT count(note), min(note) FROM shop.item").await, json!([[2, "new"]]));
        // A column that goes stays, and is NULL in what is new.
        house.does("ALTER TABLE item DROP COLUMN name").await;
        house.does("INSERT INTO item (id, price, changed, note) VALUES (4, 3, 4, 'x')").await;
        let missing = Drift { missing: names(&["name"]), ..Drift::default() };
        assert_eq!(drifts(&house, &merge()).await, missing, "{url}");
        let kept = "SELECT id, name FROM shop.item WHERE name IS NOT NULL OR id = 4 ORDER BY id";
        assert_eq!(
            house.lake(kept).await,
            json!([[2, "b"], [3, "c"], [4, null]]),
            "{url}: 1 is at the bookmark"
        );
        // It comes back as itself.
        house.does("ALTER TABLE item ADD COLUMN name varchar(40)").await;
        house.does("UPDATE item SET name = 'back', changed = 5 WHERE id = 4").await;
        assert!(drifts(&house, &merge()).await.is_empty(), "{url}");
        assert_eq!(house.lake("SELECT name FROM shop.item WHERE id = 4").await, json!([["back"]]));
        // A whole reload keeps the lake's columns too.
        house.does("ALTER TABLE item DROP COLUMN note").await;
        assert_eq!(
            drifts(&house, &Mode::Snapshot).await,
            Drift { missing: names(&["note"]), ..Drift::default() }
        );
        assert_eq!(house.lake("SELECT count(*), count(note) FROM shop.item").await, json!([[4, 0]]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_widen_and_old_files_are_what_they_say() {
    let url = PostgresServer::shared().await.database().await;
    let mut house = House::with(
        url,
        &[ITEM, "ALTER TABLE item ADD day date DEFAULT '2024-02-29', ADD f real DEFAULT 0.1", ROWS],
    )
    .await;
    house.runs("item", &append()).await;
    house.does("ALTER TABLE item ALTER id TYPE bigint, ALTER price TYPE numeric(12,4), ALTER day TYPE timestamp, ALTER f TYPE double precision").await;
    house.does("INSERT INTO item VALUES (5000000000, 'c', 12345678.1234, 2, '2024-02-29 12:30', 0.1)").await;
    let widened = Drift { widened: names(&["id", "price", "day", "f"]), ..Drift::default() };
    assert_eq!(drifts(&house, &append()).await, widened);
    let all = "SELECT id, price, day, f = 0.1 FROM shop.item ORDER BY id";
    let now = json!([
        [1, "1.5000", "2024-02-29T00:00:00", false],
        [2, "9999.9900", "2024-02-29T00:00:00", false],
        [5_000_000_000_i64, "12345678.1234", "2024-02-29T12:30:00", true]
    ]);
    assert_eq!(house.lake(all).await, now);
    let pruned =
        "SELECT id FROM shop.item WHERE id > 3000000000 OR day < timestamp '2024-02-29 00:00:01' ORDER BY id";
    assert_eq!(house.lake(pruned).await, json!([[1], [2], [5_000_000_000_i64]]));
    // Every file of the version has the types that the table says: readers without type widening can read them.
    let table = TableName::new("shop", "item");
    let record = house.gateway.app.state().state.tables[&table].value.clone();
    let log = house.gateway.app.lake.delta_log(&record.location).unwrap();
    for file in log.open(record.version).await.unwrap().files().unwrap() {
        let folder = record.location.strip_prefix("file://").unwrap();
        let file = std::fs::File::open(format!("{folder}/{}", file.path)).unwrap();
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let types = |schema: &arrow_schema::Schema| {
            schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>()
        };
        assert_eq!(types(reader.schema()), types(&record.schema));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_or_a_narrower_type_stops_the_table_until_somebody_says_what_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    for url in sources(folder.path()).await {
        let mut house = House::with(url.clone(), &[ITEM, ROWS]).await;
        house.runs("item", &merge()).await;
        house.does("ALTER TABLE item RENAME COLUMN name TO title").await;
        house.does("INSERT INTO item VALUES (3, 'c', 2, 2)").await;
        let told = house.refused("item", &merge()).await;
        assert!(
            told.starts_with("the source of `shop.item` has `title` where `name` stood"),
            "{url}: {told}"
        );
        assert!(house.refused("item", &Mode::Snapshot).await.contains("`--columns replace`"));
        assert_eq!(house.lake("SELECT count(*), count(name) FROM shop.item").await, json!([[2, 2]]), "{url}");
        house.on_drift = OnDrift::Replace;
        let drift = drifts(&house, &merge()).await;
        assert_eq!((drift.added, drift.removed), (names(&["title"]), names(&["name"])));
        let all = house.lake("SELECT id, title FROM shop.item ORDER BY id").await;
        assert_eq!(all, json!([[1, "a"], [2, "b"], [3, "c"]]), "{url}: all rows were read again");
        house.on_drift = OnDrift::Evolve;
        house.does("ALTER TABLE item RENAME COLUMN title TO label").await;
        house.on_drift = OnDrift::Keep;
        house.does("INSERT INTO item VALUES (4, 'd', 2, 3)").await;
        let drift = drifts(&house, &merge()).await;
        assert_eq!((drift.added, drift.missing), (names(&["label"]), names(&["title"])));
        let all = house.lake("SELECT id, title, label FROM shop.item ORDER BY id").await;
        assert_eq!(all, json!([[1, "a", null], [2, "b", null], [3, null, "c"], [4, null, "d"]]), "{url}");
    }
    let url = PostgresServer::shared().await.database().await;
    let mut house = House::with(url, &[ITEM, ROWS]).await;
    house.runs("item", &merge()).await;
    house.does("ALTER TABLE item ALTER changed TYPE int").await;
    house.does("INSERT INTO item VALUES (3, 'c', 2, 2)").await;
    let told = house.refused("item", &merge()).await;
    let narrower = "the column `changed` of `shop.item` is `Int32` in the source and `Int64` in the lake: `--columns keep` keeps \
                    the wider type, `--columns replace` takes the source's columns and reads all rows again";
    assert_eq!(told, narrower);
    house.on_drift = OnDrift::Keep;
    assert!(drifts(&house, &merge()).await.is_empty());
    assert_eq!(house.lake("SELECT max(changed), count(*) FROM shop.item").await, json!([[2, 3]]));
    house.on_drift = OnDrift::Evolve;
    house.does("ALTER TABLE item ALTER price TYPE text").await;
    let told = house.refused("item", &merge()).await;
    assert!(told.contains("`--columns replace`") && !told.contains("`--columns keep`"), "{told}");
    house.on_drift = OnDrift::Replace;
    house.runs("item", &merge()).await;
    assert_eq!(
        house.lake("SELECT price FROM shop.item ORDER BY id").await,
        json!([["1.50"], ["9999.99"], ["2.00"]])
    );
}

/// What somebody sees of the columns: by reading, by asking for the new one, and in every listing.
async fn sees(gateway: &Gateway, who: &str) -> Vec<String> {
    let star = gateway.sql(who, "SELECT * FROM shop.item LIMIT 0").await;
    if star.status != 200 {
        return vec![star.code()];
    }
    let of = |value: &serde_json::Value, field: &str| {
        let names = value.as_array().unwrap().iter().map(|column| column[field].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let columns = of(&star.json()["columns"], "name");
    let listed = gateway.get(who, "/v1/tables/shop/item").await.json();
    assert_eq!(of(&listed["columns"], "name"), columns, "{who}");
    let named = "SELECT column_name FROM information_schema.columns WHERE table_name = 'item' ORDER BY ordinal_position";
    let named = gateway.sql(who, named).await.json()["rows"].clone();
    assert_eq!(
        named.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
        columns
    );
    let note = gateway.sql(who, "SELECT note FROM shop.item").await;
    let other = gateway.sql(who, "SELECT nope FROM shop.item").await;
    match columns.contains(&"note".to_owned()) {
        true => assert_eq!(note.status, 200),
        false => {
            assert_eq!(note.code(), "column_not_found", "{who}");
            assert_eq!(
                note.json()["detail"].as_str().unwrap().replace("note", "nope"),
                other.json()["detail"],
                "{who}"
            );
        }
    }
    columns
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_is_hidden_until_it_is_granted_or_released() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::with(sqlite(folder.path()).await, &[ITEM, ROWS]).await;
    house.runs("item", &merge()).await;
    let gateway = &house.gateway;
    let policy = "roles: { most: { members: [user:bo] } }
filters: { cheap: { on: shop.item, rows: price < 100, columns: { exclude: [price] } } }
grants:
  - { to: user:eve, on: shop.item, permissions: [select] }
  - { to: role:most, on: shop.item, permissions: [select], columns: { exclude: [price] }, grantable: true }
  - { to: user:cy, on: shop.item, permissions: [select], filter: cheap }
  - { to: user:di, on: shop.item, permissions: [select], columns: { include: [id, name] } }
  - { to: user:ed, on: \"shop.*\", permissions: [select], columns: { exclude: [price] }, grantable: true }";
    lakegate_policy(gateway, policy).await;
    for who in ["bo", "cy", "ed"] {
        assert_eq!(sees(gateway, who).await, ["id", "name", "changed"], "{who}");
    }
    house.does("ALTER TABLE item ADD COLUMN note varchar(40)").await;
    house.does("INSERT INTO item VALUES (3, 'c', 2, 2, 'secret')").await;
    house.runs("item", &merge()).await;
    let gateway = &house.gateway;
    for who in ["bo", "cy", "ed"] {
        assert_eq!(sees(gateway, who).await, ["id", "name", "changed"], "{who}");
    }
    assert_eq!(sees(gateway, "eve").await, ["id", "name", "price", "changed", "note"]);
    assert_eq!(sees(gateway, "di").await, ["id", "name"]);
    // Nobody can pass on what they do not see.
    let columns = json!({ "include": ["later"] });
    let grant = json!({ "to": "user:gus", "on": "shop.*", "permissions": ["select"], "columns": columns });
    let passed = gateway.post("ed", "/v1/grants", &grant).await;
    assert_eq!(passed.code(), "permission_denied", "a name that is none yet: {}", passed.text());
    let passed = gateway.sql("bo", "GRANT SELECT (id, note) ON shop.item TO USER gus").await;
    assert_eq!(passed.code(), "permission_denied", "{}", passed.text());
    assert_eq!(gateway.sql("bo", "GRANT SELECT (id, name) ON shop.item TO USER gus").await.status, 200);
    // The lint and the administrator see that it waits.
    let lint = gateway.post("admin", "/v1/policy/lint", &json!({ "files": [] })).await.text();
    assert!(lint.contains("the column `note` of `shop.item` came later, and 3 grants"), "{lint}");
    let shown = gateway.get("admin", "/v1/tables/shop/item").await.json();
    assert_eq!(shown["unreleased"], json!(["note"]));
    assert!(gateway.get("eve", "/v1/tables/shop/item").await.json().get("unreleased").is_none());
    // A grant by its name shows it; so does releasing it, which is for administrators.
    assert_eq!(gateway.sql("admin", "GRANT SELECT (note) ON shop.item TO USER di").await.status, 200);
    assert_eq!(sees(gateway, "di").await, ["id", "name", "note"]);
    let path = "/v1/tables/shop/item/release";
    assert_eq!(gateway.post("bo", path, &json!({ "columns": ["note"] })).await.code(), "permission_denied");
    assert_eq!(gateway.post("admin", path, &json!({ "columns": ["nope"] })).await.code(), "column_not_found");
    assert_eq!(gateway.post("admin", path, &json!({ "columns": [] })).await.code(), "invalid_request");
    assert_eq!(
        gateway.post("admin", "/v1/tables/shop/nope/release", &json!({ "all": true })).await.code(),
        "table_not_found"
    );
    assert_eq!(sees(gateway, "bo").await, ["id", "name", "changed"]);
    assert_eq!(
        gateway.post("admin", path, &json!({ "columns": ["note"] })).await.json(),
        json!({ "released": ["note"] })
    );
    for who in ["bo", "cy", "ed"] {
        assert_eq!(sees(gateway, who).await, ["id", "name", "changed", "note"], "{who}");
    }
    assert_eq!(gateway.post("admin", path, &json!({ "all": true })).await.json(), json!({ "released": [] }));
    let audit = gateway.get("admin", "/v1/audit?action=release_columns").await.text();
    assert!(audit.contains("shop.item") && audit.contains("admin"), "{audit}");
    let lint = gateway.post("admin", "/v1/policy/lint", &json!({ "files": [] })).await.text();
    assert!(!lint.contains("came later"), "{lint}");
}

/// The grants of the house, so that the test alone says who sees what.
async fn lakegate_policy(gateway: &Gateway, yaml: &str) {
    let body = json!({ "files": [{ "name": "policy.yaml", "text": yaml }], "prune": true });
    let applied = gateway.post("admin", "/v1/policy/apply", &body).await;
    assert_eq!(applied.status, 200, "{}", applied.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_masked_column_under_a_new_name_closes_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::with(sqlite(folder.path()).await, &[ITEM, ROWS]).await;
    house.runs("item", &merge()).await;
    let policy = "grants:
  - { to: user:bo, on: shop.item, permissions: [select, describe] }
  - { to: user:cy, on: shop.item, permissions: [select] }
restrictions:
  - { name: no_names, on: shop.item.name, mask: redact, except: [user:cy] }";
    lakegate_policy(&house.gateway, policy).await;
    let masked = house.gateway.sql("bo", "SELECT name FROM shop.item").await;
    assert_eq!(masked.status, 200, "{}", masked.text());
    assert!(!masked.text().contains("\"a\""), "{}", masked.text());
    house.does("ALTER TABLE item RENAME COLUMN name TO title").await;
    house.on_drift = OnDrift::Replace;
    house.runs("item", &merge()).await;
    let gateway = &house.gateway;
    for sql in [
        "SELECT * FROM shop.item",
        "SELECT title FROM shop.item",
        "SELECT count(*) FROM shop.item",
        "EXPLAIN SELECT 1 FROM shop.item",
    ] {
        let answer = gateway.sql("bo", sql).await;
        assert_eq!(answer.code(), "policy_invalid", "{sql}: {}", answer.text());
        assert!(!answer.text().contains("name:") && !answer.text().contains("no_names"), "{}", answer.text());
    }
    assert_eq!(gateway.get("bo", "/v1/tables/shop/item").await.code(), "table_not_found");
    assert_eq!(gateway.get("admin", "/v1/tables/shop/item").await.status, 200);
    let named = gateway.sql("bo", "SELECT column_name FROM information_schema.columns").await;
    assert!(!named.text().contains("title"), "{}", named.text());
    assert_eq!(gateway.sql("cy", "SELECT title FROM shop.item").await.status, 200);
    let lint = gateway.post("admin", "/v1/policy/lint", &json!({ "files": [] })).await.text();
    assert!(
        lint.contains("`shop.item` is closed to everybody that the restriction `no_names` applies to"),
        "{lint}"
    );
    let explained = gateway
        .post("admin", "/v1/access/explain", &json!({ "as": { "user": "bo" }, "table": "shop.item" }))
        .await;
    assert!(explained.text().contains("policy_invalid"), "{}", explained.text());
    // The steward says what is meant now.
    let policy = policy.replace("shop.item.name", "shop.item.title");
    lakegate_policy(gateway, &policy).await;
    let masked = gateway.sql("bo", "SELECT title FROM shop.item").await;
    assert_eq!(masked.status, 200, "{}", masked.text());
    assert!(!masked.text().contains("\"a\""), "{}", masked.text());
}
