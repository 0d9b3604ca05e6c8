//! Files that come one after the other: each is taken once, and none is lost or doubled without a word.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use lakegate::ingest::drift::OnDrift;
use lakegate::ingest::mode::{Deletes, Growth, Mode};
use lakegate::ingest::progress::{Progress, Silent};
use lakegate::ingest::source::files::FileOptions;
use lakegate::ingest::source::{self, ReadOptions};
use lakegate::ingest::{self, Job, Summary, TableSummary};
use lakegate::lake::Lake;
use lakegate::policy::model::TableName;
use serde_json::{Value, json};

use super::parquet::written;
use super::url_of;
use crate::support::gateway::Gateway;
use crate::support::s3::S3;

/// A folder that files come into, and a lake that takes them.
struct Inbox {
    gateway: Gateway,
    url: String,
    lake: Lake,
    on_drift: OnDrift,
    rejects: Option<PathBuf>,
}

/// A Parquet file.
fn numbers(columns: &[(&str, &[Option<i64>])]) -> Vec<u8> {
    let columns = columns
        .iter()
        .map(|(name, values)| (*name, Arc::new(Int64Array::from(values.to_vec())) as ArrayRef, true));
    written(&RecordBatch::try_from_iter_with_nullable(columns).unwrap())
}

fn append() -> Mode {
    Mode::Append(Growth::default())
}

