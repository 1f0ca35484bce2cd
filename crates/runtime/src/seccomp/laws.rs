//! The law of this module: a compiled program answers every call as a plain reading of the profile does.

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompOperator as Op, LinuxSyscall,
};
use proptest::prelude::*;

use super::syscalls::multiplexed::gateway;
use super::{AUDIT_ARCH_I386, Abi, Call, CompileError, Profile, Target, Verdict, X32_BIT, compile, syscall_number};

/// Few names, so that rules meet: with gateways, on one interface alone, early and late, and one that nobody has.
const NAMES: &[&str] = &[
    "read",
    "write",
    "openat",
    "socket",
    "accept",
    "recv",
    "semop",
    "semget",
    "shmat",
    "socketcall",
    "ipc",
    "clone",
    "clone3",
    "personality",
    "chown32",
    "arch_prctl",
    "set_tls",
    "renameat2",
    "statx",
    "mseal",
    "no_such_call",
];
/// Values near which comparisons differ, on both sides of 32 bits.
const VALUES: &[u64] = &[
    0,
    1,
    2,
    3,
    7,
    8,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    u64::MAX - 1,
    u64::MAX,
];
const OPS: &[Op] =
    &[Op::ScmpCmpNe, Op::ScmpCmpLt, Op::ScmpCmpLe, Op::ScmpCmpEq, Op::ScmpCmpGe, Op::ScmpCmpGt, Op::ScmpCmpMaskedEq];
const ACTIONS: &[Action] = &[
    Action::ScmpActKill,
    Action::ScmpActKillProcess,
    Action::ScmpActTrap,
    Action::ScmpActErrno,
    Action::ScmpActTrace,
    Action::ScmpActLog,
    Action::ScmpActAllow,
];
const ARCHES: &[Arch] =
    &[Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32, Arch::ScmpArchAarch64, Arch::ScmpArchArm];

fn argument() -> impl Strategy<Value = LinuxSeccompArg> {
    let value = prop::sample::select(VALUES);
    (0usize..3, value.clone(), prop::option::of(value), prop::sample::select(OPS))
        .prop_map(|(index, value, value_two, op)| super::profile::condition(index, op, value, value_two))
}

fn rule() -> impl Strategy<Value = LinuxSyscall> {
    let names = prop::collection::vec(prop::sample::select(NAMES), 0..4);
    let errno = prop::option::of(0u32..50);
    let args = prop::option::of(prop::collection::vec(argument(), 0..4));
    (names, prop::sample::select(ACTIONS), errno, args).prop_map(|(names, action, errno, args)| {
        let mut rule = LinuxSyscall::default();
        rule.set_names(names.into_iter().map(str::to_owned).collect());
        rule.set_action(action).set_errno_ret(errno).set_args(args);
        rule
    })
}

fn profile() -> impl Strategy<Value = LinuxSeccomp> {
    let arches = prop::option::of(prop::sample::subsequence(ARCHES, 0..=ARCHES.len()));
    let rules = prop::collection::vec(rule(), 0..12);
    (prop::sample::select(ACTIONS), prop::option::of(0u32..50), arches, rules).prop_map(
        |(default, errno, arches, rules)| {
            let mut seccomp = LinuxSeccomp::default();
            seccomp.set_default_action(default).set_default_errno_ret(errno);
            seccomp.set_architectures(arches).set_syscalls(Some(rules));
            seccomp
        },
    )
}

fn call(target: Target) -> impl Strategy<Value = Call> {
    let abi = prop::sample::select(target.abis());
    let named = (abi.clone(), prop::sample::select(NAMES)).prop_map(|(abi, name)| {
        let number = syscall_number(abi, name).or_else(|| gateway(name).map(|call| call.gateway));
        (abi.audit_arch(), number.unwrap_or(abi.marker()))
    });
    let edges = &[0, 1, 5000, 0x3fff_ffff, X32_BIT, X32_BIT + 600, 0x7fff_ffff, 0x8000_0000, 0xc000_0000, u32::MAX];
    let numbered = (abi, prop_oneof![0u32..500, X32_BIT..X32_BIT + 560, prop::sample::select(&edges[..])]);
    let numbered = numbered.prop_map(|(abi, number)| (abi.audit_arch(), number));
    let foreign = any::<(u32, u32)>();
    let near = (prop::sample::select(VALUES), 0u64..3).prop_map(|(value, off)| value.wrapping_add(off).wrapping_sub(1));
    let args = move || {
        prop::array::uniform3(prop_oneof![2 => near.clone(), 1 => 0u64..25]).prop_map(|[a, b, c]| [a, b, c, 0, 0, 0])
    };
    let any = (prop_oneof![4 => named, 2 => numbered, 1 => foreign], args())
        .prop_map(|((arch, number), args)| Call::new(arch, number).with_args(args));
    let behind = NAMES.iter().filter_map(|name| gateway(name)).collect::<Vec<_>>();
    let through = (prop::sample::select(behind), args()).prop_map(|(call, mut args)| {
        args[0] = u64::from(call.selector);
        Call::new(AUDIT_ARCH_I386, call.gateway).with_args(args)
    });
    prop_oneof![6 => any, 1 => through]
}

