//! What is proposed for pods that an API server has refused: enough, and no more than enough.
//!
//! A proposal is *enough* if the pod, with its changes made and its grant given, is taken. It is *no more than enough* if
//! it touches only fields that the constraint objects to, on the way from the pod as it was to the pod as it is then; and
//! if the constraint objects again as soon as any one part of it is undone, an item of a list being such a part.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::{collections::BTreeSet, path::Path, process::Command};

use k8s_openapi::api::core::v1::Pod;
use ringfence_admission::{
    admit::{Admitter, Plugin},
    cluster::{Builder, Namespaces as _, Snapshot},
    pod_security::PodSecurity,
    user::User,
};
use ringfence_scc::{Candidates, Edit, Grant, NearMiss, Operation, Rule, Subject, apply};
use serde_json::Value;

/// How many recorded refusals are looked at.
const CASES: usize = 200;

#[test]
fn the_smallest_change_proposed_for_a_recorded_refusal_admits_the_pod_and_loosens_nothing_else() {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/scc");
    let Some(refused) = recorded(&suite.join("cases.jsonl.xz")) else { return };
    let cluster = cluster(&suite);
    let admitter = Admitter::new(&cluster, PodSecurity::default());
    assert!(refused.len() >= CASES, "{} refusals are too few", refused.len());
    let (mut proposals, mut nearest, mut parts) = (0, 0, 0);
    for n in 0..CASES {
        let recorded = &refused[n * refused.len() / CASES];
        let case = Case::new(&admitter, &cluster, recorded);
        let misses = case.candidates.near_misses(&case.pod, &case.user, &case.access(None));
        assert!(!misses.is_empty(), "{recorded}");
        for (rank, miss) in misses.iter().enumerate() {
            let Some(edits) = &miss.edits else { continue };
            case.is_enough(&admitter, miss, edits);
            parts += case.is_no_more_than_enough(miss, edits, rank == 0 && miss.grant.is_none());
            proposals += 1;
            nearest += usize::from(rank == 0);
        }
    }
    println!("{CASES} refusals, {proposals} proposals ({nearest} of them the nearest), {parts} parts undone");
    assert!(nearest > CASES * 9 / 10, "only {nearest} of {CASES} refused pods are offered a change");
}

/// A pod that was refused, and who asked.
struct Case<'c> {
    pod: Pod,
    user: Subject,
    namespace: String,
    candidates: Candidates,
    cluster: &'c Snapshot,
}

impl<'c> Case<'c> {
    fn new(admitter: &Admitter<'_>, cluster: &'c Snapshot, recorded: &Value) -> Self {
        let pod: Pod = serde_json::from_value(recorded["pod"].clone()).unwrap();
        let namespace = pod.metadata.namespace.clone().unwrap();
        let groups: Vec<String> = serde_json::from_value(recorded["groups"].clone()).unwrap();
        let user = User::impersonated(recorded["user"].as_str().unwrap(), &groups);
        let admission = admitter.admit(&pod, &namespace, &user);
        assert_eq!(admission.by, Some(Plugin::SecurityContextConstraints), "{recorded}\n{:?}", admission.message);
        let found = cluster.namespace(&namespace).unwrap();
        let annotations = found.metadata.annotations.clone().unwrap_or_default();
        let of = ringfence_scc::Namespace { name: &namespace, annotations: Some(&annotations) };
        let candidates = admitter.engine().in_namespace(&of);
        let user = Subject { name: user.name, groups: user.groups };
        // Constraints look at the pod after it has got its service account.
        Self { pod: admission.pod, user, namespace, candidates, cluster }
    }

    /// The cluster's rights, and the proposal's.
    fn access<'a>(&'a self, miss: Option<&'a NearMiss>) -> impl Fn(&Subject, &str, &str) -> Option<Grant> + 'a {
        let rbac = self.cluster.rbac();
        move |subject, scc, namespace| {
            let given = miss.and_then(|miss| miss.grant.as_ref());
            if given.is_some_and(|given| given.scc == scc && given.subject == *subject) {
                let rule = Rule { binding: "RoleBinding proposed".into(), role: "ClusterRole proposed".into() };
                return Some(Grant::Rule(rule.into()));
            }
            let user = User { name: subject.name.clone(), groups: subject.groups.clone() };
            rbac.bindings(&user, namespace).first_rule(scc).map(Grant::Rule)
        }
    }

    fn with(&self, edits: &[Edit]) -> Pod {
        let mut pod = self.pod.clone();
        apply(&mut pod, edits);
        pod
    }

    fn is_enough(&self, admitter: &Admitter<'_>, miss: &NearMiss, edits: &[Edit]) {
        let pod = self.with(edits);
        let decision = self.candidates.admit(&pod, &self.user, Operation::Create, &self.access(Some(miss)));
        assert!(decision.allowed(), "{}: {edits:?}\n{:?}", miss.scc, decision.message);
        // What needs no grant is admitted by the cluster as it is, with every plugin and the second look.
        if miss.grant.is_none() {
            let user = User { name: self.user.name.clone(), groups: self.user.groups.clone() };
            let admission = admitter.admit(&pod, &self.namespace, &user);
            assert_ne!(admission.by, Some(Plugin::SecurityContextConstraints), "{}: {edits:?}", miss.scc);
        }
    }

