//! A cluster that was written down: what `kubectl get … -o json` prints, in any order and number of pieces.

use super::{Cluster, LookupError, Namespaces, Platform, Pods, kind::Kind, problem::Problem};
use crate::{
    decode::{DecodeError, decode_value},
    rbac::Index,
};
use k8s_openapi::{
    api::{
        core::v1::{Namespace, Pod, ServiceAccount},
        rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use ringfence_scc::SecurityContextConstraints;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
};

/// By namespace (empty for what is in none) and name.
type Map<T> = BTreeMap<(String, String), T>;

/// A cluster at rest.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    namespaces: Map<Arc<Namespace>>,
    service_accounts: Map<Arc<ServiceAccount>>,
    pods: Map<Pod>,
    constraints: Map<SecurityContextConstraints>,
    roles: Map<Role>,
    cluster_roles: Map<ClusterRole>,
    role_bindings: Map<RoleBinding>,
    cluster_role_bindings: Map<ClusterRoleBinding>,
    /// Namespaces in which an operator was installed, copies not counted.
    operators: BTreeSet<String>,
    waivers: Map<Value>,
    seen: BTreeSet<Kind>,
    problems: Vec<Problem>,
    platform: Option<Platform>,
    rbac: Arc<Index>,
}

/// Takes a cluster's objects one by one.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    snapshot: Snapshot,
}

impl Builder {
    /// Adds an object, or every object of a list. What is wrong with it is kept as a problem that names the source.
    /// Objects of kinds that admission does not read are passed over.
    pub fn add(&mut self, source: &str, object: Value) {
        self.add_as(source, object, ("", ""));
    }

    /// The type is that which an item has by its list, if it says none itself.
    fn add_as(&mut self, source: &str, object: Value, (api_version, kind): (&str, &str)) {
        let Value::Object(ref fields) = object else {
            let what = match object {
                // An empty document says nothing, and nothing wrong.
                Value::Null => return,
                Value::Array(_) => "a list",
                _ => "a plain value",
            };
            self.snapshot.problems.push(Problem::NoObject { source_name: source.to_owned(), what });
            return;
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let api_version = text("apiVersion").unwrap_or_else(|| api_version.to_owned());
        let kind = text("kind").unwrap_or_else(|| kind.to_owned());
        if let (Some(item_kind), Some(Value::Array(_))) = (kind.strip_suffix("List"), fields.get("items")) {
            let Value::Object(mut fields) = object else { return };
            let Some(Value::Array(items)) = fields.remove("items") else { return };
            if let Some(known) = Kind::of(&api_version, item_kind) {
                self.snapshot.seen.insert(known);
            }
            let item_type = if item_kind.is_empty() { ("", "") } else { (api_version.as_str(), item_kind) };
            for item in items {
                self.add_as(source, item, item_type);
            }
            return;
        }
        if kind.is_empty() {
            let what = "an object without kind";
            self.snapshot.problems.push(Problem::NoObject { source_name: source.to_owned(), what });
        } else if let Some(kind) = Kind::of(&api_version, &kind) {
            self.snapshot.add(source, kind, object);
        }
    }

    /// Takes the cluster for one of the platform, whatever its objects say.
    pub fn set_platform(&mut self, platform: Platform) {
        self.snapshot.platform = Some(platform);
    }

    /// The cluster.
    pub fn build(self) -> Snapshot {
        let mut snapshot = self.snapshot;
        snapshot.rbac = Arc::new(Index::new(
            snapshot.roles.values(),
            snapshot.cluster_roles.values(),
            snapshot.role_bindings.values(),
            snapshot.cluster_role_bindings.values(),
        ));
        snapshot.problems.extend(snapshot.rbac.problems().iter().cloned().map(Problem::Rbac));
        snapshot
    }
}

impl Snapshot {
    /// The cluster that has these objects.
    pub fn of(source: &str, objects: impl IntoIterator<Item = Value>) -> Self {
        let mut builder = Builder::default();
        for object in objects {
            builder.add(source, object);
        }
        builder.build()
    }

