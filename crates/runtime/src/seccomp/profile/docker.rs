//! docker's format of a profile: the rules that apply are kept, and the architectures are those of this machine.

use serde_json::{Map, Value, json};

use super::ProfileError;
use crate::seccomp::{KernelVersion, Target};

/// What the rules of a profile may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a, S> {
    /// The machine.
    pub target: Target,
    /// The kernel; where its version cannot be read, rules that need one do not apply.
    pub kernel: Option<KernelVersion>,
    /// The bounding set, as `CAP_SYS_ADMIN`.
    pub capabilities: &'a [S],
}

/// The same profile in the form of the OCI runtime specification.
pub(super) fn resolved<S: AsRef<str>>(json: &[u8], conditions: &Conditions<'_, S>) -> Result<Vec<u8>, ProfileError> {
    let mut profile: Value = serde_json::from_slice(json)?;
    let Some(top) = profile.as_object_mut() else { return Ok(json.to_vec()) };
    let field = |name: &'static str, expected| ProfileError::Type { field: name.to_owned(), expected };
    if let Some(map) = taken(top, "archMap").filter(|map| map.as_array().is_some_and(|list| !list.is_empty())) {
        if found(top, "architectures").is_some_and(|list| list.as_array().is_some_and(|list| !list.is_empty())) {
            return Err(field("archMap", "not given beside architectures"));
        }
        top.insert("architectures".to_owned(), architectures(&map, conditions.target));
    }
    if let Some(Value::Array(rules)) = top.get_mut("syscalls") {
        let mut kept = Vec::new();
        for mut rule in std::mem::take(rules) {
            let Some(object) = rule.as_object_mut() else {
                kept.push(rule);
                continue;
            };
            let (includes, excludes) = (taken(object, "includes"), taken(object, "excludes"));
            if !applies(includes.as_ref(), excludes.as_ref(), conditions) {
                continue;
            }
            if let Some(Value::String(name)) = taken(object, "name").filter(|name| name.as_str() != Some("")) {
                if found(object, "names").is_some_and(|names| names.as_array().is_some_and(|list| !list.is_empty())) {
                    return Err(field("syscalls[].name", "not given beside names"));
                }
                object.insert("names".to_owned(), json!([name]));
            }
            kept.push(rule);
        }
        *rules = kept;
    }
    Ok(serde_json::to_vec(&profile)?)
}

fn key(object: &Map<String, Value>, name: &str) -> Option<String> {
    if object.contains_key(name) {
        return Some(name.to_owned());
    }
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned()
}

fn found<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
    object.get(&key(object, name)?)
}

fn taken(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = key(object, name)?;
    object.remove(&key)
}

/// The entry of this machine: its own architecture and those that it can also execute.
fn architectures(map: &Value, target: Target) -> Value {
    let own = match target {
        Target::X86_64 => "SCMP_ARCH_X86_64",
        Target::Aarch64 => "SCMP_ARCH_AARCH64",
    };
    let entries = map.as_array().map(Vec::as_slice).unwrap_or_default();
    let entry = entries.iter().find(|entry| entry.get("architecture").and_then(Value::as_str) == Some(own));
    let Some(entry) = entry else { return json!([]) };
    let below = entry.get("subArchitectures").and_then(Value::as_array).cloned().unwrap_or_default();
    Value::Array(std::iter::once(json!(own)).chain(below).collect())
}

fn applies<S: AsRef<str>>(includes: Option<&Value>, excludes: Option<&Value>, conditions: &Conditions<'_, S>) -> bool {
    let arch = match conditions.target {
        Target::X86_64 => "amd64",
        Target::Aarch64 => "arm64",
    };
    let strings = |of: Option<&Value>, name: &str| -> Vec<String> {
        let list = of.and_then(Value::as_object).and_then(|object| found(object, name)).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let has = |capability: &String| conditions.capabilities.iter().any(|held| held.as_ref() == capability);
    let new_enough = |of: Option<&Value>| {
        let least = of.and_then(Value::as_object).and_then(|object| found(object, "minKernel"))?.as_str()?;
        // A version that cannot be read is one that no kernel has.
        Some(conditions.kernel.zip(KernelVersion::parse(least)).is_some_and(|(kernel, least)| kernel >= least))
    };
    let arches = strings(includes, "arches");
    let is_excluded = strings(excludes, "arches").iter().any(|one| one == arch)
        || strings(excludes, "caps").iter().any(has)
        || new_enough(excludes) == Some(true);
    let is_included = (arches.is_empty() || arches.iter().any(|one| one == arch))
        && strings(includes, "caps").iter().all(has)
        && new_enough(includes) != Some(false);
    is_included && !is_excluded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp::Profile;

    const PROFILE: &str = r#"{
        "defaultAction": "SCMP_ACT_ERRNO",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"name": "read", "action": "SCMP_ACT_ALLOW"},
            {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["set_tls"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}}
        ]}"#;

    fn names(capabilities: &[&str], kernel: &str) -> Vec<String> {
        let conditions = Conditions { target: Target::X86_64, kernel: KernelVersion::parse(kernel), capabilities };
        let profile = Profile::from_docker_json(PROFILE.as_bytes(), &conditions).unwrap();
        let oci = profile.oci().unwrap();
        assert_eq!(oci.architectures().as_ref().map(Vec::len), Some(2));
        oci.syscalls().iter().flatten().flat_map(|rule| rule.names().clone()).collect()
    }

    #[test]
    fn rules_depend_on_capabilities_kernel_and_machine() {
        assert_eq!(names(&[], "6.1"), ["read", "clone3", "ptrace"]);
        assert_eq!(names(&["CAP_SYS_ADMIN"], "4.4"), ["read", "mount"]);
        assert_eq!(names(&[], ""), ["read", "clone3"]);
    }

    #[test]
    fn what_says_two_things_is_refused() {
        let both = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]}"#;
        let conditions = Conditions { target: Target::X86_64, kernel: None, capabilities: &[""; 0] };
        assert!(Profile::from_docker_json(both.as_bytes(), &conditions).is_err());
        assert!(Profile::from_docker_json(b"[]", &conditions).is_err());
    }
}
