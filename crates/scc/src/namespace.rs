//! What a namespace gives to its pods: the annotations `openshift.io/sa.scc.*`.
//!
//! Upstream: `sccmatching/matcher.go`; the forms of a block are those of `library-go`, `pkg/security/uid`.

use std::collections::BTreeMap;

use crate::constraints::{IDRange, SecurityContextConstraints};
use crate::strategy::StrategyError;

/// The users of a namespace: `START/SIZE` or `START-END`.
pub const UID_RANGE: &str = "openshift.io/sa.scc.uid-range";
/// The groups of a namespace: blocks separated by commas. Without it, the users' range serves.
pub const SUPPLEMENTAL_GROUPS: &str = "openshift.io/sa.scc.supplemental-groups";
/// The SELinux level of a namespace.
pub const MCS: &str = "openshift.io/sa.scc.mcs";

/// A namespace's name and annotations.
#[derive(Debug, Clone, Copy)]
pub struct Namespace<'a> {
    /// The name.
    pub name: &'a str,
    /// The annotations; `None` when there is no such namespace.
    pub annotations: Option<&'a BTreeMap<String, String>>,
}

/// Why no pod can be created in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamespaceError {
    /// It does not exist.
    #[error("error fetching namespace {0:?}: namespace {0:?} not found")]
    NotFound(String),
    /// Nobody has allocated its ranges yet, as in namespaces that the platform's controllers do not manage. The API
    /// server waits ten seconds for them.
    #[error("error fetching namespace {namespace:?}: unable to find annotation {annotation}")]
    Unallocated {
        /// The namespace.
        namespace: String,
        /// The annotation that is missing.
        annotation: &'static str,
    },
}

/// Why an SCC cannot be used in a namespace, and with it no other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The namespace's range of users cannot be read.
    #[error(
        "unable to find pre-allocated uid annotation for namespace {namespace} while trying to configure SCC {scc}: {source}"
    )]
    Uid {
        /// The namespace.
        namespace: String,
        /// The SCC that needs it.
        scc: String,
        /// What is wrong with it.
        source: BlockError,
    },
    /// The namespace's level cannot be read.
    #[error(
        "unable to find pre-allocated mcs annotation for namespace {namespace} while trying to configure SCC {scc}: {source}"
    )]
    Mcs {
        /// The namespace.
        namespace: String,
        /// The SCC that needs it.
        scc: String,
        /// What is wrong with it.
        source: BlockError,
    },
    /// The namespace's groups cannot be read.
    #[error(
        "unable to find pre-allocated group annotation for namespace {namespace} while trying to configure SCC {scc}: {source}"
    )]
    Group {
        /// The namespace.
        namespace: String,
        /// The SCC that needs it.
        scc: String,
        /// What is wrong with it.
        source: BlockError,
    },
    /// The SCC itself is broken.
    #[error("error creating provider for SCC {scc} in namespace {namespace}: {source}")]
    Strategy {
        /// The namespace.
        namespace: String,
        /// The SCC.
        scc: String,
        /// What is wrong with it.
        source: StrategyError,
    },
}

/// Why an annotation cannot be read, in the words of Go's scanner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The annotation is there, without a value.
    #[error("found annotation {0} but it was empty")]
    Empty(&'static str),
    /// Neither annotation has groups.
    #[error("unable to find groups using {SUPPLEMENTAL_GROUPS} and {UID_RANGE} annotations")]
    NoGroups,
    /// The text ends where a number should begin.
    #[error("EOF")]
    Eof,
    /// The text ends where the separator should be.
    #[error("unexpected EOF")]
    UnexpectedEof,
    /// A line break.
    #[error("unexpected newline")]
    Newline,
    /// No digit where a number should begin.
    #[error("expected integer")]
    NotInteger,
    /// Another character than the separator.
    #[error("input does not match format")]
    Mismatch,
    /// A number above 2³²-1.
    #[error("unsigned integer overflow on token {0}")]
    Overflow(String),
    /// A number above 2⁶⁴-1.
    #[error("strconv.ParseUint: parsing {0:?}: value out of range")]
    Range(String),
}

