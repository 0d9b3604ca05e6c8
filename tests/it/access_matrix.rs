//! The access matrix against the truth of SQL: what it says of a principal is what queries as somebody who is that
//! principal show, told from the data that comes back.

use std::collections::BTreeMap;

use lakegate::store::record::Format;
use serde_json::{Value, json};

use crate::support::gateway::Gateway;

const ROWS: &str = r#"{"id":1,"region":"EU","email":"a@x","ssn":"s1","home":{"city":"Bonn","zip":"1"}}
{"id":2,"region":"US","email":"b@x","ssn":"s2","home":{"city":"Reno","zip":"2"}}
{"id":3,"region":"EU","email":"c@x","ssn":"s3","home":{"city":"Lyon","zip":"3"}}
"#;

const POLICY: &str = r#"
roles:
  analyst: { members: [group:analysts, role:lead] }
  lead: { members: [user:lea] }
grants:
  - { to: role:analyst, on: s.people, permissions: [select], columns: { include: [id, region] } }
  - { to: role:analyst, on: s.people, permissions: [select], columns: { exclude: [ssn] }, rows: "region = 'EU'" }
  - { to: group:eu, on: s.people, permissions: [select], rows: "region = 'EU'" }
  - { to: group:ops, on: s.*, permissions: [select] }
  - { to: user:cy, on: s.people, permissions: [select], columns: { include: [id, home.city] } }
  - { to: user:dan, on: s.people, permissions: [describe] }
  - { to: user:old, on: s.people, permissions: [select], until: 2001-01-01T00:00:00Z }
  - { to: user:bo, on: s.people, permissions: [select] }
restrictions:
  - { name: mask_email, on: s.people.email, mask: redact, except: [group:ops] }
  - { name: no_zip, on: s.people.home.zip, hide: true, except: [group:ops, group:eu] }
  - { name: not_three, on: s.people, rows: "id <> 3", applies_to: [user:bo, user:cy] }
"#;

const PATHS: [&str; 6] = ["email", "home.city", "home.zip", "id", "region", "ssn"];

async fn gateway() -> Gateway {
    let gateway = Gateway::start().await;
    let folder = gateway.folder.path().join("files/people");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("rows.ndjson"), ROWS).unwrap();
    gateway.register(&"s.people".parse().unwrap(), &folder, Format::Ndjson).await;
    gateway.with_policy(POLICY).await
}

/// A token for somebody who is `principal` and no other, where there can be one.
fn somebody(principal: &str) -> Option<String> {
    match principal.split_once(':') {
        Some(("user", name)) => Some(name.to_owned()),
        Some(("group", name)) => Some(format!("nobody@{name}")),
        Some(_) => None,
        None => Some("stranger".to_owned()),
    }
}

fn at<'v>(row: &'v Value, path: &str) -> Option<&'v Value> {
    // A struct that is NULL has every field of it NULL.
    path.split('.').try_fold(row, |value, name| if value.is_null() { Some(value) } else { value.get(name) })
}

