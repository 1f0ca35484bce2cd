//! An object without what no command needs, and without what may be secret.
//!
//! What is kept is named here, and everything else goes: a field that the API gets tomorrow is not kept by accident.

use ringfence_admission::cluster::Kind;
use serde_json::{Map, Value};

/// Annotations that decide something.
const ANNOTATIONS: [&str; 10] = [
    "k8s.ovn.org/pod-networks",
    "kubernetes.io/enforce-mountable-secrets",
    "openshift.io/required-scc",
    "openshift.io/sa.scc.mcs",
    "openshift.io/sa.scc.supplemental-groups",
    "openshift.io/sa.scc.uid-range",
    "openshift.io/scc",
    "rbac.authorization.kubernetes.io/autoupdate",
    "security.openshift.io/MinimallySufficientPodSecurityStandard",
    "security.openshift.io/validated-scc-subject-type",
];

/// Annotations that decide something about one container each.
const ANNOTATION_PREFIXES: [&str; 4] = [
    "seccomp.security.alpha.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "container.apparmor.security.beta.kubernetes.io/",
    "pod-security.kubernetes.io/",
];

/// What is kept of a pod's spec as it is.
const SPEC: [&str; 16] = [
    "activeDeadlineSeconds",
    "automountServiceAccountToken",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostUsers",
    "imagePullSecrets",
    "nodeName",
    "os",
    "restartPolicy",
    "runtimeClassName",
    "schedulingGates",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "shareProcessNamespace",
];

/// What is kept of a container as it is. Commands and arguments go: passwords are passed in them.
const CONTAINER: [&str; 8] = [
    "image",
    "name",
    "ports",
    "restartPolicy",
    "securityContext",
    "targetContainerName",
    "volumeDevices",
    "volumeMounts",
];

/// The object, slimmed; `None` if no command needs objects of its kind.
pub(crate) fn slim(api_version: &str, kind: &str, object: Value) -> Option<Value> {
    let known = Kind::of(api_version, kind)?;
    let Value::Object(mut object) = object else { return None };
    let metadata = object.remove("metadata").map(|metadata| slim_metadata(metadata, known)).unwrap_or_default();
    let mut slim = match known {
        Kind::Namespace => keep(object, &["status"], |status| only(status, &["phase"])),
        Kind::ServiceAccount => pick(object, &["automountServiceAccountToken", "imagePullSecrets", "secrets"]),
        Kind::Pod => keep(object, &["spec"], slim_spec),
        Kind::PodTemplate => keep(object, &["template"], slim_template),
        Kind::CronJob => keep(object, &["spec"], |spec| {
            within(spec, "jobTemplate", |job| within(job, "spec", |spec| within(spec, "template", slim_template)))
        }),
        Kind::ReplicationController
        | Kind::ReplicaSet
        | Kind::Deployment
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::Job => keep(object, &["spec"], |spec| within(spec, "template", slim_template)),
        // Nothing in them is secret, and nearly everything counts.
        Kind::SecurityContextConstraints
        | Kind::Role
        | Kind::ClusterRole
        | Kind::RoleBinding
        | Kind::ClusterRoleBinding => object,
        Kind::Waiver => pick(object, &["spec"]),
        Kind::ClusterServiceVersion => keep(object, &["status"], |status| only(status, &["reason"])),
    };
    slim.insert("apiVersion".to_owned(), api_version.into());
    slim.insert("kind".to_owned(), kind.into());
    slim.insert("metadata".to_owned(), metadata);
    Some(Value::Object(slim))
}

fn pick(mut object: Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    object.retain(|name, _| names.contains(&&**name));
    object
}

fn keep(object: Map<String, Value>, names: &[&str], slim: impl Fn(Value) -> Value) -> Map<String, Value> {
    pick(object, names).into_iter().map(|(name, value)| (name, slim(value))).collect()
}

fn only(value: Value, names: &[&str]) -> Value {
    match value {
        Value::Object(object) => Value::Object(pick(object, names)),
        _ => Value::Null,
    }
}

/// The field of that name alone, slimmed.
fn within(value: Value, name: &str, slim: impl Fn(Value) -> Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(keep(object, &[name], slim)),
        _ => Value::Null,
    }
}

fn slim_metadata(metadata: Value, kind: Kind) -> Value {
    let names = [
        "annotations",
        "creationTimestamp",
        "generateName",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
    ];
    let Value::Object(mut metadata) = only(metadata, &names) else { return Value::Null };
    // Who set a label is asked of namespaces only. These are names of fields, never values.
    if kind != Kind::Namespace {
        metadata.remove("managedFields");
    }
    // How long a waiver may last is counted from when it was made.
    if kind != Kind::Waiver {
        metadata.remove("creationTimestamp");
    }
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        let wanted = |name: &str| {
            ANNOTATIONS.contains(&name) || ANNOTATION_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        };
        annotations.retain(|name, _| wanted(name));
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    Value::Object(metadata)
}

