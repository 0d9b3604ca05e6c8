//! Colours, where there is somebody to see them.
//!
//! Only a terminal gets any, and only when neither `NO_COLOR` nor `TERM=dumb` says otherwise: what goes into a pipe or a
//! file is text and nothing else.

use std::borrow::Cow;

/// Whether and how things are coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Style {
    on: bool,
}

/// What can be told from the rest by its colour.
#[derive(Debug, Clone, Copy)]
pub enum Paint {
    Heading,
    Faint,
    Keyword,
    Text,
    Error,
}

impl Style {
    /// For a stream that is a terminal or is not.
    pub fn of(is_terminal: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let unable = std::env::var_os("TERM").is_none_or(|name| name == "dumb");
        Self { on: is_terminal && !unwanted && !unable }
    }

    /// Whether there are colours at all.
    pub fn is_on(self) -> bool {
        self.on
    }

    /// `text`, coloured where that is wanted.
    pub fn paint(self, paint: Paint, text: &str) -> Cow<'_, str> {
        if !self.on || text.is_empty() {
            return Cow::Borrowed(text);
        }
        let code = match paint {
            Paint::Heading => "1",
            Paint::Faint => "2",
            Paint::Keyword => "34",
            Paint::Text => "32",
            Paint::Error => "31",
        };
        Cow::Owned(format!("\x1b[{code}m{text}\x1b[0m"))
    }

    #[cfg(test)]
    pub fn always() -> Self {
        Self { on: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_terminal_gets_plain_text() {
        assert_eq!(Style::of(false).paint(Paint::Error, "x"), "x");
        assert_eq!(Style::always().paint(Paint::Error, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Style::always().paint(Paint::Error, ""), "");
    }
}
