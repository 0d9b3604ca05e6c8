//! Two public databases (`scripts/samples.sh`), brought in from real servers: what is read through the gateway is what their
//! publishers wrote, row by row. Names with capitals, dots and leading digits, and whatever people have typed since 1871.

use std::path::{Path, PathBuf};

use arrow::array::{Array as _, AsArray as _};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use futures::SinkExt as _;
use lakegate::ingest::mode::Mode;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection};

use super::read::texts;
use crate::support::gateway::Gateway;
use crate::support::house::House;
use crate::support::mariadb::MariaDbServer;
use crate::support::postgres::PostgresServer;

/// A table as its publisher wrote it: every value a text, or nothing.
struct Published {
    name: String,
    columns: Vec<(String, Kind)>,
    rows: Vec<Vec<Option<String>>>,
}

/// What all values of a column are.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Whole,
    /// The most digits before and behind the point.
    Decimal(usize, usize),
    Instant,
    Text,
}

fn folder(of: &str) -> PathBuf {
    let cache = || PathBuf::from(std::env::var("HOME").unwrap()).join(".cache/lakegate/samples");
    let folder = std::env::var("LAKEGATE_SAMPLES").map_or_else(|_| cache(), PathBuf::from).join(of);
    assert!(folder.is_dir(), "no samples in {}: run `sh scripts/prepare.sh`", folder.display());
    folder
}

impl Published {
    fn read(path: &Path) -> Self {
        let header = std::fs::read_to_string(path).unwrap();
        let names = header.lines().next().unwrap().split(',').map(|name| name.trim_matches('"').to_owned());
        let fields = names.map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>();
        let schema = std::sync::Arc::new(Schema::new(fields));
        let reader = arrow::csv::ReaderBuilder::new(schema.clone())
            .with_header(true)
            .build(std::fs::File::open(path).unwrap());
        let mut rows = Vec::new();
        for batch in reader.unwrap() {
            let batch = batch.unwrap();
            for at in 0..batch.num_rows() {
                let value = |column: &arrow::array::ArrayRef| {
                    let text = column.as_string::<i32>();
                    let is_there = text.is_valid(at) && !["", "NA"].contains(&text.value(at));
                    is_there.then(|| text.value(at).to_owned())
                };
                rows.push(batch.columns().iter().map(value).collect::<Vec<_>>());
            }
        }
        let kind = |at: usize| Kind::of(rows.iter().filter_map(|row| row[at].as_deref()));
        let columns =
            schema.fields().iter().enumerate().map(|(at, field)| (field.name().clone(), kind(at))).collect();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        Self { name, columns, rows }
    }

    /// The rows as the lake writes them, in the order of their texts. `instant` writes a moment.
    fn expected(&self, instant: fn(&str) -> String) -> Vec<Vec<Option<String>>> {
        let value = |(value, (_, kind)): (&Option<String>, &(String, Kind))| {
            let value = value.as_ref()?;
            Some(match kind {
                Kind::Decimal(_, scale) => padded(value, *scale),
                Kind::Instant => instant(value),
                Kind::Whole | Kind::Text => value.clone(),
            })
        };
        let row = |row: &Vec<Option<String>>| row.iter().zip(&self.columns).map(value).collect::<Vec<_>>();
        let mut rows = self.rows.iter().map(row).collect::<Vec<_>>();
        rows.sort();
        rows
    }

    fn definition(&self, quote: char, instant: &str) -> String {
        let column = |(name, kind): &(String, Kind)| {
            let of = match kind {
                Kind::Whole => "bigint".to_owned(),
                Kind::Decimal(whole, scale) => format!("numeric({},{scale})", whole + scale),
                Kind::Instant => instant.to_owned(),
                Kind::Text => "text".to_owned(),
            };
            format!("{quote}{name}{quote} {of}")
        };
        let columns = self.columns.iter().map(column).collect::<Vec<_>>().join(", ");
        format!("CREATE TABLE {quote}{}{quote} ({columns})", self.name)
    }
}

impl Kind {
    fn of<'a>(values: impl Iterator<Item = &'a str> + Clone) -> Self {
        let is_whole = |value: &str| value.parse::<i64>().is_ok_and(|number| number.to_string() == value);
        let is_instant =
            |value: &str| value.len() == 20 && chrono::DateTime::parse_from_rfc3339(value).is_ok();
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let places = |value: &str| {
            let value = value.strip_prefix('-').unwrap_or(value);
            let (whole, places) = value.split_once('.').unwrap_or((value, ""));
            let is_plain = !whole.is_empty() && (whole == "0" || !whole.starts_with('0'));
            (is_plain && digits(whole) && digits(places)).then_some((whole.len(), places.len()))
        };
        if values.clone().next().is_none() {
            return Self::Text;
        }
        if values.clone().all(is_whole) {
            return Self::Whole;
        }
        if values.clone().all(is_instant) {
            return Self::Instant;
        }
        let largest = values.map(places).try_fold((1, 0), |(whole, scale), places| {
            places.map(|(more, behind)| (whole.max(more), scale.max(behind)))
        });
        match largest {
            Some((whole, scale)) if whole + scale <= 38 => Self::Decimal(whole, scale),
            _ => Self::Text,
        }
    }
}

