//! Credential helpers: `docker-credential-NAME get`, the server on standard input, JSON on standard output
//! (docker-credential-helpers, `client`).

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::RegistryError;
use super::credentials::{Credentials, Secret};

/// An answer is not larger than this.
const MAX_ANSWER: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: Secret,
}

/// Asks the helper. `None` when it knows nothing of the server.
pub(crate) fn get(name: &str, server: &str) -> Result<Option<Credentials>, RegistryError> {
    let wrong = |why: String| RegistryError::Credentials { registry: server.to_owned(), why };
    if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')) {
        return Err(wrong(format!("{name:?} is no credential helper's name")));
    }
    let program = format!("docker-credential-{name}");
    let failed = |error: std::io::Error| wrong(format!("{program}: {error}"));
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that answers without reading has closed it.
        let _ = stdin.write_all(server.as_bytes());
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER).read_to_end(&mut answer).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        let said = String::from_utf8_lossy(&answer);
        // The protocol has no other sign.
        if said.contains("credentials not found") {
            return Ok(None);
        }
        return Err(wrong(format!("{program} failed ({status})")));
    }
    // Its words may quote the secret.
    let answer: Answer = serde_json::from_slice(&answer)
        .map_err(|_| wrong(format!("{program} did not answer with Username and Secret")))?;
    if answer.secret.expose().is_empty() {
        return Ok(None);
    }
    Ok(Some(match &*answer.username {
        "<token>" => Credentials::Identity(answer.secret),
        _ => Credentials::Password { user: answer.username, password: answer.secret },
    }))
}
