//! Asking a cluster what becomes of a workload's pods, and telling it to people and programs.

mod filled_in;
mod report;
mod text;
mod why;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use ringfence_admission::admit::{Admission, Admitter, Plugin, Workload as Asked, pods_of};
use ringfence_admission::cluster::{Builder, Kind, Namespaces as _, Snapshot};
use ringfence_admission::pod_security::PodSecurity;
use ringfence_admission::user::User;
use ringfence_manifest::{Workload, WorkloadKind};
use ringfence_scc::{Candidates, Grant, MCS, MissingGrant, NearMiss, SUPPLEMENTAL_GROUPS, Subject, UID_RANGE};

use crate::cluster::Loaded;

pub(crate) use report::AdmissionReport;
pub(crate) use ringfence_admission::explain::{Candidate, because, give, plain_violation};
pub(crate) use text::describe;
pub(crate) use why::why_first;

/// Who asks.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AsArgs {
    /// Who creates the object, such as alice or system:serviceaccount:ci:deployer.
    ///
    /// Otherwise nobody in particular: some authenticated user without rights of its own, so that what the pod's
    /// service account may do decides.
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,

    /// A group that the user is in; may be repeated.
    #[arg(long = "as-group", value_name = "GROUP", requires = "user")]
    groups: Vec<String>,

    /// The namespace of what names none; otherwise that of a running cluster's context, or `default`, or `project` where
    /// only --platform is given.
    #[arg(short, long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
}

impl AsArgs {
    /// The namespace of what names none, if it is said.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Whether somebody asks.
    pub(crate) fn is_given(&self) -> bool {
        self.user.is_some()
    }

    /// The user, in the groups that the API server adds.
    pub(crate) fn user(&self) -> User {
        User::impersonated(self.user.as_deref().unwrap_or_default(), &self.groups)
    }
}

/// A cluster that can be asked, by one user.
#[derive(Debug)]
pub(crate) struct Judge<'c> {
    cluster: &'c Snapshot,
    admitter: Admitter<'c>,
    user: User,
    namespace: String,
    /// The cluster, to which each namespace is added as it comes up, if nobody wrote it down.
    imagined: Option<Builder>,
}

/// What becomes of a workload's pods.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) admission: Admission,
    /// The pod with its service account, before a constraint filled anything in.
    pub(crate) before: Pod,
    /// The constraints that did not take the pod, the nearest first; only where none did.
    pub(crate) near: Vec<NearMiss>,
    /// The least right with which a constraint takes the pod as it is, if none does.
    pub(crate) smallest_grant: Option<MissingGrant>,
    /// The constraints of the namespace, where they have a say.
    pub(crate) candidates: Option<Candidates>,
}

impl<'c> Judge<'c> {
    pub(crate) fn new(loaded: &'c Loaded, pod_security: PodSecurity, who: &AsArgs) -> Self {
        let cluster = &loaded.snapshot;
        let admitter = Admitter::new(cluster, pod_security);
        // The namespace called default is one of those in which constraints have no say.
        let default = if loaded.imagined.is_some() { "project" } else { "default" };
        let of_context = loaded.namespace.clone();
        let namespace = who.namespace.clone().or(of_context).unwrap_or_else(|| default.to_owned());
        Self { cluster, admitter, user: who.user(), namespace, imagined: loaded.imagined.clone() }
    }

    pub(crate) fn admitter(&self) -> &Admitter<'c> {
        &self.admitter
    }

    pub(crate) fn cluster(&self) -> &'c Snapshot {
        self.cluster
    }

    /// Who asks.
    pub(crate) fn user(&self) -> &User {
        &self.user
    }

    /// The namespace that a workload's pods are in.
    pub(crate) fn namespace_of<'a>(&'a self, workload: &'a Workload) -> &'a str {
        Some(workload.namespace()).filter(|name| !name.is_empty()).unwrap_or(&self.namespace)
    }

    /// What becomes of the pods.
    pub(crate) fn ask(&self, workload: &Workload) -> Option<Answer> {
        let namespace = self.namespace_of(workload);
        if let Some(builder) = &self.imagined {
            let cluster = with_namespace(builder.clone(), namespace);
            let admitter = Admitter::new(&cluster, self.admitter.pod_security().clone());
            let (user, namespace) = (self.user.clone(), namespace.to_owned());
            return Judge { cluster: &cluster, admitter, user, namespace, imagined: None }.ask(workload);
        }
        let kind = kind_of(workload.kind)?;
        let (object, metadata, spec) = (&workload.object, &workload.metadata, &workload.spec);
        let asked = Asked { kind, object, metadata, spec };
        let admission = self.admitter.admit_workload(asked, namespace, &self.user)?;
        let mut before = pods_of(kind, namespace, object, metadata, spec)?.pod;
        if let (Some(spec), Some(after)) = (&mut before.spec, &admission.pod.spec) {
            spec.service_account_name.clone_from(&after.service_account_name);
            spec.volumes.clone_from(&after.volumes);
        }
        // Asked only where they had a say.
        let candidates = admission.decision.as_ref().map(|_| self.candidates(namespace));
        let refused = admission.by == Some(Plugin::SecurityContextConstraints);
        let (near, smallest_grant) = match &candidates {
            Some(candidates) if refused => {
                let (user, access) = (subject(&admission.user), self.access());
                let near = candidates.near_misses(&admission.pod, &user, &access);
                (near, candidates.smallest_grant(&admission.pod, &user, &access))
            }
            _ => (Vec::new(), None),
        };
        Some(Answer { admission, before, near, smallest_grant, candidates })
    }

    /// The constraints as they are in a namespace.
    pub(crate) fn candidates(&self, namespace: &str) -> Candidates {
        let found = self.cluster.namespace(namespace).ok();
        let none = BTreeMap::new();
        let annotations = found.as_ref().and_then(|found| found.metadata.annotations.as_ref());
        let annotations = Some(annotations.unwrap_or(&none));
        self.admitter.engine().in_namespace(&ringfence_scc::Namespace { name: namespace, annotations })
    }

    /// Who may use which constraint.
    pub(crate) fn access(&self) -> impl Fn(&Subject, &str, &str) -> Option<Grant> + use<'c> {
        let rbac = self.cluster.rbac();
        move |subject, scc, namespace| {
            let user = User { name: subject.name.clone(), groups: subject.groups.clone() };
            rbac.bindings(&user, namespace).first_rule(scc).map(Grant::Rule)
        }
    }
}

/// A namespace as OpenShift makes one.
fn with_namespace(mut builder: Builder, name: &str) -> Snapshot {
    let annotations = imagined_annotations();
    let metadata = serde_json::json!({"name": name, "annotations": annotations});
    builder.add("", serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    builder.build()
}

/// Ranges of users and groups, and a label, such as OpenShift gives a namespace.
pub(crate) fn imagined_annotations() -> BTreeMap<String, String> {
    [(UID_RANGE, "1000650000/10000"), (SUPPLEMENTAL_GROUPS, "1000650000/10000"), (MCS, "s0:c26,c5")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The user as constraints know it.
pub(crate) fn subject(user: &User) -> Subject {
    Subject { name: user.name.clone(), groups: user.groups.clone() }
}

fn kind_of(kind: WorkloadKind) -> Option<Kind> {
    Kind::of(kind.api_version(), kind.as_str())
}
