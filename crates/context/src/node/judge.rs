//! What of a pod a node cannot honour.
//!
//! What the kubelet and the runtime would refuse is the resolver's to say: it is asked with the node and without, and
//! what only the node brings is the node's doing. The rest, which they do not refuse and the process meets with later,
//! is decided here.

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::need::{Need, need_of_image};
use super::verdict::SYS_RESOURCE;
use super::{Finding, Severity};
use crate::capability::Capability;
use crate::effective::{EffectiveContainer, EffectivePod, Refusal, RefusalReason, Seccomp};
use crate::facts::{Facts, NodeFacts};
use crate::origin::Origin;
use crate::process::Namespace;
use crate::resolve;

/// What the node of `facts` cannot honour of the pod, the worst first. Nothing when `facts` has no node.
pub fn judge(metadata: &ObjectMeta, spec: &PodSpec, facts: &Facts) -> Vec<Finding> {
    let Some(node) = &facts.node else { return vec![] };
    let here = resolve(metadata, spec, facts);
    let anywhere = resolve(metadata, spec, &Facts { node: None, ..facts.clone() });
    let mut found = Vec::new();
    brought(&here, &anywhere, &mut found);
    namespaces(spec, &here, node, &mut found);
    for container in &here.containers {
        filter(container, node, &mut found);
        no_new_privileges(container, node, &mut found);
        if let Some(need) = container.image.as_deref().and_then(need_of_image) {
            open_files(need, container, node, &mut found);
            map_count(need, container, spec, node, &mut found);
        }
    }
    controllers(spec, node, &mut found);
    found.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    found
}

/// Refusals and warnings that are there with the node and not without it.
fn brought(here: &EffectivePod, anywhere: &EffectivePod, found: &mut Vec<Finding>) {
    if let Some(refusal) = here.refusal.as_ref().filter(|refusal| anywhere.refusal.as_ref() != Some(refusal)) {
        let field = match &refusal.origin {
            Some(Origin::Pod { field } | Origin::Container { field }) => field.clone(),
            _ => "spec".to_owned(),
        };
        found.push(refused(refusal, None, field));
    }
    let warnings = here.warnings.iter().filter(|warning| !anywhere.warnings.contains(warning));
    found.extend(warnings.map(|warning| note(warning, None)));
    for (container, elsewhere) in here.containers.iter().zip(&anywhere.containers) {
        // A refusal of the whole pod is repeated in each container.
        let own = container.refusal.as_ref().filter(|refusal| here.refusal.as_ref() != Some(refusal));
        if let Some(refusal) = own.filter(|refusal| elsewhere.refusal.as_ref() != Some(refusal)) {
            let name = Some(container.name.clone());
            found.push(refused(refusal, name, field_of(container, refusal)));
        }
        let warnings = container.warnings.iter().filter(|warning| !elsewhere.warnings.contains(warning));
        found.extend(warnings.map(|warning| note(warning, Some(container.name.clone()))));
    }
}

/// The field that asks for what is refused.
fn field_of(container: &EffectiveContainer, refusal: &Refusal) -> String {
    let missing =
        |name: &str| Capability::from_name(name).is_some_and(|found| container.capabilities.missing.contains(found));
    let added = container.capabilities.add.iter().find(|(name, _)| missing(&name.to_uppercase()));
    [refusal.origin.as_ref(), added.map(|(_, origin)| origin)]
        .into_iter()
        .flatten()
        .find_map(|origin| match origin {
            Origin::Pod { field } | Origin::Container { field } => Some(field.clone()),
            _ => None,
        })
        .unwrap_or_else(|| container.path.clone())
}