impl<'a> Namespace<'a> {
    fn annotation(&self, key: &str) -> Option<&'a str> {
        self.annotations?.get(key).map(String::as_str)
    }

    /// Whether the namespace has what the plugin wants of each, whatever the SCC.
    pub(crate) fn check(&self) -> Result<(), NamespaceError> {
        if self.annotations.is_none() {
            return Err(NamespaceError::NotFound(self.name.into()));
        }
        match [UID_RANGE, MCS].into_iter().find(|key| self.annotation(key).is_none()) {
            Some(annotation) => Err(NamespaceError::Unallocated { namespace: self.name.into(), annotation }),
            None => Ok(()),
        }
    }

    /// The users that the namespace may use.
    pub fn uid_range(&self) -> Result<IDRange, BlockError> {
        match self.annotation(UID_RANGE).unwrap_or_default() {
            "" => Err(BlockError::Empty(UID_RANGE)),
            block => parse_block(block),
        }
    }

    /// The SELinux level of the namespace.
    pub fn level(&self) -> Result<&'a str, BlockError> {
        match self.annotation(MCS).unwrap_or_default() {
            "" => Err(BlockError::Empty(MCS)),
            level => Ok(level),
        }
    }

    /// The groups that the namespace may use.
    pub fn supplemental_groups(&self) -> Result<Vec<IDRange>, BlockError> {
        match self.annotation(SUPPLEMENTAL_GROUPS).or_else(|| self.annotation(UID_RANGE)).unwrap_or_default() {
            "" => Err(BlockError::NoGroups),
            blocks => blocks.split(',').map(parse_block).collect(),
        }
    }

    /// A copy of the SCC in which the namespace's values stand where it has none of its own. Its `fsGroup` is the
    /// first group alone, whatever the size of the block.
    pub(crate) fn preallocate(
        &self,
        scc: &SecurityContextConstraints,
    ) -> Result<SecurityContextConstraints, ProviderError> {
        let mut scc = scc.clone();
        let (namespace, name) = (|| self.name.to_string(), scc.name().to_string());
        let user = &mut scc.run_as_user;
        if user.type_ == "MustRunAsRange" && user.uid_range_min.is_none() && user.uid_range_max.is_none() {
            let range = self.uid_range().map_err(|source| ProviderError::Uid {
                namespace: namespace(),
                scc: name.clone(),
                source,
            })?;
            (user.uid_range_min, user.uid_range_max) = (Some(range.min), Some(range.max));
        }
        let label = &mut scc.se_linux_context;
        let has_level = label.se_linux_options.as_ref().and_then(|o| o.level.as_deref()).is_some_and(|l| !l.is_empty());
        if label.type_ == "MustRunAs" && !has_level {
            let level = self.level().map_err(|source| ProviderError::Mcs {
                namespace: namespace(),
                scc: name.clone(),
                source,
            })?;
            label.se_linux_options.get_or_insert_default().level = Some(level.into());
        }
        let group_error = |source| ProviderError::Group { namespace: namespace(), scc: name.clone(), source };
        if scc.fs_group.type_ == "MustRunAs" && scc.fs_group.ranges.is_empty() {
            let groups = self.supplemental_groups().map_err(group_error)?;
            scc.fs_group.ranges = groups.first().map(|g| IDRange { min: g.min, max: g.min }).into_iter().collect();
        }
        if scc.supplemental_groups.type_ == "MustRunAs" && scc.supplemental_groups.ranges.is_empty() {
            scc.supplemental_groups.ranges = self.supplemental_groups().map_err(group_error)?;
        }
        Ok(scc)
    }
}

