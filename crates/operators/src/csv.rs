//! What a ClusterServiceVersion grants and says, beside the deployments that it lists.

use k8s_openapi::api::core::v1::PodSpec;
use ringfence_manifest::{Node, Workload};
use serde_json::{Value as Json, json};

use crate::Version;

/// Constraints that take nothing but what the restricted level has: to use one is no privilege.
const RESTRICTED: [&str; 3] = ["restricted", "restricted-v2", "restricted-v3"];

/// Words of which a description that explains escalated permissions has some.
const EXPLAINING: [&str; 7] =
    ["escalated", "elevated", "privileged", "pod security", "security context constraint", "root", "capabilit"];

/// The annotation with the namespace that an operator wants, as JSON.
const NAMESPACE_TEMPLATE: &str = "operatorframework.io/suggested-namespace-template";
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// What of a ClusterServiceVersion decides about the admission of its pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Csv {
    /// `spec.description`.
    pub description: String,
    /// The `use` of constraints that it grants to its service accounts.
    pub grants: Vec<Grant>,
    /// The level of the namespace that it asks for, and the annotation that does.
    pub namespace_level: Option<(String, String)>,
    /// The oldest OpenShift that it is for, where it says so.
    pub oldest_platform: Option<Version>,
    permissions: Vec<Json>,
}

/// A service account's right to use constraints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The service account.
    pub service_account: String,
    /// The constraints; none means every one.
    pub constraints: Vec<String>,
    /// The rule, from the object's root.
    pub field: String,
}

impl Grant {
    /// Whether it allows more than the restricted constraints do.
    #[must_use]
    pub fn is_escalated(&self) -> bool {
        self.constraints.is_empty() || self.constraints.iter().any(|name| !RESTRICTED.contains(&name.as_str()))
    }
}

/// What is to be said of a ClusterServiceVersion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFinding {
    /// What kind of finding it is.
    pub code: &'static str,
    /// The field, from the object's root.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl Csv {
    /// Whether `kind` of `group` is a ClusterServiceVersion.
    #[must_use]
    pub fn is(api_version: &str, kind: &str) -> bool {
        kind == "ClusterServiceVersion" && api_version.split('/').next() == Some("operators.coreos.com")
    }

    /// Reads one. What is not there, or of another type, grants and says nothing.
    #[must_use]
    pub fn read(node: Node<'_>) -> Self {
        let text = |path: &str| node.find(path).and_then(Node::as_str).unwrap_or_default();
        let mut csv = Self { description: text("spec.description").to_owned(), ..Self::default() };
        for list in ["permissions", "clusterPermissions"] {
            let path = format!("spec.install.spec.{list}");
            for (i, permission) in node.find(&path).into_iter().flat_map(Node::items).enumerate() {
                csv.permission(permission, &format!("{path}[{i}]"), list == "clusterPermissions");
            }
        }
        csv.namespace_level = namespace_level(node);
        // Kubernetes 1.23 is OpenShift 4.10, and so on.
        let kube = text("spec.minKubeVersion").parse::<Version>().ok().map(|version| version.numbers());
        csv.oldest_platform = kube.and_then(|[major, minor, _]| match (major, minor) {
            (1, 13..) => Some(Version::new(4, minor - 13, 0)),
            _ => None,
        });
        csv
    }

    fn permission(&mut self, permission: Node<'_>, path: &str, cluster: bool) {
        let account = permission.get("serviceAccountName").and_then(Node::as_str).unwrap_or_default();
        let Some(rules) = permission.get("rules") else { return };
        for (i, rule) in rules.items().enumerate() {
            let texts = |key: &str| -> Vec<String> {
                rule.get(key).into_iter().flat_map(Node::items).filter_map(Node::as_str).map(str::to_owned).collect()
            };
            let has = |key: &str, wanted: &str| texts(key).iter().any(|text| text == wanted || text == "*");
            let uses = has("verbs", "use")
                && has("apiGroups", "security.openshift.io")
                && has("resources", "securitycontextconstraints");
            if uses {
                let field = format!("{path}.rules[{i}]");
                let constraints = texts("resourceNames");
                self.grants.push(Grant { service_account: account.to_owned(), constraints, field });
            }
        }
        // Decodes as it prints.
        let rules: Json = serde_json::from_str(&rules.to_json()).unwrap_or_default();
        self.permissions.push(json!({"account": account, "rules": rules, "cluster": cluster}));
    }

    /// The service accounts, roles and bindings that OLM makes in a namespace.
    #[must_use]
    pub fn objects(&self, name: &str, namespace: &str) -> Vec<Json> {
        let mut objects = vec![];
        for (i, permission) in self.permissions.iter().enumerate() {
            let account = permission.get("account").cloned().unwrap_or_default();
            let cluster = permission.get("cluster").and_then(Json::as_bool).unwrap_or(false);
            let (role, binding) = if cluster { ("ClusterRole", "ClusterRoleBinding") } else { ("Role", "RoleBinding") };
            let own = format!("{name}-{i}");
            let metadata = if cluster { json!({"name": own}) } else { json!({"name": own, "namespace": namespace}) };
            objects.push(json!({"apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {"name": account, "namespace": namespace}}));
            objects.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": role,
                "metadata": metadata, "rules": permission.get("rules")}));
            objects.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": binding, "metadata": metadata,
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": format!("{name}-{i}")},
                "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]}));
        }
        objects
    }

    /// Whether the service account may use more than the restricted constraints.
    #[must_use]
    pub fn is_escalated(&self, service_account: &str) -> bool {
        let mut own = self.grants.iter().filter(|grant| grant.service_account == service_account);
        own.any(Grant::is_escalated)
    }

    /// What is to be said of it. `needed` is the lowest level that takes each workload's pods: `restricted`, `baseline`
    /// or `privileged`. `platform` is the oldest OpenShift that it must run on.
    #[must_use]
    pub fn findings(&self, workloads: &[Workload], needed: &[&str], platform: Option<&Version>) -> Vec<CsvFinding> {
        let mut findings = vec![];
        let highest = needed.iter().copied().max_by_key(|level| rank(level)).unwrap_or("restricted");
        self.describes(highest, &mut findings);
        if let Some((level, field)) = &self.namespace_level
            && rank(level) < rank(highest)
        {
            findings.push(CsvFinding {
                code: "csv-namespace-level",
                field: field.clone(),
                message: format!("the suggested namespace enforces {level}, and the operator's pods need {highest}"),
                hint: format!("write {ENFORCE}: {highest} there, or make the pods fit {level}"),
            });
        }
        let old = Version::new(4, 11, 0);
        let platform = platform.or(self.oldest_platform.as_ref());
        for workload in workloads {
            let account = workload.spec.service_account_name.as_deref().unwrap_or("default");
            if !self.is_escalated(account) {
                users(workload, &mut findings);
            }
            if platform.is_some_and(|platform| *platform < old) {
                seccomp_profiles(workload, &mut findings);
            }
        }
        findings
    }

    fn describes(&self, needed: &str, findings: &mut Vec<CsvFinding>) {
        let grant = self.grants.iter().find(|grant| grant.is_escalated());
        let lower = self.description.to_lowercase();
        if (grant.is_none() && needed == "restricted") || EXPLAINING.iter().any(|word| lower.contains(word)) {
            return;
        }
        let mut needs = vec![];
        if needed != "restricted" {
            needs.push(format!("pods that only the level {needed} takes"));
        }
        if let Some(grant) = grant {
            let which = match grant.constraints.as_slice() {
                [] => "every security context constraint".to_owned(),
                names => format!("the security context constraint {}", names.join(", ")),
            };
            needs.push(format!("the use of {which} for service account {}", grant.service_account));
        }
        findings.push(CsvFinding {
            code: "csv-description",
            field: "spec.description".to_owned(),
            message: format!("the operator asks for {}, and its description does not say why", needs.join(" and ")),
            hint: "say in spec.description which pod security level the operator's namespace needs, and what for"
                .to_owned(),
        });
    }
}

