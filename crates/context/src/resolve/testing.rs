//! Short ways to write pods and facts in tests.

use k8s_openapi::api::core::v1::{Container, PodSecurityContext, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::effective::{EffectiveContainer, EffectivePod};
use crate::facts::{Facts, ImageFacts, NodeFacts};
use crate::resolve;

/// A pod's security context, from JSON.
pub(crate) fn pod(context: &str) -> PodSecurityContext {
    serde_json::from_str(context).expect("a pod's security context")
}

/// A container of the image `busybox` with this security context, from JSON.
pub(crate) fn container(context: &str) -> Container {
    Container {
        name: "app".to_owned(),
        image: Some("busybox".to_owned()),
        security_context: Some(serde_json::from_str(context).expect("a container's security context")),
        ..Container::default()
    }
}

/// The image `busybox` with this USER.
pub(crate) fn busybox(user: &str) -> Facts {
    let image = ImageFacts {
        name: "busybox".to_owned(),
        user: user.to_owned(),
        passwd: Some(
            "root:x:0:0:root:/root:/bin/sh\napp:x:1500:1501:app:/home:/bin/sh\nalice:x:1000:1000::/home:/bin/sh\n"
                .to_owned(),
        ),
        group: Some(
            "root:x:0:\ndaemon:x:1:root\napp:x:1501:\naudio:x:29:app,alice\nvideo:x:44:alice\nextra:x:50000:alice\n\
             wheel:x:10:root\n"
                .to_owned(),
        ),
        ..ImageFacts::default()
    };
    let mut facts = Facts::default();
    facts.images.insert("docker.io/library/busybox:latest".to_owned(), image);
    facts
}

/// `facts` on a node, from JSON.
pub(crate) fn on_node(mut facts: Facts, node: &str) -> Facts {
    facts.node = Some(serde_json::from_str::<NodeFacts>(node).expect("node facts"));
    facts
}

/// A pod of this specification, from JSON.
pub(crate) fn resolve_spec(spec: &str, facts: &Facts) -> EffectivePod {
    let spec: PodSpec = serde_json::from_str(spec).expect("a pod's specification");
    resolve(&ObjectMeta { name: Some("pod".to_owned()), ..ObjectMeta::default() }, &spec, facts)
}

/// The one container of a pod.
pub(crate) fn resolve_one(context: &PodSecurityContext, container: &Container, facts: &Facts) -> EffectiveContainer {
    let spec =
        PodSpec { containers: vec![container.clone()], security_context: Some(context.clone()), ..PodSpec::default() };
    resolve(&ObjectMeta::default(), &spec, facts).containers.pop().expect("one container")
}

/// The codes of a container's warnings.
pub(crate) fn codes(container: &EffectiveContainer) -> Vec<&'static str> {
    container.warnings.iter().map(|warning| warning.code).collect()
}
