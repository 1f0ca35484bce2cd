//! The least strict level that pods under a security context constraint may need.

use ringfence_pss::Level;
use ringfence_scc::{
    BlockError, Namespace, RunAsUserStrategyOptions, SELinuxContextStrategyOptions, SecurityContextConstraints,
};

/// Why a constraint comes to no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// A kind of volume that the synchroniser does not know.
    #[error("unknown volume type: {0}")]
    Volume(String),
    /// A strategy for users that the synchroniser does not know.
    #[error("unknown strategy: {0}")]
    Strategy(String),
    /// The namespace's range of users is not to be read.
    #[error("failed to parse the namespace's range of users: {0}")]
    Range(#[from] BlockError),
}

/// Finds the level, of which the least strict that any field comes to wins. A field that is wrong spoils the whole,
/// unless a field looked at before settles nothing less than privileged.
///
/// Upstream: `convertSCCToPSALevel` of `pkg/psalabelsyncer/scctopsamapping.go`.
pub fn convert(scc: &SecurityContextConstraints, namespace: &Namespace<'_>) -> Result<Level, ConvertError> {
    let levels = [
        host_dir(scc),
        privileged_if(scc.allow_host_ipc || scc.allow_host_network || scc.allow_host_pid),
        privileged_if(scc.allow_host_ports),
        baseline_if(scc.allow_privilege_escalation != Some(false)),
        privileged_if(scc.allow_privileged_container),
        capabilities(scc),
        sysctls(&scc.allowed_unsafe_sysctls),
        volumes(scc.volumes.as_deref().unwrap_or_default())?,
        se_linux(&scc.se_linux_context),
        seccomp(&scc.seccomp_profiles),
        run_as_user(&scc.run_as_user, namespace)?,
    ];
    Ok(levels.into_iter().min().unwrap_or(Level::Restricted))
}

fn privileged_if(condition: bool) -> Level {
    if condition { Level::Privileged } else { Level::Restricted }
}

fn baseline_if(condition: bool) -> Level {
    if condition { Level::Baseline } else { Level::Restricted }
}

fn host_dir(scc: &SecurityContextConstraints) -> Level {
    let listed = scc.volumes.iter().flatten().any(|kind| kind == "hostPath" || kind == "*");
    privileged_if(scc.allow_host_dir_volume_plugin || listed)
}

/// What baseline pods may add.
const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

fn capabilities(scc: &SecurityContextConstraints) -> Level {
    let allowed = &scc.allowed_capabilities;
    if !allowed.iter().all(|capability| BASELINE_CAPABILITIES.contains(&capability.as_str())) {
        return Level::Privileged;
    }
    let drops_all = scc.required_drop_capabilities.iter().any(|capability| capability == "ALL");
    baseline_if(!drops_all || !allowed.iter().all(|capability| capability == "NET_BIND_SERVICE"))
}

/// Those that the first version of the standards took for safe.
const SAFE_SYSCTLS: [&str; 5] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
];

fn sysctls(allowed: &[String]) -> Level {
    privileged_if(!allowed.iter().all(|sysctl| SAFE_SYSCTLS.contains(&sysctl.as_str())))
}

fn volumes(kinds: &[String]) -> Result<Level, ConvertError> {
    let mut level = Level::Restricted;
    for kind in kinds {
        match kind.as_str() {
            "*" | "hostPath" => return Ok(Level::Privileged),
            "configMap"
            | "downwardAPI"
            | "emptyDir"
            | "projected"
            | "secret"
            | "csi"
            | "persistentVolumeClaim"
            | "ephemeral"
            | "none"
            | "image"
            | "serviceAccountToken" => {}
            "azureFile"
            | "azureDisk"
            | "flocker"
            | "flexVolume"
            | "gcePersistentDisk"
            | "awsElasticBlockStore"
            | "gitRepo"
            | "nfs"
            | "iscsi"
            | "glusterfs"
            | "rbd"
            | "cinder"
            | "cephFS"
            | "fc"
            | "vsphere"
            | "quobyte"
            | "photonPersistentDisk"
            | "portworxVolume"
            | "scaleIO"
            | "storageOS" => level = Level::Baseline,
            unknown => return Err(ConvertError::Volume(unknown.to_owned())),
        }
    }
    Ok(level)
}

fn se_linux(strategy: &SELinuxContextStrategyOptions) -> Level {
    if strategy.type_ != "MustRunAs" {
        return Level::Privileged;
    }
    let Some(options) = &strategy.se_linux_options else { return Level::Restricted };
    let is_set = |field: &Option<String>| field.as_ref().is_some_and(|text| !text.is_empty());
    let type_ = options.type_.as_deref().unwrap_or_default();
    let ordinary = matches!(type_, "" | "container_t" | "container_init_t" | "container_kvm_t");
    privileged_if(!ordinary || is_set(&options.user) || is_set(&options.role))
}

fn seccomp(profiles: &[String]) -> Level {
    if profiles.is_empty() {
        return Level::Baseline;
    }
    let confined = |p: &String| p == "docker/default" || p == "runtime/default" || p.starts_with("localhost/");
    privileged_if(!profiles.iter().all(confined))
}

