//! CVE-2022-0811: a sysctl that smuggles another one in by its name or value.

use std::collections::HashMap;
use std::fs;

use serde_json::json;

use crate::harness::Bed;
use crate::pod;

const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Names and values that a careless reader takes apart, or joins to a path.
const SMUGGLED: [(&str, &str); 7] = [
    ("kernel.shm_rmid_forced", "1+kernel.core_pattern=|/bin/ringfence-was-here"),
    ("kernel.shm_rmid_forced", "1\nkernel.core_pattern=|/bin/ringfence-was-here"),
    ("kernel.shm_rmid_forced+kernel.core_pattern", "|/bin/ringfence-was-here"),
    ("net.ipv4.../../kernel.core_pattern", "|/bin/ringfence-was-here"),
    ("net/../kernel/core_pattern", "|/bin/ringfence-was-here"),
    ("net/ipv4/../../kernel/core_pattern", "|/bin/ringfence-was-here"),
    ("kernel.core_pattern", "|/bin/ringfence-was-here"),
];

#[test]
fn a_sysctl_of_the_machine_cannot_be_smuggled_into_a_pod() {
    let before = fs::read_to_string(CORE_PATTERN).unwrap();
    for engine in pod::engines() {
        for (name, value) in SMUGGLED {
            let spec = json!({
                "securityContext": {"sysctls": [{"name": name, "value": value}]},
                "containers": [{}]
            });
            let outcome = pod::run(&*engine, spec, &["cat", CORE_PATTERN]);
            let after = fs::read_to_string(CORE_PATTERN).unwrap();
            if after != before {
                fs::write(CORE_PATTERN, &before).unwrap();
            }
            assert_eq!(after, before, "{} set {name}={value}", engine.name());
            // runc writes what it is given, and the kernel reads a number to its end.
            let refused = outcome.is_err() || engine.name() != "built-in";
            assert!(refused, "{} started with {name}={value}: {outcome:?}", engine.name());
        }
    }
}

#[test]
fn a_sysctl_of_the_machine_cannot_be_smuggled_into_a_spec() {
    let before = fs::read_to_string(CORE_PATTERN).unwrap();
    for (name, value) in SMUGGLED {
        let Some(mut bed) = Bed::new() else { return };
        bed.linux().set_sysctl(Some(HashMap::from([(name.to_owned(), value.to_owned())])));
        let outcome = bed.sh("true");
        let after = fs::read_to_string(CORE_PATTERN).unwrap();
        if after != before {
            fs::write(CORE_PATTERN, &before).unwrap();
        }
        assert_eq!(after, before, "the launcher set {name}={value}");
        assert!(outcome.is_err(), "the launcher started with {name}={value}: {outcome:?}");
    }
}
