//! A ClusterServiceVersion: what to write so that its operator runs under the restricted profile, or, where it needs
//! more, so that it gets that and says why.

use ringfence_manifest::{Kind, Node};
use serde_json::{Value, json};

use super::step::{check_name, command};
use super::{Ask, Edit, Plan, PlanError, Step};
use crate::Version;

/// The first OpenShift whose restricted constraint knows seccomp profiles.
const SECCOMP: Version = Version::new(4, 11, 0);

pub(super) fn plan(resource: Node<'_>, ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let wrong = |field: &str, message: &str| PlanError::Field { field: field.to_owned(), message: message.to_owned() };
    let name = resource.find("metadata.name").and_then(Node::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| wrong("metadata.name", "is missing"))?;
    if let Some(namespace) = ask.namespace {
        check_name("--namespace", namespace)?;
    }
    if let Some(namespace) = resource.find("metadata.namespace").and_then(Node::as_str) {
        check_name("metadata.namespace", namespace)?;
    }
    let oldest = match ask.to {
        None => SECCOMP,
        Some(text) => text.parse().map_err(|_| PlanError::Malformed {
            option: "to",
            text: text.to_owned(),
            product: "OpenShift, the oldest one that the operator must run on",
            form: "4.10",
        })?,
    };
    let deployments = resource.find("spec.install.spec.deployments");
    let deployments = deployments.filter(|list| matches!(list.kind(), Kind::Seq));
    let deployments =
        deployments.ok_or_else(|| wrong("spec.install.spec.deployments", "expected a list of deployments"))?;
    let mut plan = Plan { title: String::new(), steps: vec![], notes: vec![] };
    let mut escalated = Vec::new();
    for (index, deployment) in deployments.items().enumerate() {
        let path = format!("spec.install.spec.deployments[{index}].spec.template.spec");
        let Some(pod) = deployment.find("spec.template.spec") else { continue };
        let reasons = escalations(pod);
        let account = pod.get("serviceAccountName").and_then(Node::as_str).unwrap_or("default");
        let whose = deployment.get("name").and_then(Node::as_str).unwrap_or_default();
        if reasons.is_empty() {
            plan.steps.extend(restrict(pod, &path, whose, &oldest));
        } else {
            escalated.push((whose, account, reasons));
        }
    }
    if escalated.is_empty() {
        plan.title = format!("run the workloads of {name} in namespaces of the restricted level");
        plan.notes.push(
            "leave runAsUser empty: an image that needs a certain user cannot run under the restricted constraint"
                .to_owned(),
        );
        if !oldest.at_least(&SECCOMP) {
            plan.notes.push("OpenShift 4.10 does not support setting the seccomp profile: leaving it out lets the operator run there".to_owned());
        }
        if plan.steps.is_empty() {
            plan.notes.push("its deployments say all that already".to_owned());
        }
        return Ok(plan);
    }
    plan.title = format!("give the workloads of {name} the permissions that they need");
    plan.steps.extend(escalate(resource, name, &escalated));
    if let Some(namespace) = resource.find("metadata.namespace").and_then(Node::as_str).or(ask.namespace) {
        plan.steps.push(Step {
            title: format!("Let the namespace {namespace} run them"),
            why: "Pod Security refuses them otherwise where it is enforced".to_owned(),
            commands: vec![command([
                "oc",
                "label",
                "namespace",
                namespace,
                "--overwrite",
                "pod-security.kubernetes.io/enforce=privileged",
            ])],
            ..Step::default()
        });
    }
    plan.notes.push(
        "privileged allows everything; `ringfence scc minimal` writes a constraint that allows what is needed"
            .to_owned(),
    );
    Ok(plan)
}

fn is(node: Option<Node<'_>>, flag: bool) -> bool {
    node.map(Node::kind) == Some(Kind::Bool(flag))
}

fn containers(pod: Node<'_>) -> impl Iterator<Item = (&'static str, usize, Node<'_>)> {
    ["initContainers", "containers"].into_iter().flat_map(move |list| {
        pod.get(list)
            .into_iter()
            .flat_map(Node::items)
            .enumerate()
            .map(move |(index, container)| (list, index, container))
    })
}

/// What the restricted profile does not give.
fn escalations(pod: Node<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        if is(pod.get(host), true) {
            reasons.push(host.to_owned());
        }
    }
    let volumes = pod.get("volumes").into_iter().flat_map(Node::items);
    reasons.extend(volumes.filter(|volume| volume.get("hostPath").is_some()).map(|_| "hostPath".to_owned()));
    for (_, _, container) in containers(pod) {
        let Some(context) = container.get("securityContext") else { continue };
        for flag in ["privileged", "allowPrivilegeEscalation"] {
            if is(context.get(flag), true) {
                reasons.push(flag.to_owned());
            }
        }
        let added = context.find("capabilities.add").into_iter().flat_map(Node::items).filter_map(Node::as_str);
        reasons.extend(added.filter(|name| *name != "NET_BIND_SERVICE").map(str::to_owned));
    }
    reasons.sort();
    reasons.dedup();
    reasons
}

