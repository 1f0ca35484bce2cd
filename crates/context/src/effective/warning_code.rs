//! The stable names of warnings.

/// Capabilities are added for a user who is not root: they land in the bounding set alone.
pub const CAPABILITIES_WITHOUT_EFFECT: &str = "capabilities-without-effect";
/// A capability is written with `CAP_`: containerd adds nothing.
pub const CAPABILITY_PREFIX: &str = "capability-prefix";
/// A capability is not in upper case: the runtime understands it, policies do not.
pub const CAPABILITY_CASE: &str = "capability-case";
/// A capability that nobody knows: the runtime ignores it.
pub const CAPABILITY_UNKNOWN: &str = "capability-unknown";
/// The same capability, or ALL, is added and dropped: drop wins.
pub const CAPABILITY_ADDED_AND_DROPPED: &str = "capability-added-and-dropped";
/// `capabilities` beside `privileged: true`.
pub const CAPABILITIES_IGNORED_WHEN_PRIVILEGED: &str = "capabilities-ignored-when-privileged";
/// runAsUser without runAsGroup leaves the group to the image, and to root where the image does not know the user.
pub const RUN_AS_GROUP_MISSING: &str = "run-as-group-missing";
/// The group of the image's USER is ignored by the kubelet.
pub const IMAGE_GROUP_IGNORED: &str = "image-group-ignored";
/// Whether runAsNonRoot lets the container start depends on the image.
pub const RUN_AS_NON_ROOT_DEPENDS_ON_IMAGE: &str = "run-as-non-root-depends-on-image";
/// runAsNonRoot: false permits what is permitted anyway, or undoes the pod's.
pub const RUN_AS_NON_ROOT_FALSE: &str = "run-as-non-root-false";
/// The image's /etc/group adds groups that the manifest does not show.
pub const IMAGE_GROUPS: &str = "image-groups";
/// allowPrivilegeEscalation: false contradicts privileged or SYS_ADMIN.
pub const PRIVILEGE_ESCALATION_CONTRADICTED: &str = "privilege-escalation-contradicted";
/// A seccomp profile beside `privileged: true`.
pub const SECCOMP_IGNORED_WHEN_PRIVILEGED: &str = "seccomp-ignored-when-privileged";
/// A seccomp annotation, which nothing reads since v1.27.
pub const SECCOMP_ANNOTATION: &str = "seccomp-annotation";
/// An AppArmor profile beside `privileged: true`.
pub const APP_ARMOR_IGNORED_WHEN_PRIVILEGED: &str = "app-armor-ignored-when-privileged";
/// An AppArmor annotation, deprecated since v1.30.
pub const APP_ARMOR_ANNOTATION: &str = "app-armor-annotation";
/// seLinuxOptions on a node without SELinux.
pub const SELINUX_UNAVAILABLE: &str = "selinux-unavailable";
/// seLinuxOptions beside `privileged: true`.
pub const SELINUX_IGNORED_WHEN_PRIVILEGED: &str = "selinux-ignored-when-privileged";
/// A fixed MCS level is shared by every pod that names it.
pub const SELINUX_SHARED_LEVEL: &str = "selinux-shared-level";
/// procMount beside `privileged: true`.
pub const PROC_MOUNT_IGNORED_WHEN_PRIVILEGED: &str = "proc-mount-ignored-when-privileged";
/// procMount: Unmasked needs a user namespace.
pub const PROC_MOUNT_UNMASKED: &str = "proc-mount-unmasked";
/// A sysctl that the kubelet allows only by configuration.
pub const SYSCTL_UNSAFE: &str = "sysctl-unsafe";
/// hostUsers: false and what it does to IDs, or what it cannot be combined with.
pub const HOST_USERS: &str = "host-users";
/// shareProcessNamespace beside hostPID.
pub const SHARE_PROCESS_NAMESPACE_IGNORED: &str = "share-process-namespace-ignored";
/// fsGroup on a volume whose ownership the kubelet does not manage.
pub const FS_GROUP_IGNORED: &str = "fs-group-ignored";
/// fsGroupChangePolicy without a volume that it applies to.
pub const FS_GROUP_CHANGE_POLICY_IGNORED: &str = "fs-group-change-policy-ignored";
/// fsGroup and a subPath on a volume.
pub const FS_GROUP_SUB_PATH: &str = "fs-group-sub-path";
/// A mount that is read-only whatever the manifest says.
pub const MOUNT_READ_ONLY: &str = "mount-read-only";
/// A mount of a volume that the pod does not have.
pub const VOLUME_MISSING: &str = "volume-missing";
/// The node's runtime is not the one whose behaviour is predicted.
pub const RUNTIME_NOT_MODELLED: &str = "runtime-not-modelled";
/// windowsOptions on Linux.
pub const WINDOWS_OPTIONS: &str = "windows-options";

/// Every code.
pub const ALL: &[&str] = &[
    CAPABILITIES_WITHOUT_EFFECT,
    CAPABILITY_PREFIX,
    CAPABILITY_CASE,
    CAPABILITY_UNKNOWN,
    CAPABILITY_ADDED_AND_DROPPED,
    CAPABILITIES_IGNORED_WHEN_PRIVILEGED,
    RUN_AS_GROUP_MISSING,
    IMAGE_GROUP_IGNORED,
    RUN_AS_NON_ROOT_DEPENDS_ON_IMAGE,
    RUN_AS_NON_ROOT_FALSE,
    IMAGE_GROUPS,
    PRIVILEGE_ESCALATION_CONTRADICTED,
    SECCOMP_IGNORED_WHEN_PRIVILEGED,
    SECCOMP_ANNOTATION,
    APP_ARMOR_IGNORED_WHEN_PRIVILEGED,
    APP_ARMOR_ANNOTATION,
    SELINUX_UNAVAILABLE,
    SELINUX_IGNORED_WHEN_PRIVILEGED,
    SELINUX_SHARED_LEVEL,
    PROC_MOUNT_IGNORED_WHEN_PRIVILEGED,
    PROC_MOUNT_UNMASKED,
    SYSCTL_UNSAFE,
    HOST_USERS,
    SHARE_PROCESS_NAMESPACE_IGNORED,
    FS_GROUP_IGNORED,
    FS_GROUP_CHANGE_POLICY_IGNORED,
    FS_GROUP_SUB_PATH,
    MOUNT_READ_ONLY,
    VOLUME_MISSING,
    RUNTIME_NOT_MODELLED,
    WINDOWS_OPTIONS,
];

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn codes_are_unique_and_in_kebab_case() {
        for (index, code) in ALL.iter().enumerate() {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
            assert!(!ALL[..index].contains(code), "{code}");
        }
    }

    #[test]
    fn every_constant_is_listed() {
        let source = include_str!("warning_code.rs");
        assert_eq!(source.matches("\npub const ").count() - 1, ALL.len());
    }
}