    /// How many parts were undone.
    fn is_no_more_than_enough(&self, miss: &NearMiss, edits: &[Edit], nearest: bool) -> usize {
        let mut named: BTreeSet<String> = BTreeSet::new();
        for made in 0..edits.len() {
            let violations = self.violations(&self.with(&edits[..made]), &miss.scc);
            named.extend(violations.iter().flat_map(|field| touchable(field)));
        }
        for edit in edits {
            assert!(named.contains(leaf(&edit.path)), "{}: {edit} touches none of {named:?}", miss.scc);
        }
        let mut undone = 0;
        for part in self.without_a_part(edits) {
            let objected = self.violations(&part, &miss.scc);
            assert!(!objected.is_empty(), "{}: less than {edits:?} would do: {part:?}", miss.scc);
            if nearest {
                let decision = self.candidates.admit(&part, &self.user, Operation::Create, &self.access(None));
                assert!(!decision.allowed(), "{}: {:?} takes it with less than {edits:?}", miss.scc, decision.chosen);
            }
            undone += 1;
        }
        undone
    }

    /// The fields that a constraint objects to in a pod.
    fn violations(&self, pod: &Pod, scc: &str) -> Vec<String> {
        let misses = self.candidates.near_misses(pod, &self.user, &self.access(None));
        let miss = misses.into_iter().find(|miss| miss.scc == scc);
        miss.into_iter().flat_map(|miss| miss.violations).map(|violation| violation.field).collect()
    }

    /// The changed pod, once for each part of the proposal, with that part undone.
    fn without_a_part(&self, edits: &[Edit]) -> Vec<Pod> {
        let mut pods = Vec::new();
        let whole = serde_json::to_value(self.with(edits)).unwrap();
        let before = serde_json::to_value(&self.pod).unwrap();
        for (at, edit) in edits.iter().enumerate() {
            let mut others = edits.to_vec();
            others.remove(at);
            pods.push(self.with(&others));
            let Some(Value::Array(items)) = before.pointer(&pointer(&edit.path)) else { continue };
            let (parent, field) = edit.path.rsplit_once('.').unwrap();
            for item in items {
                let kept = whole.pointer(&pointer(&edit.path)).and_then(Value::as_array).cloned().unwrap_or_default();
                if kept.contains(item) {
                    continue;
                }
                let mut pod = whole.clone();
                let list: Vec<Value> = items.iter().filter(|own| *own == item || kept.contains(own)).cloned().collect();
                pod.pointer_mut(&pointer(parent)).unwrap()[field] = list.into();
                pods.push(serde_json::from_value(pod).unwrap());
            }
        }
        pods
    }
}

/// `/spec/containers/0/ports/1` of `spec.containers[0].ports[1]`.
fn pointer(path: &str) -> String {
    format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
}

/// The name of a field, whether it is the container's or the pod's: `runAsUser` of
/// `spec.containers[0].securityContext.runAsUser`.
fn leaf(path: &str) -> &str {
    let name = path.rsplit('.').next().unwrap_or(path);
    if path.starts_with("metadata.annotations[") { path } else { name.split('[').next().unwrap_or(name) }
}

/// The names of what decides about a field that is objected to: its own, and those of the fields that it is part of.
fn touchable(field: &str) -> BTreeSet<String> {
    if field.starts_with("metadata.annotations[") {
        return BTreeSet::from([field.to_owned()]);
    }
    let names = field.split('.').map(|name| name.split('[').next().unwrap_or(name).to_owned());
    let mut names: BTreeSet<String> = names.collect();
    for wider in ["spec", "securityContext", "containers", "initContainers", "ephemeralContainers"] {
        names.remove(wider);
    }
    // On the node's network, a container's ports are the node's.
    if names.contains("hostPort") {
        names.insert("hostNetwork".to_owned());
    }
    names
}

/// The recorded refusals by constraints; none, and a word, where they cannot be had.
fn recorded(path: &Path) -> Option<Vec<Value>> {
    let Ok(text) = Command::new("xz").arg("-dc").arg(path).output() else {
        println!("skipped: no xz");
        return None;
    };
    if !text.status.success() {
        println!("skipped: the conformance suite is not beside this checkout");
        return None;
    }
    let text = String::from_utf8(text.stdout).unwrap();
    let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let message = |case: &Value| case["message"].as_str().unwrap_or_default().to_owned();
    Some(cases.filter(|case| message(case).contains("unable to validate against any security context")).collect())
}

fn cluster(suite: &Path) -> Snapshot {
    let mut builder = Builder::default();
    for name in ["cluster-defaults.yaml", "cluster.yaml"] {
        for document in ringfence_manifest::read(&std::fs::read(suite.join(name)).unwrap()) {
            assert!(document.error().is_none(), "{name}: {:?}", document.error());
            if let Some(root) = document.root() {
                builder.add(name, serde_json::to_value(root).unwrap());
            }
        }
    }
    builder.build()
}
