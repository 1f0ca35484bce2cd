//! `sysctls`: set in the pod's namespaces by the sandbox. The kubelet admits the safe ones and those that its
//! configuration allows (`pkg/kubelet/sysctl`); runc then checks that each belongs to a namespace that the pod has.

use super::outcome::{Outcome, Step};
use super::view::{PodView, path};
use crate::effective::warning_code;
use crate::origin::{Origin, Value};

/// What the kubelet admits without configuration, on a kernel of v5.15 or later.
const SAFE: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// The sysctls of a pod, in its order; of two with the same name the later counts.
pub(crate) fn resolve(pod: &PodView<'_>) -> Vec<Value<(String, String)>> {
    let mut found: Vec<Value<(String, String)>> = Vec::new();
    let declared = pod.context.and_then(|context| context.sysctls.as_deref()).unwrap_or_default();
    for (index, sysctl) in declared.iter().enumerate() {
        found.retain(|earlier| earlier.get().is_none_or(|(name, _)| *name != sysctl.name));
        let origin = Origin::pod(path(&format!("sysctls[{index}]")));
        found.push(Value::known((sysctl.name.clone(), sysctl.value.clone()), origin));
    }
    if is_containerd_2(pod) && pod.spec.host_network != Some(true) {
        let mut default = |name: &str, value: &str| {
            if !found.iter().any(|set| set.get().is_some_and(|(known, _)| known == name)) {
                let origin = Origin::runtime("containerd 2 lets every user open low ports and send pings");
                found.push(Value::known((name.to_owned(), value.to_owned()), origin));
            }
        };
        default("net.ipv4.ip_unprivileged_port_start", "0");
        if !pod.has_user_namespace() {
            default("net.ipv4.ping_group_range", "0 2147483647");
        }
    }
    found
}

fn is_containerd_2(pod: &PodView<'_>) -> bool {
    let runtime = pod.node.and_then(|node| node.runtime.as_deref()).unwrap_or_default();
    runtime.starts_with("containerd 2.") || runtime.starts_with("containerd v2.")
}

/// Refuses what the kubelet does not admit, then what runc does not set.
pub(crate) fn refuse_pod(pod: &PodView<'_>, outcome: &mut Outcome) {
    let declared = pod.context.and_then(|context| context.sysctls.as_deref()).unwrap_or_default();
    for (index, sysctl) in declared.iter().enumerate() {
        let field = path(&format!("sysctls[{index}]"));
        let name = normalise(&sysctl.name);
        if let Err(error) = admit(pod, &name, &field, outcome) {
            outcome.refuse(Step::AdmitSysctls, Some(Origin::pod(field)), format!("forbidden sysctl: {error}"));
            return;
        }
        if let Some(error) = not_namespaced(pod, &name) {
            outcome.refuse(
                Step::SandboxStart,
                Some(Origin::pod(field)),
                format!(
                    "failed to create containerd task: failed to create shim task: OCI runtime create failed: {error}"
                ),
            );
        }
    }
}

/// The kubelet's answer.
fn admit(pod: &PodView<'_>, name: &str, field: &str, outcome: &mut Outcome) -> Result<(), String> {
    let allowed = pod.node.and_then(|node| node.allowed_unsafe_sysctls.as_deref());
    let by_node = |pattern: &String| match pattern.split_once('*') {
        Some((prefix, _)) => name.starts_with(&normalise(prefix)),
        None => normalise(pattern) == name,
    };
    if !SAFE.contains(&name) {
        match allowed {
            Some(patterns) if !patterns.iter().any(by_node) => return Err(format!("{name:?} not allowlisted")),
            Some(_) => {}
            None => {
                outcome.warn(
                    warning_code::SYSCTL_UNSAFE,
                    field,
                    format!("{name} is not among the safe sysctls: a kubelet admits the pod only if its configuration allows it"),
                    "allow it with the kubelet's allowedUnsafeSysctls on the nodes that may run the pod",
                );
                return Ok(());
            }
        }
    }
    match namespace(name) {
        Some("IPC") if pod.spec.host_ipc == Some(true) => Err(format!("{name:?} not allowed with host IPC enabled")),
        Some("Net") if pod.spec.host_network == Some(true) => {
            Err(format!("{name:?} not allowed with host Net enabled"))
        }
        _ => Ok(()),
    }
}

/// The namespace that the kubelet knows a sysctl to belong to.
fn namespace(name: &str) -> Option<&'static str> {
    const IPC: [&str; 8] = [
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
    ];
    if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        Some("IPC")
    } else if name.starts_with("net.") {
        Some("Net")
    } else {
        None
    }
}

