//! Every restricted field is found where it stands, in containers of every kind, and its remedy is one.

use k8s_openapi::api::core::v1::Pod;
use ringfence_pss::{CONTROLS, Control, Edit, Field, Finding, Version, evaluate};
use serde_json::{Value, json};

#[test]
fn every_restricted_field_is_found_at_its_path_and_its_remedy_satisfies_the_control() {
    for control in CONTROLS {
        for field in control.fields {
            for path in places(field) {
                let mut pod = plain_pod();
                set(&mut pod, &path, serde_json::from_str(field.example).expect(field.path));
                let version = (control.revisions.iter().map(|revision| revision.since))
                    .find(|version| !findings_at(control, *version, &pod, &path).is_empty())
                    .unwrap_or_else(|| panic!("{}: {path} is never found", control.id));

                let edits = findings_at(control, version, &pod, &path);
                assert_eq!(edits.len(), 1, "{}: {path} is found once", control.id);
                let Some(edit) = &edits[0] else { continue };
                match edit {
                    Edit::Set { path, value } => set(&mut pod, path, serde_json::from_str(value).expect("JSON")),
                    Edit::Remove { path } => remove(&mut pod, path),
                }
                assert_eq!(findings_at(control, version, &pod, &path), [], "{}: {path} after {edit:?}", control.id);
            }
        }
    }
}

/// Where a field can stand: once for each kind of container, or once for the pod.
fn places(field: &Field) -> Vec<String> {
    let one = |path: &str| path.replace("[*]", "[0]").replace("/*]", "/app]");
    match field.path.strip_prefix("spec.containers[*]") {
        Some(rest) => ["initContainers", "containers", "ephemeralContainers"]
            .map(|list| format!("spec.{list}[0]{}", one(rest)))
            .to_vec(),
        None => vec![one(field.path)],
    }
}

/// The edits that a control offers for one path.
fn findings_at(control: &Control, version: Version, pod: &Value, path: &str) -> Vec<Option<Edit>> {
    let pod: Pod = serde_json::from_value(pod.clone()).expect("a pod");
    let spec = pod.spec.expect("a spec");
    let verdict = evaluate(control.level, version, &pod.metadata, &spec);
    let by_control = |finding: &&Finding<'_>| finding.control().id == control.id && finding.path() == path;
    verdict.findings().iter().filter(by_control).map(|finding| finding.hint().edit).collect()
}

fn plain_pod() -> Value {
    json!({"metadata": {}, "spec": {
        "containers": [{"name": "app"}],
        "initContainers": [{"name": "init"}],
        "ephemeralContainers": [{"name": "debug"}],
    }})
}

/// The keys and indexes of a path: `a.b[0].c`, and `a[key]` where the key of an annotation may hold dots.
fn segments(path: &str) -> Vec<String> {
    if let Some(key) = path.strip_prefix("metadata.annotations[") {
        return ["metadata", "annotations", key.trim_end_matches(']')].map(str::to_owned).to_vec();
    }
    path.replace('[', ".").replace(']', "").split('.').map(str::to_owned).collect()
}

fn step<'v>(at: &'v mut Value, segment: &str) -> &'v mut Value {
    match segment.parse::<usize>() {
        Ok(index) => {
            if !at.is_array() {
                *at = json!([]);
            }
            let items = at.as_array_mut().expect("a list");
            if items.len() <= index {
                // The name keeps ports, sysctls and volumes decodable; a list of strings is set as a whole.
                items.resize(index + 1, json!({"name": "x"}));
            }
            &mut items[index]
        }
        Err(_) => &mut at[segment],
    }
}

fn set(pod: &mut Value, path: &str, value: Value) {
    *segments(path).iter().fold(pod, |at, segment| step(at, segment)) = value;
}

fn remove(pod: &mut Value, path: &str) {
    let segments = segments(path);
    let (last, parents) = segments.split_last().expect("a path");
    let parent = parents.iter().fold(pod, |at, segment| step(at, segment));
    match last.parse::<usize>() {
        Ok(index) => drop(parent.as_array_mut().expect("a list").remove(index)),
        Err(_) => drop(parent.as_object_mut().expect("an object").remove(last)),
    }
}
