//! Delta tables with several versions, each with columns and rows of its own.

use std::io::Cursor;
use std::sync::Arc;

use arrow::json::ReaderBuilder;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel::Add;
use lakegate::catalog::publish::Catalog;
use lakegate::ingest::write::TableWriter;
use lakegate::lake::DeltaLog;
use lakegate::policy::model::TableName;

use super::gateway::Gateway;

/// Publishes the next version of `table`: `columns` as `name type`, and rows as JSON, one a line. Gives its number.
pub async fn publish(gateway: &Gateway, table: &str, columns: &[&str], rows: &str) -> i64 {
    let app = &gateway.app;
    let name: TableName = table.parse().unwrap();
    let catalog = Catalog::new(app.store.clone(), "test");
    let place = catalog.place(&app.lake, &name).await.unwrap();
    let log = app.lake.delta_log(place.location()).unwrap();
    let (schema, version) = commit(&log, columns, rows).await;
    catalog.publish_version(place, version, schema, None).await.unwrap();
    app.refresh().await.unwrap();
    version
}

/// Publishes the next version of `table`: the rows of the one before and more. Gives its number.
pub async fn append(gateway: &Gateway, table: &str, columns: &[&str], rows: &str) -> i64 {
    let app = &gateway.app;
    let catalog = Catalog::new(app.store.clone(), "test");
    loop {
        let place = catalog.place(&app.lake, &table.parse().unwrap()).await.unwrap();
        let before = place.published().unwrap().clone();
        let log = app.lake.delta_log(place.location()).unwrap();
        let (schema, files) = write(&log, columns, rows).await;
        let mut all = log.open(before.version).await.unwrap().files().unwrap();
        all.extend(files);
        let Ok(version) = log.open(None).await.unwrap().replace(&schema, all).await else { continue };
        if catalog.publish_version(place, version, schema, None).await.is_ok() {
            app.refresh().await.unwrap();
            return version;
        }
    }
}

/// Writes a version to the log that nobody publishes, as a run does that ends too early.
pub async fn leave_unpublished(gateway: &Gateway, table: &str, columns: &[&str], rows: &str) -> i64 {
    let app = &gateway.app;
    let state = app.store.load().await.unwrap();
    let location = state.tables[&table.parse::<TableName>().unwrap()].value.location.clone();
    commit(&app.lake.delta_log(&location).unwrap(), columns, rows).await.1
}

async fn commit(log: &DeltaLog, columns: &[&str], rows: &str) -> (SchemaRef, i64) {
    let (schema, files) = write(log, columns, rows).await;
    let version = match log.exists().await.unwrap() {
        true => log.open(None).await.unwrap().replace(&schema, files).await.unwrap(),
        false => log.create("t", &schema, files).await.unwrap(),
    };
    (schema, version)
}

async fn write(log: &DeltaLog, columns: &[&str], rows: &str) -> (SchemaRef, Vec<Add>) {
    let fields = columns.iter().map(|column| {
        let (name, kind) = column.split_once(' ').unwrap();
        let kind = match kind {
            "int" => DataType::Int32,
            "bigint" => DataType::Int64,
            "varchar" => DataType::Utf8,
            "real" => DataType::Float32,
            "double" => DataType::Float64,
            "date" => DataType::Date32,
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "decimal(5,2)" => DataType::Decimal128(5, 2),
            "decimal(9,4)" => DataType::Decimal128(9, 4),
            "decimal(20,3)" => DataType::Decimal128(20, 3),
            other => panic!("{other} is not among the types"),
        };
        Field::new(name, kind, true)
    });
    let schema = log.canonical(&Arc::new(Schema::new(fields.collect::<Vec<_>>()))).unwrap();
    let mut writer = TableWriter::new(log, schema.clone(), 64 << 20);
    let reader =
        ReaderBuilder::new(schema.clone()).with_strict_mode(true).build(Cursor::new(rows.to_owned()));
    for batch in reader.unwrap() {
        writer.write(&batch.unwrap()).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    (schema, files)
}
