//! Parquet: the columns that its footers tell, each in the type of the lake that holds its values.
//!
//! Files of one table may lack columns that others have. A column has one type in all of them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::nullif;
use arrow::datatypes::{TimestampMicrosecondType, TimestampNanosecondType};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::basic::Type as Physical;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use tokio::sync::mpsc::Sender;

use super::super::{ReadOptions, ReadSummary, Unfit};
use super::object::Object;
use super::rejects::shown;
use super::{Reading, exact, names, slices};
use crate::error::{Error, Result};

/// The columns of these files, and how many rows they have together. A column without a type has that of the `lake`.
pub(super) async fn describe(
    objects: &[Object],
    name: &str,
    options: ReadOptions,
    lake: Option<&Schema>,
) -> Result<(SchemaRef, u64)> {
    let (mut columns, mut rows) = (Vec::<Column>::new(), 0_u64);
    for (before, object) in objects.iter().enumerate() {
        let file = File::open(object).await?;
        rows = rows.saturating_add(file.rows());
        columns.iter_mut().for_each(|column| column.is_everywhere = false);
        for field in file.schema.fields() {
            let found = Column::of(field, &file, name)?;
            match columns.iter_mut().find(|column| column.field.name() == field.name()) {
                Some(known) => known.join(found)?,
                None => columns.push(Column { is_everywhere: before == 0, ..found }),
            }
        }
        for column in columns.iter_mut().filter(|column| !column.is_everywhere) {
            column.is_optional = true;
        }
    }
    names::refuse_alike(columns.iter().map(|column| column.field.name().as_str()))?;
    if columns.is_empty() {
        return Err(Error::invalid_request("the files have no columns"));
    }
    let may_null = options.unrepresentable == super::super::Unrepresentable::Null;
    let field = |column: Column| {
        let is_optional = column.is_optional || (may_null && !column.is_whole);
        let known = lake.and_then(|lake| lake.fields().find(column.field.name()));
        let field = match known.filter(|_| column.given == DataType::Null) {
            Some((_, known)) => column.field.with_data_type(known.data_type().clone()),
            None => column.field,
        };
        field.with_nullable(is_optional)
    };
    Ok((Arc::new(Schema::new(columns.into_iter().map(field).collect::<Vec<_>>())), rows))
}

/// A column as the files until now have it.
struct Column {
    field: Field,
    /// The type that the files have, and the first of them.
    given: DataType,
    file: String,
    is_optional: bool,
    is_whole: bool,
    /// Whether the file that is looked at has it.
    is_everywhere: bool,
}

impl Column {
    fn of(field: &Field, file: &File<'_>, table: &str) -> Result<Self> {
        let given = field.data_type();
        let held = exact::equal(given).ok_or_else(|| {
            let name = field.name();
            Error::invalid_request(format!(
                "column `{name}` of `{table}` has the type `{given}` in `{}`, which the lake cannot hold",
                file.object.url()
            ))
        })?;
        Ok(Self {
            field: Field::new(field.name(), held, true),
            given: given.clone(),
            file: file.object.url().to_owned(),
            is_optional: field.is_nullable(),
            is_whole: exact::is_held_whole(given) && !file.is_old_time(field.name()),
            is_everywhere: true,
        })
    }

    /// The same column in another file.
    fn join(&mut self, other: Self) -> Result<()> {
        self.is_everywhere = true;
        self.is_optional |= other.is_optional;
        self.is_whole &= other.is_whole;
        if self.given == DataType::Null {
            (self.field, self.given, self.file) = (other.field, other.given, other.file);
        } else if other.given != DataType::Null && self.field.data_type() != other.field.data_type() {
            return Err(Error::invalid_request(format!(
                "column `{}` is `{}` in `{}` and `{}` in `{}`: a column has one type",
                self.field.name(),
                self.given,
                self.file,
                other.given,
                other.file
            )));
        }
        Ok(())
    }
}