fn rank(level: &str) -> u8 {
    match level {
        "privileged" => 2,
        "baseline" => 1,
        _ => 0,
    }
}

/// The level that the suggested namespace enforces.
fn namespace_level(node: Node<'_>) -> Option<(String, String)> {
    let field = format!("metadata.annotations[{NAMESPACE_TEMPLATE}]");
    let text = node.find(&field)?.as_str()?;
    let namespace: Json = serde_json::from_str(text).ok()?;
    let level = namespace.get("metadata")?.get("labels")?.get(ENFORCE)?.as_str()?;
    Some((level.to_owned(), field))
}

/// The paths of every context of a pod: the pod's own and its containers'.
fn contexts(spec: &PodSpec) -> Vec<(String, Option<i64>, bool)> {
    let own = spec.security_context.as_ref();
    let own = own.map(|own| ("spec.securityContext".to_owned(), own.run_as_user, own.seccomp_profile.is_some()));
    let mut found: Vec<_> = own.into_iter().collect();
    let init = spec.init_containers.iter().flatten();
    for (list, i, container) in (spec.containers.iter().enumerate().map(|(i, c)| ("containers", i, c)))
        .chain(init.enumerate().map(|(i, c)| ("initContainers", i, c)))
    {
        if let Some(context) = &container.security_context {
            let path = format!("spec.{list}[{i}].securityContext");
            found.push((path, context.run_as_user, context.seccomp_profile.is_some()));
        }
    }
    found
}

fn users(workload: &Workload, findings: &mut Vec<CsvFinding>) {
    for (path, user, _) in contexts(&workload.spec) {
        if let Some(user) = user {
            findings.push(CsvFinding {
                code: "csv-run-as-user",
                field: field(workload, &format!("{path}.runAsUser")),
                message: format!("runAsUser {user} is none of the users that restricted constraints assign"),
                hint: "leave runAsUser empty; if the image needs this user, it cannot run under the restricted \
                       constraints, and the operator has to ask for one that allows it"
                    .to_owned(),
            });
        }
    }
}

fn seccomp_profiles(workload: &Workload, findings: &mut Vec<CsvFinding>) {
    for (path, _, has_profile) in contexts(&workload.spec) {
        if has_profile {
            findings.push(CsvFinding {
                code: "csv-seccomp-profile",
                field: field(workload, &format!("{path}.seccompProfile")),
                message: "OpenShift 4.10 does not support a seccompProfile under the restricted constraint".to_owned(),
                hint: "leave seccompProfile out while 4.10 is supported; from 4.11 on write RuntimeDefault".to_owned(),
            });
        }
    }
}

/// A path of the pod as one of the resource.
fn field(workload: &Workload, path: &str) -> String {
    workload.derived.as_ref().map_or_else(|| path.to_owned(), |derived| derived.field(path))
}