fn refused(refusal: &Refusal, container: Option<String>, field: String) -> Finding {
    let (fact, help) = match refusal.reason {
        RefusalReason::StartError => {
            ("capabilities.bounding", "drop the capability, or run where the bounding set has it")
        }
        RefusalReason::AppArmor => ("apparmor", "remove the profile, or run on a node with AppArmor"),
        RefusalReason::SysctlForbidden => ("allowedUnsafeSysctls", "allow it in the kubelet's allowedUnsafeSysctls"),
        RefusalReason::FailedCreatePodSandBox if field.ends_with("hostUsers") => {
            ("userNamespaces", "remove hostUsers: false, or run on a node that has user namespaces")
        }
        RefusalReason::FailedCreatePodSandBox => {
            ("capabilities.bounding", "give the container runtime its capabilities back")
        }
        _ => ("node", "run it on another node"),
    };
    let why = match &refusal.origin {
        Some(Origin::Node { what }) => format!("the node: {what}; "),
        _ => String::new(),
    };
    Finding {
        severity: Severity::Breaks,
        fact,
        container,
        field,
        message: format!("{why}{}: {}", refusal.reason.as_str(), refusal.message),
        help: Some(help.to_owned()),
    }
}

fn note(warning: &crate::effective::Warning, container: Option<String>) -> Finding {
    Finding {
        severity: Severity::Note,
        fact: match warning.code {
            code if code.starts_with("selinux") => "selinux",
            code if code.starts_with("app-armor") => "apparmor",
            code if code.starts_with("sysctl") => "allowedUnsafeSysctls",
            _ => "runtime",
        },
        container,
        field: warning.field.clone(),
        message: warning.message.clone(),
        help: warning.hint.clone(),
    }
}

/// `hostUsers: false` asks more of a node than user namespaces: a handler that makes them, and mounts whose owners can be
/// shifted.
fn namespaces(spec: &PodSpec, here: &EffectivePod, node: &NodeFacts, found: &mut Vec<Finding>) {
    if here.namespaces.user != Namespace::Own || node.user_namespaces == Some(false) {
        return;
    }
    let mut say = |severity, fact, message: String, help: &str| {
        let field = "spec.hostUsers".to_owned();
        found.push(Finding { severity, fact, container: None, field, message, help: Some(help.to_owned()) });
    };
    // The handler without a name is the default one.
    if node.runtime_handlers.get("").is_some_and(|handler| !handler.user_namespaces) {
        let message = "the node's container runtime says that its default handler has no user namespaces";
        say(Severity::Breaks, "runtimeHandlers", message.to_owned(), "update the runtime, or remove hostUsers: false");
    }
    let volumes = spec.volumes.as_ref().is_some_and(|volumes| !volumes.is_empty());
    if volumes && node.id_mapped_mounts == Some(false) {
        let message = "the node cannot mount volumes with other owners (id-mapped mounts)";
        say(
            Severity::Breaks,
            "idMappedMounts",
            message.to_owned(),
            "run a kernel from 6.3, or remove hostUsers: false",
        );
    }
    let known = if node.user_namespaces.is_none() { None } else { node.id_mapped_mounts };
    if known.is_none() && (node.user_namespaces.is_none() || volumes) {
        let message = "whether the node has user namespaces and id-mapped mounts is not known";
        say(Severity::Unknown, "userNamespaces", message.to_owned(), "run `ringfence node check` on the node");
    }
}

/// A filter that answers with an error number needs `errno`; containerd's default does (seccomp(2)).
fn filter(container: &EffectiveContainer, node: &NodeFacts, found: &mut Vec<Finding>) {
    let asks = matches!(container.seccomp.get(), Some(Seccomp::RuntimeDefault | Seccomp::Localhost { .. }));
    let Some(actions) = node.seccomp_actions.as_ref().filter(|_| asks) else { return };
    if actions.iter().any(|action| action == "errno") {
        return;
    }
    let field = match &container.seccomp {
        crate::origin::Value::Known { origin: Origin::Container { field } | Origin::Pod { field }, .. } => {
            field.clone()
        }
        _ => format!("{}.securityContext.seccompProfile", container.path),
    };
    found.push(Finding {
        severity: Severity::Breaks,
        fact: "seccompActions",
        container: Some(container.name.clone()),
        field,
        message: "the node's kernel has no seccomp filters, so the profile cannot be applied".to_owned(),
        help: Some("run a kernel with CONFIG_SECCOMP_FILTER".to_owned()),
    });
}

