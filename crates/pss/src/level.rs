//! How strict: the three levels of the Pod Security Standards.

use std::{fmt, str::FromStr};

/// A level of the Pod Security Standards, from the least to the most strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Refuses nothing.
    Privileged,
    /// Refuses the known ways out of a container.
    Baseline,
    /// Baseline, and what hardening asks for besides.
    Restricted,
}

impl Level {
    /// Every level, from the least to the most strict.
    pub const ALL: [Self; 3] = [Self::Privileged, Self::Baseline, Self::Restricted];

    /// The name, as in a namespace's `pod-security.kubernetes.io/enforce` label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no level. It is worded as the API server words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of privileged, baseline, restricted")]
pub struct ParseLevelError;

impl FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or(ParseLevelError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_prints() {
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
    }

    #[test]
    fn refuses_other_spellings_in_the_words_of_the_api_server() {
        for text in ["", "Baseline", " restricted", "strict"] {
            let error = text.parse::<Level>().unwrap_err();
            assert_eq!(error.to_string(), "must be one of privileged, baseline, restricted");
        }
    }

    #[test]
    fn orders_by_strictness() {
        assert!(Level::Privileged < Level::Baseline && Level::Baseline < Level::Restricted);
    }
}
