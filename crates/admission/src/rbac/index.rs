//! Roles and bindings, indexed by who they are for.

use super::{
    API_GROUP, aggregate,
    grant::{BindingRef, Grant, RoleKind, Subject},
    rule::Rule,
};
use crate::user::{MASTERS, User, service_account_user_name};
use k8s_openapi::api::rbac::v1::{
    self as api, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef,
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

/// Answers who may use which constraint.
#[derive(Debug, Clone, Default)]
pub struct Index {
    bindings: Vec<Binding>,
    /// By user name; a service account's user name among them.
    by_user: HashMap<String, Places>,
    by_group: HashMap<String, Places>,
    problems: Vec<Problem>,
}

/// Where a subject is bound: indexes of the binding in `bindings` and of the subject in the binding, in order.
/// They stay good, since nothing is ever taken out of either list.
#[derive(Debug, Clone, Default)]
struct Places {
    everywhere: Vec<(u32, u32)>,
    by_namespace: HashMap<String, Vec<(u32, u32)>>,
}

#[derive(Debug, Clone)]
struct Binding {
    name: BindingRef,
    subjects: Vec<Bound>,
    role_kind: RoleKind,
    role: String,
    rules: Vec<aggregate::Collected>,
    /// In few words.
    summary: Arc<ringfence_scc::Rule>,
}

/// The bindings that are for a user in a namespace.
#[derive(Debug, Clone)]
pub struct Bindings<'i> {
    bindings: Vec<&'i Binding>,
    is_master: bool,
}

impl Bindings<'_> {
    /// The first binding that lets the constraint be used.
    pub fn first_rule(&self, constraint: &str) -> Option<Arc<ringfence_scc::Rule>> {
        if self.is_master {
            let (binding, role) = (format!("group {MASTERS}"), "everything".to_owned());
            return Some(Arc::new(ringfence_scc::Rule { binding, role }));
        }
        let covering = |binding: &&&Binding| binding.rules.iter().any(|(rule, _)| rule.covers(constraint));
        self.bindings.iter().find(covering).map(|binding| Arc::clone(&binding.summary))
    }
}

/// A subject, and whether its `apiGroup` is the one that belongs to its kind.
#[derive(Debug, Clone)]
struct Bound {
    subject: Subject,
    proper: bool,
}

/// Something that makes a binding void.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The binding's role is not there.
    #[error("{binding} refers to {kind} {name:?}, which is not there")]
    MissingRole {
        /// The binding.
        binding: BindingRef,
        /// The kind of role.
        kind: RoleKind,
        /// Its name.
        name: String,
    },
    /// The binding refers to something that is no role.
    #[error("{binding} refers to a {kind:?}, which is no kind of role")]
    NoRole {
        /// The binding.
        binding: BindingRef,
        /// What `roleRef.kind` says.
        kind: String,
    },
}

/// The rules that can matter here.
pub(super) fn relevant(rules: Option<&[PolicyRule]>) -> Vec<Rule> {
    rules.unwrap_or_default().iter().enumerate().filter_map(|(i, rule)| Rule::read(i, rule)).collect()
}

