//! Which ID inside is which subordinate ID.

use super::Range;
use crate::spec::{IdMapping, IdMappings};

/// As many lines as uid_map takes (user_namespaces(7)).
const MOST_LINES: usize = 340;

/// The caller is 0; the ranges follow from 1 on; and an ID of `users` or `groups` that lies beyond them is mapped alone, to
/// one from the end of the last range, as far as there are enough.
pub(super) fn mappings(own: (u32, u32), (uid, gid): (&[Range], &[Range]), users: &[u32], groups: &[u32]) -> IdMappings {
    IdMappings { uid: lines(own.0, uid, users), gid: lines(own.1, gid, groups), setgroups: true }
}

fn lines(own: u32, ranges: &[Range], wanted: &[u32]) -> Vec<IdMapping> {
    // One for each of these, the caller, and whatever lies far away.
    let mut ranges = ranges.get(..MOST_LINES / 2).unwrap_or(ranges).to_vec();
    let end = |ranges: &[Range]| ranges.iter().fold(1, |next: u32, range| next.saturating_add(range.count));
    let mut far: Vec<u32> = wanted.iter().copied().filter(|id| *id >= end(&ranges) && *id != u32::MAX).collect();
    far.sort_unstable();
    far.dedup();
    far.truncate(MOST_LINES / 2 - 1);
    let mut extra = Vec::new();
    if let Some(last) = ranges.last_mut() {
        // At least one stays, so that what lies before it keeps its place.
        for id in far {
            if last.count <= 1 {
                break;
            }
            last.count -= 1;
            extra.push(IdMapping { inside: id, outside: last.first.saturating_add(last.count), size: 1 });
        }
    }
    let mut lines = vec![IdMapping { inside: 0, outside: own, size: 1 }];
    let mut next = 1_u32;
    for Range { first, count } in ranges {
        // The highest ID is none (user_namespaces(7) and setresuid(2) take it for "unchanged").
        let size = count.min(u32::MAX - next);
        if size == 0 {
            break;
        }
        lines.push(IdMapping { inside: next, outside: first, size });
        next += size;
    }
    lines.extend(extra);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_is_root_and_the_ranges_follow() {
        let two = [Range { first: 100_000, count: 1000 }, Range { first: 500_000, count: 64_536 }];
        let one = [Range { first: 100_000, count: 65_536 }];
        let mappings = mappings((1001, 1002), (&two, &one), &[0, 1000, 65_534], &[2000]);
        assert_eq!(mappings.outside_uid(0), Some(1001));
        assert_eq!(mappings.outside_uid(1000), Some(100_999));
        assert_eq!(mappings.outside_uid(1001), Some(500_000));
        assert_eq!(mappings.outside_gid(2000), Some(101_999));
        assert_eq!(mappings.outside_gid(65_536), Some(165_535));
        assert_eq!(mappings.outside_gid(65_537), None);
    }

    #[test]
    fn an_id_beyond_the_ranges_gets_one_of_its_own() {
        let one = [Range { first: 100_000, count: 65_536 }];
        let mappings =
            mappings((1001, 1001), (&one, &one), &[1_000_650_000, 1_000_650_000, u32::MAX], &[70_000, 70_001]);
        assert_eq!(mappings.outside_uid(1_000_650_000), Some(165_535));
        assert_eq!(mappings.outside_uid(65_536), None);
        assert_eq!(mappings.outside_uid(65_535), Some(165_534));
        assert_eq!(mappings.outside_uid(u32::MAX), None);
        assert_eq!((mappings.outside_gid(70_000), mappings.outside_gid(70_001)), (Some(165_535), Some(165_534)));
    }

    #[test]
    fn hostile_ranges_give_no_more_than_the_kernel_takes() {
        let many = vec![Range { first: 7, count: u32::MAX }; 1000];
        let mappings = mappings((1, 1), (&many, &[]), &[5], &[5]);
        assert!(mappings.uid.len() <= MOST_LINES);
        assert_eq!(mappings.gid, [IdMapping { inside: 0, outside: 1, size: 1 }]);
    }
}
