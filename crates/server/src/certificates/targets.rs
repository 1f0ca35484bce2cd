//! The webhook configurations that are to know the authorities, and those of their webhooks that lead here.

use super::secret::base64;
use ringfence_live::{Place, Resource};
use serde_json::{Value, json};

const GROUP: &str = "admissionregistration.k8s.io/v1";
const KINDS: [Resource<'static>; 2] = [
    Resource { api_version: GROUP, plural: "validatingwebhookconfigurations", kind: "ValidatingWebhookConfiguration" },
    Resource { api_version: GROUP, plural: "mutatingwebhookconfigurations", kind: "MutatingWebhookConfiguration" },
];

/// Where configurations of these names are, of either kind.
pub(super) fn places(names: &[String]) -> Vec<Place<'_>> {
    names.iter().flat_map(|name| KINDS.map(|resource| Place { resource, namespace: None, name })).collect()
}

/// The kind of that plural, if it is one of these.
pub(super) fn known(plural: &str) -> Option<Resource<'static>> {
    KINDS.into_iter().find(|kind| kind.plural == plural)
}

/// Who this server is to an API server.
#[derive(Debug, Clone)]
pub(super) struct Here {
    /// Namespace and name of the Service.
    pub(super) service: Option<(String, String)>,
    /// The hosts of URLs.
    pub(super) names: Vec<String>,
}

impl Here {
    /// Whether a webhook leads here. No other one is ever touched.
    fn is_target(&self, hook: &Value) -> bool {
        let client = &hook["clientConfig"];
        if let Some(url) = client["url"].as_str() {
            return host(url).is_some_and(|host| self.names.iter().any(|name| name.eq_ignore_ascii_case(host)));
        }
        let service = &client["service"];
        self.service
            .as_ref()
            .is_some_and(|(namespace, name)| service["namespace"] == **namespace && service["name"] == **name)
    }

    /// What to apply so that every webhook which leads here knows this bundle; `None` if they do.
    pub(super) fn change(&self, configuration: &Value, bundle: &str) -> Option<Value> {
        let bundle = base64(bundle);
        let hooks: Vec<&Value> =
            configuration["webhooks"].as_array().into_iter().flatten().filter(|hook| self.is_target(hook)).collect();
        if hooks.iter().all(|hook| hook["clientConfig"]["caBundle"] == *bundle) {
            return None;
        }
        // All of them: what was applied before and is left out would be taken away.
        let hooks: Vec<Value> =
            hooks.iter().map(|hook| json!({"name": hook["name"], "clientConfig": {"caBundle": bundle}})).collect();
        let metadata = &configuration["metadata"];
        Some(json!({"apiVersion": GROUP, "kind": configuration["kind"],
            // Only if nobody has changed it since: else the bundle might be older than the one that is there.
            "metadata": {"name": metadata["name"], "resourceVersion": metadata["resourceVersion"]}, "webhooks": hooks}))
    }
}

/// The host of a URL, without brackets.
fn host(url: &str) -> Option<&str> {
    let authority = url.strip_prefix("https://")?.split('/').next()?;
    match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, _)| host),
        None => Some(authority.rsplit_once(':').map_or(authority, |(host, _)| host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_webhooks_that_lead_here_are_touched() {
        let here = Here { service: Some(("a".into(), "b".into())), names: vec!["127.0.0.1".into(), "::1".into()] };
        let hook = |name: &str, client: Value| json!({"name": name, "clientConfig": client, "sideEffects": "None"});
        let configuration = json!({"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "c", "resourceVersion": "7"}, "webhooks": [
            hook("one", json!({"service": {"namespace": "a", "name": "b"}})),
            hook("other", json!({"service": {"namespace": "x", "name": "b"}, "caBundle": "eA=="})),
            hook("url", json!({"url": "https://127.0.0.1:8443/validate", "caBundle": "eA=="})),
            hook("six", json!({"url": "https://[::1]:8443/validate"})),
            hook("elsewhere", json!({"url": "https://example.com/127.0.0.1"})),
        ]});
        let change = here.change(&configuration, "b").unwrap();
        let applied = |name: &str| json!({"name": name, "clientConfig": {"caBundle": "Yg=="}});
        assert_eq!(change["webhooks"], json!([applied("one"), applied("url"), applied("six")]));
        assert_eq!(change["metadata"]["resourceVersion"], "7");
        let mut told = configuration.clone();
        for i in [0, 2, 3] {
            told["webhooks"][i]["clientConfig"]["caBundle"] = "Yg==".into();
        }
        assert_eq!(here.change(&told, "b"), None);
        assert_eq!(here.change(&json!({"webhooks": null}), "b"), None);
    }
}
