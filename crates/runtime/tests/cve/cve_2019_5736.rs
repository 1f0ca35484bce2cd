//! CVE-2019-5736: a container that overwrites the program that started it, through `/proc/PID/exe`.

use std::fs;
use std::os::unix::fs::symlink;

use oci_spec::runtime::LinuxNamespaceType;

use crate::harness::{Bed, is_root};

/// Every program that took part, with what was in it.
fn programs() -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let own = std::env::current_exe().unwrap();
    [own, crate::support::INSIDE.into()].into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Opens every program that it can see for writing, time and again.
const OVERWRITE: &str = "for round in 1 2 3 4 5; do for exe in /proc/1/exe /proc/self/exe $PARENT; do
    if (echo overwritten > $exe) 2>/tmp/why; then echo WROTE $exe; fi; done; done; echo tried";

#[test]
fn a_container_cannot_write_to_the_program_that_started_it() {
    let before = programs();
    let Some(mut bed) = Bed::new() else { return };
    let seen = bed.sh(OVERWRITE).unwrap();
    assert!(seen.out.ends_with("tried\n") && !seen.out.contains("WROTE"), "{seen:?}");
    // Without a PID namespace the launcher's own process can be named too.
    if is_root() {
        let mut bed = Bed::new().unwrap();
        bed.without_namespace(LinuxNamespaceType::Pid);
        bed.process().set_env(Some(vec!["PATH=/bin".to_owned(), format!("PARENT=/proc/{}/exe", std::process::id())]));
        bed.capabilities(&crate::harness::default_capabilities());
        let seen = bed.sh(&OVERWRITE.replace("/proc/1/exe ", "")).unwrap();
        assert!(seen.out.ends_with("tried\n") && !seen.out.contains("WROTE"), "{seen:?}");
    }
    assert!(programs() == before, "a program was changed");
}

/// The attack from inside the program itself, which the container has been made to run: a descriptor on it is kept over
/// the execution of something else, and then opened for writing.
#[test]
#[ignore = "only the other test runs it, in a container"]
fn inside() {
    use std::os::unix::process::CommandExt as _;
    let own = fs::File::open("/proc/self/exe").unwrap();
    let kept = rustix::io::fcntl_dupfd_cloexec(&own, 70).unwrap();
    rustix::io::fcntl_setfd(&kept, rustix::io::FdFlags::empty()).unwrap();
    let script = "i=0; while [ $i -lt 200 ]; do
        if (echo overwritten > /proc/self/fd/70) 2>/tmp/why; then echo WROTE; fi; i=$((i + 1)); done; cat /tmp/why; echo tried";
    let error = std::process::Command::new("/bin/sh").args(["-c", script]).exec();
    panic!("{error}");
}

#[test]
fn a_container_that_runs_the_launcher_through_a_link_cannot_overwrite_it() {
    let before = programs();
    for entry in ["link", "script"] {
        let Some(mut bed) = Bed::new() else { return };
        if entry == "link" {
            symlink("/proc/self/exe", bed.root().join("bin/entry")).unwrap();
        } else {
            // The interpreter gets the script's path as its argument, which filters for no test.
            fs::write(bed.root().join("bin/entry"), "#!/proc/self/exe --include-ignored\n").unwrap();
            fs::set_permissions(bed.root().join("bin/entry"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .unwrap();
            symlink("entry", bed.root().join("bin/cve_2019_5736::inside")).unwrap();
        }
        let args: &[&str] = match entry {
            "link" => &["/bin/entry", "--ignored", "--exact", "cve_2019_5736::inside", "--nocapture"],
            _ => &["/bin/cve_2019_5736::inside"],
        };
        // Refused, or run in vain.
        if let Ok(seen) = bed.run(args) {
            assert!(!seen.out.contains("WROTE"), "{entry}: {seen:?}");
            assert!(entry == "script" || seen.out.ends_with("tried\n"), "{entry}: {seen:?}");
        }
        assert!(programs() == before, "a program was changed through the {entry}");
    }
}
