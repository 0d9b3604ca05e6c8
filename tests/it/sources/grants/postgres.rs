//! Roles, columns, policies and hostile names of a real PostgreSQL server.

use std::collections::BTreeSet;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, PgConnection, Postgres, Row};

use super::{Compared, Seen, compared, governed, printed, seen_here, seen_there, told};
use crate::sources::postgres;

/// A name that would be a grant to everybody, were it not in quotes.
const HOSTILE: &str = "x\"y: #'\n- {to: public} \u{2028}# ";

/// `{d}` is the name of the database: roles are the server's, and so those of all tests.
const ROLES: &str = "
    CREATE ROLE staff_{d}; CREATE ROLE sales_{d} IN ROLE staff_{d}; CREATE ROLE \"odd.{d}\" IN ROLE staff_{d};
    CREATE ROLE holds_{d}; CREATE ROLE lead_{d} LOGIN;
    CREATE ROLE ana_{d} LOGIN IN ROLE sales_{d}; CREATE ROLE bo_{d} LOGIN IN ROLE staff_{d};
    CREATE ROLE cy_{d} LOGIN NOINHERIT IN ROLE sales_{d}; CREATE ROLE dee_{d} LOGIN;
    CREATE ROLE eve_{d} LOGIN BYPASSRLS IN ROLE staff_{d}; CREATE ROLE own_{d} LOGIN IN ROLE holds_{d};
    CREATE ROLE deputy_{d} LOGIN IN ROLE lead_{d}; CREATE ROLE odd_{d} LOGIN IN ROLE \"odd.{d}\";
    CREATE ROLE all_{d} LOGIN IN ROLE pg_read_all_data; CREATE ROLE root_{d} LOGIN SUPERUSER;
    CREATE ROLE both_{d} LOGIN IN ROLE sales_{d}, holds_{d};";

const USERS: [&str; 12] =
    ["ana", "bo", "cy", "dee", "eve", "own", "lead", "deputy", "odd", "all", "root", "both"];

