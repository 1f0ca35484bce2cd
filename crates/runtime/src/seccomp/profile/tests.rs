use super::*;

fn refused(json: &str) -> String {
    Profile::from_json(json.as_bytes()).unwrap_err().to_string()
}

fn with_rule(rule: &str) -> String {
    format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{rule}]}}"#)
}

#[test]
fn reads_every_field_of_the_specification() {
    let json = br#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "listenerPath": "/run/listener.sock", "listenerMetadata": "for the listener",
        "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ALLOW",
                      "args": [{"index": 0, "value": 18446744073709551615, "valueTwo": 8, "op": "SCMP_CMP_MASKED_EQ"}]},
                     {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}"#;
    let profile = Profile::from_json(json).unwrap();
    // The specification's own reader comes to the same.
    assert_eq!(profile.oci(), Some(&serde_json::from_slice(json).unwrap()));
    assert_eq!(profile.warnings(Target::X86_64), []);
}

#[test]
fn field_names_match_in_any_case_and_null_is_nothing() {
    let profile =
        Profile::from_json(br#"{"DefaultAction":"SCMP_ACT_LOG","SYSCALLS":null,"flags":null,"x":1}"#).unwrap();
    let seccomp = profile.oci().unwrap();
    assert_eq!(seccomp.default_action().to_string(), "SCMP_ACT_LOG");
    assert_eq!((seccomp.syscalls(), seccomp.flags()), (&None, &None));
}

#[test]
fn a_profile_that_says_nothing_turns_the_filter_off() {
    for json in ["{}", "null", r#"{"defaultAction":"","syscalls":[]}"#] {
        let profile = Profile::from_json(json.as_bytes()).unwrap();
        assert_eq!(profile.oci(), None, "{json}");
        assert_eq!(profile.warnings(Target::X86_64), [Warning::Disabled]);
    }
}

#[test]
fn names_the_field_that_is_wrong() {
    assert_eq!(refused("[]"), "`the profile` must be an object");
    assert_eq!(refused("{"), "the profile is not JSON");
    assert_eq!(refused(r#"{"syscalls":[{"action":"SCMP_ACT_KILL"}]}"#), "`defaultAction` is missing");
    assert_eq!(refused(&with_rule(r#"{"names":["read"]}"#)), "`syscalls[0].action` is missing");
    assert_eq!(
        refused(&with_rule(r#"{"names":"read","action":"SCMP_ACT_LOG"}"#)),
        "`syscalls[0].names` must be a list"
    );
    let argument =
        |arg: &str| with_rule(&format!(r#"{{"names":["read"],"action":"SCMP_ACT_LOG","args":[{{}},{arg}]}}"#));
    assert_eq!(refused(&argument("{}")), "`syscalls[0].args[0].op` is missing");
    let argument = |arg: &str| with_rule(&format!(r#"{{"names":["read"],"action":"SCMP_ACT_LOG","args":[{arg}]}}"#));
    assert_eq!(
        refused(&argument(r#"{"index":6,"op":"SCMP_CMP_EQ"}"#)),
        "`syscalls[0].args[0].index` is 6, the largest possible is 5"
    );
    assert_eq!(
        refused(&argument(r#"{"value":-1,"op":"SCMP_CMP_EQ"}"#)),
        "`syscalls[0].args[0].value` must be a whole number from 0 to 18446744073709551615"
    );
    assert_eq!(
        refused(&argument(r#"{"op":"SCMP_CMP_EQUAL"}"#)),
        "`syscalls[0].args[0].op` is \"SCMP_CMP_EQUAL\", known are SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, \
         SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ"
    );
}

#[test]
fn refuses_names_that_runc_does_not_know() {
    assert!(refused(r#"{"defaultAction":"SCMP_ACT_DENY"}"#).starts_with("`defaultAction` is \"SCMP_ACT_DENY\", known"));
    let arch = refused(r#"{"defaultAction":"SCMP_ACT_LOG","architectures":["SCMP_ARCH_X86","amd64"]}"#);
    assert!(arch.starts_with("`architectures[1]` is \"amd64\", known are SCMP_ARCH_X86, "), "{arch}");
    let flag = refused(r#"{"defaultAction":"SCMP_ACT_LOG","flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}"#);
    assert!(flag.starts_with("`flags[0]` is \"SECCOMP_FILTER_FLAG_NEW_LISTENER\", known are "), "{flag}");
}

#[test]
fn passes_over_what_only_docker_reads() {
    let profile = Profile::from_json(
        br#"{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":[]}],
             "syscalls":[{"names":["bpf"],"action":"SCMP_ACT_ALLOW","comment":"","includes":{"caps":["CAP_BPF"]},
                          "excludes":{}},
                         {"name":"read","action":"SCMP_ACT_ALLOW"}]}"#,
    );
    let shown: Vec<String> = profile.unwrap().warnings(Target::X86_64).iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["archMap", "syscalls[0].includes", "syscalls[1].name"]
            .map(|field| format!("`{field}` is docker's own and is passed over here, as by containerd"))
    );
}

#[test]
fn warns_of_what_cannot_match() {
    let profile = Profile::from_json(
        br#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_RISCV64"],
             "syscalls":[{"names":["raed","socket","recv","set_tls"],"action":"SCMP_ACT_ALLOW","args":[
                {"index":1,"value":1,"op":"SCMP_CMP_NE"},{"index":1,"value":2,"op":"SCMP_CMP_NE"}]}]}"#,
    );
    let unknown = |name: &str| Warning::UnknownSyscall { name: name.to_owned() };
    assert_eq!(
        profile.unwrap().warnings(Target::X86_64),
        [
            Warning::ForeignArchitecture { name: "SCMP_ARCH_RISCV64".to_owned() },
            Warning::RepeatedArgument { rule: 0, index: 1 },
            unknown("raed"),
            unknown("set_tls"),
        ]
    );
}
