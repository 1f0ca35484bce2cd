//! One object.

use crate::resource::Resource;
use kube::{Client, api::GetParams, core::Request};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Asks for an object, of that namespace if it is in one. `None` if there is none, or it is not to be had in that time.
pub async fn get<T: DeserializeOwned>(
    client: &Client,
    resource: Resource<'_>,
    namespace: Option<&str>,
    name: &str,
    within: Duration,
) -> Option<T> {
    get_or_why(client, resource, namespace, name, within).await.ok()
}

/// Why an object is not to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHad {
    /// There is none.
    #[error("there is none")]
    None,
    /// The server refuses, for this reason.
    #[error("{0}")]
    Refused(String),
    /// The server did not answer, or not in time, or nothing that is understood.
    #[error("the API server did not answer")]
    Unanswered,
}

/// The same, and why there is none.
pub async fn get_or_why<T: DeserializeOwned>(
    client: &Client,
    resource: Resource<'_>,
    namespace: Option<&str>,
    name: &str,
    within: Duration,
) -> Result<T, NotHad> {
    let path = match namespace {
        // A name that is none would lead elsewhere.
        Some(namespace) if namespace.is_empty() || namespace.contains(['/', '.', '?', '#', '%']) => {
            return Err(NotHad::None);
        }
        Some(namespace) => format!("{}/namespaces/{namespace}/{}", resource.group_path(), resource.plural),
        None => resource.path(),
    };
    let request = Request::new(path).get(name, &GetParams::default()).map_err(|_| NotHad::None)?;
    match tokio::time::timeout(within, client.request(request)).await {
        Ok(Ok(object)) => Ok(object),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(NotHad::None),
        Ok(Err(kube::Error::Api(status))) => Err(NotHad::Refused(status.message)),
        Ok(Err(_)) | Err(_) => Err(NotHad::Unanswered),
    }
}
