//! Whom to ask for an image: the registry of its name, or as containers-registries.conf(5) says, others in its place
//! and mirrors before it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::RegistryError;
use super::reference::Reference;
use super::url::is_loopback;

/// One place to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// With its port, if the name has one.
    pub(crate) host: String,
    pub(crate) repository: String,
    /// Whether it may be asked in the clear.
    pub(crate) plain: bool,
}

#[derive(Default, Deserialize)]
struct File {
    #[serde(default)]
    registry: Vec<Registry>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<Mirror>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Mirror {
    location: String,
    insecure: bool,
    #[serde(rename = "pull-from-mirror")]
    which: String,
}

/// What the configuration says of registries.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    registries: Vec<Registry>,
    insecure: Vec<String>,
}

impl Hosts {
    /// Reads the configuration: the file that is named, or those of the system and the user.
    pub(crate) fn read(named: Option<&Path>, insecure: &[String]) -> Result<Self, RegistryError> {
        let mut registries = Vec::new();
        let variable = std::env::var_os("CONTAINERS_REGISTRIES_CONF").filter(|value| !value.is_empty());
        match named.map(Path::to_path_buf).or_else(|| variable.map(PathBuf::from)) {
            Some(path) => registries = read(&path, true)?,
            None => {
                for path in usual() {
                    // A later file replaces what an earlier one says of the same prefix.
                    for registry in read(&path, false)? {
                        registries.retain(|known: &Registry| prefix(known) != prefix(&registry));
                        registries.push(registry);
                    }
                }
            }
        }
        Ok(Self { registries, insecure: insecure.to_vec() })
    }

    /// The places to ask, in order. The last is the registry itself.
    pub(crate) fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, RegistryError> {
        let full = format!("{}/{}", reference.registry, reference.repository);
        let matching = self.registries.iter().filter(|registry| matches(prefix(registry), &full));
        let Some(registry) = matching.max_by_key(|registry| prefix(registry).len()) else {
            return Ok(vec![self.endpoint(&full, false)]);
        };
        if registry.blocked {
            return Err(RegistryError::Blocked(full));
        }
        let rest = match prefix(registry).strip_prefix("*.") {
            Some(_) => full.strip_prefix(&*reference.registry).unwrap_or_default(),
            None => full.get(prefix(registry).len()..).unwrap_or_default(),
        };
        let by_digest = reference.digest().is_some();
        let asked = |mirror: &&Mirror| match &*mirror.which {
            "digest-only" => by_digest,
            "tag-only" => !by_digest,
            _ => by_digest || !registry.mirror_by_digest_only,
        };
        let mirrors = registry.mirror.iter().filter(|mirror| !mirror.location.is_empty()).filter(asked);
        let mut all: Vec<_> =
            mirrors.map(|mirror| self.endpoint(&format!("{}{rest}", mirror.location), mirror.insecure)).collect();
        let own = if registry.location.is_empty() { full.clone() } else { format!("{}{rest}", registry.location) };
        all.push(self.endpoint(&own, registry.insecure));
        Ok(all)
    }

    /// Whether a host may be asked in the clear.
    pub(crate) fn is_plain(&self, host: &str) -> bool {
        is_loopback(host) || self.insecure.iter().any(|insecure| insecure == host)
    }

    fn endpoint(&self, location: &str, insecure: bool) -> Endpoint {
        let (host, repository) = location.split_once('/').unwrap_or((location, ""));
        let plain = insecure || self.is_plain(host);
        let host = if host == "docker.io" { "registry-1.docker.io" } else { host };
        Endpoint { host: host.to_owned(), repository: repository.to_owned(), plain }
    }
}

/// As containers-registries.conf(5) finds it: the user's own file, or the system's, and the directories of pieces.
fn usual() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let own = home.map(|home| home.join(".config/containers"));
    let mut files = Vec::new();
    match own.as_ref().map(|own| own.join("registries.conf")).filter(|path| path.exists()) {
        Some(path) => files.push(path),
        None => files.push(PathBuf::from("/etc/containers/registries.conf")),
    }
    for dir in [Some(PathBuf::from("/etc/containers")), own].into_iter().flatten() {
        let entries = std::fs::read_dir(dir.join("registries.conf.d")).into_iter().flatten().flatten();
        let mut pieces: Vec<_> = entries.map(|entry| entry.path()).collect();
        pieces.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        pieces.sort();
        files.extend(pieces);
    }
    files
}

fn read(path: &Path, must_exist: bool) -> Result<Vec<Registry>, RegistryError> {
    let wrong = |why: String| RegistryError::Config { path: path.to_path_buf(), why };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if !must_exist && error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let file: File = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
    for registry in &file.registry {
        if prefix(registry).is_empty() {
            return Err(wrong("a [[registry]] has neither prefix nor location".to_owned()));
        }
    }
    Ok(file.registry)
}

fn prefix(registry: &Registry) -> &str {
    if registry.prefix.is_empty() { &registry.location } else { &registry.prefix }
}

/// A prefix ends where a part of the name ends.
fn matches(prefix: &str, full: &str) -> bool {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = full.split('/').next().unwrap_or_default();
        return domain.starts_with('.') && host.ends_with(domain);
    }
    full.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(toml: &str, name: &str) -> Result<Vec<String>, RegistryError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("registries.conf");
        std::fs::write(&path, toml).unwrap();
        let hosts = Hosts::read(Some(&path), &[])?;
        let endpoints = hosts.endpoints(&Reference::parse(name).unwrap())?;
        Ok(endpoints
            .into_iter()
            .map(|endpoint| {
                format!("{}/{}{}", endpoint.host, endpoint.repository, if endpoint.plain { " plain" } else { "" })
            })
            .collect())
    }

    #[test]
    fn mirrors_are_asked_before_the_registry() {
        let toml = r#"
            unqualified-search-registries = ["docker.io"]
            [[registry]]
            location = "docker.io"
            [[registry.mirror]]
            location = "mirror.example.com/hub"
            [[registry.mirror]]
            location = "digests.example.com"
            insecure = true
            pull-from-mirror = "digest-only"
        "#;
        assert_eq!(
            asked(toml, "busybox").unwrap(),
            ["mirror.example.com/hub/library/busybox", "registry-1.docker.io/library/busybox"]
        );
        let digest = format!("busybox@sha256:{}", "ab".repeat(32));
        assert_eq!(asked(toml, &digest).unwrap()[1], "digests.example.com/library/busybox plain");
        assert_eq!(asked(toml, "quay.io/a/b").unwrap(), ["quay.io/a/b"]);
    }

    #[test]
    fn the_longest_prefix_decides_and_ends_where_a_part_ends() {
        let toml = r#"
            [[registry]]
            prefix = "example.com/team"
            location = "other.example.com/team"
            [[registry]]
            prefix = "*.example.com"
            blocked = true
        "#;
        assert_eq!(asked(toml, "example.com/team/app").unwrap(), ["other.example.com/team/app"]);
        assert_eq!(asked(toml, "example.com/teams/app").unwrap(), ["example.com/teams/app"]);
        assert!(matches!(asked(toml, "a.example.com/app"), Err(RegistryError::Blocked(_))));
    }

    #[test]
    fn only_this_machine_is_asked_in_the_clear_without_being_told() {
        assert_eq!(asked("", "localhost:5000/a").unwrap(), ["localhost:5000/a plain"]);
        assert_eq!(asked("", "10.0.0.1:5000/a").unwrap(), ["10.0.0.1:5000/a"]);
        assert!(matches!(asked("[[registry]]\nblocked = 5", "a"), Err(RegistryError::Config { .. })));
    }
}
