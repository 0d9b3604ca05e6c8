//! Delta tables whose files alone do not say their rows and columns: deletion vectors, and columns that are called
//! otherwise in the files. deltalake's own scan reads them.
//!
//! This keeps that scan to what the check of a finished plan can see: every row comes from a listed file, and every
//! filter is still there above it. Left alone it answers from the log what asks for partition columns only, and
//! takes filters on them for done.

use std::sync::Arc;

use arrow_schema::{Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::error::Result as EngineResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::expressions::{CastExpr, Column};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::columns;

/// A table at one version, read by deltalake.
#[derive(Debug)]
pub(super) struct KernelTable {
    inner: Arc<dyn TableProvider>,
    schema: SchemaRef,
    partition_columns: Vec<String>,
}

impl KernelTable {
    pub fn new(inner: Arc<dyn TableProvider>, partition_columns: &[String]) -> Self {
        let schema = columns::bare(&inner.schema());
        Self { inner, schema, partition_columns: partition_columns.to_vec() }
    }

    fn is_in_files(&self, field: &Field) -> bool {
        !self.partition_columns.contains(field.name())
    }

    /// The columns to read so that a file has to be opened: `wanted`, and one of the files' own when there is none.
    fn with_one_of_the_files(&self, wanted: &[usize]) -> Vec<usize> {
        let schema = &self.schema;
        let field_is_in_files =
            |index: &usize| schema.fields().get(*index).is_some_and(|field| self.is_in_files(field));
        let mut read = wanted.to_vec();
        if !wanted.iter().any(field_is_in_files) {
            read.extend(schema.fields().iter().position(|field| self.is_in_files(field)));
        }
        read
    }
}

#[async_trait]
impl TableProvider for KernelTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        self.inner.statistics()
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    /// A limit stays above the scan: how many rows of a file are left is not known to the file.
    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let wanted = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let read = self.with_one_of_the_files(&wanted);
        let plan = self.inner.scan(session, Some(&read), filters, None).await?;
        let target = self.schema.project(&wanted)?;
        let columns = target.fields().iter().enumerate().map(|(index, field)| ProjectionExpr {
            expr: Arc::new(CastExpr::new_with_target_field(
                Arc::new(Column::new(field.name(), index)),
                Arc::clone(field),
                None,
            )),
            alias: field.name().clone(),
        });
        Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
    }
}
