//! Custom resources from the outside: `check`, `explain` and `operator profile`.

mod common;

use common::{lines, ringfence};

const ELASTICSEARCH: &str = "apiVersion: elasticsearch.k8s.elastic.co/v1
kind: Elasticsearch
metadata:
  name: quickstart
spec:
  version: 8.8.0
  nodeSets:
  - name: default
    count: 3
    podTemplate:
      spec:
        securityContext:
          runAsUser: 1234
          fsGroup: 1234
";

const REDIS: &str = "apiVersion: app.redislabs.com/v1
kind: RedisEnterpriseCluster
metadata: {name: rec}
spec:
  securityContext:
    resourceLimits:
      allowAutoAdjustment: true
";

#[test]
fn a_finding_about_what_the_operator_adds_points_to_the_field_that_decides_it() {
    let ran = ringfence(["check", "--pss", "baseline", "-o", "jsonl", "-"], REDIS);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let all = lines(&ran);
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0]["kind"], &all[0]["name"]), (&"StatefulSet".into(), &"rec".into()));
    let from = serde_json::json!({"apiVersion": "app.redislabs.com/v1", "kind": "RedisEnterpriseCluster", "name": "rec",
        "operator": "Redis Enterprise operator 8.0.20-23"});
    assert_eq!(all[0]["derived"], from);
    let finding = &all[0]["pss"][0]["findings"][0];
    assert_eq!(finding["field"], "spec.securityContext.resourceLimits.allowAutoAdjustment");
    assert_eq!((&finding["line"], &finding["column"]), (&7.into(), &28.into()));
    assert_eq!(all[0]["notes"][0]["line"], 7);
    assert_eq!(all[1]["name"], "rec-services-rigger");
    let text = ringfence(["check", "--pss", "baseline", "-"], REDIS);
    assert!(text.out.contains("the operator adds it: Redis Enterprise operator: 7.22.0-6 and later, privileged mode"));
}

#[test]
fn with_another_version_of_the_operator_the_pods_are_others() {
    let verdict = |operator: &str| {
        let ran = ringfence(["check", "--pss", "baseline", "--operator", operator, "-"], REDIS);
        (ran.code, ran.out)
    };
    assert_eq!(verdict("redis-enterprise@7.8.6-1").0, 1);
    let (code, out) = verdict("redis-enterprise");
    assert_eq!(code, 1);
    assert!(out.contains("-:7:28"), "{out}");
    let unknown = ringfence(["check", "--operator", "redis@1.0.0", "-"], REDIS);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("no operator is called \"redis\"; known are eck, redis-enterprise, olm"),
        "{}",
        unknown.err
    );
}

