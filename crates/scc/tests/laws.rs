//! What must hold of any pod under any SCCs.

mod common;

use std::collections::BTreeSet;

use common::{Rights, alice, in_app, pod, project};
use k8s_openapi::api::core::v1::Pod;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use ringfence_scc::{
    Engine, Namespace, Operation, Outcome, REQUIRED_SCC, SecurityContextConstraints, VALIDATED_SCC, apply, decode,
    minimal_for, platform, why_before,
};
use serde_json::{Value, json};

const CAPABILITIES: [&str; 6] = ["ALL", "KILL", "NET_ADMIN", "CAP_SYS_ADMIN", "MKNOD", "NET_BIND_SERVICE"];
const PROFILES: [&str; 5] = ["runtime/default", "docker/default", "localhost/a.json", "unconfined", "*"];
const VOLUMES: [&str; 5] = ["emptyDir", "hostPath", "nfs", "flexVolume", "configMap"];

/// A field that is absent more often than not.
fn maybe(values: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![2 => Just(Value::Null), 1 => values].boxed()
}

fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    values
        .prop_map(move |values| {
            names.iter().zip(values).filter(|(_, v)| !v.is_null()).map(|(k, v)| ((*k).to_string(), v)).collect()
        })
        .boxed()
}

fn bool_field() -> BoxedStrategy<Value> {
    maybe(any::<bool>().prop_map(Value::from))
}

fn id() -> BoxedStrategy<Value> {
    maybe(select(vec![0_i64, 5, 1000, 3000, 1_000_680_000, 1_000_690_000]).prop_map(Value::from))
}

fn label() -> BoxedStrategy<Value> {
    maybe(select(vec![json!({}), json!({"level": "s0:c10,c26"}), json!({"level": "s0:c1", "type": "spc_t"})]))
}

fn profile() -> BoxedStrategy<Value> {
    maybe(select(vec![
        json!({"type": "RuntimeDefault"}),
        json!({"type": "Unconfined"}),
        json!({"type": "Localhost", "localhostProfile": "a.json"}),
    ]))
}

/// Never an empty list: the API server does not store those, so a stored pod may differ from what was judged.
fn capability_list() -> BoxedStrategy<Value> {
    maybe(subsequence(CAPABILITIES.to_vec(), 1..3).prop_map(Value::from))
}

fn container(name: &'static str) -> BoxedStrategy<Value> {
    let capabilities = maybe(object(vec![("add", capability_list()), ("drop", capability_list())]));
    let context = object(vec![
        ("runAsUser", id()),
        ("runAsNonRoot", bool_field()),
        ("privileged", bool_field()),
        ("allowPrivilegeEscalation", bool_field()),
        ("readOnlyRootFilesystem", bool_field()),
        ("capabilities", capabilities),
        ("seLinuxOptions", label()),
        ("seccompProfile", profile()),
    ]);
    let ports = maybe(select(vec![json!([{"containerPort": 80}]), json!([{"containerPort": 80, "hostPort": 81}])]));
    object(vec![("name", Just(Value::from(name)).boxed()), ("securityContext", maybe(context)), ("ports", ports)])
}

fn volume(kind: &str) -> Value {
    match kind {
        "hostPath" => json!({"name": "v", "hostPath": {"path": "/"}}),
        "nfs" => json!({"name": "v", "nfs": {"server": "s", "path": "/"}}),
        "flexVolume" => json!({"name": "v", "flexVolume": {"driver": "a/b"}}),
        "configMap" => json!({"name": "v", "configMap": {"name": "m"}}),
        _ => json!({"name": "v"}),
    }
}

