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
    let path = match namespace {
        // A name that is none would lead elsewhere.
        Some(namespace) if namespace.is_empty() || namespace.contains(['/', '.', '?', '#', '%']) => return None,
        Some(namespace) => format!("{}/namespaces/{namespace}/{}", resource.group_path(), resource.plural),
        None => resource.path(),
    };
    let request = Request::new(path).get(name, &GetParams::default()).ok()?;
    tokio::time::timeout(within, client.request(request)).await.ok()?.ok()
}
