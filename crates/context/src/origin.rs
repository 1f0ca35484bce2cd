//! Where a value comes from.

use std::fmt;

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

impl Origin {
    /// A field of the container, by its path from the pod.
    pub fn container(field: impl Into<String>) -> Self {
        Self::Container { field: field.into() }
    }

    /// A field of the pod, by its path.
    pub fn pod(field: impl Into<String>) -> Self {
        Self::Pod { field: field.into() }
    }

    /// Something of the image.
    pub fn image(what: impl Into<String>) -> Self {
        Self::Image { what: what.into() }
    }

    /// Something of the node.
    pub fn node(what: impl Into<String>) -> Self {
        Self::Node { what: what.into() }
    }

    /// A field that is not set, so that the API's default holds.
    pub fn api_default(field: impl Into<String>) -> Self {
        Self::ApiDefault { field: field.into() }
    }

    /// A rule of the kubelet.
    pub fn kubelet(what: impl Into<String>) -> Self {
        Self::Kubelet { what: what.into() }
    }

    /// A rule of the container runtime.
    pub fn runtime(what: impl Into<String>) -> Self {
        Self::Runtime { what: what.into() }
    }

    /// A rule of the kernel.
    pub fn kernel(what: impl Into<String>) -> Self {
        Self::Kernel { what: what.into() }
    }
}

/// For a person: the field's path, or who decides and why.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container { field } | Self::Pod { field } => f.write_str(field),
            Self::Image { what } => write!(f, "image: {what}"),
            Self::Node { what } => write!(f, "node: {what}"),
            Self::ApiDefault { field } => write!(f, "default of {field}"),
            Self::Kubelet { what } => write!(f, "kubelet: {what}"),
            Self::Runtime { what } => write!(f, "runtime: {what}"),
            Self::Kernel { what } => write!(f, "kernel: {what}"),
        }
    }
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

    /// The same value and origin under another type.
    #[must_use]
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Value<U> {
        match self {
            Self::Known { value, origin } => Value::Known { value: f(value), origin },
            Self::Unknown { unknown } => Value::Unknown { unknown },
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
