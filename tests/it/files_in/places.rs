//! What is listed at a URL, and that exactly that is read.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use lakegate::error::ErrorKind;
use lakegate::ingest::source::{self, ReadOptions};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tokio::io::AsyncWriteExt;

use super::{Drop, Out, url_of};
use crate::sources::read::{gathered, texts};
use crate::support::s3::S3;

async fn names(drop: &Drop, pattern: &str) -> Vec<String> {
    let snapshot = drop.snapshot(pattern).await.unwrap();
    snapshot.tables().iter().map(|table| table.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_and_a_folder_are_tables() {
    let drop = Drop::new()
        .with("orders.csv", "a\n1\n")
        .with("Select from.CSV", "a\n1\n")
        .with("größe/x.ndjson", "{\"a\":1}\n")
        .with("größe/deep/y.jsonl", "{\"a\":2}\n")
        .with("größe/_SUCCESS", "")
        .with("größe/.hidden.ndjson", "no json")
        .with("pictures/a.png", "png")
        .with("_old/a.csv", "a\n1\n")
        .with("notes.txt", "no table");
    assert_eq!(names(&drop, "*").await, ["Select from", "größe", "orders"]);
    assert_eq!(names(&drop, "o*").await, ["orders"]);
    assert_eq!(drop.table("größe").await.unwrap().lines(), ["2", "1"]);
    let missing = drop.snapshot("pictures").await.err().unwrap();
    assert_eq!(missing.detail(), "the source has no table `pictures`");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_left_out_refuses_its_table() {
    let drop = Drop::new()
        .with("mixed/a.csv", "a\n1\n")
        .with("mixed/b.parquet", "")
        .with("strange/a.csv", "a\n1\n")
        .with("strange/part-0001", "1\n")
        .with("hive/year=2024/a.csv", "a\n1\n")
        .with("year=2024/a.csv", "a\n1\n")
        .with("delta/a.parquet", "")
        .with("delta/_delta_log/0.json", "{}")
        .with("good/a.csv", "a\n1\n");
    for (name, told) in [
        ("mixed", "has files of several formats"),
        ("strange", "/strange/part-0001` is of no format that is read"),
        ("hive", "the folder `year=2024` holds a value of a column"),
        ("year=2024", "the folder `year=2024` holds a value of a column"),
        ("delta", "`delta` is a Delta table"),
    ] {
        let refusal = drop.refusal(name).await;
        assert!(refusal.contains(told), "{refusal}");
    }
    assert_eq!(drop.table("good").await.unwrap().lines(), ["1"]);
    let at = |path: &str| url_of(&drop.path(path));
    for (url, told) in [
        (at("delta"), "is a Delta table"),
        (at("nothing"), "nothing found at"),
        (at("delta/_delta_log/0.json"), "does not say what it is"),
        ("file:///".to_owned(), "is not a location"),
        ("s3://me:hush@bucket/x".to_owned(), "is not a location"),
        ("ftp://host/x".to_owned(), "a source is"),
    ] {
        let opened = source::open_with_files(&url, ReadOptions::default(), drop.files()).await;
        let error = match opened {
            Ok(source) => source.snapshot(&["*".to_owned()]).await.err().unwrap(),
            Err(error) => error,
        };
        assert!(error.detail().contains(told) && !error.detail().contains("hush"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_of_one_file_is_one_table() {
    let drop = Drop::new().with("a b/über.csv", "a\n1\n").with("a b/other.csv", "a\n2\n");
    let url = url_of(&drop.path("a b/über.csv"));
    let url = url.replace("/a%20b/", "/a%20b/x/../");
    let source = source::open_with_files(&url, ReadOptions::default(), drop.files()).await.unwrap();
    let mut snapshot = source.snapshot(&["*".to_owned()]).await.unwrap();
    let table = snapshot.tables()[0].clone();
    assert_eq!((table.name.as_str(), snapshot.tables().len()), ("über", 1));
    assert_eq!(texts(&gathered(snapshot.as_mut(), &table).await.unwrap()), [[Some("1".to_owned())]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_out_of_the_folder_is_refused_and_one_inside_is_followed() {
    let secret = Drop::new().with("secret.csv", "a\nhidden\n");
    let drop = Drop::new().with("t/a.csv", "a\n1\n");
    symlink(drop.path("t"), drop.path("again")).unwrap();
    assert_eq!(drop.table("again").await.unwrap().lines(), ["1"]);
    for (to, link) in [
        (secret.path("secret.csv"), "t/b.csv"),
        (secret.path(""), "outside"),
        (std::path::PathBuf::from("../../in/../../../../etc/passwd"), "t/c.csv"),
    ] {
        symlink(to, drop.path(link)).unwrap();
        for pattern in ["t", "again", "*"] {
            let error = drop.snapshot(pattern).await.err();
            let told = error.as_ref().map(lakegate::error::Error::detail).unwrap_or_default();
            assert!(told.contains("leads out of the folder"), "{link} {pattern}: {told}");
        }
        std::fs::remove_file(drop.path(link)).unwrap();
    }
    let pipe = drop.path("t/pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Nobody waits for what may never come.
    assert_eq!(drop.table("t").await.unwrap().lines(), ["1"]);
    // The URL is the operator's own, and may be a link.
    let url = url_of(&drop.path("again"));
    std::fs::remove_file(pipe).unwrap();
    let source = source::open_with_files(&url, ReadOptions::default(), drop.files()).await.unwrap();
    assert_eq!(source.snapshot(&["a".to_owned()]).await.unwrap().tables().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_after_it_was_listed_stops_its_table() {
    let batch = arrow::array::RecordBatch::try_from_iter([(
        "a",
        Arc::new(arrow::array::Int64Array::from_iter_values(0..10)) as arrow::array::ArrayRef,
    )])
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    for (file, content) in
        [("t.csv", b"a\n1\n".to_vec()), ("t.ndjson", b"{\"a\":1}\n".to_vec()), ("t.parquet", bytes)]
    {
        for change in 0..4 {
            let drop = Drop::lenient().with(file, &content);
            let mut snapshot = drop.snapshot("t").await.unwrap();
            let path = drop.path(file);
            match change {
                0 => std::fs::remove_file(path).unwrap(),
                1 => std::fs::write(path, [&content[..], &content].concat()).unwrap(),
                2 => std::fs::write(path, b"").unwrap(),
                _ => {
                    // As large as before, by another file in its place.
                    std::fs::write(drop.path("new"), &content).unwrap();
                    std::fs::rename(drop.path("new"), path).unwrap();
                }
            }
            let table = snapshot.tables()[0].clone();
            let error = gathered(snapshot.as_mut(), &table).await.unwrap_err();
            assert!(error.detail().contains("has changed or is gone since it was listed"), "{file}: {error}");
        }
    }
}

async fn compressed(drop: &Drop, name: &str, compression: FileCompressionType, content: &[u8]) {
    let path = Path::from_absolute_path(drop.path(name)).unwrap();
    let writer = BufWriter::new(Arc::new(LocalFileSystem::new()), path);
    let mut writer = compression.convert_async_writer(writer).unwrap();
    writer.write_all(content).await.unwrap();
    writer.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_texts_are_read_whole_or_not_at_all() {
    let content =
        "id,name\n".to_owned() + &(0..50_000).map(|id| format!("{id},name {id}\n")).collect::<String>();
    for (name, compression) in
        [("t.csv.gz", FileCompressionType::GZIP), ("t.csv.zst", FileCompressionType::ZSTD)]
    {
        let drop = Drop::new();
        compressed(&drop, name, compression, content.as_bytes()).await;
        let rows = drop.table("t").await.unwrap().rows();
        assert_eq!((rows.len(), rows[49_999][1].as_deref()), (50_000, Some("name 49999")));
        let bytes = std::fs::read(drop.path(name)).unwrap();
        let mut cut = Drop::lenient().with(name, &bytes[..bytes.len() / 2]);
        let refusal = cut.refusal("t").await;
        assert!(refusal.contains("cannot be decompressed"), "{refusal}");
        cut.rejects = None;
        std::fs::write(cut.path(name), &content).unwrap();
        let refusal = cut.refusal("t").await;
        assert!(refusal.contains("cannot be decompressed"), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_read_as_folders_are() {
    let s3 = S3::start("data").await;
    let mut drop = Drop::new();
    drop.lake = s3.lake("s3://data/lake");
    let folder = s3.folder().join("data/raw/ord ers");
    std::fs::create_dir_all(&folder).unwrap();
    // More than one request.
    let lines = (0..600_000).map(|id| format!("{id},name {id}\n")).collect::<String>();
    std::fs::write(folder.join("1.csv"), format!("id,name\n{lines}")).unwrap();
    std::fs::write(folder.join("2.csv"), "name,id\nlast,-1\n").unwrap();
    let open = |url: &str| {
        let url = url.to_owned();
        let files = drop.files();
        async move { source::open_with_files(&url, ReadOptions::default(), files).await.unwrap() }
    };
    let source = open("s3://data/raw").await;
    let mut snapshot = source.snapshot(&["ord*".to_owned()]).await.unwrap();
    let table = snapshot.tables()[0].clone();
    let batches = gathered(snapshot.as_mut(), &table).await.unwrap();
    let out = Out { table, batches, rejected: 0 };
    let lines = out.lines();
    assert_eq!(
        (lines.len(), lines[599_999].as_str(), lines[600_000].as_str()),
        (600_001, "599999|name 599999", "-1|last")
    );
    let source = open("s3://data/raw/ord%20ers/2.csv").await;
    let mut snapshot = source.snapshot(&["2".to_owned()]).await.unwrap();
    std::fs::write(folder.join("2.csv"), "name,id\nLAST,-1\n").unwrap();
    let table = snapshot.tables()[0].clone();
    let error = gathered(snapshot.as_mut(), &table).await.unwrap_err();
    assert!(error.detail().contains("has changed or is gone"), "{error}");
    for (url, told) in [
        ("s3://data/none", "nothing found"),
        ("s3://absent/raw", "the bucket of `s3://absent/raw` does not exist"),
    ] {
        let error = open(url).await.snapshot(&["*".to_owned()]).await.err().unwrap();
        assert!(error.detail().contains(told), "{error}");
    }
    drop.lake = s3.lake_as("s3://data/lake", "wrong");
    let source =
        source::open_with_files("s3://data/raw", ReadOptions::default(), drop.files()).await.unwrap();
    let error = source.snapshot(&["*".to_owned()]).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}
