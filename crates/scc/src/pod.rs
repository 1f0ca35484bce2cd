//! A pod as the plugin sees it: defaulted by the API, its containers in one order, its contexts effective.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, Pod, PodSpec, SecurityContext, Volume,
};

use crate::strategy::volumes::fs_type;

/// Where a container stands in its pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerAt {
    /// Which of the three lists.
    pub kind: ContainerKind,
    /// The place in that list.
    pub index: usize,
}

/// The list that a container is in, in the order in which they are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContainerKind {
    /// `initContainers`
    Init,
    /// `containers`
    Regular,
    /// `ephemeralContainers`
    Ephemeral,
}

impl fmt::Display for ContainerAt {
    /// `containers[0]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = match self.kind {
            ContainerKind::Init => "initContainers",
            ContainerKind::Regular => "containers",
            ContainerKind::Ephemeral => "ephemeralContainers",
        };
        write!(f, "{list}[{}]", self.index)
    }
}

/// What all kinds of container have in common.
#[derive(Clone, Copy)]
pub(crate) struct ContainerView<'a> {
    pub(crate) at: ContainerAt,
    pub(crate) name: &'a str,
    pub(crate) ports: &'a [ContainerPort],
    pub(crate) context: Option<&'a SecurityContext>,
}

/// Every container: init, regular, ephemeral.
pub(crate) fn containers(spec: &PodSpec) -> impl Iterator<Item = ContainerView<'_>> {
    let init = spec.init_containers.iter().flatten().enumerate().map(|(i, c)| view(ContainerKind::Init, i, c));
    let regular = spec.containers.iter().enumerate().map(|(i, c)| view(ContainerKind::Regular, i, c));
    let ephemeral = spec.ephemeral_containers.iter().flatten().enumerate().map(|(index, c)| ContainerView {
        at: ContainerAt { kind: ContainerKind::Ephemeral, index },
        name: &c.name,
        ports: c.ports.as_deref().unwrap_or_default(),
        context: c.security_context.as_ref(),
    });
    init.chain(regular).chain(ephemeral)
}

fn view(kind: ContainerKind, index: usize, c: &Container) -> ContainerView<'_> {
    ContainerView {
        at: ContainerAt { kind, index },
        name: &c.name,
        ports: c.ports.as_deref().unwrap_or_default(),
        context: c.security_context.as_ref(),
    }
}

/// The security context of the container at that place, to be written to.
pub(crate) fn context_mut(spec: &mut PodSpec, at: ContainerAt) -> Option<&mut Option<SecurityContext>> {
    match at.kind {
        ContainerKind::Init => spec.init_containers.as_mut()?.get_mut(at.index).map(|c| &mut c.security_context),
        ContainerKind::Regular => spec.containers.get_mut(at.index).map(|c| &mut c.security_context),
        ContainerKind::Ephemeral => {
            spec.ephemeral_containers.as_mut()?.get_mut(at.index).map(|c| &mut c.security_context)
        }
    }
}

/// The annotations of a pod, empty if it has none.
pub(crate) fn annotation<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.annotations.as_ref().and_then(|a: &BTreeMap<String, String>| a.get(key)).map(String::as_str)
}

/// The service account, by either of its two names; empty if none was set.
pub(crate) fn service_account(spec: &PodSpec) -> &str {
    let named = |s: &'_ Option<String>| -> bool { s.as_deref().is_some_and(|s| !s.is_empty()) };
    if named(&spec.service_account_name) { &spec.service_account_name } else { &spec.service_account }
        .as_deref()
        .unwrap_or_default()
}

/// The defaults of the core API that admission sees already applied and that matter here: an empty pod security
/// context, the node's ports of a pod on the node's network, `emptyDir` for a volume without a source, and the
/// version of downward API references.
///
/// Upstream: `pkg/apis/core/v1/defaults.go`, `SetDefaults_Pod`, `SetDefaults_PodSpec`, `SetDefaults_Volume`,
/// `SetDefaults_ObjectFieldSelector`.
pub fn api_defaults(pod: &Pod) -> Cow<'_, Pod> {
    if is_defaulted(pod) {
        return Cow::Borrowed(pod);
    }
    let mut pod = pod.clone();
    let spec = pod.spec.get_or_insert_default();
    spec.security_context.get_or_insert_default();
    if spec.host_network == Some(true) {
        let lists = spec.init_containers.iter_mut().flatten().chain(&mut spec.containers);
        for port in lists.filter_map(|c| c.ports.as_mut()).flatten() {
            if port.host_port.unwrap_or(0) == 0 {
                port.host_port = Some(port.container_port);
            }
        }
    }
    for volume in spec.volumes.iter_mut().flatten() {
        default_volume(volume);
    }
    Cow::Owned(pod)
}

fn is_defaulted(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let no_host_ports = || {
        let mut lists = spec.init_containers.iter().flatten().chain(&spec.containers);
        lists.any(|c| c.ports.iter().flatten().any(|p| p.host_port.unwrap_or(0) == 0))
    };
    spec.security_context.is_some()
        && !(spec.host_network == Some(true) && no_host_ports())
        && spec.volumes.iter().flatten().all(is_defaulted_volume)
}

fn is_defaulted_volume(volume: &Volume) -> bool {
    let own = volume.downward_api.iter().filter_map(|d| d.items.as_ref()).flatten();
    let sources = volume.projected.iter().filter_map(|p| p.sources.as_ref()).flatten();
    let projected = sources.filter_map(|s| s.downward_api.as_ref()).filter_map(|d| d.items.as_ref()).flatten();
    let mut references = own.chain(projected).filter_map(|item| item.field_ref.as_ref());
    fs_type(volume).is_some() && references.all(|r| r.api_version.as_deref().is_some_and(|v| !v.is_empty()))
}

fn default_volume(volume: &mut Volume) {
    if fs_type(volume).is_none() {
        volume.empty_dir = Some(EmptyDirVolumeSource::default());
    }
    let own = volume.downward_api.iter_mut().filter_map(|d| d.items.as_mut()).flatten();
    let sources = volume.projected.iter_mut().filter_map(|p| p.sources.as_mut()).flatten();
    let projected = sources.filter_map(|s| s.downward_api.as_mut()).filter_map(|d| d.items.as_mut()).flatten();
    for reference in own.chain(projected).filter_map(|item| item.field_ref.as_mut()) {
        if reference.api_version.as_deref().unwrap_or_default().is_empty() {
            reference.api_version = Some("v1".into());
        }
    }
}

/// The ports of the container at that place, to be written to.
pub(crate) fn ports_mut(spec: &mut PodSpec, at: ContainerAt) -> Option<&mut Vec<ContainerPort>> {
    match at.kind {
        ContainerKind::Init => spec.init_containers.as_mut()?.get_mut(at.index)?.ports.as_mut(),
        ContainerKind::Regular => spec.containers.get_mut(at.index)?.ports.as_mut(),
        ContainerKind::Ephemeral => spec.ephemeral_containers.as_mut()?.get_mut(at.index)?.ports.as_mut(),
    }
}
