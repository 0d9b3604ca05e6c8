//! The functions with which clients of PostgreSQL ask the catalog.
//!
//! They are in the session of a statement that asks it, and of no other. None of them reads anything: what they tell is
//! a constant, or what the reader gave them.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::Result as EngineResult;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
    create_udf,
};
use datafusion::prelude::SessionContext;
use datafusion_pg_catalog::pg_catalog as given;
use given::generate_series_arg_coercion::CoerceIntArgsToBigInt;
use given::has_privilege_udf::create_has_privilege_udf;
use given::oid_type_planner::PgOidTypePlanner;

use super::unchanging;
use crate::error::{Error, Result};
use crate::query::engine::CATALOG;

/// The version of PostgreSQL whose catalog this is like; clients choose their questions by it.
pub const VERSION: &str = "16.6";

/// The same as one number.
pub const VERSION_NUMBER: &str = "160006";

/// `session` with the functions and types of the catalog, for `user`, whose tables without a database are in `database`.
pub(in crate::query) fn with_functions(
    session: SessionState,
    user: &str,
    database: Option<&str>,
) -> Result<SessionState> {
    let mut session =
        SessionStateBuilder::new_from_existing(session).with_type_planner(Arc::new(PgOidTypePlanner)).build();
    session.mark_start_execution();
    for function in all(user, database) {
        session.register_udf(Arc::new(function)).map_err(Error::internal)?;
    }
    session.register_udtf("pg_get_keywords", Arc::clone(&unchanging()?.pg_get_keywords) as _);
    // It takes the whole context and gives back nothing: what it changes is in the state behind it.
    let context = SessionContext::new_with_state(session);
    CoerceIntArgsToBigInt::widen(&context);
    Ok(context.state())
}

/// The names of all of them.
pub(super) fn names() -> BTreeSet<String> {
    let scalar = all("", None).into_iter().map(|function| function.name().to_owned());
    scalar.chain(["pg_get_keywords".to_owned()]).collect()
}

fn all(user: &str, database: Option<&str>) -> Vec<ScalarUDF> {
    let text = |value: &str| ScalarValue::from(value);
    let mut all = vec![
        given::create_current_schemas_udf(),
        given::create_pg_table_is_visible(),
        given::format_type::create_format_type_udf(),
        given::pg_get_expr_udf::create_pg_get_expr_udf(),
        given::create_pg_get_partkeydef_udf(),
        given::create_pg_relation_is_publishable_udf(),
        given::create_pg_get_statisticsobjdef_columns_udf(),
        given::create_pg_encoding_to_char_udf(),
        given::create_pg_backend_pid_udf(),
        given::create_pg_relation_size_udf(),
        given::create_pg_total_relation_size_udf(),
        given::create_pg_stat_get_numscans(),
        given::create_pg_get_constraintdef(),
        given::create_pg_get_partition_ancestors_udf(),
        given::quote_ident_udf::create_quote_ident_udf(),
        given::quote_ident_udf::create_parse_ident_udf(),
        given::array_bounds_udf::create_array_upper_udf(),
        given::array_bounds_udf::create_array_lower_udf(),
        always("version", text(&format!("PostgreSQL {VERSION} (lakegate {})", env!("CARGO_PKG_VERSION")))),
        always("current_database", text(CATALOG)),
        always("current_schema", database.map_or(ScalarValue::Utf8(None), text)),
        always("session_user", text(user)),
        always("pg_get_userbyid", text(CATALOG)),
        always("pg_is_in_recovery", ScalarValue::from(false)),
        always("obj_description", ScalarValue::Utf8(None)),
        always("col_description", ScalarValue::Utf8(None)),
        always("shobj_description", ScalarValue::Utf8(None)),
        always("pg_get_viewdef", ScalarValue::Utf8(None)),
        always("pg_get_indexdef", ScalarValue::Utf8(None)),
        always("pg_get_function_identity_arguments", text("")),
        always("pg_get_function_arguments", text("")),
        always("pg_get_function_result", text("")),
        // Key columns: no table has keys, so that its rows are never asked for.
        always("_pg_expandarray", no_column()),
        always("generate_subscripts", ScalarValue::Int32(None)),
        // What is no type of PostgreSQL's own is not known here.
        always("to_regtype", ScalarValue::Int32(None)),
        // Sequences and collations: no column has one.
        always("pg_get_serial_sequence", ScalarValue::Utf8(None)),
        always("pg_collation_is_visible", ScalarValue::from(true)),
        always("json_build_object", ScalarValue::Utf8(None)),
        // How large a table is tells of rows that its reader may not see.
        always("pg_database_size", ScalarValue::Int64(None)),
        always("pg_table_size", ScalarValue::Int64(None)),
        always("pg_indexes_size", ScalarValue::Int64(None)),
        always("pg_size_pretty", ScalarValue::Utf8(None)),
        always("pg_type_is_visible", ScalarValue::from(true)),
        always("pg_function_is_visible", ScalarValue::from(true)),
        always("pg_tablespace_location", text("")),
        always("pg_is_other_temp_schema", ScalarValue::from(false)),
        // Nobody holds a lock here.
        always("pg_advisory_unlock_all", ScalarValue::Utf8(None)),
    ];
    all.push(current_setting(database));
    // Which of the objects that are listed may be used is asked again when they are.
    all.extend(
        ["has_table_privilege", "has_schema_privilege", "has_database_privilege", "has_any_column_privilege"]
            .map(create_has_privilege_udf),
    );
    all
}

/// What a setting is, of those that clients ask for in the middle of a query; else NULL.
fn current_setting(database: Option<&str>) -> ScalarUDF {
    let path = database.unwrap_or_default().to_owned();
    let told = move |name: Option<&str>| match name {
        Some("server_version") => Some(VERSION.to_owned()),
        Some("server_version_num") => Some(VERSION_NUMBER.to_owned()),
        Some("default_table_access_method") => Some("heap".to_owned()),
        Some("search_path") => Some(path.clone()),
        _ => None,
    };
    let all = move |args: &[ColumnarValue]| {
        let args = ColumnarValue::values_to_arrays(args)?;
        let names = args.first().map(|names| names.as_string::<i32>());
        let values = names.into_iter().flatten().map(&told).collect::<StringArray>();
        Ok(ColumnarValue::Array(Arc::new(values)))
    };
    create_udf("current_setting", vec![DataType::Utf8], DataType::Utf8, Volatility::Stable, Arc::new(all))
}

/// The place of a column in a key, of which there is none.
fn no_column() -> ScalarValue {
    let number = |name| Arc::new(Field::new(name, DataType::Int32, true));
    let place = DataType::Struct([number("x"), number("n")].into_iter().collect());
    ScalarValue::try_from(&place).unwrap_or(ScalarValue::Null)
}

/// A function that tells the same whatever it is given.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Always {
    name: &'static str,
    value: ScalarValue,
    signature: Signature,
}

fn always(name: &'static str, value: ScalarValue) -> ScalarUDF {
    let any = vec![TypeSignature::VariadicAny, TypeSignature::Nullary];
    ScalarUDF::new_from_impl(Always { name, value, signature: Signature::one_of(any, Volatility::Stable) })
}

impl ScalarUDFImpl for Always {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> EngineResult<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> EngineResult<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}