/// What a profile means, read off it rule by rule for one call.
fn meaning(profile: &LinuxSeccomp, target: Target, call: &Call) -> Verdict {
    let default = Verdict::of(profile.default_action(), profile.default_errno_ret());
    let listed = profile.architectures().clone().unwrap_or_default();
    let covers = |abi| abi == target.abis()[0] || listed.iter().any(|arch| Abi::of(*arch) == Some(abi));

    let x86_64 = call.arch == Abi::X86_64.audit_arch() && target == Target::X86_64;
    let marked = call.number & X32_BIT != 0;
    let Some(abi) = target
        .abis()
        .iter()
        .copied()
        .find(|abi| abi.audit_arch() == call.arch && (!x86_64 || (*abi == Abi::X32) == marked))
    else {
        return Verdict::KillThread;
    };
    if !covers(abi) && abi != Abi::X32 {
        return Verdict::KillThread;
    }

    let rules = profile.syscalls().iter().flatten();
    let names = || rules.clone().flat_map(|rule| rule.names().iter().map(move |name| (rule, name.as_str())));
    let behind_gateway = |name: &str| (abi == Abi::X86).then(|| gateway(name)).flatten();
    let permissive = matches!(default, Verdict::Allow | Verdict::Log | Verdict::Trace(_));
    if !permissive && covers(abi) {
        let known = names().filter(|(_, name)| behind_gateway(name).is_none());
        let last = known.filter_map(|(_, name)| syscall_number(abi, name)).max().unwrap_or(0);
        if last != 0 && call.number > last {
            return Verdict::Errno(38);
        }
    }
    if x86_64 && call.number >= X32_BIT && !covers(Abi::X32) {
        return if call.number == u32::MAX { default } else { Verdict::KillThread };
    }

    let narrow = matches!(abi, Abi::X86 | Abi::X32 | Abi::Arm);
    let width = if narrow { u64::from(u32::MAX) } else { u64::MAX };
    let mut matching: Vec<(Vec<LinuxSeccompArg>, Verdict)> = Vec::new();
    for (rule, name) in names() {
        let verdict = Verdict::of(rule.action(), rule.errno_ret());
        if verdict == default {
            continue;
        }
        let args = rule.args().clone().unwrap_or_default();
        let repeated = (0..6).any(|index| args.iter().filter(|arg| arg.index() == index).count() > 1);
        let alternatives = if repeated { args.into_iter().map(|arg| vec![arg]).collect() } else { vec![args] };
        for mut args in alternatives {
            if syscall_number(abi, name) == Some(call.number) {
                matching.push((args.clone(), verdict));
            }
            if let Some(call_behind) = behind_gateway(name).filter(|behind| behind.gateway == call.number) {
                args.retain(|arg| arg.index() != 0);
                args.push(super::profile::condition(0, Op::ScmpCmpEq, u64::from(call_behind.selector), None));
                matching.push((args, verdict));
            }
        }
    }
    let trivial = |arg: &LinuxSeccompArg| arg.op() == Op::ScmpCmpMaskedEq && arg.value() & width == 0;
    for (args, _) in &mut matching {
        args.retain(|arg| !trivial(arg));
        args.sort_by_key(LinuxSeccompArg::index);
    }
    if let Some((_, verdict)) = matching.iter().find(|(args, _)| args.is_empty()) {
        return *verdict;
    }
    let holds = |arg: &LinuxSeccompArg| {
        let actual = call.args[arg.index()] & width;
        let value = arg.value() & width;
        match arg.op() {
            Op::ScmpCmpNe => actual != value,
            Op::ScmpCmpLt => actual < value,
            Op::ScmpCmpLe => actual <= value,
            Op::ScmpCmpEq => actual == value,
            Op::ScmpCmpGe => actual >= value,
            Op::ScmpCmpGt => actual > value,
            Op::ScmpCmpMaskedEq => actual & value == arg.value_two().unwrap_or_default() & value,
        }
    };
    // Where rules with several verdicts match: the later argument first, equality before upper before lower bounds,
    // larger values first but for upper bounds, fewer conditions before more.
    let place = |arg: &LinuxSeccompArg| {
        let value = arg.value() & width;
        let (rank, value) = match arg.op() {
            Op::ScmpCmpEq | Op::ScmpCmpNe => (0, u64::MAX - value),
            Op::ScmpCmpMaskedEq => (0, u64::MAX - (arg.value_two().unwrap_or_default() & value)),
            Op::ScmpCmpLt | Op::ScmpCmpLe => (1, value),
            Op::ScmpCmpGe | Op::ScmpCmpGt => (2, u64::MAX - value),
        };
        (6 - arg.index(), rank, value)
    };
    matching.retain(|(args, _)| args.iter().all(holds));
    matching.sort_by_key(|(args, _)| args.iter().map(place).collect::<Vec<_>>());
    matching.first().map_or(default, |(_, verdict)| *verdict)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_program_answers_as_its_profile_says(
        (profile, target, calls) in prop::sample::select(&[Target::X86_64, Target::Aarch64][..]).prop_flat_map(|target| {
            (profile(), Just(target), prop::collection::vec(call(target), 20..60))
        })
    ) {
        match compile(&Profile::from_oci(profile.clone()), target) {
            Ok(program) => {
                let program = program.unwrap();
                for call in calls {
                    let expected = meaning(&profile, target, &call);
                    prop_assert_eq!(program.evaluate(&call), Ok(expected), "{:x?}", call);
                }
            }
            Err(CompileError::Conflict { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(profile) = Profile::from_json(&bytes) {
            let _ = compile(&profile, Target::X86_64);
        }
    }

    #[test]
    fn what_it_writes_to_a_runtime_spec_it_reads_back(profile in profile()) {
        let json = serde_json::to_vec(&profile).unwrap();
        let read = Profile::from_json(&json).unwrap();
        prop_assert_eq!(read.oci(), Some(&profile));
    }
}
