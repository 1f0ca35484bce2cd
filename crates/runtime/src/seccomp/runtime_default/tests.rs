use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

const KERNEL: Option<KernelVersion> = Some(KernelVersion { major: 6, minor: 18 });

/// What containerd 2.4 answered on x86_64: the rules without capabilities, and those that each capability changes.
/// Under `allow` are the calls with one unconditional rule, under `rules` all others.
fn recorded() -> Value {
    serde_json::from_str(include_str!("../testdata/runtime-default-x86_64.json")).unwrap()
}

type Rules = BTreeMap<String, Vec<Value>>;

fn recorded_rules(of: &Value) -> Rules {
    let allowed = of["allow"].as_array().unwrap().iter().map(|name| {
        let rule = json!({"action": "SCMP_ACT_ALLOW"});
        (name.as_str().unwrap().to_owned(), vec![rule])
    });
    let other = of["rules"].as_object().unwrap().iter();
    allowed.chain(other.map(|(name, rules)| (name.clone(), rules.as_array().unwrap().clone()))).collect()
}

fn computed_rules(profile: &Profile) -> Rules {
    let mut rules = Rules::new();
    for rule in profile.oci().unwrap().syscalls().as_ref().unwrap() {
        let mut shown = serde_json::to_value(rule).unwrap();
        shown.as_object_mut().unwrap().remove("names");
        for name in rule.names() {
            rules.entry(name.clone()).or_default().push(shown.clone());
        }
    }
    rules
}

fn with(capabilities: &[&str]) -> Rules {
    computed_rules(&runtime_default(Target::X86_64, KERNEL, capabilities))
}

#[test]
fn allows_what_containerd_allows_without_capabilities() {
    assert_eq!(with(&[]), recorded_rules(&recorded()["none"]));
}

#[test]
fn each_capability_adds_what_it_adds_for_containerd() {
    let recorded = recorded();
    let mut sets = 0;
    for (set, change) in recorded["with"].as_object().unwrap() {
        let names: Vec<String> = if set == "default" {
            // The capabilities that containerd gives when a pod says nothing of them.
            ["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"]
                .iter()
                .chain(&["NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"])
                .map(|name| format!("CAP_{name}"))
                .collect()
        } else {
            vec![format!("CAP_{set}")]
        };
        let mut expected = recorded_rules(&recorded["none"]);
        for removed in change["removed"].as_array().unwrap() {
            expected.remove(removed.as_str().unwrap());
        }
        expected.extend(recorded_rules(change));
        assert_eq!(computed_rules(&runtime_default(Target::X86_64, KERNEL, &names)), expected, "{set}");
        sets += 1;
    }
    assert_eq!(sets, 29);
}

#[test]
fn refuses_by_default_on_all_three_x86_interfaces() {
    let profile = serde_json::to_value(runtime_default(Target::X86_64, KERNEL, &[""; 0]).oci()).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    assert_eq!(profile["architectures"], json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]));
    assert_eq!(profile.get("defaultErrnoRet"), None);
    assert_eq!(profile.get("flags"), None);
}

#[test]
fn arm_machines_have_their_own_calls() {
    let profile = runtime_default(Target::Aarch64, KERNEL, &["CAP_KILL"]);
    let rules = computed_rules(&profile);
    assert!(rules.contains_key("set_tls") && !rules.contains_key("arch_prctl"));
    let arches = serde_json::to_value(profile.oci()).unwrap();
    assert_eq!(arches["architectures"], json!(["SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64"]));
}

#[test]
fn an_old_or_unknown_kernel_may_not_be_traced() {
    for kernel in [None, KernelVersion::parse("4.7.10"), KernelVersion::parse("3.18")] {
        let rules = computed_rules(&runtime_default(Target::X86_64, kernel, &["CAP_SYS_CHROOT"]));
        assert!(!rules.contains_key("ptrace"), "{kernel:?}");
    }
    let rules = computed_rules(&runtime_default(Target::X86_64, KernelVersion::parse("4.8"), &["CAP_CHOWN"]));
    assert!(rules.contains_key("ptrace"));
}

#[test]
fn reads_kernel_releases() {
    let version = |major, minor| Some(KernelVersion { major, minor });
    assert_eq!(KernelVersion::parse("6.18.44-fc"), version(6, 18));
    assert_eq!(KernelVersion::parse("5.10-rc1"), version(5, 10));
    assert_eq!(KernelVersion::parse("4.4.0"), version(4, 4));
    for not in ["", "6", "six.1", "6.x", "6."] {
        assert_eq!(KernelVersion::parse(not), None, "{not}");
    }
}
