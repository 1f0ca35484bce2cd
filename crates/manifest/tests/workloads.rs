//! The workloads of a stream, and what is objected to in them.

use std::fmt::Write;

use ringfence_manifest::{Document, WorkloadKind, read};

fn problems(yaml: &str) -> String {
    let mut out = String::new();
    for p in read(yaml.as_bytes()).iter().flat_map(Document::problems) {
        let hint = p.hint.map(|h| format!(" ({h})")).unwrap_or_default();
        let _ = writeln!(out, "{}:{} {} {}: {}{hint}", p.location.line, p.location.column, p.kind, p.field, p.message);
    }
    out
}

#[test]
fn every_kind_gives_its_template() {
    for kind in WorkloadKind::ALL {
        let template = match kind {
            WorkloadKind::Pod => "spec: {nodeName: node, containers: [{name: c}]}".to_owned(),
            WorkloadKind::PodTemplate => "template: {metadata: {name: t}, spec: {nodeName: node, containers: [{name: c}]}}".to_owned(),
            WorkloadKind::CronJob => {
                "spec: {jobTemplate: {spec: {template: {metadata: {name: t}, spec: {nodeName: node, containers: [{name: c}]}}}}}".to_owned()
            }
            _ => "spec: {template: {metadata: {name: t}, spec: {nodeName: node, containers: [{name: c}]}}}".to_owned(),
        };
        let yaml =
            format!("apiVersion: {}\nkind: {}\nmetadata: {{name: o}}\n{template}", kind.api_version(), kind.as_str());
        let documents = read(yaml.as_bytes());
        let contents = documents[0].contents();
        let workload = contents.workloads[0].as_ref().unwrap();
        assert_eq!((workload.kind, workload.name()), (kind, "o"));
        assert_eq!(workload.spec.node_name.as_deref(), Some("node"), "{yaml}");
        let name = if kind == WorkloadKind::Pod { "o" } else { "t" };
        assert_eq!(workload.metadata.name.as_deref(), Some(name));
        let place = documents[0].locate(&workload.path("spec.nodeName")).unwrap();
        assert!(place.exact && &yaml[place.value.range()] == "node");
        assert_eq!(documents[0].problems(), [], "{yaml}");
    }
}

#[test]
fn a_pod_without_containers_is_refused() {
    let documents = read(b"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n");
    let problems = documents[0].problems();
    assert_eq!((problems[0].field.as_str(), problems[0].message.as_str()), ("spec.containers", "Required value"));
}

#[test]
fn lists_are_opened_and_the_rest_is_counted() {
    let yaml = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service}
- apiVersion: v1
  kind: PodList
  items:
  - {apiVersion: v1, kind: Pod, metadata: {name: a}}
  - {apiVersion: v1, kind: Service}
- {apiVersion: apps/v1beta1, kind: Deployment, metadata: {name: b}}
- {apiVersion: example.com/v1, kind: Deployment}
- 5
";
    let contents = read(yaml.as_bytes())[0].contents();
    let found: Vec<_> = contents.workloads.iter().flatten().map(|w| (w.object_path.as_str(), w.name())).collect();
    assert_eq!(found, [("items[1].items[0]", "a"), ("items[2]", "b")]);
    let passed_over: Vec<_> = contents.passed_over.iter().map(|((a, k), n)| (a.as_str(), k.as_str(), *n)).collect();
    assert_eq!(passed_over, [("", "", 1), ("example.com/v1", "Deployment", 1), ("v1", "Service", 2)]);
}

#[test]
fn decoding_is_as_lenient_as_gos() {
    let yaml = "
apiVersion: v1
kind: Pod
metadata: {labels: {a: null}, creationTimestamp: null, managedFields: [{fieldsV1: {f: 1}}]}
spec:
  containers: [null, {name: null, args: [null], ports: [{containerPort: 1e3}], resources: {limits: {cpu: 0.5, x: null}}}]
  securityContext: {runAsUser: 1000.0, supplementalGroups: [null]}
  unknown: {a: [1]}
  initContainers: null
status: null
";
    let documents = read(yaml.as_bytes());
    let contents = documents[0].contents();
    let spec = &contents.workloads[0].as_ref().unwrap().spec;
    assert_eq!(spec.containers.len(), 2);
    let container = &spec.containers[1];
    assert_eq!((container.name.as_str(), container.args.as_deref()), ("", Some(&[String::new()][..])));
    assert_eq!(container.ports.as_ref().unwrap()[0].container_port, 1000);
    let limits = container.resources.as_ref().unwrap().limits.as_ref().unwrap();
    assert_eq!((limits["cpu"].0.as_str(), limits["x"].0.as_str()), ("0.5", "0"));
    let context = spec.security_context.as_ref().unwrap();
    assert_eq!((context.run_as_user, context.supplemental_groups.as_deref()), (Some(1000), Some(&[0][..])));
}

