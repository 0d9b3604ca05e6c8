//! `numeric` of any size, in both forms of the protocol.
//!
//! arrow-pg takes decimals through a type of 28 digits; ours have up to 76.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use pgwire::types::ToSqlText;
use pgwire::types::format::FormatOptions;
use postgres_types::{IsNull, ToSql, Type, to_sql_checked};

/// A decimal number as its digits: `-12.340`.
#[derive(Debug)]
pub(super) struct Numeric(pub String);

/// How many decimal digits one digit of the binary form has.
const DIGITS: usize = 4;

/// What the binary form says of a negative number.
const NEGATIVE: u16 = 0x4000;

impl ToSqlText for Numeric {
    fn to_sql_text(
        &self,
        _type: &Type,
        out: &mut BytesMut,
        _options: &FormatOptions,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

impl ToSql for Numeric {
    /// `numeric_send` of PostgreSQL: how many digits to the base of 10,000 there are, the power of the first one, the
    /// sign, how many decimals are shown, and the digits.
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let (sign, digits) = match self.0.strip_prefix('-') {
            Some(digits) => (NEGATIVE, digits),
            None => (0, self.0.as_str()),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        // Both sides of the point begin a digit of the larger base.
        let before = whole.len().div_ceil(DIGITS);
        let padded = format!("{whole:0>width$}{decimals}", width = before * DIGITS);
        let mut large = padded
            .as_bytes()
            .chunks(DIGITS)
            .map(|chunk| format!("{:0<4}", String::from_utf8_lossy(chunk)).parse::<i16>())
            .collect::<Result<Vec<_>, _>>()?;
        let leading = large.iter().take_while(|digit| **digit == 0).count();
        large.drain(..leading);
        large.truncate(large.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1));
        let weight = if large.is_empty() { 0 } else { i16::try_from(before)? - 1 - i16::try_from(leading)? };
        out.put_i16(i16::try_from(large.len())?);
        out.put_i16(weight);
        out.put_u16(if large.is_empty() { 0 } else { sign });
        out.put_i16(i16::try_from(decimals.len())?);
        large.into_iter().for_each(|digit| out.put_i16(digit));
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::NUMERIC
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields that `numeric_send` has for the value.
    fn sent(text: &str) -> Vec<i16> {
        let mut out = BytesMut::new();
        Numeric(text.to_owned()).to_sql(&Type::NUMERIC, &mut out).unwrap();
        out.chunks(2).map(|pair| i16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn the_binary_form_is_that_of_postgresql() {
        assert_eq!(sent("0"), [0, 0, 0, 0]);
        assert_eq!(sent("0.00"), [0, 0, 0, 2]);
        assert_eq!(sent("1"), [1, 0, 0, 0, 1]);
        assert_eq!(sent("-12345.678"), [3, 1, 0x4000, 3, 1, 2345, 6780]);
        assert_eq!(sent("0.0001"), [1, -1, 0, 4, 1]);
        assert_eq!(sent("0.00001"), [1, -2, 0, 5, 1000]);
        assert_eq!(sent("10000"), [1, 1, 0, 0, 1]);
        assert_eq!(
            sent("99999999999999999999999999999999999999"),
            [10, 9, 0, 0, 99, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999]
        );
    }
}
