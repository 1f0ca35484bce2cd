//! Which edition of the standards: `latest`, or the minor version of Kubernetes that published it.

use std::{fmt, str::FromStr};

/// A version of the Pod Security Standards. `latest` is newer than every numbered one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Edition);

// The order of the variants is the order of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Edition {
    Minor(u64),
    Latest,
}

impl Version {
    /// Whatever is newest where the pod is judged.
    pub const LATEST: Self = Self(Edition::Latest);

    /// The oldest version there is.
    pub const OLDEST: Self = Self::v1(0);

    /// Version `v1.minor`.
    pub const fn v1(minor: u64) -> Self {
        Self(Edition::Minor(minor))
    }

    /// The minor version, or `None` for `latest`.
    pub const fn minor(self) -> Option<u64> {
        match self.0 {
            Edition::Minor(minor) => Some(minor),
            Edition::Latest => None,
        }
    }

    /// Whether this is `latest`.
    pub const fn is_latest(self) -> bool {
        matches!(self.0, Edition::Latest)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Edition::Minor(minor) => write!(f, "v1.{minor}"),
            Edition::Latest => f.write_str("latest"),
        }
    }
}

/// The text names no version. It is worded as the API server words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be \"latest\" or \"v1.x\"")]
pub struct ParseVersionError;

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "latest" {
            return Ok(Self::LATEST);
        }
        let digits = text.strip_prefix("v1.").ok_or(ParseVersionError)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
        // The API server reads the number into a signed 64-bit integer.
        match digits.parse::<i64>() {
            Ok(minor) if plain => Ok(Self::v1(minor.unsigned_abs())),
            _ => Err(ParseVersionError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_prints() {
        for text in ["latest", "v1.0", "v1.9", "v1.10", "v1.37", "v1.1000", "v1.9223372036854775807"] {
            assert_eq!(text.parse::<Version>().map(|v| v.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn refuses_what_the_api_server_refuses_in_its_words() {
        for text in [
            "",
            "Latest",
            "1.30",
            "v1",
            "v1.",
            "v1.00",
            "v1.01",
            "v1.+1",
            "v1.-1",
            "v1.3 ",
            "v2.0",
            "v1.3.0",
            "v1.9223372036854775808",
            "v1.\u{664}",
            "v1.1\n",
        ] {
            let error = text.parse::<Version>().expect_err(text);
            assert_eq!(error.to_string(), r#"must be "latest" or "v1.x""#);
        }
    }

    #[test]
    fn latest_is_newer_than_any_number() {
        assert!(Version::v1(9) < Version::v1(10));
        assert!(Version::v1(u64::MAX) < Version::LATEST);
    }
}
