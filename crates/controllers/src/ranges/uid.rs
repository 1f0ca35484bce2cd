//! A range of user IDs, cut into blocks of one size: `1000000000-1999999999/10000`.
//!
//! Upstream: `openshift/library-go`, `pkg/security/uid`.

use ringfence_scc::IDRange;
use std::fmt;
use std::str::FromStr;

/// More blocks would not fit into the record of those that are taken.
const MOST_BLOCKS: u64 = 4_000_000;

/// The user IDs that namespaces get their blocks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidRange {
    first: u32,
    last: u32,
    block: u32,
}

/// Why a text is no range of user IDs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UidRangeError {
    /// It is not of the form.
    #[error("{0:?} is not of the form FIRST-LAST/BLOCKSIZE, such as 1000000000-1999999999/10000")]
    Form(String),
    /// It ends before it begins, or has no whole block.
    #[error("{0:?} has no block: BLOCKSIZE must be at least 1 and less than LAST - FIRST")]
    Empty(String),
    /// Its blocks are too many.
    #[error("{0:?} has {1} blocks, and only {MOST_BLOCKS} can be told apart; make them larger")]
    TooMany(String, u64),
    /// Root would be in it.
    #[error("{0:?} has root in it: FIRST must be at least 1")]
    Root(String),
}

impl Default for UidRange {
    /// OpenShift's.
    fn default() -> Self {
        Self { first: 1_000_000_000, last: 1_999_999_999, block: 10_000 }
    }
}

impl FromStr for UidRange {
    type Err = UidRangeError;

    fn from_str(text: &str) -> Result<Self, UidRangeError> {
        let form = || UidRangeError::Form(text.to_owned());
        let number = |text: &str| -> Result<u32, UidRangeError> {
            if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().map_err(|_| form()) } else { Err(form()) }
        };
        let (range, block) = text.split_once('/').ok_or_else(form)?;
        let (first, last) = range.split_once('-').ok_or_else(form)?;
        let range = Self { first: number(first)?, last: number(last)?, block: number(block)? };
        if range.first > range.last || range.block == 0 || range.last - range.first < range.block {
            return Err(UidRangeError::Empty(text.to_owned()));
        }
        if range.first == 0 {
            return Err(UidRangeError::Root(text.to_owned()));
        }
        match range.ids() / u64::from(range.block) {
            blocks if blocks > MOST_BLOCKS => Err(UidRangeError::TooMany(text.to_owned(), blocks)),
            _ => Ok(range),
        }
    }
}

impl fmt::Display for UidRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}/{}", self.first, self.last, self.block)
    }
}

impl UidRange {
    fn ids(&self) -> u64 {
        u64::from(self.last) - u64::from(self.first) + 1
    }

    /// How many IDs a block has.
    pub(crate) fn size(&self) -> i64 {
        self.block.into()
    }

    /// How many whole blocks it has.
    pub fn blocks(&self) -> usize {
        usize::try_from(self.ids() / u64::from(self.block)).unwrap_or(usize::MAX)
    }

    /// The block of that number, as the annotation says it: `START/SIZE`. `None` beyond the last.
    pub fn block(&self, number: usize) -> Option<String> {
        if number >= self.blocks() {
            return None;
        }
        let start = u64::from(self.first) + u64::try_from(number).ok()? * u64::from(self.block);
        Some(format!("{start}/{}", self.block))
    }

    /// The number of a block; `None` if it is none of this range.
    pub fn number(&self, block: IDRange) -> Option<usize> {
        let (min, max) = (u32::try_from(block.min).ok()?, u32::try_from(block.max).ok()?);
        if min < self.first || max > self.last || max.wrapping_sub(min).wrapping_add(1) != self.block {
            return None;
        }
        let from = min - self.first;
        let number = usize::try_from(from / self.block).ok()?;
        (from.is_multiple_of(self.block) && number < self.blocks()).then_some(number)
    }

    /// The numbers of all blocks that have an ID in common with one that may be none of this range.
    pub fn touched(&self, block: IDRange) -> std::ops::Range<usize> {
        let (first, last) = (i64::from(self.first), i64::from(self.last));
        if block.max < block.min || block.max < first || block.min > last {
            return 0..0;
        }
        let at = |id: i64| usize::try_from((id.clamp(first, last) - first) / i64::from(self.block)).unwrap_or(0);
        at(block.min)..(at(block.max) + 1).min(self.blocks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(min: i64, max: i64) -> IDRange {
        IDRange { min, max }
    }

    #[test]
    fn the_platforms_range_has_a_hundred_thousand_blocks() {
        let range: UidRange = "1000000000-1999999999/10000".parse().unwrap();
        assert_eq!((range, range.blocks()), (UidRange::default(), 100_000));
        assert_eq!(range.block(0).as_deref(), Some("1000000000/10000"));
        assert_eq!(range.block(99_999).as_deref(), Some("1999990000/10000"));
        assert_eq!(range.block(100_000), None);
        assert_eq!(range.number(block(1_000_680_000, 1_000_689_999)), Some(68));
        assert_eq!(range.to_string(), "1000000000-1999999999/10000");
    }

    #[test]
    fn blocks_of_other_sizes_or_places_are_none_of_it_but_may_touch_some() {
        let range: UidRange = "1000-1099/10".parse().unwrap();
        for (min, max) in [(1000, 1010), (1005, 1014), (990, 999), (1100, 1109), (1009, 1000)] {
            assert_eq!(range.number(block(min, max)), None, "{min}-{max}");
        }
        assert_eq!(range.touched(block(1005, 1014)), 0..2);
        assert_eq!(range.touched(block(0, 1_000_000)), 0..10);
        assert_eq!(range.touched(block(990, 999)), 0..0);
        assert_eq!(range.touched(block(1100, 1200)), 0..0);
        assert_eq!(range.touched(block(5, 4)), 0..0);
    }

    #[test]
    fn the_whole_of_32_bits_is_counted_right() {
        let range: UidRange = "1-4294967295/2000000000".parse().unwrap();
        assert_eq!(range.blocks(), 2);
        assert_eq!(range.block(1).as_deref(), Some("2000000001/2000000000"));
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_form_that_it_should_have() {
        for text in ["", "1-2", "1/2", "a-b/c", "1-99999999999/2", "-1-5/2", "1-9/+2", "1 -9/2"] {
            assert!(matches!(text.parse::<UidRange>(), Err(UidRangeError::Form(_))), "{text}");
        }
        for text in ["9-1/2", "1-9/0", "1-9/9"] {
            assert!(matches!(text.parse::<UidRange>(), Err(UidRangeError::Empty(_))), "{text}");
        }
        assert!(matches!("0-99/10".parse::<UidRange>(), Err(UidRangeError::Root(_))));
        assert!(matches!("1-4294967295/1".parse::<UidRange>(), Err(UidRangeError::TooMany(..))));
    }
}