const TABLES: &str = "
    CREATE TABLE plain (id int, name text, pay int);
    INSERT INTO plain VALUES (1, 'a', 10), (2, NULL, 20), (3, 'c', 30);
    GRANT SELECT, INSERT ON plain TO staff_{d};
    CREATE TABLE cols (id int, name text, secret text);
    INSERT INTO cols VALUES (1, 'a', 'x'), (2, 'b', 'y');
    GRANT SELECT (id, name) ON cols TO staff_{d}; GRANT SELECT (secret) ON cols TO dee_{d}, sales_{d}; GRANT INSERT (id) ON cols TO dee_{d};
    CREATE TABLE pub (id int); INSERT INTO pub VALUES (1), (2); GRANT SELECT ON pub TO PUBLIC;
    CREATE TABLE led (id int); INSERT INTO led VALUES (1); GRANT SELECT ON led TO lead_{d};
    CREATE TABLE nobodys (id int); INSERT INTO nobodys VALUES (1);
    CREATE SCHEMA closed; CREATE TABLE closed.hidden (id int); INSERT INTO closed.hidden VALUES (1);
    GRANT SELECT ON closed.hidden TO staff_{d}, dee_{d}; GRANT USAGE ON SCHEMA closed TO dee_{d};

    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE rows (id int, owner varchar, region text, open bool, kind mood, day date);
    INSERT INTO rows VALUES (1, 'ana_{d}', 'EU', true, 'ok', '2024-01-01'), (2, 'bo_{d}', 'US', true, 'sad', '2023-01-01'),
      (3, 'dee_{d}', NULL, false, NULL, NULL), (4, NULL, 'UK', NULL, 'ok', '2025-01-01'), (5, 'cy_{d}', 'UK', true, 'sad', '2022-01-01'),
      (6, 'deputy_{d}', 'EU', true, 'ok', '1999-01-01'), (7, 'odd_{d}', 'EU', false, 'ok', '2024-05-05');
    ALTER TABLE rows OWNER TO holds_{d}; ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
    GRANT SELECT, INSERT ON rows TO staff_{d}; GRANT SELECT (id, owner, region) ON rows TO dee_{d}, lead_{d};
    CREATE POLICY mine ON rows USING (owner = current_user);
    CREATE POLICY region ON rows FOR SELECT TO sales_{d} USING (region IN ('EU', 'UK') AND NOT (kind = 'sad' AND day < '2023-01-01'));
    CREATE POLICY open ON rows TO lead_{d} USING (open IS NOT FALSE AND id NOT IN (1, 99));
    CREATE POLICY writes ON rows FOR INSERT TO staff_{d} WITH CHECK (true);
    CREATE POLICY held ON rows AS RESTRICTIVE TO sales_{d} USING (day >= '2023-06-01' OR owner = current_user);
    CREATE POLICY small ON rows AS RESTRICTIVE USING (id <= 6);

    CREATE TABLE fuzzy (id int, region text); INSERT INTO fuzzy VALUES (1, 'North'), (2, 'South'), (3, 'EU');
    ALTER TABLE fuzzy ENABLE ROW LEVEL SECURITY; GRANT SELECT ON fuzzy TO staff_{d}, dee_{d};
    CREATE POLICY likes ON fuzzy TO staff_{d} USING (region LIKE 'N%');
    CREATE POLICY three ON fuzzy USING (id = 3);
    CREATE TABLE guarded (id int, note text); INSERT INTO guarded VALUES (1, 'a'), (2, 'long');
    ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; GRANT SELECT ON guarded TO staff_{d}, dee_{d};
    CREATE POLICY everything ON guarded USING (true);
    CREATE POLICY long ON guarded AS RESTRICTIVE TO sales_{d} USING (length(note) > 1);
    CREATE FUNCTION is_fine(int) RETURNS bool LANGUAGE sql AS 'SELECT $1 = 1';
    CREATE TABLE called (id int); INSERT INTO called VALUES (1), (2);
    ALTER TABLE called ENABLE ROW LEVEL SECURITY; GRANT SELECT ON called TO dee_{d};
    CREATE POLICY fine ON called USING (is_fine(id));
    CREATE TYPE other AS ENUM ('ok'); CREATE FUNCTION never(other, other) RETURNS bool LANGUAGE sql AS 'SELECT false';
    CREATE OPERATOR = (LEFTARG = other, RIGHTARG = other, FUNCTION = never);
    CREATE TABLE twisted (id int, kind other); INSERT INTO twisted VALUES (1, 'ok');
    ALTER TABLE twisted ENABLE ROW LEVEL SECURITY; GRANT SELECT ON twisted TO dee_{d};
    CREATE POLICY twist ON twisted USING (kind = 'ok');
    CREATE TABLE denied (id int); INSERT INTO denied VALUES (1);
    ALTER TABLE denied ENABLE ROW LEVEL SECURITY; GRANT SELECT ON denied TO staff_{d};
    CREATE TABLE forced (id int); INSERT INTO forced VALUES (1), (2), (3); ALTER TABLE forced OWNER TO holds_{d};
    ALTER TABLE forced ENABLE ROW LEVEL SECURITY; ALTER TABLE forced FORCE ROW LEVEL SECURITY; GRANT SELECT ON forced TO staff_{d};
    CREATE POLICY two ON forced TO holds_{d} USING (id <= 2);
    CREATE POLICY three ON forced TO sales_{d} USING (id >= 3);

    CREATE VIEW seen AS SELECT id, upper(name) AS name FROM plain WHERE pay > 10; GRANT SELECT ON seen TO dee_{d};
    CREATE VIEW over AS SELECT count(*) AS n FROM seen; GRANT SELECT ON over TO dee_{d};
    CREATE VIEW asks AS SELECT id FROM plain WHERE current_user = 'postgres'; GRANT SELECT ON asks TO dee_{d}, staff_{d};
    CREATE VIEW sets AS SELECT id FROM plain WHERE current_setting('role') <> 'x'; GRANT SELECT ON sets TO dee_{d};
    CREATE VIEW invoked WITH (security_invoker) AS SELECT id FROM plain; GRANT SELECT ON invoked TO dee_{d}, staff_{d};
    CREATE VIEW over_invoked AS SELECT id FROM invoked; GRANT SELECT ON over_invoked TO dee_{d};
    CREATE VIEW over_rows AS SELECT id FROM rows; GRANT SELECT ON over_rows TO dee_{d};
    CREATE MATERIALIZED VIEW kept AS SELECT id, current_user AS who FROM plain; GRANT SELECT ON kept TO dee_{d};
    CREATE TABLE parts (id int) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    INSERT INTO parts VALUES (1), (2); GRANT SELECT ON parts TO dee_{d}; GRANT SELECT ON parts_1 TO bo_{d};
    CREATE TABLE \"t: # {x}\" (\"c: '\"\"\n#\" int, \"A\" int); INSERT INTO \"t: # {x}\" VALUES (1, 2);";

/// Who sees less of what, for reasons that the file gives. All others see the same.
const LESS: [(&str, &str); 24] = [
    ("root", "*"),
    // Sees all rows in the source.
    ("eve", "rows"),
    ("eve", "fuzzy"),
    ("eve", "denied"),
    ("eve", "forced"),
    // A condition that cannot be said.
    ("ana", "fuzzy"),
    ("both", "fuzzy"),
    ("bo", "fuzzy"),
    ("odd", "fuzzy"),
    ("ana", "guarded"),
    ("both", "guarded"),
    ("dee", "called"),
    ("all", "called"),
    // Views that show each reader something else, or may.
    ("dee", "sets"),
    ("all", "sets"),
    ("ana", "invoked"),
    ("both", "invoked"),
    ("bo", "invoked"),
    ("eve", "invoked"),
    ("odd", "invoked"),
    ("all", "invoked"),
    ("all", "over_invoked"),
    ("dee", "over_rows"),
    ("all", "over_rows"),
];

