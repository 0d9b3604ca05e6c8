//! What may follow the cursor on the line of a backslash command.

use super::{Ask, Offer, is_listing, sql};
use crate::cli::shell::command::COMMANDS;
use crate::cli::shell::copy;
use crate::cli::shell::scan;

/// What can stand between `before` and `after` on such a line.
pub fn command(before: &str, after: &str, ask: Ask<'_>, database: Option<&str>) -> Offer {
    let line = before.trim_start();
    let (name, argument) = match line.split_once(char::is_whitespace) {
        Some((name, argument)) => (name, argument.trim_start()),
        None => return among(line, COMMANDS.iter().map(|command| command.name)),
    };
    match name {
        "\\d" => table(argument, ask, database),
        "\\c" => {
            let names = ask();
            let databases = names.databases.keys().map(String::as_str);
            among(argument, databases.filter(|name| !is_listing(name)))
        }
        "\\copy" => copied(argument, after, ask, database),
        "\\i" => Offer::Files(argument.len()),
        _ => {
            let takes = COMMANDS.iter().find(|command| command.name == name).map(|command| command.takes);
            among(
                argument,
                takes.unwrap_or_default().split(['[', ']', '|', ' ']).filter(|word| is_choice(word)),
            )
        }
    }
}

/// What is written in small letters is a choice, and what is in capitals stands for something.
fn is_choice(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase())
}

fn among<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Offer {
    let words = words.filter(|word| word.starts_with(typed)).map(str::to_owned).collect();
    Offer::Words { replaces: typed.len(), words }
}

/// A table's name alone is completed as it is behind `FROM`.
fn table(typed: &str, ask: Ask<'_>, database: Option<&str>) -> Offer {
    sql(&format!("FROM {typed}"), "", ask, database)
}

fn copied(argument: &str, after: &str, ask: Ask<'_>, database: Option<&str>) -> Offer {
    let Some(to) = copy::destination(argument) else {
        return match argument.strip_prefix('(') {
            Some(query) if !is_closed(query) => sql(query, after, ask, database),
            Some(_) => Offer::Words { replaces: 0, words: Vec::new() },
            None => table(argument, ask, database),
        };
    };
    let target = argument.get(to + 2..).unwrap_or_default();
    // Right behind `TO` a table called so may be meant.
    if target.is_empty() {
        return table(argument, ask, database);
    }
    let target = target.trim_start();
    let (_, rest) = copy::file_name(target);
    let is_open = target.starts_with('\'') && scan::tokens(target).next().is_some_and(|token| !token.closed);
    if is_open || rest.is_empty() {
        return Offer::Files(target.len());
    }
    match rest.trim_start().split_once(char::is_whitespace) {
        Some((_, format)) => {
            among(format.trim_start(), ["csv", "json", "ndjson", "parquet", "arrow"].into_iter())
        }
        None => among(rest.trim_start(), std::iter::once("FORMAT")),
    }
}

/// Whether the parenthesis that was opened before `query` is closed in it.
fn is_closed(query: &str) -> bool {
    let mut depth = 1_usize;
    for token in scan::tokens(query) {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth == 0
}
