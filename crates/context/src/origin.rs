//! Where a value comes from.

use serde::Serialize;

/// Where a value of an effective context comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "from")]
pub enum Origin {
    /// A field of the container: its path from the pod, such as `spec.containers[0].securityContext.runAsUser`.
    Container {
        /// The field's path, from the pod.
        field: String,
    },
    /// A field of the pod: its path, such as `spec.securityContext.runAsUser` or `metadata.annotations[…]`.
    Pod {
        /// The field's path.
        field: String,
    },
    /// The image: `USER`, `/etc/passwd`, `/etc/group`, `ENV`.
    Image {
        /// What of the image says so.
        what: String,
    },
    /// The node: `bounding set`, `seccompDefault`, `apparmor`…
    Node {
        /// What of the node says so.
        what: String,
    },
    /// The API's default for a field that is not set.
    ApiDefault {
        /// The field that is not set.
        field: String,
    },
    /// What the kubelet decides.
    Kubelet {
        /// The rule.
        what: String,
    },
    /// What the container runtime does where nothing is asked for.
    Runtime {
        /// The rule.
        what: String,
    },
    /// Follows from other values by the kernel's own rules, such as capabilities lost by becoming another user.
    Kernel {
        /// The rule.
        what: String,
    },
}

/// A value with its origin, or the reason why it cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Value<T> {
    /// What it will be, and why.
    Known {
        /// The value.
        value: T,
        /// Where it comes from.
        origin: Origin,
    },
    /// It cannot be told from what was given.
    Unknown {
        /// What is missing, such as `the image's USER is not known; give --images`.
        unknown: String,
    },
}

impl<T> Value<T> {
    /// A value that is known.
    pub fn known(value: T, origin: Origin) -> Self {
        Self::Known { value, origin }
    }

    /// A value that cannot be told, and what is missing.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { unknown: why.into() }
    }

    /// The value, if it is known.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// Where the value comes from, if it is known.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Known { origin, .. } => Some(origin),
            Self::Unknown { .. } => None,
        }
    }
}
