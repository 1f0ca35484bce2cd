//! Numbers in the headers of a tar archive, as GNU tar and Go's `archive/tar` read them: octal digits, or the big-endian
//! two's complement that GNU tar writes where the digits do not suffice ("base-256"), which begins with a set bit.

use std::io;

use super::archive::malformed;

/// The number in a field. An empty field is 0.
pub(super) fn signed(field: &[u8]) -> io::Result<i64> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => binary(*first, rest),
        _ => octal(field),
    }
}

/// A number that counts something.
pub(super) fn unsigned(field: &[u8]) -> io::Result<u64> {
    let number = signed(field)?;
    u64::try_from(number).map_err(|_| malformed(&format!("a header has the number {number}")))
}

fn binary(first: u8, rest: &[u8]) -> io::Result<i64> {
    let is_negative = first & 0x40 != 0;
    // The first byte's uppermost bit says only that the number is written like this.
    let mut value = i128::from(first & 0x7f) - if is_negative { 0x80 } else { 0 };
    for byte in rest {
        value = value << 8 | i128::from(*byte);
        if i64::try_from(value).is_err() {
            return Err(malformed("a header has a number beyond 64 bits"));
        }
    }
    i64::try_from(value).map_err(io::Error::other)
}

fn octal(field: &[u8]) -> io::Result<i64> {
    let is_padding = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_padding(byte)).unwrap_or(field.len());
    let end = field.iter().rposition(|byte| !is_padding(byte)).map_or(start, |last| last + 1);
    let digits = field.get(start..end).unwrap_or_default();
    let digits = digits.split(|byte| *byte == 0).next().unwrap_or_default();
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value
            .checked_mul(8)
            .and_then(|value| value.checked_add(i64::from(digit - b'0')))
            .ok_or_else(|| malformed("a header has a number beyond 64 bits")),
        _ => Err(malformed("a header has a number that is not octal")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_may_have_spaces_and_zeros_around_them() {
        for field in [&b"0000644\0"[..], b"   644 \0", b"644     ", b"\x00\x00644\x00", b"644\x009999"] {
            assert_eq!(signed(field).unwrap(), 0o644, "{field:?}");
        }
        assert_eq!(signed(b"\0\0\0\0").unwrap(), 0);
        for field in [&b"8"[..], b"-1", b"0x1", b"6 4"] {
            assert!(signed(field).is_err(), "{field:?}");
        }
    }

    #[test]
    fn binary_numbers_have_a_sign_and_end_at_64_bits() {
        assert_eq!(signed(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 5]).unwrap(), (2 << 32) + 5);
        assert_eq!(signed(&[0xff; 12]).unwrap(), -1);
        assert_eq!(signed(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x38]).unwrap(), -200);
        assert!(unsigned(&[0xff; 12]).is_err());
        assert!(signed(&[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]).is_err());
        assert_eq!(signed(&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).unwrap(), i64::MAX);
    }
}