fn slim_template(template: Value) -> Value {
    let Value::Object(mut template) = template else { return Value::Null };
    let metadata = template.remove("metadata").map(|metadata| slim_metadata(metadata, Kind::Pod));
    let mut slim = keep(template, &["spec"], slim_spec);
    slim.extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
    Value::Object(slim)
}

fn slim_spec(spec: Value) -> Value {
    let Value::Object(mut spec) = spec else { return Value::Null };
    let mut slim = Map::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        if let Some(Value::Array(containers)) = spec.remove(list) {
            slim.insert(list.to_owned(), containers.into_iter().map(slim_container).collect());
        }
    }
    if let Some(Value::Array(volumes)) = spec.remove("volumes") {
        slim.insert("volumes".to_owned(), volumes.into_iter().map(slim_volume).collect());
    }
    slim.extend(pick(spec, &SPEC));
    Value::Object(slim)
}

fn slim_container(container: Value) -> Value {
    let Value::Object(mut container) = container else { return Value::Null };
    let mut slim = Map::new();
    if let Some(Value::Array(env)) = container.remove("env") {
        // That a variable comes from a secret counts; its value does not.
        slim.insert("env".to_owned(), env.into_iter().map(|one| only(one, &["name", "valueFrom"])).collect());
    }
    slim.extend(container.remove("envFrom").map(|from| ("envFrom".to_owned(), from)));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        slim.extend(container.remove(probe).map(|value| (probe.to_owned(), slim_handler(value))));
    }
    if let Some(Value::Object(lifecycle)) = container.remove("lifecycle") {
        let hooks = keep(lifecycle, &["postStart", "preStop"], slim_handler);
        slim.insert("lifecycle".to_owned(), Value::Object(hooks));
    }
    slim.extend(pick(container, &CONTAINER));
    Value::Object(slim)
}

/// The host that a probe or hook calls, which a control looks at; headers and commands may hold tokens.
fn slim_handler(handler: Value) -> Value {
    let Value::Object(handler) = handler else { return Value::Null };
    Value::Object(keep(handler, &["httpGet", "tcpSocket"], |call| only(call, &["host", "port", "scheme"])))
}

/// Drivers are given options and attributes, which may be credentials.
fn slim_volume(volume: Value) -> Value {
    let Value::Object(mut volume) = volume else { return Value::Null };
    for (source, secret) in [("flexVolume", "options"), ("csi", "volumeAttributes")] {
        if let Some(Value::Object(source)) = volume.get_mut(source) {
            source.remove(secret);
        }
    }
    Value::Object(volume)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_that_may_be_secret_is_kept() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "uid": "SECRET", "managedFields": [{"x": "SECRET"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "SECRET", "vault/token": "SECRET",
                    "openshift.io/scc": "anyuid"}},
            "spec": {"hostPID": true, "tomorrow": "SECRET", "hostAliases": [{"hostnames": ["SECRET"]}],
                "containers": [{"name": "c", "image": "i", "command": ["SECRET"], "args": ["--password=SECRET"],
                    "env": [{"name": "A", "value": "SECRET"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s"}}}],
                    "livenessProbe": {"httpGet": {"host": "h", "port": 1, "path": "/?t=SECRET",
                        "httpHeaders": [{"name": "Authorization", "value": "SECRET"}]}},
                    "lifecycle": {"preStop": {"exec": {"command": ["SECRET"]}}}}],
                "volumes": [{"name": "v", "csi": {"driver": "d", "volumeAttributes": {"p": "SECRET"}}},
                    {"name": "f", "flexVolume": {"driver": "d", "options": {"p": "SECRET"}}}]},
            "status": {"x": "SECRET"}});
        let slimmed = slim("v1", "Pod", pod).unwrap();
        assert!(!slimmed.to_string().contains("SECRET"), "{slimmed:#}");
        assert_eq!(slimmed["metadata"]["annotations"], json!({"openshift.io/scc": "anyuid"}));
        assert_eq!(slimmed["spec"]["containers"][0]["livenessProbe"], json!({"httpGet": {"host": "h", "port": 1}}));
        assert_eq!(slimmed["spec"]["hostPID"], true);
    }

    #[test]
    fn secrets_and_what_nothing_reads_are_not_kept_at_all() {
        assert_eq!(slim("v1", "Secret", json!({"data": {}})), None);
        assert_eq!(slim("v1", "ConfigMap", json!({"data": {}})), None);
        assert_eq!(slim("example.com/v1", "Pod", json!({})), None);
    }
}
