//! Accounts, roles, patterns, columns and views of a real MariaDB server.

use std::collections::BTreeSet;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySql, Row};

use super::{Compared, Seen, compared, governed, printed, seen_here, seen_there, told};
use crate::sources::mysql;
use crate::support::mariadb::MariaDbServer;

const HOSTILE: &str = "x'y: #\n- {to: public} \u{2028}";

/// `{d}` is the name of the database: accounts are the server's, and so those of all tests.
const SETUP: &str = "
    CREATE TABLE whole (id int, name varchar(20), pay int);
    INSERT INTO whole VALUES (1, 'a', 10), (2, NULL, 20);
    CREATE TABLE part (id int, `Name` varchar(20), `se``cret` varchar(20));
    INSERT INTO part VALUES (1, 'a', 'x'), (2, 'b', 'y');
    CREATE TABLE pub (id int); INSERT INTO pub VALUES (1);
    CREATE TABLE `t: # {x}` (id int); INSERT INTO `t: # {x}` VALUES (7);
    CREATE VIEW same AS SELECT id, upper(name) AS name FROM whole WHERE pay > 10;
    CREATE VIEW over_same AS SELECT count(*) AS n FROM same;
    CREATE VIEW asks AS SELECT id FROM whole WHERE substring_index(user(), '@', 1) = 'lake';
    CREATE SQL SECURITY INVOKER VIEW invoked AS SELECT id FROM whole;
    CREATE VIEW over_asks AS SELECT id FROM asks;
    CREATE ROLE inner_{d}; CREATE ROLE outer_{d}; CREATE ROLE wild_{d};
    GRANT SELECT ON {d}.part TO inner_{d}; GRANT inner_{d} TO outer_{d}; GRANT SELECT, INSERT ON {d}.whole TO outer_{d};
    GRANT SELECT ON `{d}%`.* TO wild_{d};
    CREATE USER every_{d}@'%'; GRANT SELECT ON *.* TO every_{d}@'%';
    CREATE USER schema_{d}@'%'; GRANT SELECT ON {d}.* TO schema_{d}@'%';
    CREATE USER pattern_{d}@'%'; GRANT SELECT ON `{p}%`.* TO pattern_{d}@'%';
    CREATE USER shadow_{d}@'%'; GRANT SELECT ON `{p}%`.* TO shadow_{d}@'%'; GRANT INSERT ON `{e}`.* TO shadow_{d}@'%';
    CREATE USER near_{d}@'%'; GRANT SELECT ON `{e}x`.* TO near_{d}@'%';
    CREATE USER tab_{d}@'%'; GRANT SELECT ON {d}.whole TO tab_{d}@'%'; GRANT SELECT ON {d}.same TO tab_{d}@'%';
    CREATE USER col_{d}@'%'; GRANT SELECT (ID, `name`), INSERT (id) ON {d}.part TO col_{d}@'%';
    CREATE USER ana_{d}@'%'; GRANT outer_{d} TO ana_{d}@'%'; SET DEFAULT ROLE outer_{d} FOR ana_{d}@'%';
    CREATE USER asks_{d}@'%'; GRANT outer_{d} TO asks_{d}@'%'; GRANT SELECT ON {d}.asks TO asks_{d}@'%';
    GRANT SELECT ON {d}.over_asks TO asks_{d}@'%'; GRANT SELECT ON {d}.over_same TO asks_{d}@'%'; GRANT SELECT ON {d}.invoked TO asks_{d}@'%';
    CREATE USER wide_{d}@'%'; GRANT wild_{d} TO wide_{d}@'%'; SET DEFAULT ROLE wild_{d} FOR wide_{d}@'%';
    CREATE USER two_{d}@'%'; GRANT SELECT ON {d}.whole TO two_{d}@'%'; GRANT SELECT ON {d}.part TO two_{d}@'%';
    CREATE USER two_{d}@'127.0.0.1'; GRANT SELECT ON {d}.part TO two_{d}@'127.0.0.1';
    CREATE USER far_{d}@'%'; GRANT SELECT (id) ON {d}.part TO far_{d}@'%';
    CREATE USER far_{d}@'127.0.0.1'; GRANT SELECT ON {d}.* TO far_{d}@'127.0.0.1';
    CREATE USER locked_{d}@'%' ACCOUNT LOCK; GRANT SELECT ON {d}.* TO locked_{d}@'%';
    CREATE USER none_{d}@'%'; CREATE USER root_{d}@'%'; GRANT ALL ON *.* TO root_{d}@'%';
    GRANT SELECT ON {d}.pub TO PUBLIC";

const USERS: [&str; 14] = [
    "every", "schema", "pattern", "shadow", "near", "tab", "col", "ana", "asks", "wide", "two", "far",
    "none", "root",
];

