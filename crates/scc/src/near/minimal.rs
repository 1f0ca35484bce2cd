//! The smallest new SCC that admits a pod as it is.

use k8s_openapi::api::core::v1::{Pod, PodSpec, SELinuxOptions};

use crate::constraints::{
    ALL, AllowedFlexVolume, GroupStrategyOptions, IDRange, RunAsUserStrategyOptions, SecurityContextConstraints,
};
use crate::namespace::Namespace;
use crate::platform;
use crate::pod::{api_defaults, containers};
use crate::provider::Provider;
use crate::violation::{Control, Fault, Violation};
use crate::{MODERN_KERNEL, Value};

/// Begins with `restricted-v2` and loosens only what it objects to, only as far as this pod needs: one user, the
/// groups it names, the very capabilities, profiles, sysctls, drivers and kinds of volume. The platform's priority
/// and grants are not inherited. `None` when the namespace cannot serve any pod.
pub fn minimal_for(name: &str, pod: &Pod, namespace: &Namespace<'_>) -> Option<SecurityContextConstraints> {
    namespace.check().ok()?;
    let pod = api_defaults(pod);
    let spec = pod.spec.as_ref()?;
    let mut scc = platform::constraints().into_iter().find(|s| s.name() == "restricted-v2")?;
    scc.metadata.name = Some(name.into());
    if containers(spec).any(|c| c.context.is_some_and(|c| c.privileged == Some(true))) {
        // The core API refuses privileges without escalation, which would otherwise be filled in as false.
        scc.allow_privilege_escalation = Some(true);
    }
    // Each round settles at least one objection for good; there are fewer kinds of objection than this.
    for _ in 0..32 {
        scc.set_defaults();
        let provider = Provider::new(&scc, namespace, MODERN_KERNEL).ok()?;
        let Err(violations) = provider.try_on(&pod, spec) else { return Some(scc) };
        for violation in &violations {
            loosen(&mut scc, violation, &pod, spec);
        }
    }
    None
}

fn loosen(scc: &mut SecurityContextConstraints, violation: &Violation, pod: &Pod, spec: &PodSpec) {
    let shared = spec.security_context.as_ref();
    match violation.control {
        Control::FsGroup => scc.fs_group = exactly(shared.and_then(|c| c.fs_group).as_slice()),
        Control::SupplementalGroups => {
            scc.supplemental_groups =
                exactly(shared.and_then(|c| c.supplemental_groups.as_deref()).unwrap_or_default());
        }
        Control::SeccompProfiles => {
            let profile = violation.detail.split(" is not an allowed").next().unwrap_or_default();
            add(&mut scc.seccomp_profiles, if profile.is_empty() { ALL } else { profile });
        }
        Control::SeLinuxContext => {
            scc.se_linux_context.se_linux_options = one_label(spec);
            if scc.se_linux_context.se_linux_options.is_none() {
                scc.se_linux_context.type_ = "RunAsAny".into();
            }
        }
        Control::AllowHostNetwork => scc.allow_host_network = true,
        Control::AllowHostPid => scc.allow_host_pid = true,
        Control::AllowHostIpc => scc.allow_host_ipc = true,
        Control::AllowHostPorts => scc.allow_host_ports = true,
        Control::UserNamespaceLevel => scc.user_namespace_level = "AllowHostLevel".into(),
        Control::AllowedUnsafeSysctls | Control::ForbiddenSysctls => {
            for sysctl in shared.and_then(|c| c.sysctls.as_ref()).into_iter().flatten() {
                if violation.detail.contains(&crate::go::quote(&sysctl.name)) {
                    add(&mut scc.allowed_unsafe_sysctls, &sysctl.name);
                }
            }
        }
        Control::Volumes => allow_volume(scc, violation),
        Control::AllowedFlexVolumes => {
            if let Fault::Invalid(Value::String(driver)) = &violation.fault {
                scc.allowed_flex_volumes.push(AllowedFlexVolume { driver: driver.clone() });
            }
        }
        Control::RunAsUser => scc.run_as_user = users(spec),
        Control::AllowPrivilegedContainer => scc.allow_privileged_container = true,
        Control::AllowedCapabilities => {
            if let Fault::Invalid(Value::String(cap)) = &violation.fault {
                add(&mut scc.allowed_capabilities, cap);
                scc.required_drop_capabilities.retain(|dropped| dropped != cap);
            }
        }
        Control::RequiredDropCapabilities => scc.required_drop_capabilities.clear(),
        Control::ReadOnlyRootFilesystem => scc.read_only_root_filesystem = false,
        Control::AllowPrivilegeEscalation => scc.allow_privilege_escalation = Some(true),
    }
    // Drivers are named as soon as their kind of volume is allowed, so that not every driver is.
    if scc.allows_volume("flexVolume") && scc.allowed_flex_volumes.is_empty() {
        let drivers = pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()).filter_map(|v| v.flex_volume.as_ref());
        scc.allowed_flex_volumes = drivers.map(|f| AllowedFlexVolume { driver: f.driver.clone() }).collect();
        scc.allowed_flex_volumes.dedup();
    }
}

