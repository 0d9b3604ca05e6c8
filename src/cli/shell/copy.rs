//! `\copy`: a result into a file, which is whole or is not there.
//!
//! The rows go to a file of another name beside it, which takes its place when they are all written. Whatever ends it
//! before that takes the part away and leaves alone what stood there. Decides nothing about the rows: they are those
//! that the query gives.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use lakegate_client::Connection;
use uuid::Uuid;

use super::output::{self, Failure, Summary};
use super::rows::{self, FileFormat};
use super::scan::{self, What};

const USAGE: &str = "write `\\copy DB.TABLE TO 'FILE'` or `\\copy (SELECT …) TO 'FILE'`, and `FORMAT` with a format behind it";

/// What to copy, and where to.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    pub sql: String,
    pub file: PathBuf,
    pub format: FileFormat,
}

/// Reads what stands behind `\copy`; the error is a sentence.
pub fn parse(text: &str) -> Result<Copy, String> {
    let usage = || USAGE.to_owned();
    let text = text.trim().trim_end_matches(';').trim_end();
    let to = destination(text).ok_or_else(usage)?;
    let source = text.get(..to).unwrap_or_default().trim();
    let sql = match source.strip_prefix('(').and_then(|inside| inside.strip_suffix(')')) {
        Some(query) => query.trim().to_owned(),
        None if scan::path(source).is_some() => format!("SELECT * FROM {source}"),
        None => return Err(usage()),
    };
    let (file, rest) = file_name(text.get(to + 2..).unwrap_or_default().trim_start());
    if file.is_empty() || scan::is_blank(&sql) {
        return Err(usage());
    }
    let file = at_home(&file);
    let mut words = rest.split_whitespace();
    let format = match (words.next(), words.next(), words.next()) {
        (None, ..) => by_extension(&file)?,
        (Some(word), Some(name), None) if word.eq_ignore_ascii_case("format") => {
            FileFormat::from_str(name, true).map_err(|_| {
                format!("`{name}` is not a format: write `csv`, `json`, `ndjson`, `parquet` or `arrow`")
            })?
        }
        _ => return Err(usage()),
    };
    Ok(Copy { sql, file, format })
}

/// Where the `TO` is that is in no parentheses.
pub fn destination(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    scan::tokens(text)
        .find(|token| {
            match (token.what, token.text) {
                (What::Sign, "(") => depth += 1,
                (What::Sign, ")") => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.is_word("to")
        })
        .map(|token| token.at)
}

/// Runs the query into the file.
pub async fn run(connection: &Connection, copy: &Copy) -> Result<Summary, Failure> {
    let told =
        |error: io::Error| Failure::Command(format!("`{}` cannot be written: {error}", copy.file.display()));
    let mut part = Part::beside(&copy.file).map_err(told)?;
    let mut out = io::BufWriter::with_capacity(1 << 16, &mut part.file);
    let query = connection.query(copy.sql.as_str());
    let outcome = output::run(query, |schema| rows::kept(copy.format, schema, &mut out)).await;
    let summary = outcome.map_err(|failure| match failure {
        Failure::Write(error) => told(error),
        other => other,
    })?;
    out.flush().map_err(told)?;
    drop(out);
    part.become_whole().map_err(told)?;
    Ok(summary)
}

/// A file that is not yet whole; it goes away unless it becomes that.
struct Part {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Part {
    fn beside(wanted: &Path) -> io::Result<Self> {
        // A link stays one, and what it points at is replaced.
        let existing = fs::canonicalize(wanted).ok();
        let permissions = existing.as_ref().map(fs::metadata).transpose()?;
        if permissions.as_ref().is_some_and(|found| !found.is_file()) {
            return Err(io::Error::other("it is no file"));
        }
        let target = existing.unwrap_or_else(|| wanted.to_owned());
        if target.file_name().is_none() {
            return Err(io::Error::other("it is no file"));
        }
        let path = target.with_file_name(format!(".lakegate-{}.part", Uuid::new_v4().simple()));
        let file = File::options().write(true).create_new(true).open(&path)?;
        let part = Self { file, path, target };
        if let Some(found) = permissions {
            part.file.set_permissions(found.permissions())?;
        }
        Ok(part)
    }

    fn become_whole(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Once it is whole there is nothing of this name, and what cannot be removed does not look complete.
        let _ = fs::remove_file(&self.path);
    }
}

/// A file's name, in quotes or up to the next space, and what follows it. Without quotes `\` lets a space in.
pub fn file_name(text: &str) -> (String, &str) {
    if let Some(token) = scan::tokens(text).next().filter(|token| token.text.starts_with('\'')) {
        return (token.value(), text.get(token.text.len()..).unwrap_or_default());
    }
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.extend(letters.next().map(|(_, letter)| letter)),
            space if space.is_whitespace() => return (name, text.get(at..).unwrap_or_default()),
            letter => name.push(letter),
        }
    }
    (name, "")
}