async fn setup() -> (String, String, PgConnection) {
    let (url, mut admin) = postgres::database("SELECT 1").await;
    let database = url.rsplit('/').next().unwrap().to_owned();
    let hostile = format!("\"{}\"", format!("{HOSTILE}{database}").replace('"', "\"\""));
    let more = format!(
        "CREATE ROLE {hostile} LOGIN; GRANT SELECT ON \"t: # {{x}}\" TO {hostile}; GRANT SELECT ON rows TO {hostile};
         CREATE POLICY {hostile} ON rows TO {hostile} USING (region = 'U''S' OR id = 2);
         CREATE POLICY {hostile} ON fuzzy TO {hostile} USING (region ~ E'\\n- {{ to: public }}');"
    );
    let statements = format!("{ROLES}{TABLES}{more}").replace("{d}", &database);
    admin.execute(AssertSqlSafe(statements)).await.unwrap();
    (url, database, admin)
}

async fn seen_by(url: &str, user: &str, table: &str, columns: &[String]) -> Option<Seen> {
    let options = PgConnectOptions::from_str(url).unwrap().username(user);
    let mut connection = options.connect().await.unwrap();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    seen_there::<Postgres>(&mut connection, table, columns, quoted, |name| format!("{name}::text")).await
}

#[tokio::test]
async fn each_user_sees_here_what_they_see_there_or_less() {
    let (url, database, mut admin) = setup().await;
    let (gateway, text) = governed(&url, &["--tables", "*,closed.*"]).await;
    let columns = "SELECT n.nspname::text, c.relname::text, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
         WHERE n.nspname IN ('public', 'closed') AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition GROUP BY 1, 2";
    let tables = admin.fetch_all(columns).await.unwrap();
    let (mut same, mut less) = (0, BTreeSet::new());
    let hostile = format!("{HOSTILE}{database}");
    let users = USERS.map(|user| (user, format!("{user}_{database}")));
    for (short, user) in users.iter().map(|(short, user)| (*short, user)).chain([("hostile", &hostile)]) {
        for table in &tables {
            let (schema, name) = (table.get::<String, _>(0), table.get::<String, _>(1));
            let full = format!("{schema}.\"{name}\"");
            let there = seen_by(&url, user, &full, &table.get::<Vec<String>, _>(2)).await;
            let here = seen_here(&gateway, user, &name).await;
            match compared(here.as_ref(), there.as_ref()) {
                Compared::Same => same += usize::from(here.is_some_and(|here| !here.is_empty())),
                Compared::Less => drop(less.insert((short, name.clone()))),
                Compared::More => panic!("{user} {full}: {here:?} and not {there:?}\n{text}"),
            }
            let is_told = LESS.iter().any(|(of, what)| *of == short && (*what == name || *what == "*"));
            assert!(
                is_told || !less.contains(&(short, name.clone())),
                "{user} {full}: less than {there:?}\n{text}"
            );
        }
    }
    let expected = LESS.iter().filter(|(_, what)| *what != "*");
    let missing =
        expected.filter(|(of, what)| !less.contains(&(*of, (*what).to_owned()))).collect::<Vec<_>>();
    assert!(missing.is_empty(), "not less: {missing:?}\n{text}");
    assert!(same > 50, "{same}");
    // Whoever has no account in the source has nothing here, also where it is for PUBLIC.
    assert_eq!(seen_here(&gateway, "stranger", "pub").await, None);
}

#[tokio::test]
async fn the_file_says_why_something_is_left_out() {
    let (url, database, mut admin) = setup().await;
    let output = printed(&url, &["--exclude", "plain"]);
    let text = told(&output);
    for expected in [
        format!("`root_{database}` is a superuser"),
        format!("`eve_{database}` has BYPASSRLS"),
        format!("`cy_{database}` has `sales_{database}` only after SET ROLE"),
        format!("`odd.{database}` cannot be a role here"),
        "withheld: the policy `likes` cannot be said here with certainty".to_owned(),
        "it has functions or operators that are not the server's own".to_owned(),
        "reads with the rights of its reader (security_invoker)".to_owned(),
        "stands for the policy `long`".to_owned(),
        "some may add rows with values of certain columns alone".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected}\n{text}");
    }
    assert!(!text.contains("shop.plain"), "{text}");
    let prefixed = told(&printed(&url, &["--tables", "plain", "--roles-prefix", "src "]));
    assert!(prefixed.contains(&format!("\"role:src staff_{database}\"")), "{prefixed}");
    assert!(prefixed.contains("permissions: [select, insert]"), "{prefixed}");
    // Any account can tell, and one that may not connect is no user.
    let statement = format!(
        "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC; GRANT CONNECT ON DATABASE {database} TO bo_{database}"
    );
    admin.execute(AssertSqlSafe(statement)).await.unwrap();
    let text = told(&printed(&url.replace("postgres@", &format!("bo_{database}@")), &["--tables", "pub"]));
    let members = text.lines().find(|line| line.starts_with("  public:")).unwrap();
    assert_eq!(members, format!("  public: {{ members: [user:bo_{database}] }}"));
    let output = printed(&url, &["--tables", "plian"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
}
