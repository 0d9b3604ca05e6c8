//! The catalog and the policy as resources, over the socket: what each method answers, to whom, and what it leaves
//! behind.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Response};

/// What a resource is made of, for the habits that all of them have.
struct Resource {
    list: &'static str,
    /// The path of the one that is made.
    one: fn(&Value) -> String,
    body: Value,
    changed: Value,
    /// A field that `changed` changes, and its value then.
    shows: (&'static str, Value),
    bad: Value,
}

fn named(list: &'static str) -> fn(&Value) -> String {
    match list {
        "/v1/databases" => |made| format!("/v1/databases/{}", made["name"].as_str().unwrap()),
        "/v1/roles" => |made| format!("/v1/roles/{}", made["name"].as_str().unwrap()),
        _ => |made| format!("/v1/grants/{}", made["id"].as_str().unwrap()),
    }
}

fn resources() -> Vec<Resource> {
    let resource = |list, body: Value, changed: Value, shows, bad| Resource {
        list,
        one: named(list),
        body,
        changed,
        shows,
        bad,
    };
    vec![
        resource(
            "/v1/databases",
            json!({ "name": "größe 2", "comment": "first" }),
            json!({ "comment": "second" }),
            ("comment", json!("second")),
            json!({ "name": "a.b" }),
        ),
        resource(
            "/v1/roles",
            json!({ "name": "steward", "members": ["user:ana"] }),
            json!({ "name": "steward", "members": ["user:bo", "group:ops"] }),
            ("members", json!(["user:bo", "group:ops"])),
            json!({ "name": "x", "members": ["ana"] }),
        ),
        resource(
            "/v1/grants",
            json!({ "to": "user:ana", "on": "shop.items", "permissions": ["select"], "rows": "id < 3" }),
            json!({ "to": "user:ana", "on": "shop.items", "permissions": ["select"], "until": "2030-01-01T00:00:00Z" }),
            ("until", json!("2030-01-01T00:00:00Z")),
            json!({ "to": "user:ana", "on": "shop.items", "permissions": ["select"], "rows": "nothing = 1" }),
        ),
    ]
}

async fn gateway() -> Gateway {
    Gateway::start().await.with_csv("shop.items", "id,name\n1,a\n2,b\n").await
}

async fn send(
    gateway: &Gateway,
    who: &str,
    method: Method,
    path: &str,
    tag: Option<&str>,
    body: Option<&Value>,
) -> Response {
    let mut request = gateway.request(method, path).bearer_auth(gateway.token(who));
    if let Some(tag) = tag {
        request = request.header("if-match", tag);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    gateway.send(request).await
}

fn etag(response: &Response) -> String {
    response.headers["etag"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resource_is_made_read_replaced_and_removed_with_a_record_of_each() {
    let gateway = gateway().await;
    for Resource { list, one, body, changed, shows, bad } in resources() {
        let admin = |method, path: String, tag: Option<String>, body: Option<Value>| {
            let gateway = &gateway;
            async move { send(gateway, "admin", method, &path, tag.as_deref(), body.as_ref()).await }
        };
        let version = gateway.app.store.policy_version().await.unwrap();
        let made = admin(Method::POST, list.into(), None, Some(body.clone())).await;
        assert_eq!(made.status, 201, "{list}: {}", made.text());
        let path = one(&made.json()).replace(' ', "%20");
        let twice = admin(Method::POST, list.into(), None, Some(body.clone())).await;
        assert_eq!((twice.status, twice.code().as_str()), (409, "conflict"), "{list}");
        let wrong = admin(Method::POST, list.into(), None, Some(bad)).await;
        assert_eq!(wrong.status, 400, "{list}: {}", wrong.text());
        let mut unknown = body.clone();
        unknown["nonsense"] = json!(1);
        let unknown = admin(Method::POST, list.into(), None, Some(unknown)).await;
        assert_eq!((unknown.status, unknown.code().as_str()), (400, "invalid_request"), "{list}");
        assert!(unknown.json()["detail"].as_str().unwrap().contains("nonsense"));

        let found = admin(Method::GET, path.clone(), None, None).await;
        assert_eq!((found.status, found.json()), (200, made.json()), "{path}");
        assert_eq!(etag(&found), "\"1\"");
        let items = admin(Method::GET, list.into(), None, None).await.json()["items"].clone();
        assert!(items.as_array().unwrap().contains(&made.json()), "{items}");

        let blind = admin(Method::PUT, path.clone(), None, Some(changed.clone())).await;
        assert_eq!(blind.status, 400, "{path}: replacing needs `if-match`");
        let replaced = admin(Method::PUT, path.clone(), Some("\"1\"".into()), Some(changed.clone())).await;
        assert_eq!(
            (replaced.status, &replaced.json()[shows.0]),
            (200, &shows.1),
            "{path}: {}",
            replaced.text()
        );
        assert_eq!(etag(&replaced), "\"2\"");
        let late = admin(Method::PUT, path.clone(), Some("\"1\"".into()), Some(changed)).await;
        assert_eq!((late.status, late.code().as_str()), (409, "conflict"), "{path}: the second writer");
        let late = admin(Method::DELETE, path.clone(), Some("\"1\"".into()), None).await;
        assert_eq!(late.status, 409, "{path}: the second writer");
        let gone = admin(Method::DELETE, path.clone(), Some("\"2\"".into()), None).await;
        assert_eq!(gone.status, 204, "{path}: {}", gone.text());
        for method in [Method::GET, Method::DELETE] {
            let missing = admin(method, path.clone(), None, None).await;
            assert_eq!((missing.status, missing.code().as_str()), (404, "not_found"), "{path}");
        }
        assert_eq!(gateway.app.store.policy_version().await.unwrap(), version + 3, "{list}: three changes");
    }
    let log = gateway.get("admin", "/v1/audit?user=admin&limit=1000").await.json();
    let actions: Vec<&str> =
        log["items"].as_array().unwrap().iter().rev().filter_map(|event| event["action"].as_str()).collect();
    let expected = ["database", "role", "grant"]
        .map(|kind| ["create", "update", "drop"].map(|verb| format!("{verb}_{kind}")));
    assert_eq!(actions, expected.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_commented_and_dropped_and_a_full_database_stays() {
    let gateway = gateway().await;
    let path = "/v1/tables/shop/items";
    let table = gateway.get("admin", path).await;
    assert_eq!(table.status, 200, "{}", table.text());
    let full = send(&gateway, "admin", Method::DELETE, "/v1/databases/shop", None, None).await;
    assert_eq!((full.status, full.code().as_str()), (409, "conflict"), "{}", full.text());
    let comment = json!({ "comment": "what we sell" });
    let changed = send(&gateway, "admin", Method::PATCH, path, Some(&etag(&table)), Some(&comment)).await;
    assert_eq!(
        (changed.status, &changed.json()["comment"]),
        (200, &comment["comment"]),
        "{}",
        changed.text()
    );
    let late = send(&gateway, "admin", Method::PATCH, path, Some(&etag(&table)), Some(&comment)).await;
    assert_eq!(late.status, 409);
    assert_eq!(send(&gateway, "admin", Method::DELETE, path, Some("*"), None).await.status, 204);
    let missing = gateway.get("admin", path).await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "table_not_found"));
    assert_eq!(send(&gateway, "admin", Method::DELETE, "/v1/databases/shop", None, None).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_listed_for_whoever_may_see_it_and_as_they_see_it() {
    let gateway = gateway().await.with_policy(
        "grants: [{ to: \"user:ana\", on: shop.items, permissions: [select], columns: { include: [id] } }]",
    ).await;
    let names = |answer: &Response| answer.json()["items"].as_array().unwrap().len();
    assert_eq!(names(&gateway.get("ana", "/v1/tables").await), 1);
    assert_eq!(names(&gateway.get("ana", "/v1/databases").await), 1);
    assert_eq!(names(&gateway.get("eve", "/v1/tables").await), 0);
    assert_eq!(names(&gateway.get("eve", "/v1/databases").await), 0);
    let seen = gateway.get("ana", "/v1/tables/shop/items").await.json();
    assert_eq!(seen["columns"], json!([{ "name": "id", "type": "bigint", "nullable": true }]));
    assert_eq!(seen["administration"], Value::Null, "where it lies is for administrators");
    let (hidden, missing) = (
        gateway.get("eve", "/v1/tables/shop/items").await,
        gateway.get("eve", "/v1/tables/shop/nothing").await,
    );
    assert_eq!((hidden.status, missing.status), (404, 404));
    let words = |answer: &Response| answer.json()["detail"].as_str().unwrap().replace("nothing", "items");
    assert_eq!(words(&hidden), words(&missing), "hidden and missing read alike");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let gateway = gateway().await;
    for name in ["a", "b", "c", "d", "e"] {
        let body = json!({ "name": name, "members": [] });
        assert_eq!(gateway.post("admin", "/v1/roles", &body).await.status, 201);
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = gateway.get("admin", &format!("/v1/roles?limit=2{after}")).await.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|role| role["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    for wrong in ["limit=0", "limit=1001", "limit=x", "nonsense=1"] {
        let answer = gateway.get("admin", &format!("/v1/roles?{wrong}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_the_listings_cannot_be_made_by_any_way() {
    let gateway = gateway().await;
    for name in ["information_schema", "INFORMATION_SCHEMA"] {
        let answer = gateway.post("admin", "/v1/databases", &json!({ "name": name })).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"), "{}", answer.text());
        let refused = gateway.apply(&format!("databases: {{ {name}: }}")).await.unwrap_err();
        assert!(refused.detail().contains("reserved"), "{refused}");
    }
}

/// What everybody who is authenticated may ask; the answer holds what they may see.
const FOR_EVERYBODY: [&str; 7] = [
    "GET /v1/databases",
    "GET /v1/me",
    "GET /v1/openapi.json",
    "GET /v1/tables",
    "GET /v1/tables/{database}/{table}",
    "GET /v1/databases/{database}",
    "POST /v1/sql",
];
/// What needs no token.
const FOR_ANYBODY: [&str; 2] = ["GET /healthz", "GET /readyz"];

#[tokio::test(flavor = "multi_thread")]
async fn all_other_routes_of_the_description_are_for_administrators_alone() {
    let gateway = gateway().await;
    let document = serde_json::to_value(lakegate::serve::http::document()).unwrap();
    let mut refused = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let route = format!("{} {path}", method.to_uppercase());
            let address = path
                .replace("{database}", "shop")
                .replace("{table}", "items")
                .replace("{", "")
                .replace("}", "");
            let ask = || {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                gateway.request(method, &address).header("if-match", "*").json(&json!({}))
            };
            let stranger = gateway.send(ask()).await;
            assert_eq!(
                stranger.status == 401,
                !FOR_ANYBODY.contains(&route.as_str()),
                "{route}: {}",
                stranger.text()
            );
            let reader = gateway.send(ask().bearer_auth(gateway.token("reader"))).await;
            let is_open = FOR_ANYBODY.contains(&route.as_str()) || FOR_EVERYBODY.contains(&route.as_str());
            assert_eq!(reader.status == 403, !is_open, "{route}: {} {}", reader.status, reader.text());
            if reader.status == 403 {
                assert_eq!(reader.code(), "permission_denied", "{route}");
                refused += 1;
            }
        }
    }
    let log = gateway.get("admin", "/v1/audit?user=reader&verdict=denied&limit=1000").await.json();
    let denials =
        log["items"].as_array().unwrap().iter().filter(|event| event["action"] == "administer").count();
    assert_eq!(denials, refused, "each denial is audited");
    assert!(refused >= 15, "only {refused} routes were refused");
}
