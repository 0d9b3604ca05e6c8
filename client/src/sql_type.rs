//! Types in the words of SQL, as the gateway writes them in its descriptions of results.

use arrow::datatypes::DataType;

/// The name of a type: `bigint`, `decimal(10,2)`, `list<varchar>`, `struct<city varchar>` …
pub(crate) fn sql_type(data_type: &DataType) -> String {
    use DataType as T;
    match data_type {
        T::Struct(fields) => {
            let fields =
                fields.iter().map(|field| format!("{} {}", field.name(), sql_type(field.data_type())));
            format!("struct<{}>", fields.collect::<Vec<_>>().join(", "))
        }
        T::List(item)
        | T::LargeList(item)
        | T::ListView(item)
        | T::LargeListView(item)
        | T::FixedSizeList(item, _) => format!("list<{}>", sql_type(item.data_type())),
        T::Map(entries, _) => match entries.data_type() {
            T::Struct(fields) => {
                let sides = fields.iter().map(|field| sql_type(field.data_type()));
                format!("map<{}>", sides.collect::<Vec<_>>().join(", "))
            }
            other => format!("map<{}>", sql_type(other)),
        },
        T::Dictionary(_, value) => sql_type(value),
        T::RunEndEncoded(_, values) => sql_type(values.data_type()),
        T::Decimal32(precision, scale)
        | T::Decimal64(precision, scale)
        | T::Decimal128(precision, scale)
        | T::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        scalar => scalar_type(scalar).to_owned(),
    }
}

fn scalar_type(data_type: &DataType) -> &'static str {
    use DataType as T;
    match data_type {
        T::Boolean => "boolean",
        T::Int8 => "tinyint",
        T::Int16 => "smallint",
        T::Int32 => "int",
        T::Int64 => "bigint",
        T::UInt8 => "tinyint unsigned",
        T::UInt16 => "smallint unsigned",
        T::UInt32 => "int unsigned",
        T::UInt64 => "bigint unsigned",
        T::Float16 | T::Float32 => "float",
        T::Float64 => "double",
        T::Utf8 | T::LargeUtf8 | T::Utf8View => "varchar",
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => "varbinary",
        T::Date32 | T::Date64 => "date",
        T::Time32(_) | T::Time64(_) => "time",
        T::Timestamp(_, None) => "timestamp",
        T::Timestamp(_, Some(_)) => "timestamptz",
        T::Interval(_) | T::Duration(_) => "interval",
        T::Null => "null",
        _ => "union",
    }
}
