//! What the line editor asks while somebody types: what Tab completes, what history suggests, and the colours of SQL.
//!
//! Sees the line that is typed and the lines of the same statement before it. What can be completed it does not know: it
//! asks [`complete`].

use std::borrow::Cow;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::{Context, Helper, Validator};

use super::complete::names::Listing;
use super::complete::{self, Offer, keywords};
use super::scan::{self, Token, What};
use super::style::{Paint, Style};

/// A statement longer than this is typed by nobody, and stays without colours.
const LONGEST: usize = 1 << 14;

/// Helps with one line after the other.
#[derive(Helper, Validator)]
pub struct Assistant {
    listing: Listing,
    style: Style,
    /// The lines of the statement before this one.
    pub pending: String,
    /// Where tables without a database are.
    pub database: Option<String>,
    files: FilenameCompleter,
    history: HistoryHinter,
}

impl Assistant {
    pub fn new(listing: Listing, style: Style) -> Self {
        Self {
            listing,
            style,
            pending: String::new(),
            database: None,
            files: FilenameCompleter::new(),
            history: HistoryHinter::new(),
        }
    }

    fn is_command(&self, line: &str) -> bool {
        line.trim_start().starts_with('\\') && scan::awaits_statement(&self.pending)
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (before, after) = (line.get(..pos).unwrap_or_default(), line.get(pos..).unwrap_or_default());
        let (ask, database) = (|| self.listing.get(), self.database.as_deref());
        let offer = if self.is_command(line) {
            complete::command(before, after, &ask, database)
        } else {
            complete::sql(&format!("{}{before}", self.pending), after, &ask, database)
        };
        match offer {
            Offer::Files(length) => {
                let start = pos.saturating_sub(length);
                let name = before.get(start..).unwrap_or_default();
                let (at, names) = self.files.complete_path(name, name.len())?;
                Ok((start + at, names))
            }
            // What began on a line before this one cannot be replaced here.
            Offer::Words { replaces, .. } if replaces > pos => Ok((pos, Vec::new())),
            Offer::Words { replaces, words } => {
                let pair = |word: String| Pair { display: word.clone(), replacement: word };
                Ok((pos - replaces, words.into_iter().map(pair).collect()))
            }
        }
    }
}

impl Hinter for Assistant {
    type Hint = String;

    /// Without colours a suggestion would look as if it were typed.
    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<String> {
        let hint = self.style.is_on().then(|| self.history.hint(line, pos, context))??;
        Some(hint).filter(|hint| !hint.contains('\n'))
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if !self.style.is_on() || self.is_command(line) || self.pending.len() + line.len() > LONGEST {
            return Cow::Borrowed(line);
        }
        let text = format!("{}{line}", self.pending);
        let start = self.pending.len();
        let painted = scan::tokens(&text).filter_map(|token| {
            // A text or a comment may have begun on a line before this one.
            let shown = token.text.get(start.saturating_sub(token.at)..)?;
            Some(paint_of(&token).map_or(Cow::Borrowed(shown), |paint| self.style.paint(paint, shown)))
        });
        Cow::Owned(painted.collect())
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        self.style.paint(Paint::Faint, hint)
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.style.is_on() && kind != CmdKind::MoveCursor
    }
}

fn paint_of(token: &Token<'_>) -> Option<Paint> {
    match token.what {
        What::Comment => Some(Paint::Faint),
        What::Text => Some(Paint::Text),
        What::Word if keywords::is_keyword(token.text) => Some(Paint::Keyword),
        _ => None,
    }
}
