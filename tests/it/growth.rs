//! Tables that are brought in again by what is new or has changed: the lake has what the source has, each row once, also
//! when a run ended in the middle.

use lakegate::ingest::mode::{Deletes, Growth, Mode};
use serde_json::{Value, json};

use crate::support::house::{House, sources, sqlite};
use crate::support::mariadb::MariaDbServer;
use crate::support::postgres::PostgresServer;

fn growth(bookmark: &str) -> Growth {
    Growth { bookmark: vec![bookmark.to_owned()], ..Growth::default() }
}

async fn items(house: &House) -> Value {
    house.lake("SELECT id, name, changed FROM shop.item ORDER BY id").await
}

fn merge(deletes: Deletes) -> Mode {
    Mode::Merge(growth("changed"), deletes)
}

const ITEM: &str =
    "CREATE TABLE item (id bigint PRIMARY KEY NOT NULL, name varchar(40), changed bigint NOT NULL)";

#[tokio::test(flavor = "multi_thread")]
async fn what_has_changed_takes_the_place_of_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    for url in sources(folder.path()).await {
        let insert = "INSERT INTO item VALUES (1, 'a', 1), (2, 'b', 1), (3, NULL, 2)";
        let mut house = House::with(url.clone(), &[ITEM, insert]).await;
        assert_eq!(house.runs("item", &merge(Deletes::Stay)).await, 3, "{url}");
        house.does("UPDATE item SET name = 'it''s \\ new', changed = 3 WHERE id = 2").await;
        house.does("INSERT INTO item VALUES (4, 'd', 4), (0, 'late, of the bookmark itself', 2)").await;
        house.does("DELETE FROM item WHERE id = 1").await;
        // The row at the bookmark is read again: others of its value may have come.
        assert_eq!(house.runs("item", &merge(Deletes::Stay)).await, 4);
        let name = if url.starts_with("mysql") { "it's  new" } else { "it's \\ new" };
        let now = json!([
            [0, "late, of the bookmark itself", 2],
            [1, "a", 1],
            [2, name, 3],
            [3, null, 2],
            [4, "d", 4]
        ]);
        assert_eq!(items(&house).await, now, "{url}");
        assert_eq!(house.runs("item", &merge(Deletes::Keys)).await, 1);
        let now = json!([[0, "late, of the bookmark itself", 2], [2, name, 3], [3, null, 2], [4, "d", 4]]);
        assert_eq!(items(&house).await, now, "{url}: 1 is gone");
        house.does("DELETE FROM item").await;
        house.runs("item", &merge(Deletes::Keys)).await;
        assert_eq!(items(&house).await, json!([]), "{url}");
        house.does("INSERT INTO item VALUES (7, 'again', 1)").await;
        house.runs("item", &merge(Deletes::Keys)).await;
        assert_eq!(items(&house).await, json!([]), "{url}: it is before the bookmark, as it always was");
        house.does("UPDATE item SET changed = 9").await;
        house.runs("item", &merge(Deletes::Keys)).await;
        assert_eq!(items(&house).await, json!([[7, "again", 9]]), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_takes_rows_away() {
    let folder = tempfile::tempdir().unwrap();
    for (url, mark, set) in [
        (PostgresServer::shared().await.database().await, "boolean", "true"),
        (PostgresServer::shared().await.database().await, "timestamptz", "now()"),
        (MariaDbServer::shared().await.database().await, "tinyint(1)", "1"),
        (MariaDbServer::shared().await.database().await, "bigint unsigned DEFAULT 0", "1704103200"),
        (PostgresServer::shared().await.database().await, "numeric(1,0) DEFAULT 0", "1"),
        (sqlite(folder.path()).await, "integer", "1"),
    ] {
        let table = format!(
            "CREATE TABLE item (id bigint PRIMARY KEY NOT NULL, name varchar(9), changed bigint NOT NULL, gone {mark})"
        );
        let mut house = House::with(
            url,
            &[&table, "INSERT INTO item (id, name, changed) VALUES (1, 'a', 1), (2, 'b', 1)"],
        )
        .await;
        house.does(&format!("INSERT INTO item VALUES (3, 'unseen', 1, {set})")).await;
        let mode = merge(Deletes::Marked("gone".to_owned()));
        house.runs("item", &mode).await;
        assert_eq!(items(&house).await, json!([[1, "a", 1], [2, "b", 1]]), "{mark}");
        house.does(&format!("UPDATE item SET gone = {set}, changed = 2 WHERE id = 1")).await;
        house.does("INSERT INTO item (id, name, changed) VALUES (4, 'd', 2)").await;
        house.runs("item", &mode).await;
        assert_eq!(items(&house).await, json!([[2, "b", 1], [4, "d", 2]]), "{mark}");
        house.does("UPDATE item SET gone = NULL, changed = 3 WHERE id = 1").await;
        house.runs("item", &mode).await;
        assert_eq!(items(&house).await, json!([[1, "a", 3], [2, "b", 1], [4, "d", 2]]), "{mark}: back again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rows_are_appended_and_late_ones_found() {
    let folder = tempfile::tempdir().unwrap();
    for url in sources(folder.path()).await {
        let mut house =
            House::with(url.clone(), &[ITEM, "INSERT INTO item VALUES (1, 'a', 1), (5, 'e', 1)"]).await;
        let plain = Mode::Append(growth("id"));
        assert_eq!(house.runs("item", &plain).await, 2, "{url}");
        house.does("INSERT INTO item VALUES (6, 'f', 1)").await;
        house.does("UPDATE item SET name = 'changed' WHERE id = 1").await;
        assert_eq!(house.runs("item", &plain).await, 1, "{url}");
        assert_eq!(items(&house).await, json!([[1, "a", 1], [5, "e", 1], [6, "f", 1]]), "{url}");
        house.does("INSERT INTO item VALUES (4, 'late', 1), (7, 'g', 1)").await;
        let overlap = Mode::Append(Growth { overlap: Some("3".parse().unwrap()), ..growth("id") });
        assert_eq!(house.runs("item", &overlap).await, 2, "{url}: 4 and 7, and 5 and 6 not again");
        assert_eq!(house.lake("SELECT count(*), sum(id) FROM shop.item").await, json!([[5, 23]]), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bookmark_of_several_columns_and_of_times() {
    let url = PostgresServer::shared().await.database().await;
    let table = "CREATE TABLE item (id int PRIMARY KEY, name text, changed timestamptz NOT NULL);
        INSERT INTO item VALUES (1, 'a', '2024-01-01 10:00:00.000001+02'), (2, 'b', '2024-01-01 10:00:00.000001+02')";
    let mut house = House::with(url, &[table]).await;
    let both = Growth { bookmark: vec!["changed".to_owned(), "id".to_owned()], ..Growth::default() };
    let append = Mode::Append(both);
    assert_eq!(house.runs("item", &append).await, 2);
    house.does("INSERT INTO item VALUES (3, 'c', '2024-01-01 08:00:00.000001+00')").await;
    assert_eq!(house.runs("item", &append).await, 1, "of the same moment, with a greater id");
    house.runs("item", &Mode::Snapshot).await;
    let merge = |overlap: &str| {
        Mode::Merge(Growth { overlap: Some(overlap.parse().unwrap()), ..growth("changed") }, Deletes::Stay)
    };
    assert_eq!(house.runs("item", &merge("5m")).await, 3, "it has no bookmark: all of it once more");
    house.does("INSERT INTO item VALUES (4, 'd', '2024-01-01 07:59:00+00')").await;
    assert_eq!(house.runs("item", &merge("5m")).await, 4, "all are within five minutes");
    assert_eq!(house.runs("item", &merge("30s")).await, 3);
    assert_eq!(house.lake("SELECT count(*), sum(id) FROM shop.item").await, json!([[4, 10]]));
    house.does("DROP TABLE item; CREATE TABLE thing (id int PRIMARY KEY, at timestamp NOT NULL)").await;
    house.does("INSERT INTO thing VALUES (1, '2024-01-01 10:00'), (2, '2024-01-01 10:10')").await;
    let late = Mode::Append(Growth { overlap: Some("5m".parse().unwrap()), ..growth("at") });
    assert_eq!(house.runs("thing", &late).await, 2);
    house.does("INSERT INTO thing VALUES (3, '2024-01-01 10:06'), (4, '2024-01-01 10:04')").await;
    assert_eq!(house.runs("thing", &late).await, 1, "4 is before the overlap");
}

/// A run that ended between the commit to the log and its publication has done nothing: the next one neither doubles nor
/// loses what it brought.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_nobody_published_is_as_if_it_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let insert = "INSERT INTO item VALUES (1, 'a', 1), (2, 'b', 1)";
    for mode in [Mode::Append(growth("id")), merge(Deletes::Stay), merge(Deletes::Keys)] {
        let url = format!(
            "{}?mode=rwc",
            sqlite(folder.path())
                .await
                .replace("source.db", &format!("{mode:?}.db").replace(['"', ' ', '{', '}'], ""))
        );
        let mut house = House::with(url.clone(), &[ITEM, insert]).await;
        house.runs("item", &mode).await;
        let before = house.gateway.app.store.load().await.unwrap();
        let (name, record) =
            before.tables.iter().next().map(|(name, kept)| (name.clone(), kept.value.clone())).unwrap();
        house.does("INSERT INTO item VALUES (3, 'c', 2)").await;
        house.does("UPDATE item SET name = 'B', changed = 2 WHERE id = 2").await;
        house.runs("item", &mode).await;
        // The catalog as a crash would have left it.
        let revision = house.gateway.app.store.load().await.unwrap().tables[&name].revision;
        let change = lakegate::store::record::Change::UpdateTable {
            value: (*record).clone(),
            expected: Some(revision),
        };
        house.gateway.app.store.commit("test", vec![change]).await.unwrap();
        house.gateway.app.refresh().await.unwrap();
        assert_eq!(items(&house).await, json!([[1, "a", 1], [2, "b", 1]]), "{mode:?}");
        house.does("INSERT INTO item VALUES (4, 'd', 3)").await;
        house.runs("item", &mode).await;
        let two = if matches!(mode, Mode::Append(_)) { json!([2, "b", 1]) } else { json!([2, "B", 2]) };
        assert_eq!(items(&house).await, json!([[1, "a", 1], two, [3, "c", 2], [4, "d", 3]]), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_together_is_refused_and_changes_nothing() {
    let url = PostgresServer::shared().await.database().await;
    let setup = "CREATE TABLE item (id bigint PRIMARY KEY, name text, changed bigint NOT NULL, maybe bigint, at timestamp);
        INSERT INTO item VALUES (1, 'a', 1, 1, NULL); CREATE TABLE loose (id bigint, changed bigint NOT NULL); CREATE VIEW v AS SELECT * FROM item";
    let house = House::with(url, &[setup]).await;
    let keyed =
        |key: &str| Mode::Merge(Growth { key: vec![key.to_owned()], ..growth("changed") }, Deletes::Stay);
    for (table, mode, told) in [
        ("item", Mode::Append(Growth::default()), "a bookmark is needed: name the columns that only go up"),
        ("item", Mode::Append(growth("nothing")), "`item` has no column `nothing`"),
        ("item", merge(Deletes::Marked("nothing".to_owned())), "`item` has no column `nothing`"),
        (
            "item",
            Mode::Append(growth("maybe")),
            "the bookmark `maybe` of `item` may be NULL, and such rows would be missed: merge them, or declare it NOT NULL",
        ),
        (
            "loose",
            merge(Deletes::Stay),
            "`loose` has no primary key: name the columns that tell its rows apart",
        ),
        (
            "loose",
            keyed("id"),
            "`id` of `loose` may be NULL and tells no rows apart: declare it NOT NULL, or name another key",
        ),
    ] {
        assert_eq!(house.refused(table, &mode).await, told);
    }
    for (bookmark, overlap) in [("changed", "5m"), ("at", "100"), ("name", "1")] {
        let growth = Growth { overlap: Some(overlap.parse().unwrap()), ..growth(bookmark) };
        let told = house.refused("item", &Mode::Merge(growth, Deletes::Stay)).await;
        assert!(
            told.starts_with(&format!("the overlap does not go with the bookmark `{bookmark}`")),
            "{told}"
        );
    }
    house.runs("item", &merge(Deletes::Stay)).await;
    let other = Mode::Merge(growth("id"), Deletes::Stay);
    assert!(
        house
            .refused("item", &other)
            .await
            .starts_with("`shop.item` grows by the bookmark `changed` and not by the bookmark `id`")
    );
    assert_eq!(items(&house).await, json!([[1, "a", 1]]));
}

/// What looks like a key and tells no rows apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_what_the_source_has_one_row_for() {
    let setup = "CREATE TABLE item (id bigint, name varchar(40), changed bigint NOT NULL, PRIMARY KEY (id) INCLUDE (name));
        INSERT INTO item VALUES (1, 'a', 1);
        CREATE TABLE day (d date PRIMARY KEY, changed bigint NOT NULL); INSERT INTO day VALUES ('infinity', 1)";
    let mut house = House::with(PostgresServer::shared().await.database().await, &[setup]).await;
    house.runs("item", &merge(Deletes::Stay)).await;
    house.does("UPDATE item SET name = 'b', changed = 2").await;
    house.runs("item", &merge(Deletes::Stay)).await;
    assert_eq!(items(&house).await, json!([[1, "b", 2]]), "a column that the index only includes is no key");
    house.lenient = true;
    let told = house.refused("day", &merge(Deletes::Stay)).await;
    assert_eq!(told, "the key `d` of `shop.day` would be NULL in the lake, where it tells no rows apart");
    let folder = tempfile::tempdir().unwrap();
    let loose = "CREATE TABLE item (id TEXT PRIMARY KEY, name varchar(40), changed bigint NOT NULL)";
    let house = House::with(sqlite(folder.path()).await, &[loose]).await;
    let told = house.refused("item", &merge(Deletes::Stay)).await;
    assert!(told.starts_with("`id` of `item` may be NULL"), "{told}");
}
