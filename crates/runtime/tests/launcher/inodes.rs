//! A container's root owns nothing of the host's: what is shown of the host's cannot be changed, and what can be
//! changed is the container's own.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::harness::{Bed, default_capabilities, is_root};

/// The device and inode of the host's node, as stat prints them.
fn of_host(name: &str) -> String {
    let node = fs::metadata(format!("/dev/{name}")).expect("a device");
    format!("{}:{}", node.dev(), node.ino())
}

#[test]
fn a_masked_file_is_covered_by_something_that_cannot_be_changed() {
    for (confined, sys_admin) in [(false, false), (false, true), (true, false)] {
        let Some(mut bed) = Bed::new() else { return };
        let mut set = default_capabilities();
        if sys_admin {
            set.insert(oci_spec::runtime::Capability::SysAdmin);
        }
        for name in ["one", "two"] {
            fs::write(bed.root().join("etc").join(name), "text\n").expect("a file");
        }
        bed.linux().set_masked_paths(Some(vec!["/etc/one".to_owned(), "/etc/two".to_owned()]));
        bed.capabilities(&set);
        if confined {
            bed.own_user_namespace(0);
        }
        // The mode that the node has anyway: should this ever succeed, the host is none the worse.
        let seen = bed
            .sh("for p in /etc/one /etc/two; do chmod 666 $p; chown 0:0 $p; touch $p; done 2>&1 | grep -c 'Read-only file system'; cat /etc/one; echo x > /etc/two; stat -c %d:%i /etc/one /etc/two")
            .expect("a start");
        let mut lines = seen.out.lines();
        assert_eq!(lines.next(), Some("6"), "{seen:?}");
        if !confined && is_root() {
            assert_ne!(lines.next(), Some(of_host("null").as_str()), "{seen:?}");
        }
    }
}

#[test]
fn default_devices_are_the_containers_own_or_cannot_be_changed() {
    for (confined, sys_admin) in [(false, false), (false, true), (true, false)] {
        let Some(mut bed) = Bed::new() else { return };
        let confined = confined || !is_root();
        let mut set = default_capabilities();
        if sys_admin {
            set.insert(oci_spec::runtime::Capability::SysAdmin);
        }
        bed.capabilities(&set);
        if confined {
            bed.own_user_namespace(0);
        }
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            let seen = bed.sh(&format!("stat -c %d:%i /dev/{name}; touch /dev/{name}")).expect("a start");
            let own = !seen.out.contains(&of_host(name));
            let fixed = seen.out.contains("Read-only file system");
            assert!(if confined { fixed } else { own }, "{name}: {seen:?}");
        }
        let seen = bed.sh("echo x > /dev/null && echo written").expect("a start");
        assert_eq!(seen.out, "written\n");
    }
}

#[test]
fn no_standard_stream_is_the_hosts_null_device() {
    for confined in [false, true] {
        let Some(mut bed) = Bed::new() else { return };
        bed.capabilities(&default_capabilities());
        if confined {
            bed.own_user_namespace(0);
        }
        // The harness gives /dev/null as standard input.
        let seen =
            bed.sh("stat -L -c %t:%T,%d:%i /proc/self/fd/0; touch /proc/self/fd/0; cat; echo end").expect("a start");
        assert!(seen.out.starts_with("1:3,") && seen.out.ends_with("end\n"), "{seen:?}");
        let fixed = seen.out.contains("Read-only file system");
        assert!(fixed || !seen.out.contains(&of_host("null")), "{confined}: {seen:?}");
    }
}