    fn add(&mut self, source: &str, kind: Kind, object: Value) {
        self.seen.insert(kind);
        let key = match key(kind, &object) {
            Ok(key) => key,
            Err(field) => {
                self.problems.push(Problem::Unnamed { source_name: source.to_owned(), kind, field });
                return;
            }
        };
        let name = if key.0.is_empty() { key.1.clone() } else { format!("{}/{}", key.0, key.1) };
        let added = match kind {
            Kind::Namespace => read(&object).map(|read| self.namespaces.insert(key, Arc::new(read)).is_some()),
            Kind::ServiceAccount => {
                read(&object).map(|read| self.service_accounts.insert(key, Arc::new(read)).is_some())
            }
            Kind::Pod => read(&object).map(|read| self.pods.insert(key, read).is_some()),
            Kind::SecurityContextConstraints => ringfence_scc::decode(object)
                .map_err(|error| DecodeError::new(error.to_string()))
                .map(|read| self.constraints.insert(key, read).is_some()),
            Kind::Role => read(&object).map(|read| self.roles.insert(key, read).is_some()),
            Kind::ClusterRole => read(&object).map(|read| self.cluster_roles.insert(key, read).is_some()),
            Kind::RoleBinding => read(&object).map(|read| self.role_bindings.insert(key, read).is_some()),
            Kind::ClusterRoleBinding => {
                read(&object).map(|read| self.cluster_role_bindings.insert(key, read).is_some())
            }
            Kind::ClusterServiceVersion => {
                if !is_copied(&object) {
                    self.operators.insert(key.0);
                }
                Ok(false)
            }
            // What is wrong with one is asked under the cluster's terms.
            Kind::Waiver => Ok(self.waivers.insert(key, object).is_some()),
            Kind::PodTemplate
            | Kind::ReplicationController
            | Kind::ReplicaSet
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::Job
            | Kind::CronJob => Ok(false),
        };
        let source_name = source.to_owned();
        match added {
            Ok(false) => {}
            Ok(true) => self.problems.push(Problem::Again { source_name, kind, name }),
            Err(error) => self.problems.push(Problem::BadObject { source_name, kind, name, error }),
        }
    }

    /// What could not be used, and why.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The kinds that were not there at all, so that their absence may mean that nobody wrote them down.
    pub fn missing(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.iter().copied().filter(|kind| !self.has_seen(*kind))
    }

    /// Every namespace, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.values().map(|namespace| &**namespace)
    }

    /// Every security context constraint, by name.
    pub fn constraints(&self) -> impl Iterator<Item = &SecurityContextConstraints> {
        self.constraints.values()
    }

    /// What kind of cluster it is. OpenShift is known by its security context constraints, if nobody says otherwise.
    pub fn platform(&self) -> Platform {
        let by_objects =
            if self.has_seen(Kind::SecurityContextConstraints) { Platform::OpenShift } else { Platform::Kubernetes };
        self.platform.unwrap_or(by_objects)
    }

    /// Whether any object of the kind was there, or an empty list of them.
    pub fn has_seen(&self, kind: Kind) -> bool {
        self.seen.contains(&kind)
    }

    /// The service accounts of a namespace, by name.
    pub fn service_accounts(&self, namespace: &str) -> impl Iterator<Item = &ServiceAccount> {
        within(&self.service_accounts, namespace).map(|account| &**account)
    }

    /// The service account of that name.
    pub fn service_account(&self, namespace: &str, name: &str) -> Option<&ServiceAccount> {
        self.service_accounts.get(&(namespace.to_owned(), name.to_owned())).map(|account| &**account)
    }

    /// Who may use which security context constraint.
    pub fn rbac(&self) -> &Index {
        &self.rbac
    }

    /// Whether an operator was installed in the namespace, and not only copied there.
    pub fn has_operator(&self, namespace: &str) -> bool {
        self.operators.contains(namespace)
    }

    /// Every `Waiver`, by namespace and name, whether it counts or not.
    pub fn waivers(&self) -> impl Iterator<Item = &Value> {
        self.waivers.values()
    }

    /// Every pod, by namespace and name.
    pub fn all_pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values()
    }
}

impl Cluster for Snapshot {
    fn platform(&self) -> Platform {
        self.platform()
    }

    fn has_seen(&self, kind: Kind) -> bool {
        self.has_seen(kind)
    }

    fn each_namespace(&self, visit: &mut dyn FnMut(&Namespace)) {
        self.namespaces().for_each(visit);
    }

    fn service_account(&self, namespace: &str, name: &str) -> Option<Arc<ServiceAccount>> {
        self.service_accounts.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    fn each_service_account(&self, namespace: &str, visit: &mut dyn FnMut(&ServiceAccount)) {
        self.service_accounts(namespace).for_each(visit);
    }

    fn each_constraint(&self, visit: &mut dyn FnMut(&SecurityContextConstraints)) {
        self.constraints().for_each(visit);
    }

    /// They never change.
    fn constraints_revision(&self) -> Option<u64> {
        Some(0)
    }

    fn rbac(&self) -> Arc<Index> {
        Arc::clone(&self.rbac)
    }

    fn has_operator(&self, namespace: &str) -> bool {
        self.has_operator(namespace)
    }
}

impl Namespaces for Snapshot {
    fn namespace(&self, name: &str) -> Result<Arc<Namespace>, LookupError> {
        let found = self.namespaces.get(&(String::new(), name.to_owned()));
        found.cloned().ok_or_else(|| LookupError::not_found("namespaces", name))
    }
}

impl Pods for Snapshot {
    fn pods(&self, namespace: &str, visit: &mut dyn FnMut(&Pod) -> ControlFlow<()>) -> Result<(), LookupError> {
        // Breaking off is no failure.
        let _ = within(&self.pods, namespace).try_for_each(visit);
        Ok(())
    }

