//! The policy as files: what a plan says, what an apply does, and where a refusal is told.

use std::collections::BTreeMap;

use lakegate::policy::export::export;
use lakegate::policy::file::{Desired, merge, parse};
use lakegate::policy::grant::GrantSpec;
use lakegate::policy::model::{Permission, PolicySet};
use lakegate::policy::plan::{Edit, plan};
use lakegate::policy::principal::Principal;
use lakegate::store::record::Change;
use serde_json::json;

use crate::decisions::policy_set;
use crate::support::gateway::Gateway;

const BEFORE: &str = "
roles: { keep: { members: [user:a] }, old: { members: [user:b] }, same: { members: [user:c] } }
tags: { level: [low, high], gone: [x], kept: [a, b], turned: [a, b] }
databases:
  s: { tags: { level: low, kept: a }, tables: { t: { tags: { gone: x } }, u: { columns: { a.b: { tags: { level: low } } } } } }
filters:
  eu: { on: s.t, rows: region = 'EU' }
  left: { on: s.t, rows: x = 1 }
grants:
  - { to: role:keep, on: s.t, permissions: [select], reason: before }
  - { to: role:old, on: s.t, permissions: [select] }
  - { to: role:same, on: s.*, permissions: [select, insert], rows: x = 1 }
restrictions:
  - { name: r1, on: s.t.a, mask: hash }
  - { name: r2, on: s.t, hide: true }
";

const WANTED: &str = "
roles: { keep: { members: [user:z] }, same: { members: [user:c] }, new: { members: [] } }
tags: { level: [low, mid, high], added: [x], kept: [a, b], turned: [b, a] }
databases:
  s: { comment: The shop, tags: { level: high } }
  fresh: { comment: for trying, tables: { t: { columns: { c: { tags: { added: x } } } } } }
filters:
  eu: { on: s.t, rows: region = 'EU', columns: { exclude: [ssn] } }
  uk: { on: s.t, columns: { include: [a] } }
