//! The resources over HTTP: databases, tables, roles and grants, and who may administer them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};

use crate::support::gateway::{Gateway, Response};

/// One request, and what must come back: the status, a part of the body, and the change that is in the audit log.
pub type Step = (&'static str, &'static str, &'static str, Value, u16, Value, &'static str);

/// No change, and so no record of one.
pub const NONE: &str = "";

async fn gateway() -> Gateway {
    Gateway::start().await.with_csv("shop.items", "id,name\n1,a\n2,b\n").await
}

pub async fn ask(
    gateway: &Gateway,
    who: &str,
    method: &str,
    path: &str,
    if_match: &str,
    body: &Value,
) -> Response {
    let mut request = gateway.request(method.parse().unwrap(), path).bearer_auth(gateway.token(who));
    if !if_match.is_empty() {
        request = request.header("if-match", if_match);
    }
    if !body.is_null() {
        request = request.json(body);
    }
    gateway.send(request).await
}

/// Whether `actual` has everything that `expected` has.
pub fn has(actual: &Value, expected: &Value) -> bool {
    match expected {
        Value::Object(fields) => fields.iter().all(|(name, value)| has(&actual[name], value)),
        other => actual == other,
    }
}

/// The newest record of the administrator.
async fn newest_record(gateway: &Gateway) -> Value {
    let page = gateway.get("admin", "/v1/audit?user=admin&limit=1").await.json();
    page["items"].get(0).cloned().unwrap_or_default()
}

/// Sends each request in turn. `{id}` in a path is the id of what was made last.
pub async fn walk(gateway: &Gateway, steps: &[Step]) {
    let mut id = String::new();
    for (method, path, if_match, body, status, expected, action) in steps {
        let path = path.replace("{id}", &id);
        let step = format!("{method} {path} if-match `{if_match}` {body}");
        let version = gateway.app.store.policy_version().await.unwrap();
        let record = newest_record(gateway).await;

        let answer = ask(gateway, "admin", method, &path, if_match, body).await;
        assert_eq!(answer.status, *status, "{step}: {}", answer.text());
        let told = if answer.body.is_empty() { Value::Null } else { answer.json() };
        assert!(has(&told, expected), "{step}: {told} has not {expected}");
        if answer.status >= 400 {
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{step}");
        } else if let Some(revision) = told["revision"].as_i64() {
            assert_eq!(answer.headers["etag"], format!("\"{revision}\""), "{step}");
        }
        if let (201, Some(made)) = (answer.status, told["id"].as_str()) {
            id = made.to_owned();
        }

        let changes = !action.is_empty();
        let now = gateway.app.store.policy_version().await.unwrap();
        assert_eq!(now, version + i64::from(changes), "{step}: the policy version");
        assert_eq!(gateway.app.state().state.version, now, "{step}: in force at once");
        let newest = newest_record(gateway).await;
        assert_eq!(newest["id"] != record["id"], changes, "{step}: {newest}");
        if changes {
            assert_eq!(
                (&newest["action"], &newest["verdict"]),
                (&json!(action), &json!("allowed")),
                "{step}"
            );
        }
    }
}

pub fn refused(code: &str) -> Value {
    json!({ "code": code })
}

