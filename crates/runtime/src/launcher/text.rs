//! Reading and writing numbers in buffers, for code that must not allocate.

use std::fmt::{self, Write};

/// A number in ASCII digits.
pub(super) fn number(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |sum, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        sum.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))
    })
}

/// A text of at most `N` bytes on the stack; what does not fit is cut.
#[derive(Clone, Copy)]
pub(super) struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    /// The text of something that can be displayed without allocating: numbers and strings.
    pub(super) fn of(value: fmt::Arguments<'_>) -> Self {
        let mut text = Self::new();
        // Writing to a Text cannot fail: it cuts.
        let _ = text.write_fmt(value);
        text
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let mut written = 0;
        for (to, from) in room.iter_mut().zip(text.as_bytes()) {
            *to = *from;
            written += 1;
        }
        self.length += written;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_to_their_room() {
        assert_eq!(Text::<4>::of(format_args!("{}{}", 12, "345")).as_bytes(), b"1234");
    }

    #[test]
    fn a_number_that_is_too_large_is_none() {
        assert_eq!(number(b"18446744073709551615", 10), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616", 10), None);
        assert_eq!(number(b"", 10), None);
    }
}
