//! Whose a view is: who may replace it, who may drop it, and what others learn of it.

use crate::support::gateway::Gateway;

const POLICY: &str = "
grants:
  - { to: 'user:bo', on: s, permissions: [create_table] }
  - { to: 'user:cy', on: s, permissions: [create_table] }
  - { to: 'user:bo', on: s.t, permissions: [select] }
  - { to: 'user:cy', on: s.t, permissions: [select] }
  - { to: 'user:bo', on: s.shown, permissions: [select] }
  - { to: 'user:ana', on: s.hidden, permissions: [select] }
  - { to: 'user:ana', on: s.t, permissions: [select] }
";

async fn gateway() -> Gateway {
    let gateway = Gateway::start().await.with_csv("s.t", "a\n1").await.with_csv("s.secret", "b\n2").await;
    for view in ["shown", "hidden"] {
        let made = gateway.sql("admin", &format!("CREATE VIEW s.{view} AS SELECT a FROM s.t")).await;
        assert_eq!(made.status, 200, "{}", made.text());
    }
    gateway.with_policy(POLICY).await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_maker_and_who_may_alter_it_replace_a_view() {
    let gateway = gateway().await;
    let told = async |who: &str, sql: &str| {
        let answer = gateway.sql(who, sql).await;
        match answer.status {
            200 => "done".to_owned(),
            _ => format!("{}: {}", answer.code(), answer.json()["detail"].as_str().unwrap()),
        }
    };
    let taken = |name: &str| format!("conflict: the name `s.{name}` is taken");
    // What bo may not see is taken and nothing else, table or view, replaced or not.
    for name in ["hidden", "secret"] {
        for how in ["CREATE VIEW", "CREATE OR REPLACE VIEW"] {
            assert_eq!(
                told("bo", &format!("{how} s.{name} AS SELECT 1 AS mine")).await,
                taken(name),
                "{how}"
            );
        }
    }
    assert_eq!(gateway.sql("ana", "SELECT * FROM s.hidden").await.json()["columns"][0]["name"], "a");
    let replaced = told("bo", "CREATE OR REPLACE VIEW s.shown AS SELECT 1 AS mine").await;
    assert_eq!(replaced, "permission_denied: replacing `s.shown` needs the permission `alter` on it");
    assert_eq!(told("bo", "CREATE VIEW s.own AS SELECT a FROM s.t").await, "done");
    assert_eq!(told("bo", "CREATE OR REPLACE VIEW s.own AS SELECT a + 1 AS a FROM s.t").await, "done");
    assert_eq!(told("cy", "CREATE OR REPLACE VIEW s.own AS SELECT a FROM s.t").await, taken("own"));
    gateway.apply("grants: [{ to: 'user:cy', on: s.own, permissions: [alter] }]").await.unwrap();
    assert_eq!(told("cy", "CREATE OR REPLACE VIEW s.own AS SELECT a FROM s.t").await, "done");
    assert_ne!(told("cy", "DROP VIEW s.own").await, "done", "who alters a view is not its maker");
    assert_eq!(told("admin", "CREATE OR REPLACE VIEW s.shown AS SELECT a FROM s.t").await, "done");
    assert_eq!(told("bo", "DROP VIEW s.own").await, "done", "its maker is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_dropped_by_its_maker_and_hidden_from_others() {
    let gateway = gateway().await;
    let told = async |who: &str, sql: &str| {
        let answer = gateway.sql(who, sql).await;
        if answer.status == 200 { "done".to_owned() } else { answer.code() }
    };
    assert_eq!(told("bo", "CREATE VIEW s.own AS SELECT a FROM s.t").await, "done");
    // Hidden and missing are one, also with IF EXISTS.
    for name in ["s.hidden", "s.nothing", "s.own"] {
        assert_eq!(told("cy", &format!("DROP VIEW {name}")).await, "table_not_found", "{name}");
        assert_eq!(told("cy", &format!("DROP VIEW IF EXISTS {name}")).await, "done", "{name}");
    }
    assert_eq!(told("ana", "SELECT a FROM s.hidden").await, "done", "nothing was dropped");
    assert_eq!(told("bo", "DROP VIEW s.shown").await, "permission_denied");
    assert_eq!(told("bo", "DROP VIEW s.own").await, "done");
    assert_eq!(told("bo", "DROP VIEW s.own").await, "table_not_found");
}

/// A text in a view's query is that text for everybody who reads it.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_keeps_the_texts_of_its_query() {
    let gateway = gateway().await;
    for value in ["it's", "a''b", r"x\' OR 1=1 --", r"\"] {
        let literal = value.replace('\'', "''");
        let made =
            gateway.sql("admin", &format!("CREATE OR REPLACE VIEW s.text AS SELECT '{literal}' AS v")).await;
        assert_eq!(made.status, 200, "{}", made.text());
        gateway.apply("grants: [{ to: 'user:ana', on: s.text, permissions: [select] }]").await.unwrap();
        assert_eq!(gateway.sql("ana", "SELECT v FROM s.text").await.json()["rows"][0][0], value);
    }
}
