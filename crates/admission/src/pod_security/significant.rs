//! Which changes of a pod are worth judging it anew: those of its containers and their images. The API server lets
//! nothing else change that matters here.

use k8s_openapi::api::core::v1::{Container, EphemeralContainer, PodSpec};

pub(super) fn is_significant(new: &PodSpec, old: &PodSpec) -> bool {
    images_differ(&new.containers, &old.containers)
        || images_differ(init(new), init(old))
        || new.ephemeral_containers.iter().flatten().any(|container| is_new(container, old))
}

fn init(spec: &PodSpec) -> &[Container] {
    spec.init_containers.as_deref().unwrap_or_default()
}

fn images_differ(new: &[Container], old: &[Container]) -> bool {
    new.len() != old.len()
        || new.iter().zip(old).any(|(new, old)| image(new.image.as_ref()) != image(old.image.as_ref()))
}

/// Ephemeral containers are told apart by name, and one that is gone does not matter.
fn is_new(container: &EphemeralContainer, old: &PodSpec) -> bool {
    let same = old.ephemeral_containers.iter().flatten().find(|other| other.name == container.name);
    same.is_none_or(|same| image(same.image.as_ref()) != image(container.image.as_ref()))
}

fn image(image: Option<&String>) -> &str {
    image.map_or("", String::as_str)
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "JSON written in place reads best without a reference before it")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn significant(new: Value, old: Value) -> bool {
        is_significant(&serde_json::from_value(new).unwrap(), &serde_json::from_value(old).unwrap())
    }

    #[test]
    fn a_new_image_is() {
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let spec = |image: &str| json!({list: [{"name": "a", "image": image}]});
            assert!(significant(spec("x:2"), spec("x:1")), "{list}");
            assert!(!significant(spec("x:1"), spec("x:1")), "{list}");
        }
    }

    #[test]
    fn another_number_of_containers_is() {
        let two = json!({"containers": [{"name": "a"}, {"name": "b"}]});
        let one = json!({"containers": [{"name": "a"}]});
        assert!(significant(two.clone(), one.clone()) && significant(one, two));
    }

    #[test]
    fn an_ephemeral_container_is_when_it_comes_but_not_when_it_goes() {
        let debugged = json!({"ephemeralContainers": [{"name": "debug", "image": "x"}]});
        assert!(significant(debugged.clone(), json!({})) && !significant(json!({}), debugged));
    }

    #[test]
    fn a_security_context_is_not() {
        assert!(!significant(
            json!({"hostPID": true, "containers": [{"name": "b"}]}),
            json!({"containers": [{"name": "a"}]})
        ));
    }
}