/// One block. What follows it is ignored and arithmetic wraps at 32 bits, both as upstream: `5/0` is everything from
/// 5 on and before.
fn parse_block(block: &str) -> Result<IDRange, BlockError> {
    let separator = if block.contains('/') { '/' } else { '-' };
    let (first, rest) = scan_number(block)?;
    let rest = match rest.chars().next() {
        None => return Err(BlockError::UnexpectedEof),
        Some(c) if c == separator => &rest[c.len_utf8()..],
        Some(_) => return Err(BlockError::Mismatch),
    };
    let (second, _) = scan_number(rest)?;
    let last = if separator == '/' { first.wrapping_add(second).wrapping_sub(1) } else { second };
    Ok(IDRange { min: first.into(), max: last.into() })
}

/// Go's `%d` for a `uint32`.
fn scan_number(text: &str) -> Result<(u32, &str), BlockError> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() && c != '\n');
    match text.chars().next() {
        None => return Err(BlockError::Eof),
        Some('\n') => return Err(BlockError::Newline),
        Some(c) if !c.is_ascii_digit() => return Err(BlockError::NotInteger),
        Some(_) => {}
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number: u64 = digits.parse().map_err(|_| BlockError::Range(digits.into()))?;
    let number = u32::try_from(number).map_err(|_| BlockError::Overflow(digits.into()))?;
    Ok((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(min: i64, max: i64) -> IDRange {
        IDRange { min, max }
    }

    #[test]
    fn reads_both_forms_of_a_block_and_ignores_what_follows() {
        assert_eq!(parse_block("1000680000/10000"), Ok(range(1_000_680_000, 1_000_689_999)));
        assert_eq!(parse_block("1000000000-1000009999"), Ok(range(1_000_000_000, 1_000_009_999)));
        assert_eq!(parse_block(" 5/ 2 or so"), Ok(range(5, 6)));
    }

    #[test]
    fn a_block_of_size_zero_wraps() {
        assert_eq!(parse_block("0/0"), Ok(range(0, 4_294_967_295)));
        assert_eq!(parse_block("5/0"), Ok(range(5, 4)));
    }

    #[test]
    fn says_what_is_wrong_as_gos_scanner_does() {
        for (block, error) in [
            ("", "EOF"),
            ("7", "unexpected EOF"),
            ("7-", "EOF"),
            ("7/", "EOF"),
            ("7:8", "input does not match format"),
            ("a/8", "expected integer"),
            ("-7/8", "expected integer"),
            ("4294967296/1", "unsigned integer overflow on token 4294967296"),
            ("99999999999999999999/1", "strconv.ParseUint: parsing \"99999999999999999999\": value out of range"),
            ("\n7/8", "unexpected newline"),
        ] {
            assert_eq!(parse_block(block).unwrap_err().to_string(), error, "{block:?}");
        }
    }

    #[test]
    fn groups_fall_back_to_the_range_of_users() {
        let annotations = BTreeMap::from([(UID_RANGE.to_string(), "10-20".to_string())]);
        let namespace = Namespace { name: "n", annotations: Some(&annotations) };
        assert_eq!(namespace.supplemental_groups(), Ok(vec![range(10, 20)]));
        let annotations = BTreeMap::from([
            (UID_RANGE.to_string(), "10-20".to_string()),
            (SUPPLEMENTAL_GROUPS.to_string(), "2000-2004,7000/3".to_string()),
        ]);
        let namespace = Namespace { name: "n", annotations: Some(&annotations) };
        assert_eq!(namespace.supplemental_groups(), Ok(vec![range(2000, 2004), range(7000, 7002)]));
    }

    #[test]
    fn a_namespace_without_its_annotations_serves_no_pod() {
        let annotations = BTreeMap::new();
        let namespace = Namespace { name: "bare", annotations: Some(&annotations) };
        assert_eq!(
            namespace.check().unwrap_err().to_string(),
            "error fetching namespace \"bare\": unable to find annotation openshift.io/sa.scc.uid-range"
        );
        let gone = Namespace { name: "gone", annotations: None };
        assert_eq!(
            gone.check().unwrap_err().to_string(),
            "error fetching namespace \"gone\": namespace \"gone\" not found"
        );
    }
}
