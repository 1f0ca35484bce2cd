#![allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]

use super::*;
use serde_json::{Value, json};

fn index(items: &[Value]) -> Index {
    fn of<T: serde::de::DeserializeOwned>(items: &[Value], kind: &str) -> Vec<T> {
        items
            .iter()
            .filter(|item| item["kind"] == kind)
            .map(|item| serde_json::from_value(item.clone()).unwrap())
            .collect()
    }
    Index::new(
        &of::<Role>(items, "Role"),
        &of::<ClusterRole>(items, "ClusterRole"),
        &of::<RoleBinding>(items, "RoleBinding"),
        &of::<ClusterRoleBinding>(items, "ClusterRoleBinding"),
    )
}

fn role(kind: &str, namespace: Option<&str>, name: &str, constraints: &[&str]) -> Value {
    json!({"kind": kind, "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"namespace": namespace, "name": name},
        "rules": [{"apiGroups": ["security.openshift.io"], "resources": ["securitycontextconstraints"], "verbs": ["use"],
            "resourceNames": constraints}]})
}

fn binding(kind: &str, namespace: Option<&str>, name: &str, role: (&str, &str), subject: Value) -> Value {
    json!({"kind": kind, "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"namespace": namespace, "name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1}, "subjects": [subject]})
}

fn alice() -> User {
    User::impersonated("alice", &["dev".to_owned()])
}

#[test]
fn a_cluster_role_binding_counts_in_every_namespace() {
    let index = index(&[
        role("ClusterRole", None, "anyuid", &["anyuid"]),
        binding("ClusterRoleBinding", None, "b", ("ClusterRole", "anyuid"), json!({"kind": "User", "name": "alice"})),
    ]);
    assert!(index.allows(&alice(), "app", "anyuid") && index.allows(&alice(), "", "anyuid"));
    assert!(!index.allows(&alice(), "app", "privileged"));
    assert!(!index.allows(&User::impersonated("bob", &[]), "app", "anyuid"));
}

#[test]
fn a_role_binding_counts_in_its_namespace_alone() {
    let index = index(&[
        role("ClusterRole", None, "anyuid", &["anyuid"]),
        binding("RoleBinding", Some("app"), "b", ("ClusterRole", "anyuid"), json!({"kind": "Group", "name": "dev"})),
    ]);
    assert!(index.allows(&alice(), "app", "anyuid"));
    assert!(!index.allows(&alice(), "other", "anyuid") && !index.allows(&alice(), "", "anyuid"));
}

