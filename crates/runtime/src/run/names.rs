//! Names that end up in the pod's hosts file: held against what a cluster takes, so that none is more than a name there.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;
use ringfence_context::effective::RefusalReason;

use super::{RunError, RunRefusal};

/// The cluster's domain, where nobody has chosen another (`clusterDomain` as kubeadm sets it).
const CLUSTER_DOMAIN: &str = "cluster.local";

/// The domain that stands behind the pod's name in its hosts file, for a pod with a `subdomain`
/// (`GeneratePodHostNameAndDomain`; `hostnameOverride` takes the domain away).
///
/// Refuses what is no DNS label as the kubelet does, and names that no API server takes.
pub(super) fn domain(pod: &Pod) -> Result<Option<String>, RunError> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if !name.is_empty() && !is_subdomain(name) {
        return Err(refused(format!("metadata.name {name:?} is not a valid DNS subdomain")));
    }
    let Some(spec) = &pod.spec else { return Ok(None) };
    if let Some(name) = spec.hostname_override.as_deref() {
        if !is_subdomain(name) {
            return Err(refused(format!("pod HostnameOverride {name:?} is not a valid DNS subdomain")));
        }
        return Ok(None);
    }
    if let Some(hostname) = spec.hostname.as_deref().filter(|name| !name.is_empty() && !is_label(name)) {
        return Err(refused(format!("pod Hostname {hostname:?} is not a valid DNS label")));
    }
    let Some(subdomain) = spec.subdomain.as_deref().filter(|subdomain| !subdomain.is_empty()) else { return Ok(None) };
    if !is_label(subdomain) {
        return Err(refused(format!("pod Subdomain {subdomain:?} is not a valid DNS label")));
    }
    let namespace = pod.metadata.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default");
    if !is_label(namespace) {
        return Err(refused(format!("metadata.namespace {namespace:?} is not a valid DNS label")));
    }
    Ok(Some(format!("{subdomain}.{namespace}.svc.{CLUSTER_DOMAIN}")))
}

/// Refuses `hostAliases` that an API server refuses (`ValidateHostAliases`).
pub(super) fn check_aliases(pod: &Pod) -> Result<(), RunError> {
    let aliases = pod.spec.iter().flat_map(|spec| spec.host_aliases.iter().flatten());
    for (i, alias) in aliases.enumerate() {
        if alias.ip.parse::<IpAddr>().is_err() {
            return Err(refused(format!("spec.hostAliases[{i}].ip {:?} is not a valid IP address", alias.ip)));
        }
        for (j, name) in alias.hostnames.iter().flatten().enumerate() {
            if !is_subdomain(name) {
                let field = format!("spec.hostAliases[{i}].hostnames[{j}]");
                return Err(refused(format!("{field} {name:?} is not a valid DNS subdomain")));
            }
        }
    }
    Ok(())
}

fn refused(message: String) -> RunError {
    RunError::Refused(RunRefusal { reason: RefusalReason::FailedCreatePodSandBox, message })
}

/// `IsDNS1123Label`: 1 to 63 of `a-z`, `0-9` and `-`, the last neither first nor last.
fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_part(text)
}

/// `IsDNS1123Subdomain`: parts like labels, of any length, with dots between; 253 bytes at most.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_part)
}

fn is_part(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain_of(spec: &serde_json::Value, namespace: Option<&str>) -> Result<Option<String>, String> {
        let pod = serde_json::json!({"metadata": {"name": "p", "namespace": namespace}, "spec": spec});
        domain(&serde_json::from_value(pod).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_subdomain_puts_the_pod_into_the_clusters_domain() {
        let spec = serde_json::json!({"containers": [], "subdomain": "web"});
        assert_eq!(domain_of(&spec, Some("shop")), Ok(Some("web.shop.svc.cluster.local".to_owned())));
        assert_eq!(domain_of(&spec, None), Ok(Some("web.default.svc.cluster.local".to_owned())));
    }

    #[test]
    fn there_is_no_domain_without_a_subdomain_or_with_a_name_that_overrides_it() {
        assert_eq!(domain_of(&serde_json::json!({"containers": [], "subdomain": ""}), None), Ok(None));
        assert_eq!(domain_of(&serde_json::json!({"containers": []}), None), Ok(None));
        let both = serde_json::json!({"containers": [], "subdomain": "web", "hostnameOverride": "a.b"});
        assert_eq!(domain_of(&both, None), Ok(None));
    }

    #[test]
    fn a_subdomain_that_is_no_label_refuses_the_pod() {
        let long = "a".repeat(64);
        for subdomain in ["a.b", "A", "-a", "a-", "a\n1.2.3.4 registry", "ä", &long] {
            let error = domain_of(&serde_json::json!({"containers": [], "subdomain": subdomain}), None).unwrap_err();
            let wanted = format!("FailedCreatePodSandBox: pod Subdomain {subdomain:?} is not a valid DNS label");
            assert_eq!(error, wanted);
        }
        assert!(is_label(&"a".repeat(63)));
    }

    #[test]
    fn a_hostname_that_is_no_label_refuses_the_pod() {
        for hostname in ["a.b", "A", "a\n1.2.3.4 registry"] {
            let error = domain_of(&serde_json::json!({"containers": [], "hostname": hostname}), None).unwrap_err();
            assert_eq!(error, format!("FailedCreatePodSandBox: pod Hostname {hostname:?} is not a valid DNS label"));
            let both = serde_json::json!({"containers": [], "hostname": hostname, "hostnameOverride": "a.b"});
            assert_eq!(domain_of(&both, None), Ok(None), "it is not looked at");
        }
        let overridden = serde_json::json!({"containers": [], "hostnameOverride": "a b"});
        assert!(domain_of(&overridden, None).unwrap_err().contains("HostnameOverride \"a b\""));
        let subdomain = serde_json::json!({"containers": [], "subdomain": "web"});
        assert!(domain_of(&subdomain, Some("a\nb")).unwrap_err().contains("metadata.namespace \"a\\nb\""));
    }

    #[test]
    fn a_pods_own_name_may_have_dots_and_no_lines() {
        let named = |name: &str| {
            let pod = serde_json::json!({"metadata": {"name": name}, "spec": {"containers": []}});
            domain(&serde_json::from_value(pod).unwrap()).map_err(|error| error.to_string())
        };
        assert_eq!(named("web-0.a"), Ok(None));
        assert!(named("web\n1.2.3.4 registry").unwrap_err().contains("metadata.name"));
    }

    #[test]
    fn aliases_are_addresses_and_names() {
        let check = |ip: &str, names: &[&str]| {
            let aliases = serde_json::json!([{"ip": "::1", "hostnames": ["ok"]}, {"ip": ip, "hostnames": names}]);
            let pod = serde_json::json!({"spec": {"containers": [], "hostAliases": aliases}});
            check_aliases(&serde_json::from_value(pod).unwrap()).map_err(|error| error.to_string())
        };
        assert_eq!(check("10.0.0.1", &["a", "b.c"]), Ok(()));
        assert_eq!(check("fe80::1", &[]), Ok(()));
        assert!(check("10.0.0.1\n1.2.3.4 x", &["a"]).unwrap_err().contains("spec.hostAliases[1].ip"));
        assert!(check("10.0.0.1", &["a", "b\n1.2.3.4 x"]).unwrap_err().contains("spec.hostAliases[1].hostnames[1]"));
        assert!(check("10.0.0.1", &["A"]).is_err() && check("x", &["a"]).is_err());
    }
}
