//! The migrations as files: what `migrations/README.md` promises.

use std::collections::BTreeSet;

use sqlx::any::install_default_drivers;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use crate::support::postgres::PostgresServer;

#[test]
fn both_dialects_have_the_same_migrations() {
    let names = |dialect: &str| {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect);
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}

/// The version that a table had before versions were noted is one of them.
#[tokio::test]
async fn a_table_that_was_there_keeps_its_version() {
    install_default_drivers();
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}/store.db?mode=rwc", folder.path().display());
    let postgres = PostgresServer::shared().await.database().await;
    for (dialect, url) in [("sqlite", sqlite), ("postgres", postgres)] {
        let mut store = AnyConnection::connect(&url).await.unwrap();
        let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(dialect);
        let mut files =
            std::fs::read_dir(files).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>();
        files.sort();
        for file in files.iter().filter(|file| file.file_name().unwrap() <= "0007_table_versions.sql") {
            if file.file_name().unwrap() == "0007_table_versions.sql" {
                let there = "INSERT INTO databases VALUES ('s', NULL, 1);
                    INSERT INTO lake_tables (database_name, name, id, location, format, version, schema_json,
                        partition_columns, created_at, updated_at, revision)
                    VALUES ('s', 'delta', 'one', 'x', 'delta', 5, '{}', '[]', 1, 2, 1),
                        ('s', 'csv', 'two', 'y', 'csv', NULL, '{}', '[]', 1, 2, 1)";
                store.execute(there).await.unwrap();
            }
            let sql = std::fs::read_to_string(file).unwrap();
            store.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let found: Vec<(String, i64, i64)> =
            sqlx::query_as("SELECT table_id, version, published_at FROM table_versions")
                .fetch_all(&mut store)
                .await
                .unwrap();
        assert_eq!(found, [("one".to_owned(), 5, 2)], "{dialect}");
    }
}