/// What the rows that come back show of each column.
async fn shown(gateway: &Gateway, who: &str) -> BTreeMap<String, String> {
    let raw: Vec<Value> = ROWS.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answer = gateway.sql(who, "SELECT * FROM s.people").await;
    if answer.status != 200 {
        assert!(
            ["table_not_found", "permission_denied"].contains(&answer.code().as_str()),
            "{}",
            answer.text()
        );
        return PATHS.iter().map(|path| ((*path).to_owned(), "none".to_owned())).collect();
    }
    let answer = answer.json();
    let names: Vec<&str> =
        answer["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    let rows: Vec<Value> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| names.iter().copied().zip(row.as_array().unwrap().iter().cloned()).collect::<Value>())
        .collect();
    let told = |path: &str| {
        let mut differs = "";
        for row in &rows {
            let Some(value) = at(row, path) else { return "none" };
            let truth = at(raw.iter().find(|raw| raw["id"] == row["id"]).unwrap(), path).unwrap();
            match value {
                value if value == truth => {}
                Value::Null if differs.is_empty() => differs = "nulled",
                Value::Null => {}
                _ => differs = "masked",
            }
        }
        match differs {
            "" if rows.len() == raw.len() => "full",
            "" => "filtered",
            differs => differs,
        }
    };
    PATHS.iter().map(|path| ((*path).to_owned(), told(path).to_owned())).collect()
}

fn row<'m>(matrix: &'m Value, principal: &str) -> &'m Value {
    let mut rows = matrix["items"].as_array().unwrap().iter();
    rows.find(|row| row["principal"] == principal).unwrap_or_else(|| panic!("{principal}: {matrix}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_says_what_queries_show() {
    let gateway = gateway().await;
    let matrix = gateway.get("admin", "/v1/access/matrix?table=s.people").await.json();
    assert_eq!(matrix["columns"], json!(PATHS));
    let rows = matrix["items"].as_array().unwrap();
    let principals: Vec<&str> = rows.iter().map(|row| row["principal"].as_str().unwrap()).collect();
    let expected = [
        "group:analysts",
        "group:eu",
        "group:ops",
        "public",
        "role:analyst",
        "role:lead",
        "user:bo",
        "user:cy",
        "user:dan",
        "user:lea",
        "user:old",
    ];
    assert_eq!(principals, expected);
    let mut seen = std::collections::BTreeSet::new();
    for row in rows {
        let principal = row["principal"].as_str().unwrap();
        let Some(who) = somebody(principal) else { continue };
        let shown = shown(&gateway, &who).await;
        assert_eq!(row["access"], json!(shown), "{principal}");
        seen.extend(shown.into_values());
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["filtered", "full", "masked", "none", "nulled"]);
    // Nobody is a role and nothing else: its row is that of its members who are nothing else.
    assert_eq!(row(&matrix, "role:analyst")["access"], row(&matrix, "group:analysts")["access"]);
    assert_eq!(row(&matrix, "role:lead")["access"], row(&matrix, "user:lea")["access"]);

    let lea = row(&matrix, "user:lea");
    assert_eq!(lea["roles"], json!(["analyst", "lead"]));
    assert_eq!(lea["grants"].as_array().unwrap().len(), 2, "{lea}");
    assert_eq!(lea["restrictions"], json!(["mask_email", "no_zip"]));
    assert_eq!(row(&matrix, "user:dan")["grants"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_who_can_see_a_column() {
    let gateway = gateway().await;
    let who = async |column: &str| {
        let matrix =
            gateway.get("admin", &format!("/v1/access/matrix?table=s.people&column={column}")).await.json();
        let rows = matrix["items"].as_array().unwrap().iter();
        rows.map(|row| format!("{} {}", row["principal"].as_str().unwrap(), row["access"]))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        who("ssn").await,
        [r#"group:eu {"ssn":"filtered"}"#, r#"group:ops {"ssn":"full"}"#, r#"user:bo {"ssn":"filtered"}"#]
    );
    let zip = [r#"group:eu {"home.zip":"filtered"}"#, r#"group:ops {"home.zip":"full"}"#];
    assert_eq!(who("home.zip").await, zip);
    assert_eq!(who("home").await.len(), 8, "a struct is all that is inside it");
    for (query, code) in [
        ("table=s.people&column=none", "column_not_found"),
        ("table=s.people&column=hom", "column_not_found"),
        ("table=s.none", "table_not_found"),
        ("table=s", "invalid_request"),
        ("column=id", "invalid_request"),
        ("table=s.people&limit=0", "invalid_request"),
        ("table=s.people&colour=1", "invalid_request"),
    ] {
        let answer = gateway.get("admin", &format!("/v1/access/matrix?{query}")).await;
        assert_eq!(answer.code(), code, "{query}: {}", answer.text());
    }
    assert_eq!(gateway.get("bo", "/v1/access/matrix?table=s.people").await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_comes_in_pages() {
    let gateway = gateway().await;
    for column in ["", "&column=id"] {
        let address = format!("/v1/access/matrix?table=s.people{column}");
        let whole = gateway.get("admin", &address).await.json();
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let page = gateway.get("admin", &format!("{address}&limit=3{after}")).await.json();
            items.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(Value::Array(items), whole["items"]);
    }
}
