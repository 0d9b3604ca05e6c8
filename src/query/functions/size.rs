//! How much a function would make of its arguments, before it is called: never too little, and not far too much.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNanoType, TimeUnit};
use datafusion::common::{Result, resources_err};
use datafusion::logical_expr::ColumnarValue;

/// What a function's result grows with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// All arguments together.
    Sum,
    /// All arguments together, and the first between any two of them.
    Separated,
    /// The first argument as often as the second says.
    Repeat,
    /// As many letters as the second argument says.
    Pad,
    /// The third argument as often as the second says.
    Resize,
    /// The numbers from the first argument to the second.
    Range,
    /// The third argument for each place of the second in the first.
    Replace,
    /// The third argument for each match, with what it takes from the match.
    ReplacePattern,
    /// The third argument for each element of the first.
    ReplaceElements,
    /// The elements of the first argument, with the others between and in their place.
    Join,
    /// The letters of the first argument, each alone.
    Split,
    /// The second argument, of whose letters each may stand for a word.
    Format,
    /// Nothing, but each pattern in the second argument is kept for the time of the call.
    Patterns,
    /// Nothing, but the time grows with the product of the two.
    Product,
    /// The size that the type of the result has for every value.
    OfType,
}

/// What the result of the function called `name` grows with, if it can be more than a few times its arguments.
pub fn growth(name: &str) -> Option<Growth> {
    Some(match name {
        "concat" | "||" | "overlay" | "encode" | "arrays_zip" | "make_array" | "array_append"
        | "array_prepend" | "array_concat" | "struct" | "named_struct" | "map" => Growth::Sum,
        "concat_ws" => Growth::Separated,
        "repeat" | "array_repeat" => Growth::Repeat,
        "lpad" | "rpad" => Growth::Pad,
        "array_resize" => Growth::Resize,
        "range" | "generate_series" => Growth::Range,
        "replace" => Growth::Replace,
        "regexp_replace" => Growth::ReplacePattern,
        "array_replace" | "array_replace_n" | "array_replace_all" => Growth::ReplaceElements,
        "array_to_string" => Growth::Join,
        "string_to_array" => Growth::Split,
        "to_char" => Growth::Format,
        "regexp_count" | "regexp_instr" | "regexp_like" | "regexp_match" => Growth::Patterns,
        "levenshtein" | "array_has_any" | "array_has_all" => Growth::Product,
        "arrow_cast" | "arrow_try_cast" => Growth::OfType,
        _ => return None,
    })
}

/// The most steps of a call whose time grows with the product of two lengths: some seconds.
const STEPS: u64 = 2_000_000_000;

/// What one letter of a pattern may take once compiled, the most that the engine lets one pattern take, and the most
/// that all patterns of a batch may take.
const PATTERN_LETTER: u64 = 4096;
const PATTERN: u64 = 10 << 20;
const PATTERNS: u64 = 128 << 20;

const NANOS_OF_DAY: i128 = 86_400_000_000_000;

