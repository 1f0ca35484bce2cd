//! Who asks: the credential files of docker (`config.json`) and of podman, skopeo and buildah
//! (containers-auth.json(5)), and the helpers that they name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::RegistryError;
use super::helper;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What a registry is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A name and a password.
    Password { user: String, password: Secret },
    /// A token for which the token server gives others.
    Identity(Secret),
}

impl Credentials {
    /// For `Authorization: Basic`.
    pub(crate) fn basic(&self) -> Option<Secret> {
        match self {
            Self::Password { user, password } => {
                Some(Secret::new(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))))
            }
            Self::Identity(_) => None,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
    identitytoken: Option<Secret>,
}

/// Docker Hub is called otherwise in these files.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The files, in the order in which they are asked.
pub(crate) fn files() -> Vec<PathBuf> {
    let dir = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = dir("HOME");
    let mut files = Vec::new();
    if let Some(file) = dir("REGISTRY_AUTH_FILE") {
        files.push(file);
    } else {
        files.extend(dir("XDG_RUNTIME_DIR").map(|runtime| runtime.join("containers/auth.json")));
        let config = dir("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        files.extend(config.map(|config| config.join("containers/auth.json")));
    }
    let docker = dir("DOCKER_CONFIG").or_else(|| Some(home?.join(".docker")));
    files.extend(docker.map(|docker| docker.join("config.json")));
    files
}

/// The credentials for a registry, or for a repository of it when a file tells them apart.
pub(crate) fn find(files: &[PathBuf], registry: &str, repository: &str) -> Result<Option<Credentials>, RegistryError> {
    for path in files {
        let Some(file) = read(path)? else { continue };
        let server = if is_docker_hub(registry) { DOCKER_HUB } else { registry };
        let listed = |key: &str| file.cred_helpers.get(key);
        if let Some(name) = listed(registry).or_else(|| is_docker_hub(registry).then(|| listed("docker.io"))?) {
            if let Some(found) = helper::get(name, server)? {
                return Ok(Some(found));
            }
            continue;
        }
        if let Some(name) = &file.creds_store
            && let Some(found) = helper::get(name, server)?
        {
            return Ok(Some(found));
        }
        for key in keys(registry, repository) {
            let entry = file.auths.iter().find(|(known, _)| is_key(known, &key));
            if let Some(found) = entry.map(|(_, entry)| credentials(entry, path, registry)).transpose()?.flatten() {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

fn is_docker_hub(registry: &str) -> bool {
    matches!(registry, "docker.io" | "index.docker.io" | "registry-1.docker.io")
}

fn read(path: &Path) -> Result<Option<File>, RegistryError> {
    let wrong = |why: String| RegistryError::Config { path: path.to_path_buf(), why };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(wrong(error.to_string())),
    };
    // serde's words may quote the value, and here values are secrets.
    let place = |error: serde_json::Error| format!("line {}: not the JSON of a credential file", error.line());
    serde_json::from_slice(&bytes).map(Some).map_err(|error| wrong(place(error)))
}

/// `example.com/a/b`, `example.com/a`, `example.com`: the most special first.
fn keys(registry: &str, repository: &str) -> Vec<String> {
    let registry = if is_docker_hub(registry) { "docker.io" } else { registry };
    let mut key = format!("{registry}/{repository}");
    let mut keys = vec![key.clone()];
    while let Some((above, _)) = key.rsplit_once('/') {
        key = above.to_owned();
        keys.push(key.clone());
    }
    keys
}

/// Old files have addresses as keys.
fn is_key(known: &str, key: &str) -> bool {
    let host = known.strip_prefix("https://").or_else(|| known.strip_prefix("http://"));
    match host {
        None => known == key || key == "docker.io" && is_docker_hub(known),
        Some(rest) => {
            let host = rest.split('/').next().unwrap_or_default();
            host == key || key == "docker.io" && is_docker_hub(host)
        }
    }
}

fn credentials(entry: &Entry, path: &Path, registry: &str) -> Result<Option<Credentials>, RegistryError> {
    if let Some(token) = entry.identitytoken.as_ref().filter(|token| !token.expose().is_empty()) {
        return Ok(Some(Credentials::Identity(token.clone())));
    }
    if let Some(auth) = entry.auth.as_ref().filter(|auth| !auth.expose().is_empty()) {
        let wrong = || RegistryError::Config {
            path: path.to_path_buf(),
            why: format!("auth of {registry} is not a name, a colon and a password in base64"),
        };
        let plain = STANDARD.decode(auth.expose().trim()).map_err(|_| wrong())?;
        let plain = String::from_utf8(plain).map_err(|_| wrong())?;
        let (user, password) = plain.split_once(':').ok_or_else(wrong)?;
        let password = Secret::new(password.trim_end_matches('\0').to_owned());
        return Ok(Some(Credentials::Password { user: user.to_owned(), password }));
    }
    let user = entry.username.clone().filter(|user| !user.is_empty());
    Ok(user.zip(entry.password.clone()).map(|(user, password)| Credentials::Password { user, password }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, registry: &str, repository: &str) -> Option<(String, String)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        match find(&[dir.path().join("none"), path], registry, repository).unwrap()? {
            Credentials::Password { user, password } => Some((user, password.expose().to_owned())),
            Credentials::Identity(token) => Some(("<token>".to_owned(), token.expose().to_owned())),
        }
    }

    fn own(a: &str, b: &str) -> (String, String) {
        (a.to_owned(), b.to_owned())
    }

    #[test]
    fn the_most_special_entry_wins() {
        // a:1 and b:2
        let json = r#"{"auths": {"example.com": {"auth": "YTox"}, "example.com/team": {"auth": "Yjoy"}}}"#;
        assert_eq!(found(json, "example.com", "other/x"), Some(own("a", "1")));
        assert_eq!(found(json, "example.com", "team/x"), Some(own("b", "2")));
        assert_eq!(found(json, "example.com:5000", "team/x"), None);
        assert_eq!(found(json, "evil-example.com", "team/x"), None);
    }

    #[test]
    fn docker_hub_has_its_old_address() {
        let json = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YTox"}}}"#;
        assert_eq!(found(json, "docker.io", "library/x"), Some(own("a", "1")));
        let json = r#"{"auths": {"docker.io": {"identitytoken": "t"}}}"#;
        assert_eq!(found(json, "docker.io", "library/x"), Some(own("<token>", "t")));
    }

    #[test]
    fn a_file_that_is_not_understood_is_said_so_without_its_contents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.json");
        for text in
            [r#"{"auths": {"x": {"auth": 5, "password": "hunter2"}}}"#, r#"{"auths": {"x": {"auth": "hunter2"}}}"#]
        {
            std::fs::write(&path, text).unwrap();
            let error = find(std::slice::from_ref(&path), "x", "y").unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "…");
    }
}
