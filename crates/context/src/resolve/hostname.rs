//! `hostname`, `hostnameOverride`, `subdomain` and `setHostnameAsFQDN`: the name in the pod's UTS namespace (kubelet
//! `kubelet_pods.go`, GeneratePodHostNameAndDomain; `util.GetNodenameForKernel`).

use super::view::PodView;
use crate::origin::{Origin, Value};

/// The longest hostname; a longer one is cut.
const MAX: usize = 63;

/// The hostname that the pod's processes see.
pub(crate) fn resolve(pod: &PodView<'_>) -> Value<String> {
    let spec = pod.spec;
    if spec.host_network == Some(true) {
        return Value::unknown("hostNetwork shows the node's own hostname");
    }
    if let Some(name) = spec.hostname_override.as_deref() {
        return Value::known(cut(name), Origin::pod("spec.hostnameOverride"));
    }
    if spec.set_hostname_as_fqdn == Some(true) && spec.subdomain.as_deref().is_some_and(|domain| !domain.is_empty()) {
        return Value::unknown("setHostnameAsFQDN puts the cluster's domain behind the hostname, which is not known");
    }
    match (spec.hostname.as_deref(), pod.metadata.name.as_deref()) {
        (Some(name), _) if !name.is_empty() => Value::known(cut(name), Origin::pod("spec.hostname")),
        (_, Some(name)) if !name.is_empty() => Value::known(cut(name), Origin::pod("metadata.name")),
        _ => Value::unknown("the pod's name is made when it is created"),
    }
}

/// Cut to what fits, without `-` and `.` at the end.
fn cut(name: &str) -> String {
    match name.char_indices().find(|(at, c)| at + c.len_utf8() > MAX) {
        Some((end, _)) => name.get(..end).unwrap_or(name).trim_end_matches(['-', '.']).to_owned(),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::resolve::testing::resolve_spec;

    fn hostname(spec: &str) -> Option<String> {
        resolve_spec(spec, &Facts::default()).hostname.get().cloned()
    }

    #[test]
    fn the_pods_name_is_its_hostname_unless_it_says_otherwise() {
        assert_eq!(hostname(r#"{"containers": []}"#).as_deref(), Some("pod"));
        assert_eq!(hostname(r#"{"containers": [], "hostname": "web"}"#).as_deref(), Some("web"));
        assert_eq!(
            hostname(r#"{"containers": [], "hostname": "web", "hostnameOverride": "a.b"}"#).as_deref(),
            Some("a.b")
        );
        assert_eq!(hostname(r#"{"containers": [], "hostNetwork": true}"#), None);
    }

    #[test]
    fn a_long_name_is_cut_and_does_not_end_in_a_dash() {
        assert_eq!(cut(&"a".repeat(70)).len(), 63);
        assert_eq!(cut(&format!("{}--{}", "a".repeat(61), "b".repeat(9))), "a".repeat(61));
    }
}
