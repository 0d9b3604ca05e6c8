//! A statement's text in pieces, and where it ends: at the first `;` outside quotes and comments.
//!
//! Knows `'text'`, `"name"`, `-- comment`, nested `/* comment */` and `$tag$ text $tag$`, and nothing else of SQL.

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Space,
    Comment,
    Word,
    /// In double quotes.
    Name,
    /// In single quotes, or between dollars.
    Text,
    Sign,
    /// The `;` itself.
    End,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub what: What,
    pub text: &'a str,
    /// Where it begins.
    pub at: usize,
    /// Whether it has its end; one that has not goes on to the end of the text.
    pub closed: bool,
}

/// The first statement and what follows its `;`; `None` while no statement is complete.
pub fn split_first(text: &str) -> Option<(&str, &str)> {
    let end = tokens(text).take_while(|token| token.closed).find(|token| token.what == What::End)?;
    Some((text.get(..end.at)?, text.get(end.at + 1..)?))
}

/// Whether a text is nothing but space and comments.
pub fn is_blank(text: &str) -> bool {
    tokens(text).all(|token| token.is_nothing())
}

/// Whether what follows a text begins a statement: it is blank and no comment is open.
pub fn awaits_statement(text: &str) -> bool {
    tokens(text).all(|token| token.is_nothing() && token.closed)
}

/// The pieces of a text, which are all of it.
pub fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let token = token(text, at)?;
        at += token.text.len();
        Some(token)
    })
}

impl Token<'_> {
    /// Space or a comment.
    pub fn is_nothing(&self) -> bool {
        matches!(self.what, What::Space | What::Comment)
    }

    /// A word of SQL, however it is written.
    pub fn is_word(&self, word: &str) -> bool {
        self.what == What::Word && self.text.eq_ignore_ascii_case(word)
    }

    /// What stands inside the quotes, or the word as it is.
    pub fn value(&self) -> String {
        let quote = match self.what {
            What::Name => '"',
            What::Text if self.text.starts_with('\'') => '\'',
            _ => return self.text.to_owned(),
        };
        let inside = self.text.strip_prefix(quote).unwrap_or_default();
        let inside = if self.closed { inside.strip_suffix(quote).unwrap_or(inside) } else { inside };
        inside.replace(&format!("{quote}{quote}"), &quote.to_string())
    }
}

/// The names of `a."b".c`; `None` for anything else.
pub fn path(text: &str) -> Option<Vec<String>> {
    let tokens: Vec<_> = tokens(text.trim()).collect();
    let is_right = |(position, token): (usize, &Token<'_>)| match position % 2 {
        0 => matches!(token.what, What::Word | What::Name) && token.closed,
        _ => token.text == ".",
    };
    let is_path = tokens.len() % 2 == 1 && tokens.iter().enumerate().all(is_right);
    is_path.then(|| tokens.iter().step_by(2).map(Token::value).collect())
}

fn token(text: &str, at: usize) -> Option<Token<'_>> {
    let rest = text.get(at..)?;
    let first = rest.chars().next()?;
    let (what, length) = match first {
        ';' => (What::End, Some(1)),
        '\'' => (What::Text, quoted(rest, first)),
        '"' => (What::Name, quoted(rest, first)),
        '-' if rest.starts_with("--") => (What::Comment, rest.find('\n').map(|end| end + 1)),
        '/' if rest.starts_with("/*") => (What::Comment, comment(rest)),
        '$' => match dollar_tag(rest) {
            Some(tag) => (What::Text, dollars(rest, tag)),
            None => (What::Sign, Some(1)),
        },
        space if space.is_whitespace() => (What::Space, run(rest, char::is_whitespace)),
        letter if letter.is_alphanumeric() || letter == '_' => (What::Word, run(rest, is_word)),
        other => (What::Sign, Some(other.len_utf8())),
    };
    let text = rest.get(..length.unwrap_or(rest.len()))?;
    Some(Token { what, text, at, closed: length.is_some() })
}

/// The length of what `text` begins with and `belongs` takes.
fn run(text: &str, belongs: fn(char) -> bool) -> Option<usize> {
    Some(text.find(|next| !belongs(next)).unwrap_or(text.len()))
}

/// The length of the quoted thing that `text` begins with; a doubled quote does not end it.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut position = 1;
    loop {
        position += text.get(position..)?.find(quote)? + 1;
        if !text.get(position..)?.starts_with(quote) {
            return Some(position);
        }
        position += 1;
    }
}

/// The length of the text between two of `tag`.
fn dollars(text: &str, tag: &str) -> Option<usize> {
    Some(tag.len() + text.get(tag.len()..)?.find(tag)? + tag.len())
}

