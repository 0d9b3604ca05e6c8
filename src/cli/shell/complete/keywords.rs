//! The words of SQL that are completed and coloured, and those that a name cannot be without quotes.

/// Words that a statement begins with.
pub const FIRST: &[&str] =
    &["CREATE", "DESCRIBE", "DROP", "EXPLAIN", "GRANT", "REVOKE", "SELECT", "SHOW", "VALUES", "WITH"];

/// Words that are names only in quotes.
const RESERVED: &[&str] = &[
    "ALL",
    "AND",
    "ANY",
    "AS",
    "ASC",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CREATE",
    "CROSS",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "DESC",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "FALSE",
    "FETCH",
    "FOR",
    "FROM",
    "FULL",
    "GRANT",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NATURAL",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "QUALIFY",
    "REVOKE",
    "RIGHT",
    "SELECT",
    "SET",
    "STRUCT",
    "TABLE",
    "THEN",
    "TO",
    "TRUE",
    "UNION",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
];

/// Words that are names too.
const OTHERS: &[&str] = &[
    "ACCESS",
    "ANALYZE",
    "COLUMNS",
    "CUBE",
    "DATABASE",
    "DATABASES",
    "DATE",
    "DESCRIBE",
    "ESCAPE",
    "EXPLAIN",
    "EXTRACT",
    "FILTER",
    "FIRST",
    "FOLLOWING",
    "GRANTS",
    "GROUPING",
    "ILIKE",
    "LAST",
    "NULLS",
    "OPTION",
    "OVER",
    "PARTITION",
    "PRECEDING",
    "RANGE",
    "RECURSIVE",
    "REPLACE",
    "ROLLUP",
    "ROW",
    "ROWS",
    "SETS",
    "SHOW",
    "SIMILAR",
    "TABLES",
    "TIMESTAMP",
    "UNBOUNDED",
    "VIEW",
    "WITHIN",
];

/// Every word.
pub fn all() -> impl Iterator<Item = &'static str> {
    RESERVED.iter().chain(OTHERS).copied()
}

/// Whether a word is one of SQL.
pub fn is_keyword(word: &str) -> bool {
    all().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// Whether a word would not be read as a name.
pub fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}
