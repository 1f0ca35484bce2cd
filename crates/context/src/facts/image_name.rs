//! Image names as containerd normalises them (`github.com/distribution/reference`, `ParseDockerRef`), so that `busybox`,
//! `docker.io/busybox` and `index.docker.io/library/busybox:latest` find the same facts.

/// An image name that cannot be parsed. The pod's status would say InvalidImageName.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid image name {name:?}: {why}")]
pub struct ImageNameError {
    /// The name as written.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The registry, repository and tag or digest of `name` in full: `busybox` is `docker.io/library/busybox:latest`.
///
/// A tag beside a digest is dropped, because the digest decides.
pub fn normalise_image_name(name: &str) -> Result<String, ImageNameError> {
    let fail = |why| ImageNameError { name: name.to_owned(), why };
    if name.len() == 64 && name.bytes().all(is_lower_hex) {
        return Err(fail("a name of 64 hexadecimal digits is an image's ID"));
    }
    let (rest, digest) = match name.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (name, None),
    };
    let (domain, path_and_tag) = split_domain(rest);
    // A colon in the last path element starts the tag; the domain with its port is split off already.
    let (path, tag) = match path_and_tag.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (path_and_tag, None),
    };
    if !is_domain(domain) {
        return Err(fail("the registry is not a host name"));
    }
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(fail("the repository must be in lower case"));
    }
    if !path.split('/').all(is_path_component) {
        return Err(fail("the repository's path is malformed"));
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err(fail("the tag is malformed"));
    }
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(fail("the digest is malformed"));
    }
    let library = if domain == DOCKER_HUB && !path.contains('/') { "library/" } else { "" };
    Ok(match (digest, tag) {
        (Some(digest), _) => format!("{domain}/{library}{path}@{digest}"),
        (None, tag) => format!("{domain}/{library}{path}:{}", tag.unwrap_or("latest")),
    })
}

const DOCKER_HUB: &str = "docker.io";

/// The registry, and the rest. The first element is a registry if it looks like a host: with a dot, a port, an upper-case
/// letter (no repository has one), or `localhost`.
fn split_domain(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some(("index.docker.io", rest)) => (DOCKER_HUB, rest),
        Some((domain, rest))
            if domain == "localhost"
                || domain.contains(['.', ':'])
                || domain.bytes().any(|byte| byte.is_ascii_uppercase()) =>
        {
            (domain, rest)
        }
        _ => (DOCKER_HUB, name),
    }
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_domain(domain: &str) -> bool {
    if let Some(rest) = domain.strip_prefix('[') {
        // An IPv6 address, with or without a port.
        return rest.split_once(']').is_some_and(|(address, port)| {
            !address.is_empty()
                && address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
                && (port.is_empty() || is_port(port))
        });
    }
    let (host, port) = domain.split_at(domain.find(':').unwrap_or(domain.len()));
    (port.is_empty() || is_port(port))
        && host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

fn is_port(port: &str) -> bool {
    port.strip_prefix(':').is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Lower-case letters and digits, with single `.`, one or two `_` or any number of `-` between them.
fn is_path_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    bytes.first().copied().is_some_and(is_word)
        && bytes.last().copied().is_some_and(is_word)
        && component
            .split(|c: char| c.is_ascii() && is_word(c as u8))
            .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let mut bytes = tag.bytes();
    tag.len() <= 128
        && bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| match algorithm {
        "sha256" => hex.len() == 64 && hex.bytes().all(is_lower_hex),
        "sha384" => hex.len() == 96 && hex.bytes().all(is_lower_hex),
        "sha512" => hex.len() == 128 && hex.bytes().all(is_lower_hex),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(name: &str) -> String {
        normalise_image_name(name).expect(name)
    }

    #[test]
    fn a_short_name_is_an_official_image_of_docker_hub() {
        assert_eq!(full("busybox"), "docker.io/library/busybox:latest");
        assert_eq!(full("busybox:1.36"), "docker.io/library/busybox:1.36");
        assert_eq!(full("docker.io/busybox"), "docker.io/library/busybox:latest");
        assert_eq!(full("index.docker.io/busybox"), "docker.io/library/busybox:latest");
        assert_eq!(full("library/busybox"), "docker.io/library/busybox:latest");
    }

    #[test]
    fn an_organisation_is_part_of_the_repository() {
        assert_eq!(full("grafana/loki:3"), "docker.io/grafana/loki:3");
        assert_eq!(full("local/root:1"), "docker.io/local/root:1");
    }

    #[test]
    fn a_first_element_with_a_dot_a_port_or_localhost_is_a_registry() {
        assert_eq!(full("quay.io/prometheus/prometheus"), "quay.io/prometheus/prometheus:latest");
        assert_eq!(full("registry:5000/app"), "registry:5000/app:latest");
        assert_eq!(full("localhost/app:2"), "localhost/app:2");
        assert_eq!(full("Registry/app"), "Registry/app:latest");
        assert_eq!(full("[::1]:5000/app"), "[::1]:5000/app:latest");
    }

    #[test]
    fn a_digest_makes_the_tag_disappear() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(full(&format!("busybox:1.36@{digest}")), format!("docker.io/library/busybox@{digest}"));
        assert_eq!(full(&format!("busybox@{digest}")), format!("docker.io/library/busybox@{digest}"));
    }

    #[test]
    fn names_that_no_runtime_pulls_are_errors() {
        let id = "ab".repeat(32);
        for name in [
            "",
            "Busybox",
            "quay.io/Grafana",
            "busybox:",
            "busybox:a b",
            "busybox@sha256:1",
            "a//b",
            "-a",
            "a..b",
            "a___b",
            "/a",
            ":5/a",
            &id,
        ] {
            assert!(normalise_image_name(name).is_err(), "{name:?}");
        }
    }
}
