//! Seccomp: from a profile to the classic BPF program that the kernel runs at every system call.
//!
//! ```text
//! JSON (Localhost) ─▶ Profile ─ lower ─▶ per architecture, sorted rules ─ emit ─▶ Program ─▶ sys::seccomp::install
//! RuntimeDefault   ─▶    │                                                          │
//!                        └▶ OCI runtime spec, for an external engine                └▶ simulate: which call gets what
//! ```
//!
//! A profile means here what it means on a containerd node whose runc has libseccomp: the same names are passed over,
//! the same architectures are admitted, and calls newer than the profile get `ENOSYS`. Pure code: nothing in this
//! module reads a file or asks the kernel; only [`crate::sys::seccomp::install`] does.
//!
//! ```
//! use ringfence_runtime::seccomp::{Call, Profile, Target, Verdict, compile};
//!
//! let profile = Profile::from_json(
//!     br#"{"defaultAction": "SCMP_ACT_ALLOW",
//!          "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}"#,
//! )?;
//! let program = compile(&profile, Target::X86_64)?.ok_or("the profile asks for no filter")?;
//! let mkdir = Call::new(ringfence_runtime::seccomp::AUDIT_ARCH_X86_64, 83);
//! assert_eq!(program.evaluate(&mkdir)?, Verdict::Errno(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod arch;
mod bpf;
mod compile;
mod lower;
mod profile;
mod runtime_default;
mod simulate;
mod syscalls;
mod verdict;
mod warning;

#[cfg(test)]
mod laws;

pub use arch::{AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, Abi, Target, X32_BIT};
pub use bpf::{Instruction, MAX_INSTRUCTIONS};
pub use compile::{Flags, Program, compile};
pub use lower::CompileError;
pub use profile::{Conditions, Profile, ProfileError};
pub use runtime_default::{KernelVersion, docker_20_10, runtime_default};
pub use simulate::{Call, Fault, evaluate};
pub use syscalls::{name as syscall_name, number as syscall_number};
pub use verdict::Verdict;
pub use warning::Warning;
