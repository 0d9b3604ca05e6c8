//! The shape of the code, as a test: who may name whom, module docs, sizes, and that the map names every folder.
//!
//! Reads the sources as text. That is rough, and enough: an edge that is not written down cannot be taken by accident.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which folder may name which others. `error` and `config` are open to all; `app`, `cli` and `main` may name all.
const EDGES: &[(&str, &[&str])] = &[
    ("serve", &["identity", "query", "results", "ingest", "catalog", "store", "audit", "policy", "app"]),
    ("results", &["query", "lake", "policy", "app"]),
    ("identity", &["store", "policy"]),
    ("query", &["policy", "catalog", "lake", "audit", "store", "app"]),
    ("ingest", &["catalog", "lake", "audit", "policy", "store", "app"]),
    ("catalog", &["store", "lake", "policy"]),
    ("store", &["policy", "audit"]),
    ("audit", &[]),
    ("policy", &[]),
    ("lake", &["policy"]),
    ("config", &["policy"]),
    ("error", &[]),
];

const OPEN_TO_ALL: &[&str] = &["error", "config"];

const MAY_NAME_ALL: &[&str] = &["app", "cli", "fuzzing", "main", "lib"];

/// Words of an outside crate, and the only places that may name it.
const CRATES: &[(&[&str], &[&str])] = &[
    (&["axum", "tower", "tower_http", "hyper", "utoipa", "utoipa_axum"], &["serve/"]),
    (&["tonic", "arrow_flight", "prost"], &["serve/flight_sql/"]),
    (&["pgwire", "arrow_pg", "postgres_types"], &["serve/postgres/"]),
    (&["datafusion_pg_catalog"], &["query/pg_catalog/"]),
    (&["sqlx"], &["store/", "ingest/source/", "cli/demo/source.rs"]),
];

/// What would make the decision depend on more than the question and the rules.
const IMPURE: &[&str] = &[
    "tokio",
    "sqlx",
    "axum",
    "datafusion",
    "reqwest",
    "std::fs",
    "std::env",
    "std::time",
    "std::net",
    "Utc::now",
    "async fn",
];

const LARGEST_FILE: usize = 600;
const MEDIAN_FILE: usize = 200;
const LONGEST_FUNCTION: usize = 100;

#[test]
fn folders_name_only_what_they_may() {
    assert_none(server_sources().iter().flat_map(|file| wrong_edges(&file.path, &file.code)).collect());
}

#[test]
fn outside_crates_are_named_where_they_belong() {
    assert_none(server_sources().iter().flat_map(|file| misplaced_crates(&file.path, &file.code)).collect());
}

#[test]
fn the_policy_is_pure() {
    let policy = server_sources().into_iter().filter(|file| file.path.starts_with("policy/"));
    assert_none(policy.flat_map(|file| impurities(&file.path, &file.code)).collect());
}

/// What looks personal is told from a name and values alone, so that it can be tried with any.
#[test]
fn personal_columns_are_judged_purely() {
    let personal = server_sources().into_iter().filter(|file| file.path.starts_with("ingest/personal/"));
    let files = personal.collect::<Vec<_>>();
    assert!(!files.is_empty());
    assert_none(files.iter().flat_map(|file| impurities(&file.path, &file.code)).collect());
}

#[test]
fn the_client_does_not_know_the_server() {
    let sources = sources("client/src");
    assert_none(
        sources.iter().filter(|file| names(&file.code, "lakegate")).map(|file| file.path.clone()).collect(),
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = server_sources().into_iter().chain(sources("client/src"));
    assert_none(all.filter(|file| !file.text.starts_with("//! ")).map(|file| file.path).collect());
}

#[test]
fn files_and_functions_stay_small() {
    let files = server_sources();
    let mut lengths: Vec<_> = files.iter().map(|file| file.text.lines().count()).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MEDIAN_FILE, "half of the files have more than {median} lines");
    let too_large = files.iter().filter(|file| file.text.lines().count() > LARGEST_FILE);
    assert_none(too_large.map(|file| format!("{}: more than {LARGEST_FILE} lines", file.path)).collect());
    assert_none(files.iter().flat_map(|file| long_functions(&file.path, &file.text)).collect());
}

#[test]
fn the_map_names_every_folder() {
    let map = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let folders = fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path());
    let names =
        folders.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().display().to_string());
    assert_none(names.filter(|name| !map.contains(&format!("`{name}/`"))).collect());
}

/// A check that cannot fail is no check: each one is shown something wrong and something right.
#[test]
fn the_checks_can_fail() {
    let edge = |path: &str, code: &str| wrong_edges(path, &without_comments(code)).len();
    assert_eq!(edge("policy/decide.rs", "use crate::store::Store;"), 1);
    assert_eq!(edge("lake/mod.rs", "fn f() { crate::query::run() }"), 1);
    assert_eq!(edge("query/mod.rs", "use crate::{serve::http, policy};"), 1);
    assert_eq!(edge("query/mod.rs", "use crate::{\n    audit::event,\n    ingest::{a, b},\n};"), 1);
    assert_eq!(edge("nowhere/mod.rs", "use crate::error::Result;"), 1);
    assert_eq!(
        edge("policy/decide.rs", "use crate::error::Result; // crate::store\n/* crate::serve::x */"),
        0
    );
    assert_eq!(edge("policy/decide.rs", "use crate::policy::model; let x = \"crate::store::Store\";"), 0);
    assert_eq!(edge("cli/sql.rs", "use crate::serve::http;"), 0);

    let crates = |path: &str, code: &str| misplaced_crates(path, &without_comments(code)).len();
    assert_eq!(crates("query/mod.rs", "use axum::Router;"), 1);
    assert_eq!(crates("cli/demo/mod.rs", "sqlx::query(sql)"), 1);
    assert_eq!(crates("cli/demo/source.rs", "sqlx::query(sql)"), 0);
    assert_eq!(crates("serve/http/mod.rs", "use axum::Router; let maximum = 1;"), 0);
    assert_eq!(crates("query/mod.rs", "// like axum\nlet sqlxes = 1;"), 0);

    assert_eq!(impurities("policy/x.rs", "let now = chrono::Utc::now(); std::env::var(name)").len(), 2);
    assert_eq!(impurities("policy/x.rs", "use std::collections::BTreeMap;").len(), 0);

    let function =
        |lines: usize| format!("impl X {{\n    fn f() {{\n{}    }}\n}}\n", "        x();\n".repeat(lines));
    assert_eq!(long_functions("x.rs", &function(LONGEST_FUNCTION)).len(), 1);
    assert_eq!(long_functions("x.rs", &function(LONGEST_FUNCTION - 2)).len(), 0);
}

