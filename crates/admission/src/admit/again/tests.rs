use super::*;
use crate::{
    cluster::{Body, Snapshot},
    pod_security::{PodSecurity, template_for_constraints},
};
use serde_json::{Value, json};

/// Constraints that tell pods apart by each thing that one may read.
fn cluster(pods: &[Value]) -> Snapshot {
    let scc = |name: &str, priority: i32, change: Value| {
        let mut scc = json!({"apiVersion": "security.openshift.io/v1", "kind": "SecurityContextConstraints", "metadata": {"name": name},
            "priority": priority, "allowPrivilegeEscalation": true, "fsGroup": {"type": "RunAsAny"}, "seccompProfiles": ["*"],
            "supplementalGroups": {"type": "RunAsAny"}, "seLinuxContext": {"type": "RunAsAny"}, "runAsUser": {"type": "RunAsAny"}});
        scc.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        scc
    };
    let everyone = json!(["system:authenticated", "system:serviceaccounts"]);
    let kinds = ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected"];
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "annotations": {
            "openshift.io/sa.scc.uid-range": "1000/10", "openshift.io/sa.scc.supplemental-groups": "2000/10", "openshift.io/sa.scc.mcs": "s0:c1,c0"}}}),
        scc("all", 0, json!({"groups": everyone, "volumes": ["*"], "allowHostNetwork": true, "allowHostPorts": true})),
        scc("builder", 9, json!({"users": ["system:serviceaccount:a:builder"], "volumes": ["*"]})),
        scc("jobs", 8, json!({"users": ["system:serviceaccount:kube-system:job-controller"], "volumes": ["*"]})),
        scc("secrets", 1, json!({"groups": everyone, "volumes": ["secret"]})),
    ];
    objects.extend(kinds.iter().enumerate().map(|(i, kind)| {
        scc(
            &format!("only-{}", kind.to_lowercase()),
            2 + i32::try_from(i).unwrap(),
            json!({"groups": everyone, "volumes": [kind]}),
        )
    }));
    objects.extend(pods.iter().cloned());
    Snapshot::of("test", objects)
}

fn pod(name: &str, kind: &str, recorded: Option<&str>, spec: &Value) -> Value {
    let mut own = json!({"containers": [{"name": "c", "image": "i"}]});
    own.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    json!({"apiVersion": "v1", "kind": "Pod", "spec": own, "metadata": {"name": name, "namespace": "a",
        "annotations": recorded.map(|scc| json!({"openshift.io/scc": scc})),
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": kind, "name": "o", "uid": "o", "controller": true}]}})
}

fn pods() -> Vec<Value> {
    let token = json!({"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}});
    let secret = json!({"name": "s", "projected": {"sources": [{"secret": {"name": "s"}}]}});
    let mut specs = vec![
        json!({}),
        json!({"serviceAccountName": "builder"}),
        json!({"serviceAccount": "builder"}),
        json!({"volumes": [token.clone()]}),
        json!({"volumes": [secret]}),
        json!({"volumes": [token.clone(), {"name": "c", "configMap": {"name": "c"}}]}),
        json!({"volumes": [{"name": "h", "hostPath": {"path": "/"}}, token]}),
        json!({"volumes": [{"name": "n", "nfs": {"path": "/", "server": "s"}}]}),
        json!({"volumes": [{"name": "none"}]}),
        json!({"hostNetwork": true, "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 1, "hostPort": 1}]}]}),
        json!({"os": {"name": "windows"}}),
        json!({"securityContext": {"runAsUser": 7, "fsGroup": 3}}),
    ];
    for kind in ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "secret"] {
        let source = match kind {
            "csi" => json!({"driver": "d"}),
            "persistentVolumeClaim" => json!({"claimName": "c"}),
            _ => json!({}),
        };
        specs.push(json!({"volumes": [{"name": "v", kind: source}, {"name": "w", kind: source}]}));
    }
    let mut pods: Vec<Value> = specs.iter().map(|spec| pod("", "Job", None, spec)).collect();
    pods.extend(specs.iter().map(|spec| pod("", "ReplicaSet", None, spec)));
    let mut required = pod("", "ReplicaSet", Some("all"), &json!({}));
    required["metadata"]["annotations"]["openshift.io/required-scc"] = "all".into();
    pods.push(required);
    for (i, pod) in pods.iter_mut().enumerate() {
        pod["metadata"]["name"] = format!("p{i:02}").into();
    }
    pods
}

fn alike<'p>(pod: &'p Body<'p>, owner: Option<&'p Owner>) -> Alike<'p> {
    Alike { name: "p", owner, template: None, pod }
}

#[test]
fn what_is_kept_of_a_pod_gets_the_constraint_that_the_whole_pod_gets() {
    let cluster = cluster(&pods());
    let pipeline = Pipeline::new(&cluster, PodSecurity::default());
    let mut again = pipeline.again("a").unwrap();
    let mut given = std::collections::BTreeSet::new();
    cluster
        .pods("a", &mut |pod| {
            let owner = Owner::of(pod);
            let whole = again.ask(&alike(&Body::whole(pod), owner.as_ref()));
            let kept = template_for_constraints(pod.clone());
            assert_eq!(again.ask(&alike(&Body::whole(&kept), owner.as_ref())), whole, "{pod:#?} {kept:#?}");
            given.insert(whole);
            ControlFlow::Continue(())
        })
        .unwrap();
    // The pods are such that what is kept matters.
    assert!(given.len() > 8 && given.contains(&Now::Unasked), "{given:?}");
}

#[test]
fn shares_count_each_pod_once_by_what_it_has_and_would_be_given() {
    let plain = json!({"serviceAccountName": "builder"});
    let mut pods = vec![
        pod("a", "ReplicaSet", Some("builder"), &plain),
        pod("b", "ReplicaSet", Some("builder"), &plain),
        pod("c", "ReplicaSet", Some("gone"), &plain),
        pod("d", "ReplicaSet", None, &plain),
    ];
    pods.push(pod("e", "ReplicaSet", Some("all"), &json!({"hostPID": true})));
    let cluster = cluster(&pods);
    let pipeline = Pipeline::new(&cluster, PodSecurity::default());
    let shares = pipeline.shares(&cluster, "a").unwrap();
    let shown: Vec<_> = shares.iter().map(|share| (share.recorded.as_deref(), share.now.clone(), share.pods)).collect();
    let given = || Now::Given("builder".into());
    assert_eq!(
        shown,
        [(None, given(), 1), (Some("all"), Now::Refused, 1), (Some("builder"), given(), 2), (Some("gone"), given(), 1)]
    );
    assert!(given().is_other(Some("gone")) && !given().is_other(Some("builder")) && !given().is_other(None));
    assert!(!Now::Refused.is_other(Some("all")));
}

#[test]
fn constraints_have_no_say_on_a_cluster_without() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}});
    let cluster = Snapshot::of("test", [namespace, pod("a", "Job", Some("x"), &json!({}))]);
    let shares = Pipeline::new(&cluster, PodSecurity::default()).shares(&cluster, "a").unwrap();
    assert_eq!((shares.len(), &shares[0].now), (1, &Now::Unasked));
}
