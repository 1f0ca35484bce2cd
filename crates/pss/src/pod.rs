//! The pod as the controls see it: its annotations, its spec, and its containers of every kind in one row.

use k8s_openapi::{
    api::core::v1::{
        self as core, ContainerPort, EphemeralContainer, Lifecycle, PodSecurityContext, PodSpec, Probe, SecurityContext,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use std::{collections::BTreeMap, fmt, ops::Bound};

/// A pod under judgement.
#[derive(Clone, Copy)]
pub(crate) struct Pod<'p> {
    annotations: Option<&'p BTreeMap<String, String>>,
    pub(crate) spec: &'p PodSpec,
}

impl<'p> Pod<'p> {
    pub(crate) fn new(metadata: &'p ObjectMeta, spec: &'p PodSpec) -> Self {
        Self { annotations: metadata.annotations.as_ref(), spec }
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<(&'p str, &'p str)> {
        let (key, value) = self.annotations?.get_key_value(key)?;
        Some((key, value))
    }

    /// The annotations whose keys begin with the prefix, sorted by key.
    pub(crate) fn annotations_under(&self, prefix: &'static str) -> impl Iterator<Item = (&'p str, &'p str)> {
        let from = self
            .annotations
            .into_iter()
            .flat_map(move |all| all.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)));
        from.map(|(key, value)| (key.as_str(), value.as_str())).take_while(move |(key, _)| key.starts_with(prefix))
    }

    pub(crate) fn has_annotations(&self) -> bool {
        self.annotations.is_some_and(|all| !all.is_empty())
    }

    pub(crate) fn security_context(&self) -> Option<&'p PodSecurityContext> {
        self.spec.security_context.as_ref()
    }

    /// Init containers (sidecars among them), then containers, then ephemeral containers: the order of the messages.
    pub(crate) fn containers(&self) -> impl Iterator<Item = Container<'p>> + use<'p> {
        let init = self.spec.init_containers.as_deref().unwrap_or_default().iter().map(Source::Init);
        let main = self.spec.containers.iter().map(Source::Main);
        let ephemeral = self.spec.ephemeral_containers.as_deref().unwrap_or_default().iter().map(Source::Ephemeral);
        let row = |(index, source)| Container { index, source };
        init.enumerate().map(row).chain(main.enumerate().map(row)).chain(ephemeral.enumerate().map(row))
    }

    /// Each container that has a security context, with it.
    pub(crate) fn security_contexts(&self) -> impl Iterator<Item = (Container<'p>, &'p SecurityContext)> + use<'p> {
        self.containers().filter_map(|container| Some((container, container.security_context()?)))
    }

    /// Windows has none of the Linux fields that the restricted level asks for, and the API refuses them there.
    pub(crate) fn is_windows(&self) -> bool {
        self.spec.os.as_ref().is_some_and(|os| os.name == "windows")
    }

    /// Root in a user namespace of the pod's own is nobody on the node.
    pub(crate) fn has_user_namespace(&self) -> bool {
        self.spec.host_users == Some(false)
    }
}

/// What kind of container it is. A pod's spec lists sidecars among the init containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContainerKind {
    /// Runs to its end before the containers start.
    Init,
    /// An init container with `restartPolicy: Always`, which runs beside the containers.
    Sidecar,
    /// One of `spec.containers`.
    Main,
    /// Added to a running pod, by `kubectl debug` for example.
    Ephemeral,
}

impl ContainerKind {
    /// The list of the pod's spec that holds containers of this kind.
    pub const fn list(self) -> &'static str {
        match self {
            Self::Init | Self::Sidecar => "initContainers",
            Self::Main => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

impl fmt::Display for ContainerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Init => "init container",
            Self::Sidecar => "sidecar container",
            Self::Main => "container",
            Self::Ephemeral => "ephemeral container",
        })
    }
}

/// One container of a pod: which one it is, and what the controls read of it.
#[derive(Clone, Copy)]
pub struct Container<'p> {
    index: usize,
    source: Source<'p>,
}

#[derive(Clone, Copy)]
enum Source<'p> {
    Init(&'p core::Container),
    Main(&'p core::Container),
    Ephemeral(&'p EphemeralContainer),
}

// The two types of container have these fields in common, and no trait to say so.
macro_rules! common {
    ($self:ident . $field:ident) => {
        match $self.source {
            Source::Init(c) | Source::Main(c) => &c.$field,
            Source::Ephemeral(c) => &c.$field,
        }
    };
}

impl<'p> Container<'p> {
    /// Its name, as written.
    pub fn name(&self) -> &'p str {
        common!(self.name)
    }

    /// Its place in the list that holds it, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What kind of container it is.
    pub fn kind(&self) -> ContainerKind {
        match self.source {
            Source::Init(c) if c.restart_policy.as_deref() == Some("Always") => ContainerKind::Sidecar,
            Source::Init(_) => ContainerKind::Init,
            Source::Main(_) => ContainerKind::Main,
            Source::Ephemeral(_) => ContainerKind::Ephemeral,
        }
    }

    pub(crate) fn security_context(&self) -> Option<&'p SecurityContext> {
        common!(self.security_context).as_ref()
    }

    pub(crate) fn ports(&self) -> &'p [ContainerPort] {
        common!(self.ports).as_deref().unwrap_or_default()
    }

    pub(crate) fn liveness_probe(&self) -> Option<&'p Probe> {
        common!(self.liveness_probe).as_ref()
    }

    pub(crate) fn readiness_probe(&self) -> Option<&'p Probe> {
        common!(self.readiness_probe).as_ref()
    }

    pub(crate) fn startup_probe(&self) -> Option<&'p Probe> {
        common!(self.startup_probe).as_ref()
    }

    pub(crate) fn lifecycle(&self) -> Option<&'p Lifecycle> {
        common!(self.lifecycle).as_ref()
    }

    /// Whether both are the same container of one pod; names may repeat in a pod that the API would refuse.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.index == other.index && self.kind().list() == other.kind().list()
    }
}

impl fmt::Debug for Container<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}] {:?}", self.kind().list(), self.index, self.name())
    }
}