impl Growth {
    /// At most how many bytes each of `rows` rows of the result takes; nothing when only time and scratch are bound.
    pub fn sizes(self, args: &[ColumnarValue], rows: usize) -> Result<Option<Vec<u64>>> {
        let bytes = |at: usize| Measure::of(args.get(at), bytes);
        let elements = |at: usize| Measure::of(args.get(at), elements);
        let count = |at: usize| Measure::of(args.get(at), counts);
        let each = |size: &dyn Fn(usize) -> u64| Ok(Some((0..rows).map(size).collect()));
        match self {
            Self::Sum | Self::Separated => {
                let parts = (0..args.len()).map(bytes).collect::<Result<Vec<_>>>()?;
                let between = u64::try_from(args.len()).unwrap_or(u64::MAX);
                each(&|row| {
                    let sum = parts.iter().map(|part| part.at(row)).fold(0, u64::saturating_add);
                    let separator = parts.first().map_or(0, |first| first.at(row));
                    let separators =
                        if self == Self::Separated { separator.saturating_mul(between) } else { 0 };
                    sum.saturating_add(separators)
                })
            }
            Self::Repeat => {
                let (value, times) = (bytes(0)?, count(1)?);
                each(&|row| value.at(row).saturating_mul(times.at(row)))
            }
            Self::Pad => {
                let letters = count(1)?;
                each(&|row| letters.at(row).saturating_mul(4))
            }
            Self::Resize => {
                let (list, length, value) = (bytes(0)?, count(1)?, bytes(2)?);
                each(&|row| {
                    let added = length.at(row).saturating_mul(value.at(row).max(8));
                    list.at(row).saturating_add(added)
                })
            }
            Self::Range => {
                let lengths = range_lengths(args)?;
                each(&|row| lengths.at(row).saturating_mul(16))
            }
            Self::Replace => {
                let (text, from, to) = (bytes(0)?, bytes(1)?, bytes(2)?);
                each(&|row| {
                    let places = text.at(row).checked_div(from.at(row)).unwrap_or(text.at(row)) + 1;
                    text.at(row).saturating_add(places.saturating_mul(to.at(row)))
                })
            }
            Self::ReplacePattern => {
                refuse_many_patterns(args.get(1))?;
                let (text, to) = (bytes(0)?, bytes(2)?);
                each(&|row| {
                    let matches = text.at(row).saturating_add(1).saturating_mul(to.at(row));
                    text.at(row).saturating_add(matches.saturating_mul(2))
                })
            }
            Self::ReplaceElements => {
                let (list, length, to) = (bytes(0)?, elements(0)?, bytes(2)?);
                each(&|row| list.at(row).saturating_add(length.at(row).saturating_mul(to.at(row))))
            }
            Self::Join => {
                let (list, length, between, null) = (bytes(0)?, bytes(0)?, bytes(1)?, bytes(2)?);
                // A list of lists is joined as one, so bytes stand for elements: none is smaller than a bit.
                each(&|row| {
                    let added = between.at(row).saturating_add(null.at(row));
                    let parts = length.at(row).saturating_mul(8).saturating_add(1);
                    list.at(row).saturating_mul(4).saturating_add(parts.saturating_mul(added))
                })
            }
            Self::Split => {
                let text = bytes(0)?;
                each(&|row| text.at(row).saturating_mul(17))
            }
            Self::Format => {
                let format = bytes(1)?;
                each(&|row| format.at(row).saturating_mul(16))
            }
            Self::Patterns => refuse_many_patterns(args.get(1)).map(|()| None),
            Self::Product => {
                let measure = |at| Measure::of(args.get(at), lengths_in_steps);
                let (left, right) = (measure(0)?, measure(1)?);
                let steps = (0..rows).map(|row| left.at(row).saturating_mul(right.at(row)));
                match steps.fold(0, u64::saturating_add) <= STEPS {
                    true => Ok(None),
                    false => resources_err!("a function would take too many steps"),
                }
            }
            Self::OfType => Ok(None),
        }
    }
}

/// A number for each row, or one for all.
#[derive(Debug)]
enum Measure {
    Same(u64),
    Each(Vec<u64>),
}

impl Measure {
    /// What `measure` says of an argument; nothing of one that is not there.
    fn of(value: Option<&ColumnarValue>, measure: fn(&ArrayRef) -> Result<Vec<u64>>) -> Result<Self> {
        match value {
            None => Ok(Self::Same(0)),
            Some(ColumnarValue::Array(array)) => measure(array).map(Self::Each),
            Some(ColumnarValue::Scalar(value)) => {
                Ok(Self::Same(measure(&value.to_array()?)?.first().copied().unwrap_or(0)))
            }
        }
    }

    fn at(&self, row: usize) -> u64 {
        match self {
            Self::Same(number) => *number,
            Self::Each(numbers) => numbers.get(row).copied().unwrap_or(0),
        }
    }
}

fn number<T: TryInto<u64>>(value: T) -> u64 {
    value.try_into().unwrap_or(0)
}

/// The bytes of each value: exact of texts, binaries and lists of them, an average of others.
fn bytes(array: &ArrayRef) -> Result<Vec<u64>> {
    let average = || {
        let all = number(array.get_array_memory_size());
        vec![all.checked_div(number(array.len())).unwrap_or(0).saturating_add(1); array.len()]
    };
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().offsets().lengths().map(number).collect(),
        DataType::LargeUtf8 => array.as_string::<i64>().offsets().lengths().map(number).collect(),
        DataType::Binary => array.as_binary::<i32>().offsets().lengths().map(number).collect(),
        DataType::LargeBinary => array.as_binary::<i64>().offsets().lengths().map(number).collect(),
        // The length stands in the lower half of a view.
        DataType::Utf8View => view_lengths(array.as_string_view().views()),
        DataType::BinaryView => view_lengths(array.as_binary_view().views()),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let inner = bytes(list.values())?;
            list.offsets().windows(2).map(|ends| sum_between(&inner, ends)).collect()
        }
        DataType::Null => vec![1; array.len()],
        fixed if fixed.primitive_width().is_some() => {
            vec![number(fixed.primitive_width().unwrap_or(0)); array.len()]
        }
        _ => average(),
    })
}

fn view_lengths(views: &[u128]) -> Vec<u64> {
    views.iter().map(|view| number(view & 0xffff_ffff)).collect()
}

