//! Redis Enterprise for Kubernetes. The rules are those of its page "Enable privileged mode".

use ringfence_manifest::Node;

use super::scc::redis_enterprise_scc;
use super::step::{check_name, command, words};
use super::versions::REDIS;
use super::{Ask, Check, Command, Edit, Fact, Input, Plan, PlanError, Step};
use crate::redis::{Cluster, Mode, SCC, UNPRIVILEGED_SINCE};
use crate::{Platform, Version};

/// The constraint that a new installation runs under in unprivileged mode.
const NONROOT: &str = "nonroot-v2";

struct Case {
    cluster: Cluster,
    namespace: String,
    from: Option<Version>,
    to: Version,
    /// The mode that runs now; `None` where nothing does.
    was: Option<Mode>,
    mode: Mode,
}

pub(super) fn plan(resource: Node<'_>, ask: &Ask<'_>) -> Result<Plan, PlanError> {
    let (from, to) = REDIS.both(ask)?;
    let cluster = Cluster::read(resource)?;
    let before = ask.before.map(Cluster::read).transpose()?;
    if let Some(before) = before.as_ref().filter(|before| before.name != cluster.name) {
        let message = format!("{:?} is another cluster than --before's {:?}", cluster.name, before.name);
        return Err(PlanError::Field { field: "metadata.name".to_owned(), message });
    }
    let namespace = [cluster.namespace.as_str(), ask.namespace.unwrap_or_default()];
    let namespace = namespace.into_iter().find(|name| !name.is_empty()).ok_or(PlanError::NoNamespace)?.to_owned();
    for (field, text) in [
        ("metadata.name", &cluster.name),
        ("metadata.namespace", &namespace),
        ("spec.serviceAccountName", &cluster.service_account),
    ] {
        check_name(field, text)?;
    }
    // Without the resource as it is, it is taken to be as it is wanted.
    let was = from.as_ref().map(|from| before.as_ref().unwrap_or(&cluster).mode(from));
    let mode = cluster.mode(&to);
    if from.as_ref() == Some(&to) && was == Some(mode) {
        return Err(PlanError::Same { version: to.to_string() });
    }
    let case = Case { cluster, namespace, from, to, was, mode };
    Ok(match ask.platform {
        Platform::OpenShift => case.openshift(),
        Platform::Kubernetes => case.kubernetes(),
    })
}

impl Case {
    fn openshift(&self) -> Plan {
        let mut steps = Vec::new();
        let mut notes = self.notes();
        let knows_modes = UNPRIVILEGED_SINCE.parse().is_ok_and(|since| self.to.at_least(&since));
        match (self.was, self.mode) {
            // A new installation runs in unprivileged mode, and is given privileged mode afterwards.
            (None, Mode::Privileged) if knows_modes => {
                steps.push(self.install());
                steps.extend([apply_scc(), self.grant(), self.set_mode()]);
            }
            (None, Mode::Privileged) => steps.extend([apply_scc(), self.grant(), self.install()]),
            (None, Mode::Unprivileged) => steps.push(self.install()),
            // The constraint has to be there when the operator makes the pods anew.
            (Some(was), Mode::Privileged) => {
                if self.crosses() || was != self.mode {
                    steps.extend([apply_scc(), self.grant()]);
                }
                steps.extend(self.upgrade());
                if was != self.mode {
                    steps.push(self.set_mode());
                }
            }
            // The constraint must not go while pods still need it.
            (Some(was), Mode::Unprivileged) => {
                steps.extend(self.upgrade());
                if was != self.mode && !self.crosses() {
                    steps.push(self.set_mode());
                }
                if was != self.mode {
                    steps.extend([self.delete_scc(), self.revoke()]);
                }
            }
        }
        if self.was == Some(self.mode) && !steps.iter().any(|step| step.title.contains(SCC)) {
            notes.push(format!("{} mode stays, so that no security context constraint changes", self.mode));
        }
        Plan { title: self.title(), steps, notes }
    }

