//! What the lint finds: each case is a policy over the same tables, and the findings that it must give.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use lakegate::policy::compile::Index;
use lakegate::policy::decision::ColumnShape;
use lakegate::policy::file::parse;
use lakegate::policy::lint::{Ground, lint};
use lakegate::policy::model::TableName;
use lakegate::store::record::Format;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

use crate::decisions::policy_set;
use crate::support::gateway::Gateway;

/// A policy over `s.t` and `s.u`, both with the columns `id`, `name` and `address` (with `city` and `zip`).
const CASES: &[(&str, &[&str])] = &[
    ("grants: [{ to: user:bo, on: s.t, permissions: [select], rows: id = 1 }]", &[]),
    // A broad grant of the same principal.
    (
        "grants: [{ to: user:bo, on: s.t, permissions: [select], rows: id = 1 }, { to: user:bo, on: s.*, permissions: [select] }]",
        &["row_filter_voided: the row filter of `grant select on s.t to user:bo · where id = 1` holds for nobody on `s.t`: `grant select on s.* to user:bo` gives user:bo all rows"],
    ),
    // It gives fewer columns, so the filter holds for the others.
    (
        "grants: [{ to: user:bo, on: s.t, permissions: [select], rows: id = 1 }, { to: user:bo, on: s.t, permissions: [select], columns: { exclude: [address.zip] } }]",
        &[],
    ),
    (
        "grants: [{ to: user:bo, on: s.t, permissions: [select], rows: id = 1, columns: { include: [address.city, id] } }, { to: user:bo, on: s.t, permissions: [select], columns: { exclude: [address.zip] } }]",
        &["row_filter_voided: the row filter of `grant select (address.city, id) on s.t to user:bo · where id = 1` holds for nobody on `s.t`: `grant select (all but address.zip) on s.t to user:bo` gives user:bo all rows"],
    ),
    // Not to read, not any more, not the same table.
    (
        "grants: [{ to: user:bo, on: s.t, permissions: [select], rows: id = 1 }, { to: user:bo, on: s.*, permissions: [describe, insert] }, { to: user:bo, on: s.u, permissions: [select] }]",
        &[],
    ),
    (
        "grants: [{ to: user:bo, on: s.t, permissions: [select], rows: id = 1 }, { to: user:bo, on: s.t, permissions: [select], until: 2020-01-01T00:00:00Z }]",
        &["grant_expired: `grant select on s.t to user:bo · until 2020-01-01T00:00:00Z` gives nothing since 2020-01-01 00:00:00 UTC"],
    ),
    // A grant of others, by a filter with a name.
    (
        "roles: { in: { members: [user:bo, user:ana, role:deep] }, deep: { members: [group:g] }, wide: { members: [user:ana, group:g, user:eve] } }
filters: { f: { on: s.t, rows: id = 1 } }
grants: [{ to: role:in, on: s.t, permissions: [select], filter: f }, { to: role:wide, on: s.*, permissions: [select] }, { to: user:eve, on: s.t, permissions: [select] }]",
        &["row_filter_escaped: the row filter of `grant select on s.t to role:in · filter f` does not hold on `s.t` for user:ana, group:g: `grant select on s.* to role:wide` gives them all rows"],
    ),
    (
        "roles: { in: { members: [user:bo] } }
grants: [{ to: role:in, on: s.*, permissions: [select], rows: id = 1 }, { to: public, on: s.*, permissions: [select] }]",
        &["row_filter_escaped: the row filter of `grant select on s.* to role:in · where id = 1` does not hold on `s.t`, `s.u` for everybody in role:in: `grant select on s.* to public` gives them all rows"],
    ),
    (
        "roles: { in: { members: [role:deep, user:x] }, deep: { members: [user:bo] } }
grants: [{ to: role:in, on: s.t, permissions: [select], rows: id = 1 }, { to: role:deep, on: s.t, permissions: [select] }]",
        &["row_filter_escaped: the row filter of `grant select on s.t to role:in · where id = 1` does not hold on `s.t` for everybody in role:deep: `grant select on s.t to role:deep` gives them all rows"],
    ),
    // By tags.
    (
        "tags: { level: [low] }
databases: { s: { tables: { t: { columns: { id: { tags: { level: low } } } } } } }
grants: [{ to: user:bo, on: s.t, permissions: [select], columns: { include: [id] }, rows: id = 1 }, { to: user:bo, on: { tags: { level: low } }, permissions: [select] }]",
        &["row_filter_voided: the row filter of `grant select (id) on s.t to user:bo · where id = 1` holds for nobody on `s.t`: `grant select on tags(level=low) to user:bo` gives user:bo all rows"],
    ),
    // To nobody.
    (
        "roles: { none: { members: [role:also] }, also: { members: [] } }
grants: [{ to: role:none, on: s.t, permissions: [select] }, { to: role:gone, on: s.t, permissions: [select], rows: id = 1 }, { to: public, on: s.t, permissions: [select] }]",
        &[
            "grant_to_nobody: `grant select on s.t to role:gone · where id = 1` gives nothing to anybody: there is no such role",
            "grant_to_nobody: `grant select on s.t to role:none` gives nothing to anybody: nobody is in the role",
        ],
    ),
    // Masks and other restrictions.
    (
        "roles: { all: { members: [role:some, group:g] }, some: { members: [user:bo] }, none: { members: [] } }
tags: { level: [low] }
restrictions:
  - { name: a, on: { tags: { level: low } }, mask: hash }
  - { name: b, on: s.t.id, mask: hash, except: public }
  - { name: c, on: s.t.id, mask: hash, applies_to: [role:some, group:g], except: role:all, priority: 1 }
  - { name: d, on: s.t.id, mask: hash, applies_to: role:none, priority: 2 }
  - { name: e, on: { tags: { level: low } }, hide: true }
  - { name: f, on: { tags: { level: low } }, rows: id = 1 }
  - { name: g, on: s.t.id, mask: hash, applies_to: [role:some, public], except: role:all, priority: 3 }",
        &[
            "mask_never_applies: the restriction `a` masks nothing: no column is what it is on",
            "mask_never_applies: the restriction `b` masks nothing: everybody that it applies to is excepted",
            "mask_never_applies: the restriction `c` masks nothing: everybody that it applies to is excepted",
            "mask_never_applies: the restriction `d` masks nothing: nobody is in the roles that it applies to",
            "restriction_never_applies: the restriction `e` hides nothing: no column is what it is on",
            "restriction_never_applies: the restriction `f` filters nothing: no table is what it is on",
            "tag_unused: the tag `level` is on nothing, so the rules that ask for it are on nothing",
        ],
    ),
    (
        "restrictions: [{ name: a, on: s.t.address, mask: null }, { name: b, on: s.t.address.zip, mask: hash }]",
        &["masks_compete: `a` and `b` both mask `s.t.address.zip` with the same priority: give one of them another"],
    ),
    // Tags.
    (
        "tags: { a: [x], b: [x], c: [x] }
databases: { s: { tags: { a: x, c: x } } }
grants: [{ to: user:bo, on: { tags: { c: x } }, permissions: [select] }]",
        &[
            "tag_unused: the tag `a` is assigned, and no rule asks for it",
            "tag_unused: the tag `b` is on nothing, and no rule asks for it",
        ],
    ),
    // What does not exist.
    (
        "tags: { a: [x] }
databases: { s: { tables: { t: { columns: { address.street: { tags: { a: x } } } }, gone: { tags: { a: x } } } } }
filters: { f: { on: s.t, columns: { exclude: [ssn] } } }
grants:
  - { to: user:bo, on: s.gone, permissions: [select] }
  - { to: user:bo, on: other.*, permissions: [select] }
  - { to: user:bo, on: s.t, permissions: [select], columns: { include: [id, nosuch] } }
  - { to: user:bo, on: { tags: { a: x } }, permissions: [select] }
restrictions: [{ name: r, on: [s.t, s.gone, s.t.nosuch, other], hide: true }]",
        &[
            "table_closed: `s.t` is closed to everybody that the restriction `r` applies to: it has no column `nosuch` any more, and what came in its place must not be shown; change the restriction or the tags",
            "target_missing: `grant select (id, nosuch) on s.t to user:bo` names what is not there: `s.t` has no column `nosuch`",
            "target_missing: `grant select on other.* to user:bo` names what is not there: there is no database `other`",
            "target_missing: `grant select on s.gone to user:bo` names what is not there: there is no table `s.gone`",
            "target_missing: the filter `f` names what is not there: `s.t` has no column `ssn`",
            "target_missing: the restriction `r` names what is not there: `s.t` has no column `nosuch`",
            "target_missing: the restriction `r` names what is not there: there is no database `other`",
            "target_missing: the restriction `r` names what is not there: there is no table `s.gone`",
            "target_missing: the tagging of `s.gone` names what is not there: there is no table `s.gone`",
            "target_missing: the tagging of `s.t.address.street` names what is not there: `s.t` has no column `address.street`",
        ],
    ),
];

