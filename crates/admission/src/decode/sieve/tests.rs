use super::*;
use k8s_openapi::api::core::v1::Pod;
use ringfence_pss::CONTROLS;
use serde_json::{Value, json};

/// A pod with something in every part that is not kept, and in many that are.
fn pod_with_everything() -> Value {
    let mut container = json!({
        "name": "app", "image": "x", "args": ["a"], "command": ["c"], "imagePullPolicy": "Always", "stdin": true,
        "stdinOnce": false, "tty": true, "workingDir": "/", "terminationMessagePath": "/t",
        "terminationMessagePolicy": "File", "restartPolicy": "Always",
        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}],
        "volumeDevices": [{"name": "d", "devicePath": "/dev/x"}],
        "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": true, "subPath": "s"}],
        "ports": [{"containerPort": 80, "hostPort": 80}], "livenessProbe": {"httpGet": {"port": "http", "host": "h"}},
    });
    let more = json!({
        "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {
            "fieldRef": {"fieldPath": "metadata.name"}, "secretKeyRef": {"name": "s", "key": "k", "optional": true},
            "resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}],
        "envFrom": [{"prefix": "p", "configMapRef": {"name": "c", "optional": false}}],
        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": "1"}, "claims": [{"name": "c"}]},
        "lifecycle": {"preStop": {"tcpSocket": {"port": 1, "host": "h"}}},
        "securityContext": {"privileged": true, "runAsUser": 0, "capabilities": {"add": ["X"], "drop": ["ALL"]}},
    });
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let terms = json!([{"topologyKey": "z", "labelSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [
        {"key": "k", "operator": "In", "values": ["v"]}]}, "namespaces": ["n"]}]);
    let metadata = json!({
        "name": "p", "labels": {"a": "b"}, "creationTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"container.apparmor.security.beta.kubernetes.io/app": "unconfined"},
        "managedFields": [{"manager": "m", "operation": "Update", "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:x": [1, 1.5, null]}}}],
        "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": "u", "controller": true}],
    });
    let affinity = json!({
        "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1,
            "preference": {"matchFields": [{"key": "k", "operator": "In", "values": ["v"]}]}}]},
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms},
    });
    let volumes = json!([
        {"name": "a", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"path": "t", "expirationSeconds": 1}},
            {"configMap": {"name": "c", "items": [{"key": "k", "path": "p", "mode": 1}]}},
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "f"}}]}}]}},
        {"name": "b", "configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}},
        {"name": "c", "secret": {"secretName": "c", "items": [{"key": "k", "path": "p"}]}},
        {"name": "d", "hostPath": {"path": "/", "type": ""}},
        {"name": "e", "nfs": {"server": "s", "path": "/"}},
    ]);
    let mut spec = json!({
        "activeDeadlineSeconds": 1, "automountServiceAccountToken": true, "dnsPolicy": "Default", "nodeName": "n",
        "enableServiceLinks": false, "preemptionPolicy": "Never", "priority": 0, "priorityClassName": "c",
        "restartPolicy": "Always", "schedulerName": "s", "serviceAccount": "a", "serviceAccountName": "a",
        "terminationGracePeriodSeconds": 30, "nodeSelector": {"a": "b"}, "overhead": {"cpu": "1m"},
        "hostNetwork": true, "hostPID": true, "runtimeClassName": "r", "os": {"name": "linux"},
        "affinity": affinity, "volumes": volumes, "containers": [container], "initContainers": [container],
        "ephemeralContainers": [container],
    });
    let more = json!({
        "dnsConfig": {"nameservers": ["1.1.1.1"], "options": [{"name": "n", "value": "v"}], "searches": ["s"]},
        "hostAliases": [{"ip": "1.1.1.1", "hostnames": ["h"]}], "imagePullSecrets": [{"name": "s"}],
        "resources": {"limits": {"cpu": "1"}}, "schedulingGates": [{"name": "g"}],
        "tolerations": [{"key": "k", "operator": "Exists", "tolerationSeconds": 300}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "ScheduleAnyway"}],
        "securityContext": {"sysctls": [{"name": "a", "value": "b"}], "seLinuxOptions": {"type": "t"}},
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let status =
        json!({"phase": "Pending", "startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "x", "status": "y"}]});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})
}

/// Takes away what is not kept.
fn strip(pod: &mut Pod) {
    fn container(value: Value) -> Value {
        let Value::Object(mut fields) = value else { return value };
        fields.retain(|name, _| !OF_CONTAINER.contains(&name.as_str()));
        Value::Object(fields)
    }
    pod.status = None;
    pod.metadata.managed_fields = None;
    let Some(spec) = &mut pod.spec else { return };
    let mut value = serde_json::to_value(&*spec).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.retain(|name, _| !OF_SPEC.contains(&name.as_str()));
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for item in fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            *item = container(item.take());
        }
    }
    for volume in fields.get_mut("volumes").and_then(Value::as_array_mut).into_iter().flatten() {
        for (source, unread) in [("projected", "sources"), ("configMap", "items"), ("secret", "items")] {
            if let Some(source) = volume.get_mut(source).and_then(Value::as_object_mut) {
                source.remove(unread);
            }
        }
    }
    *spec = serde_json::from_value(value).unwrap();
}

