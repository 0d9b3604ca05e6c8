//! Every function that is called leakproof, on values of its types that nobody would think of. It must answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::array::Decimal256Array;
use datafusion::arrow::array::{
    ArrayRef, BinaryArray, BinaryViewArray, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, LargeBinaryArray, LargeStringArray, ListArray, NullArray,
    StringArray, StringViewArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{Field, FieldRef, Int32Type, i256};
use datafusion::common::ScalarValue;
use datafusion::config::ConfigOptions;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use lakegate::query::functions::{Class, allowed, class};

/// One array of odd values for each type that a column can have and a function may take.
fn odd_values() -> Vec<ArrayRef> {
    let long = "é😀".repeat(500);
    let texts = [
        Some(""),
        Some(" "),
        Some("\0"),
        Some("a"),
        Some("%_\\"),
        Some("ß"),
        Some("İ"),
        Some("e\u{301}"),
        Some("👩‍👩‍👧"),
        Some("\u{10ffff}"),
        Some("\u{feff}"),
        Some("(["),
        Some(long.as_str()),
        None,
    ];
    let binaries: Vec<Option<&[u8]>> = vec![Some(b""), Some(b"\xff\xfe\x00"), Some(&[0x80; 700]), None];
    macro_rules! whole {
        ($array:ident, $type:ty) => {
            Arc::new($array::from(vec![Some(<$type>::MIN), Some(<$type>::MAX), Some(0), Some(1), None]))
                as ArrayRef
        };
    }
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![]),
        Some(vec![Some(i32::MIN), None]),
        Some(vec![Some(7); 500]),
        None,
    ]);
    vec![
        Arc::new(StringArray::from_iter(texts)),
        Arc::new(LargeStringArray::from_iter(texts)),
        Arc::new(StringViewArray::from_iter(texts)),
        Arc::new(BinaryArray::from(binaries.clone())),
        Arc::new(LargeBinaryArray::from(binaries.clone())),
        Arc::new(BinaryViewArray::from_iter(binaries)),
        whole!(Int8Array, i8),
        whole!(Int16Array, i16),
        whole!(Int32Array, i32),
        whole!(Int64Array, i64),
        whole!(UInt8Array, u8),
        whole!(UInt16Array, u16),
        whole!(UInt32Array, u32),
        whole!(UInt64Array, u64),
        Arc::new(Float64Array::from(vec![
            Some(f64::NAN),
            Some(-f64::NAN),
            Some(f64::INFINITY),
            Some(f64::NEG_INFINITY),
            Some(f64::MIN),
            Some(f64::MAX),
            Some(f64::MIN_POSITIVE),
            Some(5e-324),
            Some(-0.0),
            Some(0.0),
            Some(1.0),
            Some(-1.0),
            Some(2.0),
            Some(90.0),
            Some(1e300),
            None,
        ])),
        Arc::new(Float32Array::from(vec![
            Some(f32::NAN),
            Some(f32::INFINITY),
            Some(f32::NEG_INFINITY),
            Some(f32::MIN),
            Some(f32::MAX),
            Some(f32::MIN_POSITIVE),
            Some(-0.0),
            Some(0.0),
            Some(1.0),
            Some(-1.0),
            None,
        ])),
        datafusion::arrow::compute::cast(
            &(Arc::new(Float32Array::from(vec![Some(f32::NAN), Some(65504.0), Some(-0.0), None]))
                as ArrayRef),
            &datafusion::arrow::datatypes::DataType::Float16,
        )
        .unwrap(),
        Arc::new(
            Decimal128Array::from(vec![Some(10_i128.pow(38) - 1), Some(1 - 10_i128.pow(38)), Some(0), None])
                .with_precision_and_scale(38, 10)
                .unwrap(),
        ),
        Arc::new(
            Decimal256Array::from(vec![
                Some(i256::from_i128(i128::MAX)),
                Some(i256::from_i128(i128::MIN)),
                None,
            ])
            .with_precision_and_scale(76, 0)
            .unwrap(),
        ),
        Arc::new(list),
        Arc::new(NullArray::new(2)),
    ]
}

