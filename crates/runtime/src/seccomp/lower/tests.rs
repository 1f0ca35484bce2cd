//! What libseccomp and runc make of a profile, one rule of theirs at a time.

use super::*;
use crate::seccomp::{
    AUDIT_ARCH_AARCH64, AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, Call, MAX_INSTRUCTIONS, Profile, Program, X32_BIT, compile,
    syscall_number,
};

const EPERM: Verdict = Verdict::Errno(1);
const ENOSYS: Verdict = Verdict::Errno(38);

fn profile(default: &str, architectures: &str, syscalls: &str) -> Profile {
    let json = format!(r#"{{"defaultAction":"{default}","architectures":[{architectures}],"syscalls":[{syscalls}]}}"#);
    Profile::from_json(json.as_bytes()).unwrap()
}

fn program(default: &str, architectures: &str, syscalls: &str) -> Program {
    compile(&profile(default, architectures, syscalls), Target::X86_64).unwrap().unwrap()
}

fn refused(default: &str, architectures: &str, syscalls: &str) -> String {
    compile(&profile(default, architectures, syscalls), Target::X86_64).unwrap_err().to_string()
}

fn answer(program: &Program, abi: Abi, name: &str, args: [u64; 6]) -> Verdict {
    let number = syscall_number(abi, name).unwrap();
    program.evaluate(&Call::new(abi.audit_arch(), number).with_args(args)).unwrap()
}

fn numbered(program: &Program, arch: u32, number: u32) -> Verdict {
    program.evaluate(&Call::new(arch, number)).unwrap()
}

const READ: &str = r#"{"names":["read"],"action":"SCMP_ACT_ALLOW"}"#;
const STATX: &str = r#"{"names":["statx","read"],"action":"SCMP_ACT_ALLOW"}"#;
const ALL_X86: &str = r#""SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32""#;

#[test]
fn the_machines_own_interface_is_covered_without_being_listed() {
    for architectures in ["", r#""SCMP_ARCH_X86""#, r#""SCMP_ARCH_AARCH64""#] {
        let program = program("SCMP_ACT_ERRNO", architectures, STATX);
        assert_eq!(answer(&program, Abi::X86_64, "read", [0; 6]), Verdict::Allow, "{architectures}");
    }
}

#[test]
fn an_architecture_that_is_not_listed_kills_the_thread() {
    let program = program("SCMP_ACT_ALLOW", "", STATX);
    assert_eq!(numbered(&program, AUDIT_ARCH_I386, 3), Verdict::KillThread);
    assert_eq!(numbered(&program, AUDIT_ARCH_AARCH64, 3), Verdict::KillThread);
}

#[test]
fn an_x32_call_kills_unless_x32_is_listed_but_a_skipped_call_does_not() {
    let without = program("SCMP_ACT_ALLOW", "", "");
    assert_eq!(numbered(&without, AUDIT_ARCH_X86_64, X32_BIT), Verdict::KillThread);
    assert_eq!(numbered(&without, AUDIT_ARCH_X86_64, u32::MAX - 1), Verdict::KillThread);
    assert_eq!(numbered(&without, AUDIT_ARCH_X86_64, u32::MAX), Verdict::Allow);
    let with = program("SCMP_ACT_ERRNO", ALL_X86, STATX);
    assert_eq!(answer(&with, Abi::X32, "read", [0; 6]), Verdict::Allow);
    assert_eq!(numbered(&with, AUDIT_ARCH_X86_64, X32_BIT | 1), EPERM);
}

#[test]
fn calls_above_the_largest_that_is_named_are_unknown() {
    let program = program("SCMP_ACT_ERRNO", ALL_X86, STATX);
    for abi in [Abi::X86_64, Abi::X86, Abi::X32] {
        let last = syscall_number(abi, "statx").unwrap();
        assert_eq!(numbered(&program, abi.audit_arch(), last), Verdict::Allow);
        assert_eq!(numbered(&program, abi.audit_arch(), last - 1), EPERM);
        assert_eq!(numbered(&program, abi.audit_arch(), last + 1), ENOSYS);
    }
}

#[test]
fn a_rule_that_changes_nothing_still_says_what_the_profile_knows() {
    let program = program("SCMP_ACT_ERRNO", "", r#"{"names":["mseal"],"action":"SCMP_ACT_ERRNO"}"#);
    assert_eq!(answer(&program, Abi::X86_64, "clone3", [0; 6]), EPERM);
    assert_eq!(answer(&program, Abi::X86_64, "setxattrat", [0; 6]), ENOSYS);
}

#[test]
fn number_zero_alone_makes_nothing_unknown() {
    // runc starts its search for the largest number at 0, and takes 0 for having found none.
    let program = program("SCMP_ACT_ERRNO", "", READ);
    assert_eq!(numbered(&program, AUDIT_ARCH_X86_64, 5000), EPERM);
}

#[test]
fn no_call_is_unknown_to_a_profile_that_allows_by_default() {
    for default in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"] {
        let program = program(default, "", r#"{"names":["read"],"action":"SCMP_ACT_ERRNO"}"#);
        assert_ne!(numbered(&program, AUDIT_ARCH_X86_64, 5000), ENOSYS, "{default}");
    }
    for default in ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] {
        assert_eq!(numbered(&program(default, "", STATX), AUDIT_ARCH_X86_64, 5000), ENOSYS, "{default}");
    }
}

#[test]
fn a_rule_without_conditions_beats_those_with_and_the_first_wins() {
    let program = program(
        "SCMP_ACT_ERRNO",
        "",
        r#"{"names":["read"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},
           {"names":["read"],"action":"SCMP_ACT_ALLOW"}, {"names":["read"],"action":"SCMP_ACT_TRAP"}"#,
    );
    assert_eq!(answer(&program, Abi::X86_64, "read", [1, 0, 0, 0, 0, 0]), Verdict::Allow);
}

#[test]
fn a_repeated_argument_makes_each_condition_a_rule() {
    let program = program(
        "SCMP_ACT_ERRNO",
        "",
        r#"{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[
             {"index":0,"value":38,"op":"SCMP_CMP_NE"},{"index":0,"value":40,"op":"SCMP_CMP_NE"}]}"#,
    );
    // As both cannot be equal, everything is allowed: what containerd's authors warn of.
    for family in [1, 38, 40] {
        assert_eq!(answer(&program, Abi::X86_64, "socket", [family, 0, 0, 0, 0, 0]), Verdict::Allow);
    }
}

