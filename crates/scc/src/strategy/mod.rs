//! One module per field that an SCC constrains, named after it; each can fill what a pod leaves out and object to
//! what it asks for.

pub(crate) mod allow_privilege_escalation;
pub(crate) mod capabilities;
pub(crate) mod flex_volumes;
pub(crate) mod groups;
pub(crate) mod host;
pub(crate) mod privileged;
pub(crate) mod read_only_root_filesystem;
pub(crate) mod run_as_user;
pub(crate) mod se_linux_context;
pub(crate) mod seccomp_profiles;
pub(crate) mod sysctls;
pub(crate) mod user_namespace_level;
pub(crate) mod volumes;

use crate::Value;
use crate::pod::{ContainerAt, ContainerView};
use crate::violation::{Control, Fault, Violation};

/// Where objections are collected, with the odd beginnings that the API server gives their paths.
pub(crate) struct Objections<'s> {
    scc: &'s str,
    pub(crate) list: Vec<Violation>,
}

impl<'s> Objections<'s> {
    pub(crate) fn new(scc: &'s str) -> Self {
        Self { scc, list: Vec::new() }
    }

    /// Below the pod's spec: `.spec.hostPID`.
    pub(crate) fn spec(&mut self, control: Control, field: &str, fault: Fault, detail: impl Into<String>) {
        let path = format!("provider {}: .spec.{field}", self.scc);
        self.push(control, path, format!("spec.{field}"), fault, detail);
    }

    /// Below a container, whose path there lacks `spec` and `securityContext`: `.containers[0].runAsUser`.
    pub(crate) fn container(
        &mut self,
        control: Control,
        at: ContainerAt,
        field: &str,
        fault: Fault,
        detail: impl Into<String>,
    ) {
        let path = format!("provider {}: .{at}.{field}", self.scc);
        self.push(control, path, format!("spec.{at}.securityContext.{field}"), fault, detail);
    }

    /// A path of its own, without the provider.
    pub(crate) fn bare(
        &mut self,
        control: Control,
        path: String,
        field: String,
        fault: Fault,
        detail: impl Into<String>,
    ) {
        self.push(control, path, field, fault, detail);
    }

    /// A port, whose path names the container under judgement and then the one with the port.
    pub(crate) fn port(&mut self, judged: ContainerAt, owner: &ContainerView<'_>, port: usize, value: i32) {
        let path = format!("provider {}: .{judged}.{}.hostPort", self.scc, owner.at);
        let field = format!("spec.{}.ports[{port}].hostPort", owner.at);
        let fault = Fault::Invalid(Value::Int(value.into()));
        self.push(Control::AllowHostPorts, path, field, fault, "Host ports are not allowed to be used");
    }

    /// A setting of the pod that is objected to again at each container.
    pub(crate) fn pod_setting(&mut self, control: Control, at: Option<ContainerAt>, field: &str, detail: &str) {
        let path = match at {
            None => format!("provider {}: .spec.{field}", self.scc),
            Some(at) => format!("provider {}: .{at}.{field}", self.scc),
        };
        self.push(control, path, format!("spec.{field}"), Fault::Invalid(Value::Bool(true)), detail);
    }

    fn push(&mut self, control: Control, path: String, field: String, fault: Fault, detail: impl Into<String>) {
        self.list.push(Violation { control, path, field, fault, detail: detail.into() });
    }
}

/// An SCC names a strategy that does not exist, or one without what it needs. Every pod of the namespace is then
/// refused, whoever creates it, because the plugin prepares all SCCs before it tries any.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// An unknown strategy.
    #[error("Unrecognized {field} strategy type {type_}")]
    Unrecognized {
        /// `RunAsUser`, `SELinuxContext`, `FSGroup` or `SupplementalGroups`.
        field: &'static str,
        /// What stands there.
        type_: String,
    },
    /// `MustRunAs` without a user.
    #[error("MustRunAs requires a UID")]
    NoUid,
    /// Only the upper bound is set.
    #[error("MustRunAsRange requires a UIDRangeMin")]
    NoUidRangeMin,
    /// Only the lower bound is set.
    #[error("MustRunAsRange requires a UIDRangeMax")]
    NoUidRangeMax,
}