/// Every pair of values of two arrays, as two arrays.
fn pairs(left: &ArrayRef, right: &ArrayRef) -> Vec<ArrayRef> {
    let (rows, width) = (left.len() * right.len(), right.len());
    let pick = |at: &dyn Fn(usize) -> usize| {
        UInt32Array::from_iter_values((0..rows).map(|row| u32::try_from(at(row)).unwrap()))
    };
    vec![
        take(left, &pick(&|row| row / width), None).unwrap(),
        take(right, &pick(&|row| row % width), None).unwrap(),
    ]
}

/// Whether `function` takes values of just these types, so that nothing is converted.
fn takes(function: &ScalarUDF, fields: &[FieldRef]) -> bool {
    fields_with_udf(fields, function).is_ok_and(|wanted| {
        wanted.iter().map(|field| field.data_type()).eq(fields.iter().map(|field| field.data_type()))
    })
}

fn call(
    function: &ScalarUDF,
    args: Vec<ColumnarValue>,
    fields: &[FieldRef],
    rows: usize,
) -> Result<(), String> {
    let constants = args
        .iter()
        .map(|arg| match arg {
            ColumnarValue::Scalar(value) => Some(value.clone()),
            ColumnarValue::Array(_) => None,
        })
        .collect::<Vec<_>>();
    let constants = constants.iter().map(Option::as_ref).collect::<Vec<_>>();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let field = function
            .return_field_from_args(ReturnFieldArgs { arg_fields: fields, scalar_arguments: &constants })?;
        function.invoke_with_args(ScalarFunctionArgs {
            args,
            arg_fields: fields.to_vec(),
            number_rows: rows,
            return_field: field,
            config_options: Arc::new(ConfigOptions::default()),
        })
    }));
    match outcome {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.strip_backtrace()),
        Err(_) => Err("it panics".to_owned()),
    }
}

/// Calls `function` with `arrays` as columns, and with the first rows as constants in each place.
fn try_on(function: &ScalarUDF, arrays: &[ArrayRef], faults: &mut Vec<String>) -> bool {
    let fields = arrays
        .iter()
        .map(|array| Arc::new(Field::new("x", array.data_type().clone(), true)))
        .collect::<Vec<_>>();
    if !takes(function, &fields) {
        return false;
    }
    let rows = arrays.first().map_or(1, |array| array.len());
    let mut tell = |outcome: Result<(), String>| {
        if let Err(fault) = outcome {
            let types = fields.iter().map(|field| field.data_type().to_string()).collect::<Vec<_>>();
            faults.push(format!("{}({}): {fault}", function.name(), types.join(", ")));
        }
    };
    let columns = || arrays.iter().map(|array| ColumnarValue::Array(Arc::clone(array)));
    tell(call(function, columns().collect(), &fields, rows));
    for row in 0..rows {
        let constant =
            |at: usize| ColumnarValue::Scalar(ScalarValue::try_from_array(&arrays[at], row).unwrap());
        for place in 0..arrays.len() {
            let mixed =
                columns().enumerate().map(|(at, column)| if at == place { constant(at) } else { column });
            tell(call(function, mixed.collect(), &fields, rows));
        }
        tell(call(function, (0..arrays.len()).map(constant).collect(), &fields, 1));
    }
    true
}

fn tried(function: &ScalarUDF, faults: &mut Vec<String>) -> usize {
    let values = odd_values();
    let mut count = usize::from(function.name() == "pi" && try_on(function, &[], faults));
    for left in &values {
        count += usize::from(try_on(function, std::slice::from_ref(left), faults));
        for right in &values {
            count += usize::from(try_on(function, &pairs(left, right), faults));
        }
    }
    count
}

#[test]
fn a_leakproof_function_answers_whatever_it_is_given() {
    let (mut faults, mut functions) = (Vec::new(), 0);
    for function in allowed().scalar {
        if class("scalar", function.name()) == Class::Leakproof {
            functions += 1;
            if tried(&function, &mut faults) == 0 {
                faults.push(format!("{}: it was called with nothing", function.name()));
            }
        }
    }
    faults.sort();
    faults.dedup();
    assert!(functions > 20, "only {functions} functions are leakproof");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_values_find_out_functions_that_can_fail() {
    for name in ["abs", "factorial", "chr", "to_date", "substr", "left", "gcd"] {
        let function = allowed().scalar.into_iter().find(|function| function.name() == name).unwrap();
        let mut faults = Vec::new();
        tried(&function, &mut faults);
        assert_eq!(faults.is_empty(), name == "left", "{name}");
        assert!(class("scalar", name) < Class::Leakproof, "{name}");
    }
}
