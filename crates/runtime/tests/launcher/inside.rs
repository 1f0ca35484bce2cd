//! What this test binary does when a test starts it again: as a program in a container, or as a launcher that dies.
//! They are tests that only run when they are asked for.

use std::io::Write;
use std::path::Path;

use crate::harness::Bed;

/// Puts this binary into a container's root.
pub(crate) fn install(bed: &Bed, name: &str) -> String {
    let to = bed.root().join("bin").join(name);
    std::fs::copy(std::env::current_exe().expect("a path"), to).expect("a copy");
    format!("/bin/{name}")
}

/// The arguments that make it do something.
pub(crate) fn args(what: &str) -> [String; 4] {
    ["--exact", "--ignored", "--nocapture", &format!("inside::{what}")].map(str::to_owned)
}

#[test]
#[ignore = "started by other tests"]
fn print_status() {
    print!("{}", std::fs::read_to_string("/proc/self/status").expect("status"));
}

#[test]
#[ignore = "started by other tests"]
fn launch_and_hang() {
    let Some(mut bed) = Bed::new() else { return };
    // A process that changes its user loses its parent-death signal.
    let script = if crate::harness::is_root() { "su -s /bin/sh nobody -c 'sleep 1000'" } else { "sleep 1000" };
    if crate::harness::is_root() {
        bed.capabilities(&crate::harness::default_capabilities());
        std::fs::write(bed.root().join("etc/passwd"), "root:x:0:0::/:/bin/sh\nnobody:x:99:99::/:/bin/sh\n")
            .expect("passwd");
    }
    if let Ok(kind) = std::env::var("HANG_IN_THE_LAUNCHERS_PID_NAMESPACE")
        && Path::new(&kind).exists()
    {
        bed.without_namespace(oci_spec::runtime::LinuxNamespaceType::Pid);
    }
    // A mark by which the processes can be found.
    let marked = std::env::var("HANG_MARK").map(|mark| format!("while :; do sleep 0.1; done # {mark}"));
    let script = marked.as_deref().unwrap_or(script);
    let (running, _read) = bed.start(&["/bin/sh", "-c", script]).expect("a start");
    println!("container {}", running.pid());
    std::io::stdout().flush().expect("output");
    std::thread::sleep(std::time::Duration::from_mins(10));
}