impl Index {
    /// Reads roles and bindings. Bindings keep their order: those of the cluster first, as the API server asks them.
    pub fn new<'r>(
        roles: impl IntoIterator<Item = &'r Role>,
        cluster_roles: impl IntoIterator<Item = &'r ClusterRole>,
        role_bindings: impl IntoIterator<Item = &'r RoleBinding>,
        cluster_role_bindings: impl IntoIterator<Item = &'r ClusterRoleBinding>,
    ) -> Self {
        let cluster_roles: Vec<_> = cluster_roles.into_iter().collect();
        let roles = Roles {
            cluster: aggregate::rules(&cluster_roles),
            local: roles.into_iter().map(|role| (key(&role.metadata), relevant(role.rules.as_deref()))).collect(),
        };
        let mut index = Self::default();
        for binding in cluster_role_bindings {
            let name = BindingRef { namespace: None, name: binding.metadata.name.clone().unwrap_or_default() };
            index.add(&roles, name, &binding.role_ref, binding.subjects.as_deref());
        }
        for binding in role_bindings {
            let (namespace, name) = key(&binding.metadata);
            let name = BindingRef { namespace: Some(namespace.to_owned()), name: name.to_owned() };
            index.add(&roles, name, &binding.role_ref, binding.subjects.as_deref());
        }
        index
    }

    fn add(&mut self, known: &Roles<'_>, name: BindingRef, role: &RoleRef, subjects: Option<&[api::Subject]>) {
        let (role_kind, found) = match role.kind.as_str() {
            "ClusterRole" => (RoleKind::ClusterRole, known.cluster.get(role.name.as_str()).cloned()),
            "Role" => {
                let namespace = name.namespace.as_deref().unwrap_or_default();
                let local = known.local.get(&(namespace, role.name.as_str()));
                (RoleKind::Role, local.map(|rules| rules.iter().cloned().map(|rule| (rule, None)).collect()))
            }
            other => {
                self.problems.push(Problem::NoRole { binding: name, kind: other.to_owned() });
                return;
            }
        };
        let Some(rules) = found else {
            self.problems.push(Problem::MissingRole { binding: name, kind: role_kind, name: role.name.clone() });
            return;
        };
        // The API server fills in the group of roles when it is left out; any other group is foreign to RBAC.
        let foreign = role.api_group.as_deref().is_some_and(|group| !group.is_empty() && group != API_GROUP);
        if rules.is_empty() || foreign {
            return;
        }
        let number = self.bindings.len() as u32;
        let subjects: Vec<_> =
            subjects.unwrap_or_default().iter().filter_map(|s| bound(s, name.namespace.as_deref())).collect();
        for (i, Bound { subject, .. }) in subjects.iter().enumerate() {
            let (map, key) = match subject {
                Subject::User { name } => (&mut self.by_user, name.clone()),
                Subject::Group { name } => (&mut self.by_group, name.clone()),
                Subject::ServiceAccount { namespace, name } => {
                    (&mut self.by_user, service_account_user_name(namespace, name))
                }
            };
            let places = map.entry(key).or_default();
            let list = match &name.namespace {
                Some(namespace) => places.by_namespace.entry(namespace.clone()).or_default(),
                None => &mut places.everywhere,
            };
            list.push((number, i as u32));
        }
        let summary = Arc::new(summary(&name, role_kind, &role.name));
        self.bindings.push(Binding { name, subjects, role_kind, role: role.name.clone(), rules, summary });
    }

    /// Bindings that are void, and why.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The first grant that lets the user use the constraint in the namespace, in the API server's order. An empty
    /// namespace asks for the whole cluster.
    pub fn first(&self, user: &User, namespace: &str, constraint: &str) -> Option<Grant> {
        if user.is_in(MASTERS) {
            return Some(Grant::Masters);
        }
        self.applying(user, namespace).find_map(|(binding, subject)| grants(binding, subject, constraint).next())
    }

    /// Every grant that lets the user use the constraint in the namespace.
    pub fn all(&self, user: &User, namespace: &str, constraint: &str) -> Vec<Grant> {
        let masters = user.is_in(MASTERS).then_some(Grant::Masters);
        let bindings = self.applying(user, namespace);
        masters.into_iter().chain(bindings.flat_map(|(b, subject)| grants(b, subject, constraint))).collect()
    }

    /// Whether the user may use the constraint in the namespace.
    pub fn allows(&self, user: &User, namespace: &str, constraint: &str) -> bool {
        user.is_in(MASTERS)
            || self
                .applying(user, namespace)
                .any(|(binding, _)| binding.rules.iter().any(|(rule, _)| rule.covers(constraint)))
    }

    /// The bindings that are for the user in the namespace, for asking after one constraint after another.
    pub fn bindings(&self, user: &User, namespace: &str) -> Bindings<'_> {
        let bindings = self.applying(user, namespace).map(|(binding, _)| binding).collect();
        Bindings { bindings, is_master: user.is_in(MASTERS) }
    }

    /// Everyone who may use the constraint in the namespace (or, if it is empty, in the whole cluster), with how.
    pub fn subjects(&self, namespace: &str, constraint: &str) -> Vec<Grant> {
        let here = |binding: &&Binding| binding.name.namespace.as_deref().is_none_or(|own| own == namespace);
        let granted = |binding| move |bound: &Bound| grants(binding, &bound.subject, constraint).collect::<Vec<_>>();
        self.bindings
            .iter()
            .filter(here)
            .flat_map(|b| b.subjects.iter().flat_map(granted(b)).collect::<Vec<_>>())
            .collect()
    }

    /// The grants that the label synchroniser counts. It looks only at subjects that are service accounts or their
    /// groups, and takes a subject's `apiGroup` to the letter.
    pub(crate) fn of_service_account(&self, user: &User, namespace: &str, constraint: &str) -> Vec<Grant> {
        let counted = |bound: &Bound| match &bound.subject {
            Subject::User { .. } => false,
            Subject::ServiceAccount { .. } | Subject::Group { .. } => bound.proper,
        };
        self.candidates(user, namespace)
            .into_iter()
            .map(|(b, s)| (&self.bindings[b as usize], s as usize))
            .filter(|(binding, s)| counted(&binding.subjects[*s]))
            .flat_map(|(binding, s)| grants(binding, &binding.subjects[s].subject, constraint))
            .collect()
    }

    /// The bindings for the user there, each with the first subject that fits.
    fn applying<'i>(
        &'i self,
        user: &User,
        namespace: &str,
    ) -> impl Iterator<Item = (&'i Binding, &'i Subject)> + use<'i> {
        let mut last = None;
        self.candidates(user, namespace).into_iter().filter_map(move |(b, s)| {
            let binding = &self.bindings[b as usize];
            (last.replace(b) != Some(b)).then(|| (binding, &binding.subjects[s as usize].subject))
        })
    }

    /// Indexes of bindings and of subjects in them, sorted.
    fn candidates(&self, user: &User, namespace: &str) -> BTreeSet<(u32, u32)> {
        let by_name = self.by_user.get(&user.name).into_iter();
        let by_group = user.groups.iter().filter_map(|group| self.by_group.get(group));
        let mut found = BTreeSet::new();
        for places in by_name.chain(by_group) {
            found.extend(&places.everywhere);
            found.extend(places.by_namespace.get(namespace).into_iter().flatten());
        }
        found
    }
}