fn no_new_privileges(container: &EffectiveContainer, node: &NodeFacts, found: &mut Vec<Finding>) {
    if container.no_new_privileges.get() == Some(&true) && node.no_new_privileges == Some(false) {
        found.push(Finding {
            severity: Severity::Breaks,
            fact: "noNewPrivileges",
            container: Some(container.name.clone()),
            field: format!("{}.securityContext.allowPrivilegeEscalation", container.path),
            message: "the node's kernel has no no_new_privs flag".to_owned(),
            help: Some("run a kernel from 3.5".to_owned()),
        });
    }
}

/// An application that opens many files, in a container that cannot raise its limit.
fn open_files(need: &Need, container: &EffectiveContainer, node: &NodeFacts, found: &mut Vec<Finding>) {
    let Need { title, open_files: needed, .. } = *need;
    let mut say = |severity, fact, field: String, message, help: &str| {
        let (container, help) = (Some(container.name.clone()), Some(help.to_owned()));
        found.push(Finding { severity, fact, container, field, message, help });
    };
    let capabilities = format!("{}.securityContext.capabilities", container.path);
    let ceiling = node.open_files.nr_open.filter(|ceiling| *ceiling < needed);
    if let Some(ceiling) = ceiling {
        let message = format!("{title} opens {needed} files and fs.nr_open of the node is {ceiling}");
        say(Severity::Breaks, "openFiles.nrOpen", container.path.clone(), message, "raise fs.nr_open on the node");
        return;
    }
    if let Some(total) = node.open_files.file_max.filter(|total| *total < needed) {
        let message = format!("{title} opens {needed} files and fs.file-max of the node is {total}");
        say(Severity::Breaks, "openFiles.fileMax", container.path.clone(), message, "raise fs.file-max on the node");
        return;
    }
    let own_users = container.namespaces.user == Namespace::Own;
    let has = Capability::from_name(SYS_RESOURCE)
        .is_some_and(|capability| container.capabilities.granted.get().is_some_and(|set| set.contains(capability)));
    let can_raise = has && !own_users && container.no_new_privileges.get() != Some(&true);
    match &node.open_files.pod {
        Some(limits) if limits.hard < needed && can_raise => {
            let message = format!(
                "{title} opens {needed} files, a process in a pod starts with {} ({}), and the container can raise that \
                 only with the SYS_RESOURCE that it has",
                limits.hard, limits.source
            );
            say(Severity::Note, "openFiles.pod", capabilities, message, "raise the limit on the node to do without it");
        }
        Some(limits) if limits.hard < needed => {
            let why = if has && own_users {
                "SYS_RESOURCE raises no limit in a user namespace (setrlimit(2))"
            } else {
                "without SYS_RESOURCE the container cannot raise that"
            };
            let message = format!(
                "{title} opens {needed} files, a process in a pod starts with at most {} ({}), and {why}",
                limits.hard, limits.source
            );
            say(
                Severity::Breaks,
                "openFiles.pod",
                capabilities,
                message,
                "raise the limit on the node, or give the container SYS_RESOURCE",
            );
        }
        Some(_) => {}
        None if can_raise => {}
        None => {
            let why = node.unknown.get("openFiles.pod").map_or_else(String::new, |why| format!(": {why}"));
            let message =
                format!("{title} opens {needed} files, and the limit of a process in a pod is not known{why}");
            say(
                Severity::Unknown,
                "openFiles.pod",
                capabilities,
                message,
                "run `ringfence node check` on the node, as root",
            );
        }
    }
}

/// `vm.max_map_count` is the node's alone; a privileged init container may set it.
fn map_count(need: &Need, container: &EffectiveContainer, spec: &PodSpec, node: &NodeFacts, found: &mut Vec<Finding>) {
    const NAME: &str = "vm.max_map_count";
    let Some(needed) = need.max_map_count else { return };
    let Some(value) = node.sysctls.get(NAME).and_then(|value| value.trim().parse::<u64>().ok()) else { return };
    let sets = |init: &Container| {
        let words = init.command.iter().chain(&init.args).flatten();
        words.into_iter().any(|word| word.contains(NAME))
    };
    if value >= needed || spec.init_containers.iter().flatten().any(sets) {
        return;
    }
    found.push(Finding {
        severity: Severity::Breaks,
        fact: "sysctls",
        container: Some(container.name.clone()),
        field: container.path.clone(),
        message: format!(
            "{} wants {NAME} of at least {needed} to map its index, and the node's is {value}",
            need.title
        ),
        help: Some(format!("sysctl -w {NAME}={needed} on the node, or node.store.allow_mmap: false")),
    });
}