grants:
  - { to: role:keep, on: s.t, permissions: [select], reason: after }
  - { to: role:same, on: s.*, permissions: [insert, select], rows: x = 1 }
  - { to: role:new, on: s.orders, permissions: [select], columns: { include: [id, total] }, rows: \"a =\\n 'b'\" }
  - { to: public, on: s, permissions: [describe] }
  - to: user:z
    on: { tags: { level: [low, mid], added: x } }
    permissions: [select]
    grantable: true
    from: 2026-01-01T02:00:00+02:00
    until: 2027-01-01T00:00:00.5Z
  - { to: user:z, on: s.t, permissions: [select], filter: uk }
restrictions:
  - { name: r1, on: [s.t.a, { tags: { level: high } }], mask: { using: \"left(a,\\n 3)\" }, priority: 20 }
  - { name: r3, on: s, rows: t = 1, applies_to: group:g, except: [role:keep, user:z] }
  - { name: r4, on: s.t.a, mask: null, priority: -1 }
";

fn read(text: &str) -> Desired {
    merge([parse("p.yaml", text).unwrap_or_else(|error| panic!("{error}"))]).unwrap()
}

fn databases(names: &[&str]) -> BTreeMap<String, Option<String>> {
    names.iter().map(|name| ((*name).to_owned(), None)).collect()
}

#[test]
fn the_plan_adds_and_updates_and_prunes_only_when_told() {
    let current = policy_set(&parse("now.yaml", BEFORE).unwrap());
    let wanted = read(WANTED);
    let lines = |prune: bool| -> Vec<String> {
        let edits = plan(&wanted, &current, &databases(&["s"]), prune).unwrap();
        edits.iter().map(Edit::to_string).collect()
    };
    let kept = [
        "+ database fresh · comment for trying",
        "~ database s · comment The shop",
        "+ tag added: x",
        "~ tag level: +mid",
        "~ tag turned: b, a (in another order)",
        "+ role new with nobody",
        "~ role keep: +user:z -user:a",
        "+ tags of fresh.t.c: added=x",
        "~ tags of s: +level=high -level=low",
        "+ filter uk on s.t (a)",
        "~ filter eu on s.t (all but ssn) · where region = 'EU'",
        "+ grant select (id, total) on s.orders to role:new · where a = 'b'",
        "+ grant describe on s to public",
        "+ grant select on tags(added=x,level=low|mid) to user:z · grantable · from 2026-01-01T00:00:00Z · until 2027-01-01T00:00:00.500Z",
        "+ grant select on s.t to user:z · filter uk",
        "~ grant select on s.t to role:keep · reason after",
        "+ restriction r3 on s.* for group:g except user:z, role:keep · where t = 1",
        "+ restriction r4 on s.t.a for public · mask null · priority -1",
        "~ restriction r1 on s.t.a, tags(level=high) for public · mask using left(a, 3) · priority 20",
    ];
    assert_eq!(lines(false), kept);
    let mut pruned = kept.map(str::to_owned).to_vec();
    pruned[8] = "~ tags of s: +level=high -kept=a -level=low".to_owned();
    let gone = [
        "- restriction r2",
        "- grant select on s.t to role:old [2]",
        "- filter left",
        "- tags of s.t: gone=x",
        "- tags of s.u.a.b: level=low",
        "- role old",
        "- tag gone",
    ];
    pruned.extend(gone.map(str::to_owned));
    assert_eq!(lines(true), pruned);
    assert!(plan(&Desired::default(), &current, &databases(&["s"]), false).unwrap().is_empty());
    let same = read(BEFORE);
    assert!(plan(&same, &current, &databases(&["s"]), true).unwrap().is_empty());
}

#[test]
fn a_cycle_through_a_role_that_stays_is_refused_by_the_plan() {
    let current = policy_set(&parse("now.yaml", "roles: { b: { members: [role:a] } }").unwrap());
    let wanted = read("roles:\n  a: { members: [role:b] }");
    let error = plan(&wanted, &current, &databases(&[]), false).unwrap_err().to_string();
    assert_eq!(
        error,
        "p.yaml:2:17: roles.a.members: roles contain each other: `a` has `b` has `a`; take one out"
    );
    assert!(plan(&wanted, &current, &databases(&[]), true).is_ok(), "the other role goes");
}

/// A gateway with one table, `s.t`, of the columns `id`, `region` and `name`.
async fn gateway() -> Gateway {
    Gateway::start().await.with_csv("s.t", "id,region,name\n1,EU,Ann\n2,US,Bob\n").await
}

async fn apply(gateway: &Gateway, yaml: &str, prune: bool) -> lakegate::error::Result<Vec<String>> {
    let files = [("p.yaml".to_owned(), yaml.to_owned())];
    lakegate::app::policy::apply(&gateway.app, "test", &files, prune).await.map(|applied| applied.edits)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_in_force_as_a_whole() {
    let gateway = gateway().await;
    let before = "
roles: { old: { members: [user:c] } }
tags: { level: [low, mid], gone: [x] }
databases: { s: { tags: { level: mid, gone: x } } }
filters: { eu: { on: s.t, rows: id = 1 }, left: { on: s.t, columns: { exclude: [id] } } }
grants:
  - { to: role:old, on: s.*, permissions: [select] }
  - { to: user:bo, on: s.t, permissions: [select], filter: left }
restrictions: [{ name: r, on: { tags: { gone: x } }, hide: true }, { name: m, on: s.t.id, mask: hash }]
";
    assert_eq!(apply(&gateway, before, false).await.unwrap().len(), 10);
    let yaml = "
tags: { level: [low, high] }
databases: { s: { tables: { t: { columns: { name: { tags: { level: high } } } } } } }
filters: { eu: { on: s.t, rows: \"region = attr('region')\" } }
grants: [{ to: user:bo, on: s.t, permissions: [select], filter: eu }]
restrictions: [{ name: m, on: { tags: { level: high } }, mask: redact, except: group:ops }]
";
    assert!(!apply(&gateway, yaml, true).await.unwrap().is_empty());
    assert!(apply(&gateway, yaml, true).await.unwrap().is_empty(), "a second time there is nothing to do");
    let rows = |who: &'static str| {
        let gateway = &gateway;
        async move { gateway.sql(who, "SELECT * FROM s.t").await.json()["rows"].to_string() }
    };
    assert_eq!(rows("bo{\"region\": \"EU\"}").await, r#"[[1,"EU","REDACTED"]]"#);
    assert_eq!(rows("bo@ops{\"region\": \"US\"}").await, r#"[[2,"US","Bob"]]"#);
    assert_eq!(rows("bo").await, "[]");
    assert_eq!(gateway.sql("c", "SELECT * FROM s.t").await.code(), "table_not_found", "pruned");
}

/// Each file, and what is said of it when it is applied with and without `prune`: what fits a file alone and still
/// does not fit the tables, the engine or the rest of the policy.
const REFUSED: &[(&str, bool, &str)] = &[
    // A17, D6: no query within a rule.
    (
        "restrictions:\n  - { name: r, on: s.t, rows: id IN (SELECT id FROM s.t) }",
        false,
        "p.yaml:2:31: restrictions[0].rows: the expression `id IN (SELECT id FROM s.t)` cannot be a row rule: ",
    ),
    // B8: a column of the query's outside is none of the rule's.
    (
        "restrictions:\n  - { name: r, on: s.t, rows: orderkey = id }",
        false,
        "p.yaml:2:31: restrictions[0].rows: the expression `orderkey = id` cannot be a row rule: ",
    ),
    // E5: the type of a mask is told, and which one was expected.
    (
        "restrictions:\n  - { name: r, on: s.t.id, mask: { using: \"'x'\" } }",
        false,
        "p.yaml:2:34: restrictions[0].mask: the expression `'x'` cannot be a mask: ",
    ),
    // E6: no aggregate and no window.
    (
        "restrictions:\n  - { name: r, on: s.t.name, mask: { using: max(name) } }",
        false,
        "p.yaml:2:36: restrictions[0].mask: the expression `max(name)` cannot be a mask: ",
    ),
    (
        "restrictions:\n  - { name: r, on: s.t.name, mask: { using: first_value(name) OVER () } }",
        false,
        "p.yaml:2:36: restrictions[0].mask: the expression `first_value(name) OVER ()` cannot be a mask: ",
    ),
    // E19: a mask that nobody knows.
    ("restrictions:\n  - { name: r, on: s.t.name, mask: blur }", false, "p.yaml:2:36: "),
    (
        "grants:\n  - to: user:bo\n    on: s.t\n    permissions: [select]\n    rows: nosuch = 1",
        false,
        "p.yaml:5:11: grants[0].rows: the expression `nosuch = 1` cannot be a row rule: ",
    ),
    (
        "grants:\n  - { to: user:bo, on: s.t, permissions: [select], columns: { include: [nosuch] } }",
        false,
        "p.yaml:2:61: grants[0].columns: `s.t` has no column `nosuch`",
    ),
    (
        "grants:\n  - { to: user:bo, on: s.t, permissions: [select], filter: nosuch }",
        false,
        "p.yaml:2:60: grants[0].filter: filter not found: `nosuch`",
    ),
    (
        "filters: { f: { on: s.u, rows: x = 1 } }\ngrants:\n  - { to: user:bo, on: s.t, permissions: [select], filter: f }",
        false,
        "p.yaml:3:60: grants[0].filter: the filter `f` is on `s.u`, and the grant on `s.t`",
    ),
    (
        "grants:\n  - { to: user:bo, on: { tags: { level: mid } }, permissions: [select] }",
        false,
        "p.yaml:2:24: grants[0].on: `mid` is not a value of the tag `level`: it has `low`, `high`",
    ),
    (
        "filters:\n  f: { on: s.t, rows: id }",
        false,
        "p.yaml:2:23: filters.f.rows: the expression `id` cannot be a row rule: ",
    ),
    (
        "restrictions:\n  - { name: r, on: s.t, rows: count(*) > 1 }",
        false,
        "p.yaml:2:31: restrictions[0].rows: the expression `count(*) > 1` cannot be a row rule: ",
    ),
    (
        "restrictions:\n  - { name: r, on: s.t.id, mask: { using: name } }",
        false,
        "p.yaml:2:34: restrictions[0].mask: the expression `name` cannot be a mask: ",
    ),
    (
        "restrictions:\n  - { name: r, on: [s.t.name, s.t.nosuch], hide: true }",
        false,
        "p.yaml:2:20: restrictions[0].on: `s.t` has no column `nosuch`",
    ),
    (
        "restrictions:\n  - { name: r, on: { tags: { nosuch: x } }, hide: true }",
        false,
        "p.yaml:2:20: restrictions[0].on: tag not found: `nosuch`",
    ),
    (
        "restrictions:\n  - { name: r, on: s.t.name, mask: redact, priority: 10 }\n  - { name: q, on: s.t, mask: hash, priority: 10 }",
        false,
        "p.yaml:3:47: restrictions[1].priority: `q` and `r` both mask `s.t.name` with the same priority: ",
    ),
    (
        "databases:\n  s: { tags: { level: mid } }",
        false,
        "p.yaml:2:14: databases.s.tags: `mid` is not a value of the tag `level`: it has `low`, `high`",
    ),
    (
        "databases:\n  s:\n    tables:\n      t: { columns: { nosuch: { tags: { level: low } } } }",
        false,
        "p.yaml:4:39: databases.s.tables.t.columns.nosuch.tags: `s.t` has no column `nosuch`",
    ),
    ("tags:\n  level: [low]", false, "p.yaml:2:10: tags.level: a rule asks for `tags(level=high)`, "),
    (
        "databases:\n  s: { tags: { level: low } }\ngrants: []",
        true,
        "p.yaml:2:14: databases.s.tags: tag not found: `level`",
    ),
    (
        "grants:\n  - { to: user:in, on: s.t, permissions: [select], filter: kept }",
        true,
        "p.yaml:2:60: grants[0].filter: the filter `kept` is used by grants (1): drop them first",
    ),
    (
        "grants:\n  - { to: user:in, on: { tags: { level: high } }, permissions: [select] }",
        true,
        "p.yaml:2:24: grants[0].on: the tag `level` is in use: remove it from objects and rules first",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_refused_with_its_place_and_nothing_is_in_force() {
    let gateway = gateway().await;
    let base = "
tags: { level: [low, high] }
filters: { kept: { on: s.t, rows: id = 1 } }
grants:
  - { to: user:in, on: s.t, permissions: [select], filter: kept }
  - { to: user:in, on: { tags: { level: high } }, permissions: [select] }
";
    let version = gateway.apply(base).await.unwrap();
    let mut wrong = Vec::new();
    for (yaml, prune, expected) in REFUSED {
        let with_more = format!("{yaml}\nroles: {{ made: {{ members: [user:bo] }} }}");
        let error = apply(&gateway, &with_more, *prune).await.unwrap_err();
        if !error.detail().starts_with(expected) {
            wrong.push(format!("{yaml}\n  expected {expected}\n  got      {error}"));
        }
        assert_eq!(error.kind().code(), "invalid_request", "{yaml}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    gateway.app.refresh().await.unwrap();
    let state = &gateway.app.state().state;
    assert_eq!(state.version, version);
    assert!(!state.roles.contains_key("made"), "the rest of a file that is refused is not in force either");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_may_turn_around() {
    let gateway = Gateway::start().await;
    for (step, yaml) in [
        "roles: { a: { members: [] }, b: { members: [role:a] }, c: { members: [role:b, user:x] } }",
        "roles: { a: { members: [role:b] }, b: { members: [role:c] }, c: { members: [user:y] } }",
        "roles: { a: { members: [] }, b: { members: [role:a, role:n] }, c: { members: [role:b] }, n: { members: [role:a] } }",
        "roles: { a: { members: [role:n, role:gone] }, b: { members: [role:a] }, n: { members: [role:c] }, c: { members: [] } }",
        "roles: { gone: { members: [role:n] }, n: { members: [] }, a: { members: [role:gone] } }",
        "roles: { n: { members: [role:a] }, a: { members: [role:gone] } }",
    ]
    .into_iter()
    .enumerate()
    {
        let done = apply(&gateway, yaml, true).await;
        assert!(done.is_ok(), "step {step}: {done:?}");
        assert!(apply(&gateway, yaml, true).await.unwrap().is_empty(), "step {step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_somebody_else_overtook_is_made_anew() {
    let gateway = gateway().await;
    let files = [("p.yaml".to_owned(), "roles: { a: { members: [user:a] } }".to_owned())];
    let other = lakegate::policy::model::Role { name: "a".to_owned(), members: Default::default() };
    // The role is made behind the back of this node, as another one would.
    gateway.app.store.commit("other", vec![Change::CreateRole(other)]).await.unwrap();
    let applied = lakegate::app::policy::apply(&gateway.app, "test", &files, false).await.unwrap();
    assert_eq!(applied.edits, ["~ role a: +user:a"]);
}

/// Everything that a policy can say, with names and texts that YAML could read as something else.
const EVERYTHING: &str = r##"
roles:
  analyst: { members: [group:analysts, user:bo, role:empty] }
  empty: { members: [] }
  "on": { members: ["user:a b", "group:x, y", "user:\u00fc\u2028z", "user:'q\""] }
tags:
  sensitivity: [public, pii]
  "1": ["2", "true", "null", "a.b/c+d-e_f"]
databases:
  s:
    comment: "two lines\n# and: no comment, {or}"
    tags: { sensitivity: public }
    tables:
      t: { tags: { "1": "2" }, columns: { name: { tags: { sensitivity: pii } }, "Sp ace, {x}": { tags: { "1": "null" } }, address.city: { tags: { "1": "true" } } } }
  "null": { comment: "" }
filters:
  eu: { on: s.later, rows: "region = 'EU'", columns: { exclude: [ssn, "a b"] } }
  "~": { on: s.later, columns: { include: [a.b] } }
grants:
  - { to: role:analyst, on: s.later, permissions: [select, insert, alter, drop, describe], filter: eu, grantable: true }
  - { to: role:analyst, on: s.later, permissions: [select], rows: " a  =\n\t'#: \\ \"'" }
  - { to: public, on: s, permissions: [describe, create_table, alter, drop], reason: "because: of\nthis" }
  - { to: public, on: s.*, permissions: [select], columns: { include: [id] }, from: 2026-01-01T00:00:00.000001Z, until: 2999-12-31T23:59:59Z }
  - { to: user:bo, on: { tags: { sensitivity: [public, pii], "1": "2" } }, permissions: [select] }
restrictions:
  - { name: "r: 1", on: [s, s.t.id, s.later, { tags: { sensitivity: pii, "1": [a.b/c+d-e_f, "2"] } }], applies_to: [group:g, user:bo], except: [public], mask: null, priority: -9223372036854775808 }
  - { name: r2, on: s.t.id, mask: { using: "id + 1" }, priority: 7 }
  - { name: r3, on: s.later, rows: "tenant = attr('tenant')", except: role:analyst }
  - { name: r4, on: s.t.address.city, hide: true }
  - { name: r5, on: { tags: { "1": "null" } }, mask: last4 }
"##;

#[test]
fn an_export_is_read_as_the_policy_that_it_is_of() {
    let file = parse("p.yaml", EVERYTHING).unwrap_or_else(|error| panic!("{error}"));
    let set = policy_set(&file);
    let comments =
        file.databases.iter().map(|it| (it.value.name.clone(), it.value.comment.clone())).collect();
    let text = export(&set, &comments);
    let read = parse("export.yaml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(plan(&merge([read.clone()]).unwrap(), &set, &comments, true).unwrap().is_empty(), "{text}");
    let comments_read =
        read.databases.iter().map(|it| (it.value.name.clone(), it.value.comment.clone())).collect();
    // The order of the grants is the export's, so their numbers are others: the texts are compared.
    assert_eq!(export(&policy_set(&read), &comments_read), text);
    assert_eq!(export(&PolicySet::default(), &BTreeMap::new()), "");
}

#[test]
fn any_number_of_comments_may_stand_anywhere() {
    let comments = "# one\n  # two\n".repeat(2000);
    let grant = "  - { to: user:a, on: s.t, permissions: [select] }\n";
    let roles = format!("{comments}roles:\n{comments}  r: {{ members: [user:a] }}\n");
    let read = parse("policy.yaml", &format!("{roles}{comments}grants:\n{comments}{grant}{comments}{grant}"))
        .unwrap();
    assert_eq!((read.roles.len(), read.grants.len()), (1, 2));
}

#[test]
fn every_text_survives_an_export() {
    let mut texts: Vec<String> = (0..0x3100_u32)
        .chain([0xd7ff, 0xe000, 0xfeff, 0xfffd, 0x1_f600, 0x10_ffff])
        .filter_map(char::from_u32)
        .map(|letter| format!("a{letter}b"))
        .collect();
    texts.extend(
        [
            "",
            " ",
            "#",
            "- a",
            "a: b",
            "a #b",
            "~",
            "=",
            "<<",
            "{a}",
            "[a",
            "0x1",
            "1e5",
            ".5",
            "2026-01-01",
            "a:",
            "%a",
            "!a",
            "&a",
            "*a",
            "\\",
            "\"",
            "'",
        ]
        .map(str::to_owned),
    );
    let grants: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(id, text)| {
            let spec = GrantSpec::new(
                Principal::User(format!("u{text}")),
                "s".parse().unwrap(),
                [Permission::Describe].into(),
            );
            GrantSpec { reason: Some(text.clone()), ..spec }.with_id(format!("{id:05}"))
        })
        .collect();
    let set = PolicySet { grants, ..PolicySet::default() };
    let text = export(&set, &BTreeMap::new());
    let read = merge([parse("export.yaml", &text).unwrap_or_else(|error| panic!("{error}"))]).unwrap();
    assert_eq!(read.grants.len(), texts.len());
    let edits = plan(&read, &set, &BTreeMap::new(), true).unwrap();
    assert!(edits.is_empty(), "{edits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_makes_the_same_policy_in_an_empty_store() {
    let gateway = gateway().await;
    let everything = EVERYTHING
        .replace(
            ", \"Sp ace, {x}\": { tags: { \"1\": \"null\" } }, address.city: { tags: { \"1\": \"true\" } }",
            "",
        )
        .replace("s.t.address.city", "s.later.address.city");
    apply(&gateway, &everything, false).await.unwrap();
    let exported = gateway.get("admin", "/v1/policy/export").await;
    assert_eq!(exported.headers["content-type"], "application/yaml");
    let text = exported.text();
    let body = json!({ "files": [{ "name": "export.yaml", "text": text }], "prune": true });
    let planned = gateway.post("admin", "/v1/policy/plan", &body).await;
    assert_eq!(planned.json()["edits"], json!([]), "{}", planned.text());

    let other = Gateway::start().await;
    let applied = other.post("admin", "/v1/policy/apply", &body).await;
    assert_eq!(applied.status, 200, "{}", applied.text());
    assert_eq!(other.get("admin", "/v1/policy/export").await.text(), text);
    let rules = |gateway: &Gateway| {
        let mut policy = gateway.app.state().state.policy();
        policy.grants.sort_by_key(|grant| GrantSpec::from(grant).to_string());
        policy.grants.iter_mut().for_each(|grant| grant.id.clear());
        policy
    };
    assert_eq!(rules(&other), rules(&gateway));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_manage_the_policy_as_files() {
    let gateway = gateway().await;
    let body = json!({ "files": [{ "name": "p.yaml", "text": "roles: { a: { members: [user:bo] } }" }] });
    for path in ["/v1/policy/plan", "/v1/policy/apply"] {
        assert_eq!(gateway.post("bo", path, &body).await.code(), "permission_denied", "{path}");
        let none = gateway.post("admin", path, &json!({ "files": [], "prune": true })).await;
        assert_eq!(none.code(), "invalid_request", "{path}");
        let wrong =
            gateway.post("admin", path, &json!({ "files": [{ "name": "p.yaml", "text": "a:\n b" }] })).await;
        assert!(wrong.json()["detail"].as_str().unwrap().starts_with("p.yaml:1:1: a: "), "{}", wrong.text());
    }
    assert_eq!(gateway.get("bo", "/v1/policy/export").await.code(), "permission_denied");
    let planned = gateway.post("admin", "/v1/policy/plan", &body).await.json();
    assert_eq!(planned["edits"], json!(["+ role a with user:bo"]));
    let applied = gateway.post("admin", "/v1/policy/apply", &body).await.json();
    assert_eq!(applied["edits"], planned["edits"]);
    assert!(applied["version"].as_i64() > planned["version"].as_i64());
    let log = gateway.get("admin", "/v1/audit?action=create_role").await.json();
    assert_eq!(log["items"][0]["actor"], "admin", "{log}");
}

/// Runs `lakegate policy` with `arguments` on the gateway's store: exit code, standard output, standard error.
pub async fn run(gateway: &Gateway, arguments: &[&str], file: &str) -> (i32, String, String) {
    let path = gateway.folder.path().join("policy.yaml");
    std::fs::write(&path, file).unwrap();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_lakegate"))
        .arg("policy")
        .args(arguments)
        .args((arguments != ["export"]).then_some(&path))
        .arg("--config")
        .arg(gateway.folder.path().join("lakegate.toml"))
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).unwrap().replace(&path.display().to_string(), "policy.yaml")
    };
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_tells_by_its_exit_code() {
    let gateway = gateway().await;
    let role = "roles: { a: { members: [user:bo] } }";
    let (code, out, words) = run(&gateway, &["plan"], role).await;
    assert_eq!(
        (code, out.as_str(), words.contains("1 changes")),
        (2, "+ role a with user:bo\n", true),
        "{words}"
    );
    assert_eq!(run(&gateway, &["apply"], role).await.0, 0);
    let (code, out, _) = run(&gateway, &["plan"], role).await;
    assert_eq!((code, out.as_str()), (0, ""));
    let exported = run(&gateway, &["export"], "").await;
    assert_eq!(
        (exported.0, exported.1.as_str()),
        (0, "roles:\n  a: { members: [user:bo] }\n\ndatabases:\n  s:\n")
    );
    let (code, out, _) = run(&gateway, &["plan", "--prune"], "# nothing").await;
    assert_eq!((code, out.as_str()), (2, "- role a\n"));
    let (code, out, words) = run(&gateway, &["plan"], "grants:\n  - { to: bo }").await;
    assert_eq!((code, out.as_str()), (1, ""), "a mistake is not a difference");
    assert!(words.contains("policy.yaml:2:11: grants[0].to: `bo` is not a principal"), "{words}");
}
