//! What makes a pod, as far as the pod itself tells.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The label by which a ReplicaSet of a Deployment tells its pods from those of its siblings.
const TEMPLATE_HASH: &str = "pod-template-hash";
/// A CronJob names its jobs by the minute: at least so many digits.
const MINUTES: usize = 8;

/// What makes a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Maker {
    /// Such as `apps/v1`; empty where it is only gathered from a name.
    pub api_version: String,
    /// Such as `Deployment`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// Tells it from others of that name; empty where it is only gathered from a name.
    pub uid: String,
}

impl Maker {
    /// What people would call the workload of a pod: its Deployment or CronJob where the names say so, otherwise its
    /// controller, otherwise the pod itself.
    pub fn of(pod: &ObjectMeta) -> Self {
        let (direct, above) = makers(pod);
        above.unwrap_or(direct)
    }

    /// The pod, or the controller that made it.
    pub fn direct(pod: &ObjectMeta) -> Self {
        makers(pod).0
    }

    pub(super) fn is(pod: &ObjectMeta, kind: &str, name: &str) -> bool {
        let (direct, above) = makers(pod);
        [Some(direct), above].into_iter().flatten().any(|maker| maker.kind == kind && maker.name == name)
    }
}

/// The pod or its controller, and what made that.
fn makers(pod: &ObjectMeta) -> (Maker, Option<Maker>) {
    let mut owners = pod.owner_references.iter().flatten();
    let Some(owner) = owners.find(|owner| owner.controller == Some(true)) else {
        let (name, uid) = (pod.name.clone().unwrap_or_default(), pod.uid.clone().unwrap_or_default());
        return (Maker { api_version: "v1".to_owned(), kind: "Pod".to_owned(), name, uid }, None);
    };
    let gathered = |api_version: &str, kind: &str, name: &str| Maker {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: String::new(),
    };
    let stem = owner.name.rsplit_once('-').filter(|(stem, _)| !stem.is_empty());
    let above = match (owner.kind.as_str(), stem) {
        ("ReplicaSet", Some((stem, hash))) => {
            let label = pod.labels.as_ref().and_then(|labels| labels.get(TEMPLATE_HASH));
            (label.map(String::as_str) == Some(hash)).then(|| gathered("apps/v1", "Deployment", stem))
        }
        ("Job", Some((stem, minute))) => {
            let is_minute = minute.len() >= MINUTES && minute.bytes().all(|b| b.is_ascii_digit());
            is_minute.then(|| gathered("batch/v1", "CronJob", stem))
        }
        _ => None,
    };
    let direct = Maker {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
    };
    (direct, above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(kind: &str, name: &str, hash: &str) -> ObjectMeta {
        serde_json::from_value(json!({"name": "p", "labels": {"pod-template-hash": hash},
            "ownerReferences": [{"apiVersion": "x/v1", "kind": kind, "name": name, "uid": "u", "controller": true}]}))
        .unwrap()
    }

    fn of(metadata: &ObjectMeta) -> (String, String) {
        let maker = Maker::of(metadata);
        (maker.kind, maker.name)
    }

    #[test]
    fn a_deployment_and_a_cron_job_are_known_by_the_names_that_they_give() {
        let pair = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
        assert_eq!(of(&pod("ReplicaSet", "web-5d4", "5d4")), pair("Deployment", "web"));
        assert_eq!(of(&pod("ReplicaSet", "web-5d4", "other")), pair("ReplicaSet", "web-5d4"));
        assert_eq!(of(&pod("Job", "nightly-29012345", "")), pair("CronJob", "nightly"));
        assert_eq!(of(&pod("Job", "once-1", "")), pair("Job", "once-1"));
        assert_eq!(of(&pod("DaemonSet", "agent", "")), pair("DaemonSet", "agent"));
        assert_eq!(of(&ObjectMeta { name: Some("p".into()), ..ObjectMeta::default() }), pair("Pod", "p"));
    }

    #[test]
    fn both_the_controller_and_what_made_it_are_the_maker() {
        let pod = pod("ReplicaSet", "web-5d4", "5d4");
        assert!(Maker::is(&pod, "Deployment", "web") && Maker::is(&pod, "ReplicaSet", "web-5d4"));
        assert!(!Maker::is(&pod, "Deployment", "we") && !Maker::is(&pod, "Pod", "p"));
    }
}
