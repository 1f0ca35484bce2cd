//! `aggregationRule`: a cluster role that collects the rules of others by their labels.
//!
//! A controller writes the collected rules into the role, and the authoriser reads only those. A dump of a running
//! cluster has them; manifests that no controller has seen do not, and for these the rules are collected here.

use super::rule::Rule;
use k8s_openapi::{
    api::rbac::v1::ClusterRole,
    apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A rule, and the cluster role that it was collected from.
pub(super) type Collected = (Rule, Option<String>);

/// The rules of every cluster role, by its name, with those of unfilled aggregating roles collected.
pub(super) fn rules<'r>(roles: &[&'r ClusterRole]) -> HashMap<&'r str, Vec<Collected>> {
    // Roles go by their index here, in a list that does not change.
    let own: Vec<Vec<Rule>> = roles.iter().map(|role| read(role)).collect();
    let unfilled = |i: usize| {
        let role: &ClusterRole = roles[i];
        role.rules.as_ref().is_none_or(Vec::is_empty).then_some(role.aggregation_rule.as_ref()).flatten()
    };
    let mut all = HashMap::with_capacity(roles.len());
    for (i, role) in roles.iter().enumerate() {
        let mut collected: Vec<Collected> = own[i].iter().cloned().map(|rule| (rule, None)).collect();
        // Aggregating roles may aggregate one another, in a circle too.
        let (mut seen, mut todo) = (HashSet::from([i]), vec![i]);
        while let Some(at) = todo.pop() {
            let Some(selectors) = unfilled(at).and_then(|rule| rule.cluster_role_selectors.as_ref()) else { continue };
            for (j, other) in roles.iter().enumerate() {
                if !selectors.iter().any(|s| selects(s, other.metadata.labels.as_ref())) || !seen.insert(j) {
                    continue;
                }
                let from = other.metadata.name.clone();
                collected.extend(own[j].iter().cloned().map(|rule| (rule, from.clone())));
                todo.push(j);
            }
        }
        all.insert(role.metadata.name.as_deref().unwrap_or_default(), collected);
    }
    all
}

fn read(role: &ClusterRole) -> Vec<Rule> {
    super::index::relevant(role.rules.as_deref())
}

fn selects(selector: &LabelSelector, labels: Option<&BTreeMap<String, String>>) -> bool {
    let label = |key: &str| labels.and_then(|labels| labels.get(key));
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| label(key) == Some(value));
    equal && selector.match_expressions.iter().flatten().all(|requirement| meets(requirement, label(&requirement.key)))
}

fn meets(requirement: &LabelSelectorRequirement, value: Option<&String>) -> bool {
    let among = |value: &String| requirement.values.iter().flatten().any(|v| v == value);
    match requirement.operator.as_str() {
        "In" => value.is_some_and(among),
        "NotIn" => !value.is_some_and(among),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        // The API server accepts no other operator.
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]
mod tests {
    use super::*;
    use serde_json::json;

    fn role(value: serde_json::Value) -> ClusterRole {
        serde_json::from_value(value).unwrap()
    }

    fn user_role(name: &str, labels: serde_json::Value) -> ClusterRole {
        role(
            json!({"metadata": {"name": name, "labels": labels}, "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["use"]}]}),
        )
    }

    fn from(roles: &[ClusterRole], name: &str) -> Vec<Option<String>> {
        let roles: Vec<_> = roles.iter().collect();
        rules(&roles)[name].iter().map(|(_, from)| from.clone()).collect()
    }

    #[test]
    fn collects_the_rules_of_labelled_roles_through_other_aggregating_roles() {
        let all = [
            role(
                json!({"metadata": {"name": "admin"}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "admin"}}]}}),
            ),
            role(json!({"metadata": {"name": "edit", "labels": {"to": "admin"}},
                "aggregationRule": {"clusterRoleSelectors": [{"matchExpressions": [{"key": "edit", "operator": "Exists"}]}]}})),
            user_role("mine", json!({"edit": "yes"})),
            user_role("other", json!({})),
        ];
        assert_eq!(from(&all, "admin"), [Some("mine".to_owned())]);
        assert_eq!(from(&all, "other"), [None]);
    }

    #[test]
    fn survives_roles_that_aggregate_each_other() {
        let circle = |name: &str, to: &str, from: &str| {
            role(json!({"metadata": {"name": name, "labels": {"to": to}},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": from}}]}}))
        };
        let all = [circle("a", "b", "a"), circle("b", "a", "b"), user_role("c", json!({"to": "a"}))];
        assert_eq!(from(&all, "a"), [Some("c".to_owned())]);
        assert_eq!(from(&all, "b"), [Some("c".to_owned())]);
    }

    #[test]
    fn believes_the_rules_that_a_controller_has_filled_in() {
        let filled = role(
            json!({"metadata": {"name": "admin"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "admin"}}]}}),
        );
        assert_eq!(from(&[filled, user_role("late", json!({"to": "admin"}))], "admin"), []);
    }
}
