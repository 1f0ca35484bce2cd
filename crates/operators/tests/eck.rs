//! What ECK makes of its resources: its documentation on security contexts, paragraph by paragraph, and what its own
//! code builds.

mod common;

use common::{context, derive_with, names, pod_context, workload};
use serde_json::{Value, json};

fn elasticsearch(version: &str, node_set: &str) -> String {
    format!(
        "apiVersion: elasticsearch.k8s.elastic.co/v1\nkind: Elasticsearch\nmetadata: {{name: quickstart}}\n\
         spec:\n  version: {version}\n  nodeSets:\n  - name: default\n    count: 3\n{node_set}"
    )
}

/// The documented context; `runAsNonRoot` is not in the documentation's listing, and is in what the code builds.
fn documented(read_only: bool) -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "privileged": false,
        "readOnlyRootFilesystem": read_only,
        "runAsNonRoot": true,
    })
}

/// "Default Elasticsearch security context": as of 8.8.0, the container, sidecars and init containers.
#[test]
fn from_8_8_0_the_container_sidecars_and_init_containers_have_the_documented_context() {
    let monitored = "  secureSettings: [{secretName: s}]\n  monitoring:\n    metrics: {elasticsearchRefs: [{name: m}]}\n    logs: {elasticsearchRefs: [{name: m}]}\n";
    for version in ["8.8.0", "8.8.0-SNAPSHOT", "8.19.2", "9.2.0"] {
        let pods = workload(&[], &elasticsearch(version, monitored));
        assert_eq!(
            names(&pods),
            [
                "elastic-internal-init-filesystem",
                "elastic-internal-init-keystore",
                "elastic-internal-suspend",
                "elasticsearch",
                "metricbeat",
                "filebeat",
            ]
        );
        for name in names(&pods) {
            assert_eq!(context(&pods, name), documented(true), "{version} {name}");
        }
    }
}

/// Annotation 1: the root is read-only only if elasticsearch-data is mounted in a volume.
#[test]
fn the_root_is_read_only_exactly_where_elasticsearch_data_is_a_mounted_volume() {
    let own_claim = "    volumeClaimTemplates: [{metadata: {name: elasticsearch-data}, spec: {}}]\n";
    let empty_dir = "    podTemplate: {spec: {volumes: [{name: elasticsearch-data, emptyDir: {}}]}}\n";
    let other_claim = "    volumeClaimTemplates: [{metadata: {name: other}, spec: {}}]\n";
    // A mount without the volume is no reason to ECK.
    let mount = "    podTemplate: {spec: {containers: [{name: elasticsearch, volumeMounts: [{name: other, mountPath: /usr/share/elasticsearch/data}]}]}}\n";
    let other_and_mount = format!("{other_claim}{mount}");
    for (node_set, read_only) in
        [("", true), (own_claim, true), (empty_dir, true), (other_claim, false), (&other_and_mount, false)]
    {
        let pods = workload(&[], &elasticsearch("8.8.0", node_set));
        for name in ["elasticsearch", "elastic-internal-init-filesystem", "elastic-internal-suspend"] {
            assert_eq!(context(&pods, name), documented(read_only), "{node_set} {name}");
        }
    }
}

#[test]
fn the_keystore_container_has_a_read_only_root_whatever_is_mounted() {
    let node_set =
        "    volumeClaimTemplates: [{metadata: {name: other}, spec: {}}]\n  secureSettings: [{secretName: s}]\n";
    let pods = workload(&[], &elasticsearch("8.8.0", node_set));
    assert_eq!(context(&pods, "elastic-internal-init-keystore"), documented(true));
}

