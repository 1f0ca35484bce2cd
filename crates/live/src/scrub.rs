//! What may hold secrets is not kept.

use serde_json::{Map, Value};

/// Annotations of Kubernetes and OpenShift themselves, which decide about pods and labels. Anybody else's may hold
/// anything.
const DOMAINS: [&str; 3] = ["kubernetes.io", "k8s.io", "openshift.io"];

/// Annotations of these that hold what somebody typed: the object as it was applied, or a command line.
const TYPED: [&str; 2] = ["kubectl.kubernetes.io/last-applied-configuration", "kubernetes.io/change-cause"];

/// Takes out of an object what may hold secrets and decides nothing about admission: values of environment variables,
/// commands and their arguments, HTTP headers and commands of probes and hooks, parameters of volume drivers,
/// annotations that are not Kubernetes' or OpenShift's own, and the status but for the pod's phase. Who manages which
/// field stays for namespaces only.
pub fn scrub(kind: &str, object: &mut Value) {
    let Value::Object(fields) = object else { return };
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        annotations(metadata);
        if kind != "Namespace" {
            metadata.remove("managedFields");
        }
    }
    match fields.remove("status") {
        Some(Value::Object(mut status)) => {
            // The reason tells copies of an operator.
            let kept = if kind == "ClusterServiceVersion" { "reason" } else { "phase" };
            if let Some(value) = status.remove(kept) {
                fields.insert("status".to_owned(), Value::Object(Map::from_iter([(kept.to_owned(), value)])));
            }
        }
        Some(_) | None => {}
    }
    match kind {
        "ClusterServiceVersion" => drop(fields.remove("spec")),
        "Pod" => pod(object.get_mut("spec")),
        "PodTemplate" => template(object.get_mut("template")),
        "CronJob" => template(object.pointer_mut("/spec/jobTemplate/spec/template")),
        _ => template(object.pointer_mut("/spec/template")),
    }
}

fn annotations(metadata: &mut Map<String, Value>) {
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations") {
        annotations.retain(|key, _| is_kept(key));
    }
}

fn is_kept(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let within = |own: &str| domain.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    // CRI-O's and the like are written the other way round.
    let is_own = DOMAINS.into_iter().any(within) || key.starts_with("io.kubernetes.");
    is_own && !TYPED.contains(&key)
}

fn template(template: Option<&mut Value>) {
    let Some(Value::Object(template)) = template else { return };
    if let Some(Value::Object(metadata)) = template.get_mut("metadata") {
        annotations(metadata);
    }
    pod(template.get_mut("spec"));
}

fn pod(spec: Option<&mut Value>) {
    let Some(Value::Object(spec)) = spec else { return };
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        each(spec.get_mut(list), container);
    }
    each(spec.get_mut("volumes"), |volume| {
        for (driver, parameters) in [("flexVolume", "options"), ("csi", "volumeAttributes")] {
            remove(volume.get_mut(driver), parameters);
        }
    });
}

fn container(container: &mut Map<String, Value>) {
    container.remove("command");
    container.remove("args");
    each(container.get_mut("env"), |variable| drop(variable.remove("value")));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        action(container.get_mut(probe));
    }
    if let Some(Value::Object(hooks)) = container.get_mut("lifecycle") {
        hooks.values_mut().for_each(|hook| action(Some(hook)));
    }
}

/// A probe or hook keeps its kind and its host, which are judged.
fn action(action: Option<&mut Value>) {
    let Some(Value::Object(action)) = action else { return };
    remove(action.get_mut("exec"), "command");
    remove(action.get_mut("httpGet"), "httpHeaders");
    remove(action.get_mut("httpGet"), "path");
}

fn remove(from: Option<&mut Value>, field: &str) {
    if let Some(Value::Object(fields)) = from {
        fields.remove(field);
    }
}

fn each(list: Option<&mut Value>, mut visit: impl FnMut(&mut Map<String, Value>)) {
    for item in list.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(fields) = item {
            visit(fields);
        }
    }
}