fn padded(value: &str, scale: usize) -> String {
    let (whole, places) = value.split_once('.').unwrap_or((value, ""));
    format!("{whole}.{places:0<scale$}")
}

fn published(of: &str) -> Vec<Published> {
    let files = std::fs::read_dir(folder(of)).unwrap().map(|file| file.unwrap().path());
    let mut tables = files.map(|path| Published::read(&path)).collect::<Vec<_>>();
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    tables
}

/// What a reader gets of a table, in the order of the rows' texts.
async fn seen(gateway: &Gateway, table: &str) -> Vec<Vec<Option<String>>> {
    let request = gateway.request(reqwest::Method::POST, "/v1/sql").bearer_auth(gateway.token("ana"));
    let request = request.header("accept", "application/vnd.apache.arrow.stream");
    let sql = format!("SELECT * FROM shop.\"{table}\"");
    let answer = gateway.send(request.json(&serde_json::json!({ "sql": sql }))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let reader = arrow::ipc::reader::StreamReader::try_new(answer.body.as_slice(), None).unwrap();
    let batches = reader.collect::<Result<Vec<_>, _>>().unwrap();
    let mut rows = texts(&batches);
    rows.sort();
    rows
}

async fn compare(house: &House, tables: &[Published], instant: fn(&str) -> String) -> usize {
    let mut rows = 0;
    for table in tables {
        assert_eq!(house.runs(&table.name, &Mode::Snapshot).await, table.rows.len() as u64, "{}", table.name);
        let (expected, found) = (table.expected(instant), seen(&house.gateway, &table.name).await);
        if let Some((expected, found)) =
            expected.iter().zip(&found).find(|(expected, found)| expected != found)
        {
            panic!("{}:\n{expected:?}\n{found:?}", table.name);
        }
        assert_eq!(expected.len(), found.len(), "{}", table.name);
        rows += found.len();
    }
    rows
}

async fn copied(client: &tokio_postgres::Client, table: &Published) {
    client.batch_execute(&table.definition('"', "timestamptz")).await.unwrap();
    let value = |value: &Option<String>| match value {
        None => "\\N".to_owned(),
        Some(text) => {
            text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
        }
    };
    let line = |row: &Vec<Option<String>>| row.iter().map(value).collect::<Vec<_>>().join("\t") + "\n";
    let lines = table.rows.iter().map(line).collect::<String>();
    let sink = client.copy_in::<_, Bytes>(&format!("COPY \"{}\" FROM STDIN", table.name)).await.unwrap();
    let mut sink = std::pin::pin!(sink);
    sink.send(Bytes::from(lines)).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), table.rows.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn public_databases_come_from_postgres_as_they_were_published() {
    let url = PostgresServer::shared().await.database().await;
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let tables = [published("flights"), published("baseball")].into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(tables.len(), 32);
    for table in &tables {
        copied(&client, table).await;
    }
    let house = House::with(url, &[]).await;
    let rows = compare(&house, &tables, str::to_owned).await;
    assert!(rows > 900_000, "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn public_databases_come_from_mariadb_as_they_were_published() {
    let url = MariaDbServer::shared().await.database().await;
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    let mut tables = [published("flights"), published("baseball")].into_iter().flatten().collect::<Vec<_>>();
    // Statements of thousands of rows each are slow: the large ones are read from the other server.
    tables.retain(|table| table.rows.len() < 20_000);
    assert!(tables.len() > 20, "{}", tables.len());
    for table in &tables {
        connection.execute(AssertSqlSafe(table.definition('`', "datetime"))).await.unwrap();
        let value = |(value, (_, kind)): (&Option<String>, &(String, Kind))| match value {
            None => "NULL".to_owned(),
            Some(text) if *kind == Kind::Instant => {
                format!("'{}'", text.replace('T', " ").trim_end_matches('Z'))
            }
            Some(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        };
        for rows in table.rows.chunks(1000) {
            let row = |row: &Vec<Option<String>>| {
                format!("({})", row.iter().zip(&table.columns).map(value).collect::<Vec<_>>().join(", "))
            };
            let rows = rows.iter().map(row).collect::<Vec<_>>().join(", ");
            let insert = format!("INSERT INTO `{}` VALUES {rows}", table.name);
            connection.execute(AssertSqlSafe(insert)).await.unwrap();
        }
    }
    let house = House::with(url, &[]).await;
    let local = |value: &str| value.trim_end_matches('Z').to_owned();
    let rows = compare(&house, &tables, local).await;
    assert!(rows > 80_000, "{rows}");
}