/// The edits by which a deployment says what the restricted profile asks for.
fn restrict(pod: Node<'_>, path: &str, whose: &str, oldest: &Version) -> Option<Step> {
    let mut edits = Vec::new();
    let mut set = |field: String, value: Value| edits.push(Edit { field, value });
    let context = pod.get("securityContext");
    let profile = context.and_then(|context| context.find("seccompProfile.type")).and_then(Node::as_str);
    if oldest.at_least(&SECCOMP) {
        if !matches!(profile, Some("RuntimeDefault" | "Localhost")) {
            set(format!("{path}.securityContext.seccompProfile"), json!({"type": "RuntimeDefault"}));
        }
    } else if profile.is_some() {
        set(format!("{path}.securityContext.seccompProfile"), Value::Null);
    }
    if !is(context.and_then(|context| context.get("runAsNonRoot")), true) {
        set(format!("{path}.securityContext.runAsNonRoot"), true.into());
    }
    if context.and_then(|context| context.get("runAsUser")).is_some() {
        set(format!("{path}.securityContext.runAsUser"), Value::Null);
    }
    for (list, index, container) in containers(pod) {
        let path = format!("{path}.{list}[{index}].securityContext");
        let context = container.get("securityContext");
        let get = |key: &str| context.and_then(|context| context.find(key));
        if !is(get("allowPrivilegeEscalation"), false) {
            set(format!("{path}.allowPrivilegeEscalation"), false.into());
        }
        let mut dropped = get("capabilities.drop").into_iter().flat_map(Node::items).filter_map(Node::as_str);
        if !dropped.any(|name| name == "ALL") {
            set(format!("{path}.capabilities.drop"), json!(["ALL"]));
        }
        if get("runAsUser").is_some() {
            set(format!("{path}.runAsUser"), Value::Null);
        }
        if !oldest.at_least(&SECCOMP) && get("seccompProfile").is_some() {
            set(format!("{path}.seccompProfile"), Value::Null);
        }
    }
    (!edits.is_empty()).then(|| Step {
        title: format!("Make deployment {whose} fit the restricted level"),
        why: "it then runs in any namespace; with RuntimeDefault the constraint's seccomp profile is that of the level"
            .to_owned(),
        edits,
        ..Step::default()
    })
}

/// The three edits of an operator that needs more: context, permission, reason.
fn escalate(resource: Node<'_>, name: &str, escalated: &[(&str, &str, Vec<String>)]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (whose, _, reasons) in escalated {
        steps.push(Step {
            title: format!("Keep in the security context of deployment {whose} what it needs, and no more"),
            why: format!("it asks for {}", reasons.join(", ")),
            ..Step::default()
        });
    }
    let permissions = resource.find("spec.install.spec.clusterPermissions");
    let count = permissions.map_or(0, |list| list.items().len());
    let mut accounts: Vec<&str> = escalated.iter().map(|(_, account, _)| *account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let lacking = accounts.into_iter().filter(|account| !may_use_any(permissions, account));
    for (offset, account) in lacking.enumerate() {
        let rule = json!({"apiGroups": ["security.openshift.io"], "resourceNames": ["privileged"],
                          "resources": ["securitycontextconstraints"], "verbs": ["use"]});
        steps.push(Step {
            title: format!("Let service account {account} use a security context constraint"),
            why: "without one that allows this, the pods are not admitted".to_owned(),
            edits: vec![Edit {
                field: format!("spec.install.spec.clusterPermissions[{}]", count + offset),
                value: json!({"rules": [rule], "serviceAccountName": account}),
            }],
            ..Step::default()
        });
    }
    let description = resource.find("spec.description").and_then(Node::as_str).unwrap_or_default().to_lowercase();
    if !description.contains("escalated permission") && !description.contains("privileged pod security") {
        let value = format!(
            "The {name} requires a privileged pod security admission label set on the Operator's namespace. The Operator \
             requires escalated permissions to <say what for>."
        );
        steps.push(Step {
            title: "Say in the description why it needs escalated permissions".to_owned(),
            why: "whoever installs it has to decide about that".to_owned(),
            edits: vec![Edit { field: "spec.description".to_owned(), value: value.into() }],
            ..Step::default()
        });
    }
    steps
}

/// Whether the service account is given the use of a constraint.
fn may_use_any(permissions: Option<Node<'_>>, account: &str) -> bool {
    let has = |rule: Node<'_>, key: &str, wanted: &str| {
        rule.get(key)
            .into_iter()
            .flat_map(Node::items)
            .filter_map(Node::as_str)
            .any(|text| text == wanted || text == "*")
    };
    let of_account = permissions.into_iter().flat_map(Node::items);
    let mut of_account =
        of_account.filter(|item| item.get("serviceAccountName").and_then(Node::as_str).unwrap_or("default") == account);
    of_account.any(|item| {
        item.get("rules").into_iter().flat_map(Node::items).any(|rule| {
            has(rule, "apiGroups", "security.openshift.io")
                && has(rule, "resources", "securitycontextconstraints")
                && has(rule, "verbs", "use")
        })
    })
}
