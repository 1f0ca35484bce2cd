//! `ServiceAccount`: every pod has a service account, that account exists, and its token and pull secrets come along.
//!
//! Upstream: `plugin/pkg/admission/serviceaccount/admission.go`.

use super::{result::Assumption, token_volume};
use crate::{
    cluster::{Cluster, Kind},
    quote::Quoted,
};
use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, Pod, PodSpec, ServiceAccount};
use std::{collections::BTreeSet, sync::Arc};

const DEFAULT: &str = "default";
const MIRROR: &str = "kubernetes.io/config.mirror";
const ENFORCE_MOUNTABLE_SECRETS: &str = "kubernetes.io/enforce-mountable-secrets";

/// Gives the pod what it lacks, or says why it is forbidden.
pub(super) fn admit(
    cluster: &(impl Cluster + ?Sized),
    namespace: &str,
    pod: &mut Pod,
    assumptions: &mut Vec<Assumption>,
) -> Result<(), String> {
    let is_mirror = pod.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(MIRROR));
    let name = pod.metadata.name.as_ref().or(pod.metadata.generate_name.as_ref());
    let identity = format!("{namespace}/{}", name.map_or("", String::as_str));
    let spec = pod.spec.get_or_insert_default();
    settle_name(spec);
    if is_mirror {
        return admit_mirror(spec);
    }
    let name = spec.service_account_name.get_or_insert_with(|| DEFAULT.to_owned()).clone();
    spec.service_account = Some(name.clone());
    let found = cluster.service_account(namespace, &name);
    let account = match found {
        Some(account) => account,
        None if !cluster.has_seen(Kind::ServiceAccount) => {
            assumptions.push(Assumption::ServiceAccountExists);
            Arc::default()
        }
        None if name == DEFAULT => {
            assumptions.push(Assumption::DefaultServiceAccountExists);
            Arc::default()
        }
        None => return Err(not_found(namespace, &name)),
    };
    // The pod's own word counts before the account's.
    if spec.automount_service_account_token.or(account.automount_service_account_token).unwrap_or(true) {
        token_volume::mount(spec, cluster.platform(), &identity);
    }
    if spec.image_pull_secrets.as_ref().is_none_or(Vec::is_empty) {
        spec.image_pull_secrets = account.image_pull_secrets.clone().filter(|secrets| !secrets.is_empty());
    }
    if enforces_secrets(&account) { limit_secrets(spec, &account, &name) } else { Ok(()) }
}

/// Ephemeral containers that come later are bound by the account as the others were.
pub(super) fn admit_ephemeral(cluster: &(impl Cluster + ?Sized), namespace: &str, pod: &Pod) -> Result<(), String> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    let name = spec.service_account_name.as_deref().unwrap_or_default();
    if name.is_empty() {
        let pod = pod.metadata.name.as_deref().unwrap_or_default();
        return Err(format!("no service account specified for pod {namespace}/{pod}"));
    }
    let Some(account) = cluster.service_account(namespace, name) else {
        if name == DEFAULT || !cluster.has_seen(Kind::ServiceAccount) {
            return Ok(());
        }
        return Err(not_found(namespace, name));
    };
    if !enforces_secrets(&account) {
        return Ok(());
    }
    let own = own_secrets(&account);
    let containers = spec.ephemeral_containers.iter().flatten();
    containers
        .map(|c| (format!("ephemeral container {}", c.name), c.env.as_ref(), c.env_from.as_ref()))
        .try_for_each(|list| limit_variables(list, &own, name))
}

fn not_found(namespace: &str, name: &str) -> String {
    format!("error looking up service account {namespace}/{name}: serviceaccount {} not found", Quoted(name))
}

fn own_secrets(account: &ServiceAccount) -> BTreeSet<&str> {
    account.secrets.iter().flatten().filter_map(|secret| secret.name.as_deref()).collect()
}

fn but(account: &str, what: &str) -> String {
    format!("is not allowed because service account {account} does not reference that {what}")
}

/// The field has an old and a new name. The new one counts, and both say the same in the end.
fn settle_name(spec: &mut PodSpec) {
    let named = |name: &mut Option<String>| name.take().filter(|name| !name.is_empty());
    let (new, old) = (named(&mut spec.service_account_name), named(&mut spec.service_account));
    spec.service_account_name = new.or(old);
    spec.service_account.clone_from(&spec.service_account_name);
}

/// A mirror pod stands for one that a kubelet runs of its own accord; it must not reach for anything of the cluster's.
fn admit_mirror(spec: &PodSpec) -> Result<(), String> {
    if spec.service_account_name.is_some() {
        return Err("a mirror pod may not reference service accounts".to_owned());
    }
    let volumes = || spec.volumes.iter().flatten();
    let projections = || volumes().filter_map(|v| v.projected.as_ref()).filter_map(|p| p.sources.as_ref()).flatten();
    let by_containers =
        lists(spec).any(|(_, env, from)| env_secrets(env).next().is_some() || from_secrets(from).next().is_some());
    let by_volumes = volumes().any(names_a_secret) || projections().any(|source| source.secret.is_some());
    if by_containers || by_volumes || spec.image_pull_secrets.as_ref().is_some_and(|secrets| !secrets.is_empty()) {
        return Err("a mirror pod may not reference secrets".to_owned());
    }
    if projections().any(|source| source.service_account_token.is_some()) {
        return Err("a mirror pod may not use ServiceAccountToken volume projections".to_owned());
    }
    Ok(())
}

