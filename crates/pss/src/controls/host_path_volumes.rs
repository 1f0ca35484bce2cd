//! `hostPathVolumes`: a pod may not mount files of the node.

use crate::{
    control::{Control, Revision, documented},
    field::{Field, Remedy},
    finding::{Finding, Findings, Value},
    level::Level,
    pod::Pod,
    version::Version,
    words,
};

static HOST_PATH: Field = Field {
    path: "spec.volumes[*].hostPath",
    allowed: "volumes that are not of the node's files",
    hint: "emptyDir: {} for scratch space; persistentVolumeClaim, configMap, secret or projected for what must be there",
    remedy: Remedy::Choose,
    example: r#"{"path": "/"}"#,
    inherits: None,
};

documented! {
    /// ## What it does
    ///
    /// Refuses volumes of type `hostPath`, whichever path they name and whether or not they are mounted read-only.
    ///
    /// ## Why is this bad
    ///
    /// Whoever writes to the node's files owns the node: a line in a cron table or a unit file is enough. Reading is
    /// often enough too, since credentials of the kubelet and of other pods lie there.
    ///
    /// ## Example
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///   volumes:
    ///     - name: data
    ///       hostPath:
    ///         path: /var/lib/app
    /// ```
    ///
    /// ## Use instead
    ///
    /// ```yaml
    /// spec:
    ///   containers:
    ///     - name: app
    ///       image: registry.example/app:1
    ///   volumes:
    ///     - name: data
    ///       persistentVolumeClaim:
    ///         claimName: app
    /// ```
    pub static CONTROL: Control = Control {
        id: "hostPathVolumes",
        level: Level::Baseline,
        title: "Files of the node must not be mounted",
        fields: &[&HOST_PATH],
        revisions: &[Revision {
            since: Version::v1(0),
            overrides: &[],
            change: "hostPath volumes are refused",
            check: host_path_volumes_1_0,
            detail,
        }],
        reason: |_| "hostPath volumes",
        docs: DOCS,
    };
}

fn host_path_volumes_1_0<'p>(pod: &Pod<'p>, out: &mut Findings<'p>) {
    for (i, volume) in pod.spec.volumes.as_deref().unwrap_or_default().iter().enumerate() {
        if volume.host_path.is_some() {
            out.volume(&HOST_PATH, i, &volume.name, Value::Object);
        }
    }
}

fn detail(found: &[Finding<'_>], out: &mut String) {
    words::volumes(found, out);
}

#[cfg(test)]
mod tests {
    use crate::testing::{by, paths, pod};
    use serde_json::json;

    #[test]
    fn refuses_every_volume_of_the_nodes_files() {
        let volumes = json!([
            {"name": "a", "hostPath": {"path": "/"}},
            {"name": "b", "emptyDir": {}},
            {"name": "c", "hostPath": {"path": ""}},
        ]);
        let pod = pod(json!({"containers": [], "volumes": volumes}));
        assert_eq!(by("hostPathVolumes", "v1.0", &pod), r#"hostPath volumes (volumes "a", "c")"#);
        assert_eq!(paths("hostPathVolumes", "v1.0", &pod), ["spec.volumes[0].hostPath", "spec.volumes[2].hostPath"]);
    }
}