impl Inbox {
    async fn new() -> Self {
        let gateway = Gateway::start()
            .await
            .with_policy("grants: [{ to: public, on: \"drop.*\", permissions: [select] }]")
            .await;
        let folder = gateway.folder.path().join("in");
        std::fs::create_dir(&folder).unwrap();
        let (url, lake) = (url_of(&folder), gateway.app.lake.clone());
        Self { gateway, url, lake, on_drift: OnDrift::Evolve, rejects: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.gateway.folder.path().join("in").join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    async fn all(&self, mode: &Mode) -> lakegate::error::Result<Summary> {
        let app = &self.gateway.app;
        let context = self.gateway.ingestion(16 << 20);
        let files = FileOptions { rejects: self.rejects.clone(), ..FileOptions::of(&self.lake) };
        let mut source = source::open_with_files(&self.url, ReadOptions::default(), files).await?;
        let job = Job {
            tables: vec!["*".to_owned()],
            into: "drop".to_owned(),
            mode: mode.clone(),
            on_drift: self.on_drift,
            ..Job::default()
        };
        let progress: Arc<dyn Progress> = Arc::new(Silent);
        let summary = ingest::run(&context, source.as_mut(), &job, &progress).await;
        app.refresh().await.unwrap();
        summary
    }

    /// What has become of the one table.
    async fn run(&self, mode: &Mode) -> TableSummary {
        self.all(mode).await.unwrap().tables.remove(0)
    }

    /// How many rows come in.
    async fn takes(&self) -> u64 {
        let done = self.run(&append()).await;
        assert!(done.error.is_none(), "{done:?}");
        done.rows
    }

    async fn refused(&self) -> String {
        self.run(&append()).await.error.unwrap().detail
    }

    async fn rows(&self, sql: &str) -> Value {
        let answer = self.gateway.sql("ana", sql).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["rows"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_is_taken_once_and_late_names_count() {
    let inbox = Inbox::new().await;
    inbox.put("orders/2.csv", "id,name\n3,c\n4,d\n");
    assert_eq!(inbox.takes().await, 2);
    let all = "SELECT id, name FROM drop.orders ORDER BY id";
    // A name before those that are there, and one below a folder.
    inbox.put("orders/1.csv", "id,name\n1,a\n");
    inbox.put("orders/2026/11/3.csv", "name,id\nb,2\n");
    let grown = inbox.run(&append()).await;
    assert_eq!((grown.rows, grown.error.is_none()), (2, true));
    assert_eq!(inbox.rows(all).await, json!([[1, "a"], [2, "b"], [3, "c"], [4, "d"]]));
    // Nothing new makes no version.
    let still = inbox.run(&append()).await;
    assert_eq!((still.rows, still.version), (0, grown.version));
    // What is gone stays taken, also when it comes back as it was.
    let moved = inbox.gateway.folder.path().join("moved.csv");
    std::fs::rename(inbox.path("orders/1.csv"), &moved).unwrap();
    assert_eq!(inbox.takes().await, 0);
    std::fs::rename(&moved, inbox.path("orders/1.csv")).unwrap();
    assert_eq!(inbox.takes().await, 0);
    inbox.put("orders/4.csv", "");
    inbox.put("orders/5.csv", "id,name\n");
    assert_eq!(inbox.takes().await, 0);
    inbox.put("orders/6.csv", "id,name\n5,e\n");
    assert_eq!(inbox.takes().await, 1);
    assert_eq!(inbox.rows("SELECT count(*), count(DISTINCT id) FROM drop.orders").await, json!([[5, 5]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_after_it_was_taken_stops_its_table_until_somebody_says_what_is_meant() {
    let inbox = Inbox::new().await;
    inbox.put("log/1.ndjson", "{\"n\":1}\n");
    inbox.put("log/2.ndjson", "{\"n\":2}\n");
    assert_eq!(inbox.takes().await, 2);
    inbox.put("log/2.ndjson", "{\"n\":2}\n{\"n\":3}\n");
    inbox.put("log/3.ndjson", "{\"n\":4}\n");
    for _ in 0..2 {
        let told = inbox.refused().await;
        assert!(told.contains("log/2.ndjson` has changed since it was brought in"), "{told}");
        assert!(told.contains("--mode snapshot"), "{told}");
    }
    let numbers = "SELECT n FROM drop.log ORDER BY n";
    assert_eq!(inbox.rows(numbers).await, json!([[1], [2]]));
    assert_eq!(inbox.run(&Mode::Snapshot).await.rows, 4);
    // The first run of this mode after a snapshot reads all rows, and then it goes on.
    assert_eq!(inbox.takes().await, 4);
    inbox.put("log/4.ndjson", "{\"n\":5}\n");
    assert_eq!(inbox.takes().await, 1);
    assert_eq!(inbox.rows(numbers).await, json!([[1], [2], [3], [4], [5]]));
    // Of the same size, and at another time.
    std::thread::sleep(std::time::Duration::from_millis(20));
    inbox.put("log/4.ndjson", "{\"n\":6}\n");
    assert!(inbox.refused().await.contains("has changed since"));
}

/// What a column is is said by the lake and the new files together, as if all were read at once.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_later_files_are_read_as_the_columns_that_are_there() {
    let inbox = Inbox::new().await;
    inbox.put("a/1.csv", "code,price,rate,at,on,flag\nX1,1.50,0.125,2026-01-31 10:00:00,2026-01-31,true\n");
    inbox.put("a/2.csv", "code,price,rate,at,on,flag\nX1,1.50,0.5,2026-01-31 10:00:00,2026-01-31,true\n");
    assert_eq!(inbox.takes().await, 2);
    let schema = |inbox: &Inbox| {
        let state = inbox.gateway.app.state();
        let table = &state.state.tables[&TableName::new("drop", "a")].value;
        table.schema.fields().iter().map(|field| field.data_type().to_string()).collect::<Vec<_>>()
    };
    let before = schema(&inbox);
    inbox.put("a/3.csv", "code,price,rate,at,on,flag\n12,7,3,,,\n");
    inbox.put("a/4.csv", "price,code\n0.5,\n");
    assert_eq!(inbox.takes().await, 2);
    assert_eq!(schema(&inbox), before);
    let all = "SELECT code, price, rate, flag FROM drop.a ORDER BY price, rate";
    assert_eq!(
        inbox.rows(all).await,
        json!([
            [null, "0.50", null, null],
            ["X1", "1.50", 0.125, true],
            ["X1", "1.50", 0.5, true],
            ["12", "7.00", 3.0, null]
        ])
    );
    // More digits are a wider type, and what is there is written again.
    inbox.put("a/5.csv", "code,price\nY,2.125\n");
    let done = inbox.run(&append()).await;
    assert_eq!((done.rows, done.columns.widened), (1, vec!["price".to_owned()]), "{:?}", done.error);
    assert_eq!(inbox.rows("SELECT sum(price), count(*) FROM drop.a").await, json!([["12.625", 5]]));
    // A text where numbers were is of no type that holds both.
    inbox.put("a/6.csv", "code,price\nY,cheap\n");
    assert!(inbox.refused().await.contains("`price`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_and_lists_of_later_files_may_lack_keys() {
    let inbox = Inbox::new().await;
    inbox.put("e/1.ndjson", "{\"id\":1,\"who\":{\"name\":\"a\",\"tags\":[\"x\"]},\"n\":1.5,\"m\":1e3}\n");
    assert_eq!(inbox.takes().await, 1);
    inbox.put("e/2.ndjson", "{\"id\":2,\"who\":{\"tags\":[]}}\n{\"n\":2,\"id\":3,\"m\":4}\n");
    let done = inbox.run(&append()).await;
    assert_eq!((done.rows, &done.error.map(|error| error.detail)), (2, &None));
    let all = "SELECT id, who, n, m FROM drop.e ORDER BY id";
    assert_eq!(
        inbox.rows(all).await,
        json!([
            [1, {"name": "a", "tags": ["x"]}, "1.5", 1000.0],
            [2, {"name": null, "tags": []}, null, null],
            [3, null, "2.0", 4.0]
        ])
    );
    inbox.put("e/3.ndjson", "{\"id\":4,\"later\":true}\n");
    assert_eq!(inbox.run(&append()).await.columns.added, ["later"]);
    inbox.put("e/4.ndjson", "\n\n");
    assert_eq!(inbox.takes().await, 0);
    // A kind that is not that of the column makes a bad line, with its number.
    inbox.put("e/5.ndjson", "{\"id\":5}\n{\"id\":\"six\"}\n");
    assert!(inbox.refused().await.contains("e/5.ndjson` line 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn parquet_files_keep_their_types_and_a_new_name_stops() {
    let mut inbox = Inbox::new().await;
    inbox.put("p/1.parquet", numbers(&[("id", &[Some(1)]), ("mail", &[Some(7)])]));
    assert_eq!(inbox.takes().await, 1);
    inbox.put("p/2.parquet", numbers(&[("id", &[Some(2), None])]));
    let done = inbox.run(&append()).await;
    assert_eq!((done.rows, done.columns.missing), (2, vec!["mail".to_owned()]));
    inbox.put("p/3.parquet", numbers(&[("id", &[Some(3)]), ("email", &[Some(8)])]));
    assert!(inbox.refused().await.contains("has `email` where `mail` stood"));
    inbox.on_drift = OnDrift::Keep;
    assert_eq!(inbox.takes().await, 1);
    let all = "SELECT id, mail, email FROM drop.p ORDER BY id NULLS LAST";
    assert_eq!(
        inbox.rows(all).await,
        json!([[1, 7, null], [2, null, null], [3, null, 8], [null, null, null]])
    );
    inbox.on_drift = OnDrift::Replace;
    let refused = inbox.all(&append()).await.unwrap_err();
    assert!(refused.detail().contains("--mode snapshot --columns replace"), "{refused}");
}

/// Lines that are no rows are of the new files alone, and a file whose lines were rejected is taken.
#[tokio::test(flavor = "multi_thread")]
async fn rejected_lines_are_those_of_new_files() {
    let mut inbox = Inbox::new().await;
    let place = |inbox: &Inbox, run: u32| inbox.gateway.folder.path().join(format!("rejects{run}"));
    inbox.rejects = Some(place(&inbox, 1));
    inbox.put("t/1.csv", "a,b\n1,2\n1\n");
    let done = inbox.run(&append()).await;
    assert_eq!((done.rows, done.rejected), (1, 1));
    inbox.rejects = Some(place(&inbox, 2));
    inbox.put("t/2.csv", "a,b\n3,4\n1,2,3\n");
    let done = inbox.run(&append()).await;
    assert_eq!((done.rows, done.rejected), (1, 1));
    let kept = std::fs::read_to_string(place(&inbox, 2)).unwrap();
    assert!(kept.lines().count() == 1 && kept.contains("t/2.csv"), "{kept}");
    // Without a place for them the file stops its table, and is not taken.
    inbox.rejects = None;
    inbox.put("t/3.csv", "a,b\n5,6\n1\n");
    assert!(inbox.refused().await.contains("t/3.csv` line 3"));
    inbox.rejects = Some(place(&inbox, 3));
    let done = inbox.run(&append()).await;
    assert_eq!((done.rows, done.rejected), (1, 1));
    assert_eq!(inbox.rows("SELECT a FROM drop.t ORDER BY a").await, json!([[1], [3], [5]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_way_to_append_files_is_refused() {
    let inbox = Inbox::new().await;
    inbox.put("t.csv", "id\n1\n");
    let growth = Growth { bookmark: vec!["id".to_owned()], ..Growth::default() };
    for (mode, told) in [
        (Mode::Append(growth.clone()), "leave out the bookmark"),
        (Mode::Merge(growth, Deletes::Stay), "cannot be merged"),
    ] {
        let error = inbox.all(&mode).await.unwrap_err();
        assert!(error.detail().contains(told), "{error}");
    }
    assert_eq!(inbox.takes().await, 1);
    // Rows that programs send stay, and files go on being taken.
    let sent = json!({ "id": 2 }).to_string();
    inbox
        .gateway
        .apply("grants: [{ to: user:bo, on: drop.t, permissions: [select, insert] }]")
        .await
        .unwrap();
    let request = inbox.gateway.request(reqwest::Method::POST, "/v1/tables/drop/t/rows");
    let request = request.bearer_auth(inbox.gateway.token("bo")).body(sent);
    let answer = inbox.gateway.send(request.header("content-type", "application/x-ndjson")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(inbox.takes().await, 0);
    assert_eq!(inbox.rows("SELECT id FROM drop.t ORDER BY id").await, json!([[1], [2]]));
}

/// Whoever comes second takes nothing twice: the two are told apart by the version that they go on from.
#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_take_a_file_once() {
    let inbox = Inbox::new().await;
    inbox.put("t/0.csv", "n\n0\n");
    assert_eq!(inbox.takes().await, 1);
    for round in 1..=5 {
        inbox.put(&format!("t/{round}.csv"), format!("n\n{round}\n"));
        let mode = append();
        let (one, other) = tokio::join!(inbox.run(&mode), inbox.run(&mode));
        let failed = [&one, &other].into_iter().filter_map(|done| done.error.as_ref());
        for failure in failed {
            assert_eq!(failure.code, "conflict", "{failure:?}");
        }
        assert!(one.error.is_none() || other.error.is_none());
        let seen = inbox.rows("SELECT count(*), count(DISTINCT n) FROM drop.t").await;
        assert_eq!(seen, json!([[round + 1, round + 1]]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_s3_are_told_by_their_tags() {
    let s3 = S3::start("data").await;
    let mut inbox = Inbox::new().await;
    inbox.lake = s3.lake("s3://data/lake");
    inbox.url = "s3://data/raw".to_owned();
    let folder = s3.folder().join("data/raw/t");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1 ü.csv"), "n\n1\n").unwrap();
    assert_eq!(inbox.takes().await, 1);
    std::fs::write(folder.join("2.csv"), "n\n2\n").unwrap();
    assert_eq!(inbox.takes().await, 1);
    assert_eq!(inbox.takes().await, 0);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    std::fs::write(folder.join("1 ü.csv"), "n\n9\n").unwrap();
    assert!(inbox.refused().await.contains("has changed since"));
    assert_eq!(inbox.rows("SELECT n FROM drop.t ORDER BY n").await, json!([[1], [2]]));
}

/// What does not answer now may do so the next time, which a job tries; what is no file of this kind never will.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_told_from_a_file_that_cannot_be_read() {
    let s3 = S3::start("data").await;
    let mut inbox = Inbox::new().await;
    inbox.lake = s3.lake("s3://data/lake");
    inbox.url = "s3://data/raw".to_owned();
    std::fs::create_dir_all(s3.folder().join("data/raw")).unwrap();
    std::fs::write(s3.folder().join("data/raw/t.csv"), "n\n1\n").unwrap();
    s3.refuse_reads(true);
    assert_eq!(inbox.run(&append()).await.error.unwrap().code, "unavailable");
    s3.refuse_reads(false);
    assert_eq!(inbox.takes().await, 1);
    std::fs::write(s3.folder().join("data/raw/t.csv"), "n\n\"1\n").unwrap();
    assert_eq!(inbox.run(&Mode::Snapshot).await.error.unwrap().code, "invalid_request");
}

/// So many that the store is asked and told of them in several statements.
#[tokio::test(flavor = "multi_thread")]
async fn many_files_are_remembered() {
    let inbox = Inbox::new().await;
    for file in 0..450 {
        inbox.put(&format!("t/{file}.csv"), format!("n\n{file}\n"));
    }
    assert_eq!(inbox.takes().await, 450);
    for file in 450..900 {
        inbox.put(&format!("t/{file}.csv"), format!("n\n{file}\n"));
    }
    assert_eq!(inbox.takes().await, 450);
    assert_eq!(inbox.takes().await, 0);
    let seen = inbox.rows("SELECT count(*), count(DISTINCT n), sum(n) FROM drop.t").await;
    assert_eq!(seen, json!([[900, 900, 404550]]));
}
