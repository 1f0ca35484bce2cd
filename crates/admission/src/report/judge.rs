//! The pods of each namespace under its three modes.

use crate::{
    cluster::Snapshot,
    pod_security::{LevelVersion, Mode, PodSecurity, Policy},
    waiver::Maker,
};
use k8s_openapi::api::core::v1::{Namespace, Pod, PodSpec};
use ringfence_pss::Level;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

/// What a result comes to, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The level that is enforced would refuse it now.
    Fail,
    /// A level that is audited or warned of objects.
    Warn,
    /// The namespace's labels mean nothing.
    Error,
    /// It is waived or exempt.
    Skip,
    /// Nothing is wrong with it.
    Pass,
}

/// How many results there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Violations of what is enforced.
    pub fail: usize,
    /// Violations of what is audited or warned of.
    pub warn: usize,
    /// What could not be judged.
    pub error: usize,
    /// What is waived or exempt.
    pub skip: usize,
    /// Workloads with which nothing is wrong.
    pub pass: usize,
}

/// Pods of one workload, and one control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it comes to.
    pub outcome: Outcome,
    /// What makes the pods.
    pub maker: Maker,
    /// The control; none where nothing is wrong.
    pub control: Option<&'static str>,
    /// The level and version that it is of; none where nothing is wrong.
    pub by: Option<LevelVersion>,
    /// The modes that go by that level.
    pub modes: Vec<Mode>,
    /// How many pods it is about.
    pub pods: usize,
    /// What is wrong with the first of them, in the API server's words; or why it is skipped.
    pub message: String,
}

/// What is said of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceReport {
    /// The namespace.
    pub namespace: String,
    /// Its policy.
    pub policy: Policy,
    /// How many pods it has.
    pub pods: usize,
    /// What there is to say, the worst first, then by workload and control.
    pub findings: Vec<Finding>,
}

impl NamespaceReport {
    /// How much of it comes to what.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for finding in &self.findings {
            *match finding.outcome {
                Outcome::Fail => &mut summary.fail,
                Outcome::Warn => &mut summary.warn,
                Outcome::Error => &mut summary.error,
                Outcome::Skip => &mut summary.skip,
                Outcome::Pass => &mut summary.pass,
            } += 1;
        }
        summary
    }
}

/// What a report of the cluster says of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The namespace.
    pub namespace: String,
    /// Its policy.
    pub policy: Policy,
    /// How many pods it has.
    pub pods: usize,
    /// How much of its report comes to what.
    pub summary: Summary,
}

impl From<&NamespaceReport> for Overview {
    fn from(report: &NamespaceReport) -> Self {
        let NamespaceReport { namespace, policy, pods, .. } = report;
        Self { namespace: namespace.clone(), policy: *policy, pods: *pods, summary: report.summary() }
    }
}

/// Judges every pod that is there, with the waivers that the plug-in counts. Pods that have ended count too: what made
/// them may make them again.
pub fn reports(cluster: &Snapshot, pod_security: &PodSecurity) -> Vec<NamespaceReport> {
    let mut pods: BTreeMap<&str, Vec<&Pod>> = BTreeMap::new();
    for pod in cluster.all_pods() {
        pods.entry(pod.metadata.namespace.as_deref().unwrap_or("default")).or_default().push(pod);
    }
    cluster
        .namespaces()
        .map(|namespace| {
            let name = namespace.metadata.name.as_deref().unwrap_or_default();
            report(pod_security, namespace, pods.get(name).map_or(&[], Vec::as_slice))
        })
        .collect()
}