/// runc's objection (`libcontainer/configs/validate/validator.go`, sysctl).
fn not_namespaced(pod: &PodView<'_>, name: &str) -> Option<String> {
    match namespace(name) {
        Some("IPC") if pod.spec.host_ipc == Some(true) => {
            Some(format!("sysctl {name:?} is not allowed in the hosts ipc namespace"))
        }
        Some("Net") if pod.spec.host_network == Some(true) => {
            Some(format!("sysctl {name:?} not allowed in host network namespace"))
        }
        Some(_) => None,
        None if name == "kernel.domainname" && pod.spec.host_network != Some(true) => None,
        None if name == "kernel.hostname" && pod.spec.host_network != Some(true) => {
            Some(format!("sysctl {name:?} is not allowed as it conflicts with the OCI \"hostname\" field"))
        }
        None if name.starts_with("user.") => {
            (!pod.has_user_namespace()).then(|| format!("setting ucounts without a user namespace not allowed: {name}"))
        }
        None => Some(format!("sysctl {name:?} is not in a separate kernel namespace")),
    }
}

/// With dots between the parts, where slashes may stand too; then a dot in a part is written as a slash.
fn normalise(name: &str) -> String {
    // Whichever separator comes first is the separator.
    match name.find(['.', '/']) {
        Some(at) if name.as_bytes().get(at) == Some(&b'/') => name
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effective::{EffectivePod, RefusalReason};
    use crate::facts::Facts;
    use crate::resolve::testing::{on_node, resolve_spec};

    fn with(sysctl: &str, more: &str, node: Option<&str>) -> EffectivePod {
        let facts = match node {
            Some(node) => on_node(Facts::default(), node),
            None => Facts::default(),
        };
        let spec = format!(
            r#"{{"containers": [], "securityContext": {{"sysctls": [{{"name": "{sysctl}", "value": "1"}}]}}{more}}}"#
        );
        resolve_spec(&spec, &facts)
    }

    #[test]
    fn safe_sysctls_are_set() {
        let pod = with("kernel.shm_rmid_forced", "", Some("{}"));
        assert_eq!(pod.refusal, None);
        assert_eq!(pod.sysctls[0].get(), Some(&("kernel.shm_rmid_forced".to_owned(), "1".to_owned())));
    }

    #[test]
    fn a_sysctl_of_a_namespace_shared_with_the_node_is_forbidden() {
        let refusal = with("net.ipv4.tcp_syncookies", r#", "hostNetwork": true"#, None).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::SysctlForbidden);
        assert_eq!(refusal.message, "forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host Net enabled");
        let refusal = with("kernel/shm_rmid_forced", r#", "hostIPC": true"#, None).refusal.unwrap();
        assert_eq!(refusal.message, "forbidden sysctl: \"kernel.shm_rmid_forced\" not allowed with host IPC enabled");
    }

    #[test]
    fn an_unsafe_sysctl_is_forbidden_where_the_kubelets_list_is_known_and_a_warning_elsewhere() {
        let refusal = with("kernel.msgmax", "", Some(r#"{"allowedUnsafeSysctls": ["net.*"]}"#)).refusal.unwrap();
        assert_eq!(refusal.message, "forbidden sysctl: \"kernel.msgmax\" not allowlisted");
        let allowed = with("kernel.msgmax", "", Some(r#"{"allowedUnsafeSysctls": ["kernel.msg*"]}"#));
        assert_eq!(allowed.refusal, None);
        let unknown = with("kernel.msgmax", "", None);
        assert_eq!((unknown.refusal, unknown.warnings[0].code), (None, warning_code::SYSCTL_UNSAFE));
    }

    #[test]
    fn a_sysctl_of_no_namespace_is_refused_by_runc() {
        let refusal = with("vm.swappiness", "", None).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::FailedCreatePodSandBox);
        assert!(refusal.message.ends_with("sysctl \"vm.swappiness\" is not in a separate kernel namespace"));
    }

    #[test]
    fn containerd_2_opens_low_ports_and_pings() {
        let pod = with("net.ipv4.ip_unprivileged_port_start", "", Some(r#"{"runtime": "containerd 2.4.0"}"#));
        let sysctls: Vec<_> = pod.sysctls.iter().filter_map(Value::get).collect();
        assert_eq!(sysctls[0].1, "1");
        assert_eq!(sysctls[1].0, "net.ipv4.ping_group_range");
        assert_eq!(sysctls.len(), 2);
    }

    #[test]
    fn slashes_separate_as_dots_do() {
        assert_eq!(normalise("net/ipv4/conf/eth0.1/rp_filter"), "net.ipv4.conf.eth0/1.rp_filter");
        assert_eq!(normalise("net.ipv4.conf.eth0/1.rp_filter"), "net.ipv4.conf.eth0/1.rp_filter");
    }
}
