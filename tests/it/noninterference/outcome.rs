//! What a statement came to, as text that can be compared byte for byte.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use lakegate::app::App;
use lakegate::error::{Error, ErrorKind};
use lakegate::policy::principal::Identity;
use lakegate::query::{Answer, Dialect, Request, run};
use uuid::Uuid;

use super::lake::reader;
use super::questions::Question;

/// What a reader gets to see of one statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// `ok`, or the code of the error.
    pub code: String,
    /// Schema, notice and rows, or the error's text.
    pub text: String,
}

/// `question` as a request.
pub fn request(question: &Question) -> Request {
    Request {
        query_id: Uuid::now_v7(),
        sql: question.sql.clone(),
        dialect: Dialect::Plain,
        params: lakegate::query::parameter::all_from_json(&question.params).unwrap(),
        database: Some("db".to_owned()),
        strict: question.strict,
        max_rows: question.max_rows,
        door: "test",
        watch: None,
    }
}

/// Asks `app`.
pub async fn ask(app: &Arc<App>, question: &Question) -> Outcome {
    ask_as(app, reader(), question).await
}

/// Asks `app` as `identity`.
pub async fn ask_as(app: &Arc<App>, identity: Arc<Identity>, question: &Question) -> Outcome {
    match run(app, identity, request(question)).await {
        Ok(answer) => answered(answer, question.ordered).await,
        Err(error) => Outcome::failed(&error),
    }
}

async fn answered(answer: Answer, ordered: bool) -> Outcome {
    let Answer { schema, notice, mut rows, .. } = answer;
    let mut batches = Vec::new();
    loop {
        match rows.try_next().await {
            Ok(Some(batch)) => batches.push(batch),
            Ok(None) => break,
            Err(error) => return Outcome::failed(&error),
        }
    }
    let mut text = String::new();
    for field in schema.fields() {
        let null = if field.is_nullable() { "" } else { " not null" };
        writeln!(text, "{} {}{null}", field.name(), field.data_type()).unwrap();
    }
    writeln!(text, "{notice:?} truncated {}", rows.truncated()).unwrap();
    Outcome { code: "ok".to_owned(), text: text + &told(&batches, ordered) }
}

impl Outcome {
    pub fn failed(error: &Error) -> Self {
        let mut text = error.detail().to_owned();
        // Never to be seen, so that the cause is worth more than that it is the same on both sides.
        if let (ErrorKind::Internal | ErrorKind::PolicyError, Some(cause)) = (error.kind(), error.source()) {
            write!(text, ": {cause}").unwrap();
        }
        Self { code: error.kind().code().to_owned(), text }
    }
}

/// The rows, one a line; in the order of their texts when their own is chance.
pub fn told(batches: &[RecordBatch], ordered: bool) -> String {
    let mut lines = batches.iter().flat_map(lines).collect::<Vec<_>>();
    if !ordered {
        lines.sort_unstable();
    }
    lines.join("\n")
}

fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL").with_display_error(true);
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap());
    let columns = columns.collect::<Vec<_>>();
    let line =
        |row| columns.iter().map(|column| format!("{:?}", column.value(row).to_string())).collect::<Vec<_>>();
    (0..batch.num_rows()).map(|row| line(row).join("|")).collect()
}