pub fn says(code: &str, detail: &str) -> Value {
    json!({ "code": code, "detail": detail })
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_made_read_changed_and_removed() {
    let gateway = gateway().await;
    let (all, one) = ("/v1/databases", "/v1/databases/a");
    let second = || json!({ "comment": "second" });
    walk(
        &gateway,
        &[
            ("GET", one, "", json!(null), 404, says("not_found", "database not found: `a`"), NONE),
            (
                "POST",
                all,
                "",
                json!({ "name": "a", "comment": "first" }),
                201,
                json!({ "name": "a", "comment": "first", "revision": 1 }),
                "create_database",
            ),
            (
                "POST",
                all,
                "",
                json!({ "name": "a" }),
                409,
                says("conflict", "database exists already: `a`"),
                NONE,
            ),
            ("GET", one, "", json!(null), 200, json!({ "comment": "first", "revision": 1 }), NONE),
            // What a request may not say.
            ("POST", all, "", json!({ "name": "b", "colour": 1 }), 400, refused("invalid_request"), NONE),
            ("POST", all, "", json!({ "comment": "b" }), 400, refused("invalid_request"), NONE),
            ("POST", all, "", json!({ "name": "a.b" }), 400, refused("invalid_request"), NONE),
            ("POST", all, "", json!({ "name": "" }), 400, refused("invalid_request"), NONE),
            ("POST", all, "", json!({ "name": "x".repeat(129) }), 400, refused("invalid_request"), NONE),
            ("POST", all, "", json!(null), 400, refused("invalid_request"), NONE),
            ("PUT", one, "*", json!({ "name": "b", "comment": "x" }), 400, refused("invalid_request"), NONE),
            // Who replaces must say what they have read.
            ("PUT", one, "", second(), 400, refused("invalid_request"), NONE),
            ("PUT", one, "1", second(), 400, refused("invalid_request"), NONE),
            ("PUT", one, "W/\"1\"", second(), 400, refused("invalid_request"), NONE),
            ("PUT", one, "\"1\", \"2\"", second(), 400, refused("invalid_request"), NONE),
            ("PUT", one, "\"9\"", second(), 409, refused("conflict"), NONE),
            ("PUT", "/v1/databases/none", "*", second(), 404, refused("not_found"), NONE),
            (
                "PUT",
                one,
                "\"1\"",
                second(),
                200,
                json!({ "comment": "second", "revision": 2 }),
                "update_database",
            ),
            // The second of two writers who have both read the first revision.
            ("PUT", one, "\"1\"", json!({ "comment": "mine" }), 409, refused("conflict"), NONE),
            ("GET", one, "", json!(null), 200, json!({ "comment": "second", "revision": 2 }), NONE),
            ("PUT", one, "*", json!({}), 200, json!({ "comment": null, "revision": 3 }), "update_database"),
            ("DELETE", one, "\"2\"", json!(null), 409, refused("conflict"), NONE),
            (
                "DELETE",
                "/v1/databases/shop",
                "",
                json!(null),
                409,
                says("conflict", "database `shop` still has tables (1): drop them first"),
                NONE,
            ),
            ("DELETE", one, "\"3\"", json!(null), 204, json!(null), "drop_database"),
            ("DELETE", one, "", json!(null), 404, refused("not_found"), NONE),
            ("GET", one, "", json!(null), 404, refused("not_found"), NONE),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_read_changed_and_removed() {
    let gateway = gateway().await;
    let one = "/v1/tables/shop/items";
    let comment = || json!({ "comment": "what we sell" });
    let columns = json!([
        { "name": "id", "type": "bigint", "nullable": true },
        { "name": "name", "type": "varchar", "nullable": true },
    ]);
    walk(
        &gateway,
        &[
            (
                "GET",
                one,
                "",
                json!(null),
                200,
                json!({ "name": "shop.items", "columns": columns, "revision": 1 }),
                NONE,
            ),
            ("GET", "/v1/tables/shop/none", "", json!(null), 404, refused("table_not_found"), NONE),
            ("GET", "/v1/tables/none/items", "", json!(null), 404, refused("table_not_found"), NONE),
            ("PATCH", one, "", comment(), 400, refused("invalid_request"), NONE),
            ("PATCH", one, "*", json!({}), 400, refused("invalid_request"), NONE),
            (
                "PATCH",
                one,
                "*",
                json!({ "comment": "x", "location": "file:///" }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            ("PATCH", one, "\"2\"", comment(), 409, refused("conflict"), NONE),
            ("PATCH", "/v1/tables/shop/none", "*", comment(), 404, refused("table_not_found"), NONE),
            (
                "PATCH",
                one,
                "\"1\"",
                comment(),
                200,
                json!({ "comment": "what we sell", "revision": 2 }),
                "update_table",
            ),
            ("PATCH", one, "\"1\"", json!({ "comment": "mine" }), 409, refused("conflict"), NONE),
            (
                "PATCH",
                one,
                "*",
                json!({ "comment": null }),
                200,
                json!({ "comment": null, "revision": 3 }),
                "update_table",
            ),
            // Tables come from ingestion and registration.
            ("POST", "/v1/tables", "", json!({ "name": "shop.more" }), 405, refused("invalid_request"), NONE),
            ("PUT", one, "*", comment(), 405, refused("invalid_request"), NONE),
            ("DELETE", one, "\"1\"", json!(null), 409, refused("conflict"), NONE),
            ("DELETE", one, "\"3\"", json!(null), 204, json!(null), "drop_table"),
            ("DELETE", one, "", json!(null), 404, refused("table_not_found"), NONE),
            ("GET", one, "", json!(null), 404, refused("table_not_found"), NONE),
            // Without its table the database can go.
            ("DELETE", "/v1/databases/shop", "", json!(null), 204, json!(null), "drop_database"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_made_read_changed_and_removed() {
    let gateway = gateway().await;
    let (all, one) = ("/v1/roles", "/v1/roles/a");
    let role = |name: &str, members: &[&str]| json!({ "name": name, "members": members });
    walk(
        &gateway,
        &[
            ("GET", one, "", json!(null), 404, says("not_found", "role not found: `a`"), NONE),
            (
                "POST",
                all,
                "",
                role("a", &["user:bo", "group:ops", "role:b"]),
                201,
                json!({ "name": "a", "members": ["user:bo", "group:ops", "role:b"], "revision": 1 }),
                "create_role",
            ),
            ("POST", all, "", role("a", &[]), 409, says("conflict", "role exists already: `a`"), NONE),
            ("POST", all, "", role("b", &["role:a"]), 400, refused("invalid_request"), NONE),
            ("POST", all, "", role("c", &["role:c"]), 400, refused("invalid_request"), NONE),
            ("POST", all, "", role("c", &["bo"]), 400, refused("invalid_request"), NONE),
            // As a policy file: everyone is no member, but somebody to grant to.
            ("POST", all, "", role("c", &["public"]), 400, refused("invalid_request"), NONE),
            ("PUT", one, "*", role("a", &["public"]), 400, refused("invalid_request"), NONE),
            ("POST", all, "", role("c.d", &[]), 400, refused("invalid_request"), NONE),
            ("POST", all, "", json!({ "name": "c" }), 400, refused("invalid_request"), NONE),
            (
                "POST",
                all,
                "",
                json!({ "name": "c", "members": [], "x": 1 }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            ("GET", one, "", json!(null), 200, json!({ "revision": 1 }), NONE),
            ("PUT", one, "", role("a", &[]), 400, refused("invalid_request"), NONE),
            ("PUT", one, "*", role("b", &[]), 400, refused("invalid_request"), NONE),
            ("PUT", "/v1/roles/none", "*", role("none", &[]), 404, refused("not_found"), NONE),
            (
                "PUT",
                one,
                "\"1\"",
                role("a", &["user:cy"]),
                200,
                json!({ "members": ["user:cy"], "revision": 2 }),
                "update_role",
            ),
            ("PUT", one, "\"1\"", role("a", &["user:mine"]), 409, refused("conflict"), NONE),
            ("PUT", one, "*", role("a", &[]), 200, json!({ "members": [], "revision": 3 }), "update_role"),
            ("DELETE", one, "\"2\"", json!(null), 409, refused("conflict"), NONE),
            ("DELETE", one, "\"3\"", json!(null), 204, json!(null), "drop_role"),
            ("DELETE", one, "", json!(null), 404, refused("not_found"), NONE),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_made_read_changed_and_removed() {
    let gateway = gateway().await;
    let (all, one) = ("/v1/grants", "/v1/grants/{id}");
    let grant = |on: &str| json!({ "to": "user:bo", "on": on, "permissions": ["select"] });
    let with = |name: &str, value: Value| {
        let mut body = grant("shop.items");
        body[name] = value;
        body
    };
    walk(
        &gateway,
        &[
            ("GET", "/v1/grants/none", "", json!(null), 404, says("not_found", "grant not found: `none`"), NONE),
            (
                "POST",
                all,
                "",
                with("rows", json!("id < 2")),
                201,
                json!({ "to": "user:bo", "on": "shop.items", "columns": "all", "rows": "id < 2", "revision": 1 }),
                "create_grant",
            ),
            ("POST", all, "", with("rows", json!("id < 2")), 409, refused("conflict"), NONE),
            ("GET", one, "", json!(null), 200, json!({ "rows": "id < 2", "reason": null }), NONE),
            ("POST", all, "", grant("shop.none"), 404, refused("table_not_found"), NONE),
            ("POST", all, "", grant("none.*"), 404, refused("not_found"), NONE),
            (
                "POST",
                all,
                "",
                grant("shop"),
                400,
                says(
                    "invalid_request",
                    "`select` is for tables, and `shop` is a database: write `shop.*` for all its tables",
                ),
                NONE,
            ),
            ("POST", all, "", with("permissions", json!(["create_table"])), 400, refused("invalid_request"), NONE),
            ("POST", all, "", json!({ "to": "public", "on": "shop.items", "permissions": ["drop"], "rows": "id < 2" }), 400, refused("invalid_request"), NONE),
            ("POST", all, "", grant(""), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("to", json!("bo")), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("permissions", json!([])), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("permissions", json!(["read"])), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("columns", json!({ "include": ["none"] })), 400, refused("column_not_found"), NONE),
            ("POST", all, "", with("columns", json!({ "include": [] })), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("columns", json!({ "exclude": [""] })), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("rows", json!("id")), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("rows", json!(" ")), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("rows", json!("id <")), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("untill", json!("2027-01-01T00:00:00Z")), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("id", json!("mine")), 400, refused("invalid_request"), NONE),
            ("PUT", one, "", grant("shop.*"), 400, refused("invalid_request"), NONE),
            ("PUT", one, "\"2\"", grant("shop.*"), 409, refused("conflict"), NONE),
            ("PUT", "/v1/grants/none", "*", grant("shop.*"), 404, refused("not_found"), NONE),
            ("PUT", one, "*", grant("shop.none"), 404, refused("table_not_found"), NONE),
            ("PUT", one, "\"1\"", grant("shop.*"), 200, json!({ "on": "shop.*", "rows": null, "revision": 2 }), "update_grant"),
            ("PUT", one, "\"1\"", grant("shop.items"), 409, refused("conflict"), NONE),
            ("PUT", one, "*", with("reason", json!("r")), 200, json!({ "reason": "r", "revision": 3 }), "update_grant"),
            ("DELETE", one, "\"2\"", json!(null), 409, refused("conflict"), NONE),
            ("DELETE", one, "\"3\"", json!(null), 204, json!(null), "drop_grant"),
            ("DELETE", one, "", json!(null), 404, refused("not_found"), NONE),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_with_one_revision_one_succeeds() {
    let gateway = gateway().await;
    let written = |number: usize| {
        let gateway = &gateway;
        async move {
            let body = json!({ "comment": number.to_string() });
            ask(gateway, "admin", "PUT", "/v1/databases/shop", "\"1\"", &body).await.status
        }
    };
    let mut statuses = futures::future::join_all((0..8).map(written)).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    let now = gateway.get("admin", "/v1/databases/shop").await.json();
    assert_eq!(now["revision"], 2, "{now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let mut gateway = gateway().await;
    for number in 0..4 {
        gateway = gateway.with_csv(&format!("shop.t{number}"), "id\n1\n").await;
        for (path, body) in [
            ("/v1/tags", json!({ "key": format!("k{number}"), "values": ["v"] })),
            ("/v1/filters", json!({ "name": format!("f{number}"), "on": "shop.items", "rows": "id > 0" })),
            (
                "/v1/restrictions",
                json!({ "name": format!("r{number}"), "on": ["shop.items"], "rows": "id > 0" }),
            ),
            ("/v1/views", json!({ "name": format!("shop.v{number}"), "sql": "SELECT id FROM shop.items" })),
            (
                "/v1/tag-assignments",
                json!({ "object": format!("shop.t{number}"), "tags": { format!("k{number}"): "v" } }),
            ),
            ("/v1/databases", json!({ "name": format!("d{number}") })),
            ("/v1/roles", json!({ "name": format!("r{number}"), "members": [] })),
            (
                "/v1/grants",
                json!({ "to": format!("user:u{number}"), "on": "shop.*", "permissions": ["select"] }),
            ),
        ] {
            assert_eq!(gateway.post("admin", path, &body).await.status, 201);
        }
    }
    for (path, key, count) in [
        ("/v1/databases", "name", 5),
        ("/v1/tables", "name", 5),
        ("/v1/roles", "name", 4),
        ("/v1/grants", "id", 4),
        ("/v1/tags", "key", 4),
        ("/v1/filters", "name", 4),
        ("/v1/restrictions", "name", 4),
        ("/v1/views", "name", 4),
        ("/v1/tag-assignments", "object", 4),
        ("/v1/audit", "id", 0),
    ] {
        let keys = |page: &Value| {
            let items = page["items"].as_array().unwrap().iter();
            items.map(|item| item[key].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let whole = gateway.get("admin", &format!("{path}?limit=1000")).await.json();
        assert!(count == 0 || keys(&whole).len() == count, "{path}: {whole}");
        assert!(whole.get("next").is_none(), "{path}: {whole}");
        let (mut paged, mut after) = (Vec::new(), String::new());
        loop {
            let page = gateway.get("admin", &format!("{path}?limit=2{after}")).await.json();
            assert!((1..=2).contains(&keys(&page).len()), "{path}: {page}");
            paged.extend(keys(&page));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(paged, keys(&whole), "{path}: each item once, in the order of the whole list");

        for query in ["limit=0", "limit=1001", "limit=-1", "limit=two", "offset=1"] {
            let answer = gateway.get("admin", &format!("{path}?{query}")).await;
            assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{path}?{query}");
        }
    }
    let behind = gateway.get("admin", "/v1/databases?after=zzz").await.json();
    assert_eq!(behind, json!({ "items": [] }));
}

/// What everybody who is authenticated may ask for: all else is for administrators. What each one shows of the data
/// is decided for its caller.
const FOR_EVERYBODY: &[(&str, &str)] = &[
    ("GET", "/v1/databases"),
    ("GET", "/v1/databases/{database}"),
    ("GET", "/v1/me"),
    ("GET", "/v1/openapi.json"),
    ("GET", "/v1/queries"),
    ("GET", "/v1/queries/{id}"),
    ("GET", "/v1/queries/{id}/events"),
    ("GET", "/v1/queries/{id}/result"),
    ("GET", "/v1/tables"),
    ("GET", "/v1/tables/{database}/{table}"),
    ("POST", "/v1/access/explain"),
    ("POST", "/v1/grants"),
    ("POST", "/v1/queries"),
    ("POST", "/v1/sql"),
    ("POST", "/v1/tables/{database}/{table}/rows"),
    ("DELETE", "/v1/queries/{id}"),
];

/// What needs no credentials.
const FOR_THE_WORLD: &[(&str, &str)] = &[("GET", "/healthz"), ("GET", "/readyz")];

/// Every method and path that the gateway describes.
async fn routes(gateway: &Gateway) -> BTreeSet<(String, String)> {
    let document = gateway.get("eve", "/v1/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap().iter();
    let routes = paths.flat_map(|(path, operations)| {
        operations.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
    });
    routes.collect()
}

fn listed(list: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    list.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect()
}

/// Something at each address, beside the table and the grant.
const ONE_OF_EACH: &str = r#"
roles: { r: { members: [user:bo] } }
tags: { k: [v] }
databases: { shop: { tables: { items: { tags: { k: v } } } } }
filters: { f: { on: shop.items, rows: "id > 0" } }
restrictions: [{ name: x, on: shop.items, rows: "id > 0" }]
"#;

/// The address of something that exists, so that no answer hides behind a `not_found`.
fn address(path: &str, grant: &str, run: &str) -> String {
    let path = path.replace("{database}", "shop").replace("{table}", "items").replace("{role}", "r");
    let path = path.replace("{id}", grant).replace("{view}", "v").replace("{filter}", "f");
    let path = path.replace("{restriction}", "x").replace("{tag}", "k").replace("{object}", "shop.items");
    let path = path.replace("{source}", "src").replace("{job}", "j").replace("{run}", run);
    assert!(!path.contains('{'), "{path} has a parameter that this test does not know: give it a value");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_administer() {
    let gateway = gateway().await.with_policy(ONE_OF_EACH).await;
    let view = json!({ "name": "shop.v", "sql": "SELECT id FROM shop.items" });
    assert_eq!(gateway.post("admin", "/v1/views", &view).await.status, 201);
    let source = json!({ "name": "src", "url": "sqlite://nowhere.db" });
    assert_eq!(gateway.post("admin", "/v1/sources", &source).await.status, 201);
    let job = json!({ "name": "j", "source": "src", "tables": ["*"], "into": "shop" });
    assert_eq!(gateway.post("admin", "/v1/ingest/jobs", &job).await.status, 201);
    let run = gateway.post("admin", "/v1/ingest/jobs/j/run", &json!({})).await.json()["run"].clone();
    let run = run.as_str().unwrap().to_owned();
    let cancelled = gateway.post("admin", &format!("/v1/ingest/runs/{run}/cancel"), &json!({})).await;
    assert_eq!(cancelled.status, 200);
    let grant = json!({ "to": "user:eve", "on": "shop.items", "permissions": ["select"] });
    let grant = gateway.post("admin", "/v1/grants", &grant).await.json()["id"].as_str().unwrap().to_owned();
    let version = gateway.app.store.policy_version().await.unwrap();

    let (routes, open) = (routes(&gateway).await, listed(FOR_THE_WORLD));
    let everybody = listed(FOR_EVERYBODY);
    let stale: Vec<_> = everybody.union(&open).filter(|route| !routes.contains(*route)).collect();
    assert!(stale.is_empty(), "listed, but no routes: {stale:?}");
    let administration: Vec<_> =
        routes.iter().filter(|route| !everybody.contains(*route) && !open.contains(*route)).collect();
    assert!(administration.len() >= 16, "{administration:?}");

    for (method, path) in &administration {
        let path = address(path, &grant, &run);
        // With a body that is good for nothing: whoever may not ask is not told what is wrong with the question.
        for body in [json!(null), json!({ "nonsense": 1 })] {
            let answer = ask(&gateway, "eve@ops", method, &path, "*", &body).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "permission_denied"),
                "{method} {path}: {}",
                answer.text()
            );
            assert_eq!(answer.json()["detail"], "this needs an administrator", "{method} {path}");
            let request = answer.headers["lakegate-request-id"].to_str().unwrap();
            let log = gateway.get("admin", "/v1/audit?user=eve&verdict=denied&limit=1").await.json();
            let record = json!({
                "id": request, "action": "administer", "door": "http", "error_code": "permission_denied",
                "detail": format!("{method} {path} needs an administrator"),
            });
            assert!(has(&log["items"][0], &record), "{method} {path}: {log}");
        }
        if method == "GET" {
            assert_eq!(
                ask(&gateway, "eve", "HEAD", &path, "", &json!(null)).await.status,
                403,
                "HEAD {path}"
            );
            let whole = path.replace("/matrix", "/matrix?table=shop.items");
            assert_eq!(gateway.get("admin", &whole).await.status, 200, "{path} is there");
        }
    }
    let log = gateway.get("admin", "/v1/audit?user=eve&verdict=denied&limit=1000").await.json();
    let heads = administration.iter().filter(|(method, _)| method == "GET").count();
    assert_eq!(log["items"].as_array().unwrap().len(), administration.len() * 2 + heads, "one record each");
    assert_eq!(gateway.app.store.policy_version().await.unwrap(), version, "nothing has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_needs_a_token_and_no_more_for_what_is_theirs() {
    let gateway = gateway()
        .await
        .with_policy("grants: [{ to: user:eve, on: shop.items, permissions: [select], grantable: true }]")
        .await;
    let open = listed(FOR_THE_WORLD);
    for (method, path) in routes(&gateway).await {
        let path_of = address(&path, "x", "x");
        let request = || gateway.request(method.parse::<Method>().unwrap(), &path_of);
        if open.contains(&(method.clone(), path.clone())) {
            assert_eq!(gateway.send(request()).await.status, 200, "{method} {path}");
            continue;
        }
        for request in [
            request(),
            request().bearer_auth("x.y.z"),
            request().basic_auth("admin", Some("admin")),
            request().header("authorization", gateway.token("admin")),
            request().bearer_auth(gateway.token("admin")).bearer_auth(gateway.token("eve")),
        ] {
            let answer = gateway.send(request).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "unauthenticated"),
                "{method} {path}: {}",
                answer.text()
            );
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{method} {path}");
        }
    }
    let submitted = gateway.post("eve", "/v1/queries", &json!({ "sql": "SELECT id FROM shop.items" })).await;
    let own = submitted.json()["query_id"].as_str().unwrap().to_owned();
    for (method, path) in FOR_EVERYBODY {
        let (body, status) = match (*method, *path) {
            ("POST", "/v1/queries") => (json!({ "sql": "SELECT id FROM shop.items" }), 202),
            ("DELETE", _) => (json!(null), 204),
            (_, "/v1/grants") => {
                (json!({ "to": "user:bo", "on": "shop.items", "permissions": ["select"] }), 201)
            }
            // What they may read is not theirs to write.
            (_, "/v1/tables/{database}/{table}/rows") => (json!(null), 403),
            ("POST", _) => (json!({ "sql": "SELECT id FROM shop.items" }), 200),
            _ => (json!(null), 200),
        };
        let answer = ask(&gateway, "eve", method, &address(path, &own, &own), "", &body).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
    }
    // The same addresses show nothing to somebody without a grant.
    for (path, status) in [("/v1/databases/shop", 404), ("/v1/tables/shop/items", 404)] {
        assert_eq!(gateway.get("mallory", path).await.status, status, "{path}");
    }
    for path in ["/v1/databases", "/v1/tables"] {
        assert_eq!(gateway.get("mallory", path).await.json(), json!({ "items": [] }), "{path}");
    }
    let seen = gateway.get("eve", "/v1/tables/shop/items").await;
    assert!(!seen.headers.contains_key("etag"), "a revision tells of changes");
    for hidden in ["location", "version", "updated_at", "revision"] {
        assert!(seen.json().get(hidden).is_none(), "{hidden}: {}", seen.text());
    }
}

/// A source with one table of one row.
async fn source(folder: &Path) -> String {
    let file = folder.join("shop.db");
    let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute("CREATE TABLE items (id BIGINT); INSERT INTO items VALUES (1)").await.unwrap();
    format!("sqlite://{}", file.display())
}

/// Runs the program on the gateway's store, and gives what it says when it fails.
fn fails(gateway: &Gateway, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .args(arguments)
        .arg("--config")
        .arg(gateway.folder.path().join("lakegate.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A table in such a database could be granted on and never be read: the listing stands in its place.
#[tokio::test(flavor = "multi_thread")]
async fn no_database_takes_the_place_of_the_listing() {
    let gateway = gateway().await;
    let source = source(gateway.folder.path()).await;
    let files = format!("file://{}/files/shop.items", gateway.folder.path().display());
    let version = gateway.app.store.policy_version().await.unwrap();
    for name in ["information_schema", "INFORMATION_SCHEMA", "Information_Schema"] {
        let mut told = Vec::new();
        let answer = gateway.post("admin", "/v1/databases", &json!({ "name": name })).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{}", answer.text());
        told.push(answer.text());
        told.push(gateway.apply(&format!("databases: {{ {name}: }}")).await.unwrap_err().to_string());
        let policy = gateway.folder.path().join("policy.yaml");
        std::fs::write(&policy, format!("databases:\n  {name}: {{}}\n")).unwrap();
        told.push(fails(&gateway, &["policy", "apply", policy.to_str().unwrap()]));
        told.push(fails(&gateway, &["ingest", "run", "--source", &source, "--tables", "*", "--into", name]));
        let table = format!("{name}.tables");
        told.push(fails(&gateway, &["table", "register", &table, "--location", &files, "--format", "csv"]));
        for told in told {
            assert!(told.contains(&format!("`{name}` is not a name for a database")), "{told}");
        }
    }
    assert_eq!(gateway.app.store.policy_version().await.unwrap(), version, "nothing has changed");
    let lake = std::fs::read_dir(gateway.folder.path().join("lake")).unwrap();
    assert_eq!(lake.count(), 0, "nothing was written");
}
