//! All of this again without privileges, in a user namespace.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::harness::{Bed, is_root};

#[test]
fn everything_holds_for_an_unprivileged_caller_too() {
    if !is_root() || Bed::new().is_none() {
        return; // The other tests are this already.
    }
    let may = std::fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|max| max.trim() != "0");
    if !may || !std::path::Path::new("/usr/bin/setpriv").exists() {
        println!("skipped: no user namespaces, or no setpriv, here");
        return;
    }
    // Where the binary was built may be closed to others.
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let copy = directory.path().join("launcher");
    std::fs::copy(std::env::current_exe().expect("a path"), &copy).expect("a copy");
    let output = Command::new("/usr/bin/setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--"])
        .arg(&copy)
        .args(["--test-threads", "2"])
        .current_dir("/")
        .output()
        .expect("the tests");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("test start::a_command_runs_and_its_exit_code_arrives ... ok"), "{text}");
}
