//! Numbers with a fixed count of digits behind the point, exact.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A decimal number: a whole number and where its point is. `1.0` and `1.00` are two of them.
///
/// ```
/// use lakegate_client::Decimal;
///
/// let price: Decimal = "-12.50".parse()?;
/// assert_eq!((price.unscaled(), price.scale()), (-1250, 2));
/// assert_eq!(price, Decimal::new(-1250, 2));
/// assert_eq!(price.to_string(), "-12.50");
/// # Ok::<(), lakegate_client::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    unscaled: i128,
    scale: i8,
}

impl Decimal {
    /// `unscaled` with the point `scale` digits from its end.
    ///
    /// ```
    /// assert_eq!(lakegate_client::Decimal::new(5, 3).to_string(), "0.005");
    /// ```
    pub fn new(unscaled: i128, scale: i8) -> Self {
        Self { unscaled, scale }
    }

    /// All digits, without the point.
    ///
    /// ```
    /// assert_eq!(lakegate_client::Decimal::new(1250, 2).unscaled(), 1250);
    /// ```
    pub fn unscaled(self) -> i128 {
        self.unscaled
    }

    /// How many digits are behind the point; below 0, how many zeros follow.
    ///
    /// ```
    /// assert_eq!(lakegate_client::Decimal::new(1250, 2).scale(), 2);
    /// ```
    pub fn scale(self) -> i8 {
        self.scale
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&digits(&self.unscaled.to_string(), self.scale))
    }
}

/// `digits` of a whole number, with the point `scale` digits from their end.
pub(crate) fn digits(unscaled: &str, scale: i8) -> String {
    let (sign, digits) = match unscaled.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unscaled),
    };
    let places = usize::from(scale.unsigned_abs());
    match scale {
        0 => unscaled.to_owned(),
        ..0 if digits == "0" => "0".to_owned(),
        ..0 => format!("{sign}{digits}{}", "0".repeat(places)),
        1.. => {
            let padded = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at(padded.len() - places);
            format!("{sign}{whole}.{fraction}")
        }
    }
}

impl FromStr for Decimal {
    type Err = Error;

    /// Reads digits with a point or without.
    ///
    /// ```
    /// assert!("1.5".parse::<lakegate_client::Decimal>().is_ok());
    /// assert!("one".parse::<lakegate_client::Decimal>().is_err());
    /// ```
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Options(format!("`{text}` is no decimal number of at most 38 digits"));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = whole.trim_start_matches(['-', '+']);
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if digits.len() + 1 < whole.len() || !are_digits(digits) || !are_digits(fraction) {
            return Err(wrong());
        }
        let unscaled = format!("{whole}{fraction}").parse().map_err(|_| wrong())?;
        let scale = i8::try_from(fraction.len()).map_err(|_| wrong())?;
        Ok(Self { unscaled, scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_read_back_as_they_are_written() {
        for text in ["0", "-0.05", "123.45", "0.0000000000", "9999999999999999999999999999.9999999999", "-7"]
        {
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), text);
        }
        assert_eq!(Decimal::new(i128::MIN, 1).to_string(), "-17014118346046923173168730371588410572.8");
        assert_eq!(Decimal::new(-12, -3).to_string(), "-12000");
        assert_eq!(Decimal::new(0, -3).to_string(), "0");
        for text in ["", "-", ".", "1e5", "--1", "1.-5", "NaN", &"9".repeat(40)] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }
}
