//! Laws that hold for every pod.

use k8s_openapi::{
    api::core::v1::{
        AppArmorProfile, Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EphemeralContainer,
        HostPathVolumeSource, NFSVolumeSource, PodOS, PodSecurityContext, PodSpec, SELinuxOptions, SeccompProfile,
        SecurityContext, Sysctl, Volume, WindowsSecurityContextOptions,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use ringfence_pss::{Level, NEWEST, Version, evaluate, evaluate_all};

fn text(values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop_oneof![4 => select(values).prop_map(str::to_owned), 1 => any::<String>()]
}

fn profile() -> impl Strategy<Value = String> {
    text(&["RuntimeDefault", "RuntimeDefault", "Localhost", "Unconfined", ""])
}

fn capabilities() -> impl Strategy<Value = Capabilities> {
    let name = || text(&["ALL", "ALL", "NET_BIND_SERVICE", "CHOWN", "SYS_ADMIN", "all"]);
    (option::of(vec(name(), 0..3)), option::of(vec(name(), 0..3))).prop_map(|(add, drop)| Capabilities { add, drop })
}

fn se_linux() -> impl Strategy<Value = SELinuxOptions> {
    let part = || option::of(text(&["", "container_t", "container_engine_t", "spc_t"]));
    (part(), part(), part()).prop_map(|(type_, user, role)| SELinuxOptions { type_, user, role, level: None })
}

fn windows() -> impl Strategy<Value = WindowsSecurityContextOptions> {
    any::<Option<bool>>().prop_map(|host_process| WindowsSecurityContextOptions {
        host_process,
        ..WindowsSecurityContextOptions::default()
    })
}

prop_compose! {
    fn security_context()(
        allow_privilege_escalation in option::of(prop::bool::weighted(0.2)),
        capabilities in option::of(capabilities()),
        privileged in option::weighted(0.2, any::<bool>()),
        run_as_non_root in option::of(prop::bool::weighted(0.8)),
        run_as_user in option::weighted(0.3, 0..3_i64),
        proc_mount in option::weighted(0.2, text(&["Default", "Unmasked", ""])),
        seccomp_profile in option::weighted(0.3, profile()),
        app_armor_profile in option::weighted(0.2, profile()),
        se_linux_options in option::weighted(0.2, se_linux()),
        windows_options in option::weighted(0.1, windows()),
    ) -> SecurityContext {
        SecurityContext {
            allow_privilege_escalation, capabilities, privileged, run_as_non_root, run_as_user, proc_mount,
            seccomp_profile: seccomp_profile.map(|type_| SeccompProfile { type_, localhost_profile: None }),
            app_armor_profile: app_armor_profile.map(|type_| AppArmorProfile { type_, localhost_profile: None }),
            se_linux_options, windows_options,
            ..SecurityContext::default()
        }
    }
}

prop_compose! {
    fn container()(
        name in text(&["app", "init", "proxy"]),
        security_context in option::weighted(0.8, security_context()),
        host_port in option::weighted(0.2, -1..3_i32),
    ) -> Container {
        let ports = host_port.map(|port| vec![ContainerPort { host_port: Some(port), ..ContainerPort::default() }]);
        Container { name, security_context, ports, ..Container::default() }
    }
}

prop_compose! {
    fn pod_security_context()(
        run_as_non_root in option::of(prop::bool::weighted(0.8)),
        run_as_user in option::weighted(0.3, 0..3_i64),
        seccomp_profile in option::of(profile()),
        se_linux_options in option::weighted(0.1, se_linux()),
        sysctls in vec(text(&["kernel.shm_rmid_forced", "net.ipv4.tcp_rmem", "kernel.msgmax"]), 0..2),
    ) -> PodSecurityContext {
        PodSecurityContext {
            run_as_non_root, run_as_user, se_linux_options,
            seccomp_profile: seccomp_profile.map(|type_| SeccompProfile { type_, localhost_profile: None }),
            sysctls: Some(sysctls.into_iter().map(|name| Sysctl { name, value: String::new() }).collect()),
            ..PodSecurityContext::default()
        }
    }
}

/// Mostly with one source, sometimes with none or with two, which the API would refuse.
fn volume() -> impl Strategy<Value = Volume> {
    (prop::bool::weighted(0.7), prop::bool::weighted(0.2), prop::bool::weighted(0.1)).prop_map(
        |(empty_dir, host_path, nfs)| Volume {
            empty_dir: empty_dir.then(EmptyDirVolumeSource::default),
            host_path: host_path.then(HostPathVolumeSource::default),
            nfs: nfs.then(NFSVolumeSource::default),
            ..Volume::default()
        },
    )
}

prop_compose! {
    fn pod()(
        annotations in option::weighted(0.3, prop::collection::btree_map(
            select(&[
                "container.apparmor.security.beta.kubernetes.io/app",
                "container.seccomp.security.alpha.kubernetes.io/app",
                "seccomp.security.alpha.kubernetes.io/pod",
            ][..]).prop_map(str::to_owned),
            text(&["runtime/default", "localhost/x", "unconfined", ""]),
            0..3,
        )),
        containers in vec(container(), 0..3),
        init_containers in option::weighted(0.3, vec(container(), 0..3)),
        ephemeral in option::weighted(0.2, vec((text(&["app", "debug"]), option::of(security_context())), 0..2)),
        security_context in option::weighted(0.8, pod_security_context()),
        volumes in option::weighted(0.3, vec(volume(), 0..3)),
        host_pid in option::weighted(0.2, any::<bool>()),
        host_users in option::weighted(0.4, any::<bool>()),
        os in option::weighted(0.2, text(&["windows", "linux"])),
    ) -> (ObjectMeta, PodSpec) {
        let ephemeral_containers = ephemeral.map(|all| {
            let one = |(name, security_context)| EphemeralContainer { name, security_context, ..EphemeralContainer::default() };
            all.into_iter().map(one).collect()
        });
        let metadata = ObjectMeta { annotations, ..ObjectMeta::default() };
        let spec = PodSpec {
            containers, init_containers, ephemeral_containers, security_context, volumes, host_pid, host_users,
            os: os.map(|name| PodOS { name }),
            ..PodSpec::default()
        };
        (metadata, spec)
    }
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![8 => (0..45_u64).prop_map(Version::v1), 1 => Just(Version::LATEST)]
}

fn level() -> impl Strategy<Value = Level> {
    select(&Level::ALL[..])
}

proptest! {
    #[test]
    fn what_restricted_allows_baseline_allows_too((metadata, spec) in pod(), version in version()) {
        // Upstream breaks the law for two kinds of pods, both of which the API refuses for other reasons. In a Windows
        // pod the restricted controls stand in for baseline ones from v1.25 on and look at nothing. And a volume with an
        // allowed source passes restrictedVolumes, even if it has a hostPath as well.
        let is_windows = spec.os.as_ref().is_some_and(|os| os.name == "windows");
        let has_two = |volume: &Volume| volume.empty_dir.is_some() && volume.host_path.is_some();
        let is_an_exception = is_windows || spec.volumes.iter().flatten().any(has_two);
        if !is_an_exception && evaluate(Level::Restricted, version, &metadata, &spec).allowed() {
            prop_assert!(evaluate(Level::Baseline, version, &metadata, &spec).allowed());
        }
    }

    #[test]
    fn what_is_refused_stays_refused_once_privileged(
        (metadata, spec) in pod(), level in level(), version in version(), which in any::<prop::sample::Index>(),
    ) {
        let mut more = spec.clone();
        more.containers.push(Container::default());
        let container = which.index(more.containers.len());
        more.containers[container].security_context.get_or_insert_default().privileged = Some(true);
        if !evaluate(level, version, &metadata, &spec).allowed() {
            prop_assert!(!evaluate(level, version, &metadata, &more).allowed());
        }
    }

    #[test]
    fn the_ranges_say_what_each_version_says((metadata, spec) in pod(), level in level()) {
        let ranges = evaluate_all(level, &metadata, &spec);
        prop_assert_eq!(ranges.first().map(|range| range.from), Some(Version::OLDEST));
        prop_assert_eq!(ranges.last().map(|range| range.to), Some(Version::LATEST));
        for version in (0..=40).map(Version::v1).chain([Version::LATEST]) {
            let holding: Vec<_> =
                ranges.iter().filter(|range| range.from <= version && version <= range.to).collect();
            prop_assert_eq!(holding.len(), 1);
            let verdict = evaluate(level, version, &metadata, &spec);
            prop_assert_eq!(holding[0].verdict.allowed(), verdict.allowed());
            prop_assert_eq!(holding[0].verdict.reason(), verdict.reason());
            prop_assert_eq!(holding[0].verdict.detail(), verdict.detail());
        }
        for pair in ranges.windows(2) {
            let (a, b) = (&pair[0].verdict, &pair[1].verdict);
            prop_assert!(a.allowed() != b.allowed() || a.reason() != b.reason() || a.detail() != b.detail());
            prop_assert!(pair[1].from <= NEWEST);
        }
    }

    #[test]
    fn a_verdict_allows_if_and_only_if_it_has_nothing_to_say(
        (metadata, spec) in pod(), level in level(), version in version(),
    ) {
        let verdict = evaluate(level, version, &metadata, &spec);
        prop_assert_eq!(verdict.allowed(), verdict.reason().is_empty());
        prop_assert_eq!(verdict.allowed(), verdict.detail().is_empty());
        for finding in verdict.findings() {
            prop_assert!(finding.path().starts_with("spec.") || finding.path().starts_with("metadata.annotations["));
            prop_assert!(!finding.path().contains("[*]"));
            prop_assert!(!finding.message().is_empty() && !finding.hint().text.is_empty());
        }
    }
}
