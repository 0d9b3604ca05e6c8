//! The rest of the policy over HTTP: filters, restrictions, tags, their assignments, and views. Each walk says what a
//! request may not say, who is too late, and what is in force right after.

use serde_json::{Value, json};

use crate::resources::{NONE, ask, refused, says, walk};
use crate::support::gateway::Gateway;

async fn gateway() -> Gateway {
    Gateway::start().await.with_csv("shop.items", "id,name,price\n1,a,10\n2,b,20\n3,c,30\n").await
}

async fn rows(gateway: &Gateway, who: &str, sql: &str) -> Value {
    let answer = gateway.sql(who, sql).await;
    assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
    answer.json()["rows"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_made_read_changed_and_removed() {
    let gateway = gateway().await;
    let (all, one) = ("/v1/filters", "/v1/filters/cheap");
    let filter = |rows: &str| json!({ "name": "cheap", "on": "shop.items", "rows": rows });
    let with = |name: &str, value: Value| {
        let mut body = filter("price < 20");
        body[name] = value;
        body
    };
    let grant = json!({ "to": "user:bo", "on": "shop.items", "permissions": ["select"], "filter": "cheap" });
    walk(
        &gateway,
        &[
            ("GET", one, "", json!(null), 404, says("not_found", "filter not found: `cheap`"), NONE),
            ("POST", "/v1/grants", "", grant.clone(), 404, refused("not_found"), NONE),
            (
                "POST",
                all,
                "",
                with("columns", json!({ "exclude": ["name"] })),
                201,
                json!({ "name": "cheap", "on": "shop.items", "rows": "price < 20", "revision": 1 }),
                "create_filter",
            ),
            ("POST", all, "", filter("true"), 409, says("conflict", "filter exists already: `cheap`"), NONE),
            ("POST", all, "", with("name", json!("a.b")), 400, refused("invalid_request"), NONE),
            ("POST", all, "", with("name", json!("b")), 201, json!({ "name": "b" }), "create_filter"),
            (
                "POST",
                all,
                "",
                json!({ "name": "c", "on": "shop.items" }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "POST",
                all,
                "",
                json!({ "name": "c", "on": "shop.none", "rows": "true" }),
                404,
                refused("table_not_found"),
                NONE,
            ),
            (
                "POST",
                all,
                "",
                json!({ "name": "c", "on": "shop", "rows": "true" }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "POST",
                all,
                "",
                json!({ "name": "c", "on": "shop.items", "columns": { "include": ["none"] } }),
                400,
                refused("column_not_found"),
                NONE,
            ),
            (
                "POST",
                all,
                "",
                json!({ "name": "c", "on": "shop.items", "rows": "none" }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            ("POST", all, "", with("colour", json!(1)), 400, refused("invalid_request"), NONE),
            ("GET", one, "", json!(null), 200, json!({ "columns": { "exclude": ["name"] } }), NONE),
            ("PUT", one, "", filter("true"), 400, refused("invalid_request"), NONE),
            ("PUT", one, "*", with("name", json!("other")), 400, refused("invalid_request"), NONE),
            ("PUT", "/v1/filters/none", "*", with("name", json!("none")), 404, refused("not_found"), NONE),
            ("PUT", one, "\"9\"", filter("true"), 409, refused("conflict"), NONE),
            ("POST", "/v1/grants", "", grant, 201, json!({ "filter": "cheap" }), "create_grant"),
        ],
    )
    .await;
    assert_eq!(rows(&gateway, "bo", "SELECT * FROM shop.items").await, json!([[1, 10]]));
    walk(
        &gateway,
        &[
            (
                "PUT",
                one,
                "\"1\"",
                filter("price > 10"),
                200,
                json!({ "columns": "all", "revision": 2 }),
                "update_filter",
            ),
            ("PUT", one, "\"1\"", filter("true"), 409, refused("conflict"), NONE),
            ("DELETE", one, "", json!(null), 409, refused("conflict"), NONE),
            ("DELETE", "/v1/filters/b", "\"2\"", json!(null), 409, refused("conflict"), NONE),
            ("DELETE", "/v1/filters/b", "\"1\"", json!(null), 204, json!(null), "drop_filter"),
            ("DELETE", "/v1/filters/b", "", json!(null), 404, refused("not_found"), NONE),
        ],
    )
    .await;
    // The grants that use it follow at once.
    assert_eq!(rows(&gateway, "bo", "SELECT id, name FROM shop.items").await, json!([[2, "b"], [3, "c"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn restrictions_are_made_read_changed_and_removed() {
    let gateway =
        gateway().await.with_policy("grants: [{ to: user:bo, on: shop.items, permissions: [select] }]").await;
    let (all, one) = ("/v1/restrictions", "/v1/restrictions/r");
    let rule = |on: &str, effect: &str, value: Value| json!({ "name": "r", "on": [on], effect: value });
    let with = |name: &str, value: Value| {
        let mut body = rule("shop.items", "rows", json!("id > 1"));
        body[name] = value;
        body
    };
    walk(
        &gateway,
        &[
            ("GET", one, "", json!(null), 404, says("not_found", "restriction not found: `r`"), NONE),
            (
                "POST",
                all,
                "",
                with("except", json!(["role:steward"])),
                201,
                json!({
                    "name": "r", "on": ["shop.items"], "applies_to": ["public"], "except": ["role:steward"],
                    "rows": "id > 1", "hide": null, "mask": null, "priority": 0, "revision": 1,
                }),
                "create_restriction",
            ),
            ("POST", all, "", with("priority", json!(1)), 409, refused("conflict"), NONE),
            ("POST", all, "", with("name", json!("")), 400, refused("invalid_request"), NONE),
            // It does exactly one thing.
            ("PUT", one, "*", with("hide", json!(true)), 400, refused("invalid_request"), NONE),
            (
                "PUT",
                one,
                "*",
                json!({ "name": "r", "on": ["shop.items"] }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "PUT",
                one,
                "*",
                rule("shop.items.name", "hide", json!(false)),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "PUT",
                one,
                "*",
                rule("shop.items.name", "mask", json!("blur")),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "PUT",
                one,
                "*",
                rule("shop.items.price", "mask", json!("last4")),
                400,
                refused("invalid_request"),
                NONE,
            ),
            ("PUT", one, "*", rule("shop.items", "rows", json!("id")), 400, refused("invalid_request"), NONE),
            (
                "PUT",
                one,
                "*",
                rule("shop.items.none", "hide", json!(true)),
                400,
                refused("column_not_found"),
                NONE,
            ),
            ("PUT", one, "*", rule("shop.none", "hide", json!(true)), 404, refused("table_not_found"), NONE),
            ("PUT", one, "*", with("on", json!([])), 400, refused("invalid_request"), NONE),
            ("PUT", one, "*", with("applies_to", json!([])), 400, refused("invalid_request"), NONE),
            ("PUT", one, "*", with("applies_to", json!(["bo"])), 400, refused("invalid_request"), NONE),
            (
                "PUT",
                one,
                "*",
                with("on", json!([{ "tags": { "k": ["v"] } }])),
                404,
                refused("not_found"),
                NONE,
            ),
            ("PUT", one, "*", with("when", json!(1)), 400, refused("invalid_request"), NONE),
            ("PUT", one, "", with("priority", json!(1)), 400, refused("invalid_request"), NONE),
            (
                "PUT",
                "/v1/restrictions/none",
                "*",
                with("name", json!("none")),
                404,
                refused("not_found"),
                NONE,
            ),
        ],
    )
    .await;
    assert_eq!(rows(&gateway, "bo", "SELECT id FROM shop.items").await, json!([[2], [3]]));
    let mask = |name: &str, using: &str| json!({ "name": name, "on": ["shop.items.name"], "mask": { "using": using } });
    walk(
        &gateway,
        &[
            (
                "PUT",
                one,
                "\"1\"",
                mask("r", "upper(name)"),
                200,
                json!({ "mask": { "using": "upper(name)" }, "rows": null, "revision": 2 }),
                "update_restriction",
            ),
            ("PUT", one, "\"1\"", with("priority", json!(1)), 409, refused("conflict"), NONE),
            ("POST", all, "", mask("q", "'x'"), 409, refused("conflict"), NONE),
            ("DELETE", one, "\"1\"", json!(null), 409, refused("conflict"), NONE),
        ],
    )
    .await;
    assert_eq!(rows(&gateway, "bo", "SELECT name FROM shop.items").await, json!([["A"], ["B"], ["C"]]));
    walk(
        &gateway,
        &[
            ("DELETE", one, "\"2\"", json!(null), 204, json!(null), "drop_restriction"),
            ("DELETE", one, "", json!(null), 404, refused("not_found"), NONE),
        ],
    )
    .await;
    assert_eq!(rows(&gateway, "bo", "SELECT name FROM shop.items").await, json!([["a"], ["b"], ["c"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_what_has_them_are_made_read_changed_and_removed() {
    let gateway = gateway().await;
    let (tag, object) = ("/v1/tags/level", "/v1/tag-assignments/shop.items.name");
    let values = |values: &[&str]| json!({ "key": "level", "values": values });
    let assigned = |object: &str, value: &str| json!({ "object": object, "tags": { "level": value } });
    let hide = json!({ "name": "h", "on": [{ "tags": { "level": ["high"] } }], "hide": true });
    let grant =
        json!({ "to": "user:bo", "on": { "tags": { "level": ["low", "high"] } }, "permissions": ["select"] });
    walk(
        &gateway,
        &[
            ("GET", tag, "", json!(null), 404, says("not_found", "tag not found: `level`"), NONE),
            ("POST", "/v1/tag-assignments", "", assigned("shop", "low"), 404, refused("not_found"), NONE),
            ("POST", "/v1/tags", "", values(&["low", "high"]), 201, json!({ "revision": 1 }), "create_tag"),
            ("POST", "/v1/tags", "", values(&["low"]), 409, refused("conflict"), NONE),
            (
                "POST",
                "/v1/tags",
                "",
                json!({ "key": "a b", "values": ["x"] }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "POST",
                "/v1/tags",
                "",
                json!({ "key": "x", "values": [] }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "POST",
                "/v1/tags",
                "",
                json!({ "key": "x", "values": ["a", "a"] }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            // A key may have a `/`; in an address it is escaped.
            (
                "POST",
                "/v1/tags",
                "",
                json!({ "key": "a/b", "values": ["x"] }),
                201,
                json!({ "key": "a/b" }),
                "create_tag",
            ),
            ("GET", "/v1/tags/a%2Fb", "", json!(null), 200, json!({ "key": "a/b" }), NONE),
            ("DELETE", "/v1/tags/a%2Fb", "\"1\"", json!(null), 204, json!(null), "drop_tag"),
            ("PUT", tag, "", values(&["low"]), 400, refused("invalid_request"), NONE),
            (
                "PUT",
                tag,
                "\"1\"",
                values(&["low", "high", "mid"]),
                200,
                json!({ "revision": 2 }),
                "update_tag",
            ),
            ("PUT", tag, "\"1\"", values(&["low", "high"]), 409, refused("conflict"), NONE),
            (
                "PUT",
                "/v1/tags/none",
                "*",
                json!({ "key": "none", "values": ["x"] }),
                404,
                refused("not_found"),
                NONE,
            ),
            (
                "PUT",
                tag,
                "*",
                json!({ "key": "other", "values": ["x"] }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "POST",
                "/v1/tag-assignments",
                "",
                assigned("shop", "none"),
                400,
                refused("invalid_request"),
                NONE,
            ),
            ("POST", "/v1/tag-assignments", "", assigned("none", "low"), 404, refused("not_found"), NONE),
            (
                "POST",
                "/v1/tag-assignments",
                "",
                assigned("shop.none", "low"),
                404,
                refused("table_not_found"),
                NONE,
            ),
            (
                "POST",
                "/v1/tag-assignments",
                "",
                assigned("shop.items.none", "low"),
                400,
                refused("column_not_found"),
                NONE,
            ),
            (
                "POST",
                "/v1/tag-assignments",
                "",
                json!({ "object": "shop", "tags": {} }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "POST",
                "/v1/tag-assignments",
                "",
                assigned("shop.*", "low"),
                400,
                refused("invalid_request"),
                NONE,
            ),
            (
                "POST",
                "/v1/tag-assignments",
                "",
                assigned("shop", "low"),
                201,
                json!({ "object": "shop" }),
                "assign_tags",
            ),
            ("POST", "/v1/tag-assignments", "", assigned("shop", "low"), 409, refused("conflict"), NONE),
            (
                "POST",
                "/v1/tag-assignments",
                "",
                assigned("shop.items.name", "high"),
                201,
                json!({ "revision": 1 }),
                "assign_tags",
            ),
            ("POST", "/v1/grants", "", grant, 201, json!({}), "create_grant"),
            ("POST", "/v1/restrictions", "", hide, 201, json!({}), "create_restriction"),
            ("PUT", tag, "*", values(&["low", "mid"]), 409, refused("conflict"), NONE),
            ("DELETE", tag, "", json!(null), 409, refused("conflict"), NONE),
        ],
    )
    .await;
    assert_eq!(rows(&gateway, "bo", "SELECT * FROM shop.items LIMIT 1").await, json!([[1, 10]]));
    walk(
        &gateway,
        &[
            ("PUT", object, "", assigned("shop.items.name", "mid"), 400, refused("invalid_request"), NONE),
            ("PUT", object, "*", assigned("shop.items.id", "mid"), 400, refused("invalid_request"), NONE),
            ("PUT", object, "\"2\"", assigned("shop.items.name", "low"), 409, refused("conflict"), NONE),
            (
                "PUT",
                object,
                "\"1\"",
                assigned("shop.items.name", "low"),
                200,
                json!({ "revision": 2 }),
                "assign_tags",
            ),
            (
                "PUT",
                "/v1/tag-assignments/shop.items",
                "*",
                assigned("shop.items", "low"),
                404,
                refused("not_found"),
                NONE,
            ),
        ],
    )
    .await;
    assert_eq!(rows(&gateway, "bo", "SELECT * FROM shop.items LIMIT 1").await, json!([[1, "a", 10]]));
    walk(
        &gateway,
        &[
            ("DELETE", object, "\"1\"", json!(null), 409, refused("conflict"), NONE),
            ("DELETE", object, "\"2\"", json!(null), 204, json!(null), "remove_tags"),
            ("DELETE", object, "", json!(null), 404, refused("not_found"), NONE),
        ],
    )
    .await;
}

/// A column that loses a tag of its own inherits its table's, which may bring a second mask upon it.
#[tokio::test(flavor = "multi_thread")]
async fn tags_that_keep_masks_apart_stay() {
    let policy = r#"
tags: { level: [low, high] }
databases: { shop: { tables: { items: { tags: { level: high }, columns: { name: { tags: { level: low } }, id: { tags: { level: low } }, price: { tags: { level: low } } } } } } }
restrictions:
  - { name: by_name, on: shop.items.name, mask: redact, priority: 1 }
  - { name: by_tag, on: { tags: { level: [high] } }, mask: "null", priority: 1 }
"#;
    let gateway = gateway().await.with_policy(policy).await;
    let object = "/v1/tag-assignments/shop.items.name";
    let answer = ask(&gateway, "admin", "DELETE", object, "", &json!(null)).await;
    assert_eq!((answer.status, answer.code().as_str()), (409, "conflict"), "{}", answer.text());
    assert_eq!(gateway.get("admin", object).await.status, 200, "it is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_made_read_changed_and_removed() {
    let gateway = gateway()
        .await
        .with_policy("grants: [{ to: user:bo, on: shop.*, permissions: [select], reason: r }]")
        .await;
    let (all, one) = ("/v1/views", "/v1/views/shop/v");
    let view = |sql: &str| json!({ "name": "shop.v", "sql": sql });
    let two = "SELECT id, name FROM shop.items";
    let columns = json!([
        { "name": "id", "type": "bigint", "nullable": true },
        { "name": "name", "type": "varchar", "nullable": true },
    ]);
    let local = json!({ "name": "shop.v", "sql": "SELECT max(price) AS top FROM items", "database": "shop", "comment": "c" });
    walk(
        &gateway,
        &[
            ("GET", one, "", json!(null), 404, says("table_not_found", "table not found: `shop.v`"), NONE),
            (
                "POST",
                all,
                "",
                view(two),
                201,
                json!({ "name": "shop.v", "sql": two, "columns": columns, "owner": "admin", "revision": 1 }),
                "create_view",
            ),
            ("POST", all, "", view(two), 409, says("conflict", "the name `shop.v` is taken"), NONE),
            ("POST", all, "", json!({ "name": "shop.items", "sql": two }), 409, refused("conflict"), NONE),
            ("POST", all, "", json!({ "name": "none.v", "sql": two }), 404, refused("not_found"), NONE),
            (
                "POST",
                all,
                "",
                json!({ "name": "shop.a.b", "sql": two }),
                400,
                refused("invalid_request"),
                NONE,
            ),
            ("POST", all, "", json!({ "name": "v", "sql": two }), 400, refused("invalid_request"), NONE),
            ("PUT", one, "*", view("SELECT"), 400, refused("syntax_error"), NONE),
            ("PUT", one, "*", view("SELECT 1; SELECT 2"), 400, refused("invalid_request"), NONE),
            ("PUT", one, "*", view("DELETE FROM shop.items"), 403, refused("statement_not_allowed"), NONE),
            ("PUT", one, "*", view("EXPLAIN SELECT 1"), 403, refused("statement_not_allowed"), NONE),
            ("PUT", one, "*", view("SHOW TABLES"), 403, refused("statement_not_allowed"), NONE),
            ("PUT", one, "*", view("EXPLAIN ACCESS SELECT 1"), 400, refused("syntax_error"), NONE),
            ("PUT", one, "*", view("SELECT 1 FROM shop.none"), 404, refused("table_not_found"), NONE),
            ("PUT", one, "*", view("SELECT none FROM shop.items"), 400, refused("column_not_found"), NONE),
            ("PUT", one, "*", view("SELECT 1 AS x FROM shop.v"), 400, refused("invalid_request"), NONE),
            ("PUT", one, "", view(two), 400, refused("invalid_request"), NONE),
            ("PUT", one, "\"2\"", view(two), 409, refused("conflict"), NONE),
            (
                "PUT",
                "/v1/views/shop/none",
                "*",
                json!({ "name": "shop.none", "sql": two }),
                404,
                refused("table_not_found"),
                NONE,
            ),
            (
                "PUT",
                one,
                "\"1\"",
                local,
                200,
                json!({ "database": "shop", "comment": "c", "revision": 2 }),
                "update_view",
            ),
        ],
    )
    .await;
    assert_eq!(rows(&gateway, "bo", "SELECT * FROM shop.v").await, json!([[30]]));
    walk(
        &gateway,
        &[
            ("DELETE", one, "\"1\"", json!(null), 409, refused("conflict"), NONE),
            ("DELETE", one, "\"2\"", json!(null), 204, json!(null), "drop_view"),
            ("DELETE", one, "", json!(null), 404, refused("table_not_found"), NONE),
        ],
    )
    .await;
    assert_eq!(gateway.sql("bo", "SELECT * FROM shop.v").await.code(), "table_not_found");
}
