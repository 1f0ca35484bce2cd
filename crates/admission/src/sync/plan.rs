//! What the synchroniser does to a namespace, and because of whom.

use super::{
    CONTROL_LABEL, MINIMALLY_SUFFICIENT,
    control::{self, Uncontrolled},
    convert::{ConvertError, convert},
    level::VERSION,
    owner::{Owner, Owners},
};
use crate::{
    cluster::Cluster,
    pod_security::Mode,
    rbac::{Grant, Index},
    user::User,
};
use k8s_openapi::api::core::v1::Namespace;
use ringfence_pss::Level;
use ringfence_scc::{SecurityContextConstraints, UID_RANGE};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// How the synchroniser is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether the enforce labels are written too, and not only those of warn and audit.
    pub enforcing: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enforcing: true }
    }
}

/// What becomes of a namespace.
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each of which is a field of the output")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The namespace.
    pub namespace: String,
    /// Whether the synchroniser looks after it.
    pub controlled: bool,
    /// The level that its service accounts come to, if the synchroniser got that far.
    #[serde(serialize_with = "level_name")]
    pub level: Option<Level>,
    /// Its pod-security labels, once all is done.
    pub labels: BTreeMap<String, String>,
    /// The labels that were changed or added.
    pub changed: BTreeSet<String>,
    /// Labels that stay because somebody else set them: by whom.
    pub kept: BTreeMap<String, String>,
    /// The annotation that says what its service accounts need, once all is done.
    pub minimally_sufficient: Option<String>,
    /// Whether changed labels are overwritten even if somebody else set them.
    pub forced: bool,
    /// Whether an operator in the namespace started this.
    pub started_by_operator: bool,
    /// Whether it is not known who set the labels, because the namespace was written down without `managedFields`
    /// (`kubectl get` shows them with `--show-managed-fields`). Labels are then taken for nobody's.
    pub ownership_unknown: bool,
    /// Why nothing was done, or nothing more.
    pub outcome: Outcome,
    /// What makes the level no stricter.
    pub because: Vec<Because>,
}

/// How far the synchroniser got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// The labels follow the service accounts.
    Synchronised,
    /// The namespace is one of those that are always privileged.
    AlwaysPrivileged,
    /// The synchroniser leaves the namespace alone.
    Uncontrolled(Uncontrolled),
    /// The synchroniser looks after the namespace, and can do nothing.
    Skipped(Skip),
}

/// Why the synchroniser can do nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "why", content = "detail")]
pub enum Skip {
    /// The namespace is going away.
    Terminating,
    /// Nobody has given the namespace a range of users yet.
    NoUidRange,
    /// There are no service accounts.
    NoServiceAccounts,
    /// No service account may use any constraint.
    NoConstraints,
    /// A constraint comes to no level.
    Unconvertible {
        /// The constraint.
        scc: String,
        /// What is wrong.
        error: String,
    },
    /// Who set its labels is not to be read.
    BadManagedFields,
    /// Somebody else set the annotation, to something else, so that the synchroniser's whole change is turned down.
    AnnotationConflict {
        /// Who did.
        manager: String,
    },
}

/// One way in which a service account comes to use a constraint that makes the level what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Because {
    /// The service account, of the same namespace.
    pub service_account: String,
    /// The constraint.
    pub scc: String,
    /// How it may use it.
    pub grant: Grant,
}

#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "the signature that serialize_with asks for")]
fn level_name<S: Serializer>(level: &Option<Level>, serializer: S) -> Result<S::Ok, S::Error> {
    level.map(Level::as_str).serialize(serializer)
}

/// Plans every namespace of a cluster, by name.
pub fn plan(cluster: &(impl Cluster + ?Sized), settings: Settings) -> Vec<Plan> {
    let constraints = constraints(cluster);
    let mut plans = Vec::new();
    cluster.each_namespace(&mut |namespace| plans.push(one(cluster, &constraints, namespace, settings)));
    plans
}

/// Plans one namespace.
pub fn plan_namespace(cluster: &(impl Cluster + ?Sized), namespace: &Namespace, settings: Settings) -> Plan {
    one(cluster, &constraints(cluster), namespace, settings)
}

/// Whether a namespace is one of those that are always privileged.
pub fn is_always_privileged(name: &str) -> bool {
    matches!(name, "default" | "kube-system" | "kube-public")
}

fn constraints(cluster: &(impl Cluster + ?Sized)) -> Vec<SecurityContextConstraints> {
    let mut all = Vec::new();
    cluster.each_constraint(&mut |scc| all.push(scc.clone()));
    // An API server does this when they are written; a file may have been written by hand.
    all.iter_mut().for_each(SecurityContextConstraints::set_defaults);
    all
}

fn one(
    cluster: &(impl Cluster + ?Sized),
    constraints: &[SecurityContextConstraints],
    namespace: &Namespace,
    settings: Settings,
) -> Plan {
    let mut plan = Plan::untouched(namespace);
    if is_always_privileged(&plan.namespace) {
        plan.make_privileged();
        return plan;
    }
    let own = namespace.metadata.labels.as_ref().and_then(|labels| labels.get(CONTROL_LABEL)).map(String::as_str);
    plan.started_by_operator = cluster.has_operator(&plan.namespace) && control::is_started_by_operator(namespace);
    let control = if plan.started_by_operator { Some("true") } else { own };
    plan.forced = control == Some("true");
    if let Err(why) = control::controlled(namespace, control) {
        plan.outcome = Outcome::Uncontrolled(why);
        return plan;
    }
    plan.controlled = true;
    match level(cluster, constraints, namespace) {
        Err(skip) => plan.outcome = Outcome::Skipped(skip),
        Ok((level, because)) => match Owners::read(&namespace.metadata) {
            Err(_) => plan.outcome = Outcome::Skipped(Skip::BadManagedFields),
            Ok(owners) => {
                plan.because = because;
                plan.level = Some(level);
                match owners.other_of_annotation(MINIMALLY_SUFFICIENT) {
                    Some(manager) if !plan.forced && plan.minimally_sufficient.as_deref() != Some(level.as_str()) => {
                        let manager = manager.to_owned();
                        plan.outcome = Outcome::Skipped(Skip::AnnotationConflict { manager });
                    }
                    _ => plan.synchronise(level, &owners, settings),
                }
            }
        },
    }
    plan
}