/// The same text both ways: refused by both, or taken by both for the same.
fn agree(json: &str) {
    match (serde_json::from_str::<Pod>(json), pod(json)) {
        (Ok(mut whole), Some(kept)) => {
            strip(&mut whole);
            assert_eq!(whole, kept, "{json}");
        }
        (Err(_), None) => {}
        (whole, kept) => panic!("{whole:?}\nis not\n{kept:?}\nof {json}"),
    }
}

/// Every place in a document, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            places(value, &format!("{at}/{name}"), found);
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| places(item, &format!("{at}/{i}"), found)),
        _ => {}
    }
}

#[test]
fn what_is_kept_is_as_in_the_whole_pod() {
    let json = pod_with_everything().to_string();
    assert!(pod(&json).unwrap().spec.unwrap().containers[0].env.is_none(), "{json}");
    agree(&json);
    agree("{}");
    agree(r#"{"spec":{"containers":[]},"spec":{"containers":[{"name":"a"}]}}"#);
    agree(r#"{"spec":{"hostNetwork":true,"nodeName":"a","nodeName":"b"}}"#);
}

#[test]
fn what_the_whole_pods_type_refuses_is_refused_wherever_it_is() {
    let everything = pod_with_everything();
    let mut all = Vec::new();
    places(&everything, "", &mut all);
    assert!(all.len() > 300, "{}", all.len());
    let others = [
        json!(null),
        json!(true),
        json!(7),
        json!(-1),
        json!(5_000_000_000_i64),
        json!(u64::MAX),
        json!(1.5),
        json!("x"),
        json!([]),
        json!([null]),
        json!([1]),
        json!(["x"]),
        json!([{}]),
        json!({}),
        json!({"x": null}),
        json!({"x": "x"}),
        json!({"x": 1}),
        json!({"name": 1}),
    ];
    for place in &all {
        for other in &others {
            let mut changed = everything.clone();
            *changed.pointer_mut(place).unwrap() = other.clone();
            agree(&changed.to_string());
        }
    }
}

#[test]
fn texts_that_are_no_json_are_refused() {
    let json = pod_with_everything().to_string();
    for end in (0..json.len()).step_by(7) {
        assert!(pod(&json[..end]).is_none());
    }
    for text in [r#"{"spec":{"nodeName":"\ud800"}}"#, r#"{"spec":{"nodeName":"a"}} x"#, r#"{"status":{"a":tru}}"#] {
        agree(text);
    }
    // A name that is written with escapes is left to those who read it whole.
    assert!(pod(r#"{"spec":{"node\u004eame":"a"}}"#).is_none());
}

#[test]
fn every_field_of_every_control_is_kept() {
    for field in CONTROLS.iter().flat_map(|control| control.fields) {
        let path = field.path.replace("[*]", "");
        let mut names = path.split('.');
        let read = match (names.next(), names.next(), names.next()) {
            (Some("spec"), Some("containers"), Some(name)) => !OF_CONTAINER.contains(&name),
            (Some("spec"), Some(name), _) => !OF_SPEC.contains(&name),
            (Some(name), ..) => name.starts_with("metadata"),
            _ => false,
        };
        assert!(read, "{path}");
    }
}

#[test]
fn every_field_that_is_not_kept_has_a_shape() {
    for (name, fields) in UNREAD.iter() {
        let wanted = match *name {
            "PodSpec" => OF_SPEC.len(),
            "Container" | "EphemeralContainer" => OF_CONTAINER.len(),
            "Volume" => 0,
            _ => 1,
        };
        let known: Vec<_> = fields.iter().map(|(field, _)| *field).collect();
        assert_eq!(known.len(), wanted, "{name}: {known:?}");
    }
}
