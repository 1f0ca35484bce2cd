//! What the pods of a namespace satisfy, and which workloads a level would break: counted, not listed pod by pod, so
//! that it may be kept for every namespace of a cluster.

use super::{LevelVersion, Owner, PodSecurity};
use crate::{
    admit::Maker,
    cluster::{Alike, Kind, LookupError, Pods},
    user::User,
};
use k8s_openapi::api::core::v1::PodSpec;
use ringfence_pss::{Level, Version};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
};

/// What the pods of a namespace come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    /// How many pods there are.
    pub pods: usize,
    /// What baseline would refuse.
    pub baseline: Refused,
    /// What restricted would refuse.
    pub restricted: Refused,
}

/// What a level would refuse if it were made again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// How many pods.
    pub pods: usize,
    /// How many rows they are in a list of [`Breaking`]: one for each owner and reason.
    pub rows: usize,
}

/// Pods of one owner that a level would refuse for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breaking {
    /// What made them; `None` for pods that were made by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// What is wrong, in few words.
    pub reason: String,
    /// What is wrong with the first of them, with the details.
    pub detail: String,
    /// How many there are.
    pub count: usize,
    /// The name of the first of them.
    pub example: String,
}

impl Survey {
    /// The strictest level that refuses none of the pods; `None` where there are no pods.
    pub fn satisfies(&self) -> Option<Level> {
        (self.pods > 0).then_some(match (self.baseline.pods, self.restricted.pods) {
            (_, 0) => Level::Restricted,
            (0, _) => Level::Baseline,
            _ => Level::Privileged,
        })
    }

    /// What the level would refuse.
    pub fn refused(&self, level: Level) -> Refused {
        match level {
            Level::Privileged => Refused::default(),
            Level::Baseline => self.baseline,
            Level::Restricted => self.restricted,
        }
    }
}

impl PodSecurity {
    /// Judges all pods of a namespace by baseline and by restricted. Each kind of pod is judged once where the cluster
    /// keeps alike pods once.
    pub fn survey<C: Pods + ?Sized>(
        &self,
        cluster: &C,
        namespace: &str,
        version: Version,
    ) -> Result<Survey, LookupError> {
        let mut tallies = [Level::Baseline, Level::Restricted].map(|level| Tally::new(self, level, version));
        let mut pods = 0;
        cluster.alike(namespace, &mut |pod| {
            pods += 1;
            for tally in &mut tallies {
                tally.add(pod);
            }
            ControlFlow::Continue(())
        })?;
        let [baseline, restricted] = tallies
            .map(|tally| Refused { pods: tally.rows.values().map(|row| row.count).sum(), rows: tally.rows.len() });
        Ok(Survey { pods, baseline, restricted })
    }

    /// The pods of a namespace that a level would refuse, by owner and reason; of those that are wanted, as only they are
    /// judged.
    pub fn breaking<C: Pods + ?Sized>(
        &self,
        cluster: &C,
        namespace: &str,
        by: LevelVersion,
        wanted: impl Fn(&Alike<'_>) -> bool,
    ) -> Result<Vec<Breaking>, LookupError> {
        let mut tally = Tally::new(self, by.level, by.version);
        cluster.alike(namespace, &mut |pod| {
            if wanted(&pod) {
                tally.add(pod);
            }
            ControlFlow::Continue(())
        })?;
        Ok(tally.finish())
    }

    /// Whether whoever makes the pods of that owner is left alone.
    fn exempts_maker(&self, owner: Option<&Owner>) -> bool {
        let kind = owner.and_then(|owner| Kind::of(&owner.api_version, &owner.kind));
        match kind.and_then(Maker::of) {
            Some(maker @ Maker::Controller(_)) => self.exempts_user(&maker.user(&User::default()).name),
            _ => false,
        }
    }
}

/// Pods that one level refuses, by owner and reason. Owners and reasons are told apart by small numbers, so that a
/// hundred thousand alike pods cost a look-up each and no copy.
struct Tally<'s> {
    pod_security: &'s PodSecurity,
    by: LevelVersion,
    /// By number.
    owners: Vec<Owner>,
    numbers: HashMap<Owner, usize>,
    /// The last pod's owner, which mostly is the next one's, too.
    last: Option<usize>,
    reasons: BTreeMap<String, usize>,
    /// What is said of pods that are alike.
    templates: HashMap<usize, Option<(usize, String)>>,
    /// By owner and reason.
    rows: HashMap<(Option<usize>, usize), Row>,
}

struct Row {
    detail: String,
    count: usize,
    example: String,
}

impl<'s> Tally<'s> {
    fn new(pod_security: &'s PodSecurity, level: Level, version: Version) -> Self {
        Self {
            pod_security,
            by: LevelVersion { level, version },
            owners: Vec::new(),
            numbers: HashMap::new(),
            last: None,
            reasons: BTreeMap::new(),
            templates: HashMap::new(),
            rows: HashMap::new(),
        }
    }

