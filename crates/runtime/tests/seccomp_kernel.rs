//! Filters as the running kernel applies them. A filter is one thread's, so each test gives one to a thread of its own
//! and asks the kernel there. Needs no privilege.
#![allow(clippy::unwrap_used)] // All of this is test code; the lint's exception stops at the test functions.

use ringfence_runtime::seccomp::{Flags, KernelVersion, Profile, Program, Target, compile, runtime_default};
use ringfence_runtime::sys::seccomp::install;
use rustix::fs::{CWD, Mode};
use rustix::io::Errno;

fn native(profile: &Profile) -> Program {
    let target = Target::native().expect("these tests run on x86_64 and aarch64");
    compile(profile, target).unwrap().unwrap()
}

fn localhost(json: &str) -> Program {
    native(&Profile::from_json(json.as_bytes()).unwrap())
}

/// Runs `then` on a thread under the filter.
fn under<T: Send>(program: &Program, then: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let confined = scope.spawn(|| {
            rustix::thread::set_no_new_privs(true).unwrap();
            install(program.instructions(), program.flags()).unwrap();
            then()
        });
        confined.join().unwrap()
    })
}

fn mkdir() -> Result<(), Errno> {
    let name = format!("ringfence-{}-{:?}", std::process::id(), std::thread::current().id());
    let path = std::env::temp_dir().join(name);
    rustix::fs::mkdirat(CWD, &path, Mode::RWXU)?;
    rustix::fs::unlinkat(CWD, &path, rustix::fs::AtFlags::REMOVEDIR)
}

/// A field of the calling thread's status.
fn status(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// Makes a call by its number, with zeros for arguments.
#[allow(unsafe_code)] // Numbers that no wrapper knows are the point.
fn call(number: i64) -> Result<i64, Errno> {
    // SAFETY: made only with numbers that no kernel has, or that read no memory when all arguments are zero.
    let answer = unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) };
    if answer >= 0 { Ok(answer) } else { Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap()) }
}

#[test]
fn a_localhost_profile_refuses_what_it_names_and_allows_the_rest() {
    let program = localhost(
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}"#,
    );
    assert_eq!(mkdir(), Ok(()));
    under(&program, || {
        assert_eq!(mkdir(), Err(Errno::PERM));
        assert_eq!(status("Seccomp"), "2");
        assert_eq!(status("Seccomp_filters"), "1");
        assert_eq!(rustix::process::getpid().as_raw_nonzero().get(), std::process::id().cast_signed());
    });
    assert_eq!(mkdir(), Ok(()));
}

#[test]
fn runtime_default_refuses_mounts_and_does_not_know_newer_calls() {
    let kernel = KernelVersion::parse(&std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap());
    let program = native(&runtime_default(Target::native().unwrap(), kernel, &["CAP_SYS_CHROOT"]));
    under(&program, || {
        assert_eq!(status("Seccomp"), "2");
        assert_eq!(mkdir(), Ok(()));
        assert_eq!(call(libc::SYS_mount), Err(Errno::PERM));
        assert_eq!(call(libc::SYS_unshare), Err(Errno::PERM));
        assert_eq!(call(libc::SYS_clone3), Err(Errno::NOSYS));
        for unknown in [1000, 0x7fff_fff0 & !0x4000_0000] {
            assert_eq!(call(unknown), Err(Errno::NOSYS), "{unknown}");
        }
    });
}

#[test]
fn calls_newer_than_the_profile_are_unknown_and_older_ones_refused() {
    let program = localhost(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 13, "syscalls": [{"names": ["read", "write",
            "statx", "openat", "close", "exit", "exit_group", "munmap", "madvise", "mmap", "mprotect", "futex", "fstat",
            "rt_sigprocmask", "sigaltstack", "lseek", "gettid", "brk"], "action": "SCMP_ACT_ALLOW"}]}"#,
    );
    under(&program, || {
        assert_eq!(call(libc::SYS_statx + 1), Err(Errno::NOSYS));
        assert_eq!(call(libc::SYS_clone3), Err(Errno::NOSYS));
        assert_eq!(call(libc::SYS_getppid), Err(Errno::ACCESS));
    });
}

#[test]
fn conditions_see_whole_arguments() {
    let program = localhost(
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["personality"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22,
             "args": [{"index": 0, "op": "SCMP_CMP_NE", "value": 4294967295}]}]}"#,
    );
    under(&program, || {
        let personality = |persona: u64| {
            #[allow(unsafe_code)] // Wrappers cut the argument to 32 bits.
            // SAFETY: the call takes no pointer.
            unsafe {
                libc::syscall(libc::SYS_personality, persona) >= 0
            }
        };
        assert!(personality(0xffff_ffff));
        assert!(!personality(0));
        assert!(!personality(0x1_ffff_ffff));
    });
}

#[test]
fn without_a_privilege_the_kernel_refuses_and_says_so() {
    let program = localhost(r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}"#);
    // An empty program is refused whoever asks.
    assert_eq!(install(&[], Flags::default()).unwrap_err(), Errno::INVAL);
    if !rustix::process::geteuid().is_root() {
        assert_eq!(install(program.instructions(), program.flags()).unwrap_err(), Errno::ACCESS);
    }
}
