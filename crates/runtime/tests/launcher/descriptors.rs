//! What of the launcher's a container holds: nothing.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use crate::harness::Bed;

#[test]
fn no_descriptor_leaks() {
    let Some(mut bed) = Bed::new() else { return };
    // Without close-on-exec, as a careless program has them.
    let root = rustix::fs::open("/", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).expect("a directory");
    let high = rustix::io::fcntl_dupfd_cloexec(root.as_fd(), 500).expect("a copy");
    rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty()).expect("flags");
    // 3 is the directory that is listed.
    let seen = bed.run(&["/bin/ls", "/proc/self/fd"]).expect("a start");
    assert_eq!(seen.out, "0\n1\n2\n3\n");
    drop((root, high));
}

#[test]
fn kept_descriptors_have_their_numbers() {
    let Some(mut bed) = Bed::new() else { return };
    for text in ["three\n", "four\n"] {
        let (read, write) = rustix::pipe::pipe().expect("a pipe");
        std::fs::File::from(write).write_all(text.as_bytes()).expect("a text");
        bed.keep.push(read);
    }
    let seen = bed.sh("cat <&4; cat <&3; ls /proc/self/fd").expect("a start");
    assert_eq!(seen.out, "four\nthree\n0\n1\n2\n3\n4\n5\n");
}

#[test]
fn a_working_directory_through_a_descriptor_of_the_launcher_is_refused() {
    // CVE-2024-21626.
    let Some(mut bed) = Bed::new() else { return };
    let host: OwnedFd =
        rustix::fs::open("/", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).expect("a directory");
    for number in 0..40 {
        bed.process().set_cwd(format!("/proc/self/fd/{number}").into());
        if let Ok(seen) = bed.sh("readlink /proc/self/cwd; ls /proc/self/cwd/") {
            assert!(!seen.out.contains("boot"), "descriptor {number} leads to the host: {seen:?}");
            assert!(seen.out.starts_with('/'), "descriptor {number} leads outside: {seen:?}");
        }
    }
    drop(host);
}