/// "In versions before 8.0.0 the container is run as root": no capability is dropped, and no group is set.
#[test]
fn before_8_0_0_no_capability_is_dropped_and_the_pod_has_no_context() {
    let derived = derive_with(&[], &elasticsearch("7.17.9", ""));
    let pods = &derived.workloads[0];
    let old = json!({"allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true});
    assert_eq!(context(pods, "elasticsearch"), old);
    assert_eq!(context(pods, "elastic-internal-init-filesystem"), old);
    assert_eq!(pod_context(pods), Value::Null);
    assert_eq!(derived.notes.len(), 1);
    let note = &derived.notes[0];
    assert_eq!(note.field, "spec.version");
    assert!(note.message.contains("starts as root, its init container makes the data volume writable"));
}

#[test]
fn from_8_0_0_capabilities_are_dropped_and_from_8_8_0_root_is_refused() {
    let between = workload(&[], &elasticsearch("8.0.0", ""));
    let mut expected = documented(true);
    expected.as_object_mut().unwrap().remove("runAsNonRoot");
    assert_eq!(context(&between, "elasticsearch"), expected);
}

/// "To run the container as a non-root user": runAsUser 1234 and fsGroup 1234 of the example.
#[test]
fn the_podtemplates_own_context_stands_as_a_whole() {
    let user =
        "    podTemplate:\n      spec:\n        securityContext:\n          runAsUser: 1234\n          fsGroup: 1234\n";
    for version in ["7.17.9", "8.8.0"] {
        let pods = workload(&[], &elasticsearch(version, user));
        assert_eq!(pod_context(&pods), json!({"runAsUser": 1234, "fsGroup": 1234}), "{version}");
        let path = pods.path("spec.securityContext.fsGroup");
        assert_eq!(path, "spec.nodeSets[0].podTemplate.spec.securityContext.fsGroup");
    }
}

/// The note: on OpenShift a random user is assigned and the instructions do not apply.
#[test]
fn on_openshift_no_group_is_set_and_the_advice_is_another() {
    let derived = derive_with(&["eck,platform=openshift"], &elasticsearch("8.8.0", ""));
    assert_eq!(pod_context(&derived.workloads[0]), Value::Null);
    assert!(derived.notes[0].message.starts_with("OpenShift assigns the user"));
    let old = derive_with(&["eck,platform=openshift"], &elasticsearch("7.17.9", ""));
    assert!(old.notes.iter().all(|note| !note.message.contains("set runAsUser")), "{:?}", old.notes);
}

/// What TestBuildPodTemplateSpecWithDefaultSecurityContext of the operator expects.
#[test]
fn the_pods_context_follows_the_setting_the_version_and_the_user() {
    let own = "    podTemplate: {spec: {securityContext: {fsGroup: 123}}}\n";
    let empty = "    podTemplate: {spec: {securityContext: {}}}\n";
    let default = json!({"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}});
    let user = json!({"fsGroup": 123});
    for (version, setting, node_set, expected) in [
        ("7.8.0", "false", "", Value::Null),
        ("7.8.0", "false", own, user.clone()),
        ("7.8.0", "true", "", Value::Null),
        ("7.8.0", "true", own, user.clone()),
        ("8.0.0", "false", "", Value::Null),
        ("8.0.0", "false", own, user.clone()),
        ("8.0.0", "true", "", default.clone()),
        ("8.0.0", "true", own, user),
        ("8.0.0", "true", empty, json!({})),
        ("8.0.0", "auto-detect", "", default),
    ] {
        let setting = format!("eck,set-default-security-context={setting}");
        let pods = workload(&[&setting], &elasticsearch(version, node_set));
        assert_eq!(pod_context(&pods), expected, "{version} {setting} {node_set}");
    }
    let before = workload(&["eck@3.3.2"], &elasticsearch("8.0.0", ""));
    assert_eq!(pod_context(&before), json!({"fsGroup": 1000}));
}

#[test]
fn before_eck_2_8_0_containers_have_no_context_but_for_two_init_containers() {
    let keystore = "  secureSettings: [{secretName: s}]\n";
    let pods = workload(&["eck@2.7.0"], &elasticsearch("8.8.0", keystore));
    assert_eq!(context(&pods, "elasticsearch"), Value::Null);
    assert_eq!(context(&pods, "elastic-internal-suspend"), Value::Null);
    for name in ["elastic-internal-init-filesystem", "elastic-internal-init-keystore"] {
        assert_eq!(context(&pods, name), json!({"privileged": false}), "{name}");
    }
}

#[test]
fn the_users_containers_go_together_with_the_operators_by_name() {
    let node_set = "    podTemplate:\n      spec:\n        initContainers:\n        - {name: sysctl, securityContext: {privileged: true}, command: [sh]}\n        - {name: elastic-internal-init-filesystem, securityContext: {}, image: mine}\n        containers:\n        - {name: sidecar, image: other}\n        - {name: elasticsearch, securityContext: {runAsUser: 7}, volumeMounts: [{name: extra, mountPath: /tmp}]}\n";
    let pods = workload(&[], &elasticsearch("8.8.0", node_set));
    // The operator's init containers come first; the user's own of that name keeps what it says.
    assert_eq!(
        names(&pods),
        ["elastic-internal-init-filesystem", "elastic-internal-suspend", "sysctl", "sidecar", "elasticsearch"]
    );
    assert_eq!(context(&pods, "elasticsearch"), json!({"runAsUser": 7}));
    assert_eq!(context(&pods, "elastic-internal-init-filesystem"), json!({}));
    assert_eq!(common::container(&pods, "elastic-internal-init-filesystem").image.as_deref(), Some("mine"));
    assert_eq!(context(&pods, "sysctl"), json!({"privileged": true}));
    // What the user adds gets the default as well.
    assert_eq!(context(&pods, "sidecar"), documented(true));
    let sysctl = common::container(&pods, "sysctl");
    assert_eq!(sysctl.image.as_deref(), Some("docker.elastic.co/elasticsearch/elasticsearch:8.8.0"));
    // A mount at the same path is in the way of the operator's.
    let mounts = common::container(&pods, "elasticsearch").volume_mounts.as_ref().unwrap();
    let at_tmp: Vec<_> = mounts.iter().filter(|mount| mount.mount_path == "/tmp").map(|mount| &mount.name).collect();
    assert_eq!(at_tmp, ["extra"]);
    assert_eq!(
        pods.path("spec.containers[1].securityContext.runAsUser"),
        "spec.nodeSets[0].podTemplate.spec.containers[1].securityContext.runAsUser"
    );
}

fn other(group: &str, kind: &str, version: &str, spec: &str) -> String {
    format!(
        "apiVersion: {group}.k8s.elastic.co/v1\nkind: {kind}\nmetadata: {{name: q, namespace: ns}}\nspec:\n  version: {version}\n{spec}"
    )
}

#[test]
fn kibana_is_hardened_from_eck_2_16_0_and_kibana_7_10_0_on_where_contexts_are_set() {
    let hardened = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "privileged": false,
        "readOnlyRootFilesystem": true, "runAsUser": 1000, "runAsGroup": 1000,
    });
    let kibana = |version: &str| other("kibana", "Kibana", version, "  secureSettings: [{secretName: s}]\n");
    let pods = workload(&[], &kibana("8.8.0"));
    assert_eq!(pods.name(), "q-kb");
    assert_eq!(names(&pods), ["elastic-internal-init-keystore", "elastic-internal-init", "kibana"]);
    assert_eq!(context(&pods, "kibana"), hardened);
    assert_eq!(context(&pods, "elastic-internal-init"), hardened);
    // The keystore's container comes after the default has been given out.
    assert_eq!(context(&pods, "elastic-internal-init-keystore"), json!({"privileged": false}));
    assert_eq!(pod_context(&pods), json!({"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}));
    for (setting, version) in
        [("eck@2.15.0", "8.8.0"), ("eck", "7.9.3"), ("eck,set-default-security-context=false", "8.8.0")]
    {
        let pods = workload(&[setting], &kibana(version));
        assert_eq!(context(&pods, "kibana"), Value::Null, "{setting} {version}");
        assert_eq!(pod_context(&pods), Value::Null);
    }
}

#[test]
fn the_other_kinds_have_what_their_controllers_give_them() {
    let seccomp = json!({"seccompProfile": {"type": "RuntimeDefault"}});
    for (group, kind, version, name, main, pod) in [
        ("apm", "ApmServer", "8.8.0", "q-apm-server", "apm-server", seccomp.clone()),
        ("enterprisesearch", "EnterpriseSearch", "8.8.0", "q-ent", "enterprise-search", Value::Null),
        ("maps", "ElasticMapsServer", "8.8.0", "q-ems", "maps", seccomp),
    ] {
        let pods = workload(&[], &other(group, kind, version, ""));
        assert_eq!((pods.kind.as_str(), pods.name(), pods.namespace()), ("Deployment", name, "ns"));
        assert_eq!(names(&pods), [main]);
        assert_eq!((context(&pods, main), pod_context(&pods)), (Value::Null, pod), "{kind}");
        assert_eq!(pods.spec.automount_service_account_token, Some(false));
    }
    let logstash = workload(&[], &other("logstash", "Logstash", "8.8.0", ""));
    assert_eq!((logstash.kind.as_str(), logstash.name()), ("StatefulSet", "q-ls"));
    assert_eq!(context(&logstash, "logstash-internal-init-config"), json!({"privileged": false}));
    assert_eq!(pod_context(&logstash), json!({"fsGroup": 1000, "seccompProfile": {"type": "RuntimeDefault"}}));
    let registry = workload(&[], &other("packageregistry", "PackageRegistry", "9.3.0", ""));
    let hardened = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "privileged": false, "runAsNonRoot": true,
    });
    assert_eq!(context(&registry, "package-registry"), hardened);
}

#[test]
fn beats_and_agents_keep_their_data_on_the_node_unless_the_user_gives_another_volume() {
    let beat = workload(&[], &other("beat", "Beat", "8.8.0", "  type: filebeat\n  daemonSet: {}\n"));
    assert_eq!((beat.kind.as_str(), beat.name()), ("DaemonSet", "q-beat-filebeat"));
    let host_path = |workload: &ringfence_manifest::Workload, name: &str| {
        let volumes = workload.spec.volumes.as_ref().unwrap().iter();
        let found = volumes.clone().find(|volume| volume.name == name).unwrap();
        found.host_path.as_ref().map(|host| host.path.clone())
    };
    assert_eq!(host_path(&beat, "beat-data").as_deref(), Some("/var/lib/ns/q/filebeat-data"));
    let own = "  type: filebeat\n  deployment: {podTemplate: {spec: {volumes: [{name: beat-data, emptyDir: {}}]}}}\n";
    let own = workload(&[], &other("beat", "Beat", "8.8.0", own));
    assert_eq!((own.kind.as_str(), host_path(&own, "beat-data")), ("Deployment", None));
    let agent = workload(&[], &other("agent", "Agent", "8.8.0", "  daemonSet: {}\n"));
    assert_eq!(host_path(&agent, "agent-data").as_deref(), Some("/var/lib/elastic-agent/ns/q/state"));
    assert_eq!(agent.name(), "q-agent");
}

#[test]
fn a_beat_that_runs_as_root_has_sidecars_that_do() {
    let root = "  type: filebeat\n  daemonSet: {podTemplate: {spec: {containers: [{name: filebeat, securityContext: {runAsUser: 0}}]}}}\n  monitoring: {logs: {elasticsearchRefs: [{name: m}]}}\n";
    let beat = workload(&[], &other("beat", "Beat", "8.8.0", root));
    assert_eq!(context(&beat, "logs-monitoring-sidecar"), json!({"runAsUser": 0}));
}

#[test]
fn half_a_resource_and_one_that_contradicts_itself_are_refused_with_place_and_advice() {
    let problem = |yaml: &str| {
        let derived = derive_with(&[], yaml);
        assert!(derived.workloads.is_empty(), "{yaml}");
        let first = &derived.problems[0];
        (first.field.clone(), first.location.line, first.location.column, first.message.clone(), first.hint.clone())
    };
    let head = "apiVersion: elasticsearch.k8s.elastic.co/v1\nkind: Elasticsearch\n";
    let (field, .., message, _) = problem(&format!("{head}spec: {{version: 8.8.0}}\n"));
    assert_eq!(field, "metadata.name");
    assert!(message.contains("needs a name"));
    let (field, line, _, message, _) = problem(&format!("{head}metadata: {{name: a}}\nspec: {{nodeSets: []}}\n"));
    assert_eq!(
        (field.as_str(), line, message.as_str()),
        ("spec.version", 4, "Elasticsearch needs a version: write one such as 8.8.0")
    );
    let (field, line, column, message, hint) =
        problem(&format!("{head}metadata: {{name: a}}\nspec: {{version: 8.8}}\n"));
    assert_eq!((field.as_str(), line, column), ("spec.version", 4, 17));
    assert_eq!(
        (message.as_str(), hint.as_deref()),
        ("expected a string, found 8.8", Some("write it in quotes: \"8.8\""))
    );
    let (_, line, _, message, _) = problem(&format!("{head}metadata: {{name: a}}\nspec: {{version: newest}}\n"));
    assert_eq!((line, message.as_str()), (4, "\"newest\" is no version: write it as 8.8.0 or 7.22.0-6"));
    let (_, _, _, message, _) = problem(&elasticsearch("5.6.0", ""));
    assert_eq!(message, "ECK 3.5.0 runs Elasticsearch 6.8.0 and later, not 5.6.0");
    let (field, _, _, message, _) = problem(&format!("{head}metadata: {{name: a}}\nspec: {{version: 8.8.0}}\n"));
    assert_eq!(field, "spec.nodeSets");
    assert!(message.contains("write nodeSets"));
    let twice = "    podTemplate:\n      spec:\n        containers:\n        - name: elasticsearch\n        - name: elasticsearch\n";
    let (field, line, column, message, hint) = problem(&elasticsearch("8.8.0", twice));
    assert_eq!((field.as_str(), line, column), ("spec.nodeSets[0].podTemplate.spec.containers[1].name", 13, 17));
    assert!(message.contains("is there already, on line 12"), "{message}");
    assert!(hint.is_some());
    let wrong = "    podTemplate:\n      spec:\n        securityContext:\n          runAsUser: root\n";
    let (field, line, ..) = problem(&elasticsearch("8.8.0", wrong));
    assert_eq!((field.as_str(), line), ("spec.nodeSets[0].podTemplate.spec.securityContext.runAsUser", 12));
    let (field, ..) = problem(&elasticsearch("8.8.0", "    podTemplate: {spec: {containers: nothing}}\n"));
    assert_eq!(field, "spec.nodeSets[0].podTemplate.spec.containers");
}

#[test]
fn what_the_api_does_not_know_or_refuses_in_a_podtemplate_is_told() {
    let unknown =
        "    podTemplate:\n      spec:\n        securityContext: {runAsUSer: 1, seccompProfile: {type: Localhost}}\n";
    let derived = derive_with(&[], &elasticsearch("8.8.0", unknown));
    assert_eq!(derived.workloads.len(), 1);
    let told: Vec<_> = derived.problems.iter().map(|p| (p.kind.as_str(), p.location.line, p.field.as_str())).collect();
    let prefix = "spec.nodeSets[0].podTemplate.spec.securityContext";
    assert_eq!(
        told,
        [
            ("unknown", 11, format!("{prefix}.runAsUSer").as_str()),
            ("invalid", 11, format!("{prefix}.seccompProfile.localhostProfile").as_str()),
        ]
    );
}
