//! What lies at a URL: one file, or a folder whose files and folders are tables. It is listed once.
//!
//! A file is told by its name. What would be left out without a word (files of another kind, values in folders' names)
//! refuses its table instead. Links that lead out of the folder are refused: whoever may put a file there shall not
//! bring in what only this process may read.

use std::collections::BTreeMap;

use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::sync::Arc;

use super::super::known::KnownFiles;
use super::object::Object;
use crate::error::{Error, ErrorKind, Result};
use crate::lake::{self, Lake};

/// How many files are listed at most, since the list is held in memory.
const MOST_FILES: usize = 200_000;

/// How a table's files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Csv,
    Ndjson,
}

/// A table as files.
#[derive(Debug)]
pub(super) struct Listed {
    pub name: String,
    pub format: Format,
    /// In the order of their names.
    pub objects: Vec<Object>,
    /// Why it cannot be brought in.
    pub problem: Option<String>,
}

/// The files of one folder, or one file, before it is known what they are.
#[derive(Default)]
struct Group {
    files: Vec<(Vec<String>, Object)>,
}

/// The tables at `url`.
pub(super) async fn list(lake: &Lake, url: &str) -> Result<Vec<Listed>> {
    let (store, store_url, path) = lake.store_for(url)?;
    let is_local = store_url.as_str().starts_with("file:");
    let named = |path: &Path| format!("{}{path}", store_url.as_str());
    let found = below(&store, &path, url).await?;
    if found.is_empty() {
        let meta = one_file(&store, &path, url).await?;
        return Ok(vec![single(&path, Object::new(store, meta, named(&path)))?]);
    }
    if found.iter().any(|meta| inside(&path, &meta.location).first().is_some_and(|part| part == "_delta_log"))
    {
        return Err(Error::invalid_request(format!(
            "`{url}` is a Delta table, some of whose files may be old: register it with `lakegate table register`"
        )));
    }
    if is_local {
        refuse_links(&path, &found).await?;
    }
    let mut groups = BTreeMap::<String, Group>::new();
    for meta in found {
        let parts = inside(&path, &meta.location);
        let object = Object::new(Arc::clone(&store), meta.clone(), named(&meta.location));
        if let Some(first) = parts.first() {
            groups.entry(first.clone()).or_default().files.push((parts, object));
        }
    }
    Ok(groups.into_iter().filter_map(|(name, group)| group.table(&name)).collect())
}

/// The object at `path` itself.
async fn one_file(store: &Arc<dyn ObjectStore>, path: &Path, url: &str) -> Result<ObjectMeta> {
    match store.head(path).await {
        Ok(meta) => Ok(meta),
        Err(object_store::Error::NotFound { .. }) => {
            Err(Error::new(ErrorKind::NotFound, format!("nothing found at `{url}`: check the location")))
        }
        Err(cause) => Err(lake::store_failed(url, cause)),
    }
}

/// All objects below `path`, in the order of their names.
async fn below(store: &Arc<dyn ObjectStore>, path: &Path, url: &str) -> Result<Vec<ObjectMeta>> {
    let mut listing = store.list(Some(path));
    let mut found = Vec::new();
    while let Some(meta) = listing.try_next().await.map_err(|cause| lake::store_failed(url, cause))? {
        found.push(meta);
        if found.len() > MOST_FILES {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!("`{url}` has more than {MOST_FILES} files: name a folder below it"),
            ));
        }
    }
    found.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}

/// The parts of a location below `folder`.
fn inside(folder: &Path, location: &Path) -> Vec<String> {
    let parts = location.prefix_match(folder).into_iter().flatten();
    parts.map(|part| part.as_ref().to_owned()).collect()
}

/// Every file must lie in the folder, wherever links lead.
async fn refuse_links(folder: &Path, found: &[ObjectMeta]) -> Result<()> {
    let local = |path: &Path| std::path::PathBuf::from(format!("/{path}"));
    let folder = local(folder);
    let files = found.iter().map(|meta| local(&meta.location)).collect::<Vec<_>>();
    let checked = tokio::task::spawn_blocking(move || {
        let folder = folder.canonicalize()?;
        for file in files {
            let real = file.canonicalize()?;
            if !real.starts_with(&folder) {
                return Ok(Some(file));
            }
        }
        Ok::<_, std::io::Error>(None)
    });
    let strange = checked.await.map_err(Error::internal)?;
    match strange.map_err(|cause| Error::unavailable("the folder changed while it was listed", cause))? {
        None => Ok(()),
        Some(file) => Err(Error::invalid_request(format!(
            "`{}` leads out of the folder: put a copy in its place, or name the file itself as the source",
            file.display()
        ))),
    }
}

