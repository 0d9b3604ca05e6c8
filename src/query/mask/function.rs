//! The masks that no function of the engine does: a keyed hash, characters behind stars, and the first day of a year
//! or month. Total: every value has an answer, and one that has no sensible answer becomes NULL.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray,
    UInt64Array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type,
};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::MaskKey;

/// What a mask does to a value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Hash(MaskKey),
    First4,
    Last4,
    Year,
    Month,
}

/// A mask as a function of one argument; it gives the type it takes.
#[derive(Clone)]
pub(super) struct MaskFunction {
    kind: Kind,
    signature: Signature,
}

impl MaskFunction {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, signature: Signature::new(TypeSignature::Any(1), Volatility::Immutable) }
    }

    fn masked(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let given = values.data_type();
        let masked: ArrayRef = match (&self.kind, given) {
            (Kind::Hash(key), DataType::Int64) => {
                let values = values.as_primitive::<Int64Type>().iter();
                Arc::new(
                    values
                        .map(|value| value.map(|value| number(key, &value.to_le_bytes())))
                        .collect::<Int64Array>(),
                )
            }
            (Kind::Hash(key), DataType::UInt64) => {
                let values = values.as_primitive::<UInt64Type>().iter();
                let hashed =
                    values.map(|value| value.map(|value| number(key, &value.to_le_bytes()).unsigned_abs()));
                Arc::new(hashed.collect::<UInt64Array>())
            }
            (Kind::Hash(key), DataType::Binary | DataType::LargeBinary | DataType::BinaryView) => {
                let plain = cast(values, &DataType::Binary)?;
                let hashed =
                    plain.as_binary::<i32>().iter().map(|value| value.map(|value| digest(key, value)));
                Arc::new(hashed.collect::<BinaryArray>())
            }
            (Kind::Hash(key), _) => texts(values, |text| hex(&digest(key, text.as_bytes())))?,
            (Kind::First4, _) => texts(values, |text| starred(text, |at, _| at < 4))?,
            (Kind::Last4, _) => texts(values, |text| starred(text, |at, length| at + 4 >= length))?,
            (Kind::Year, _) => days(values, |day| day.with_day(1)?.with_month(1))?,
            (Kind::Month, _) => days(values, |day| day.with_day(1))?,
        };
        Ok(if masked.data_type() == given { masked } else { cast(&masked, given)? })
    }
}

impl ScalarUDFImpl for MaskFunction {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Hash(_) => "mask_hash",
            Kind::First4 => "mask_first4",
            Kind::Last4 => "mask_last4",
            Kind::Year => "mask_year",
            Kind::Month => "mask_month",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [only] => Ok(only.clone()),
            _ => exec_err!("a mask has one argument"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match arguments.args.as_slice() {
            [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(self.masked(values)?)),
            [ColumnarValue::Scalar(value)] => {
                Ok(ColumnarValue::Array(self.masked(&value.to_array_of_size(arguments.number_rows)?)?))
            }
            _ => exec_err!("a mask has one argument"),
        }
    }
}

fn digest(key: &MaskKey, value: &[u8]) -> Vec<u8> {
    // A key of any length is good for this construction.
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mac) => mac.chain_update(value).finalize().into_bytes().to_vec(),
        Err(_) => Vec::new(),
    }
}