fn pods() -> impl Strategy<Value = Pod> {
    let context = object(vec![
        ("runAsUser", id()),
        ("runAsNonRoot", bool_field()),
        ("fsGroup", id()),
        ("supplementalGroups", maybe(select(vec![json!([5]), json!([5, 3000])]))),
        ("seLinuxOptions", label()),
        ("seccompProfile", profile()),
        ("sysctls", maybe(select(vec![json!([{"name": "vm.swappiness", "value": "1"}])]))),
    ]);
    let volumes = maybe(select(VOLUMES.to_vec()).prop_map(|kind| json!([volume(kind)])));
    let spec = object(vec![
        ("hostNetwork", bool_field()),
        ("hostPID", bool_field()),
        ("hostUsers", bool_field()),
        ("serviceAccountName", maybe(Just(Value::from("builder")))),
        ("securityContext", maybe(context)),
        ("initContainers", maybe(container("i").prop_map(|c| json!([c])))),
        ("containers", (container("a"), container("b")).prop_map(|(a, b)| json!([a, b])).boxed()),
        ("volumes", volumes),
    ]);
    let annotation = proptest::option::of(select(vec!["unconfined", "runtime/default", "custom", ""]));
    (spec, annotation).prop_map(|(spec, annotation)| {
        let mut pod = pod(&spec);
        if let Some(annotation) = annotation {
            let key = "seccomp.security.alpha.kubernetes.io/pod";
            pod.metadata.annotations = Some([(key.to_string(), annotation.to_string())].into());
        }
        pod
    })
}

fn constraint(name: String) -> impl Strategy<Value = SecurityContextConstraints> {
    let group = select(vec![
        json!({"type": "RunAsAny"}),
        json!({"type": "MustRunAs"}),
        json!({"type": "MustRunAs", "ranges": [{"min": 5, "max": 1000}]}),
    ]);
    let user = select(vec![
        json!({"type": "RunAsAny"}),
        json!({"type": "MustRunAsRange"}),
        json!({"type": "MustRunAsNonRoot"}),
        json!({"type": "MustRunAs", "uid": 5}),
        json!({"type": "MustRunAsRange", "uidRangeMin": 0, "uidRangeMax": 3000}),
    ]);
    let context = select(vec![json!({"type": "RunAsAny"}), json!({"type": "MustRunAs"})]);
    object(vec![
        ("priority", maybe((0..3_i32).prop_map(Value::from))),
        ("allowPrivilegedContainer", bool_field()),
        ("allowHostNetwork", bool_field()),
        ("allowHostPorts", bool_field()),
        ("allowHostPID", bool_field()),
        ("allowPrivilegeEscalation", bool_field()),
        ("defaultAllowPrivilegeEscalation", bool_field()),
        ("readOnlyRootFilesystem", bool_field()),
        ("allowHostDirVolumePlugin", bool_field()),
        ("volumes", maybe(subsequence(VOLUMES.to_vec(), 0..5).prop_map(Value::from))),
        ("defaultAddCapabilities", maybe(subsequence(CAPABILITIES.to_vec(), 0..2).prop_map(Value::from))),
        ("requiredDropCapabilities", maybe(subsequence(CAPABILITIES.to_vec(), 0..3).prop_map(Value::from))),
        ("allowedCapabilities", maybe(subsequence(CAPABILITIES.to_vec(), 0..6).prop_map(Value::from))),
        ("seccompProfiles", maybe(subsequence(PROFILES.to_vec(), 0..4).prop_map(Value::from))),
        ("allowedUnsafeSysctls", maybe(Just(json!(["vm.*"])))),
        ("userNamespaceLevel", maybe(Just(Value::from("RequirePodLevel")))),
        ("fsGroup", group.clone().boxed()),
        ("supplementalGroups", group.boxed()),
        ("runAsUser", user.boxed()),
        ("seLinuxContext", context.boxed()),
    ])
    .prop_map(move |mut value| {
        value["metadata"] = json!({"name": name});
        decode(&value).expect("an SCC")
    })
}

fn constraints() -> impl Strategy<Value = Vec<SecurityContextConstraints>> {
    (1..6_usize).prop_flat_map(|n| (0..n).map(|i| constraint(format!("scc-{i}"))).collect::<Vec<_>>())
}

/// Rights to some of the SCCs, and to `fitting`.
fn rights(granted: &[bool]) -> Rights {
    let names = granted.iter().enumerate().filter(|(_, g)| **g).map(|(i, _)| (format!("scc-{i}"), "*".to_string()));
    Rights(names.chain([("fitting".into(), "*".into())]).collect())
}

