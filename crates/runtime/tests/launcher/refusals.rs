//! What is refused before anything starts, and what the errors say.

use ringfence_runtime::engine::StartError;

use crate::harness::Bed;

fn refused(change: impl FnOnce(&mut Bed), name: &str) {
    let Some(mut bed) = Bed::new() else { return };
    change(&mut bed);
    match bed.sh("true") {
        Err(StartError::Unsupported { what, .. }) => assert!(what.contains(name), "{what:?} does not name {name}"),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn what_the_launcher_does_not_have_is_refused_by_name() {
    use oci_spec::runtime::{
        Hooks, LinuxBlockIo, LinuxIntelRdt, LinuxMemory, LinuxPersonalityBuilder, LinuxPersonalityDomain,
        LinuxResources,
    };
    refused(|bed| _ = bed.spec.set_hooks(Some(Hooks::default())), "hooks");
    refused(|bed| _ = bed.process().set_terminal(Some(true)), "process.terminal");
    refused(|bed| _ = bed.linux().set_intel_rdt(Some(LinuxIntelRdt::default())), "linux.intelRdt");
    refused(
        |bed| {
            let mut resources = LinuxResources::default();
            resources.set_devices(None).set_block_io(Some(LinuxBlockIo::default()));
            bed.linux().set_resources(Some(resources)).set_cgroups_path(Some("ringfence-refused".into()));
        },
        "linux.resources.blockIO",
    );
    refused(
        |bed| {
            let personality = LinuxPersonalityBuilder::default().domain(LinuxPersonalityDomain::PerLinux32).build();
            bed.linux().set_personality(personality.ok());
        },
        "linux.personality",
    );
    refused(
        |bed| {
            let mut memory = LinuxMemory::default();
            memory.set_limit(Some(1 << 30));
            let mut resources = LinuxResources::default();
            resources.set_devices(None).set_memory(Some(memory));
            bed.linux().set_resources(Some(resources));
        },
        "linux.resources without linux.cgroupsPath",
    );
    refused(|bed| _ = bed.mount("/x", "tmpfs", "tmpfs", &["tmpcopyup"]), "tmpcopyup");
    refused(|bed| _ = bed.mount("/x", "bind", "/tmp", &["rbind", "size=3"]), "size");
    refused(|bed| _ = bed.mount("/x", "ext4", "/dev/sda", &[]), "ext4");
    refused(|bed| _ = bed.mount("/", "tmpfs", "tmpfs", &[]), "root");
}

#[test]
fn labels_are_refused_where_the_kernel_has_none() {
    if !std::path::Path::new("/sys/module/apparmor").exists() {
        refused(|bed| _ = bed.process().set_apparmor_profile(Some("docker-default".into())), "AppArmor");
    }
    if !std::path::Path::new("/sys/fs/selinux/enforce").exists() {
        refused(|bed| _ = bed.process().set_selinux_label(Some("a:b:c:s0".into())), "SELinux");
    }
}

#[test]
fn a_sysctl_of_the_host_is_refused() {
    refused(
        |bed| _ = bed.linux().set_sysctl(Some([("vm.swappiness".to_owned(), "1".to_owned())].into())),
        "vm.swappiness",
    );
    refused(
        |bed| {
            bed.without_namespace(oci_spec::runtime::LinuxNamespaceType::Network);
            bed.linux().set_sysctl(Some([("net.core.somaxconn".to_owned(), "1".to_owned())].into()));
        },
        "net.core.somaxconn",
    );
}

#[test]
fn a_command_that_cannot_be_executed_is_told_from_a_failed_set_up() {
    let Some(mut bed) = Bed::new() else { return };
    std::fs::write(bed.root().join("etc/plain"), "").expect("a file");
    for (command, kind) in [
        ("nothing", std::io::ErrorKind::NotFound),
        ("/bin/nothing", std::io::ErrorKind::NotFound),
        ("/etc/plain", std::io::ErrorKind::PermissionDenied),
    ] {
        match bed.run(&[command]) {
            Err(StartError::Exec { command: named, source }) => {
                assert_eq!((named.as_str(), source.kind()), (command, kind));
            }
            other => panic!("{command}: {other:?}"),
        }
    }
}

#[test]
fn a_capability_that_the_launcher_lacks_is_named() {
    let Some(mut bed) = Bed::new() else { return };
    if !crate::harness::is_root() {
        println!("skipped: a new user namespace has all capabilities");
        return;
    }
    // Of this thread alone.
    rustix::thread::remove_capability_from_bounding_set(rustix::thread::CapabilitySet::WAKE_ALARM).expect("dropped");
    let mut sets = rustix::thread::capabilities(None).expect("capabilities");
    sets.permitted.remove(rustix::thread::CapabilitySet::WAKE_ALARM);
    sets.effective.remove(rustix::thread::CapabilitySet::WAKE_ALARM);
    rustix::thread::set_capabilities(None, sets).expect("capabilities");
    bed.capabilities(&[oci_spec::runtime::Capability::WakeAlarm].into_iter().collect());
    let refused = bed.sh("true");
    assert!(
        matches!(&refused, Err(StartError::Step { step, .. }) if step.contains("process.capabilities")),
        "{refused:?}"
    );
}

#[test]
fn a_plan_can_be_read() {
    let Some(mut bed) = Bed::new() else { return };
    bed.process().set_args(Some(vec!["/bin/true".to_owned()]));
    let plan = bed.engine.plan(&bed.spec).expect("a plan");
    let position = |text: &str| plan.find(text).unwrap_or_else(|| panic!("no {text:?} in\n{plan}"));
    assert!(position("bound capabilities") < position("set user"));
    assert!(position("set group 0") < position("set user 0"));
    assert!(position("set user 0") < position("apply capabilities"));
    assert!(position("pivot root") < position("detach the old root"));
    assert!(plan.ends_with("execute /bin/true (process.args)\n"), "{plan}");
}