#[test]
fn what_go_refuses_to_decode_is_unreadable() {
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ns}\nspec:\n  hostPID: 'yes'\n";
    let contents = read(yaml.as_bytes())[0].contents();
    let unreadable = contents.workloads[0].as_ref().unwrap_err();
    assert_eq!((unreadable.namespace.as_str(), unreadable.name.as_str()), ("ns", "p"));
    assert_eq!(unreadable.problem.field, "spec.hostPID");
    assert_eq!(unreadable.problem.message, "expected true or false, found the string \"yes\"");
    assert_eq!((unreadable.problem.location.line, unreadable.problem.location.column), (5, 12));
}

#[test]
fn misspelt_and_misplaced_fields_come_with_the_right_place() {
    let yaml = "
apiVersion: apps/v1
kind: Deployment
spec:
  hostPID: true
  template:
    spec:
      runAsUser: 5
      capabilities: {drop: [ALL]}
      securityContext:
        privileged: true
        runAsUSer: 1
      containers:
      - name: a
        fsGroup: 5
        privileged: true
        hostNetwork: true
        securityContext:
          fsGroup: 5
          drop: [ALL]
";
    insta::assert_snapshot!(problems(yaml));
}

#[test]
fn wrong_types_and_duplicates_are_reported_where_they_are() {
    let yaml = "
apiVersion: v1
kind: Pod
metadata:
  annotations: {a: true, b/c: 5}
base: &base {name: x}
spec:
  activeDeadlineSeconds: '5'
  priority: 2147483648
  hostPID: yes
  hostPID: no
  containers:
  - <<: *base
    name: y
    securityContext: [runAsUser]
    resources: {limits: {cpu: 1 core, memory: 1Gi}}
    ports: [{containerPort: 80, hostIP: 127}]
";
    insta::assert_snapshot!(problems(yaml));
}

#[test]
fn values_that_validation_refuses_are_reported_in_its_words() {
    let yaml = "
apiVersion: v1
kind: Pod
metadata:
  annotations:
    container.apparmor.security.beta.kubernetes.io/none: foo
    seccomp.security.alpha.kubernetes.io/pod: localhost//etc/x
spec:
  hostUsers: false
  hostPID: true
  hostNetwork: true
  shareProcessNamespace: true
  os: {name: plan9}
  securityContext:
    runAsUser: -1
    supplementalGroups: [1, 99999999999]
    fsGroupChangePolicy: Sometimes
    supplementalGroupsPolicy: merge
    seLinuxChangePolicy: None
    seccompProfile: {type: Localhost}
    sysctls: [{name: net.core.somaxconn, value: '1'}, {name: net.core.somaxconn, value: '1'}, {name: A, value: x}]
  initContainers:
  - name: i
    securityContext: {procMount: Other, seccompProfile: {type: RuntimeDefault, localhostProfile: x}}
  containers:
  - name: a
    ports: [{containerPort: 80, hostPort: 81}]
    securityContext:
      privileged: true
      allowPrivilegeEscalation: false
      capabilities: {add: [CAP_SYS_ADMIN]}
      appArmorProfile: {type: Localhost, localhostProfile: ' x'}
      windowsOptions: {hostProcess: true, runAsUserName: 'a\\b\\c'}
";
    insta::assert_snapshot!(problems(yaml));
}

#[test]
fn a_windows_pod_has_nothing_of_linux() {
    let yaml = "
apiVersion: v1
kind: Pod
spec:
  os: {name: windows}
  hostUsers: true
  securityContext: {fsGroup: 1, sysctls: []}
  containers:
  - name: a
    securityContext: {readOnlyRootFilesystem: false, windowsOptions: {runAsUserName: ContainerUser}}
---
apiVersion: v1
kind: Pod
spec:
  os: {name: linux}
  containers: [{name: a}]
  securityContext: {windowsOptions: {}}
";
    insta::assert_snapshot!(problems(yaml));
}
