//! What holds for every pod, image and node, however odd.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Capabilities, ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, EphemeralContainer,
    HostPathVolumeSource, PersistentVolumeClaimVolumeSource, PodSecurityContext, PodSpec, SELinuxOptions,
    SeccompProfile, SecretVolumeSource, SecurityContext, Sysctl, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use ringfence_context::capability::CapSet;
use ringfence_context::effective::{EffectivePod, warning_code};
use ringfence_context::facts::{Facts, ImageFacts, NodeCapabilities, NodeFacts, StorageFacts};
use ringfence_context::origin::Value;
use ringfence_context::resolve;

fn id() -> impl Strategy<Value = i64> {
    // Most are such that the pod starts, because a refused one has little to tell.
    prop_oneof![
        12 => select(vec![0, 1, 1000, 1500, 4321, 65_535]),
        1 => select(vec![65_536, i64::from(i32::MAX), i64::from(u32::MAX)]),
        1 => any::<i64>(),
    ]
}

fn word(words: &[&str]) -> impl Strategy<Value = String> {
    select(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
}

fn capability() -> impl Strategy<Value = String> {
    prop_oneof![
        word(&["ALL", "all", "NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "SYS_ADMIN", "SYS_RESOURCE", "KILL"]),
        ".{0,6}"
    ]
}

fn seccomp() -> impl Strategy<Value = SeccompProfile> {
    (word(&["RuntimeDefault", "Unconfined", "Localhost", "Other"]), of(word(&["", "a.json", "../../b", "/c//./d"])))
        .prop_map(|(type_, localhost_profile)| SeccompProfile { localhost_profile, type_ })
}

fn app_armor() -> impl Strategy<Value = AppArmorProfile> {
    (word(&["RuntimeDefault", "Unconfined", "Localhost", "Other"]), of(word(&["", "web"])))
        .prop_map(|(type_, localhost_profile)| AppArmorProfile { localhost_profile, type_ })
}

fn selinux() -> impl Strategy<Value = SELinuxOptions> {
    (of(word(&["", "s0", "s0:c1,c2", "high", "s0:c1.c2.c3"])), of(word(&["", "spc_t"])))
        .prop_map(|(level, type_)| SELinuxOptions { level, type_, ..SELinuxOptions::default() })
}

fn pod_context() -> impl Strategy<Value = PodSecurityContext> {
    let ids = (of(id()), of(id()), of(id()), of(prop::collection::vec(id(), 0..4)), of(any::<bool>()));
    let names = (
        of(word(&["Merge", "Merge", "Strict", "Strict", "Other"])),
        of(word(&["Always", "OnRootMismatch"])),
        of(seccomp()),
        weighted(0.2, app_armor()),
        weighted(0.2, selinux()),
        weighted(
            0.2,
            prop::collection::vec(
                (
                    word(&[
                        "kernel.shm_rmid_forced",
                        "net.core.somaxconn",
                        "net/ipv4/x.y",
                        "vm.x",
                        "user.x",
                        "kernel.hostname",
                    ]),
                    ".{0,3}",
                )
                    .prop_map(|(name, value)| Sysctl { name, value }),
                0..3,
            ),
        ),
    );
    (ids, names).prop_map(
        |(
            (run_as_user, run_as_group, fs_group, supplemental_groups, run_as_non_root),
            (
                supplemental_groups_policy,
                fs_group_change_policy,
                seccomp_profile,
                app_armor_profile,
                se_linux_options,
                sysctls,
            ),
        )| PodSecurityContext {
            run_as_user,
            run_as_group,
            fs_group,
            supplemental_groups,
            run_as_non_root,
            supplemental_groups_policy,
            fs_group_change_policy,
            seccomp_profile,
            app_armor_profile,
            se_linux_options,
            sysctls,
            ..PodSecurityContext::default()
        },
    )
}

fn context() -> impl Strategy<Value = SecurityContext> {
    let ids = (of(id()), of(id()), of(any::<bool>()), of(any::<bool>()), of(any::<bool>()), of(any::<bool>()));
    let capabilities = (of(prop::collection::vec(capability(), 0..4)), of(prop::collection::vec(capability(), 0..4)))
        .prop_map(|(add, drop)| Capabilities { add, drop });
    let names = (
        of(capabilities),
        of(seccomp()),
        weighted(0.2, app_armor()),
        weighted(0.2, selinux()),
        of(word(&["Default", "Unmasked", "Other"])),
    );
    (ids, names).prop_map(
        |(
            (
                run_as_user,
                run_as_group,
                run_as_non_root,
                privileged,
                allow_privilege_escalation,
                read_only_root_filesystem,
            ),
            (capabilities, seccomp_profile, app_armor_profile, se_linux_options, proc_mount),
        )| SecurityContext {
            run_as_user,
            run_as_group,
            run_as_non_root,
            privileged,
            allow_privilege_escalation,
            read_only_root_filesystem,
            capabilities,
            seccomp_profile,
            app_armor_profile,
            se_linux_options,
            proc_mount,
            ..SecurityContext::default()
        },
    )
}

fn volume() -> impl Strategy<Value = Volume> {
    (0..6, word(&["v", "w", "x"]), of(any::<i32>()), of(word(&["", "Memory", "HugePages-2Mi", "Other"]))).prop_map(
        |(which, name, mode, medium)| {
            let mut volume = Volume { name, ..Volume::default() };
            match which {
                0 => volume.empty_dir = Some(EmptyDirVolumeSource { medium, ..EmptyDirVolumeSource::default() }),
                1 => volume.config_map = Some(ConfigMapVolumeSource { default_mode: mode, ..Default::default() }),
                2 => volume.secret = Some(SecretVolumeSource { default_mode: mode, ..Default::default() }),
                3 => volume.host_path = Some(HostPathVolumeSource::default()),
                4 => volume.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource::default()),
                _ => {}
            }
            volume
        },
    )
}

fn mount() -> impl Strategy<Value = VolumeMount> {
    (
        word(&["v", "w", "missing"]),
        word(&["/v", "data", "", "/etc", "/"]),
        of(any::<bool>()),
        of(word(&["", "a", "/a", "../b"])),
        of(any::<String>()),
    )
        .prop_map(|(name, mount_path, read_only, sub_path, sub_path_expr)| VolumeMount {
            name,
            mount_path,
            read_only,
            sub_path,
            sub_path_expr,
            ..VolumeMount::default()
        })
}

fn container() -> impl Strategy<Value = Container> {
    let env = (word(&["HOME", "A"]), of(word(&["", "/home", "$(A)$(A)", "$$(A)$", "$(HOME", "/é$(x)"])))
        .prop_map(|(name, value)| EnvVar { name, value, value_from: None });
    (
        "[a-z]{0,3}",
        of(prop_oneof![word(&["busybox", "docker.io/library/busybox:latest", "stranger"]), ".{0,8}"]),
        of(context()),
        prop::collection::vec(env, 0..4),
        prop::collection::vec(mount(), 0..3),
        of(word(&["Always", "Never"])),
    )
        .prop_map(|(name, image, security_context, env, mounts, restart_policy)| Container {
            name,
            image,
            security_context,
            env: Some(env),
            volume_mounts: Some(mounts),
            restart_policy,
            ..Container::default()
        })
}

fn spec() -> impl Strategy<Value = PodSpec> {
    (
        of(pod_context()),
        of(prop::collection::vec(container(), 0..2)),
        prop::collection::vec(container(), 0..3),
        prop::collection::vec(container(), 0..2),
        of(prop::collection::vec(volume(), 0..4)),
        prop::collection::vec(of(any::<bool>()), 5),
        of("[a-z-]{0,70}"),
    )
        .prop_map(|(security_context, init_containers, containers, ephemeral, volumes, host, hostname)| {
            let flag = |at: usize| host.get(at).copied().flatten();
            PodSpec {
                security_context,
                init_containers,
                containers,
                ephemeral_containers: Some(
                    ephemeral
                        .into_iter()
                        .map(|container| EphemeralContainer {
                            name: container.name,
                            image: container.image,
                            security_context: container.security_context,
                            env: container.env,
                            volume_mounts: container.volume_mounts,
                            ..EphemeralContainer::default()
                        })
                        .collect(),
                ),
                volumes,
                host_pid: flag(0),
                host_ipc: flag(1),
                host_network: flag(2),
                host_users: flag(3),
                share_process_namespace: flag(4),
                hostname,
                ..PodSpec::default()
            }
        })
}

fn database() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "(root|app|alice|#c|):x?:(0|1000|1500|4294967296|99999999999999999999|-1|x|):(0|1501|x|):(app,alice|root|,|):/[a-z]{0,3}:",
        ".{0,12}"
    ];
    prop::collection::vec(line, 0..6).prop_map(|lines| lines.join("\n"))
}

