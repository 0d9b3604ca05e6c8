//! `to_timestamp` and its like over a column of text, with the time zone that their type promises.
//!
//! The engine parses text into instants and leaves the session's time zone off the column it makes, though the type that
//! it planned with has one; its own check then ends the query. What the functions mean is not changed here.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

const NAMES: [&str; 5] = [
    "to_timestamp",
    "to_timestamp_seconds",
    "to_timestamp_millis",
    "to_timestamp_micros",
    "to_timestamp_nanos",
];

/// `function`, whose columns have the type that it promises.
pub fn zoned(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match NAMES.contains(&function.name()) {
        true => Arc::new(ScalarUDF::new_from_impl(Zoned(function))),
        false => function,
    }
}

#[derive(Debug)]
struct Zoned(Arc<ScalarUDF>);

impl PartialEq for Zoned {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Zoned {}

impl Hash for Zoned {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl ScalarUDFImpl for Zoned {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.inner().return_type(types)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let updated = self.0.inner().with_updated_config(config)?;
        Some(ScalarUDF::new_from_impl(Self(Arc::new(updated))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let promised = args.return_field.data_type().clone();
        let made = self.0.inner().invoke_with_args(args)?;
        match made.data_type() == promised {
            true => Ok(made),
            // The zone is UTC, so that the instant stays the same.
            false => made.cast_to(&promised, None),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.0.documentation()
    }
}