fn single(path: &Path, object: Object) -> Result<Listed> {
    let file = path.filename().unwrap_or_default();
    match known(file) {
        Some((stem, format, compression)) => Ok(Listed {
            name: stem.to_owned(),
            format,
            objects: vec![object.compressed(compression)],
            problem: None,
        }),
        None => Err(Error::invalid_request(format!(
            "the name of `{}` does not say what it is: names end in `.parquet`, `.csv`, `.tsv`, `.ndjson` or `.jsonl`, \
             texts also with `.gz` or `.zst` behind",
            object.url()
        ))),
    }
}

/// The name of a file without what follows it, and what that says.
fn known(file: &str) -> Option<(&str, Format, FileCompressionType)> {
    let (rest, compression) = match file.rsplit_once('.') {
        Some((rest, "gz")) => (rest, FileCompressionType::GZIP),
        Some((rest, "zst")) => (rest, FileCompressionType::ZSTD),
        _ => (file, FileCompressionType::UNCOMPRESSED),
    };
    let (stem, extension) = rest.rsplit_once('.')?;
    let format = match extension.to_ascii_lowercase().as_str() {
        // Parquet compresses inside.
        "parquet" if compression == FileCompressionType::UNCOMPRESSED => Format::Parquet,
        "csv" | "tsv" => Format::Csv,
        "ndjson" | "jsonl" => Format::Ndjson,
        _ => return None,
    };
    (!stem.is_empty()).then_some((stem, format, compression))
}

impl Group {
    /// The table that these files are; none when nothing in them is data.
    fn table(self, name: &str) -> Option<Listed> {
        let is_hidden = |part: &String| part.starts_with(['.', '_']);
        if let [(parts, object)] = self.files.as_slice()
            && parts.len() == 1
        {
            let (stem, format, compression) = known(name).filter(|_| !parts.iter().any(is_hidden))?;
            let objects = vec![object.clone().compressed(compression)];
            return Some(Listed { name: stem.to_owned(), format, objects, problem: None });
        }
        let is_delta = self.files.iter().any(|(parts, _)| parts.iter().any(|part| part == "_delta_log"));
        let mut data = self.files;
        data.retain(|(parts, _)| !parts.iter().any(is_hidden));
        let mut table =
            Listed { name: name.to_owned(), format: Format::Parquet, objects: vec![], problem: None };
        let mut formats = Vec::new();
        for (parts, object) in data {
            let folders = parts.split_last().map(|(_, folders)| folders).unwrap_or_default();
            if let Some(folder) = folders.iter().find(|folder| folder.contains('=')) {
                table.refuse(format!(
                    "the folder `{folder}` holds a value of a column, which no file has: register it with `lakegate \
                     table register`"
                ));
            }
            match parts.last().and_then(|file| known(file)) {
                Some((_, format, compression)) => {
                    formats.push(format);
                    table.objects.push(object.compressed(compression));
                }
                // A folder of S3 is an object without bytes.
                None if object.size() == 0 => {}
                None => {
                    table.refuse(format!("`{}` is of no format that is read: move it away", object.url()))
                }
            }
        }
        table.format = *formats.first()?;
        if formats.iter().any(|format| *format != table.format) {
            table.refuse(format!("the folder `{name}` has files of several formats: a table is of one"));
        }
        if is_delta {
            table.problem = Some(format!(
                "`{name}` is a Delta table, some of whose files may be old: register it with `lakegate table register`"
            ));
        }
        Some(table)
    }
}

impl Listed {
    /// Its files that are not `known`.
    ///
    /// # Errors
    ///
    /// `invalid_request` for one that is known with another content.
    pub fn without(&self, known: &KnownFiles) -> Result<Vec<Object>> {
        let mut new = Vec::new();
        for object in &self.objects {
            match known.tags.get(object.url()) {
                None => new.push(object.clone()),
                Some(tag) if *tag == object.tag() => {}
                Some(_) => {
                    return Err(Error::invalid_request(format!(
                        "`{}` has changed since it was brought in, and its rows of then are in the table: give what is new \
                         a name of its own, or bring all files in once with `--mode snapshot`",
                        object.url()
                    )));
                }
            }
        }
        Ok(new)
    }

    /// The first reason is the one that is told.
    fn refuse(&mut self, why: String) {
        self.problem.get_or_insert(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_a_file_is() {
        for (file, expected) in [
            ("orders.parquet", Some(("orders", Format::Parquet))),
            ("Orders.2024.CSV", Some(("Orders.2024", Format::Csv))),
            ("orders.csv.gz", Some(("orders", Format::Csv))),
            ("orders.jsonl.zst", Some(("orders", Format::Ndjson))),
            ("orders.parquet.gz", None),
            ("orders.json", None),
            ("orders", None),
            (".csv", None),
            ("gz", None),
        ] {
            assert_eq!(known(file).map(|(stem, format, _)| (stem, format)), expected, "{file}");
        }
    }
}
