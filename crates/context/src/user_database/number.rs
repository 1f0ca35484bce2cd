//! Numbers as Go's `strconv.Atoi` reads them, because it decides whether a USER is a number or a name.

/// Why a text is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// It does not look like one.
    Syntax,
    /// It does not fit into 64 bits.
    Range {
        /// The end of the range that it is beyond, which Go returns beside the error.
        nearest: i64,
    },
}

/// Reads a decimal number with an optional sign, and nothing around it: `+5` is 5, ` 5`, `5 ` and `0x5` are not numbers.
pub fn parse_int(text: &str) -> Result<i64, NumberError> {
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    if digits.is_empty() {
        return Err(NumberError::Syntax);
    }
    let out_of_range = NumberError::Range { nearest: if negative { i64::MIN } else { i64::MAX } };
    let mut magnitude: u64 = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(NumberError::Syntax);
        }
        // Go stops at the first digit that overflows, without looking at what follows.
        magnitude =
            magnitude.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(digit - b'0'))).ok_or(out_of_range)?;
    }
    if negative {
        0_i64.checked_sub_unsigned(magnitude).ok_or(out_of_range)
    } else {
        i64::try_from(magnitude).map_err(|_| out_of_range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_part_of_a_number_and_blanks_are_not() {
        assert_eq!(parse_int("+5"), Ok(5));
        assert_eq!(parse_int("-5"), Ok(-5));
        for text in ["", "+", "-", " 5", "5 ", "0x5", "1_000", "five", "5.0"] {
            assert_eq!(parse_int(text), Err(NumberError::Syntax), "{text:?}");
        }
    }

    #[test]
    fn a_number_beyond_64_bits_sticks_to_the_end_of_the_range() {
        assert_eq!(parse_int("9223372036854775807"), Ok(i64::MAX));
        assert_eq!(parse_int("9223372036854775808"), Err(NumberError::Range { nearest: i64::MAX }));
        assert_eq!(parse_int("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(parse_int("-9223372036854775809"), Err(NumberError::Range { nearest: i64::MIN }));
    }

    #[test]
    fn an_overflow_is_noticed_before_the_letter_that_follows_it() {
        assert_eq!(parse_int("99999999999999999999x"), Err(NumberError::Range { nearest: i64::MAX }));
        assert_eq!(parse_int("9999999999999999999x"), Err(NumberError::Syntax));
    }
}
