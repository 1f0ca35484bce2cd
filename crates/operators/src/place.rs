//! Places in a pod template: `spec.containers[elasticsearch].securityContext`, `spec.initContainers[*]`.

use std::fmt;

/// A place in a pod template, or every such place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodPath {
    pub(crate) steps: Vec<Step>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Field(String),
    /// The item of a list that has this name; made where there is none.
    Named(String),
    /// Each item of a list.
    Each,
}

/// Why a text is no such place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no place in a pod template: write one such as spec.containers[app].securityContext")]
pub(crate) struct BadPath {
    text: String,
}

/// A path has few steps.
const LONGEST: usize = 256;

impl PodPath {
    pub(crate) fn parse(text: &str) -> Result<Self, BadPath> {
        let bad = || BadPath { text: text.to_owned() };
        if text.len() > LONGEST {
            return Err(BadPath { text: text.chars().take(LONGEST).collect() });
        }
        let mut steps = Vec::new();
        for part in split(text).ok_or_else(bad)? {
            let (name, items) = match part.split_once('[') {
                Some((name, rest)) => (name, Some(rest.strip_suffix(']').ok_or_else(bad)?)),
                None => (part, None),
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(bad());
            }
            steps.push(Step::Field(name.to_owned()));
            match items {
                None => {}
                Some("*") => steps.push(Step::Each),
                Some(item) if !item.is_empty() && !item.contains(['[', ']']) => {
                    steps.push(Step::Named(item.to_owned()));
                }
                Some(_) => return Err(bad()),
            }
        }
        let root = matches!(steps.first(), Some(Step::Field(first)) if first == "spec" || first == "metadata");
        if root { Ok(Self { steps }) } else { Err(bad()) }
    }
}

/// The parts between the dots that are not in brackets.
fn split(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            '.' if !inside => {
                parts.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    Some(parts)
}

impl fmt::Display for PodPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            match step {
                Step::Field(name) if i == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Named(name) => write!(f, "[{name}]")?,
                Step::Each => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_printed_the_same() {
        for text in ["spec", "spec.securityContext", "spec.initContainers[*].securityContext", "spec.volumes[a.b-c]"] {
            assert_eq!(PodPath::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", "containers", "spec.", "spec..a", "spec.a[", "spec.a[]", "spec.a[x]y", "spec.a b", "status.x"]
        {
            assert!(PodPath::parse(text).is_err(), "{text}");
        }
    }
}
