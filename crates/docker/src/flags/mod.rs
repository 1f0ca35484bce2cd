//! The flags of `docker run`, and the reading of a command line.

mod parse;
mod table;

pub use parse::{Foreign, Given, Parsed, parse};
pub use table::FLAGS;

/// What follows a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing; `=true` or `=false` may be attached.
    Switch,
    /// A value.
    Value,
}

/// What a flag comes to when a container is run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is applied.
    Applied,
    /// It has no bearing on the container's process, so nothing is said.
    Nothing,
    /// It is not applied, and the run goes on with a warning: why.
    Warned(&'static str),
    /// The container is not run: why, and what to use instead.
    Refused(&'static str),
}

/// A flag of `docker run`.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    /// The long name, without dashes.
    pub name: &'static str,
    /// The letter.
    pub short: Option<char>,
    /// What follows.
    pub takes: Takes,
    /// What it does, for the help.
    pub help: &'static str,
    /// Here.
    pub effect: Effect,
    /// Why no field of a pod says the same; none where one does, or where the translation itself says what is missing.
    pub not_in_a_pod: Option<&'static str>,
}

/// The flag of this name; `net` is `network`, `dns-opt` is `dns-option`, `net-alias` is `network-alias`.
pub fn known(name: &str) -> Option<&'static Flag> {
    let name = match name {
        "net" => "network",
        "dns-opt" => "dns-option",
        "net-alias" => "network-alias",
        other => other,
    };
    FLAGS.iter().find(|flag| flag.name == name)
}

/// The flag that somebody may have meant.
pub fn suggestion(name: &str) -> Option<&'static str> {
    let near = FLAGS.iter().map(|flag| (distance(name, flag.name), flag.name)).min()?;
    (near.0 <= 1 + name.chars().count() / 4).then_some(near.1)
}

/// How many characters have to be put in, taken out or changed.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((j, b), pair) in to.iter().enumerate().zip(row.windows(2)) {
            let (diagonal, above, left) = (pair.first(), pair.last(), next.get(j));
            let change = diagonal.map_or(usize::MAX, |cost| cost + usize::from(a != *b));
            let step = above.into_iter().chain(left).min().map_or(usize::MAX, |cost| cost + 1);
            next.push(change.min(step));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_flag_is_recognised() {
        assert_eq!(suggestion("cap-ad"), Some("cap-add"));
        assert_eq!(suggestion("priviledged"), Some("privileged"));
        assert_eq!(suggestion("run-as-user"), None);
    }

    #[test]
    fn names_and_letters_are_each_used_once() {
        let mut names: Vec<_> = FLAGS.iter().map(|flag| flag.name).collect();
        let mut letters: Vec<_> = FLAGS.iter().filter_map(|flag| flag.short).collect();
        let counts = (names.len(), letters.len());
        names.sort_unstable();
        names.dedup();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!((names.len(), letters.len()), counts);
    }
}
