//! The kernel's own texts of limits.

use super::settings::Expect;

/// Whether the kernel's answer is what was to be expected of `value`.
pub(super) fn agrees(expect: &Expect, value: &str, found: &str) -> bool {
    let found = found.trim_end();
    match expect {
        Expect::Same => found == value,
        Expect::Anything => true,
        Expect::List => numbers(found).is_some_and(|found| numbers(value) == Some(found)),
        Expect::Bytes(bytes, page) => match found.parse::<u64>() {
            Ok(found) => found <= *bytes && bytes - found < *page,
            // So much that it is no limit.
            Err(_) => found == "max" && *bytes >= i64::MAX as u64 - page,
        },
        // cgroup v1 says the largest number of bytes in whole pages.
        Expect::Unlimited => found == "max" || found.parse().is_ok_and(|found: u64| found > i64::MAX as u64 >> 1),
    }
}

/// `0-2,4` as single numbers.
fn numbers(text: &str) -> Option<std::collections::BTreeSet<u32>> {
    let mut all = std::collections::BTreeSet::new();
    for range in text.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if last >= 1 << 16 {
            return None; // No machine has so many; not to be filled into memory.
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_cut_to_pages() {
        assert!(agrees(&Expect::Bytes(10_000, 4096), "10000", "8192\n"));
        assert!(!agrees(&Expect::Bytes(10_000, 4096), "10000", "12288\n"));
        assert!(!agrees(&Expect::Bytes(10_000, 4096), "10000", "4096\n"));
        assert!(agrees(&Expect::Bytes(i64::MAX as u64, 4096), "9223372036854775807", "max\n"));
    }

    #[test]
    fn lists_are_the_same_however_they_are_written() {
        assert!(agrees(&Expect::List, "0,1,2,4", "0-2,4\n"));
        assert!(!agrees(&Expect::List, "0-3", "0-2\n"));
        assert!(!agrees(&Expect::List, "0-99999999", "0-99999999"));
    }

    #[test]
    fn no_limit_is_a_word_or_more_than_there_can_be() {
        assert!(agrees(&Expect::Unlimited, "-1", "9223372036854771712\n"));
        assert!(agrees(&Expect::Unlimited, "max", "max\n"));
        assert!(!agrees(&Expect::Unlimited, "max", "100\n"));
        assert!(agrees(&Expect::Same, "max 100000", "max 100000\n"));
    }
}
