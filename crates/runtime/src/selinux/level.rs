//! Levels: the categories that one names, and a pair that nobody else has.

use std::collections::BTreeSet;

/// How many categories the policies for containers have: `c0` to `c1023`.
const CATEGORIES: u32 = 1024;
/// How many pairs of them there are.
const PAIRS: u32 = CATEGORIES * (CATEGORIES - 1) / 2;

/// The categories of a level.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Categories(BTreeSet<u32>);

/// Every pair of categories is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all pairs of SELinux categories are in use")]
pub struct NoCategories;

impl Categories {
    /// Those of `s0:c1,c5.c7`. What cannot be read counts as none: the kernel refuses such a level.
    pub fn of(level: &str) -> Self {
        let number = |text: &str| text.strip_prefix('c')?.parse::<u32>().ok().filter(|number| *number < 1 << 16);
        let list = level.split_once(':').map_or("", |(_, categories)| categories);
        let ranges = list.split(',').filter_map(|range| {
            let (low, high) = range.split_once('.').unwrap_or((range, range));
            Some(number(low)?..=number(high)?)
        });
        Self(ranges.flatten().collect())
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A level of two categories that none of `taken` has, found from a number at random.
    ///
    /// # Errors
    /// Where none is left.
    pub fn free_level(random: u64, taken: &BTreeSet<Self>) -> Result<String, NoCategories> {
        let first = (random % u64::from(PAIRS)) as u32;
        let mut pairs = (0..PAIRS).map(|step| pair((first + step) % PAIRS));
        let free = pairs.find(|(low, high)| !taken.contains(&Self([*low, *high].into())));
        free.map(|(low, high)| format!("s0:c{low},c{high}")).ok_or(NoCategories)
    }
}

/// The pair of this number, the lower category first: the pairs with a higher category `h` follow those with a lower one,
/// and there are `h` of them.
fn pair(number: u32) -> (u32, u32) {
    let high = u32::midpoint(1, (8 * number + 1).isqrt());
    (number - high * (high - 1) / 2, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_pair_of_its_own_and_every_pair_has_one() {
        let all: BTreeSet<_> = (0..PAIRS).map(pair).collect();
        assert_eq!(all.len(), PAIRS as usize);
        assert!(all.iter().all(|(low, high)| low < high && *high < CATEGORIES));
    }

    #[test]
    fn a_pair_that_is_taken_is_not_given_again_in_whatever_order_it_is_written() {
        let first = Categories::free_level(7, &BTreeSet::new()).unwrap();
        let (_, pair) = first.split_once(':').unwrap();
        let (low, high) = pair.split_once(',').unwrap();
        let taken = BTreeSet::from([Categories::of(&format!("s0:{high},{low}"))]);
        let second = Categories::free_level(7, &taken).unwrap();
        assert_ne!(Categories::of(&first), Categories::of(&second));
        let all = (0..PAIRS).map(pair_of).collect();
        assert_eq!(Categories::free_level(u64::MAX, &all), Err(NoCategories));
    }

    fn pair_of(number: u32) -> Categories {
        let (low, high) = pair(number);
        Categories([low, high].into())
    }

    #[test]
    fn categories_are_those_of_the_ranges() {
        assert_eq!(Categories::of("s0:c5.c7,c1"), Categories([1, 5, 6, 7].into()));
        assert_eq!(Categories::of("s0-s0:c1"), Categories([1].into()));
        for level in ["s0", "", "s0:", "s0:x", "s0:c99999999999", "s0:c7.c5"] {
            assert!(Categories::of(level).is_empty(), "{level}");
        }
    }
}
