//! Single objects: read, applied, replaced and deleted. What is written, and by whom, is the caller's choice.

use crate::connect::Cluster;
use crate::error::innermost;
use crate::resource::Resource;
use http::header::DATE;
use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use kube::Client;
use kube::api::{DeleteParams, GetParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::core::Request;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// How long one answer may take; webhooks that have to be asked first may take 30 seconds each.
const PATIENCE: Duration = Duration::from_mins(1);

/// An object's place in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place<'p> {
    /// Its kind.
    pub resource: Resource<'p>,
    /// Its namespace, if it is in one.
    pub namespace: Option<&'p str>,
    /// Its name.
    pub name: &'p str,
}

impl Place<'_> {
    pub(crate) fn collection(&self) -> Result<String, String> {
        // A name that is none would lead elsewhere.
        for part in self.namespace.into_iter().chain([self.name]) {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
            if part.is_empty() || part.len() > 253 || !part.bytes().all(fits) || part.starts_with(['.', '-']) {
                return Err(format!("{part:?} is no name of an object"));
            }
        }
        Ok(self.namespace.map_or_else(|| self.resource.path(), |namespace| self.resource.path_in(namespace)))
    }
}

/// As kubectl prints it: `deployments.apps/web`.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource, self.name)
    }
}

/// Why an object could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {place}: {message}")]
pub struct ChangeError {
    /// `get`, `apply`, `update` or `delete`.
    pub verb: &'static str,
    /// Which object.
    pub place: String,
    /// The HTTP status; none if there was no answer.
    pub code: Option<u16>,
    /// The server's words, or why there was no answer.
    pub message: String,
}

/// How an object is applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Apply<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// Whether fields of other managers are taken over.
    pub force: bool,
    /// Whether the server only says what would be.
    pub dry_run: bool,
}

/// The object; `None` if there is none, or no such kind.
pub async fn read(client: &Client, place: Place<'_>) -> Result<Option<Value>, ChangeError> {
    let request = |path: &str| Request::new(path).get(place.name, &GetParams::default());
    match send(client, "get", place, request).await {
        Ok(object) => Ok(Some(object)),
        Err(ChangeError { code: Some(404), .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same, and what the server's clock said: its `Date`, to the second. None if it does not say.
pub async fn read_at(client: &Client, place: Place<'_>) -> Result<(Option<Value>, Option<Timestamp>), ChangeError> {
    let failed = |code, message| ChangeError { verb: "get", place: place.to_string(), code, message };
    let path = place.collection().map_err(|message| failed(None, message))?;
    let request = Request::new(path).get(place.name, &GetParams::default());
    let request = request.map_err(|error| failed(None, innermost(&error)))?.map(Body::from);
    let asked = async {
        let response = client.send(request).await?;
        let (head, body) = response.into_parts();
        Ok::<_, kube::Error>((head, body.collect_bytes().await?))
    };
    let (head, bytes) = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error| failed(None, innermost(&error)))?,
        Err(_) => return Err(failed(None, format!("no answer within {PATIENCE:?}"))),
    };
    let date = head.headers.get(DATE).and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    let object = serde_json::from_slice::<Value>(&bytes);
    match (head.status.as_u16(), object) {
        (200..300, Ok(object)) => Ok((Some(object), date)),
        (404, _) => Ok((None, date)),
        (code @ 200..300, Err(error)) => Err(failed(Some(code), error.to_string())),
        (code, object) => {
            let words = object.as_ref().ok().and_then(|status| status["message"].as_str()).unwrap_or("no reason given");
            Err(failed(Some(code), words.chars().take(1000).collect()))
        }
    }
}

/// Server-side apply.
pub async fn apply(client: &Client, place: Place<'_>, object: &Value, how: Apply<'_>) -> Result<Value, ChangeError> {
    let parameters = PatchParams { dry_run: how.dry_run, force: how.force, ..PatchParams::apply(how.manager) };
    send(client, "apply", place, |path| Request::new(path).patch(place.name, &parameters, &Patch::Apply(object))).await
}

/// Replaces the object, if it is still what its `metadata.resourceVersion` says.
pub async fn replace(client: &Client, place: Place<'_>, object: &Value, manager: &str) -> Result<Value, ChangeError> {
    let parameters = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
    let bytes = object.to_string().into_bytes();
    send(client, "update", place, |path| Request::new(path).replace(place.name, &parameters, bytes)).await
}

/// Deletes the object and what it owns. Whether there was one.
pub async fn delete(client: &Client, place: Place<'_>, dry_run: bool) -> Result<bool, ChangeError> {
    let parameters = DeleteParams { dry_run, ..DeleteParams::background() };
    match send(client, "delete", place, |path| Request::new(path).delete(place.name, &parameters)).await {
        Ok(_) => Ok(true),
        Err(ChangeError { code: Some(404), .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn send(
    client: &Client,
    verb: &'static str,
    place: Place<'_>,
    request: impl FnOnce(&str) -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<Value, ChangeError> {
    let failed = |code, message: String| ChangeError { verb, place: place.to_string(), code, message };
    let path = place.collection().map_err(|message| failed(None, message))?;
    let request = request(&path).map_err(|error| failed(None, innermost(&error)))?;
    match tokio::time::timeout(PATIENCE, client.request(request)).await {
        Ok(Ok(object)) => Ok(object),
        Ok(Err(kube::Error::Api(status))) => {
            let message = status.message.chars().take(1000).collect();
            Err(failed(Some(status.code), message))
        }
        Ok(Err(error)) => Err(failed(None, innermost(&error))),
        Err(_) => Err(failed(None, format!("no answer within {PATIENCE:?}"))),
    }
}

impl Cluster {
    /// The object; `None` if there is none, or no such kind.
    pub fn read(&self, place: Place<'_>) -> Result<Option<Value>, ChangeError> {
        self.runtime.block_on(read(&self.client, place))
    }

    /// Server-side apply.
    pub fn apply(&self, place: Place<'_>, object: &Value, how: Apply<'_>) -> Result<Value, ChangeError> {
        self.runtime.block_on(apply(&self.client, place, object, how))
    }

    /// Deletes the object and what it owns. Whether there was one.
    pub fn delete(&self, place: Place<'_>, dry_run: bool) -> Result<bool, ChangeError> {
        self.runtime.block_on(delete(&self.client, place, dry_run))
    }

    /// The API groups that the cluster has, but for the core group.
    pub fn groups(&self) -> Result<Vec<String>, ChangeError> {
        let failed = |code, message| ChangeError { verb: "list", place: "API groups".to_owned(), code, message };
        let asked = async { tokio::time::timeout(PATIENCE, self.client.list_api_groups()).await };
        match self.runtime.block_on(asked) {
            Ok(Ok(list)) => Ok(list.groups.into_iter().map(|group| group.name).collect()),
            Ok(Err(kube::Error::Api(status))) => Err(failed(Some(status.code), status.message.clone())),
            Ok(Err(error)) => Err(failed(None, innermost(&error))),
            Err(_) => Err(failed(None, format!("no answer within {PATIENCE:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        let resource = Resource { api_version: "v1", plural: "secrets", kind: "Secret" };
        let path = |namespace, name| Place { resource, namespace: Some(namespace), name }.collection();
        assert_eq!(path("a", "b.c-d").as_deref(), Ok("/api/v1/namespaces/a/secrets"));
        for bad in ["", "..", "a/b", "a?b", "%2e", "A"] {
            assert!(path(bad, "b").is_err() && path("a", bad).is_err(), "{bad}");
        }
    }
}