/// By outcome, maker, and level with control.
type Key = (Outcome, Maker, Option<(Level, String, &'static str)>);

/// The same for one namespace and its pods.
pub fn report(pod_security: &PodSecurity, namespace: &Namespace, pods: &[&Pod]) -> NamespaceReport {
    let name = namespace.metadata.name.clone().unwrap_or_default();
    let (policy, errors) = pod_security.policy_of(namespace);
    let mut found: BTreeMap<Key, Finding> = BTreeMap::new();
    let mut add = |key: Key, finding: &dyn Fn() -> Finding| match found.entry(key) {
        Entry::Occupied(mut known) => known.get_mut().pods += 1,
        Entry::Vacant(new) => drop(new.insert(finding())),
    };
    for error in &errors {
        let maker = Maker {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            name: name.clone(),
            uid: String::new(),
        };
        let plain = |message: String| Finding {
            outcome: Outcome::Error,
            maker: maker.clone(),
            control: None,
            by: None,
            modes: Vec::new(),
            pods: 0,
            message,
        };
        let key = (Outcome::Error, maker.clone(), Some((Level::Privileged, error.field.clone(), "")));
        add(key, &|| plain(error.to_string()));
    }
    let none = PodSpec::default();
    for pod in pods {
        let spec = pod.spec.as_ref().unwrap_or(&none);
        let maker = Maker::of(&pod.metadata);
        let plain = |outcome: Outcome, message: &str| Finding {
            outcome,
            maker: maker.clone(),
            control: None,
            by: None,
            modes: Vec::new(),
            pods: 1,
            message: message.to_owned(),
        };
        let exempt = if pod_security.exempts_namespace(&name) {
            Some("the namespace is exempt")
        } else if pod_security.exempts_runtime_class(spec) {
            Some("the runtime class is exempt")
        } else {
            None
        };
        if let Some(why) = exempt {
            add((Outcome::Skip, maker.clone(), None), &|| plain(Outcome::Skip, why));
            continue;
        }
        let mut clean = true;
        for (by, modes) in levels(&policy) {
            let enforced = modes.contains(&Mode::Enforce);
            let verdict = pod_security.judge(by, &pod.metadata, spec);
            let controls: BTreeSet<&'static str> = verdict.findings().iter().map(|f| f.control().id).collect();
            clean &= controls.is_empty();
            let cover = (enforced && !controls.is_empty())
                .then(|| pod_security.waiving().map(|waiving| waiving.cover(&name, &pod.metadata, verdict.clone())))
                .flatten();
            for control in controls {
                let of = |finding: &ringfence_pss::Finding<'_>| finding.control().id == control;
                // What is waived in part is not waived.
                let waived = cover.as_ref().filter(|cover| !cover.rest.findings().iter().any(of));
                let outcome = match (waived, enforced) {
                    (Some(_), _) => Outcome::Skip,
                    (None, true) => Outcome::Fail,
                    (None, false) => Outcome::Warn,
                };
                let message = || match waived {
                    Some(cover) => {
                        let by = cover.by.iter().filter(|used| used.controls.contains(&control));
                        by.map(crate::waiver::Used::warning).collect::<Vec<_>>().join("; ")
                    }
                    None => verdict.clone().retain(of).detail(),
                };
                let finding = || Finding {
                    outcome,
                    maker: maker.clone(),
                    control: Some(control),
                    by: Some(by),
                    modes: modes.clone(),
                    pods: 1,
                    message: message(),
                };
                add((outcome, maker.clone(), Some((by.level, by.version.to_string(), control))), &finding);
            }
        }
        if clean {
            add((Outcome::Pass, maker.clone(), None), &|| plain(Outcome::Pass, "nothing is wrong"));
        }
    }
    let findings = found.into_values().collect();
    NamespaceReport { namespace: name, policy, pods: pods.len(), findings }
}

/// The levels that say anything, each once, with the modes that go by it.
fn levels(policy: &Policy) -> Vec<(LevelVersion, Vec<Mode>)> {
    let mut levels: Vec<(LevelVersion, Vec<Mode>)> = Vec::with_capacity(3);
    for mode in Mode::ALL {
        let by = policy.of(mode);
        if by.level == Level::Privileged {
            continue;
        }
        match levels.iter_mut().find(|(known, _)| *known == by) {
            Some((_, modes)) => modes.push(mode),
            None => levels.push((by, vec![mode])),
        }
    }
    levels
}
