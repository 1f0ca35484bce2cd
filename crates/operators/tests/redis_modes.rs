//! What the documentation of Redis Enterprise says of its two modes, paragraph by paragraph.

use ringfence_operators::Version;
use ringfence_operators::redis::{Cluster, Mode};
use serde_json::json;

fn mode(version: &str, field: Option<bool>) -> Mode {
    Mode::of(&version.parse::<Version>().expect("a version"), field)
}

/// "Default behavior": unprivileged mode from 7.22.0-6 on, where the field is false or removed.
#[test]
fn unprivileged_mode_is_the_default_from_7_22_0_6_on() {
    for version in ["7.22.0-6", "7.22.0-7", "7.22.2-21", "8.0.20-23"] {
        assert_eq!(mode(version, None), Mode::Unprivileged, "{version}");
        assert_eq!(mode(version, Some(false)), Mode::Unprivileged, "{version}");
        assert_eq!(mode(version, Some(true)), Mode::Privileged, "{version}");
    }
}

/// "Enable privileged mode": 7.22.0-6 introduces the ability to run unprivileged; before, there is one mode.
#[test]
fn before_7_22_0_6_the_field_changes_nothing() {
    for version in ["7.4.6-2", "7.8.6-1", "7.22.0-5"] {
        for field in [None, Some(false), Some(true)] {
            assert_eq!(mode(version, field), Mode::Privileged, "{version} {field:?}");
        }
    }
}

/// "The REC security context will look like this in unprivileged mode".
#[test]
fn the_unprivileged_context_is_the_documented_one_to_the_letter() {
    let context = serde_json::to_value(Mode::Unprivileged.security_context()).unwrap();
    let documented = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "privileged": false,
        "readOnlyRootFilesystem": false,
    });
    assert_eq!(context, documented);
}

/// "Allowing automatic resource limit adjustment will result in the security context looking like this".
#[test]
fn the_privileged_context_is_the_documented_one_to_the_letter() {
    let context = serde_json::to_value(Mode::Privileged.security_context()).unwrap();
    let documented = json!({
        "allowPrivilegeEscalation": true,
        "capabilities": {"add": ["SYS_RESOURCE"], "drop": ["ALL"]},
        "privileged": false,
        "readOnlyRootFilesystem": false,
    });
    assert_eq!(context, documented);
}

#[test]
fn the_service_account_is_the_clusters_own_unless_another_is_named() {
    let read = |text: &str| {
        let documents = ringfence_manifest::read(text.as_bytes());
        let root = documents[0].root().unwrap();
        assert!(Cluster::is(root));
        Cluster::read(root)
    };
    let head = "apiVersion: app.redislabs.com/v1\nkind: RedisEnterpriseCluster\n";
    let rec = read(&format!("{head}metadata: {{name: rec, namespace: shop}}\nspec: {{nodes: 3}}\n")).unwrap();
    assert_eq!((rec.service_account.as_str(), rec.namespace.as_str()), ("rec", "shop"));
    assert_eq!(rec.pods().collect::<Vec<_>>(), ["rec-0", "rec-1", "rec-2"]);
    assert_eq!(rec.services_rigger(), "rec-services-rigger");
    let named = read(&format!("{head}metadata: {{name: rec}}\nspec: {{serviceAccountName: other}}\n")).unwrap();
    assert_eq!(named.service_account, "other");
    let wrong = "spec: {securityContext: {resourceLimits: {allowAutoAdjustment: 'yes'}}}";
    let error = read(&format!("{head}metadata: {{name: rec}}\n{wrong}\n")).unwrap_err();
    let expected = "spec.securityContext.resourceLimits.allowAutoAdjustment: expected true or false, found \"yes\"";
    assert_eq!(error.to_string(), expected);
}