#[test]
fn a_role_is_looked_for_in_the_namespace_of_its_binding() {
    let index = index(&[
        role("Role", Some("other"), "r", &["anyuid"]),
        binding("RoleBinding", Some("app"), "b", ("Role", "r"), json!({"kind": "User", "name": "alice"})),
    ]);
    assert!(!index.allows(&alice(), "app", "anyuid"));
    assert_eq!(index.problems()[0].to_string(), r#"RoleBinding "app/b" refers to Role "r", which is not there"#);
}

#[test]
fn a_service_account_without_namespace_is_one_of_the_bindings_namespace() {
    let subject = json!({"kind": "ServiceAccount", "name": "web"});
    let index = index(&[
        role("ClusterRole", None, "anyuid", &[]),
        binding("RoleBinding", Some("app"), "b", ("ClusterRole", "anyuid"), subject.clone()),
        binding("ClusterRoleBinding", None, "void", ("ClusterRole", "anyuid"), subject),
    ]);
    assert!(index.allows(&User::service_account("app", "web"), "app", "anyuid"));
    assert!(!index.allows(&User::service_account("app", "web"), "other", "anyuid"));
    assert!(!index.allows(&User::service_account("other", "web"), "other", "anyuid"));
}

#[test]
fn service_accounts_are_in_the_groups_of_their_namespace_and_of_everyone() {
    for group in ["system:serviceaccounts", "system:serviceaccounts:app", "system:authenticated"] {
        let index = index(&[
            role("ClusterRole", None, "anyuid", &["anyuid"]),
            binding(
                "ClusterRoleBinding",
                None,
                "b",
                ("ClusterRole", "anyuid"),
                json!({"kind": "Group", "name": group}),
            ),
        ]);
        assert!(index.allows(&User::service_account("app", "web"), "app", "anyuid"), "{group}");
    }
}

#[test]
fn the_chain_of_a_grant_names_binding_subject_role_and_rule() {
    let index = index(&[
        role("ClusterRole", None, "anyuid", &["anyuid"]),
        binding(
            "RoleBinding",
            Some("app"),
            "b",
            ("ClusterRole", "anyuid"),
            json!({"kind": "ServiceAccount", "name": "web"}),
        ),
    ]);
    let grant = index.first(&User::service_account("app", "web"), "app", "anyuid").unwrap();
    assert_eq!(
        grant.to_string(),
        r#"RoleBinding "app/b" gives ServiceAccount "app/web" ClusterRole "anyuid", rules[0]"#
    );
    assert_eq!(index.subjects("app", "anyuid"), [grant]);
    assert_eq!(index.subjects("other", "anyuid"), []);
}

#[test]
fn masters_need_no_grant() {
    let user = User::impersonated("root", &["system:masters".to_owned()]);
    assert!(index(&[]).allows(&user, "app", "privileged"));
    assert_eq!(index(&[]).first(&user, "app", "privileged"), Some(Grant::Masters));
}

#[test]
fn the_synchroniser_does_not_count_users_even_if_named_like_a_service_account() {
    let web = User::service_account("app", "web");
    let index = index(&[
        role("ClusterRole", None, "anyuid", &["anyuid"]),
        binding("ClusterRoleBinding", None, "b", ("ClusterRole", "anyuid"), json!({"kind": "User", "name": web.name})),
    ]);
    assert!(index.allows(&web, "app", "anyuid"));
    assert_eq!(index.of_service_account(&web, "app", "anyuid"), []);
}

mod laws {
    use super::*;
    use proptest::prelude::*;

    fn subject() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(json!({"kind": "User", "name": "alice"})),
            Just(json!({"kind": "Group", "name": "dev"})),
            Just(json!({"kind": "Group", "name": "system:authenticated"})),
            Just(json!({"kind": "ServiceAccount", "name": "web"})),
            Just(json!({"kind": "ServiceAccount", "name": "web", "namespace": "app"})),
        ]
    }

    fn objects() -> impl Strategy<Value = Vec<Value>> {
        let one = (any::<bool>(), 0..3_usize, 0..3_usize, subject()).prop_map(|(local, role, n, subject)| {
            let names = ["r0", "r1", "r2"];
            let (kind, namespace) = if local { ("RoleBinding", Some("app")) } else { ("ClusterRoleBinding", None) };
            binding(kind, namespace, &format!("b{n}"), ("ClusterRole", names[role]), subject)
        });
        proptest::collection::vec(one, 0..8).prop_map(|mut items| {
            items.push(role("ClusterRole", None, "r0", &["anyuid"]));
            items.push(role("ClusterRole", None, "r1", &[]));
            items
        })
    }

    proptest! {
        #[test]
        fn one_more_binding_never_takes_anything_away(items in objects(), more in objects(), namespace in "app|other|") {
            let (before, after) = (index(&items), index(&[items.clone(), more].concat()));
            for user in [alice(), User::service_account("app", "web"), User::service_account("other", "web")] {
                for constraint in ["anyuid", "privileged"] {
                    prop_assert!(!before.allows(&user, &namespace, constraint) || after.allows(&user, &namespace, constraint));
                }
            }
        }

        #[test]
        fn allowed_first_and_all_agree(items in objects(), namespace in "app|other|") {
            let index = index(&items);
            for user in [alice(), User::service_account("app", "web")] {
                let (allowed, first, all) = (index.allows(&user, &namespace, "anyuid"), index.first(&user, &namespace, "anyuid"), index.all(&user, &namespace, "anyuid"));
                prop_assert_eq!(allowed, first.is_some());
                prop_assert_eq!(first.as_ref(), all.first());
            }
        }
    }
}