/// Sends the rows of `object`.
pub(super) async fn read(
    object: &Object,
    reading: &Reading,
    batches: &Sender<RecordBatch>,
) -> Result<ReadSummary> {
    let file = File::open(object).await?;
    let step = file.step(&reading.options);
    let mut rows = file.rows_in(step)?;
    let mut nanos = file.nanos_in(step)?;
    let mut unfit = Unfit::new(&reading.table, &reading.options);
    let mut read = 0_u64;
    while let Some(batch) = rows.next().await {
        let mut batch = batch.map_err(|cause| failed(object, cause))?;
        if let Some(nanos) = &mut nanos {
            let exact = nanos.try_next().await.map_err(|cause| failed(object, cause))?;
            let exact = exact.ok_or_else(|| Error::internal("two looks at one file differ"))?;
            batch = with_whole_micros(&batch, &exact, &mut unfit)?;
        }
        for part in slices::parts(&batch, reading.options.batch_bytes) {
            let part = fitted(&part, &reading.schema, &mut unfit)?;
            read = read.saturating_add(part.num_rows() as u64);
            if batches.send(part).await.is_err() {
                return Ok(ReadSummary { rows: read, nulled: unfit.nulled });
            }
        }
    }
    object.unchanged().await?;
    Ok(ReadSummary { rows: read, nulled: unfit.nulled })
}

/// The columns of the table, of a batch that may lack some.
fn fitted(batch: &RecordBatch, schema: &SchemaRef, unfit: &mut Unfit<'_>) -> Result<RecordBatch> {
    let column = |field: &Arc<Field>| match batch.column_by_name(field.name()) {
        Some(column) => exact::exactly(column, field.data_type(), field.name(), unfit),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(Error::internal)
}

/// A file whose footer is read.
struct File<'a> {
    object: &'a Object,
    footer: Arc<ParquetMetaData>,
    /// Its columns, with the old form of times (INT96) in microseconds, since nanoseconds of 64 bits do not reach as far as
    /// it does.
    schema: SchemaRef,
    /// The columns of that form, as leaves.
    old_times: Vec<usize>,
}

impl<'a> File<'a> {
    async fn open(object: &'a Object) -> Result<Self> {
        let mut reader = Reader(object.clone());
        let wrong = |cause| failed(object, cause);
        let options = ArrowReaderOptions::new();
        let footer = reader.get_metadata(Some(&options)).await.map_err(wrong)?;
        let plain = ArrowReaderMetadata::try_new(Arc::clone(&footer), options).map_err(wrong)?;
        let leaves = footer.file_metadata().schema_descr().columns().iter().enumerate();
        let old = leaves.filter(|(_, leaf)| leaf.physical_type() == Physical::INT96).collect::<Vec<_>>();
        if let Some((_, leaf)) = old.iter().find(|(_, leaf)| leaf.path().parts().len() > 1) {
            return Err(Error::invalid_request(format!(
                "column `{}` of `{}` has times of the old form INT96 inside of other values, which are not read",
                leaf.path().string(),
                object.url()
            )));
        }
        let is_old = |name: &str| old.iter().any(|(_, leaf)| leaf.name() == name);
        let field = |field: &Arc<Field>| match is_old(field.name()) {
            true => Field::new(
                field.name(),
                DataType::Timestamp(TimeUnit::Microsecond, None),
                field.is_nullable(),
            ),
            false => field.as_ref().clone(),
        };
        let schema = Schema::new(plain.schema().fields().iter().map(field).collect::<Vec<_>>());
        let old_times = old.iter().map(|(leaf, _)| *leaf).collect();
        Ok(Self { object, footer, schema: Arc::new(schema), old_times })
    }

    fn rows(&self) -> u64 {
        u64::try_from(self.footer.file_metadata().num_rows()).unwrap_or_default()
    }

    fn is_old_time(&self, name: &str) -> bool {
        let leaves = self.footer.file_metadata().schema_descr();
        self.old_times.iter().any(|leaf| leaves.column(*leaf).name() == name)
    }

    /// How many rows make a batch of about so many bytes.
    fn step(&self, options: &ReadOptions) -> usize {
        let bytes = self.footer.row_groups().iter().map(|group| group.total_byte_size().max(0));
        let bytes = u64::try_from(bytes.sum::<i64>()).unwrap_or_default();
        let row = usize::try_from(bytes / self.rows().max(1)).unwrap_or(usize::MAX).max(1);
        (options.batch_bytes / row).clamp(1, options.batch_rows.max(1))
    }