#[test]
fn the_lint_finds_what_the_cases_say() {
    let whole = ColumnShape::whole;
    let address = ColumnShape { name: "address".to_owned(), fields: vec![whole("city"), whole("zip")] };
    let columns = vec![whole("id"), whole("name"), address];
    let tables = BTreeMap::from(["t", "u"].map(|table| (TableName::new("s", table), columns.clone())));
    let databases = BTreeMap::from([("s".to_owned(), None)]);
    let mut wrong = Vec::new();
    for (yaml, expected) in CASES {
        let policy = policy_set(&parse("p.yaml", yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}")));
        let ground = Ground {
            policy: &policy,
            index: &Index::new(policy.clone()),
            databases: &databases,
            tables: &tables,
            now: "2026-06-15T12:00:00Z".parse().unwrap(),
        };
        let found: Vec<String> =
            lint(&ground).iter().map(|it| format!("{}: {}", it.code, it.message)).collect();
        if found != *expected {
            wrong.push(format!("{yaml}\n  expected {expected:#?}\n  got      {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn findings(gateway: &Gateway, body: Value) -> Vec<(String, String)> {
    let answer = gateway.post("admin", "/v1/policy/lint", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let findings = answer.json()["findings"].clone();
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    findings.as_array().unwrap().iter().map(|it| (text(it, "code"), text(it, "message"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_does_not_fit_its_table_any_more_is_found() {
    let gateway = Gateway::start()
        .await
        .with_policy(
            "filters: { f: { on: s.t, rows: \"nosuch = 1\" } }
grants:
  - { to: user:bo, on: s.*, permissions: [select], rows: nosuch = 2 }
  - { to: user:ana, on: s.t, permissions: [select], filter: f }
restrictions:
  - { name: rows, on: s, rows: nosuch = 3 }
  - { name: mask, on: s.t.name, mask: year }
  - { name: fits, on: s.t.id, mask: { using: id + 1 } }",
        )
        .await
        .with_csv("s.t", "id,name\n1,a\n")
        .await;
    assert_eq!(gateway.sql("bo", "SELECT * FROM s.t").await.code(), "policy_invalid");
    let found = findings(&gateway, json!({ "files": [] })).await;
    let invalid: Vec<&str> = found
        .iter()
        .filter(|(code, _)| code == "expression_invalid")
        .map(|(_, message)| message.split(": ").next().unwrap())
        .collect();
    let grant = "`grant select on s.* to user:bo · where nosuch = 2`";
    assert_eq!(
        invalid,
        [grant, "the filter `f`", "the restriction `mask`", "the restriction `rows`"],
        "{found:?}"
    );
    assert_eq!(
        gateway.post("bo", "/v1/policy/lint", &json!({ "files": [] })).await.code(),
        "permission_denied"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn row_rules_that_read_every_file_are_found() {
    let gateway = Gateway::start().await.with_csv("s.t", "id,name,ok\n1,a,true\n").await;
    let prunes = [
        "id = 1",
        "1 < id",
        "name = attr('name')",
        "id IN (1, 2)",
        "id BETWEEN 1 AND 2",
        "name LIKE 'a%'",
        "name IS NOT NULL",
        "lower(name) = 'a' AND id = 1",
        "is_member('x') OR id = 1",
        "ok",
        "NOT ok",
        "true",
    ];
    let reads_all = [
        "lower(name) = 'a'",
        "id + 1 = 2",
        "name = 'a' OR lower(name) = 'b'",
        "array_has(attr_list('names'), name)",
        "id <> 1",
        "name ILIKE 'a%'",
        "id NOT IN (1)",
        "name = concat(name, 'x')",
    ];
    for rows in prunes.into_iter().chain(reads_all) {
        let yaml = json!({ "filters": { "f": { "on": "s.t", "rows": rows } } }).to_string();
        let found = findings(&gateway, json!({ "files": [{ "name": "p.yaml", "text": yaml }] })).await;
        let codes: BTreeSet<&str> = found.iter().map(|(code, _)| code.as_str()).collect();
        assert_eq!(codes.contains("row_filter_cannot_prune"), reads_all.contains(&rows), "{rows}: {found:?}");
    }
    gateway.app.refresh().await.unwrap();
    assert!(gateway.app.state().state.filters.is_empty(), "the lint saves nothing");
}

/// One hundred rows in groups of ten: `id` rises, `mixed` is all over the place, `none` is always NULL.
fn sorted_by_id(file: &Path) {
    let ids = Int64Array::from_iter_values(0..100);
    let mixed = Int64Array::from_iter_values((0..100).map(|id| id * 37 % 100));
    let none = Int64Array::from(vec![None; 100]);
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(ids) as ArrayRef),
        ("mixed", Arc::new(mixed)),
        ("none", Arc::new(none)),
    ]);
    let batch = batch.unwrap();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(10)).build();
    let file = std::fs::File::create(file).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

async fn cannot_prune(gateway: &Gateway, table: &str, rows: &str) -> Vec<String> {
    let yaml = json!({ "filters": { "f": { "on": table, "rows": rows } } }).to_string();
    let found = findings(gateway, json!({ "files": [{ "name": "p.yaml", "text": yaml }] })).await;
    found
        .into_iter()
        .filter(|(code, _)| code != "filter_unused")
        .map(|(code, text)| format!("{code}: {text}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn row_rules_on_columns_that_a_table_is_not_sorted_by_are_found() {
    let gateway = Gateway::start().await.with_csv("s.one", "id\n1\n").await;
    let folder = gateway.folder.path().join("sorted");
    sorted_by_id(&folder.join("a.parquet"));
    gateway.register(&"s.sorted".parse().unwrap(), &folder, Format::Parquet).await;
    let parts = gateway.folder.path().join("parts");
    for part in ["east", "west"] {
        sorted_by_id(&parts.join(format!("part={part}")).join("a.parquet"));
    }
    gateway.register(&"s.parts".parse().unwrap(), &parts, Format::Parquet).await;
    let lines = gateway.folder.path().join("lines");
    std::fs::create_dir_all(&lines).unwrap();
    for part in ["a", "b"] {
        std::fs::write(lines.join(format!("{part}.csv")), "id\n1\n").unwrap();
    }
    gateway.register(&"s.lines".parse().unwrap(), &lines, Format::Csv).await;

    let prunes = [
        ("s.sorted", "id = 1"),
        ("s.sorted", "mixed = 1 AND id > 3"),
        ("s.sorted", "none IS NULL"),
        ("s.parts", "part = 'east' AND mixed = 1"),
        // Two files that both have all ids still have row groups that have not.
        ("s.parts", "id = 1"),
        ("s.one", "id = 1"),
    ];
    for (table, rows) in prunes {
        assert_eq!(cannot_prune(&gateway, table, rows).await, [""; 0], "{table}: {rows}");
    }
    let reads_all = [
        ("s.sorted", "mixed = 1", "`mixed`"),
        ("s.sorted", "mixed = 1 OR id = 1", "`id` or `mixed`"),
        ("s.parts", "mixed BETWEEN 1 AND 2", "`mixed`"),
        ("s.lines", "id = 1", "`id`"),
    ];
    for (table, rows, columns) in reads_all {
        let told = format!(
            "row_filter_cannot_prune: the filter `f` makes every file of `{table}` be read: the table is neither partitioned nor sorted by {columns}"
        );
        assert_eq!(cannot_prune(&gateway, table, rows).await, [told], "{table}: {rows}");
    }

    std::fs::write(folder.join("a.parquet"), "no such thing").unwrap();
    let found = cannot_prune(&gateway, "s.sorted", "id = 1").await;
    assert_eq!(found.len(), 1, "{found:?}");
    let told =
        "files_unreadable: whether the filter `f` makes every file of `s.sorted` be read is not known: ";
    assert!(found[0].starts_with(told), "{found:?}");
}
