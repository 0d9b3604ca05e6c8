//! The types that there are, as a table.

/// A type that columns can have.
///
/// ```
/// # let connection = lakegate_client::Driver::connect("lakegate://127.0.0.1")?;
/// for info in connection.metadata().type_info() {
///     println!("{} is {} to JDBC", info.name, info.jdbc_type);
/// }
/// # Ok::<(), lakegate_client::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypeInfo {
    /// Its name in SQL, without what stands in brackets behind it.
    pub name: &'static str,
    /// Its number in JDBC's list of types.
    pub jdbc_type: i16,
    /// The most digits of a number; none where digits are not counted.
    pub precision: Option<u32>,
    /// The most digits behind the point.
    pub scale: Option<u32>,
    /// Whether it is a number that cannot be below 0.
    pub unsigned: bool,
    /// What stands around a value in SQL.
    pub quote: Option<&'static str>,
    /// What is given when one is made: `precision,scale`.
    pub parameters: Option<&'static str>,
}

const fn number(name: &'static str, jdbc_type: i16, precision: u32, unsigned: bool) -> TypeInfo {
    let (precision, scale) = (Some(precision), Some(0));
    TypeInfo { name, jdbc_type, precision, scale, unsigned, quote: None, parameters: None }
}

const fn other(name: &'static str, jdbc_type: i16, quote: Option<&'static str>) -> TypeInfo {
    TypeInfo { name, jdbc_type, precision: None, scale: None, unsigned: false, quote, parameters: None }
}

/// By their numbers in JDBC, as it prescribes.
pub(super) const TYPES: &[TypeInfo] = &[
    number("tinyint", -6, 3, false),
    number("tinyint unsigned", -6, 3, true),
    number("bigint", -5, 19, false),
    number("bigint unsigned", -5, 20, true),
    other("varbinary", -3, None),
    TypeInfo {
        name: "decimal",
        jdbc_type: 3,
        precision: Some(76),
        scale: Some(76),
        unsigned: false,
        quote: None,
        parameters: Some("precision,scale"),
    },
    number("int", 4, 10, false),
    number("int unsigned", 4, 10, true),
    number("smallint", 5, 5, false),
    number("smallint unsigned", 5, 5, true),
    other("float", 7, None),
    other("double", 8, None),
    other("varchar", 12, Some("'")),
    other("boolean", 16, None),
    other("date", 91, Some("'")),
    other("time", 92, Some("'")),
    other("timestamp", 93, Some("'")),
    other("interval", 1111, Some("'")),
    other("map", 2000, None),
    other("struct", 2002, None),
    other("list", 2003, None),
    other("timestamptz", 2014, Some("'")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_types_are_in_the_order_that_jdbc_prescribes_and_none_is_there_twice() {
        assert!(TYPES.is_sorted_by_key(|info| info.jdbc_type));
        let mut names = TYPES.iter().map(|info| info.name).collect::<Vec<_>>();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TYPES.len());
    }
}