fn sum_between(sizes: &[u64], ends: &[i32]) -> u64 {
    let (Some(from), Some(to)) = (ends.first(), ends.last()) else { return 0 };
    let (from, to) = (usize::try_from(*from).unwrap_or(0), usize::try_from(*to).unwrap_or(0));
    sizes.get(from..to).unwrap_or_default().iter().copied().fold(8, u64::saturating_add)
}

/// The number of elements of each list.
fn elements(array: &ArrayRef) -> Result<Vec<u64>> {
    match array.data_type() {
        DataType::List(_) => Ok(array.as_list::<i32>().offsets().lengths().map(number).collect()),
        DataType::LargeList(_) => Ok(array.as_list::<i64>().offsets().lengths().map(number).collect()),
        _ => bytes(array),
    }
}

/// The length of each text or list as the time of a comparison sees it.
fn lengths_in_steps(array: &ArrayRef) -> Result<Vec<u64>> {
    match array.data_type() {
        DataType::List(_) | DataType::LargeList(_) => {
            Ok(elements(array)?.into_iter().map(|length| length / 4).collect())
        }
        _ => bytes(array),
    }
}

/// Numbers of times: less than none is none.
fn counts(array: &ArrayRef) -> Result<Vec<u64>> {
    let numbers = cast(array, &DataType::Int64)?;
    Ok(numbers.as_primitive::<Int64Type>().iter().map(|count| number(count.unwrap_or(0))).collect())
}

/// How many values lie in each range. A step that is not there is one; one of no length is left to the function.
fn range_lengths(args: &[ColumnarValue]) -> Result<Measure> {
    let rows = args.iter().find_map(|value| match value {
        ColumnarValue::Array(array) => Some(array.len()),
        ColumnarValue::Scalar(_) => None,
    });
    let arrays = args.iter().map(|value| value.to_array(rows.unwrap_or(1))).collect::<Result<Vec<_>>>()?;
    let numbers = arrays.iter().map(points).collect::<Result<Vec<_>>>()?;
    let length = |row: usize| {
        let at = |arg: usize| numbers.get(arg).and_then(|values| values.get(row)).copied();
        let (start, stop, step) = match (at(0), at(1), at(2)) {
            (Some(stop), None, _) => (0, stop, 1),
            (Some(start), Some(stop), step) => (start, stop, step.unwrap_or(1)),
            (None, ..) => (0, 0, 1),
        };
        let distance = (stop - start).unsigned_abs();
        distance
            .checked_div(step.unsigned_abs())
            .map_or(0, |length| u64::try_from(length).unwrap_or(u64::MAX).saturating_add(1))
    };
    Ok(Measure::Each((0..rows.unwrap_or(1)).map(length).collect()))
}

/// Numbers as they are; dates, times and intervals in nanoseconds, a month as its fewest days.
fn points(array: &ArrayRef) -> Result<Vec<i128>> {
    Ok(match array.data_type() {
        DataType::Interval(_) => {
            let whole =
                cast(array, &DataType::Interval(datafusion::arrow::datatypes::IntervalUnit::MonthDayNano))?;
            let length = |step: datafusion::arrow::datatypes::IntervalMonthDayNano| {
                let days = i128::from(step.months) * 28 + i128::from(step.days);
                days * NANOS_OF_DAY + i128::from(step.nanoseconds)
            };
            let steps = whole.as_primitive::<IntervalMonthDayNanoType>();
            steps.iter().map(|step| step.map_or(0, length)).collect()
        }
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            let micros = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
            let micros = cast(&micros, &DataType::Int64)?;
            micros.as_primitive::<Int64Type>().iter().map(|at| i128::from(at.unwrap_or(0)) * 1000).collect()
        }
        _ => {
            let whole = cast(array, &DataType::Int64)?;
            whole.as_primitive::<Int64Type>().iter().map(|at| i128::from(at.unwrap_or(0))).collect()
        }
    })
}

/// The engine compiles each pattern of a batch once and keeps them all until its end.
fn refuse_many_patterns(patterns: Option<&ColumnarValue>) -> Result<()> {
    let Some(ColumnarValue::Array(patterns)) = patterns else { return Ok(()) };
    let texts = cast(patterns, &DataType::LargeUtf8)?;
    let weight = |pattern: &str| match pattern.contains('{') {
        true => PATTERN,
        false => number(pattern.len()).saturating_mul(PATTERN_LETTER).min(PATTERN),
    };
    let distinct = texts
        .as_string::<i64>()
        .iter()
        .flatten()
        .map(|text| (text, weight(text)))
        .collect::<BTreeMap<_, _>>();
    match distinct.values().copied().fold(0, u64::saturating_add) <= PATTERNS {
        true => Ok(()),
        false => resources_err!("too many patterns at once"),
    }
}
