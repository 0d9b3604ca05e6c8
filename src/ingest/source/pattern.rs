//! Which tables are meant: names, `schema.name`, and `*` for any text.

use crate::error::{Error, ErrorKind, Result};

/// A table that a source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub schema: Option<String>,
    pub name: String,
}

/// The tables of `found` that `patterns` mean, in the order of `found`. A pattern without a schema means tables of
/// `default_schema`. One that means nothing is an error, since a name that is misspelt must not pass in silence.
pub fn choose(found: Vec<Found>, patterns: &[String], default_schema: Option<&str>) -> Result<Vec<Found>> {
    for pattern in patterns {
        if !found.iter().any(|table| means(pattern, table, default_schema)) {
            return Err(Error::new(ErrorKind::NotFound, format!("the source has no table `{pattern}`")));
        }
    }
    let is_meant = |table: &Found| patterns.iter().any(|pattern| means(pattern, table, default_schema));
    Ok(found.into_iter().filter(is_meant).collect())
}

/// `tables` but those that `exclude` means. There a pattern without a schema means tables of every schema, since it is better to
/// leave out one too many. A name that is misspelt is an error; a pattern with `*` may mean nothing yet.
pub fn without<T>(
    tables: Vec<T>,
    exclude: &[String],
    named: impl for<'a> Fn(&'a T) -> (Option<&'a str>, &'a str),
) -> Result<Vec<T>> {
    let is_excluded = |pattern: &str, table: &T| {
        let (schema, name) = named(table);
        let in_schema = |(of, rest)| schema.is_some_and(|schema| fits(of, schema)) && fits(rest, name);
        fits(pattern, name) || pattern.split_once('.').is_some_and(in_schema)
    };
    for pattern in exclude {
        if !pattern.contains('*') && !tables.iter().any(|table| is_excluded(pattern, table)) {
            let detail = format!(
                "no table is called `{pattern}` among those that are meant, so it cannot be excluded"
            );
            return Err(Error::new(ErrorKind::NotFound, detail));
        }
    }
    let stays = |table: &T| !exclude.iter().any(|pattern| is_excluded(pattern, table));
    Ok(tables.into_iter().filter(stays).collect())
}

fn means(pattern: &str, table: &Found, default_schema: Option<&str>) -> bool {
    let in_default = table.schema.as_deref() == default_schema || table.schema.is_none();
    if in_default && fits(pattern, &table.name) {
        return true;
    }
    match (pattern.split_once('.'), &table.schema) {
        (Some((schema, name)), Some(of)) => fits(schema, of) && fits(name, &table.name),
        _ => false,
    }
}

/// Whether `text` is `pattern`, where a `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let middle = parts.collect::<Vec<_>>();
    let Some((last, middle)) = middle.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at.saturating_add(part.len())..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("*", "", true),
            ("*", "orders", true),
            ("o*s", "orders", true),
            ("o*x", "orders", false),
            ("*rd*", "orders", true),
            ("a*b*c", "abc", true),
            ("a*bc*c", "abc", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_name_without_a_table_is_an_error_and_schemas_are_kept_apart() {
        let table =
            |schema: &str, name: &str| Found { schema: Some(schema.to_owned()), name: name.to_owned() };
        let found = vec![table("public", "a"), table("public", "b"), table("other", "a")];
        let choose = |patterns: &[&str]| {
            let patterns = patterns.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            choose(found.clone(), &patterns, Some("public"))
        };
        assert_eq!(choose(&["*"]).unwrap(), [table("public", "a"), table("public", "b")]);
        assert_eq!(choose(&["other.*", "b"]).unwrap(), [table("public", "b"), table("other", "a")]);
        assert_eq!(choose(&["a", "c"]).unwrap_err().detail(), "the source has no table `c`");
    }

    #[test]
    fn what_is_excluded_is_left_out_in_every_schema_and_a_misspelt_name_is_told() {
        let tables = [("a", "t"), ("a", "log_1"), ("b", "log_2"), ("b", "t")];
        let without = |exclude: &[&str]| {
            let exclude = exclude.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
            without(tables.to_vec(), &exclude, |(schema, name)| (Some(schema), name))
        };
        assert_eq!(without(&["log_*"]).unwrap(), [("a", "t"), ("b", "t")]);
        assert_eq!(without(&["b.*", "log_1"]).unwrap(), [("a", "t")]);
        assert_eq!(without(&["none*"]).unwrap(), tables);
        assert!(without(&["t", "lgo_1"]).unwrap_err().detail().contains("`lgo_1`"));
    }
}