/// The processes have the podTemplate's user, and volumes belong to its fsGroup: both annotations of ECK's example.
#[test]
fn every_process_and_volume_gets_the_podtemplates_user_and_group() {
    let ran = ringfence(["explain", "-o", "jsonl", "-"], ELASTICSEARCH);
    let line = &lines(&ran)[0];
    let containers = line["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 3);
    for container in containers {
        assert_eq!(container["computed"]["uid"], 1234);
        let logs = &container["computed"]["volumes"]["/usr/share/elasticsearch/logs"];
        assert_eq!((&logs["gid"], &logs["mode"]), (&1234.into(), &"drwxrwsrwx".into()));
        let groups = container["effective"]["user"].to_string();
        assert!(groups.contains("1234"), "{groups}");
    }
    let sources = &line["derived"]["sources"];
    let user = &sources["spec.securityContext.runAsUser"];
    let field = "spec.nodeSets[0].podTemplate.spec.securityContext.runAsUser";
    assert_eq!(*user, serde_json::json!({"field": field, "line": 13, "column": 11}));
    let root = &sources["spec.containers[0].securityContext.readOnlyRootFilesystem"];
    assert!(root["added"].as_str().unwrap().starts_with("ECK 2.8.0 and later, for Elasticsearch 8.8.0 and later"));
    assert_eq!((&root["field"], &root["line"]), (&"spec.version".into(), &6.into()));
}

#[test]
fn half_a_resource_is_a_finding_and_not_a_failure() {
    let half =
        "apiVersion: elasticsearch.k8s.elastic.co/v1\nkind: Elasticsearch\nmetadata: {name: a}\nspec: {version: 8.8}\n";
    let check = ringfence(["check", "-o", "jsonl", "-"], half);
    assert_eq!(check.code, 1);
    let line = &lines(&check)[0];
    assert_eq!((&line["kind"], &line["error"]["line"]), (&"Elasticsearch".into(), &4.into()));
    assert_eq!(line["error"]["hint"], "write it in quotes: \"8.8\"");
    let explain = ringfence(["explain", "-"], half);
    assert_eq!(explain.code, 1);
    assert!(
        explain.err.contains("-:4:17: spec.version: expected a string, found 8.8; write it in quotes"),
        "{}",
        explain.err
    );
}

#[test]
fn an_operator_bundle_is_judged_with_the_constraints_that_it_grants() {
    let bundle = |constraint: &str| {
        format!(
            "apiVersion: operators.coreos.com/v1alpha1\nkind: ClusterServiceVersion\nmetadata: {{name: my.v1, namespace: placeholder}}\nspec:\n  description: Needs a privileged namespace to set up the network.\n  install:\n    strategy: deployment\n    spec:\n      deployments:\n      - name: manager\n        spec:\n          template:\n            spec:\n              containers:\n              - {{name: c, image: x, securityContext: {{capabilities: {{add: [NET_ADMIN]}}}}}}\n      clusterPermissions:\n      - rules:\n        - {{apiGroups: [security.openshift.io], resources: [securitycontextconstraints], resourceNames: [{constraint}], verbs: [use]}}\n        serviceAccountName: default\n"
        )
    };
    let dir = tempfile::tempdir().unwrap();
    for (constraint, code, scc) in [("privileged", 0, "privileged"), ("anyuid", 1, "")] {
        let path = dir.path().join("csv.yaml");
        std::fs::write(&path, bundle(constraint)).unwrap();
        let ran = ringfence(["check", "--platform", "openshift", "-o", "jsonl", path.to_str().unwrap()], "");
        assert_eq!(ran.code, code, "{constraint}: {}{}", ran.out, ran.err);
        let admission = &lines(&ran)[0]["admission"];
        assert_eq!(admission["scc"].as_str().unwrap_or_default(), scc);
    }
}

#[test]
fn a_profile_of_ones_own_serves_check_and_explain_and_is_tried_on_its_own() {
    let profile = "docs/operators/postgres-operator.yaml";
    let cluster = "docs/operators/acid-minimal.yaml";
    let tried = ringfence(["operator", "profile", "test", profile, "--on", cluster], "");
    assert_eq!(tried.code, 0, "{}", tried.err);
    insta::assert_snapshot!(tried.out);
    let without = ringfence(["check", cluster], "");
    assert!(without.out.contains("passed over: 1 postgresql"), "{}", without.out);
    let with = ringfence(["check", "--pss", "baseline", "--operator-profile", profile, cluster], "");
    assert_eq!(with.code, 0, "{}", with.out);
    let setting = "postgres-operator,spilo_privileged=true";
    let privileged =
        ringfence(["check", "--pss", "baseline", "--operator-profile", profile, "--operator", setting, cluster], "");
    assert_eq!(privileged.code, 1);
    let explained = ringfence(["explain", "--operator-profile", profile, cluster], "");
    assert!(explained.out.contains("runAsUser: 101 (acid-minimal.yaml:11)"), "{}", explained.out);
}

#[test]
fn what_is_wrong_with_a_profile_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.yaml");
    std::fs::write(&path, "apiVersion: ringfence.dev/v1alpha1\nkind: OperatorProfile\nmetadata: {name: x}\nspec: {}\n")
        .unwrap();
    let path = path.to_str().unwrap();
    for args in [vec!["operator", "profile", "test", path], vec!["check", "--operator-profile", path, "-"]] {
        let ran = ringfence(&args, "");
        assert_ne!(ran.code, 0);
        assert!(ran.err.contains("p.yaml:4:1: spec: missing field `title`"), "{}", ran.err);
    }
    let shown = ringfence(["operator", "profile", "show", "olm"], "");
    assert!(shown.out.contains("kind: OperatorProfile"));
    assert_eq!(ringfence(["operator", "profile", "show", "nothing"], "").code, 2);
}