/// A limit whose controller the node's cgroups lack cannot be set; the runtime then refuses the container.
fn controllers(spec: &PodSpec, node: &NodeFacts, found: &mut Vec<Finding>) {
    let Some(have) = &node.cgroup_controllers else { return };
    let lists =
        [("initContainers", spec.init_containers.as_deref().unwrap_or_default()), ("containers", &spec.containers)];
    for (list, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
            for resource in limits.into_iter().flat_map(std::collections::BTreeMap::keys) {
                let controller = match resource.as_str() {
                    "cpu" => "cpu",
                    "memory" => "memory",
                    name if name.starts_with("hugepages-") => "hugetlb",
                    _ => continue,
                };
                if have.iter().any(|name| name == controller) {
                    continue;
                }
                found.push(Finding {
                    severity: Severity::Breaks,
                    fact: "cgroupControllers",
                    container: Some(container.name.clone()),
                    field: format!("spec.{list}[{index}].resources.limits.{resource}"),
                    message: format!("the node's cgroups have no {controller} controller, so the limit cannot be set"),
                    help: Some(format!("enable the {controller} controller on the node")),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::testing::on_node;

    fn on(node: &str, spec: &str) -> Vec<Finding> {
        let spec: PodSpec = serde_json::from_str(spec).unwrap();
        judge(&ObjectMeta::default(), &spec, &on_node(Facts::default(), node))
    }

    fn redis(context: &str) -> String {
        format!(
            r#"{{"containers": [{{"name": "node", "image": "redislabs/redis:7.22.0-28", "securityContext": {context}}}]}}"#
        )
    }

    const LOW: &str =
        r#"{"openFiles": {"pod": {"soft": 65535, "hard": 65535, "source": "cri-base.json"}, "nrOpen": 1048576}}"#;
    const UNPRIVILEGED: &str = r#"{"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}"#;
    const PRIVILEGED: &str =
        r#"{"allowPrivilegeEscalation": true, "capabilities": {"drop": ["ALL"], "add": ["SYS_RESOURCE"]}}"#;

    /// SYS_RESOURCE, paragraph 2: "If the default limit is lower and the container lacks the SYS_RESOURCE capability, the
    /// process may fail repeatedly".
    #[test]
    fn redis_enterprise_without_sys_resource_breaks_below_100_000_files() {
        let found = on(LOW, &redis(UNPRIVILEGED));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].severity, found[0].fact), (Severity::Breaks, "openFiles.pod"));
        assert_eq!(found[0].container.as_deref(), Some("node"));
        assert!(found[0].message.contains("65535 (cri-base.json)"), "{found:?}");
    }

    /// SYS_RESOURCE, paragraph 1: the capability lets processes raise resource limits.
    #[test]
    fn redis_enterprise_with_sys_resource_lives_with_less() {
        let found = on(LOW, &redis(PRIVILEGED));
        assert_eq!((found.len(), found[0].severity), (1, Severity::Note), "{found:?}");
    }

    #[test]
    fn sys_resource_raises_no_limit_in_a_user_namespace() {
        let spec = redis(PRIVILEGED).replacen('{', r#"{"hostUsers": false, "#, 1);
        let found = on(&LOW.replacen('{', r#"{"userNamespaces": true, "idMappedMounts": true, "#, 1), &spec);
        assert_eq!((found.len(), found[0].severity), (1, Severity::Breaks), "{found:?}");
        assert!(found[0].message.contains("user namespace"), "{found:?}");
    }

    #[test]
    fn a_capability_that_the_node_lacks_is_named_with_its_field() {
        let found = on(r#"{"capabilities": {"bounding": "000001fffeffffff"}}"#, &redis(PRIVILEGED));
        assert_eq!(found[0].fact, "capabilities.bounding");
        assert_eq!(found[0].field, "spec.containers[0].securityContext.capabilities.add[0]");
        assert!(found[0].message.contains("lacks SYS_RESOURCE"), "{found:?}");
    }

    #[test]
    fn what_would_be_refused_anywhere_is_not_the_nodes_doing() {
        let refused = r#"{"securityContext": {"runAsNonRoot": true, "runAsUser": 0}, "containers": [{"name": "a", "image": "b"}]}"#;
        assert_eq!(on(r#"{"selinux": false}"#, refused), []);
    }

    #[test]
    fn nothing_known_of_the_limit_is_said_and_not_guessed() {
        let found = on("{}", &redis(UNPRIVILEGED));
        assert_eq!((found.len(), found[0].severity), (1, Severity::Unknown), "{found:?}");
        assert_eq!(on("{}", r#"{"containers": [{"name": "a", "image": "nginx"}]}"#), []);
    }

    #[test]
    fn each_fact_finds_the_field_that_it_breaks() {
        let cases = [
            (r#"{"userNamespaces": false}"#, r#""hostUsers": false,"#, "", "spec.hostUsers"),
            (
                r#"{"userNamespaces": true, "idMappedMounts": false}"#,
                r#""hostUsers": false, "volumes": [{"name": "v", "emptyDir": {}}],"#,
                "",
                "spec.hostUsers",
            ),
            (
                r#"{"userNamespaces": true, "idMappedMounts": true, "runtimeHandlers": {"": {"userNamespaces": false}}}"#,
                r#""hostUsers": false,"#,
                "",
                "spec.hostUsers",
            ),
            (
                r#"{"seccompActions": []}"#,
                r#""securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},"#,
                "",
                "spec.securityContext.seccompProfile",
            ),
            (
                r#"{"noNewPrivileges": false}"#,
                "",
                r#", "securityContext": {"allowPrivilegeEscalation": false}"#,
                "spec.containers[0].securityContext.allowPrivilegeEscalation",
            ),
            (
                r#"{"cgroupControllers": ["cpu"]}"#,
                "",
                r#", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}"#,
                "spec.containers[0].resources.limits.memory",
            ),
            (
                r#"{"apparmor": false}"#,
                r#""securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}},"#,
                "",
                "spec.securityContext.appArmorProfile",
            ),
        ];
        for (node, pod, container, field) in cases {
            let found = on(node, &format!(r#"{{{pod} "containers": [{{"name": "a", "image": "b"{container}}}]}}"#));
            assert_eq!(found.len(), 1, "{node}: {found:?}");
            assert_eq!((found[0].severity, &*found[0].field), (Severity::Breaks, field), "{node}: {found:?}");
        }
    }

    #[test]
    fn elasticsearch_breaks_on_a_low_map_count_unless_an_init_container_sets_it() {
        let node =
            r#"{"sysctls": {"vm.max_map_count": "65530"}, "openFiles": {"pod": {"soft": 65535, "hard": 65535}}}"#;
        let container = r#""containers": [{"name": "elasticsearch", "image": "docker.elastic.co/elasticsearch/elasticsearch:8.8.0"}]"#;
        let found = on(node, &format!("{{{container}}}"));
        assert_eq!((found.len(), found[0].fact), (1, "sysctls"), "{found:?}");
        let init = r#""initContainers": [{"name": "sysctl", "image": "busybox", "command": ["sh", "-c", "sysctl -w vm.max_map_count=262144"]}]"#;
        assert_eq!(on(node, &format!("{{{init}, {container}}}")), []);
    }

    proptest::proptest! {
        #[test]
        fn an_unknown_node_breaks_nothing(image in "[a-z/]{0,12}") {
            let found = on("{}", &format!(r#"{{"containers": [{{"name": "a", "image": "{image}"}}]}}"#));
            proptest::prop_assert!(found.iter().all(|finding| finding.severity != Severity::Breaks));
        }
    }
}