/// `~/` is the user's own folder.
pub fn at_home(name: &str) -> PathBuf {
    match (name.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(name),
    }
}

fn by_extension(file: &Path) -> Result<FileFormat, String> {
    let extension = file.extension().and_then(|text| text.to_str()).unwrap_or_default().to_ascii_lowercase();
    match extension.as_str() {
        "jsonl" => Ok(FileFormat::Ndjson),
        "feather" => Ok(FileFormat::Arrow),
        other => FileFormat::from_str(other, true).map_err(|_| {
            format!(
                "the name `{}` does not say the format: add `FORMAT csv`, `json`, `ndjson`, `parquet` or `arrow`",
                file.display()
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_or_a_query_is_copied_in_the_format_that_is_named_or_shown() {
        for (text, sql, file, format) in [
            ("shop.items TO 'a b.csv'", "SELECT * FROM shop.items", "a b.csv", FileFormat::Csv),
            ("items to x.JSON;", "SELECT * FROM items", "x.JSON", FileFormat::Json),
            ("\"My\".\"to\" to x.jsonl", "SELECT * FROM \"My\".\"to\"", "x.jsonl", FileFormat::Ndjson),
            (
                "(select 'to' as x, (1) to_y) TO 'it''s' format Parquet",
                "select 'to' as x, (1) to_y",
                "it's",
                FileFormat::Parquet,
            ),
            ("( select 1 ) TO my\\ file.arrow ;", "select 1", "my file.arrow", FileFormat::Arrow),
        ] {
            assert_eq!(parse(text), Ok(Copy { sql: sql.to_owned(), file: file.into(), format }), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_copied_is_told_with_what_can() {
        for text in [
            "",
            "items",
            "items to",
            "to x.csv",
            "() to x.csv",
            "(select 1 to x.csv",
            "select 1 to x.csv",
            "a..b to x.csv",
            "items to x.csv format",
            "items to x.csv format csv header",
            "items to x.csv csv",
        ] {
            assert_eq!(parse(text), Err(USAGE.to_owned()), "{text}");
        }
        assert!(parse("items to x.csv format xml").unwrap_err().starts_with("`xml` is not a format"));
        assert!(parse("items to x").unwrap_err().starts_with("the name `x` does not say the format"));
    }

    #[test]
    fn a_part_becomes_the_file_or_goes_away() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("x.csv");
        let names = || fs::read_dir(folder.path()).unwrap().count();
        let mut part = Part::beside(&wanted).unwrap();
        part.file.write_all(b"new").unwrap();
        assert!(!wanted.exists());
        drop(part);
        assert_eq!(names(), 0);
        fs::write(&wanted, "old").unwrap();
        drop(Part::beside(&wanted).unwrap());
        assert_eq!((fs::read_to_string(&wanted).unwrap().as_str(), names()), ("old", 1));
        let mut part = Part::beside(&wanted).unwrap();
        part.file.write_all(b"new").unwrap();
        part.become_whole().unwrap();
        assert_eq!((fs::read_to_string(&wanted).unwrap().as_str(), names()), ("new", 1));
        for no_file in ["/dev/null", "/", "..", ""] {
            assert!(Part::beside(Path::new(no_file)).is_err(), "{no_file}");
        }
    }
}
