//! A number as it is written, and the types that hold it exactly.
//!
//! A double counts as exact when its shortest spelling is the number that was written: what is read back is then the
//! same number, as with every system that writes doubles as text.

use arrow_schema::DataType;

/// How many digits any double holds, wherever its point is.
const SAFE_DIGITS: usize = 15;
/// Exponents that are far from the ends of the doubles.
const SAFE_EXPONENT: i64 = 290;
/// How many digits the lake's decimals have.
const MOST_DIGITS: usize = 38;

/// A number in the form of JSON: `-0.5e3`, no leading zeros, no sign but a minus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<'a> {
    text: &'a str,
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: Option<i64>,
}

impl<'a> Number<'a> {
    /// Nothing else may stand in `text`, no blanks either.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (rest, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let has_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let leads_with_zero = whole.len() > 1 && whole.starts_with('0');
        if !has_digits(whole) || leads_with_zero || !fraction.is_none_or(has_digits) {
            return None;
        }
        let exponent = match exponent {
            Some(exponent) => {
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if !has_digits(digits) {
                    return None;
                }
                Some(exponent.parse::<i64>().ok().filter(|exponent| exponent.abs() < 1_000_000)?)
            }
            None => None,
        };
        Some(Self { text, negative, whole, fraction: fraction.unwrap_or_default(), exponent })
    }

    /// As a `bigint`, if it is written as one.
    pub fn to_i64(self) -> Option<i64> {
        let is_whole = self.fraction.is_empty() && self.exponent.is_none() && !self.is_minus_zero();
        if is_whole { self.text.parse().ok() } else { None }
    }

    /// As a double, if that is the same number.
    pub fn to_f64(self) -> Option<f64> {
        let value = self.text.parse::<f64>().ok().filter(|value| value.is_finite())?;
        let (digits, exponent) = self.significant();
        if digits.len() <= SAFE_DIGITS && exponent.abs() < SAFE_EXPONENT {
            return Some(value);
        }
        let shortest = format!("{value:e}");
        let back = Number::parse(&shortest)?;
        (back.significant() == (digits, exponent)).then_some(value)
    }

    /// As a float of half the size, if that is the same number.
    pub fn to_f32(self) -> Option<f32> {
        let value = self.text.parse::<f32>().ok().filter(|value| value.is_finite())?;
        let shortest = format!("{value:e}");
        (Number::parse(&shortest)?.significant() == self.significant()).then_some(value)
    }

    /// As the unscaled value of a decimal, if no digit is lost.
    pub fn to_decimal(self, precision: u8, scale: i8) -> Option<i128> {
        if self.exponent.is_some() || self.is_minus_zero() {
            return None;
        }
        let fraction = self.fraction.trim_end_matches('0');
        let missing = usize::try_from(scale).ok()?.checked_sub(fraction.len())?;
        let digits = format!("{}{fraction}{}", self.whole, "0".repeat(missing));
        let digits = digits.trim_start_matches('0');
        if digits.len() > usize::from(precision) {
            return None;
        }
        let value = if digits.is_empty() { 0 } else { digits.parse::<i128>().ok()? };
        Some(if self.negative { -value } else { value })
    }

    /// The digits without zeros at either end, and the power of ten of the last one. Equal for equal numbers.
    fn significant(self) -> (String, i64) {
        let all = format!("{}{}", self.whole, self.fraction);
        let kept = all.trim_end_matches('0');
        let dropped = all.len() - kept.len();
        let digits = kept.trim_start_matches('0');
        if digits.is_empty() {
            return (String::new(), 0);
        }
        let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let exponent = self.exponent.unwrap_or_default() - length(self.fraction.len()) + length(dropped);
        (digits.to_owned(), exponent)
    }

    fn is_minus_zero(self) -> bool {
        self.negative && self.whole.bytes().chain(self.fraction.bytes()).all(|digit| digit == b'0')
    }
}

/// What was seen of the numbers of one column, and so the type that holds them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Each is a `bigint`.
    whole: bool,
    /// Each is the same number as a double.
    double: bool,
    /// None has an exponent.
    plain: bool,
    /// The most digits before the point.
    digits: usize,
    /// The fewest and the most digits behind it, of those that have any.
    fraction: Option<(usize, usize)>,
    /// The type of others that are among them. It stays when it holds these too.
    among: Option<Held>,
}

/// A type of numbers that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Whole,
    Double,
    /// With so many digits before the point and behind it.
    Decimal(usize, usize),
}

impl Held {
    fn data_type(self) -> Option<DataType> {
        match self {
            Self::Whole => Some(DataType::Int64),
            Self::Double => Some(DataType::Float64),
            Self::Decimal(digits, scale) => {
                let precision = u8::try_from(digits.saturating_add(scale)).ok()?;
                Some(DataType::Decimal128(precision, i8::try_from(scale).ok()?))
            }
        }
    }
}

impl Numbers {
    /// Those that a column of this type may hold, if it is one that numbers are read into.
    pub fn of_type(data_type: &DataType) -> Option<Self> {
        let among = match data_type {
            DataType::Int64 => Held::Whole,
            DataType::Float64 => Held::Double,
            DataType::Decimal128(precision, scale) => {
                let scale = usize::try_from(*scale).ok()?;
                Held::Decimal(usize::from(*precision).checked_sub(scale)?, scale)
            }
            _ => return None,
        };
        let (whole, double, plain) = (true, true, true);
        Some(Self { whole, double, plain, digits: 0, fraction: None, among: Some(among) })
    }