    fn add(&mut self, pod: Alike<'_>) {
        let judged = match pod.template.and_then(|template| self.templates.remove(&template)) {
            Some(known) => known,
            None => self.judge(pod),
        };
        if let Some((reason, detail)) = &judged {
            let owner = pod.owner.map(|owner| self.number(owner));
            match self.rows.get_mut(&(owner, *reason)) {
                Some(row) => row.count += 1,
                None if self.pod_security.exempts_maker(pod.owner) => {}
                None => {
                    let row = Row { detail: detail.clone(), count: 1, example: pod.name.to_owned() };
                    self.rows.insert((owner, *reason), row);
                }
            }
        }
        if let Some(template) = pod.template {
            self.templates.insert(template, judged);
        }
    }

    fn judge(&mut self, pod: Alike<'_>) -> Option<(usize, String)> {
        let none = PodSpec::default();
        let spec = pod.pod.spec.as_ref().unwrap_or(&none);
        if self.pod_security.exempts_runtime_class(spec) {
            return None;
        }
        let verdict = self.pod_security.judge(self.by, &pod.pod.metadata, spec);
        if verdict.allowed() {
            return None;
        }
        let next = self.reasons.len();
        Some((*self.reasons.entry(verdict.reason()).or_insert(next), verdict.detail()))
    }

    fn number(&mut self, owner: &Owner) -> usize {
        if let Some(last) = self.last
            && self.owners.get(last) == Some(owner)
        {
            return last;
        }
        let number = self.numbers.get(owner).copied().unwrap_or_else(|| {
            self.owners.push(owner.clone());
            self.numbers.insert(owner.clone(), self.owners.len() - 1);
            self.owners.len() - 1
        });
        self.last = Some(number);
        number
    }

    fn finish(self) -> Vec<Breaking> {
        let reasons: HashMap<usize, String> = self.reasons.into_iter().map(|(text, number)| (number, text)).collect();
        let mut all: Vec<Breaking> = self
            .rows
            .into_iter()
            .map(|((owner, reason), row)| Breaking {
                owner: owner.and_then(|number| self.owners.get(number).cloned()),
                reason: reasons.get(&reason).cloned().unwrap_or_default(),
                detail: row.detail,
                count: row.count,
                example: row.example,
            })
            .collect();
        all.sort_unstable_by(|a, b| (&a.owner, &a.reason).cmp(&(&b.owner, &b.reason)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cluster::Snapshot, pod_security::PodSecurityConfiguration};
    use serde_json::{Value, json};

    fn pod(name: &str, owner: Option<&str>, spec: &Value) -> Value {
        let owners = owner.map(|owner| {
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner, "controller": true}])
        });
        let metadata = json!({"name": name, "namespace": "a", "ownerReferences": owners});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    }

    fn cluster() -> Snapshot {
        let plain = json!({"containers": [{"name": "c", "image": "i"}]});
        let host = json!({"hostPID": true, "containers": [{"name": "c", "image": "i"}]});
        Snapshot::of("test", [pod("a-1", Some("a"), &plain), pod("a-2", Some("a"), &plain), pod("b", None, &host)])
    }

    #[test]
    fn counts_what_each_level_refuses_and_lists_as_many_rows() {
        let (cluster, pod_security) = (cluster(), PodSecurity::default());
        let survey = pod_security.survey(&cluster, "a", Version::LATEST).unwrap();
        assert_eq!(survey.pods, 3);
        assert_eq!(survey.baseline, Refused { pods: 1, rows: 1 });
        assert_eq!(survey.restricted, Refused { pods: 3, rows: 2 });
        assert_eq!(survey.satisfies(), Some(Level::Privileged));
        let by = LevelVersion { level: Level::Restricted, version: Version::LATEST };
        let rows = pod_security.breaking(&cluster, "a", by, |_| true).unwrap();
        let shown: Vec<_> =
            rows.iter().map(|row| (row.owner.as_ref().map(|o| &*o.name), row.count, &*row.example)).collect();
        assert_eq!(shown, [(None, 1, "b"), (Some("a"), 2, "a-1")]);
        assert!(rows[0].detail.contains("hostPID=true"), "{}", rows[0].detail);
    }

    #[test]
    fn a_namespace_without_pods_satisfies_nothing_in_particular() {
        let survey = PodSecurity::default().survey(&cluster(), "empty", Version::LATEST).unwrap();
        assert_eq!((survey.pods, survey.satisfies()), (0, None));
    }

    #[test]
    fn who_is_exempt_breaks_nothing() {
        let mut configuration = PodSecurityConfiguration::default();
        configuration.exemptions.usernames = vec!["system:serviceaccount:kube-system:replicaset-controller".to_owned()];
        let pod_security = PodSecurity::new(configuration).unwrap();
        let survey = pod_security.survey(&cluster(), "a", Version::LATEST).unwrap();
        assert_eq!(survey.restricted, Refused { pods: 1, rows: 1 });
    }
}
