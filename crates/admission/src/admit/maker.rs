//! Who makes the pods of an object, and what they look like when they reach the API server.

use crate::{cluster::Kind, user::User};
use k8s_openapi::{
    api::core::v1::{Pod, PodSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

/// Who makes pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Maker {
    /// Whoever makes the request: the object is the pod.
    Requester,
    /// A controller, by the name of its service account.
    Controller(&'static str),
    /// Nobody: the object is only kept.
    Nobody,
}

impl Maker {
    /// Who makes the pods of objects of that kind; `None` if such objects have none.
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Pod => Self::Requester,
            Kind::PodTemplate => Self::Nobody,
            Kind::ReplicationController => Self::Controller("replication-controller"),
            // A deployment makes replica sets.
            Kind::ReplicaSet | Kind::Deployment => Self::Controller("replicaset-controller"),
            Kind::StatefulSet => Self::Controller("statefulset-controller"),
            Kind::DaemonSet => Self::Controller("daemon-set-controller"),
            // A cron job makes jobs.
            Kind::Job | Kind::CronJob => Self::Controller("job-controller"),
            _ => return None,
        })
    }

    /// The user that makes the pods. What nobody makes is judged as if the requester did.
    pub fn user(self, requester: &User) -> User {
        match self {
            Self::Requester | Self::Nobody => requester.clone(),
            Self::Controller(name) => User::service_account("kube-system", name),
        }
    }
}

/// Pods of an object, as they reach the API server.
#[derive(Debug, Clone, PartialEq)]
pub struct Pods {
    /// Who makes them.
    pub maker: Maker,
    /// What each is like; its name may be still to be generated.
    pub pod: Pod,
}

/// The pods of an object of that kind: the object's own metadata, and the metadata and spec of its pods, which for a
/// pod are its own.
pub fn pods_of(
    kind: Kind,
    namespace: &str,
    object: &ObjectMeta,
    metadata: &ObjectMeta,
    spec: &PodSpec,
) -> Option<Pods> {
    let maker = Maker::of(kind)?;
    let mut metadata = metadata.clone();
    metadata.namespace = Some(namespace.to_owned());
    if maker != Maker::Requester {
        let name = object.name.as_deref().or(object.generate_name.as_deref()).unwrap_or_default();
        (metadata.name, metadata.generate_name) = match kind {
            // The pods of a stateful set are numbered.
            Kind::StatefulSet => (Some(format!("{name}-0")), Some(format!("{name}-"))),
            _ => (None, Some(format!("{name}-"))),
        };
    }
    Some(Pods { maker, pod: Pod { metadata, spec: Some(spec.clone()), status: None } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> ObjectMeta {
        ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
    }

    #[test]
    fn a_controller_makes_the_pods_of_a_workload_under_its_own_name() {
        let requester = User::impersonated("alice", &[]);
        let made =
            pods_of(Kind::Deployment, "app", &named("web"), &ObjectMeta::default(), &PodSpec::default()).unwrap();
        assert_eq!(made.maker.user(&requester).name, "system:serviceaccount:kube-system:replicaset-controller");
        assert_eq!((made.pod.metadata.generate_name.as_deref(), made.pod.metadata.name), (Some("web-"), None));
    }

    #[test]
    fn a_pod_is_made_by_who_asks() {
        let requester = User::impersonated("alice", &[]);
        let made = pods_of(Kind::Pod, "app", &named("web"), &named("web"), &PodSpec::default()).unwrap();
        assert_eq!(made.maker.user(&requester), requester);
        assert_eq!(made.pod.metadata.name.as_deref(), Some("web"));
    }

    #[test]
    fn objects_of_other_kinds_have_no_pods() {
        assert_eq!(Maker::of(Kind::Role), None);
    }
}
