//! Namespaces that are made, shared and joined.

use std::fs;

use oci_spec::runtime::{LinuxIdMappingBuilder, LinuxNamespaceType};

use crate::harness::{Bed, is_root, namespace};

const KINDS: [(LinuxNamespaceType, &str); 5] = [
    (LinuxNamespaceType::Pid, "pid"),
    (LinuxNamespaceType::Network, "net"),
    (LinuxNamespaceType::Ipc, "ipc"),
    (LinuxNamespaceType::Uts, "uts"),
    (LinuxNamespaceType::Mount, "mnt"),
];

fn of(pid: &str, name: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{name}")).expect("a namespace").display().to_string()
}

fn inside(bed: &mut Bed, name: &str) -> String {
    bed.run(&["/bin/readlink", &format!("/proc/self/ns/{name}")]).expect("a start").out.trim().to_owned()
}

#[test]
fn namespaces_are_new_where_they_are_asked_for() {
    let Some(mut bed) = Bed::new() else { return };
    for (_, name) in KINDS {
        assert_ne!(inside(&mut bed, name), of("self", name), "{name}");
    }
}

#[test]
fn the_first_process_is_the_first_of_its_pid_namespace() {
    let Some(mut bed) = Bed::new() else { return };
    assert_eq!(bed.sh("echo $$").expect("a start").out, "1\n");
}

#[test]
fn namespaces_are_the_launchers_where_they_are_not_asked_for() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: a user namespace cannot mount what shows the launcher's");
        return;
    }
    for (typ, name) in KINDS.into_iter().filter(|(typ, _)| *typ != LinuxNamespaceType::Mount) {
        bed.without_namespace(typ);
        if typ == LinuxNamespaceType::Uts {
            bed.spec.set_hostname(None);
        }
        assert_eq!(inside(&mut bed, name), of("self", name), "{name}");
    }
}

/// Replaces namespaces by those of a process.
fn join(bed: &mut Bed, pid: u32, kinds: &[(LinuxNamespaceType, &str)]) {
    for (typ, name) in kinds {
        bed.without_namespace(*typ);
        let mut joined = namespace(*typ);
        joined.set_path(Some(format!("/proc/{pid}/ns/{name}").into()));
        let linux = bed.linux();
        let mut all = linux.namespaces().clone().unwrap_or_default();
        all.push(joined);
        linux.set_namespaces(Some(all));
    }
}

#[test]
fn the_namespaces_of_another_container_are_joined() {
    let (Some(mut pod), Some(mut bed)) = (Bed::new(), Bed::new()) else { return };
    let (running, _read) = pod.start(&["/bin/sleep", "1000"]).expect("a start");
    let mut kinds = KINDS.to_vec();
    kinds.retain(|(typ, _)| *typ != LinuxNamespaceType::Mount);
    if !is_root() {
        kinds.push((LinuxNamespaceType::User, "user"));
        bed.linux().set_uid_mappings(None).set_gid_mappings(None);
    }
    bed.spec.set_hostname(None);
    join(&mut bed, running.pid(), &kinds);
    let wanted: Vec<String> = kinds.iter().map(|(_, name)| of(&running.pid().to_string(), name)).collect();
    let links: Vec<String> = kinds.iter().map(|(_, name)| format!("readlink /proc/self/ns/{name}")).collect();
    let seen = bed.sh(&format!("{}; cat /proc/sys/kernel/hostname; cat /proc/1/cmdline", links.join("; ")));
    let seen = seen.expect("a start");
    let mut told = seen.out.lines();
    for wanted in wanted {
        assert_eq!(told.next(), Some(wanted.as_str()), "{seen:?}");
    }
    assert_eq!(told.next(), Some("ringfence"));
    assert_eq!(told.next(), Some("/bin/sleep\u{0}1000\u{0}"), "the first process is the other container's");
}

#[test]
fn a_root_launcher_confines_root_to_a_user_namespace() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    let map = LinuxIdMappingBuilder::default().container_id(0_u32).host_id(100_000_u32).size(65_536_u32).build();
    let map = vec![map.expect("a map")];
    bed.own_user_namespace(0);
    bed.linux().set_uid_mappings(Some(map.clone())).set_gid_mappings(Some(map));
    bed.user(1000, 3000, &[2000]).capabilities(&crate::harness::default_capabilities());
    // The container's root is nobody outside.
    open(&bed);
    let seen = bed.sh("cat /proc/self/status; cat /proc/self/uid_map").expect("a start");
    assert_eq!((seen.status("Uid"), seen.status("Groups")), ("1000 1000 1000 1000".into(), "2000".into()));
    assert!(seen.out.contains("100000      65536"), "{seen:?}");
}

#[test]
fn files_of_an_id_mapped_mount_belong_to_the_containers_users() {
    let Some(mut bed) = Bed::new() else { return };
    if !is_root() {
        println!("skipped: not root");
        return;
    }
    let map = LinuxIdMappingBuilder::default().container_id(0_u32).host_id(100_000_u32).size(65_536_u32).build();
    let map = vec![map.expect("a map")];
    let volume = bed.directory.path().join("volume");
    fs::create_dir(&volume).expect("a directory");
    fs::write(volume.join("mine"), "").expect("a file");
    std::os::unix::fs::chown(volume.join("mine"), Some(1000), Some(3000)).expect("an owner");
    std::os::unix::fs::chown(&volume, Some(1000), Some(3000)).expect("an owner");
    bed.own_user_namespace(0);
    bed.linux().set_uid_mappings(Some(map.clone())).set_gid_mappings(Some(map));
    bed.user(1000, 3000, &[]);
    open(&bed);
    for name in ["plain", "mapped"] {
        fs::create_dir(bed.root().join(name)).expect("a directory");
    }
    bed.mount("/plain", "bind", volume.clone(), &["rbind", "rprivate"]);
    bed.mount("/mapped", "bind", volume.clone(), &["rbind", "rprivate", "ridmap"]);
    let seen = bed.sh("stat -c '%u %g' /plain/mine /mapped/mine; touch /mapped/new && echo made").expect("a start");
    assert_eq!(seen.out, "65534 65534\n1000 3000\nmade\n");
    let made = fs::metadata(volume.join("new")).expect("a file");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), 1000);
}

fn open(bed: &Bed) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(bed.directory.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
}