/// Adds an SCC that takes the pod, so that most runs end in an admission.
fn with_fitting(mut sccs: Vec<SecurityContextConstraints>, pod: &Pod) -> Vec<SecurityContextConstraints> {
    let annotations = project();
    sccs.extend(minimal_for("fitting", pod, &Namespace { name: "app", annotations: Some(&annotations) }));
    sccs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_trial_colours_the_next(pod in pods(), sccs in constraints()) {
        let all = rights(&[true; 6]);
        let sccs = with_fitting(sccs, &pod);
        let together = in_app(&Engine::new(sccs.clone())).admit(&pod, &alice(), Operation::Create, &all);
        for trial in &together.trials {
            let own = sccs.iter().find(|s| s.name() == trial.scc).unwrap().clone();
            let alone = in_app(&Engine::new([own])).admit(&pod, &alice(), Operation::Create, &all);
            prop_assert_eq!(trial, &alone.trials[0]);
            if trial.outcome == Outcome::Admitted {
                prop_assert_eq!(&together.pod, &alone.pod);
            }
        }
    }

    #[test]
    fn a_grant_never_shuts_out_and_changes_the_choice_only_through_order(
        pod in pods(), sccs in constraints(), before in prop::array::uniform6(any::<bool>()), new in 0..6_usize,
    ) {
        let mut after = before;
        after[new] = true;
        let engine = Engine::new(with_fitting(sccs, &pod));
        let candidates = in_app(&engine);
        let first = candidates.admit(&pod, &alice(), Operation::Create, &rights(&before));
        let second = candidates.admit(&pod, &alice(), Operation::Create, &rights(&after));
        if let Some(old) = &first.chosen {
            prop_assert!(second.allowed());
            if second.chosen != first.chosen {
                let chosen = second.chosen.clone().unwrap();
                prop_assert_eq!(&chosen, &format!("scc-{new}"));
                let (old, chosen) = (engine.get(old).unwrap(), engine.get(&chosen).unwrap());
                prop_assert!(why_before(chosen, old).is_some());
            }
        }
    }

    #[test]
    fn a_stored_pod_is_admitted_again_unchanged(pod in pods(), sccs in constraints(), granted in prop::array::uniform6(any::<bool>())) {
        let candidates = in_app(&Engine::new(with_fitting(sccs, &pod)));
        let rights = rights(&granted);
        let decision = candidates.admit(&pod, &alice(), Operation::Create, &rights);
        prop_assert!(decision.allowed(), "{:?}", decision.message);
        let stored = decision.pod;
        prop_assert_eq!(candidates.validate(&stored, &alice(), &rights), Ok(()));
        let again = candidates.admit(&stored, &alice(), Operation::Create, &rights);
        prop_assert_eq!(&again.pod, &stored);
        let mut relabelled = stored.clone();
        relabelled.metadata.labels = Some([("a".to_string(), "b".to_string())].into());
        let update = candidates.admit(&relabelled, &alice(), Operation::Update { old: &stored }, &rights);
        prop_assert!(update.message.is_none());
        prop_assert_eq!(update.pod.spec, stored.spec);
    }

    #[test]
    fn a_refused_pod_is_left_as_it_was_sent(pod in pods(), sccs in constraints()) {
        let decision = in_app(&Engine::new(sccs)).admit(&pod, &alice(), Operation::Create, &Rights::default());
        prop_assert!(!decision.allowed());
        prop_assert_eq!(decision.pod, ringfence_scc::api_defaults(&pod).into_owned());
    }

    #[test]
    fn a_required_scc_decides_as_if_it_were_alone(pod in pods(), sccs in constraints()) {
        let all = rights(&[true; 6]);
        let candidates = in_app(&Engine::new(sccs.clone()));
        for scc in sccs {
            let mut required = pod.clone();
            required.metadata.annotations.get_or_insert_default().insert(REQUIRED_SCC.into(), scc.name().into());
            let among = candidates.admit(&required, &alice(), Operation::Create, &all);
            let alone = in_app(&Engine::new([scc])).admit(&required, &alice(), Operation::Create, &all);
            prop_assert_eq!(among, alone);
        }
    }

    #[test]
    fn every_near_miss_admits_once_done(pod in pods(), sccs in constraints(), granted in prop::array::uniform6(any::<bool>())) {
        let candidates = in_app(&Engine::new(sccs));
        for miss in candidates.near_misses(&pod, &alice(), &rights(&granted)) {
            let Some(edits) = &miss.edits else { continue };
            let mut changed = pod.clone();
            apply(&mut changed, edits);
            let mut rights = rights(&granted);
            rights.0.extend(miss.grant.map(|g| (g.scc, g.subject.name)));
            let decision = candidates.admit(&changed, &alice(), Operation::Create, &rights);
            prop_assert!(decision.allowed(), "{}: {:?}", miss.scc, decision.message);
        }
    }

    #[test]
    fn a_near_miss_touches_only_what_was_refused_and_all_of_it_is_needed(pod in pods(), sccs in constraints()) {
        for scc in sccs {
            let name = scc.name().to_string();
            let candidates = in_app(&Engine::new([scc]));
            let rights = Rights::default().to("*", &[&name]);
            for miss in candidates.near_misses(&pod, &alice(), &rights) {
                let Some(edits) = miss.edits else { continue };
                for (i, edit) in edits.iter().enumerate() {
                    let leaf = edit.path.trim_end_matches(".add").rsplit('.').next().unwrap_or_default();
                    // A profile is reported as its annotation, a port may be the node's by way of its network.
                    let refused = |field: &str| {
                        field.contains(leaf)
                            || (leaf == "seccompProfile" && field.contains("seccomp"))
                            || (leaf.starts_with("kubernetes") && field.contains("seccomp"))
                            || (leaf == "hostNetwork" && field.ends_with("hostPort"))
                            // Of a broken promise and root itself, only the first is reported.
                            || (leaf == "runAsUser" && field.ends_with("runAsNonRoot"))
                    };
                    prop_assert!(miss.violations.iter().any(|v| refused(&v.field)), "{edit}: {:?}", miss.violations);
                    let mut others = edits.clone();
                    others.remove(i);
                    let mut changed = pod.clone();
                    apply(&mut changed, &others);
                    let decision = candidates.admit(&changed, &alice(), Operation::Create, &rights);
                    prop_assert!(!decision.allowed(), "{edit} is not needed");
                }
            }
        }
    }

    #[test]
    fn there_is_a_new_scc_for_every_pod(pod in pods()) {
        let annotations = project();
        let namespace = Namespace { name: "app", annotations: Some(&annotations) };
        let scc = minimal_for("new", &pod, &namespace);
        prop_assert!(scc.is_some());
        let all = Rights::default().to("*", &["new"]);
        let decision = in_app(&Engine::new(scc)).admit(&pod, &alice(), Operation::Create, &all);
        let annotations = decision.pod.metadata.annotations.unwrap_or_default();
        prop_assert_eq!(annotations.get(VALIDATED_SCC).map(String::as_str), Some("new"));
    }

    #[test]
    fn the_order_is_total_and_explained(sccs in constraints()) {
        let engine = Engine::new(sccs.into_iter().chain(platform::constraints()));
        let ordered = engine.constraints();
        for (i, a) in ordered.iter().enumerate() {
            for b in &ordered[i + 1..] {
                prop_assert!(why_before(a, b).is_some());
                prop_assert!(why_before(b, a).is_none());
            }
        }
        let names: BTreeSet<&str> = ordered.iter().map(SecurityContextConstraints::name).collect();
        prop_assert_eq!(names.len(), ordered.len());
    }

    #[test]
    fn an_scc_survives_being_written_and_read(scc in constraint("x".into())) {
        let text = serde_json::to_value(&scc).unwrap();
        prop_assert_eq!(decode(&text).unwrap(), scc);
    }
}
