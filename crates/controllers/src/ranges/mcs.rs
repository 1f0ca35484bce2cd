//! SELinux levels with a set of categories of their own for each block: `s0:/2`.
//!
//! Upstream: `pkg/security/mcs/label.go` and `DefaultMCSAllocation` of `pkg/security/controller`.

use std::fmt;
use std::str::FromStr;

/// What SELinux knows.
const MOST_CATEGORIES: u64 = 1024;
/// What upstream allows in one label.
const MOST_IN_LABEL: u64 = 5;

/// The levels that namespaces get theirs from: a prefix, and how many categories of how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McsRange {
    prefix: String,
    categories: u64,
    in_label: u64,
}

/// Why a text is no range of levels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum McsRangeError {
    /// It is not of the form.
    #[error("{0:?} is not of the form PREFIX/CATEGORIES[,HIGHEST], such as s0:/2")]
    Form(String),
    /// Too many or no categories in a label.
    #[error("{0:?}: a label has between 1 and {MOST_IN_LABEL} categories")]
    Label(String),
    /// Too many or no categories to choose from.
    #[error("{0:?}: there are between 1 and {MOST_CATEGORIES} categories")]
    Categories(String),
}

impl Default for McsRange {
    /// OpenShift's.
    fn default() -> Self {
        Self { prefix: "s0:".to_owned(), categories: MOST_CATEGORIES, in_label: 2 }
    }
}

impl FromStr for McsRange {
    type Err = McsRangeError;

    fn from_str(text: &str) -> Result<Self, McsRangeError> {
        let form = || McsRangeError::Form(text.to_owned());
        let (prefix, sizes) = text.split_once('/').ok_or_else(form)?;
        let (in_label, categories) = match sizes.split_once(',') {
            Some((in_label, categories)) => (in_label, categories.parse().map_err(|_| form())?),
            None => (sizes, MOST_CATEGORIES),
        };
        let in_label = in_label.parse().map_err(|_| form())?;
        if !(1..=MOST_IN_LABEL).contains(&in_label) {
            return Err(McsRangeError::Label(text.to_owned()));
        }
        if !(1..=MOST_CATEGORIES).contains(&categories) {
            return Err(McsRangeError::Categories(text.to_owned()));
        }
        let separated = prefix.is_empty() || prefix.ends_with([':', ',']);
        let prefix = if separated { prefix.to_owned() } else { format!("{prefix}:") };
        Ok(Self { prefix, categories, in_label })
    }
}

impl fmt::Display for McsRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.prefix, self.in_label)?;
        if self.categories == MOST_CATEGORIES { Ok(()) } else { write!(f, ",{}", self.categories) }
    }
}

impl McsRange {
    /// How many labels there are.
    pub fn labels(&self) -> u64 {
        binomial(self.categories, self.in_label)
    }

    /// The label of that number, its categories from the highest down. `None` beyond the last; there upstream names
    /// categories that do not exist.
    pub fn label(&self, number: u64) -> Option<String> {
        if number >= self.labels() {
            return None;
        }
        // The combination of that rank in colexicographic order.
        let (mut rest, mut n, mut categories) = (number, self.categories, Vec::new());
        for k in (1..=self.in_label).rev() {
            while binomial(n, k) > rest {
                n -= 1;
            }
            rest -= binomial(n, k);
            categories.push(format!("c{n}"));
        }
        Some(format!("{}{}", self.prefix, categories.join(",")))
    }
}

/// How many ways there are to choose `k`, which is at most 5, of `n`, which is at most 1024: less than 2⁶⁴.
fn binomial(n: u64, k: u64) -> u64 {
    (0..k).fold(1, |ways, i| ways * n.saturating_sub(i) / (i + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn labels_are_those_that_upstream_gives() {
        let range = McsRange::default();
        // The first is that of upstream's own test. The others follow from the rank of a combination.
        for (number, label) in
            [(0, "s0:c1,c0"), (1, "s0:c2,c0"), (2, "s0:c2,c1"), (5, "s0:c3,c2"), (523_775, "s0:c1023,c1022")]
        {
            assert_eq!(range.label(number).as_deref(), Some(label), "{number}");
        }
        assert_eq!(range.label(523_776), None);
        let five: McsRange = "system_u:object_r:svirt_t:s0/5".parse().unwrap();
        assert_eq!(five.label(0).as_deref(), Some("system_u:object_r:svirt_t:s0:c4,c3,c2,c1,c0"));
        assert_eq!(
            five.label(five.labels() - 1).as_deref(),
            Some("system_u:object_r:svirt_t:s0:c1023,c1022,c1021,c1020,c1019")
        );
    }

    #[test]
    fn no_two_numbers_have_one_label_and_none_has_a_category_that_is_not_there() {
        let range: McsRange = "s0:/3,12".parse().unwrap();
        let labels: HashSet<String> = (0..range.labels()).map(|number| range.label(number).unwrap()).collect();
        assert_eq!(labels.len(), 220);
        let highest =
            labels.iter().flat_map(|label| label.split([':', ',']).skip(1)).map(|c| c[1..].parse::<u64>().unwrap());
        assert_eq!(highest.max(), Some(11));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "s0:", "s0:/", "s0:/a", "s0:/2,b"] {
            assert!(matches!(text.parse::<McsRange>(), Err(McsRangeError::Form(_))), "{text}");
        }
        assert!(matches!("s0:/6".parse::<McsRange>(), Err(McsRangeError::Label(_))));
        assert!(matches!("s0:/0".parse::<McsRange>(), Err(McsRangeError::Label(_))));
        assert!(matches!("s0:/2,1025".parse::<McsRange>(), Err(McsRangeError::Categories(_))));
        assert_eq!("s0/2".parse::<McsRange>().unwrap().to_string(), "s0:/2");
    }
}