struct Roles<'r> {
    cluster: HashMap<&'r str, Vec<aggregate::Collected>>,
    local: HashMap<(&'r str, &'r str), Vec<Rule>>,
}

fn key(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> (&str, &str) {
    (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}

fn bound(subject: &api::Subject, binding_namespace: Option<&str>) -> Option<Bound> {
    let name = subject.name.clone();
    let group = subject.api_group.as_deref().unwrap_or_default();
    // A subject without a group gets that of its kind when it is stored.
    let fits = |own: &str| group.is_empty() || group == own;
    match subject.kind.as_str() {
        "User" => Some(Bound { subject: Subject::User { name }, proper: fits(API_GROUP) }),
        "Group" => Some(Bound { subject: Subject::Group { name }, proper: fits(API_GROUP) }),
        "ServiceAccount" => {
            let namespace = subject.namespace.as_deref().filter(|ns| !ns.is_empty()).or(binding_namespace)?.to_owned();
            Some(Bound { subject: Subject::ServiceAccount { namespace, name }, proper: group.is_empty() })
        }
        _ => None,
    }
}

fn summary(binding: &BindingRef, kind: RoleKind, role: &str) -> ringfence_scc::Rule {
    let local =
        |name: &str| binding.namespace.as_ref().map_or(name.to_owned(), |namespace| format!("{namespace}/{name}"));
    let bound = if binding.namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
    let role = if kind == RoleKind::Role { local(role) } else { role.to_owned() };
    ringfence_scc::Rule { binding: format!("{bound} {}", local(&binding.name)), role: format!("{kind} {role}") }
}

fn grants<'g>(binding: &'g Binding, subject: &'g Subject, constraint: &'g str) -> impl Iterator<Item = Grant> + 'g {
    binding.rules.iter().filter(move |(rule, _)| rule.covers(constraint)).map(move |(rule, from)| Grant::Binding {
        binding: binding.name.clone(),
        subject: subject.clone(),
        role_kind: binding.role_kind,
        role: binding.role.clone(),
        aggregated_from: from.clone(),
        rule: rule.clone(),
    })
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bindings of roles that let use security context constraints", self.bindings.len())
    }
}

#[cfg(test)]
mod tests;
