//! `procMount_restricted`: the restricted level does not follow the baseline one in what that allows from v1.35 on.

use super::proc_mount::{PROC_MOUNT, detail, proc_mount_1_0};
use crate::{
    control::{Control, Revision, documented},
    level::Level,
    version::Version,
};

documented! {
    /// ## What it does
    ///
    /// Refuses a `procMount` other than `Default`, also in a pod with a user namespace of its own
    /// (`hostUsers: false`). Before v1.35 the control `procMount` did so at both levels.
    ///
    /// ## Why is this bad
    ///
    /// The files of /proc that runtimes mask tell about the node, and an unmasked /proc lets a container mount further
    /// ones. The restricted level keeps that closed.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   hostUsers: false
    ///   containers:
    ///     - name: builder
    ///       image: registry.example/builder:1
    ///       securityContext:
    ///         procMount: Unmasked
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: builder
    ///       image: registry.example/builder:1
    ///       securityContext:
    ///         procMount: Default
    /// ```
    pub static CONTROL: Control = Control {
        id: "procMount_restricted",
        level: Level::Restricted,
        title: "/proc must stay masked, also in a user namespace",
        fields: &[&PROC_MOUNT],
        revisions: &[Revision {
            since: Version::v1(35),
            overrides: &["procMount"],
            change: "values other than Default are refused",
            check: proc_mount_1_0,
            detail,
        }],
        reason: |_| "procMount",
        docs: DOCS,
    };
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, pod};
    use serde_json::json;

    #[test]
    fn refuses_an_unmasked_proc_in_a_user_namespace_too() {
        let containers = json!([{"name": "a", "securityContext": {"procMount": "Unmasked"}}]);
        let pod = pod(json!({"hostUsers": false, "containers": containers}));
        let refusal = r#"procMount (container "a" must not set securityContext.procMount to "Unmasked")"#;
        assert_eq!(by("procMount_restricted", "v1.35", &pod), refusal);
        assert_eq!(by("procMount_restricted", "v1.34", &pod), "");
        assert_eq!(by("procMount", "v1.35", &pod), "");
    }
}