    /// They never change.
    fn pods_revision(&self, _: &str) -> Option<u64> {
        Some(0)
    }
}

fn within<'m, T>(map: &'m Map<T>, namespace: &str) -> impl Iterator<Item = &'m T> {
    let first = (namespace.to_owned(), String::new());
    map.range(first.clone()..).take_while(move |((at, _), _)| *at == first.0).map(|(_, object)| object)
}

fn read<T: DeserializeOwned>(object: &Value) -> Result<T, DecodeError> {
    decode_value(object)
}

fn key(kind: Kind, object: &Value) -> Result<(String, String), &'static str> {
    let text =
        |field: &str| object.get("metadata").and_then(|m| m.get(field)).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("namespace"), text("name"));
    if name.is_empty() {
        return Err("metadata.name");
    }
    if kind.is_cluster_scoped() {
        return Ok((String::new(), name.to_owned()));
    }
    // kubectl puts what names no namespace into the one called default.
    let namespace = if namespace.is_empty() { "default" } else { namespace };
    Ok((namespace.to_owned(), name.to_owned()))
}

/// OLM copies an operator's CSV into every namespace that the operator watches.
fn is_copied(csv: &Value) -> bool {
    let metadata: ObjectMeta = csv.get("metadata").and_then(|m| decode_value(m).ok()).unwrap_or_default();
    let reason = csv.get("status").and_then(|status| status.get("reason")).and_then(Value::as_str);
    metadata.labels.is_some_and(|labels| labels.contains_key("olm.copiedFrom")) || reason == Some("Copied")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(snapshot: &Snapshot) -> Vec<String> {
        snapshot.problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn items_of_a_typed_list_need_no_kind_of_their_own() {
        let list = json!({"apiVersion": "v1", "kind": "NamespaceList", "items": [{"metadata": {"name": "a"}}]});
        let snapshot = Snapshot::of("dump", [list]);
        assert!(snapshot.namespace("a").is_ok());
        assert_eq!(snapshot.namespace("b").unwrap_err().to_string(), r#"namespaces "b" not found"#);
    }

    #[test]
    fn an_empty_list_says_that_there_are_none() {
        let snapshot = Snapshot::of("dump", [json!({"apiVersion": "v1", "kind": "PodList", "items": []})]);
        assert!(snapshot.has_seen(Kind::Pod) && !snapshot.has_seen(Kind::Namespace));
        assert!(snapshot.missing().any(|kind| kind == Kind::Namespace));
    }

    #[test]
    fn says_what_is_wrong_and_keeps_the_rest() {
        let snapshot = Snapshot::of(
            "dump",
            [
                json!({"kind": "List", "items": [
                    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},
                    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b", "labels": []}},
                    {"apiVersion": "v1", "kind": "Namespace", "metadata": {}},
                    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},
                    7,
                ]}),
                Value::Null,
                json!({"metadata": {}}),
                json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "void"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "gone"}}),
            ],
        );
        assert!(snapshot.namespace("a").is_ok());
        assert_eq!(
            texts(&snapshot),
            [
                r#"dump: Namespace "b": json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string"#,
                "dump: Namespace without metadata.name",
                r#"dump: Namespace "a" is there again, and counts in place of the earlier one"#,
                "dump: not a Kubernetes object: a plain value",
                "dump: not a Kubernetes object: an object without kind",
                r#"ClusterRoleBinding "void" refers to ClusterRole "gone", which is not there"#,
            ]
        );
    }

    #[test]
    fn openshift_is_known_by_its_constraints() {
        assert_eq!(Snapshot::default().platform(), Platform::Kubernetes);
        let list =
            json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraintsList", "items": []});
        assert_eq!(Snapshot::of("dump", [list]).platform(), Platform::OpenShift);
    }

    #[test]
    fn copies_of_an_operator_do_not_count() {
        let csv = |namespace: &str, labels: Value| {
            json!({"apiVersion": "operators.coreos.com/v1alpha1", "kind": "ClusterServiceVersion",
            "metadata": {"name": "op", "namespace": namespace, "labels": labels}})
        };
        let snapshot = Snapshot::of("dump", [csv("a", json!({})), csv("b", json!({"olm.copiedFrom": "a"}))]);
        assert!(snapshot.has_operator("a") && !snapshot.has_operator("b"));
    }
}