    fn kubernetes(&self) -> Plan {
        let mut steps = Vec::new();
        let mut notes = self.notes();
        match (self.was, self.mode) {
            (None, _) => steps.push(self.install()),
            (Some(_), _) => steps.extend(self.upgrade()),
        }
        if self.was.is_some_and(|was| was != self.mode && !self.crosses()) {
            steps.push(self.set_mode());
        }
        notes.push(
            "without security context constraints there is nothing to apply or to unbind: only the nodes' limits matter"
                .to_owned(),
        );
        if self.mode == Mode::Privileged {
            notes.push(
                "the Pod Security level baseline has no SYS_RESOURCE: the namespace has to enforce privileged, if any"
                    .to_owned(),
            );
        }
        for step in &mut steps {
            step.after.retain(|check| check.fact.is_none());
            step.before.retain(|check| check.fact.is_none());
            let commands = step.commands.iter_mut().map(|command| &mut command.words);
            let checks = step.before.iter_mut().chain(&mut step.after).map(|check| &mut check.words);
            commands.chain(checks).for_each(|words| with_kubectl(words));
        }
        Plan { title: self.title(), steps, notes }
    }

    fn title(&self) -> String {
        let Case { cluster, namespace, to, mode, .. } = self;
        let what = format!("RedisEnterpriseCluster {namespace}/{}", cluster.name);
        match (&self.from, self.was) {
            (None, _) => format!("install {what} with operator {to}, in {mode} mode"),
            (Some(from), Some(was)) if from == to => format!("change {what} from {was} to {mode} mode"),
            (Some(from), Some(was)) if was != *mode => {
                format!("upgrade {what} from {from} to {to}, from {was} to {mode} mode")
            }
            (Some(from), _) => format!("upgrade {what} from {from} to {to}, in {mode} mode"),
        }
    }

    /// Whether the upgrade brings the modes.
    fn crosses(&self) -> bool {
        let Ok(since) = UNPRIVILEGED_SINCE.parse::<Version>() else { return false };
        self.from.as_ref().is_some_and(|from| !from.at_least(&since)) && self.to.at_least(&since)
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.mode == Mode::Unprivileged {
            let mut note =
                "unprivileged mode needs worker nodes on which a process in a pod may open at least 100,000 \
                            files: `ringfence node check --for redis-enterprise` on each tells"
                    .to_owned();
            if self.from.is_some() {
                note += "; where a cluster runs already they are likely configured so";
            }
            notes.push(note);
            notes.push(
                "nodes set up by Kubespray with its defaults fall short of that: run in privileged mode there \
                 (spec.securityContext.resourceLimits.allowAutoAdjustment: true)"
                    .to_owned(),
            );
        } else {
            notes.push(
                "privileged mode needs SYS_RESOURCE in the nodes' bounding set: `ringfence node check --for \
                 redis-enterprise` on each tells"
                    .to_owned(),
            );
        }
        if self.crosses() && self.mode == Mode::Unprivileged && self.cluster.allow_auto_adjustment.is_none() {
            notes.push(format!(
                "allowAutoAdjustment is not set, which from {UNPRIVILEGED_SINCE} on means unprivileged mode"
            ));
        }
        if REDIS.is_newer(&self.to) {
            notes.push(format!("{} is newer than what these steps were written for; read its release notes", self.to));
        }
        notes
    }

    fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.cluster.service_account)
    }

    fn install(&self) -> Step {
        let mut after = vec![self.rolled_out()];
        // Whatever the resource says in the end: a new cluster starts out unprivileged.
        if UNPRIVILEGED_SINCE.parse().is_ok_and(|since| self.to.at_least(&since)) {
            after.push(self.pods_under(NONROOT));
        }
        let why = match self.mode {
            Mode::Unprivileged => {
                format!("it runs in unprivileged mode by itself, on OpenShift under the built-in {NONROOT}")
            }
            Mode::Privileged => {
                "leave allowAutoAdjustment out until the later steps, which enable privileged mode".to_owned()
            }
        };
        Step {
            title: format!("Install the operator {} and create {}", self.to, self.cluster.name),
            why,
            after,
            ..Step::default()
        }
    }

    /// The upgrade itself, of which only the end is checked here. Nothing where only the mode changes.
    fn upgrade(&self) -> Option<Step> {
        let from = self.from.as_ref().filter(|from| **from != self.to)?;
        let changes = self.was.is_some_and(|was| was != self.mode);
        let why = if changes {
            format!("the node pods are made anew, one after the other, with the context of {} mode", self.mode)
        } else {
            "the node pods keep their security context".to_owned()
        };
        let image = Check {
            statement: format!("the operator is {}", self.to),
            fact: None,
            words: words(["sh", "-c", OPERATOR_VERSION, "sh", &self.namespace]),
            expected: Some(self.to.to_string()),
            fails: false,
        };
        Some(Step {
            title: format!("Upgrade from {from} to {} and wait until it is complete", self.to),
            why,
            after: vec![image, self.rolled_out()],
            ..Step::default()
        })
    }

    fn grant(&self) -> Step {
        Step {
            title: format!("Let service account {} use {SCC}", self.cluster.service_account),
            why: "the pods of the cluster run as it".to_owned(),
            before: vec![scc_exists(true)],
            commands: vec![command(["oc", "adm", "policy", "add-scc-to-user", SCC, &self.user()])],
            after: vec![self.may_use(SCC, true)],
            ..Step::default()
        }
    }

    fn delete_scc(&self) -> Step {
        Step {
            title: format!("Remove the security context constraint {SCC}"),
            why: format!("unprivileged mode runs under the built-in {NONROOT}, and nobody should hold more than that"),
            warning: Some(format!(
                "It is one object for all namespaces: keep it while another cluster runs in privileged mode (`ringfence \
                 scc who {SCC}` says who may use it)."
            )),
            before: vec![scc_exists(true), self.may_use(NONROOT, true)],
            commands: vec![command(["oc", "delete", &format!("scc/{SCC}")])],
            after: vec![scc_exists(false)],
            ..Step::default()
        }
    }

    fn revoke(&self) -> Step {
        let (account, namespace) = (&*self.cluster.service_account, &*self.namespace);
        Step {
            title: format!("Unbind {SCC} from service account {account}"),
            why: "a binding that stays would give it back as soon as the constraint is made again".to_owned(),
            commands: vec![command([
                "oc",
                "adm",
                "policy",
                "remove-scc-from-user",
                SCC,
                "-z",
                account,
                "-n",
                namespace,
            ])],
            after: vec![self.may_use(SCC, false)],
            ..Step::default()
        }
    }

    fn set_mode(&self) -> Step {
        let privileged = self.mode == Mode::Privileged;
        let patch =
            format!(r#"{{"spec":{{"securityContext":{{"resourceLimits":{{"allowAutoAdjustment":{privileged}}}}}}}}}"#);
        let (name, namespace) = (&*self.cluster.name, &*self.namespace);
        let field = "spec.securityContext.resourceLimits.allowAutoAdjustment";
        let template = format!("jsonpath={{.{field}}}");
        Step {
            title: format!("Set allowAutoAdjustment to {privileged}"),
            why: "changing it on a running cluster triggers a rolling update of the node pods".to_owned(),
            before: if privileged { vec![self.may_use(SCC, true)] } else { vec![] },
            edits: vec![Edit { field: field.to_owned(), value: privileged.into() }],
            commands: vec![command([
                "oc",
                "patch",
                "redisenterprisecluster",
                name,
                "-n",
                namespace,
                "--type",
                "merge",
                "-p",
                &patch,
            ])],
            after: vec![
                Check {
                    statement: format!("{field} is {privileged}"),
                    fact: None,
                    words: words(["oc", "get", "redisenterprisecluster", name, "-n", namespace, "-o", &template]),
                    expected: Some(privileged.to_string()),
                    fails: false,
                },
                self.rolled_out(),
            ],
            ..Step::default()
        }
    }

    fn rolled_out(&self) -> Check {
        let set = format!("statefulset/{}", self.cluster.stateful_set());
        Check {
            statement: format!("every pod of {} is up to date and ready", self.cluster.stateful_set()),
            fact: None,
            words: words(["oc", "rollout", "status", &set, "-n", &self.namespace, "--timeout=30m"]),
            expected: None,
            fails: false,
        }
    }

    fn pods_under(&self, scc: &str) -> Check {
        let pods: Vec<String> = self.cluster.pods().collect();
        let expected = pods.iter().map(|_| scc).collect::<Vec<_>>().join(" ");
        let mut get = words(["oc", "get", "pods", "-n", &self.namespace]);
        get.extend(pods.iter().cloned());
        // One object is printed as itself and several as a list.
        let annotation = r"metadata.annotations.openshift\.io/scc}";
        get.extend([
            "-o".to_owned(),
            if pods.len() == 1 {
                format!("jsonpath={{.{annotation}")
            } else {
                format!("jsonpath={{.items[*].{annotation}")
            },
        ]);
        Check {
            statement: format!("the node pods were admitted by {scc}"),
            fact: Some(Fact::PodsUnder { namespace: self.namespace.clone(), pods, scc: scc.to_owned() }),
            words: get,
            expected: Some(expected),
            fails: false,
        }
    }

    fn may_use(&self, scc: &str, may: bool) -> Check {
        let account = self.cluster.service_account.clone();
        let not = if may { "may" } else { "may not" };
        let resource = format!("securitycontextconstraints.security.openshift.io/{scc}");
        Check {
            statement: format!("service account {account} {not} use {scc}"),
            fact: Some(Fact::MayUse { scc: scc.to_owned(), namespace: self.namespace.clone(), account, may }),
            words: words([
                "oc",
                "auth",
                "can-i",
                "use",
                &resource,
                &format!("--as={}", self.user()),
                "-n",
                &self.namespace,
            ]),
            // It exits with 1 for no, which is an answer.
            expected: Some(if may { "yes" } else { "no" }.to_owned()),
            fails: false,
        }
    }
}

