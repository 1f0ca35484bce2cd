//! What the pods of each namespace come to, found out once for as long as neither they nor the version that counts
//! change.

use k8s_openapi::api::core::v1::Namespace;
use ringfence_admission::cluster::Cluster;
use ringfence_admission::pod_security::{LevelVersion, Mode, PodSecurity, Survey};
use ringfence_pss::Version;
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Surveys that are kept.
#[derive(Debug, Default)]
pub(crate) struct Surveys {
    /// By namespace. Only whole entries go in, so that a poisoned lock is as good as new.
    known: Mutex<HashMap<String, Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    revision: u64,
    version: Version,
    survey: Survey,
}

/// A namespace, as far as the page shows it in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) name: String,
    #[serde(serialize_with = "display")]
    pub(crate) enforce: LevelVersion,
    #[serde(serialize_with = "display")]
    pub(crate) audit: LevelVersion,
    #[serde(serialize_with = "display")]
    pub(crate) warn: LevelVersion,
    /// Which of them labels say, and not the defaults.
    #[serde(skip)]
    pub(crate) labelled: [bool; 3],
    /// What is wrong with its labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mistakes: Vec<String>,
    /// Whether the configuration exempts it, so that its labels have no effect.
    pub(crate) exempt: bool,
    /// Whether it is going away.
    pub(crate) terminating: bool,
    /// The strictest level that refuses none of its pods.
    #[serde(serialize_with = "level")]
    pub(crate) satisfies: Option<ringfence_pss::Level>,
    #[serde(flatten)]
    pub(crate) survey: Survey,
}

fn display<S: Serializer>(value: &LevelVersion, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn level<S: Serializer>(level: &Option<ringfence_pss::Level>, serializer: S) -> Result<S::Ok, S::Error> {
    level.map(ringfence_pss::Level::as_str).serialize(serializer)
}

impl Row {
    /// Whether it could enforce more than it does, with nothing that runs in the way.
    pub(crate) fn could_raise(&self) -> bool {
        !self.exempt && self.satisfies.is_some_and(|level| level > self.enforce.level)
    }

    /// Whether it has pods that what it enforces would refuse, if they were made again.
    pub(crate) fn is_violating(&self) -> bool {
        !self.exempt && self.survey.refused(self.enforce.level).pods > 0
    }
}

impl Surveys {
    /// Every namespace, by name.
    pub(crate) fn all(&self, pod_security: &PodSecurity, cluster: &(impl Cluster + ?Sized)) -> Vec<Row> {
        let mut rows = Vec::new();
        cluster.each_namespace(&mut |namespace| rows.push(unsurveyed(pod_security, namespace)));
        for row in &mut rows {
            self.fill_in(pod_security, cluster, row);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > rows.len() {
            // Rows are sorted: `each_namespace` hands them over by name.
            known.retain(|name, _| rows.binary_search_by(|row| row.name.as_str().cmp(name)).is_ok());
        }
        drop(known);
        rows
    }

    /// One namespace.
    pub(crate) fn one(
        &self,
        pod_security: &PodSecurity,
        cluster: &(impl Cluster + ?Sized),
        namespace: &Namespace,
    ) -> Row {
        let mut row = unsurveyed(pod_security, namespace);
        self.fill_in(pod_security, cluster, &mut row);
        row
    }

    fn fill_in(&self, pod_security: &PodSecurity, cluster: &(impl Cluster + ?Sized), row: &mut Row) {
        // The revision is read first: what changes meanwhile is seen the next time.
        let revision = cluster.pods_revision(&row.name);
        let version = row.enforce.version;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&row.name).copied();
        let survey = match known {
            Some(known) if Some(known.revision) == revision && known.version == version => known.survey,
            _ => {
                let survey = pod_security.survey(cluster, &row.name, version).unwrap_or_default();
                if let Some(revision) = revision {
                    let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    all.insert(row.name.clone(), Known { revision, version, survey });
                }
                survey
            }
        };
        row.survey = survey;
        row.satisfies = survey.satisfies();
    }
}

fn unsurveyed(pod_security: &PodSecurity, namespace: &Namespace) -> Row {
    let (policy, errors) = pod_security.policy_of(namespace);
    let name = namespace.metadata.name.clone().unwrap_or_default();
    let labels = namespace.metadata.labels.as_ref();
    let phase = namespace.status.as_ref().and_then(|status| status.phase.as_deref());
    Row {
        exempt: pod_security.exempts_namespace(&name),
        name,
        enforce: policy.enforce,
        audit: policy.audit,
        warn: policy.warn,
        labelled: Mode::ALL.map(|mode| labels.is_some_and(|labels| labels.contains_key(mode.level_label()))),
        mistakes: errors.iter().map(ToString::to_string).collect(),
        terminating: phase == Some("Terminating"),
        satisfies: None,
        survey: Survey::default(),
    }
}