    /// Of one number.
    pub fn of(number: Number<'_>) -> Self {
        let fraction = number.fraction.len();
        Self {
            whole: number.to_i64().is_some(),
            double: number.to_f64().is_some(),
            plain: number.exponent.is_none() && !number.is_minus_zero(),
            digits: number.whole.len(),
            fraction: (fraction > 0).then_some((fraction, fraction)),
            among: None,
        }
    }

    /// Of both.
    pub fn and(self, other: Self) -> Self {
        let fraction = match (self.fraction, other.fraction) {
            (Some((least, most)), Some((other_least, other_most))) => {
                Some((least.min(other_least), most.max(other_most)))
            }
            (fraction, None) | (None, fraction) => fraction,
        };
        Self {
            whole: self.whole && other.whole,
            double: self.double && other.double,
            plain: self.plain && other.plain,
            digits: self.digits.max(other.digits),
            fraction,
            among: self.among.or(other.among),
        }
    }

    /// Whether each of them is one of `held` too.
    fn are(self, held: Held) -> bool {
        match held {
            Held::Whole => self.whole,
            Held::Double => self.double,
            Held::Decimal(digits, scale) => {
                let (_, most) = self.fraction.unwrap_or_default();
                self.plain && self.digits <= digits && most <= scale
            }
        }
    }

    /// With any that `held` may hold.
    fn with_any(self, held: Held) -> Self {
        let (digits, scale, plain) = match held {
            Held::Whole => (19, 0, true),
            Held::Double => (0, 0, false),
            Held::Decimal(digits, scale) => (digits, scale, true),
        };
        let fraction = (scale > 0).then_some((scale, scale));
        self.and(Self { whole: false, double: false, plain, digits, fraction, among: None })
    }

    /// Whole numbers are `bigint`, those with as many digits behind the point each (as prices are) a decimal, others a
    /// double where each is the same number as one, and then a decimal again. None when no type holds all.
    pub fn data_type(self) -> Option<DataType> {
        match self.among {
            Some(held) if self.are(held) => held.data_type(),
            Some(held) => Self { among: None, ..self.with_any(held) }.data_type(),
            None => self.own_type(),
        }
    }

    fn own_type(self) -> Option<DataType> {
        if self.whole {
            return Some(DataType::Int64);
        }
        let (least, most) = self.fraction.unwrap_or_default();
        let is_decimal = self.plain && self.digits.saturating_add(most) <= MOST_DIGITS;
        if is_decimal && least == most {
            return decimal(self.digits, most);
        }
        if self.double {
            return Some(DataType::Float64);
        }
        if is_decimal { decimal(self.digits, most) } else { None }
    }
}

/// A decimal with room for larger numbers than those that were seen.
fn decimal(digits: usize, scale: usize) -> Option<DataType> {
    let precision = digits.saturating_add(scale).saturating_add(8).clamp(18, MOST_DIGITS);
    Some(DataType::Decimal128(u8::try_from(precision).ok()?, i8::try_from(scale).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number<'_> {
        Number::parse(text).unwrap()
    }

    #[test]
    fn only_what_reads_back_the_same_is_a_number() {
        for text in
            ["007", "00", "+1", ".5", "1.", " 1", "1 ", "1,000", "0x10", "1e", "--1", "", "-", "NaN", "٣"]
        {
            assert!(Number::parse(text).is_none(), "{text}");
        }
        for text in ["0", "-1", "1.50", "1e5", "-0", "1E-7", "123456789012345678901234567890"] {
            assert!(Number::parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_type_holds_a_number_exactly_or_not_at_all() {
        assert_eq!(number("9223372036854775807").to_i64(), Some(i64::MAX));
        for text in ["9223372036854775808", "1.0", "1e0", "-0"] {
            assert_eq!(number(text).to_i64(), None, "{text}");
        }
        for text in
            ["0.1", "1e300", "-0", "0.30000000000000004", "9007199254740992", "5e-324", "1.10", "0.000"]
        {
            assert!(number(text).to_f64().is_some(), "{text}");
        }
        for text in ["9007199254740993", "0.1234567890123456789", "1e400", "1e-400", "0.30000000000000005"] {
            assert_eq!(number(text).to_f64(), None, "{text}");
        }
        for (text, value) in [
            ("12.50", Some(1250)),
            ("12.5", Some(1250)),
            ("-0.01", Some(-1)),
            ("12.500", Some(1250)),
            ("0", Some(0)),
        ] {
            assert_eq!(number(text).to_decimal(5, 2), value, "{text}");
        }
        for text in ["12.505", "1000.00", "1e1", "-0.00"] {
            assert_eq!(number(text).to_decimal(5, 2), None, "{text}");
        }
    }

    #[test]
    fn the_type_of_a_column_holds_all_of_it() {
        let of = |texts: &[&str]| {
            texts.iter().map(|text| Numbers::of(number(text))).reduce(Numbers::and).unwrap().data_type()
        };
        assert_eq!(of(&["1", "-2"]), Some(DataType::Int64));
        assert_eq!(of(&["12.50", "3", "0.99"]), Some(DataType::Decimal128(18, 2)));
        assert_eq!(of(&["1.5", "0.25"]), Some(DataType::Float64));
        assert_eq!(of(&["1e-7", "1"]), Some(DataType::Float64));
        assert_eq!(of(&["9223372036854775808", "1"]), Some(DataType::Decimal128(27, 0)));
        assert_eq!(of(&["0.1", "9007199254740993.25"]), Some(DataType::Decimal128(26, 2)));
        assert_eq!(of(&["1e5", "9007199254740993"]), None);
        assert_eq!(of(&["123456789012345678901234567890123456789"]), None);
    }
}