impl Plan {
    fn untouched(namespace: &Namespace) -> Self {
        let metadata = &namespace.metadata;
        let ours = |(key, _): &(&String, &String)| key.starts_with("pod-security.kubernetes.io/");
        Self {
            namespace: metadata.name.clone().unwrap_or_default(),
            controlled: false,
            level: None,
            labels: metadata.labels.iter().flatten().filter(ours).map(|(k, v)| (k.clone(), v.clone())).collect(),
            changed: BTreeSet::new(),
            kept: BTreeMap::new(),
            minimally_sufficient: metadata.annotations.as_ref().and_then(|all| all.get(MINIMALLY_SUFFICIENT)).cloned(),
            forced: false,
            started_by_operator: false,
            ownership_unknown: metadata.managed_fields.as_ref().is_none_or(Vec::is_empty)
                && metadata.labels.iter().flatten().any(|label| ours(&label)),
            outcome: Outcome::Synchronised,
            because: Vec::new(),
        }
    }

    fn set(&mut self, label: &str, value: &str) {
        if self.labels.insert(label.to_owned(), value.to_owned()).as_deref() != Some(value) {
            self.changed.insert(label.to_owned());
        }
    }

    fn make_privileged(&mut self) {
        for mode in Mode::ALL {
            self.set(mode.level_label(), Level::Privileged.as_str());
        }
        self.level = Some(Level::Privileged);
        self.outcome = Outcome::AlwaysPrivileged;
    }

    fn synchronise(&mut self, level: Level, owners: &Owners<'_>, settings: Settings) {
        self.minimally_sufficient = Some(level.to_string());
        for mode in Mode::ALL.into_iter().filter(|mode| settings.enforcing || *mode != Mode::Enforce) {
            for (label, value) in [(mode.level_label(), level.as_str()), (mode.version_label(), VERSION)] {
                match owners.of(label) {
                    Owner::Other(manager) if !self.forced => {
                        self.kept.insert(label.to_owned(), manager.to_owned());
                    }
                    _ => self.set(label, value),
                }
            }
        }
    }
}

/// The least strict level of all constraints that the namespace's service accounts may use, and what makes it so.
fn level(
    cluster: &(impl Cluster + ?Sized),
    constraints: &[SecurityContextConstraints],
    namespace: &Namespace,
) -> Result<(Level, Vec<Because>), Skip> {
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    if namespace.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Terminating") {
        return Err(Skip::Terminating);
    }
    let annotations = namespace.metadata.annotations.as_ref();
    if annotations.and_then(|all| all.get(UID_RANGE)).is_none_or(String::is_empty) {
        return Err(Skip::NoUidRange);
    }
    let mut accounts = Vec::new();
    cluster.each_service_account(name, &mut |account| accounts.push(account.metadata.name.clone().unwrap_or_default()));
    if accounts.is_empty() {
        return Err(Skip::NoServiceAccounts);
    }
    let namespace = ringfence_scc::Namespace { name, annotations };
    let rbac = cluster.rbac();
    let mut found: Option<(Level, Vec<Because>)> = None;
    let mut wrong: Option<(&str, ConvertError)> = None;
    for scc in constraints {
        let because: Vec<_> = accounts.iter().flat_map(|account| usable(&rbac, scc, name, account)).collect();
        if because.is_empty() {
            continue;
        }
        match (convert(scc, &namespace), &mut found) {
            (Err(error), _) => wrong = wrong.or(Some((scc.name(), error))),
            (Ok(level), Some((least, all))) if level == *least => all.extend(because),
            (Ok(level), Some((least, _))) if level > *least => {}
            (Ok(level), _) => found = Some((level, because)),
        }
    }
    match (found, wrong) {
        // The controller takes the constraints in no order and stops at the first privileged one, so after enough
        // attempts it finds that even if another is wrong.
        (Some((Level::Privileged, because)), _) => Ok((Level::Privileged, because)),
        (_, Some((scc, error))) => Err(Skip::Unconvertible { scc: scc.to_owned(), error: error.to_string() }),
        (Some(found), None) => Ok(found),
        (None, None) => Err(Skip::NoConstraints),
    }
}

fn usable(rbac: &Index, scc: &SecurityContextConstraints, namespace: &str, account: &str) -> Vec<Because> {
    let user = User::service_account(namespace, account);
    let by_name = scc.users.contains(&user.name).then(|| Grant::Users { user: user.name.clone() });
    let by_groups =
        scc.groups.iter().filter(|group| user.is_in(group)).map(|group| Grant::Groups { group: group.clone() });
    let by_rbac = rbac.of_service_account(&user, namespace, scc.name());
    let because = |grant| Because { service_account: account.to_owned(), scc: scc.name().to_owned(), grant };
    by_name.into_iter().chain(by_groups).chain(by_rbac).map(because).collect()
}

#[cfg(test)]
mod tests;