fn names_a_secret(volume: &k8s_openapi::api::core::v1::Volume) -> bool {
    volume.secret.is_some()
        || volume.azure_file.is_some()
        || volume.cephfs.as_ref().is_some_and(|source| source.secret_ref.is_some())
        || volume.cinder.as_ref().is_some_and(|source| source.secret_ref.is_some())
        || volume.flex_volume.as_ref().is_some_and(|source| source.secret_ref.is_some())
        || volume.rbd.as_ref().is_some_and(|source| source.secret_ref.is_some())
        || volume.scale_io.is_some()
        || volume.iscsi.as_ref().is_some_and(|source| source.secret_ref.is_some())
        || volume.storageos.as_ref().is_some_and(|source| source.secret_ref.is_some())
        || volume.csi.as_ref().is_some_and(|source| source.node_publish_secret_ref.is_some())
}

fn enforces_secrets(account: &ServiceAccount) -> bool {
    let value = account.metadata.annotations.as_ref().and_then(|all| all.get(ENFORCE_MOUNTABLE_SECRETS));
    // What Go's strconv.ParseBool takes for true.
    matches!(value.map(String::as_str), Some("1" | "t" | "T" | "TRUE" | "true" | "True"))
}

/// The account names the secrets that its pods may refer to.
fn limit_secrets(spec: &PodSpec, account: &ServiceAccount, name: &str) -> Result<(), String> {
    let own = own_secrets(account);
    for source in spec.volumes.iter().flatten().filter_map(|volume| volume.secret.as_ref()) {
        let secret = source.secret_name.as_deref().unwrap_or_default();
        if !own.contains(secret) {
            return Err(format!("volume with secret.secretName=\"{secret}\" {}", but(name, "secret")));
        }
    }
    lists(spec).try_for_each(|list| limit_variables(list, &own, name))?;
    let pull: BTreeSet<&str> = account.image_pull_secrets.iter().flatten().map(|secret| secret.name.as_str()).collect();
    for (i, secret) in spec.image_pull_secrets.iter().flatten().enumerate() {
        if !pull.contains(secret.name.as_str()) {
            return Err(format!("imagePullSecrets[{i}].name=\"{}\" {}", secret.name, but(name, "imagePullSecret")));
        }
    }
    Ok(())
}

fn limit_variables((container, env, from): Lists<'_>, own: &BTreeSet<&str>, account: &str) -> Result<(), String> {
    if let Some((variable, secret)) = env_secrets(env).find(|(_, secret)| !own.contains(secret)) {
        let but = but(account, "secret");
        return Err(format!("{container} with envVar {variable} referencing secret.secretName=\"{secret}\" {but}"));
    }
    match from_secrets(from).find(|secret| !own.contains(secret)) {
        Some(secret) => {
            let but = but(account, "secret");
            Err(format!("{container} with envFrom referencing secret.secretName=\"{secret}\" {but}"))
        }
        None => Ok(()),
    }
}

type Lists<'s> = (String, Option<&'s Vec<EnvVar>>, Option<&'s Vec<EnvFromSource>>);

/// The variables of every container, with what the messages call it.
fn lists(spec: &PodSpec) -> impl Iterator<Item = Lists<'_>> {
    fn of<'s>(what: &str, container: &'s Container) -> Lists<'s> {
        (format!("{what} {}", container.name), container.env.as_ref(), container.env_from.as_ref())
    }
    let init = spec.init_containers.iter().flatten().map(|container| of("init container", container));
    init.chain(spec.containers.iter().map(|container| of("container", container)))
}

fn env_secrets(env: Option<&Vec<EnvVar>>) -> impl Iterator<Item = (&str, &str)> {
    env.into_iter().flatten().filter_map(|variable| {
        let key = variable.value_from.as_ref()?.secret_key_ref.as_ref()?;
        Some((variable.name.as_str(), key.name.as_str()))
    })
}

fn from_secrets(from: Option<&Vec<EnvFromSource>>) -> impl Iterator<Item = &str> {
    from.into_iter().flatten().filter_map(|source| source.secret_ref.as_ref().map(|secret| secret.name.as_str()))
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]
mod tests {
    use super::*;
    use crate::cluster::Snapshot;
    use serde_json::{Value, json};

    fn account(fields: Value) -> Snapshot {
        let mut account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web", "namespace": "app"}});
        account.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        Snapshot::of("test", [account])
    }

    fn admitted(cluster: &Snapshot, pod: Value) -> Result<Pod, String> {
        let mut pod = serde_json::from_value(pod).unwrap();
        admit(cluster, "app", &mut pod, &mut Vec::new()).map(|()| pod)
    }

