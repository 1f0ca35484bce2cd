//! Values that the API server's validation refuses, as far as security contexts are concerned.
//!
//! The rules and messages are those of `pkg/apis/core/validation` of Kubernetes v1.36, as for the creation of a pod
//! with all stable and default features. Paths are the pod's; the caller knows where the pod is.

mod app_armor;
mod container;
mod host;
mod pod;
mod seccomp;
mod sysctls;
mod windows;

use std::fmt;

use k8s_openapi::api::core::v1::{PodSpec, SecurityContext};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::schema::nearest;

/// A refused value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The path from the pod's root.
    pub(crate) field: String,
    /// The error as the API server prints it after the path.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// What of a container matters here. Init and ephemeral containers have the same rules.
#[derive(Clone, Copy)]
struct Container<'p> {
    list: &'static str,
    index: usize,
    name: &'p str,
    context: Option<&'p SecurityContext>,
    has_volume_devices: bool,
}

impl Container<'_> {
    fn path(&self, field: &str) -> String {
        format!("spec.{}[{}].{field}", self.list, self.index)
    }
}

/// A pod, and what is refused about it so far.
struct Check<'p> {
    metadata: &'p ObjectMeta,
    spec: &'p PodSpec,
    refusals: Vec<Refusal>,
}

/// All that validation refuses in a pod.
pub(crate) fn refusals(metadata: &ObjectMeta, spec: &PodSpec) -> Vec<Refusal> {
    let mut check = Check { metadata, spec, refusals: Vec::new() };
    if spec.containers.is_empty() {
        check.required("spec.containers", "");
    }
    check.pod();
    check.host();
    check.sysctls();
    check.containers();
    check.seccomp();
    check.app_armor();
    check.windows();
    check.refusals
}

impl<'p> Check<'p> {
    fn each_container(&self) -> impl Iterator<Item = Container<'p>> + use<'p> {
        let common = |list, index, name, context, devices: Option<usize>| Container {
            list,
            index,
            name,
            context,
            has_volume_devices: devices.is_some_and(|n| n > 0),
        };
        macro_rules! of {
            ($list:literal, $containers:expr) => {
                $containers.iter().enumerate().map(move |(i, c)| {
                    let devices = c.volume_devices.as_ref().map(Vec::len);
                    common($list, i, c.name.as_str(), c.security_context.as_ref(), devices)
                })
            };
        }
        let init = self.spec.init_containers.as_deref().unwrap_or_default();
        let ephemeral = self.spec.ephemeral_containers.as_deref().unwrap_or_default();
        of!("initContainers", init)
            .chain(of!("containers", self.spec.containers))
            .chain(of!("ephemeralContainers", ephemeral))
    }

    fn annotation(&self, key: &str) -> Option<&'p str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }

    fn is_windows(&self) -> bool {
        self.spec.os.as_ref().is_some_and(|os| os.name == "windows")
    }

    fn refuse(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.refusals.push(Refusal { field: field.into(), message: message.into(), hint: None });
    }

    /// What to do about the last refusal.
    fn hint(&mut self, hint: Option<String>) {
        if let Some(last) = self.refusals.last_mut() {
            last.hint = hint;
        }
    }

    /// A value that is refused for itself. Strings are quoted.
    fn invalid(&mut self, field: impl Into<String>, value: impl fmt::Debug, detail: impl fmt::Display) {
        self.refuse(field, format!("Invalid value: {value:?}: {detail}"));
    }

    fn forbidden(&mut self, field: impl Into<String>, detail: &str) {
        self.refuse(field, format!("Forbidden: {detail}"));
    }

    fn required(&mut self, field: impl Into<String>, detail: &str) {
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        self.refuse(field, format!("Required value{detail}"));
    }

    /// Refuses a value that is none of the supported ones. Nothing set is fine.
    fn one_of(&mut self, field: impl Into<String>, value: Option<&str>, supported: &[&'static str]) {
        let Some(value) = value.filter(|v| !supported.contains(v)) else { return };
        let near = nearest(value, supported.iter().copied());
        let supported: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        self.refuse(field, format!("Unsupported value: {value:?}: supported values: {}", supported.join(", ")));
        self.hint(near.map(|near| format!("did you mean {near}?")));
    }

    /// Users and groups are 31 bits. Nothing set is fine.
    fn id(&mut self, field: impl Into<String>, id: Option<i64>) {
        if let Some(id) = id.filter(|id| !(0..=i64::from(i32::MAX)).contains(id)) {
            self.invalid(field, id, "must be between 0 and 2147483647, inclusive");
        }
    }

    /// A path below a directory of the node.
    fn descending_path(&mut self, field: &str, path: &str) {
        if path.starts_with('/') {
            self.invalid(field, path, "must be a relative path");
        }
        if path.split('/').any(|part| part == "..") {
            self.invalid(field, path, "must not contain '..'");
        }
    }
}
