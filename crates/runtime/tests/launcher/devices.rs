//! Devices that are not the container's.

use std::fs;

use oci_spec::runtime::Capability;
use ringfence_runtime::engine::StartError;

use crate::harness::{Bed, Seen, default_capabilities, is_root};

/// A container that may make nodes and mount.
fn that_can_mount(script: &str) -> Option<Seen> {
    if !is_root() {
        println!("skipped: not root");
        return None;
    }
    let mut bed = Bed::new()?;
    let mut set = default_capabilities();
    set.extend([Capability::SysAdmin, Capability::Syslog]);
    bed.capabilities(&set);
    match bed.sh(script) {
        Err(StartError::Unsupported { what, where_ }) => {
            println!("skipped: {what} is not supported {where_}");
            None
        }
        seen => Some(seen.expect("a start")),
    }
}

/// The host's block devices, as `major minor`.
fn disks() -> Vec<String> {
    let partitions = fs::read_to_string("/proc/partitions").expect("partitions");
    let numbers = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    };
    partitions.lines().skip(2).filter_map(numbers).collect()
}

#[test]
fn a_container_that_can_mount_cannot_open_a_disk_of_the_host() {
    let disks = disks();
    if disks.is_empty() {
        println!("skipped: no disk here");
        return;
    }
    let open = |disk: &String| {
        format!(
            "n=$((n+1)); mknod /tmp/d/$n b {disk} && (: < /tmp/d/$n) && echo opened; (: >> /tmp/d/$n) && echo opened;"
        )
    };
    let script = disks.iter().map(open).collect::<String>();
    let Some(seen) = that_can_mount(&format!("mkdir /tmp/d; mount -t tmpfs -o dev x /tmp/d; {script} ls /tmp/d"))
    else {
        return;
    };
    assert_eq!(seen.out.matches("Operation not permitted").count(), 2 * disks.len(), "{seen:?}");
    assert!(!seen.out.contains("opened"), "{seen:?}");
    assert!(seen.out.ends_with(&format!("{}\n", disks.len())), "the nodes are there: {seen:?}");
}

#[test]
fn a_container_that_can_mount_cannot_leave_the_cgroup_that_guards_devices() {
    let Some(seen) = that_can_mount(
        "mkdir /tmp/c /tmp/d; mount -t tmpfs x /tmp/d; mknod /tmp/d/kmsg c 1 11; mount -t cgroup2 x /tmp/c && echo $$ > /tmp/c/cgroup.procs; cat /proc/self/cgroup; (: < /tmp/d/kmsg) && echo opened",
    ) else {
        return;
    };
    assert!(!seen.out.contains("opened") && seen.out.contains("Operation not permitted"), "{seen:?}");
}
