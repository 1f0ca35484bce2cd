//! A seccomp profile of a stranger: an error or a filter, never a panic, and a filter that always comes to an answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringfence_runtime::seccomp::{AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, Call, Profile, Target, compile};

fuzz_target!(|data: &[u8]| {
    let Ok(profile) = Profile::from_json(data) else { return };
    for target in [Target::X86_64, Target::Aarch64] {
        let _ = profile.warnings(target);
        let Ok(Some(program)) = compile(&profile, target) else { continue };
        for arch in [AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, 0] {
            for number in [0, 1, 59, 83, 435, 0x4000_0001, u32::MAX] {
                program.evaluate(&Call::new(arch, number)).expect("a compiled filter comes to an answer");
            }
        }
    }
});
