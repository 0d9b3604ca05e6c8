//! Functions of the engine that do not keep what they promise, and the promise kept.
//!
//! `to_timestamp` and its like parse a column of text into instants and leave the session's time zone off it, though
//! the type that was planned with has one; the engine's own check then ends the query. `to_char` of one instant and a
//! column of formats takes the first format for all rows, and panics when there is none. What the functions mean is not
//! changed here.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

const NAMES: [&str; 6] = [
    "to_char",
    "to_timestamp",
    "to_timestamp_seconds",
    "to_timestamp_millis",
    "to_timestamp_micros",
    "to_timestamp_nanos",
];

/// `function`, which keeps what it promises.
pub fn mended(function: Arc<ScalarUDF>) -> Arc<ScalarUDF> {
    match NAMES.contains(&function.name()) {
        true => Arc::new(ScalarUDF::new_from_impl(Mended(function))),
        false => function,
    }
}

#[derive(Debug)]
struct Mended(Arc<ScalarUDF>);

impl PartialEq for Mended {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Mended {}

impl Hash for Mended {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl ScalarUDFImpl for Mended {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn aliases(&self) -> &[String] {
        self.0.aliases()
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

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let promised = args.return_field.data_type().clone();
        if self.name() == "to_char" && args.args.iter().any(is_column) {
            let columns = args.args.iter().map(|value| value.to_array(args.number_rows));
            args.args = columns.map(|array| Ok(ColumnarValue::Array(array?))).collect::<Result<_>>()?;
        }
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

fn is_column(value: &ColumnarValue) -> bool {
    matches!(value, ColumnarValue::Array(_))
}