    #[test]
    fn a_pod_that_names_none_gets_the_namespaces_default_one() {
        let spec = admitted(&account(json!({})), json!({"spec": {"containers": []}})).unwrap().spec.unwrap();
        assert_eq!(
            (spec.service_account_name.as_deref(), spec.service_account.as_deref()),
            (Some("default"), Some("default"))
        );
    }

    #[test]
    fn the_old_name_of_the_field_counts_too() {
        let spec = admitted(&account(json!({})), json!({"spec": {"serviceAccount": "web"}})).unwrap().spec.unwrap();
        assert_eq!(spec.service_account_name.as_deref(), Some("web"));
    }

    #[test]
    fn an_account_that_is_not_there_is_an_error_unless_none_are_known() {
        let pod = json!({"spec": {"serviceAccountName": "gone"}});
        assert_eq!(
            admitted(&account(json!({})), pod.clone()).unwrap_err(),
            r#"error looking up service account app/gone: serviceaccount "gone" not found"#
        );
        assert!(admitted(&Snapshot::default(), pod).is_ok());
    }

    #[test]
    fn the_pods_word_on_mounting_tokens_counts_before_the_accounts() {
        let volumes = |account_says: Value, pod_says: Value| {
            let cluster = account(json!({"automountServiceAccountToken": account_says}));
            let pod = json!({"spec": {"serviceAccountName": "web", "containers": [{"name": "a"}], "automountServiceAccountToken": pod_says}});
            admitted(&cluster, pod).unwrap().spec.unwrap().volumes.map_or(0, |volumes| volumes.len())
        };
        assert_eq!(volumes(json!(null), json!(null)), 1);
        assert_eq!(volumes(json!(false), json!(null)), 0);
        assert_eq!(volumes(json!(false), json!(true)), 1);
        assert_eq!(volumes(json!(true), json!(false)), 0);
    }

    #[test]
    fn pull_secrets_come_from_the_account_unless_the_pod_has_its_own() {
        let cluster = account(json!({"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}));
        let secrets = |own: Value| {
            let pod = json!({"spec": {"serviceAccountName": "web", "imagePullSecrets": own}});
            let secrets = admitted(&cluster, pod).unwrap().spec.unwrap().image_pull_secrets.unwrap();
            secrets.into_iter().map(|secret| secret.name).collect::<Vec<_>>()
        };
        assert_eq!(secrets(json!(null)), ["a", "b"]);
        assert_eq!(secrets(json!([])), ["a", "b"]);
        assert_eq!(secrets(json!([{"name": "own"}])), ["own"]);
    }

    #[test]
    fn an_account_may_limit_the_secrets_of_its_pods() {
        let cluster = account(
            json!({"metadata": {"name": "web", "namespace": "app", "annotations": {ENFORCE_MOUNTABLE_SECRETS: "true"}},
            "secrets": [{"name": "mine"}]}),
        );
        let refusal = |mut spec: Value| {
            spec["serviceAccountName"] = json!("web");
            admitted(&cluster, json!({"spec": spec})).err()
        };
        let uses = |secret: &str| json!([{"name": "c", "env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": secret, "key": "k"}}}]}]);
        assert_eq!(refusal(json!({"containers": uses("mine")})), None);
        for (spec, why) in [
            (
                json!({"containers": uses("x")}),
                r#"container c with envVar V referencing secret.secretName="x" is not allowed because service account web does not reference that secret"#,
            ),
            (
                json!({"initContainers": uses("x")}),
                r#"init container c with envVar V referencing secret.secretName="x" is not allowed because service account web does not reference that secret"#,
            ),
            (
                json!({"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "x"}}]}]}),
                r#"container c with envFrom referencing secret.secretName="x" is not allowed because service account web does not reference that secret"#,
            ),
            (
                json!({"volumes": [{"name": "v", "secret": {"secretName": "x"}}]}),
                r#"volume with secret.secretName="x" is not allowed because service account web does not reference that secret"#,
            ),
            (
                json!({"imagePullSecrets": [{"name": "x"}]}),
                r#"imagePullSecrets[0].name="x" is not allowed because service account web does not reference that imagePullSecret"#,
            ),
        ] {
            assert_eq!(refusal(spec).as_deref(), Some(why));
        }
    }

    #[test]
    fn a_mirror_pod_may_refer_to_nothing() {
        let refusal = |spec: Value| {
            admitted(&account(json!({})), json!({"metadata": {"annotations": {MIRROR: "x"}}, "spec": spec})).err()
        };
        assert_eq!(refusal(json!({"containers": [{"name": "a"}]})), None);
        assert_eq!(
            refusal(json!({"serviceAccountName": "web"})).as_deref(),
            Some("a mirror pod may not reference service accounts")
        );
        assert_eq!(
            refusal(json!({"volumes": [{"name": "v", "secret": {}}]})).as_deref(),
            Some("a mirror pod may not reference secrets")
        );
        let token =
            json!({"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]});
        assert_eq!(refusal(token).as_deref(), Some("a mirror pod may not use ServiceAccountToken volume projections"));
    }
}