/// A `$` inside a word is part of it and opens no text.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The length of the comment that `text` begins with; comments nest.
fn comment(text: &str) -> Option<usize> {
    let (mut depth, mut position) = (0_usize, 0);
    loop {
        let rest = text.get(position..)?;
        if rest.starts_with("/*") {
            depth += 1;
            position += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            position += 2;
            if depth == 0 {
                return Some(position);
            }
        } else {
            position += rest.chars().next()?.len_utf8();
        }
    }
}

/// `$$` or `$tag$`, but not `$1`.
fn dollar_tag(text: &str) -> Option<&str> {
    let length = text.get(1..)?.find('$')? + 2;
    let tag = text.get(..length)?;
    let name = tag.trim_matches('$');
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    is_name.then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statements of a script, without their `;` and without those that say nothing.
    fn statements(mut text: &str) -> Vec<&str> {
        let mut statements = Vec::new();
        while let Some((statement, rest)) = split_first(text) {
            statements.push(statement.trim());
            text = rest;
        }
        statements.push(text.trim());
        statements.retain(|statement| !is_blank(statement));
        statements
    }

    #[test]
    fn statements_end_at_a_semicolon_outside_quotes_and_comments() {
        for (script, expected) in [
            ("SELECT 1; SELECT 2", vec!["SELECT 1", "SELECT 2"]),
            ("SELECT ';', \"a;b\", 'it''s;'; x", vec!["SELECT ';', \"a;b\", 'it''s;'", "x"]),
            ("a -- no; end\n; b", vec!["a -- no; end", "b"]),
            ("a /* ; /* ; */ ; */ ; b", vec!["a /* ; /* ; */ ; */", "b"]),
            ("SELECT $$ ; $$; SELECT $t$ ; $$ ; $t$", vec!["SELECT $$ ; $$", "SELECT $t$ ; $$ ; $t$"]),
            ("SELECT $1; SELECT $2", vec!["SELECT $1", "SELECT $2"]),
            ("SELECT a$b$c; d$", vec!["SELECT a$b$c", "d$"]),
            (" ;; -- nothing\n; /* nothing */ ;", vec![]),
            ("SELECT 'ü;é' ; ü;", vec!["SELECT 'ü;é'", "ü"]),
            ("1-2/3; 4", vec!["1-2/3", "4"]),
        ] {
            assert_eq!(statements(script), expected, "{script}");
        }
    }

    #[test]
    fn what_is_not_closed_is_not_complete() {
        for text in
            ["SELECT 1", "SELECT ';", "SELECT \";", "/* ; ", "/* /* */ ;", "-- ;", "$x$ ; $y$;", "$$;"]
        {
            assert_eq!(split_first(text), None, "{text}");
        }
    }

    #[test]
    fn the_rest_is_kept_byte_for_byte() {
        assert_eq!(split_first("a;\n b ; c"), Some(("a", "\n b ; c")));
        assert_eq!(split_first(";"), Some(("", "")));
    }

    #[test]
    fn only_space_and_comments_are_blank() {
        for (text, blank) in
            [("", true), (" \n-- x", true), ("/* x", true), ("/* x */ 1", false), ("'", false), ("-1", false)]
        {
            assert_eq!(is_blank(text), blank, "{text}");
        }
    }

    #[test]
    fn the_pieces_are_the_whole_text_and_know_what_they_are() {
        let text = "select \"a\"\"b\", 'it''s' -- x\n from $$y$$ where \"op";
        let pieces: Vec<_> = tokens(text).filter(|token| !token.is_nothing()).collect();
        let values: Vec<_> = pieces.iter().map(Token::value).collect();
        assert_eq!(values, ["select", "a\"b", ",", "it's", "from", "$$y$$", "where", "op"]);
        assert_eq!(tokens(text).map(|token| token.text).collect::<String>(), text);
        assert!(pieces.iter().all(|token| text[token.at..].starts_with(token.text)));
        assert_eq!(pieces.last().map(|token| (token.what, token.closed)), Some((What::Name, false)));
    }

    #[test]
    fn a_path_is_names_with_dots_between() {
        assert_eq!(path(" a.\"b c\" "), Some(vec!["a".to_owned(), "b c".to_owned()]));
        for text in ["", "a.", ".a", "a b", "a..b", "a.'b'", "\"a", "(a)"] {
            assert_eq!(path(text), None, "{text}");
        }
    }

    #[test]
    fn a_statement_is_awaited_where_nothing_is_open() {
        for (text, awaited) in [
            ("", true),
            (" \n-- x\n/* y */\n", true),
            ("-- x", false),
            ("/* x\n", false),
            ("SELECT\n", false),
        ] {
            assert_eq!(awaits_statement(text), awaited, "{text}");
        }
    }
}