fn facts() -> impl Strategy<Value = Facts> {
    let image = (
        word(&[
            "",
            "0",
            "1000",
            "1000:2222",
            "app",
            "app:audio",
            "ghost",
            "4294967296",
            "99999999999999999999",
            ":",
            "-1",
        ]),
        of(database()),
        of(database()),
        prop::collection::vec("(HOME|A)(=[/a-z]{0,4})?", 0..3),
    )
        .prop_map(|(user, passwd, group, env)| ImageFacts {
            name: "busybox".to_owned(),
            user,
            passwd,
            group,
            env,
            ..ImageFacts::default()
        });
    let node = (
        of(prop_oneof![6 => Just(CapSet::ALL), 6 => Just(CapSet(0x1ff_feff_ffff)), 1 => any::<u64>().prop_map(CapSet)]),
        prop::collection::vec(of(any::<bool>()), 4),
        of(prop::collection::vec(word(&["net.*", "kernel.msg*", "*"]), 0..2)),
    )
        .prop_map(|(bounding, flags, allowed_unsafe_sysctls)| {
            let flag = |at: usize| flags.get(at).copied().flatten();
            NodeFacts {
                runtime: Some("containerd 2.4.0".to_owned()),
                capabilities: NodeCapabilities { bounding },
                seccomp_default: flag(0),
                apparmor: flag(1),
                selinux: flag(2),
                user_namespaces: flag(3),
                allowed_unsafe_sysctls,
                ..NodeFacts::default()
            }
        });
    let profiles = of(Just(BTreeMap::from([
        ("a.json".to_owned(), Ok(())),
        ("b".to_owned(), Err("unexpected end of JSON input".to_owned())),
    ])));
    let claims = of(Just(BTreeSet::from(["missing".to_owned()])));
    (of(image), of(node), profiles, claims).prop_map(|(image, node, seccomp_profiles, claim_templates)| Facts {
        images: image.into_iter().map(|image| ("docker.io/library/busybox:latest".to_owned(), image)).collect(),
        node,
        seccomp_profiles,
        objects: None,
        claim_templates,
        storage: StorageFacts::default(),
    })
}