fn run_as_user(strategy: &RunAsUserStrategyOptions, namespace: &Namespace<'_>) -> Result<Level, ConvertError> {
    Ok(match strategy.type_.as_str() {
        "MustRunAsNonRoot" => Level::Restricted,
        "MustRunAs" => baseline_if(strategy.uid.is_none_or(|uid| uid <= 0)),
        "MustRunAsRange" => match (strategy.uid_range_min, strategy.uid_range_max) {
            (Some(first), Some(_)) => baseline_if(first <= 0),
            _ => baseline_if(namespace.uid_range()?.min <= 0),
        },
        "RunAsAny" => Level::Baseline,
        unknown => return Err(ConvertError::Strategy(unknown.to_owned())),
    })
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    /// As strict as can be.
    fn strict() -> Value {
        json!({"metadata": {"name": "x"}, "allowPrivilegeEscalation": false, "requiredDropCapabilities": ["ALL"],
            "allowedCapabilities": ["NET_BIND_SERVICE"], "volumes": ["configMap", "none"], "seLinuxContext": {"type": "MustRunAs"},
            "seccompProfiles": ["runtime/default"], "runAsUser": {"type": "MustRunAsRange"}})
    }

    fn level_in(range: &str, changes: Value) -> Result<Level, ConvertError> {
        let mut scc = strict();
        scc.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let scc = ringfence_scc::decode(scc).unwrap();
        let annotations = BTreeMap::from([(ringfence_scc::UID_RANGE.to_owned(), range.to_owned())]);
        convert(&scc, &Namespace { name: "app", annotations: Some(&annotations) })
    }

    fn level(changes: Value) -> Result<Level, ConvertError> {
        level_in("1000/10", changes)
    }

    #[test]
    fn a_constraint_as_strict_as_can_be_is_restricted() {
        assert_eq!(level(json!({})), Ok(Level::Restricted));
    }

    #[test]
    fn each_of_these_alone_makes_it_baseline() {
        for changes in [
            json!({"allowPrivilegeEscalation": true}),
            json!({"allowPrivilegeEscalation": null}),
            json!({"requiredDropCapabilities": ["KILL"]}),
            json!({"allowedCapabilities": ["CHOWN"]}),
            json!({"volumes": ["nfs"]}),
            json!({"seccompProfiles": []}),
            json!({"runAsUser": {"type": "RunAsAny"}}),
            json!({"runAsUser": {"type": "MustRunAs", "uid": 0}}),
            json!({"runAsUser": {"type": "MustRunAs"}}),
            json!({"runAsUser": {"type": "MustRunAsRange", "uidRangeMin": 0, "uidRangeMax": 5}}),
        ] {
            assert_eq!(level(changes.clone()), Ok(Level::Baseline), "{changes}");
        }
    }

    #[test]
    fn each_of_these_alone_makes_it_privileged() {
        for changes in [
            json!({"allowHostDirVolumePlugin": true}),
            json!({"allowHostIPC": true}),
            json!({"allowHostNetwork": true}),
            json!({"allowHostPID": true}),
            json!({"allowHostPorts": true}),
            json!({"allowPrivilegedContainer": true}),
            json!({"allowedCapabilities": ["*"]}),
            json!({"allowedCapabilities": ["chown"]}),
            json!({"allowedUnsafeSysctls": ["net.*"]}),
            json!({"volumes": ["*"]}),
            json!({"volumes": ["hostPath", "unheard-of"]}),
            json!({"seLinuxContext": {"type": "RunAsAny"}}),
            json!({"seLinuxContext": {"type": "MustRunAs", "seLinuxOptions": {"type": "spc_t"}}}),
            json!({"seLinuxContext": {"type": "MustRunAs", "seLinuxOptions": {"role": "system_r"}}}),
            json!({"seccompProfiles": ["runtime/default", "*"]}),
        ] {
            assert_eq!(level(changes.clone()), Ok(Level::Privileged), "{changes}");
        }
    }

    #[test]
    fn a_range_without_bounds_is_the_namespaces() {
        assert_eq!(level_in("0/10", json!({})), Ok(Level::Baseline));
        assert_eq!(level_in("1-10", json!({})), Ok(Level::Restricted));
        let half = json!({"runAsUser": {"type": "MustRunAsRange", "uidRangeMin": 5}});
        assert_eq!(level_in("0/10", half), Ok(Level::Baseline));
        assert!(matches!(level_in("a", json!({})), Err(ConvertError::Range(_))));
    }

    #[test]
    fn what_the_synchroniser_does_not_know_is_an_error() {
        assert_eq!(level(json!({"volumes": ["unheard-of"]})), Err(ConvertError::Volume("unheard-of".to_owned())));
        assert_eq!(level(json!({"runAsUser": {}})), Err(ConvertError::Strategy(String::new())));
        assert!(level(json!({"runAsUser": {}, "allowHostPorts": true})).is_err());
    }
}
