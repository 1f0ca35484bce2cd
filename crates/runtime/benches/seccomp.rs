//! What a container's start pays for its filter.

use divan::{Bencher, black_box};
use ringfence_runtime::seccomp::{Call, KernelVersion, Profile, Target, compile, runtime_default};

const KERNEL: Option<KernelVersion> = Some(KernelVersion { major: 6, minor: 18 });
const CAPABILITIES: [&str; 3] = ["CAP_SYS_CHROOT", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

fn main() {
    divan::main();
}

#[divan::bench]
fn make_runtime_default() -> Profile {
    runtime_default(Target::X86_64, KERNEL, black_box(&CAPABILITIES))
}

#[divan::bench]
fn compile_runtime_default(bencher: Bencher) {
    let profile = runtime_default(Target::X86_64, KERNEL, &CAPABILITIES);
    bencher.bench(|| compile(black_box(&profile), Target::X86_64));
}

#[divan::bench]
fn read_a_localhost_profile(bencher: Bencher) {
    let json = serde_json::to_vec(&runtime_default(Target::X86_64, KERNEL, &CAPABILITIES).oci()).unwrap_or_default();
    bencher.bench(|| Profile::from_json(black_box(&json)));
}

#[divan::bench]
fn evaluate_a_call(bencher: Bencher) {
    let program = compile(&runtime_default(Target::X86_64, KERNEL, &CAPABILITIES), Target::X86_64).ok().flatten();
    let call = Call::new(ringfence_runtime::seccomp::AUDIT_ARCH_X86_64, 0);
    bencher.bench(|| program.as_ref().map(|program| program.evaluate(black_box(&call))));
}
