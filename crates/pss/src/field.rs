//! The restricted fields, as data: checks, findings, pages and tests all read them.

use crate::pod::Container;
use std::fmt::Write as _;

/// A field that a control restricts.
///
/// `spec.containers[*]` in a path stands for the containers of every kind, any other `[*]` for each item of a list,
/// and `*` within the brackets of an annotation for the rest of its key.
#[derive(Debug)]
pub struct Field {
    /// The path within a pod.
    pub path: &'static str,
    /// The values allowed, in words.
    pub allowed: &'static str,
    /// What to write instead: a line of YAML, and when to choose another.
    pub hint: &'static str,
    /// The edit that satisfies the control.
    pub remedy: Remedy,
    /// A value that is refused, as JSON.
    pub example: &'static str,
    /// The pod's field that counts where a container leaves this one out.
    pub inherits: Option<&'static Field>,
}

/// The edit that makes a field acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Take the field, or the item of its list, away.
    Remove,
    /// Take away the item of a list that the field belongs to.
    RemoveItem,
    /// Set the field to this value, as JSON.
    Set(&'static str),
    /// A person has to choose.
    Choose,
}

/// Which item of a list, or which key of a map, a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'p> {
    None,
    Index(usize),
    Named(usize, &'p str),
    Key(&'p str),
}

const EVERY_CONTAINER: &str = "spec.containers[*]";

impl Field {
    /// Whether it is a field of containers rather than of the pod.
    pub fn is_of_container(&self) -> bool {
        self.path.starts_with(EVERY_CONTAINER)
    }

    /// The path from the container, the pod's spec or the pod, whichever holds it.
    pub(crate) fn relative_path(&self) -> &'static str {
        let tail = self.path.strip_prefix(EVERY_CONTAINER).and_then(|path| path.strip_prefix('.'));
        tail.or_else(|| self.path.strip_prefix("spec.")).unwrap_or(self.path)
    }

    /// The last name of the path.
    pub(crate) fn name(&self) -> &'static str {
        let last = self.path.rsplit('.').next().unwrap_or(self.path);
        last.strip_suffix("[*]").unwrap_or(last)
    }

    /// The path in one pod.
    pub(crate) fn path_of(&self, container: Option<&Container<'_>>, item: Item<'_>) -> String {
        let mut path = String::with_capacity(self.path.len() + 16);
        let tail = match (container, self.path.strip_prefix(EVERY_CONTAINER)) {
            (Some(container), Some(tail)) => {
                // Writing to a String cannot fail.
                let _ = write!(path, "spec.{}[{}]", container.kind().list(), container.index());
                tail
            }
            _ => self.path,
        };
        path.push_str(&fill(tail, item));
        path
    }
}

fn fill(pattern: &str, item: Item<'_>) -> String {
    match item {
        Item::None => pattern.to_owned(),
        Item::Index(index) | Item::Named(index, _) => pattern.replacen("[*]", &format!("[{index}]"), 1),
        Item::Key(key) => match pattern.split_once('[') {
            Some((map, _)) => format!("{map}[{key}]"),
            None => pattern.to_owned(),
        },
    }
}
