//! What a plan is made of.

use serde::Serialize;

use super::PlanError;

/// Steps in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What it brings about, in one line.
    pub title: String,
    /// The steps; empty where nothing is to be done.
    pub steps: Vec<Step>,
    /// What to know beside the steps.
    pub notes: Vec<String>,
}

/// One thing to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What, as a command to the reader.
    pub title: String,
    /// Why, and what happens by it.
    pub why: String,
    /// What not to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// What must be so before.
    pub before: Vec<Check>,
    /// Edits of manifests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// What to type.
    pub commands: Vec<Command>,
    /// What must be so after.
    pub after: Vec<Check>,
}

/// A command: its words, not yet quoted for any shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Program and arguments.
    pub words: Vec<String>,
    /// What it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
    /// What it prints, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prints: Option<String>,
}

/// A file that a command reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// The name under which it is published.
    pub name: &'static str,
    /// The object in it.
    pub object: serde_json::Value,
}

/// A change of a manifest, to be made by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// The field, from the object's root.
    pub field: String,
    /// What to write there; null for taking it out.
    pub value: serde_json::Value,
}

/// Something that can be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What must be so, as a statement.
    pub statement: String,
    /// The same for a program; `None` where only the command can tell.
    #[serde(skip)]
    pub fact: Option<Fact>,
    /// A command that prints what `expected` says when it is so.
    pub words: Vec<String>,
    /// What that prints; `None` where its exit status tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Whether the command must fail instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fails: bool,
}

/// What a snapshot of a cluster can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A security context constraint exists, or does not.
    Scc {
        /// Its name.
        name: String,
        /// Whether it exists.
        exists: bool,
    },
    /// The constraint of Redis Enterprise is as it is published.
    SccAsPublished,
    /// A service account may use a constraint, or may not.
    MayUse {
        /// The constraint.
        scc: String,
        /// The service account's namespace.
        namespace: String,
        /// Its name.
        account: String,
        /// Whether it may.
        may: bool,
    },
    /// Pods were admitted by a constraint.
    PodsUnder {
        /// Their namespace.
        namespace: String,
        /// Their names.
        pods: Vec<String>,
        /// The constraint.
        scc: String,
    },
}

/// Names go into commands, where one that begins with a dash would be an option. The API takes none that is not a DNS
/// subdomain.
pub(super) fn check_name(field: &str, name: &str) -> Result<(), PlanError> {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let ends = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| alphanumeric(*first) && alphanumeric(*last));
    if ends && name.len() <= 253 && bytes.iter().all(|byte| alphanumeric(*byte) || matches!(byte, b'-' | b'.')) {
        return Ok(());
    }
    let message =
        format!("{name:?} is no name: lower-case letters, digits, dots and dashes, a letter or digit at either end");
    Err(PlanError::Field { field: field.to_owned(), message })
}

/// The words of a command.
pub(super) fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

/// A command that reads nothing.
pub(super) fn command<const N: usize>(of: [&str; N]) -> Command {
    Command { words: words(of), input: None, prints: None }
}
