//! What clients ask of the catalog's tables and the crate leaves out.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion::arrow::array::{
    ArrayRef, Int32Array, ListBuilder, RecordBatch, StringArray, StringBuilder, new_null_array,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::error::DataFusionError;

use super::functions::VERSION;
use crate::query::engine::CATALOG;

/// Rows of the table `name`, with what is missing. All of them are of relations that `user` may see.
pub(super) fn completed(name: &str, batch: RecordBatch, user: &str) -> Result<RecordBatch, DataFusionError> {
    match name {
        "pg_class" => {
            let options = new_null_array(&texts(), batch.num_rows());
            let batch = with_column(&batch, "reloptions", options)?;
            let owners = Int32Array::from(vec![OWNER_OID; batch.num_rows()]);
            let batch = with_column(&batch, "relowner", Arc::new(owners))?;
            with_column(&batch, "relacl", rights(user, batch.num_rows()))
        }
        "pg_attribute" => with_column(&batch, "attacl", rights(user, batch.num_rows())),
        "pg_namespace" => with_column(&batch, "nspacl", new_null_array(&texts(), batch.num_rows())),
        "pg_database" => with_column(&batch, "datacl", new_null_array(&texts(), batch.num_rows())),
        "pg_roles" => {
            let oids = (OWNER_OID..).take(batch.num_rows()).collect::<Int32Array>();
            with_column(&batch, "oid", Arc::new(oids))
        }
        "pg_settings" => with_settings(&batch),
        _ => Ok(batch),
    }
}

/// The id of the first role, to which everything belongs; databases and schemas have it from the crate.
const OWNER_OID: i32 = 10;

fn texts() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// `batch` with `column` in the place of the one of that name, or behind all others.
fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> Result<RecordBatch, DataFusionError> {
    let field: FieldRef = Arc::new(Field::new(name, column.data_type().clone(), true));
    let mut fields = batch.schema().fields().to_vec();
    let mut columns = batch.columns().to_vec();
    let place = fields.iter().position(|field| field.name() == name);
    match place.and_then(|at| Some((fields.get_mut(at)?, columns.get_mut(at)?))) {
        Some(place) => (*place.0, *place.1) = (field, column),
        None => {
            fields.push(field);
            columns.push(column);
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// For each row the right to read, as an access list: <https://www.postgresql.org/docs/current/ddl-priv.html>. Who may see a
/// relation or a column may read it, and nobody may do more.
fn rights(user: &str, rows: usize) -> ArrayRef {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let name = match user.chars().all(is_plain) {
        true => user.to_owned(),
        false => format!("\"{}\"", user.replace('"', "\"\"")),
    };
    let right = format!("{name}=r/{CATALOG}");
    let mut rights = ListBuilder::new(StringBuilder::new());
    for _ in 0..rows {
        rights.append_value([Some(&right)]);
    }
    Arc::new(rights.finish())
}

/// Settings that are always the same, and that drivers read as if they were of the protocol.
const SETTINGS: [(&str, &str); 9] = [
    ("DateStyle", "ISO, MDY"),
    ("TimeZone", "UTC"),
    ("client_encoding", "UTF8"),
    ("default_transaction_isolation", "read committed"),
    ("integer_datetimes", "on"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("server_encoding", "UTF8"),
    ("server_version", VERSION),
];

fn with_settings(batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
    let texts = |part: fn(&(&'static str, &'static str)) -> &'static str| {
        Arc::new(SETTINGS.iter().map(part).map(Some).collect::<StringArray>()) as ArrayRef
    };
    let schema = batch.schema();
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        "name" => texts(|(name, _)| name),
        "setting" | "reset_val" => texts(|(_, value)| value),
        _ => new_null_array(field.data_type(), SETTINGS.len()),
    });
    let ours = RecordBatch::try_new(Arc::clone(&schema), columns.collect())?;
    Ok(concat_batches(&schema, [batch, &ours])?)
}