fn number(key: &MaskKey, value: &[u8]) -> i64 {
    let digest = digest(key, value);
    digest.iter().take(8).fold(0_i64, |number, byte| (number << 8) | i64::from(*byte))
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The characters that `keep` wants by place and length, and stars for the others. A text of four characters or
/// fewer is all stars: showing its first or last four would show it.
fn starred(text: &str, keep: impl Fn(usize, usize) -> bool) -> String {
    let length = text.chars().count();
    let shown = |at| length > 4 && keep(at, length);
    text.chars().enumerate().map(|(at, letter)| if shown(at) { letter } else { '*' }).collect()
}

fn texts(values: &ArrayRef, mask: impl Fn(&str) -> String) -> Result<ArrayRef> {
    let plain = cast(values, &DataType::Utf8)?;
    let masked = plain.as_string::<i32>().iter().map(|value| value.map(&mask));
    Ok(Arc::new(masked.collect::<StringArray>()))
}

fn days(values: &ArrayRef, mask: impl Fn(NaiveDate) -> Option<NaiveDate>) -> Result<ArrayRef> {
    let epoch = NaiveDate::default();
    let since_epoch = |day: NaiveDate| day.signed_duration_since(epoch).num_days();
    if let DataType::Timestamp(_, zone) = values.data_type() {
        let micros = cast(values, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
        let masked = micros.as_primitive::<TimestampMicrosecondType>().iter().map(|micros| {
            let day = DateTime::from_timestamp_micros(micros?)?.date_naive();
            since_epoch(mask(day)?).checked_mul(86_400_000_000)
        });
        let masked = masked.collect::<TimestampMicrosecondArray>();
        return Ok(Arc::new(masked.with_timezone_opt(zone.clone())));
    }
    let dates = cast(values, &DataType::Date32)?;
    let masked = dates.as_primitive::<Date32Type>().iter().map(|day| {
        let day = epoch.checked_add_signed(chrono::Duration::days(i64::from(day?)))?;
        i32::try_from(since_epoch(mask(day)?)).ok()
    });
    Ok(Arc::new(masked.collect::<Date32Array>()))
}

impl PartialEq for MaskFunction {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for MaskFunction {}

impl Hash for MaskFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

impl fmt::Debug for MaskFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(kind: Kind, values: ArrayRef) -> ArrayRef {
        let masked = MaskFunction::new(kind).masked(&values).unwrap();
        assert_eq!((masked.data_type(), masked.len()), (values.data_type(), values.len()));
        masked
    }

    #[test]
    fn texts_keep_their_ends_and_short_ones_keep_nothing() {
        let values =
            || Arc::new(StringArray::from(vec![Some("4111-2222"), Some("añb😀c"), Some("1234"), None])) as _;
        let last = masked(Kind::Last4, values());
        assert_eq!(
            last.as_string::<i32>().iter().collect::<Vec<_>>(),
            [Some("*****2222"), Some("*ñb😀c"), Some("****"), None]
        );
        let first = masked(Kind::First4, values());
        assert_eq!(
            first.as_string::<i32>().iter().collect::<Vec<_>>(),
            [Some("4111*****"), Some("añb😀*"), Some("****"), None]
        );
    }

    #[test]
    fn equal_values_hash_alike_and_keys_tell_them_apart() {
        let kind = |key: &[u8]| Kind::Hash(Arc::from(key));
        let values = || Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("a"), None])) as ArrayRef;
        let one = masked(kind(b"one"), values());
        let one = one.as_string::<i32>();
        assert_eq!(one.value(0), one.value(2));
        assert_ne!(one.value(0), one.value(1));
        assert_eq!((one.value(0).len(), one.is_null(3)), (64, true));
        assert_ne!(one.value(0), masked(kind(b"two"), values()).as_string::<i32>().value(0));
        let numbers = masked(kind(b"one"), Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(1), None])));
        let numbers = numbers.as_primitive::<Int64Type>();
        assert_eq!(numbers.value(0), numbers.value(2));
        assert_ne!(numbers.value(0), numbers.value(1));
        assert!(numbers.is_null(3));
    }

    #[test]
    fn days_become_the_first_of_theirs() {
        let day = |year, month, day| {
            let day = NaiveDate::from_ymd_opt(year, month, day).unwrap();
            Some(i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).unwrap())
        };
        let values = || {
            Arc::new(Date32Array::from(vec![day(2024, 2, 29), day(1969, 12, 31), None, Some(i32::MAX)]))
                as ArrayRef
        };
        let years = masked(Kind::Year, values());
        assert_eq!(
            years.as_primitive::<Date32Type>().iter().collect::<Vec<_>>(),
            [day(2024, 1, 1), day(1969, 1, 1), None, None]
        );
        let months = masked(Kind::Month, values());
        assert_eq!(
            months.as_primitive::<Date32Type>().iter().collect::<Vec<_>>(),
            [day(2024, 2, 1), day(1969, 12, 1), None, None]
        );
        let times = Arc::new(TimestampMicrosecondArray::from(vec![
            Some(1_700_000_000_123_456),
            Some(-1),
            Some(i64::MAX),
            None,
        ]));
        let times = masked(Kind::Year, times);
        let times = times.as_primitive::<TimestampMicrosecondType>().iter().collect::<Vec<_>>();
        assert_eq!(times, [Some(1_672_531_200_000_000), Some(-31_536_000_000_000), None, None]);
    }
}