#[test]
fn thirty_two_bit_interfaces_compare_the_low_half() {
    let rule = r#"{"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":7,"op":"SCMP_CMP_EQ"}]}"#;
    let program = program("SCMP_ACT_ERRNO", ALL_X86, rule);
    let high = [0x1_0000_0007, 0, 0, 0, 0, 0];
    assert_eq!(answer(&program, Abi::X86_64, "clone", high), EPERM);
    assert_eq!(answer(&program, Abi::X32, "clone", high), Verdict::Allow);
    assert_eq!(answer(&program, Abi::X86, "clone", high), Verdict::Allow);
}

#[test]
fn a_rule_for_a_socket_call_holds_for_i386s_gateway() {
    let rule =
        r#"{"names":["socket","recv"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":2,"op":"SCMP_CMP_EQ"}]}"#;
    let program = program("SCMP_ACT_ALLOW", ALL_X86, rule);
    assert_eq!(answer(&program, Abi::X86, "socket", [2, 0, 0, 0, 0, 0]), EPERM);
    assert_eq!(answer(&program, Abi::X86, "socket", [3, 0, 0, 0, 0, 0]), Verdict::Allow);
    // The gateway's first argument is the choice of call: 1 is socket, 10 is recv, 2 is bind.
    for (selector, verdict) in [(1, EPERM), (10, EPERM), (2, Verdict::Allow)] {
        assert_eq!(answer(&program, Abi::X86, "socketcall", [selector, 0, 0, 0, 0, 0]), verdict, "{selector}");
    }
}

#[test]
fn says_why_a_profile_cannot_be_compiled() {
    assert_eq!(refused("SCMP_ACT_NOTIFY", "", READ), "SCMP_ACT_NOTIFY cannot be the default action");
    let on_write = r#"{"names":["write"],"action":"SCMP_ACT_NOTIFY"}"#;
    assert_eq!(refused("SCMP_ACT_ALLOW", "", on_write), "SCMP_ACT_NOTIFY cannot be the action for write");
    assert_eq!(
        refused("SCMP_ACT_ALLOW", r#""SCMP_ARCH_S390X""#, READ),
        "SCMP_ARCH_S390X has another byte order than this machine, one filter cannot cover both"
    );
    let rule = |action| {
        let condition = r#"{"index":0,"value":1,"op":"SCMP_CMP_EQ"}"#;
        format!(r#"{{"names":["read"],"action":"{action}","args":[{condition}]}}"#)
    };
    assert_eq!(
        refused("SCMP_ACT_ALLOW", "", &format!("{},{}", rule("SCMP_ACT_LOG"), rule("SCMP_ACT_TRAP"))),
        "two rules for read have the same conditions and different actions"
    );
    let many: Vec<String> = (0..2000)
        .map(|value| {
            format!(r#"{{"names":["read"],"action":"SCMP_ACT_LOG","args":[{{"value":{value},"op":"SCMP_CMP_EQ"}}]}}"#)
        })
        .collect();
    let too_long = refused("SCMP_ACT_ALLOW", "", &many.join(","));
    assert!(too_long.ends_with("instructions, the kernel takes 4096") && MAX_INSTRUCTIONS == 4096, "{too_long}");
}

#[test]
fn an_argument_that_no_call_has_is_refused_in_a_runtime_spec_too() {
    let mut rule = oci_spec::runtime::LinuxSyscall::default();
    let argument = crate::seccomp::profile::condition(6, oci_spec::runtime::LinuxSeccompOperator::ScmpCmpEq, 0, None);
    rule.set_names(vec!["read".to_owned()]).set_args(Some(vec![argument]));
    let mut seccomp = LinuxSeccomp::default();
    seccomp.set_syscalls(Some(vec![rule]));
    let refused = compile(&Profile::from_oci(seccomp), Target::X86_64).unwrap_err();
    assert_eq!(refused.to_string(), "a rule for read has a condition on argument 6, the last one is 5");
}
