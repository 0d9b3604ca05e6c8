//! Tables at the size of what people have: as many columns as the servers take, and texts of 50 MB.

use lakegate::ingest::mode::Mode;
use serde_json::json;

use crate::support::house::{House, sources};

const COLUMNS: usize = 1500;

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_1500_columns_keep_every_value() {
    let folder = tempfile::tempdir().unwrap();
    for url in sources(folder.path()).await {
        let (quote, end) = if url.starts_with("mysql") { ('`', " ENGINE = MyISAM") } else { ('"', "") };
        // Names with capitals, spaces, letters of others and words of SQL.
        let name = |at: usize| match at % 4 {
            0 => format!("Select {at}"),
            1 => format!("größe_{at}"),
            2 => format!("列{at}"),
            _ => format!("c{at}"),
        };
        let columns =
            (0..COLUMNS).map(|at| format!("{quote}{}{quote} smallint", name(at))).collect::<Vec<_>>();
        let value = |row: usize, at: usize| {
            if (row + at).is_multiple_of(7) { None } else { Some((row * 31 + at) % 30_000) }
        };
        let row = |row: usize| {
            let text = |at| value(row, at).map_or("NULL".to_owned(), |value| value.to_string());
            format!("({})", (0..COLUMNS).map(text).collect::<Vec<_>>().join(", "))
        };
        let rows = (0..20).map(row).collect::<Vec<_>>().join(", ");
        let create = format!("CREATE TABLE wide ({}){end}", columns.join(", "));
        let house = House::with(url.clone(), &[&create, &format!("INSERT INTO wide VALUES {rows}")]).await;
        assert_eq!(house.runs("wide", &Mode::Snapshot).await, 20, "{url}");
        let found = house.lake("SELECT * FROM shop.wide ORDER BY \"c3\", \"c7\"").await;
        let mut expected = (0..20)
            .map(|row| json!((0..COLUMNS).map(|at| value(row, at)).collect::<Vec<_>>()))
            .collect::<Vec<_>>();
        // NULL comes last, as the gateway has it.
        let key = |row: &serde_json::Value| [3, 7].map(|at: usize| row[at].as_i64().unwrap_or(i64::MAX));
        expected.sort_by_key(key);
        assert_eq!(found, json!(expected), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_50_megabytes_pass() {
    const LENGTH: usize = 50 << 20;
    /// SHA-256 of so many letters.
    const HASH: &str = "a27017450ed5f6ac334ffa9be401a5ae1f24465aac9b98a790d0eec6833599d9";
    let folder = tempfile::tempdir().unwrap();
    for url in sources(folder.path()).await {
        let long = match url.split(':').next().unwrap() {
            "sqlite" => format!("replace(hex(zeroblob({})), '0', 'x')", LENGTH / 2),
            _ => format!("repeat('x', {LENGTH})"),
        };
        let of = if url.starts_with("mysql") { "longtext" } else { "text" };
        let mut house = House::with(url.clone(), &[&format!("CREATE TABLE large (id int, body {of})")]).await;
        house.does(&format!("INSERT INTO large VALUES (1, {long}), (2, 'short'), (3, NULL)")).await;
        assert_eq!(house.runs("large", &Mode::Snapshot).await, 3, "{url}");
        let lengths = house.lake("SELECT id, length(body), right(body, 2) FROM shop.large ORDER BY id").await;
        assert_eq!(lengths, json!([[1, LENGTH, "xx"], [2, 5, "rt"], [3, null, null]]), "{url}");
        let hash = house.lake("SELECT encode(sha256(body), 'hex') FROM shop.large WHERE id = 1").await;
        assert_eq!(hash, json!([[HASH]]), "{url}");
    }
}
