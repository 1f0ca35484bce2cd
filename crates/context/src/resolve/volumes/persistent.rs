//! Volumes that outlive the pod: whether the kubelet applies fsGroup to them, and whether it mounts them with their
//! SELinux label (`pkg/volume/csi/csi_mounter.go`, `pkg/volume/util/selinux.go`, and `Managed` of each plugin).

use k8s_openapi::api::core::v1::{CSIVolumeSource, PersistentVolumeSpec, Volume};

use crate::facts::StorageFacts;

/// Who gives a volume to fsGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The kubelet, or the driver in its place; with the reason.
    Yes(String),
    /// Nobody; with the reason.
    No(String),
    /// It cannot be told; with what is missing.
    Unknown(String),
}

/// What a pod's volume is behind its claim.
pub(crate) enum Source<'a> {
    /// A volume of the cluster.
    Persistent(&'a PersistentVolumeSpec),
    /// A CSI volume in the pod's own spec.
    Inline(&'a CSIVolumeSource),
}

/// What lies behind the volume; `None` where nothing says.
pub(crate) fn source<'a>(volume: &'a Volume, namespace: Option<&str>, facts: &'a StorageFacts) -> Option<Source<'a>> {
    if let Some(csi) = &volume.csi {
        return Some(Source::Inline(csi));
    }
    let claim = volume.persistent_volume_claim.as_ref()?;
    facts.bound_to(namespace, &claim.claim_name)?.spec.as_ref().map(Source::Persistent)
}

/// Whether fsGroup is applied. `read_only` is what the pod's volume says.
pub(crate) fn fs_group(source: &Source<'_>, read_only: bool, facts: &StorageFacts) -> Applied {
    match source {
        Source::Inline(csi) => {
            let read_only = read_only || csi.read_only == Some(true);
            by_driver(&csi.driver, csi.fs_type.as_deref(), None, read_only, facts)
        }
        Source::Persistent(spec) => {
            if let Some(csi) = &spec.csi {
                let read_only = read_only || csi.read_only == Some(true);
                let modes = spec.access_modes.as_deref().unwrap_or_default();
                return by_driver(&csi.driver, csi.fs_type.as_deref(), Some(modes), read_only, facts);
            }
            let read_only = read_only
                || spec.iscsi.as_ref().is_some_and(|source| source.read_only == Some(true))
                || spec.fc.as_ref().is_some_and(|source| source.read_only == Some(true));
            if spec.nfs.is_some() {
                Applied::No("leaves the ownership of an nfs volume alone".to_owned())
            } else if spec.host_path.is_some() {
                Applied::No("leaves the ownership of a hostPath volume alone".to_owned())
            } else if spec.local.is_some() || spec.iscsi.is_some() || spec.fc.is_some() {
                if read_only {
                    Applied::No("leaves the ownership of a volume that is read-only alone".to_owned())
                } else {
                    Applied::Yes("gives such a volume to fsGroup".to_owned())
                }
            } else {
                Applied::Unknown("whether fsGroup is applied to such a volume depends on its driver".to_owned())
            }
        }
    }
}

/// `CSIDriver.spec.fsGroupPolicy`. Where the driver has VOLUME_MOUNT_GROUP it is told the group and applies it itself, to
/// the same effect; only the driver knows.
fn by_driver(
    name: &str,
    fs_type: Option<&str>,
    modes: Option<&[String]>,
    read_only: bool,
    facts: &StorageFacts,
) -> Applied {
    let Some(driver) = facts.driver(name) else {
        return Applied::Unknown(format!(
            "whether fsGroup is applied depends on fsGroupPolicy of the CSIDriver {name}, which is not among the objects"
        ));
    };
    let policy = driver.spec.fs_group_policy.as_deref().unwrap_or("ReadWriteOnceWithFSType");
    if policy == "None" {
        return Applied::No(format!("does not apply fsGroup, because fsGroupPolicy of {name} is None"));
    }
    if read_only {
        return Applied::No("does not apply fsGroup to a CSI volume that is read-only".to_owned());
    }
    if policy == "File" {
        return Applied::Yes(format!(
            "applies fsGroup, because fsGroupPolicy of {name} is File; with VOLUME_MOUNT_GROUP the driver does it"
        ));
    }
    let why = if fs_type.unwrap_or_default().is_empty() {
        "fsType is not set"
    } else if modes.is_some_and(|modes| !modes.iter().any(|mode| mode == "ReadWriteOnce" || mode == "ReadWriteOncePod"))
    {
        "accessModes has neither ReadWriteOnce nor ReadWriteOncePod"
    } else {
        return Applied::Yes(format!(
            "applies fsGroup, because fsGroupPolicy of {name} is ReadWriteOnceWithFSType and both are so; with \
             VOLUME_MOUNT_GROUP the driver does it"
        ));
    };
    Applied::No(format!("does not apply fsGroup, because fsGroupPolicy of {name} is ReadWriteOnceWithFSType and {why}"))
}

/// Which of the conditions for mounting with `-o context=` do not hold; none means that nothing is relabelled file by
/// file. The feature gates are taken to be as they are by default since v1.28: ReadWriteOncePod and
/// SELinuxMountReadWriteOncePod on, SELinuxMount off.
///
/// `labels` are the seLinuxOptions of each container that uses the volume, `recursive` whether `seLinuxChangePolicy` is
/// `Recursive`.
pub(crate) fn unmet_for_context_mount(
    source: &Source<'_>,
    labels: &[bool],
    recursive: bool,
    facts: &StorageFacts,
) -> Vec<String> {
    let mut unmet = Vec::new();
    let driver_says = |name: &str| match facts.driver(name) {
        Some(driver) if driver.spec.se_linux_mount == Some(true) => None,
        Some(_) => Some(format!("spec.seLinuxMount of the CSIDriver {name} is not true")),
        None => Some(format!("the CSIDriver {name}, whose spec.seLinuxMount must be true, is not among the objects")),
    };
    match source {
        Source::Inline(csi) => {
            unmet.push("the volume is no PersistentVolumeClaim with accessModes [ReadWriteOncePod]".to_owned());
            unmet.extend(driver_says(&csi.driver));
        }
        Source::Persistent(spec) => {
            let modes = spec.access_modes.as_deref().unwrap_or_default();
            if !matches!(modes, [mode] if mode == "ReadWriteOncePod") {
                unmet.push(format!("accessModes are [{}] and not [ReadWriteOncePod]", modes.join(", ")));
            }
            if let Some(csi) = &spec.csi {
                unmet.extend(driver_says(&csi.driver));
            } else if spec.iscsi.is_none() && spec.rbd.is_none() && spec.fc.is_none() {
                unmet.push("the volume is neither iscsi, rbd or fc nor of a CSI driver".to_owned());
            }
        }
    }
    if labels.iter().any(|set| !set) {
        unmet.push("not every container that uses the volume has seLinuxOptions".to_owned());
    }
    if recursive {
        unmet.push("seLinuxChangePolicy is Recursive".to_owned());
    }
    unmet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(driver: &str) -> StorageFacts {
        let driver = format!(r#"{{"metadata": {{"name": "d"}}, "spec": {driver}}}"#);
        StorageFacts { drivers: vec![serde_json::from_str(&driver).unwrap()], ..StorageFacts::default() }
    }

    fn volume(spec: &str) -> PersistentVolumeSpec {
        serde_json::from_str(spec).unwrap()
    }

    fn applied(driver: &str, spec: &str) -> Applied {
        fs_group(&Source::Persistent(&volume(spec)), false, &facts(driver))
    }

    const CSI: &str = r#""csi": {"driver": "d", "volumeHandle": "h", "fsType": "ext4"}"#;

    #[test]
    fn the_drivers_policy_decides() {
        let once = format!(r#"{{{CSI}, "accessModes": ["ReadWriteOnce"]}}"#);
        let many = format!(r#"{{{CSI}, "accessModes": ["ReadWriteMany"]}}"#);
        let no_type = r#"{"csi": {"driver": "d", "volumeHandle": "h"}, "accessModes": ["ReadWriteOncePod"]}"#;
        assert!(matches!(applied(r#"{"fsGroupPolicy": "None"}"#, &once), Applied::No(_)));
        assert!(matches!(applied(r#"{"fsGroupPolicy": "File"}"#, &many), Applied::Yes(_)));
        assert!(matches!(applied("{}", &once), Applied::Yes(_)));
        assert!(matches!(applied("{}", &many), Applied::No(why) if why.ends_with("nor ReadWriteOncePod")));
        assert!(matches!(applied("{}", no_type), Applied::No(why) if why.ends_with("fsType is not set")));
        let unknown = fs_group(&Source::Persistent(&volume(&once)), false, &StorageFacts::default());
        assert!(matches!(unknown, Applied::Unknown(_)));
    }

    #[test]
    fn an_nfs_volume_is_left_alone_and_a_local_one_is_given() {
        assert!(matches!(applied("{}", r#"{"nfs": {"server": "s", "path": "/"}}"#), Applied::No(_)));
        assert!(matches!(applied("{}", r#"{"local": {"path": "/mnt"}}"#), Applied::Yes(_)));
    }

    #[test]
    fn every_condition_for_mounting_with_a_label_is_named_when_it_is_missing() {
        let right = format!(r#"{{{CSI}, "accessModes": ["ReadWriteOncePod"]}}"#);
        let announced = facts(r#"{"seLinuxMount": true}"#);
        let unmet = |spec: &str, labels: &[bool], recursive, facts: &StorageFacts| {
            unmet_for_context_mount(&Source::Persistent(&volume(spec)), labels, recursive, facts)
        };
        assert_eq!(unmet(&right, &[true], false, &announced), [""; 0]);
        let once = format!(r#"{{{CSI}, "accessModes": ["ReadWriteOnce", "ReadWriteOncePod"]}}"#);
        assert_eq!(
            unmet(&once, &[true, false], true, &facts("{}")),
            [
                "accessModes are [ReadWriteOnce, ReadWriteOncePod] and not [ReadWriteOncePod]",
                "spec.seLinuxMount of the CSIDriver d is not true",
                "not every container that uses the volume has seLinuxOptions",
                "seLinuxChangePolicy is Recursive",
            ]
        );
        let nfs = r#"{"nfs": {"server": "s", "path": "/"}, "accessModes": ["ReadWriteOncePod"]}"#;
        assert_eq!(
            unmet(nfs, &[true], false, &announced),
            ["the volume is neither iscsi, rbd or fc nor of a CSI driver"]
        );
    }
}