/// Who sees less of what, for reasons that the file gives. All others see the same.
const LESS: [(&str, &str); 14] = [
    ("root", "*"),
    // What is one account's and not the other's.
    ("far", "*"),
    ("two", "whole"),
    // Views that show each reader something else, or may.
    ("every", "asks"),
    ("every", "over_asks"),
    ("every", "invoked"),
    ("schema", "invoked"),
    ("pattern", "invoked"),
    ("wide", "invoked"),
    ("schema", "asks"),
    ("schema", "over_asks"),
    ("pattern", "asks"),
    ("wide", "asks"),
    ("wide", "over_asks"),
];

async fn setup() -> (String, String) {
    let url = mysql::database(&[]).await;
    let database = url.rsplit('/').next().unwrap().to_owned();
    let escaped = database.replace('_', "\\_");
    let hostile = format!("'{}{database}'@'%'", HOSTILE.replace('\'', "''"));
    let more = format!(";CREATE USER {hostile};GRANT SELECT ON {database}.`t: # {{x}}` TO {hostile}");
    let statements = format!("{SETUP}{more}").replace("{d}", &database).replace("{e}", &escaped);
    let statements = statements.replace("{p}", &escaped);
    mysql::run(&url, &statements.split(';').collect::<Vec<_>>()).await;
    (url, database)
}

/// Without a database, since who has a privilege on one table of it through PUBLIC alone may not enter it.
async fn connected(user: &str) -> MySqlConnection {
    let port = MariaDbServer::shared().await.port();
    let options = MySqlConnectOptions::new().host("127.0.0.1").port(port).username(user);
    options.connect().await.unwrap_or_else(|error| panic!("{user}: {error}"))
}

async fn seen_by(connection: &mut MySqlConnection, table: &str, columns: &[String]) -> Option<Seen> {
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    seen_there::<MySql>(connection, table, columns, quoted, |name| format!("CAST({name} AS CHAR)")).await
}

#[tokio::test]
async fn each_user_sees_here_what_they_see_there_or_less() {
    let (url, database) = setup().await;
    let (gateway, text) = governed(&url, &["--tables", "*"]).await;
    let mut admin = MySqlConnection::connect(&url).await.unwrap();
    let sql = format!(
        "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns \
         WHERE table_schema = '{database}' ORDER BY table_name, ordinal_position"
    );
    let mut tables = std::collections::BTreeMap::<String, Vec<String>>::new();
    for row in admin.fetch_all(AssertSqlSafe(sql)).await.unwrap() {
        tables.entry(row.get(0)).or_default().push(row.get(1));
    }
    assert_eq!(tables.len(), 9);
    let (mut same, mut less) = (0, BTreeSet::new());
    let users = USERS.map(|user| (user, format!("{user}_{database}")));
    let hostile = ("hostile", format!("{HOSTILE}{database}"));
    for (short, user) in users.iter().chain([&hostile]) {
        let mut connection = connected(user).await;
        for (table, columns) in &tables {
            let full = format!("`{database}`.`{table}`");
            let there = seen_by(&mut connection, &full, columns).await;
            let here = seen_here(&gateway, user, table).await;
            let is_told = LESS.iter().any(|(of, what)| of == short && (*what == table || *what == "*"));
            match compared(here.as_ref(), there.as_ref()) {
                Compared::Same => same += usize::from(here.is_some_and(|here| !here.is_empty())),
                Compared::Less => {
                    assert!(is_told, "{user} {table}: {here:?} is less than {there:?}\n{text}");
                    less.insert((*short, table.as_str()));
                }
                Compared::More => panic!("{user} {table}: {here:?} and not {there:?}\n{text}"),
            }
        }
    }
    let expected = LESS.iter().filter(|(_, what)| *what != "*" && !what.contains("asks"));
    let missing = expected.filter(|rule| !less.contains(rule)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "not less: {missing:?}\n{text}");
    assert!(same > 25, "{same}");
    for (user, table) in [("stranger", "pub"), (&format!("locked_{database}"), "whole")] {
        assert_eq!(seen_here(&gateway, user, table).await, None, "{user}");
    }
    for expected in [
        "several accounts",
        "only after SET ROLE",
        "SQL SECURITY INVOKER",
        "has SUPER",
        "certain columns alone",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(text.contains(&format!("  outer_{database}: {{ members: [user:ana_{database}] }}")), "{text}");
    assert!(text.contains(&format!("  inner_{database}: {{ members: [role:outer_{database}] }}")), "{text}");
}

#[tokio::test]
async fn an_account_that_may_not_read_the_privileges_is_told() {
    let (url, database) = setup().await;
    let place = url.rsplit('@').next().unwrap();
    let output = printed(&format!("mysql://schema_{database}@{place}"), &["--tables", "*"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("which takes `SELECT` on the schema `mysql`"), "{words}");
    // One that may read everything may read those too.
    told(&printed(&format!("mysql://every_{database}@{place}"), &["--tables", "*"]));
}
