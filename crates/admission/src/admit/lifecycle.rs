//! `NamespaceLifecycle`: nothing is made where there is no namespace, or where it is going away.

use super::result::Assumption;
use crate::{
    cluster::{Cluster, Kind},
    pod_security::forbidden_message,
};
use k8s_openapi::api::core::v1::Namespace;
use std::sync::Arc;

/// The namespace in which something new may be made, or the refusal.
pub(super) fn namespace(
    cluster: &(impl Cluster + ?Sized),
    name: &str,
    pod: &str,
    assumptions: &mut Vec<Assumption>,
) -> Result<Arc<Namespace>, String> {
    let namespace = existing(cluster, name, assumptions)?;
    if is_terminating(&namespace) {
        let why = format!("unable to create new content in namespace {name} because it is being terminated");
        return Err(forbidden_message("", "pods", pod, &why));
    }
    Ok(namespace)
}

/// The namespace, even if it is going away.
pub(super) fn existing(
    cluster: &(impl Cluster + ?Sized),
    name: &str,
    assumptions: &mut Vec<Assumption>,
) -> Result<Arc<Namespace>, String> {
    match cluster.namespace(name) {
        Ok(namespace) => Ok(namespace),
        Err(error) if cluster.has_seen(Kind::Namespace) => Err(error.to_string()),
        Err(_) => {
            assumptions.push(Assumption::NamespaceExists);
            let mut namespace = Namespace::default();
            namespace.metadata.name = Some(name.to_owned());
            Ok(Arc::new(namespace))
        }
    }
}

fn is_terminating(namespace: &Namespace) -> bool {
    namespace.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Terminating")
}
