//! `rules`: whether one rule of a role lets its holder use a security context constraint.

use k8s_openapi::api::rbac::v1::PolicyRule;

const VERB: &str = "use";
const GROUP: &str = "security.openshift.io";
const RESOURCE: &str = "securitycontextconstraints";

/// A rule that lets its holder use some or all security context constraints.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Rule {
    /// The index in the role's `rules`.
    pub index: usize,
    /// The names of the constraints; `None` where the rule names none, which means all.
    #[serde(rename = "resourceNames", skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
}

impl Rule {
    /// Reads a role's rule; `None` if it has nothing to do with using constraints.
    pub(crate) fn read(index: usize, rule: &PolicyRule) -> Option<Self> {
        let has =
            |list: Option<&Vec<String>>, word: &str| list.is_some_and(|l| l.iter().any(|w| w == "*" || w == word));
        let relevant = has(Some(&rule.verbs), VERB)
            && has(rule.api_groups.as_ref(), GROUP)
            && has(rule.resources.as_ref(), RESOURCE);
        // An empty list of names means every name; "*" in it is a name like any other.
        relevant.then(|| Self { index, names: rule.resource_names.clone().filter(|names| !names.is_empty()) })
    }

    /// Whether the rule covers the constraint of that name.
    pub fn covers(&self, constraint: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.iter().any(|name| name == constraint))
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> Option<Rule> {
        Rule::read(0, &serde_json::from_value(value).unwrap())
    }

    #[test]
    fn covers_only_the_constraints_it_names() {
        let rule = read(json!({"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"],
            "verbs": ["use"], "resourceNames": ["anyuid"]}))
        .unwrap();
        assert!(rule.covers("anyuid") && !rule.covers("privileged"));
    }

    #[test]
    fn covers_every_constraint_if_it_names_none() {
        for names in [json!([]), json!(null)] {
            let rule =
                read(json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "resourceNames": names})).unwrap();
            assert!(rule.covers("anyuid") && rule.covers("whatever"));
        }
    }

    #[test]
    fn takes_an_asterisk_among_the_names_for_a_name() {
        let rule =
            read(json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["*"]})).unwrap();
        assert!(!rule.covers("anyuid") && rule.covers("*"));
    }

    #[test]
    fn ignores_other_verbs_groups_and_resources() {
        let full = json!({"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"], "verbs": ["use"]});
        for (field, other) in [
            ("verbs", "get"),
            ("verbs", "Use"),
            ("apiGroups", ""),
            ("resources", "pods"),
            ("resources", "securitycontextconstraints/status"),
            ("resources", "*/status"),
        ] {
            let mut rule = full.clone();
            rule[field] = json!([other]);
            assert_eq!(read(rule), None, "{field}={other}");
        }
    }

    #[test]
    fn ignores_rules_for_urls() {
        assert_eq!(read(json!({"nonResourceURLs": ["*"], "verbs": ["*"]})), None);
    }
}
