//! Holes that other runtimes had, each attacked here as it was there. A file is named after what it prevents.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod cve_2017_1002101;
mod cve_2019_5736;
mod cve_2021_25741;
mod cve_2021_30465;
mod cve_2022_0811;
mod cve_2022_36109;
mod cve_2023_2431;
mod cve_2024_21626;
mod cve_2024_40635;
#[allow(dead_code, reason = "shared with the tests of the launcher")]
#[path = "../launcher/harness.rs"]
mod harness;
mod pod;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// The same attacks by and against containers in a user namespace, of a caller without privilege.
#[test]
fn the_attacks_fail_without_root_too() {
    // As the user with subordinate IDs where there can be any, for this one process and what it starts.
    const SCRIPT: &str = "set -e; if command -v newuidmap >/dev/null && [ -e /etc/subuid ] && [ -e /etc/subgid ]; then \
        echo nobody:1879048192:65536 >\"$1/ids\"; \
        mount --bind \"$1/ids\" /etc/subuid; mount --bind \"$1/ids\" /etc/subgid; fi; shift; \
        exec setpriv --reuid=65534 --regid=65534 --clear-groups -- \"$@\"";
    if !support::is_root() {
        return;
    }
    let this = std::env::current_exe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(65_534), Some(65_534)).unwrap();
    let as_user = |args: &[&std::ffi::OsStr]| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh"]).arg(dir.path()).args(args);
        command.env("TMPDIR", &home).env_remove("XDG_RUNTIME_DIR").current_dir("/");
        command
    };
    let can = |args: &[&std::ffi::OsStr]| as_user(args).output().is_ok_and(|output| output.status.success());
    if !can(&["test".as_ref(), "-x".as_ref(), this.as_os_str()])
        || !can(&["unshare".as_ref(), "-U".as_ref(), "true".as_ref()])
    {
        eprintln!("skipped: no setpriv, no user namespaces, or this test cannot be read by other users");
        return;
    }
    let output = as_user(&[this.as_os_str(), "--test-threads".as_ref(), "2".as_ref()]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let attack = "a_sub_path_that_is_exchanged_for_a_link_shows_nothing_of_what_is_outside ... ok";
    assert!(text.contains(attack), "{text}");
}

/// How long a race runs: a few seconds, or what `RINGFENCE_RACE_SECONDS` says.
fn race_time() -> Duration {
    let seconds = std::env::var("RINGFENCE_RACE_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

/// Whether the test can be made; says so otherwise.
fn privileged() -> bool {
    let root = support::is_root();
    if !root {
        eprintln!("needs root: skipped");
    }
    root
}

/// Exchanges two entries for one another for as long as `stop` is not set. Returns how often.
fn exchange(a: &PathBuf, b: &PathBuf, stop: &AtomicBool) -> u64 {
    let exchanges = AtomicU64::new(0);
    while !stop.load(Ordering::Relaxed) {
        renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).unwrap();
        exchanges.fetch_add(1, Ordering::Relaxed);
    }
    exchanges.into_inner()
}
