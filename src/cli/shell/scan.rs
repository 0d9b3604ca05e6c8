//! Where a statement ends: at the first `;` outside quotes and comments.
//!
//! Knows `'text'`, `"name"`, `-- comment`, nested `/* comment */` and `$tag$ text $tag$`, and nothing else of SQL.

/// The first statement and what follows its `;`; `None` while no statement is complete.
pub fn split_first(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    loop {
        let token = token(rest)?;
        if token.what == What::End {
            let end = text.len() - rest.len();
            return Some((text.get(..end)?, text.get(end + 1..)?));
        }
        rest = rest.get(token.length..)?;
    }
}

/// Whether a text is nothing but space and comments.
pub fn is_blank(text: &str) -> bool {
    // What is left is the beginning of something unfinished: only a comment is nothing.
    after_blanks(text).is_some_and(|rest| rest.is_empty() || rest.starts_with("--") || rest.starts_with("/*"))
}

/// Whether what follows a text begins a statement: it is blank and no comment is open.
pub fn awaits_statement(text: &str) -> bool {
    after_blanks(text) == Some("")
}

/// What is left behind space and closed comments, unless something else stands among them.
fn after_blanks(mut rest: &str) -> Option<&str> {
    while let Some(token) = token(rest) {
        if token.what != What::Nothing {
            return None;
        }
        rest = rest.get(token.length..).unwrap_or_default();
    }
    Some(rest)
}

#[derive(PartialEq, Eq)]
enum What {
    /// Space or a comment.
    Nothing,
    Something,
    /// The `;` itself.
    End,
}

struct Token {
    what: What,
    length: usize,
}

/// The token that `text` begins with; `None` at the end, or when it is not closed.
fn token(text: &str) -> Option<Token> {
    let first = text.chars().next()?;
    let something = |length| Token { what: What::Something, length };
    Some(match first {
        ';' => Token { what: What::End, length: 1 },
        '\'' | '"' => something(1 + text.get(1..)?.find(first)? + 1),
        '-' if text.starts_with("--") => Token { what: What::Nothing, length: text.find('\n')? + 1 },
        '/' if text.starts_with("/*") => Token { what: What::Nothing, length: comment(text)? },
        '$' => match dollar_tag(text) {
            Some(tag) => something(tag.len() + text.get(tag.len()..)?.find(tag)? + tag.len()),
            None => something(1),
        },
        space if space.is_whitespace() => Token { what: What::Nothing, length: space.len_utf8() },
        letter if letter.is_alphanumeric() || letter == '_' => {
            something(text.find(|next: char| !is_word(next)).unwrap_or(text.len()))
        }
        other => something(other.len_utf8()),
    })
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
