//! What a change of labels or of the configuration would break: every pod and template, before and after.
//!
//! Pods come one at a time and are not kept, so memory depends on what is found, not on the size of the cluster. A
//! [`Simulation`] may be shared by threads, each with a [`Report`] of its own; reports add up.

mod change;
mod object;
mod report;

pub use change::Change;
pub use object::Object;
pub use report::{Broken, Counts, Effect, NamespaceReport, Report};

use crate::{
    admit::Maker,
    cluster::{Cluster, Kind},
    pod_security::{Mode, Owner, PodSecurity, Policy},
    user::User,
};
use k8s_openapi::{
    api::core::v1::{Namespace, PodSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use std::{borrow::Cow, collections::HashMap};

/// Two worlds, and the namespaces in both.
#[derive(Debug, Clone)]
pub struct Simulation {
    before: PodSecurity,
    after: PodSecurity,
    namespaces: HashMap<String, Pair>,
    unknown: Pair,
}

/// A namespace before and after.
#[derive(Debug, Clone, Copy)]
struct Pair {
    before: Side,
    after: Side,
}

/// What counts in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Side {
    exempt: bool,
    policy: Policy,
}

/// A pod that runs, or the template of pods that might.
#[derive(Debug, Clone, Copy)]
pub struct Item<'i> {
    /// What it is: a pod, or the kind whose template it is.
    pub kind: Kind,
    /// The metadata of the object.
    pub object: &'i ObjectMeta,
    /// The metadata of the pods.
    pub metadata: &'i ObjectMeta,
    /// The spec of the pods.
    pub spec: &'i PodSpec,
}

impl Simulation {
    /// Applies the change to the namespaces of a cluster.
    pub fn new(cluster: &(impl Cluster + ?Sized), before: PodSecurity, change: &Change) -> Self {
        let after = change.pod_security.clone().unwrap_or_else(|| before.clone());
        let side = |pod_security: &PodSecurity, namespace: &Namespace| {
            let name = namespace.metadata.name.as_deref().unwrap_or_default();
            Side { exempt: pod_security.exempts_namespace(name), policy: pod_security.policy_of(namespace).0 }
        };
        let pair = |namespace: &Namespace| Pair {
            before: side(&before, namespace),
            after: side(&after, &change.applied_to(namespace)),
        };
        let named = |namespace: &Namespace| (namespace.metadata.name.clone().unwrap_or_default(), pair(namespace));
        let mut namespaces = HashMap::new();
        cluster.each_namespace(&mut |namespace| namespaces.extend([named(namespace)]));
        let unknown = pair(&Namespace::default());
        Self { before, after, namespaces, unknown }
    }

    /// Judges a pod or template in both worlds, and puts what comes of it into the report.
    pub fn add(&self, item: Item<'_>, report: &mut Report) {
        let namespace = item.object.namespace.as_deref().unwrap_or("default");
        let pair = self.namespaces.get(namespace).unwrap_or(&self.unknown);
        let user = maker(item);
        let mut known = None;
        let report = report.of(namespace);
        for mode in Mode::ALL {
            let before = Judged::of(&self.before, pair.before, mode, item, &user);
            let after = if self.is_same(*pair, mode, &user, item.spec) {
                None
            } else {
                Some(Judged::of(&self.after, pair.after, mode, item, &user))
            };
            let refused_after = after.as_ref().map_or(before.refused(), Judged::refused);
            let effect = Effect::of(before.refused(), refused_after);
            report.count(item.kind, mode, effect);
            if mode == Mode::Enforce && effect == Effect::Broken {
                known = after;
            }
        }
        if let Some(Judged(Some((reason, detail)))) = known {
            report.break_one(item, owner(item), reason, detail);
        }
    }

    /// Whether both worlds must say the same, so that one judgement will do.
    fn is_same(&self, pair: Pair, mode: Mode, user: &str, spec: &PodSpec) -> bool {
        let side = |pod_security: &PodSecurity, side: Side| {
            let by = side.policy.of(mode);
            let exempt = side.exempt || pod_security.exempts_user(user) || pod_security.exempts_runtime_class(spec);
            (exempt, by.level, pod_security.effective(by.version))
        };
        side(&self.before, pair.before) == side(&self.after, pair.after)
    }
}

/// What a level has against a pod: in few words, and with details.
struct Judged(Option<(String, String)>);

impl Judged {
    fn of(pod_security: &PodSecurity, side: Side, mode: Mode, item: Item<'_>, user: &str) -> Self {
        if side.exempt || pod_security.exempts_user(user) || pod_security.exempts_runtime_class(item.spec) {
            return Self(None);
        }
        let verdict = pod_security.judge(side.policy.of(mode), item.metadata, item.spec);
        Self((!verdict.allowed()).then(|| (verdict.reason(), verdict.detail())))
    }

    fn refused(&self) -> bool {
        self.0.is_some()
    }
}

/// Who would make the pod again; a pod made by hand is nobody's whom an exemption could name.
fn maker(item: Item<'_>) -> Cow<'static, str> {
    let kind = match item.kind {
        Kind::Pod => controller(item).and_then(|(api_version, kind, _)| Kind::of(api_version, kind)),
        workload => Some(workload),
    };
    match kind.and_then(Maker::of) {
        Some(maker @ Maker::Controller(_)) => Cow::Owned(maker.user(&User::default()).name),
        _ => Cow::Borrowed(""),
    }
}

fn controller(item: Item<'_>) -> Option<(&str, &str, &str)> {
    let owners = item.object.owner_references.iter().flatten();
    owners.filter(|owner| owner.controller == Some(true)).map(|o| (&*o.api_version, &*o.kind, &*o.name)).next()
}

/// What to name in the report: the controller of a pod, or the workload itself.
fn owner(item: Item<'_>) -> Option<Owner> {
    let name = || item.object.name.clone().unwrap_or_default();
    match item.kind {
        Kind::Pod => {
            let (api_version, kind, name) = controller(item)?;
            Some(Owner { api_version: api_version.into(), kind: kind.into(), name: name.into(), uid: String::new() })
        }
        kind => Some(Owner {
            api_version: kind.api_version().to_owned(),
            kind: kind.as_str().to_owned(),
            name: name(),
            uid: String::new(),
        }),
    }
}

#[cfg(test)]
mod tests;