fn apply_scc() -> Step {
    Step {
        title: format!("Apply the security context constraint {SCC}"),
        why: "it allows the node container SYS_RESOURCE, as user and file group 1001".to_owned(),
        warning: Some("Do not edit this file.".to_owned()),
        commands: vec![Command {
            words: words(["oc", "apply", "-f", "openshift/scc.yaml"]),
            input: Some(Input { name: "openshift/scc.yaml", object: redis_enterprise_scc() }),
            prints: Some(format!("securitycontextconstraints.security.openshift.io \"{SCC}\" configured")),
        }],
        after: vec![
            scc_exists(true),
            Check {
                statement: format!("{SCC} is as it is published"),
                fact: Some(Fact::SccAsPublished),
                words: words(["oc", "get", "scc", SCC, "-o", "jsonpath={.allowedCapabilities[*]} {.runAsUser.uid}"]),
                expected: Some("SYS_RESOURCE 1001".to_owned()),
                fails: false,
            },
        ],
        ..Step::default()
    }
}

/// Prints the version in the tag of the operator's image, given the namespace: the image may be in any registry.
const OPERATOR_VERSION: &str = "oc get deployment/redis-enterprise-operator -n \"$1\" -o \
                                jsonpath='{.spec.template.spec.containers[?(@.name==\"redis-enterprise-operator\")].image}' \
                                | sed 's/@.*//; s/.*://'";

/// The same command where there is no `oc`.
fn with_kubectl(words: &mut [String]) {
    if let Some(program) = words.first_mut().filter(|word| *word == "oc") {
        "kubectl".clone_into(program);
    }
    for word in words.iter_mut().filter(|word| *word == OPERATOR_VERSION) {
        *word = word.replacen("oc get", "kubectl get", 1);
    }
}

fn scc_exists(exists: bool) -> Check {
    let does = if exists { "exists" } else { "does not exist" };
    Check {
        statement: format!("the security context constraint {SCC} {does}"),
        fact: Some(Fact::Scc { name: SCC.to_owned(), exists }),
        words: words(["oc", "get", "scc", SCC]),
        expected: None,
        fails: !exists,
    }
}
