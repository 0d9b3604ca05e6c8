//! The engine's sentences in our form.
//!
//! They are written for who programs with the engine: with its names of types, lists of candidates and dumps of what was
//! parsed. What was asked for is kept and the rest left out. This knows texts alone.

use datafusion::arrow::datatypes::DataType;

use crate::query::sql_type::sql_type;

/// What the engine says of a call that fits no function, before the call as `'name(types)'`.
const NO_FUNCTION: &str = "No function matches the given name and argument types '";

/// One line, the first letter small, places in words, no full stop.
pub fn tidy(text: &str) -> String {
    if let Some(call) = misfit(text) {
        return call;
    }
    let text = text.split("\n\nbacktrace").next().unwrap_or(text);
    let text = without_dump(without_guess(text)).trim().trim_end_matches('.');
    let text = text.replace(" at Line: ", " at line ").replace(", Column: ", ", column ").replace('\n', " ");
    let text = in_words_of_sql(text.strip_prefix("sql parser error: ").unwrap_or(&text));
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !letters.as_str().starts_with(|next: char| next.is_uppercase()) => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text,
    }
}

/// The sentence with SQL's names of types, and literals without theirs. What stands in quotes is somebody's own.
fn in_words_of_sql(text: &str) -> String {
    let (mut said, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' | '`' => quoted(rest, first),
            _ => rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(length.max(first.len_utf8()));
        let known = word.parse::<DataType>().ok().filter(|_| word.starts_with(char::is_uppercase));
        let literal = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        match (known, literal) {
            (Some(_), Some((value, after))) if !value.contains('(') => {
                said.push_str(value);
                rest = after;
            }
            (Some(data_type), _) => {
                said.push_str(&sql_type(&data_type));
                rest = after;
            }
            (None, _) => {
                said.push_str(word);
                rest = after;
            }
        }
    }
    said
}

/// The length of what begins `text` and ends with the next `quote`: of the one letter when there is none.
fn quoted(text: &str, quote: char) -> usize {
    text.char_indices().skip(1).find(|(_, letter)| *letter == quote).map_or(1, |(at, _)| at.saturating_add(1))
}

/// A call with arguments that the function does not take.
fn misfit(text: &str) -> Option<String> {
    let (_, call) = text.split_once(NO_FUNCTION)?;
    let (name, types) = call.split_once('(')?;
    let (types, _) = types.split_once(")'")?;
    Some(match types {
        "" => format!("`{name}` cannot be called without arguments"),
        types => format!("`{name}` cannot be called with ({})", in_sql(types)),
    })
}

/// A list of the engine's types as one of SQL's.
fn in_sql(types: &str) -> String {
    let mut depth = 0_i32;
    let parts = types.split(|letter| {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        letter == ',' && depth == 0
    });
    let named = parts.map(|part| match part.trim().parse::<DataType>() {
        Ok(known) => sql_type(&known),
        Err(_) => part.trim().to_owned(),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// What the engine would guess instead comes from a set without an order: it differs from run to run.
fn without_guess(text: &str) -> &str {
    let text = match text.split_once("Did you mean") {
        Some((before, _)) if before.starts_with("Invalid function") => before,
        _ => text,
    };
    text.split(". Did you mean ").next().unwrap_or(text)
}

/// The text up to where a piece of syntax is shown as the parser holds it.
fn without_dump(text: &str) -> &str {
    let is_dump = text.contains("Span(Location(");
    match text.split_once('{') {
        Some((before, _)) if is_dump => {
            let before = before.trim_end();
            before.rsplit_once(char::is_whitespace).map_or("", |(kept, _)| kept).trim_end_matches([':', ' '])
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn a_sentence_of_the_engine_becomes_one_of_ours() {
        for (theirs, ours) in [
            ("Table function 'x' not found.", "table function 'x' not found"),
            (
                "UNION queries have different number of columns",
                "UNION queries have different number of columns",
            ),
            ("Expected: ), found: EOF at Line: 1, Column: 8", "expected: ), found: EOF at line 1, column 8"),
            ("Invalid function 'sun'. Did you mean 'sum'?", "invalid function 'sun'"),
            (
                "Function 'abs' expects 1 arguments but received 2. No function matches the given name and argument \
                 types 'abs(Utf8, Timestamp(ns, \"+00:00\"))'. You might need to add explicit type casts.",
                "`abs` cannot be called with (varchar, timestamptz)",
            ),
            (
                "x. No function matches the given name and argument types 'substr()'. You might",
                "`substr` cannot be called without arguments",
            ),
            (
                "Dot access not supported for non-string expr: Identifier(Ident { value: \"x\", span: \
                 Span(Location(1,18)..Location(1,19)) })",
                "dot access not supported for non-string expr",
            ),
            ("a { b", "a { b"),
            (
                "Cannot cast string 'Int64' to value of Int64 type",
                "cannot cast string 'Int64' to value of bigint type",
            ),
            ("it's an Int32 + Utf8(\"x\") of Float", "it's an int + \"x\" of Float"),
            ("Null and Boolean", "null and boolean"),
        ] {
            assert_eq!(tidy(theirs), ours);
        }
    }
}
