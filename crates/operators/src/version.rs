//! Versions of operators and of what they run: `8.8.0`, `v2.14.0`, `7.22.0-6`, `9.1.0-SNAPSHOT`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version of an operator or of the software that it runs.
///
/// Ordered as semantic versions are: by number, and what has a suffix comes before what has none. A suffix that is a
/// number, such as the build in Redis Enterprise's `7.22.0-6`, compares as a number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    numbers: [u64; 3],
    suffix: Option<String>,
}

/// Why a text is no version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no version: write it as 8.8.0 or 7.22.0-6")]
pub struct VersionError {
    text: String,
}

impl Version {
    /// The version with these numbers and no suffix.
    #[must_use]
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { numbers: [major, minor, patch], suffix: None }
    }

    /// Major, minor and patch.
    #[must_use]
    pub fn numbers(&self) -> [u64; 3] {
        self.numbers
    }

    /// What follows the numbers after a dash.
    #[must_use]
    pub fn suffix(&self) -> Option<&str> {
        self.suffix.as_deref()
    }

    /// Whether this is `minimum` or newer. A `minimum` without suffix includes its own previews, so that
    /// `8.8.0-SNAPSHOT` is at least `8.8.0`, as operators have it.
    #[must_use]
    pub fn at_least(&self, minimum: &Version) -> bool {
        match minimum.suffix {
            None => self.numbers >= minimum.numbers,
            Some(_) => self >= minimum,
        }
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let error = || VersionError { text: text.to_owned() };
        let plain = text.strip_prefix('v').unwrap_or(text);
        // What follows a plus says how it was built, and has no rank.
        let plain = plain.split('+').next().unwrap_or(plain);
        let (numbers, suffix) = match plain.split_once('-') {
            Some((numbers, suffix)) => (numbers, Some(suffix)),
            None => (plain, None),
        };
        let mut found = [0; 3];
        let mut parts = numbers.split('.');
        for (i, number) in found.iter_mut().enumerate() {
            match parts.next() {
                Some(part) if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) => {
                    *number = part.parse().map_err(|_| error())?;
                }
                // `2.14` is 2.14.0.
                None if i > 0 => break,
                _ => return Err(error()),
            }
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
        if parts.next().is_some() || suffix.is_some_and(|s| s.is_empty() || !s.bytes().all(allowed)) {
            return Err(error());
        }
        Ok(Self { numbers: found, suffix: suffix.map(str::to_owned) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        self.suffix.as_ref().map_or(Ok(()), |suffix| write!(f, "-{suffix}"))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (&self.suffix, &other.suffix) {
            (None, None) => Ordering::Equal,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(own), Some(other)) => suffixes(own, other),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As semver.org has it: part by part, numbers as numbers and before words, the longer one last.
fn suffixes(own: &str, other: &str) -> Ordering {
    let (mut own, mut other) = (own.split(['.', '-']), other.split(['.', '-']));
    loop {
        let order = match (own.next(), other.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(own), Some(other)) => match (own.parse::<u64>(), other.parse::<u64>()) {
                (Ok(own), Ok(other)) => own.cmp(&other),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => own.cmp(other),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_ordered_by_number_and_then_by_build() {
        let sorted = ["6.8.23", "7.8.6-1", "7.8.6-15", "7.22.0-5", "7.22.0-6", "7.22.0-11", "7.22.0", "8.0.2-2"];
        for pair in sorted.windows(2) {
            assert!(v(pair[0]) < v(pair[1]), "{pair:?}");
        }
        assert_eq!(v("v2.14"), v("2.14.0+build"));
        assert_eq!(v("v7.22.0-6").to_string(), "7.22.0-6");
    }

    #[test]
    fn a_snapshot_has_what_its_release_brings_and_an_earlier_build_has_not() {
        assert!(v("8.8.0-SNAPSHOT").at_least(&v("8.8.0")));
        assert!(!v("8.7.9").at_least(&v("8.8.0")));
        assert!(!v("7.22.0-5").at_least(&v("7.22.0-6")));
        assert!(v("7.22.0-7").at_least(&v("7.22.0-6")));
    }

    #[test]
    fn what_is_no_version_is_refused_with_what_to_write() {
        for text in ["", "8", "8.", "8.x", "latest", "8.8.0.1", "8.8.0-", "8.8.0-a b", "99999999999999999999999.0"] {
            let error = text.parse::<Version>();
            if text == "8" {
                assert_eq!(error.unwrap(), v("8.0.0"));
                continue;
            }
            assert!(error.unwrap_err().to_string().ends_with("write it as 8.8.0 or 7.22.0-6"), "{text}");
        }
    }
}