struct Source {
    /// Below `src/`.
    path: String,
    text: String,
    /// The text without comments and string literals.
    code: String,
}

fn server_sources() -> Vec<Source> {
    sources("src")
}

fn sources(folder: &str) -> Vec<Source> {
    let base = root().join(folder);
    let mut files = Vec::new();
    let mut folders = vec![base.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = without_comments(&text);
                files.push(Source {
                    path: path.strip_prefix(&base).unwrap().display().to_string(),
                    text,
                    code,
                });
            }
        }
    }
    assert!(!files.is_empty(), "no sources in {}", base.display());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn assert_none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The top-level folder or file that a path belongs to.
fn folder(path: &str) -> &str {
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

fn wrong_edges(path: &str, code: &str) -> Vec<String> {
    let from = folder(path);
    if MAY_NAME_ALL.contains(&from) {
        return Vec::new();
    }
    let edges: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let Some(allowed) = edges.get(from) else {
        return vec![format!("{path}: the folder `{from}` has no line in the list of edges")];
    };
    let mut named = named_folders(code);
    named.retain(|to| to != from && !allowed.contains(&to.as_str()) && !OPEN_TO_ALL.contains(&to.as_str()));
    named.into_iter().map(|to| format!("{path}: `{from}` may not name `{to}`")).collect()
}

/// Every `X` of `crate::X` and of `crate::{X, …}`.
fn named_folders(code: &str) -> Vec<String> {
    let mut named: Vec<String> = Vec::new();
    for (position, found) in code.match_indices("crate::") {
        // `other_crate::` is a name of its own.
        if code[..position].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[position + found.len()..];
        match rest.strip_prefix('{') {
            None => named.push(word(rest)),
            Some(list) => named.extend(first_words(list)),
        }
    }
    named.retain(|name| !name.is_empty());
    named.sort();
    named.dedup();
    named
}

/// The first words of the parts of a `{a::b, c::{d, e}}` list, given without its first brace.
fn first_words(list: &str) -> Vec<String> {
    let (mut depth, mut parts, mut part) = (0, Vec::new(), String::new());
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            '{' => depth += 1,
            '}' => depth -= 1,
            c if depth == 0 => part.push(c),
            _ => {}
        }
    }
    parts.push(part);
    parts.iter().map(|part| word(part.trim_start())).collect()
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn misplaced_crates(path: &str, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (crates, places) in CRATES {
        if places.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        let named = crates.iter().filter(|name| names(code, name));
        found.extend(
            named.map(|name| format!("{path}: names `{name}`, which belongs in {}", places.join(", "))),
        );
    }
    found
}

/// Whether the code has `name::`, `use name;` or `name!` as a word of its own.
fn names(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(position, _)| {
        let before = code[..position].chars().next_back();
        let after = &code[position + name.len()..];
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '.')
            && (after.starts_with("::")
                || (code[..position].ends_with("use ") && after.starts_with([';', ' '])))
    })
}

fn impurities(path: &str, code: &str) -> Vec<String> {
    let found = IMPURE
        .iter()
        .filter(|word| if word.contains([':', ' ']) { code.contains(**word) } else { names(code, word) });
    found.map(|word| format!("{path}: `{word}` does not belong where no IO is")).collect()
}

/// Code as rustfmt writes it: a function ends at the brace that stands as far left as its `fn`.
fn long_functions(path: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let is_function = code.split("fn ").next().is_some_and(|before| {
            code.contains("fn ")
                && before.split_whitespace().all(|word| {
                    matches!(word, "async" | "const" | "unsafe")
                        || word.starts_with("pub")
                        || word == "crate)"
                })
        });
        if !is_function || code.ends_with(';') || code.ends_with('}') {
            continue;
        }
        let end = format!("{}}}", " ".repeat(line.len() - code.len()));
        let length = lines[start..].iter().position(|line| **line == end).map_or(0, |offset| offset + 1);
        if length > LONGEST_FUNCTION {
            found.push(format!("{path}:{}: a function of {length} lines", start + 1));
        }
    }
    found
}

/// Comments and the contents of plain string literals, cut out.
fn without_comments(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(character) =
            ["'\"'", "'\\\"'", "'\\''", "b'\"'"].iter().find(|it| rest.starts_with(**it))
        {
            character.len()
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if c == '"' {
            code.push('"');
            literal(rest)
        } else {
            code.push(c);
            c.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

/// The length of the string literal that `text` begins with.
fn literal(text: &str) -> usize {
    let mut escaped = false;
    for (position, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return position + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}
