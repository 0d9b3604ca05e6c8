//! Rows that are new or have changed, put into a table that is there: which of its files stay, and which are written again
//! without the rows that others have taken the place of.
//!
//! Nothing is changed in place and nothing is visible: all of it comes to a list of files, of which somebody makes a
//! version. Joins are sorted and spill, so that memory is bounded however many keys there are.

use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use datafusion::prelude::{DataFrame, SessionContext};
use deltalake_core::kernel::Add;
use futures::TryStreamExt;

use super::source::quoted;
use super::spill::{count, failed, in_order, session};
use super::write::{TableWriter, Totals};
use crate::error::{Error, Result};
use crate::lake::DeltaLog;

/// Names of tables in the statements below.
const FILE: &str = "file";
const OTHERS: &str = "others";
const TAKEN: &str = "taken";
const PRESENT: &str = "present";

/// A table that files are to be merged into.
pub(super) struct Merge<'a> {
    pub log: &'a DeltaLog,
    pub schema: &'a SchemaRef,
    /// The columns that tell rows apart; none of them is NULL.
    pub key: &'a [String],
    /// What it may hold, in bytes.
    pub memory: u64,
}

/// What keys say of the rows that are there: of which others take the place, and which are in the source at all.
pub(super) struct Keys<'a> {
    /// Files with the key columns, or more.
    pub taken: Vec<&'a [Add]>,
    /// Files with the keys of all rows of the source, when rows without one are to go.
    pub present: Option<&'a [Add]>,
}

/// The files that a table is to have.
#[derive(Debug, Default)]
pub(super) struct Merged {
    pub files: Vec<Add>,
    /// Those of them that were written for it.
    pub written: Vec<Add>,
    /// The rows that came in, where they are others than those that were read.
    pub added: Option<Totals>,
}

impl Merge<'_> {
    /// The rows of `there` that nothing takes the place of, as files: one that loses no row is kept as it is.
    pub async fn kept(&self, there: &[Add], keys: &Keys<'_>) -> Result<Merged> {
        let session = self.session()?;
        let joins = self.joins(&session, keys)?;
        let mut merged = Merged::default();
        for file in there {
            match self.without(&session, &joins, file).await {
                Ok(None) => merged.files.push(file.clone()),
                Ok(Some(rest)) => {
                    merged.files.extend(rest.iter().cloned());
                    merged.written.extend(rest);
                }
                Err(error) => {
                    self.writer().abandon(&merged.written).await;
                    return Err(error);
                }
            }
        }
        Ok(merged)
    }

    /// All rows of `there` with the types of the table, file by file and each in its order.
    pub async fn rewritten(&self, there: &[Add]) -> Result<Vec<Add>> {
        let session = in_order();
        let mut written = Vec::new();
        for file in there {
            let outcome = async {
                let rows = self.log.reading(self.schema, std::slice::from_ref(file))?;
                self.write(session.read_table(rows).map_err(failed)?).await
            };
            match outcome.await {
                Ok((files, _)) => written.extend(files),
                Err(error) => {
                    self.writer().abandon(&written).await;
                    return Err(error);
                }
            }
        }
        Ok(written)
    }

    /// The rows of `new` whose keys are not in `there`, as files of their own.
    pub async fn fresh(&self, new: &[Add], there: &[Add]) -> Result<Merged> {
        let session = self.session()?;
        self.register(&session, FILE, self.schema, new)?;
        self.register(&session, OTHERS, self.schema, there)?;
        let (on, ordered) = (self.on("o"), self.ordered());
        let sql = format!("SELECT f.* FROM {FILE} f LEFT ANTI JOIN {OTHERS} o ON {on}{ordered}");
        let (files, added) = self.write(session.sql(&sql).await.map_err(failed)?).await?;
        Ok(Merged { files: files.clone(), written: files, added: Some(added) })
    }

    /// What is joined to a file `f`, so that the rows stay which `keys` let stay.
    fn joins(&self, session: &SessionContext, keys: &Keys<'_>) -> Result<String> {
        let key_schema = self.key_schema()?;
        let mut joins = String::new();
        for (at, taken) in keys.taken.iter().enumerate().filter(|(_, taken)| !taken.is_empty()) {
            let name = format!("{TAKEN}{at}");
            self.register(session, &name, &key_schema, taken)?;
            joins += &format!(" LEFT ANTI JOIN {name} ON {}", self.on(&name));
        }
        if let Some(present) = keys.present {
            self.register(session, PRESENT, &key_schema, present)?;
            joins += &format!(" LEFT SEMI JOIN {PRESENT} ON {}", self.on(PRESENT));
        }
        Ok(joins)
    }

    /// The rest of `file`, or none when it loses nothing.
    async fn without(&self, session: &SessionContext, joins: &str, file: &Add) -> Result<Option<Vec<Add>>> {
        session.deregister_table(FILE).map_err(failed)?;
        self.register(session, FILE, self.schema, std::slice::from_ref(file))?;
        let rows = |columns: &str| format!("SELECT {columns} FROM {FILE} f{joins}");
        let all = count(session, &format!("SELECT 1 FROM {FILE}")).await?;
        let kept = count(session, &rows("1")).await?;
        if all == kept {
            return Ok(None);
        }
        if kept == 0 {
            return Ok(Some(Vec::new()));
        }
        let sql = rows("f.*") + &self.ordered();
        let (rest, _) = self.write(session.sql(&sql).await.map_err(failed)?).await?;
        Ok(Some(rest))
    }

    async fn write(&self, rows: DataFrame) -> Result<(Vec<Add>, Totals)> {
        let mut rows = rows.execute_stream().await.map_err(failed)?;
        let mut writer = self.writer();
        let outcome = async {
            while let Some(batch) = rows.try_next().await.map_err(failed)? {
                writer.write(&batch).await?;
            }
            writer.finish().await
        };
        match outcome.await {
            Ok(files) => Ok((files, writer.totals())),
            Err(error) => {
                writer.abandon(&[]).await;
                Err(error)
            }
        }
    }

    fn writer(&self) -> TableWriter {
        TableWriter::new(self.log, self.schema.clone(), self.memory / 2)
    }

    fn register(
        &self,
        session: &SessionContext,
        name: &str,
        schema: &SchemaRef,
        files: &[Add],
    ) -> Result<()> {
        session.register_table(name, self.log.reading(schema, files)?).map_err(failed)?;
        Ok(())
    }

    /// The columns of the key alone.
    pub fn key_schema(&self) -> Result<SchemaRef> {
        let field = |name: &String| self.schema.field_with_name(name).cloned();
        let fields = self.key.iter().map(field).collect::<Result<Vec<_>, _>>().map_err(Error::internal)?;
        Ok(Arc::new(Schema::new(fields)))
    }

    /// The condition that a row of `f` has the key of one of `other`.
    fn on(&self, other: &str) -> String {
        let equal = |name: &String| {
            let name = quoted(name);
            format!("f.{name} = {other}.{name}")
        };
        self.key.iter().map(equal).collect::<Vec<_>>().join(" AND ")
    }

    fn session(&self) -> Result<SessionContext> {
        session(self.memory / 2)
    }

    /// In the order of the key, so that a file that is written again has neighbours side by side.
    fn ordered(&self) -> String {
        let names = self.key.iter().map(|name| format!("f.{}", quoted(name))).collect::<Vec<_>>();
        format!(" ORDER BY {}", names.join(", "))
    }
}
