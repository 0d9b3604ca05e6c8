//! What this gateway can do and which types it has, for clients that ask before they try.

use std::sync::LazyLock;

use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{
    SqlInfoData, SqlInfoDataBuilder, XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder,
};
use arrow_flight::sql::{
    Nullable, Searchable, SqlInfo, SqlNullOrdering, SqlSupportedCaseSensitivity, XdbcDataType,
};

/// What the gateway can do.
pub(super) static ABILITIES: LazyLock<Result<SqlInfoData, String>> =
    LazyLock::new(|| abilities().map_err(|error| error.to_string()));

/// The types of columns, with the words that a statement has for them.
pub(super) static TYPES: LazyLock<Result<XdbcTypeInfoData, String>> =
    LazyLock::new(|| types().map_err(|error| error.to_string()));

fn abilities() -> Result<SqlInfoData, FlightError> {
    let mut builder = SqlInfoDataBuilder::new();
    builder.append(SqlInfo::FlightSqlServerName, "lakegate");
    builder.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    // The version of the columnar format, which has not changed since.
    builder.append(SqlInfo::FlightSqlServerArrowVersion, "1.5");
    builder.append(SqlInfo::FlightSqlServerReadOnly, true);
    builder.append(SqlInfo::FlightSqlServerSql, true);
    builder.append(SqlInfo::FlightSqlServerSubstrait, false);
    builder.append(SqlInfo::FlightSqlServerTransaction, 0_i32);
    builder.append(SqlInfo::FlightSqlServerCancel, true);
    builder.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    builder.append(SqlInfo::SqlDdlCatalog, false);
    builder.append(SqlInfo::SqlDdlSchema, false);
    builder.append(SqlInfo::SqlDdlTable, false);
    let lower = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32;
    builder.append(SqlInfo::SqlIdentifierCase, lower);
    builder.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    let unchanged = SqlSupportedCaseSensitivity::SqlCaseSensitivityCaseInsensitive as i32;
    builder.append(SqlInfo::SqlQuotedIdentifierCase, unchanged);
    builder.append(SqlInfo::SqlAllTablesAreSelectable, false);
    builder.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    builder.append(SqlInfo::SqlSearchStringEscape, "\\");
    builder.append(SqlInfo::SqlSupportsColumnAliasing, true);
    builder.append(SqlInfo::SqlNullPlusNullIsNull, true);
    builder.append(SqlInfo::SqlSupportsTableCorrelationNames, true);
    builder.append(SqlInfo::SqlSupportsExpressionsInOrderBy, true);
    builder.append(SqlInfo::SqlSupportsOrderByUnrelated, true);
    builder.append(SqlInfo::SqlSupportsLikeEscapeClause, true);
    builder.append(SqlInfo::SqlSupportsNonNullableColumns, true);
    builder.append(SqlInfo::SqlSchemaTerm, "database");
    builder.append(SqlInfo::SqlCatalogTerm, "catalog");
    builder.append(SqlInfo::SqlCatalogAtStart, true);
    builder.append(SqlInfo::SqlCorrelatedSubqueriesSupported, true);
    builder.append(SqlInfo::SqlSelectForUpdateSupported, false);
    builder.append(SqlInfo::SqlStoredProceduresSupported, false);
    builder.append(SqlInfo::SqlTransactionsSupported, false);
    builder.append(SqlInfo::SqlBatchUpdatesSupported, false);
    builder.append(SqlInfo::SqlSavepointsSupported, false);
    builder.append(SqlInfo::SqlNamedParametersSupported, false);
    builder.build()
}

/// A type: its name, its number, its largest size, what stands around its literals, and the base of its digits.
type Row = (&'static str, XdbcDataType, Option<i32>, Option<(&'static str, &'static str)>, Option<i32>);

const ROWS: [Row; 14] = [
    ("boolean", XdbcDataType::XdbcBit, Some(1), None, None),
    ("tinyint", XdbcDataType::XdbcTinyint, Some(8), None, Some(2)),
    ("smallint", XdbcDataType::XdbcSmallint, Some(16), None, Some(2)),
    ("int", XdbcDataType::XdbcInteger, Some(32), None, Some(2)),
    ("bigint", XdbcDataType::XdbcBigint, Some(64), None, Some(2)),
    ("decimal", XdbcDataType::XdbcDecimal, Some(76), None, Some(10)),
    ("float", XdbcDataType::XdbcReal, Some(24), None, Some(2)),
    ("double", XdbcDataType::XdbcDouble, Some(53), None, Some(2)),
    ("varchar", XdbcDataType::XdbcVarchar, None, Some(("'", "'")), None),
    ("varbinary", XdbcDataType::XdbcVarbinary, None, Some(("X'", "'")), None),
    ("date", XdbcDataType::XdbcDate, Some(10), Some(("DATE '", "'")), None),
    ("time", XdbcDataType::XdbcTime, Some(18), Some(("TIME '", "'")), None),
    ("timestamp", XdbcDataType::XdbcTimestamp, Some(29), Some(("TIMESTAMP '", "'")), None),
    ("timestamptz", XdbcDataType::XdbcTimestamp, Some(35), Some(("TIMESTAMPTZ '", "'")), None),
];

fn types() -> Result<XdbcTypeInfoData, FlightError> {
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for (name, data_type, size, literal, radix) in ROWS {
        builder.append(XdbcTypeInfo {
            type_name: name.to_owned(),
            data_type,
            column_size: size,
            literal_prefix: literal.map(|(prefix, _)| prefix.to_owned()),
            literal_suffix: literal.map(|(_, suffix)| suffix.to_owned()),
            create_params: (name == "decimal").then(|| vec!["precision".to_owned(), "scale".to_owned()]),
            nullable: Nullable::NullabilityNullable,
            case_sensitive: name == "varchar",
            searchable: Searchable::Full,
            unsigned_attribute: radix.map(|_| false),
            fixed_prec_scale: false,
            auto_increment: Some(false),
            local_type_name: Some(name.to_owned()),
            minimum_scale: (name == "decimal").then_some(0),
            maximum_scale: (name == "decimal").then_some(76),
            sql_data_type: data_type,
            datetime_subcode: None,
            num_prec_radix: radix,
            interval_precision: None,
        });
    }
    builder.build()
}