    /// All its rows.
    fn rows_in(&self, step: usize) -> Result<ParquetRecordBatchStream<Reader>> {
        let field = |field: &Arc<Field>| {
            let data_type = slices::viewed(field.data_type());
            field.as_ref().clone().with_data_type(data_type)
        };
        let schema = Schema::new(self.schema.fields().iter().map(field).collect::<Vec<_>>());
        self.stream(ArrowReaderOptions::new().with_schema(Arc::new(schema)), step, None)
    }

    /// Its times of the old form once more, in nanoseconds.
    fn nanos_in(&self, step: usize) -> Result<Option<ParquetRecordBatchStream<Reader>>> {
        if self.old_times.is_empty() {
            return Ok(None);
        }
        self.stream(ArrowReaderOptions::new(), step, Some(&self.old_times)).map(Some)
    }

    fn stream(
        &self,
        options: ArrowReaderOptions,
        step: usize,
        leaves: Option<&[usize]>,
    ) -> Result<ParquetRecordBatchStream<Reader>> {
        let wrong = |cause| failed(self.object, cause);
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(&self.footer), options).map_err(wrong)?;
        let builder =
            ParquetRecordBatchStreamBuilder::new_with_metadata(Reader(self.object.clone()), metadata);
        let mut builder = builder.with_batch_size(step);
        if let Some(leaves) = leaves {
            let mask = ProjectionMask::leaves(builder.parquet_schema(), leaves.iter().copied());
            builder = builder.with_projection(mask);
        }
        builder.build().map_err(wrong)
    }
}

/// Times in microseconds, if in nanoseconds they are the same. Nanoseconds wrap around far from now, and microseconds
/// times a thousand do it alike.
fn with_whole_micros(batch: &RecordBatch, nanos: &RecordBatch, unfit: &mut Unfit<'_>) -> Result<RecordBatch> {
    let mut columns = batch.columns().to_vec();
    let optional = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
    let schema = Schema::new(batch.schema().fields().iter().map(optional).collect::<Vec<_>>());
    for (field, nanos) in nanos.schema().fields().iter().zip(nanos.columns()) {
        let place = batch.schema().index_of(field.name()).map_err(Error::internal)?;
        let Some(column) = columns.get_mut(place) else { continue };
        *column = whole_micros(column, nanos, field.name(), unfit)?;
    }
    RecordBatch::try_new(Arc::new(schema), columns).map_err(Error::internal)
}

fn whole_micros(micros: &ArrayRef, nanos: &ArrayRef, name: &str, unfit: &mut Unfit<'_>) -> Result<ArrayRef> {
    let pair = micros
        .as_primitive_opt::<TimestampMicrosecondType>()
        .zip(nanos.as_primitive_opt::<TimestampNanosecondType>());
    let Some((in_micros, in_nanos)) = pair else { return Err(Error::internal("times of another type")) };
    let is_cut = |(micros, nanos): (Option<i64>, Option<i64>)| match (micros, nanos) {
        (Some(micros), Some(nanos)) => micros.wrapping_mul(1000) != nanos,
        _ => false,
    };
    let cut = in_micros.iter().zip(in_nanos.iter()).map(is_cut).collect::<BooleanArray>();
    if cut.true_count() == 0 {
        return Ok(Arc::clone(micros));
    }
    for row in (0..cut.len()).filter(|row| cut.value(*row)) {
        unfit.meet(name, &exact::text(nanos, row), "the lake holds whole microseconds")?;
    }
    nullif(micros, &cut).map_err(Error::internal)
}

/// Reads an object as it was listed.
struct Reader(Object);

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        async move { self.0.range(range).await.map_err(|error| ParquetError::External(Box::new(error))) }
            .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let size = self.0.size();
            let options = options.map(|options| options.metadata_options().clone());
            let reader = ParquetMetaDataReader::new().with_metadata_options(options);
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}

/// What a failure to read is: one of the store's, or a file that is no Parquet.
fn failed(object: &Object, cause: ParquetError) -> Error {
    if let ParquetError::External(inner) = &cause
        && let Some(error) = inner.downcast_ref::<Error>()
    {
        return Error::new(error.kind(), error.detail()).with_source(cause);
    }
    let told = shown(&cause.to_string());
    Error::invalid_request(format!("`{}` cannot be read as Parquet: {told}", object.url())).with_source(cause)
}