fn add(list: &mut Vec<String>, item: &str) {
    if !list.iter().any(|i| i == item) {
        list.push(item.into());
    }
}

fn allow_volume(scc: &mut SecurityContextConstraints, violation: &Violation) {
    if let Fault::Invalid(Value::String(kind)) = &violation.fault {
        scc.allow_host_dir_volume_plugin |= kind == "hostPath";
        add(scc.volumes.get_or_insert_default(), kind);
    }
}

/// Neighbouring groups make one range; an empty list cannot be demanded, so any group will do then.
fn exactly(groups: &[i64]) -> GroupStrategyOptions {
    let mut sorted = groups.to_vec();
    sorted.sort_unstable();
    let mut ranges: Vec<IDRange> = Vec::new();
    for group in sorted {
        match ranges.last_mut() {
            Some(last) if group <= last.max.saturating_add(1) => last.max = group,
            _ => ranges.push(IDRange { min: group, max: group }),
        }
    }
    let type_ = if ranges.is_empty() { "RunAsAny" } else { "MustRunAs" };
    GroupStrategyOptions { type_: type_.into(), ranges }
}

/// One user if the pod has one; a range that holds them all if none is root and all are known; else as little more
/// as possible.
fn users(spec: &PodSpec) -> RunAsUserStrategyOptions {
    let shared = spec.security_context.as_ref().and_then(|c| c.run_as_user);
    let users: Vec<Option<i64>> = containers(spec).map(|c| c.context.and_then(|c| c.run_as_user).or(shared)).collect();
    // A container that says it may run as root, without naming a user, is content with nothing less than any user.
    let shared_promise = spec.security_context.as_ref().and_then(|c| c.run_as_non_root);
    let mut promises = containers(spec).map(|c| c.context.and_then(|c| c.run_as_non_root).or(shared_promise));
    let may_be_root = promises.any(|promise| promise == Some(false));
    let known: Vec<i64> = users.iter().flatten().copied().collect();
    let (min, max) = (known.iter().min().copied(), known.iter().max().copied());
    let strategy = |type_: &str| RunAsUserStrategyOptions { type_: type_.into(), ..Default::default() };
    if known.len() == users.len() && min == max {
        RunAsUserStrategyOptions { uid: min, ..strategy("MustRunAs") }
    } else if known.len() == users.len() && min != Some(0) {
        RunAsUserStrategyOptions { uid_range_min: min, uid_range_max: max, ..strategy("MustRunAsRange") }
    } else if min == Some(0) || may_be_root {
        strategy("RunAsAny")
    } else {
        strategy("MustRunAsNonRoot")
    }
}

/// The label that every container has, if there is one such.
fn one_label(spec: &PodSpec) -> Option<SELinuxOptions> {
    let shared = spec.security_context.as_ref().and_then(|c| c.se_linux_options.as_ref());
    let mut labels = containers(spec).map(|c| c.context.and_then(|c| c.se_linux_options.as_ref()).or(shared));
    let first = labels.next().flatten()?;
    // Without a level of its own the SCC would demand the namespace's.
    let has_level = first.level.as_deref().is_some_and(|l| !l.is_empty());
    let pod_agrees = shared.is_none_or(|s| s == first);
    (has_level && pod_agrees && labels.all(|l| l == Some(first))).then(|| first.clone())
}