/// The text at the pointer, or nothing.
pub(crate) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Everything that is the word `secret` goes, everything else stays.
    fn spec() -> Value {
        json!({
            "serviceAccountName": "app",
            "containers": [{
                "name": "c", "image": "i", "command": ["secret"], "args": ["secret"],
                "env": [{"name": "A", "value": "secret"},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                "livenessProbe": {"exec": {"command": ["secret"]}},
                "readinessProbe": {"httpGet": {"host": "h", "port": 1, "path": "/secret", "httpHeaders": [{"value": "secret"}]}},
                "lifecycle": {"preStop": {"exec": {"command": ["secret"]}}},
            }],
            "initContainers": [{"name": "i", "args": ["secret"]}],
            "ephemeralContainers": [{"name": "e", "env": [{"name": "A", "value": "secret"}]}],
            "volumes": [{"name": "v", "csi": {"driver": "d", "volumeAttributes": {"k": "secret"}}},
                {"name": "w", "flexVolume": {"driver": "d", "options": {"k": "secret"}}}],
        })
    }

    fn scrubbed() -> Value {
        json!({
            "serviceAccountName": "app",
            "containers": [{
                "name": "c", "image": "i",
                "env": [{"name": "A"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
                "livenessProbe": {"exec": {}},
                "readinessProbe": {"httpGet": {"host": "h", "port": 1}},
                "lifecycle": {"preStop": {"exec": {}}},
            }],
            "initContainers": [{"name": "i"}],
            "ephemeralContainers": [{"name": "e", "env": [{"name": "A"}]}],
            "volumes": [{"name": "v", "csi": {"driver": "d"}}, {"name": "w", "flexVolume": {"driver": "d"}}],
        })
    }

    fn metadata() -> Value {
        json!({"name": "a", "labels": {"l": "v"}, "managedFields": [{"manager": "m"}], "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "secret", "kubernetes.io/change-cause": "secret",
            "example.com/token": "secret", "notkubernetes.io/token": "secret", "plain": "secret",
            "openshift.io/scc": "restricted-v2", "security.openshift.io/x": "y", "io.kubernetes.cri-o.userns-mode": "auto",
        }})
    }

    #[test]
    fn nothing_secret_is_left_of_pods_wherever_they_are() {
        let holders: [(&str, Value, &str); 4] = [
            (
                "Pod",
                json!({"metadata": metadata(), "spec": spec(), "status": {"phase": "Running", "message": "secret"}}),
                "/spec",
            ),
            (
                "Deployment",
                json!({"spec": {"template": {"metadata": metadata(), "spec": spec()}}, "status": {"x": "secret"}}),
                "/spec/template/spec",
            ),
            (
                "CronJob",
                json!({"spec": {"jobTemplate": {"spec": {"template": {"metadata": metadata(), "spec": spec()}}}}}),
                "/spec/jobTemplate/spec/template/spec",
            ),
            ("PodTemplate", json!({"template": {"metadata": metadata(), "spec": spec()}}), "/template/spec"),
        ];
        for (kind, mut object, at) in holders {
            scrub(kind, &mut object);
            assert_eq!(object.pointer(at), Some(&scrubbed()), "{kind}");
            assert!(!object.to_string().contains(r#""secret""#), "{object}");
        }
    }

    #[test]
    fn annotations_that_decide_stay() {
        let mut pod = json!({"metadata": metadata(), "status": {"phase": "Running", "message": "secret"}});
        scrub("Pod", &mut pod);
        let kept = json!({"metadata": {"name": "a", "labels": {"l": "v"}, "annotations": {
            "openshift.io/scc": "restricted-v2", "security.openshift.io/x": "y", "io.kubernetes.cri-o.userns-mode": "auto"}},
            "status": {"phase": "Running"}});
        assert_eq!(pod, kept);
    }

    #[test]
    fn managers_stay_for_namespaces_and_reasons_for_operators() {
        let mut namespace = json!({"metadata": metadata(), "status": {"phase": "Active"}});
        scrub("Namespace", &mut namespace);
        assert_eq!(text(&namespace, "/metadata/managedFields/0/manager"), "m");
        let mut csv = json!({"metadata": {"name": "a"}, "spec": {"install": "secret"}, "status": {"reason": "Copied", "message": "secret"}});
        scrub("ClusterServiceVersion", &mut csv);
        assert_eq!(csv, json!({"metadata": {"name": "a"}, "status": {"reason": "Copied"}}));
    }

    #[test]
    fn shapes_that_no_server_sends_are_passed_over() {
        for object in [
            json!(7),
            json!({"metadata": [], "spec": 3, "status": 1}),
            json!({"spec": {"containers": [1, {"env": 2}]}}),
        ] {
            let mut pod = object.clone();
            scrub("Pod", &mut pod);
        }
    }
}