fn resolved(spec: &PodSpec, facts: &Facts) -> EffectivePod {
    resolve(&ObjectMeta::default(), spec, facts)
}

/// Whether what is known on the left is known and the same on the right.
fn stays<T: PartialEq>(less: &Value<T>, more: &Value<T>) -> bool {
    less.get().is_none_or(|value| more.get() == Some(value))
}

#[test]
fn a_good_part_of_the_containers_that_the_laws_are_tried_on_start() {
    let mut runner = TestRunner::deterministic();
    let mut started = 0;
    let mut containers = 0;
    for _ in 0..200 {
        let (spec, facts) = (spec(), facts()).new_tree(&mut runner).expect("a pod").current();
        let pod = resolved(&spec, &facts);
        containers += pod.containers.len();
        started += pod.containers.iter().filter(|container| container.refusal.is_none()).count();
    }
    assert!(started * 5 > containers, "{started} of {containers} start");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_pod_has_the_same_answer_twice_with_a_context_for_each_container(spec in spec(), facts in facts()) {
        let pod = resolved(&spec, &facts);
        prop_assert_eq!(&pod, &resolved(&spec, &facts));
        let containers = spec.containers.len()
            + spec.init_containers.as_ref().map_or(0, Vec::len)
            + spec.ephemeral_containers.as_ref().map_or(0, Vec::len);
        prop_assert_eq!(pod.containers.len(), containers);
        prop_assert!(serde_json::to_string(&pod).is_ok());
    }

    #[test]
    fn effective_is_within_permitted_is_within_bounding_is_within_the_node(spec in spec(), facts in facts()) {
        let node = facts.node.as_ref().and_then(|node| node.capabilities.bounding);
        for container in resolved(&spec, &facts).containers {
            let Some(sets) = container.capabilities.sets.get() else { continue };
            prop_assert!(sets.effective.difference(sets.permitted).is_empty());
            prop_assert!(sets.permitted.difference(sets.bounding).is_empty());
            prop_assert!(sets.inheritable.is_empty() && sets.ambient.is_empty());
            if let (Some(node), None, Some(true) | None) = (node, &container.refusal, spec.host_users) {
                prop_assert!(sets.bounding.difference(node).is_empty());
            }
        }
    }

    #[test]
    fn what_a_container_sets_does_not_depend_on_the_pods_context(
        spec in spec(), other in pod_context(), facts in facts()
    ) {
        let changed = PodSpec { security_context: Some(other), ..spec.clone() };
        let contexts: Vec<_> = spec.init_containers.iter().flatten().chain(&spec.containers)
            .map(|container| container.security_context.clone())
            .chain(spec.ephemeral_containers.iter().flatten().map(|container| container.security_context.clone()))
            .collect();
        let (one, two) = (resolved(&spec, &facts), resolved(&changed, &facts));
        for ((context, one), two) in contexts.into_iter().zip(one.containers).zip(two.containers) {
            let context = context.unwrap_or_default();
            if context.run_as_user.is_some() && context.run_as_group.is_some() {
                prop_assert_eq!(&one.user.uid, &two.user.uid);
            }
            if context.run_as_group.is_some() {
                prop_assert_eq!(one.user.gid.get(), two.user.gid.get());
            }
            if context.seccomp_profile.is_some() {
                prop_assert_eq!(&one.seccomp, &two.seccomp);
            }
            if context.se_linux_options.is_some() {
                prop_assert_eq!(&one.selinux, &two.selinux);
            }
            if context.app_armor_profile.is_some() {
                prop_assert_eq!(&one.app_armor, &two.app_armor);
            }
            prop_assert_eq!(&one.no_new_privileges, &two.no_new_privileges);
            prop_assert_eq!(&one.capabilities.granted, &two.capabilities.granted);
            prop_assert_eq!(&one.proc_mount, &two.proc_mount);
        }
    }

    #[test]
    fn a_privileged_container_is_unconfined_and_may_gain_privileges(spec in spec(), facts in facts()) {
        for container in resolved(&spec, &facts).containers {
            if container.privileged.get() == Some(&true) {
                let state = container.process();
                prop_assert_eq!(state.no_new_privileges, Some(false));
                prop_assert_eq!(state.proc_masked, Some(false));
                prop_assert!(matches!(state.seccomp_mode, Some(0) | None));
            }
        }
    }

    #[test]
    fn the_primary_group_and_the_certain_groups_are_among_the_groups(spec in spec(), facts in facts()) {
        for container in resolved(&spec, &facts).containers {
            let Some(groups) = container.process().groups else { continue };
            prop_assert!(container.user.gid.get().is_none_or(|gid| groups.contains(gid)));
            prop_assert!(container.user.certain_groups.iter().all(|group| groups.contains(&group.gid)));
        }
    }

    #[test]
    fn a_refused_pod_refuses_each_of_its_containers(spec in spec(), facts in facts()) {
        let pod = resolved(&spec, &facts);
        if pod.refusal.is_some() {
            prop_assert!(pod.containers.iter().all(|container| container.refusal == pod.refusal));
        }
    }

    #[test]
    fn more_facts_never_change_what_was_known_of_a_container_that_starts(spec in spec(), facts in facts()) {
        let without = resolved(&spec, &Facts::default());
        for (less, more) in without.containers.iter().zip(resolved(&spec, &facts).containers) {
            if more.refusal.is_some() {
                continue;
            }
            prop_assert!(stays(&less.user.uid, &more.user.uid));
            prop_assert!(stays(&less.user.gid, &more.user.gid));
            prop_assert!(stays(&less.no_new_privileges, &more.no_new_privileges));
            prop_assert!(stays(&less.seccomp, &more.seccomp));
            prop_assert!(stays(&less.capabilities.granted, &more.capabilities.granted));
            prop_assert!(stays(&less.capabilities.sets, &more.capabilities.sets));
            prop_assert!(stays(&less.home, &more.home));
            let (fewer, groups) = (less.process().groups, more.process().groups);
            prop_assert!(fewer.is_none_or(|fewer| groups == Some(fewer)));
        }
    }

    #[test]
    fn every_warning_has_a_known_code_a_field_and_a_hint(spec in spec(), facts in facts()) {
        let pod = resolved(&spec, &facts);
        for warning in pod.containers.iter().flat_map(|container| &container.warnings).chain(&pod.warnings) {
            prop_assert!(warning_code::ALL.contains(&warning.code), "{}", warning.code);
            prop_assert!(warning.field.starts_with("spec.") || warning.field.starts_with("metadata."), "{}", warning.field);
            prop_assert!(warning.hint.is_some());
        }
    }
}
