//! Plain requests, and the whole of what is answered.

use http::{Method, Request};
use kube::{
    Config,
    client::Body,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;
use std::path::Path;
use tokio::runtime::Runtime;

/// Somebody who asks an API server.
pub struct Client {
    runtime: Runtime,
    client: kube::Client,
}

/// What an API server answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub code: u16,
    /// What it sends: an object, or a `Status`; null where that is no JSON.
    pub body: Value,
    /// What it warns of, as kubectl prints it after `Warning:`.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// The current context of a kubeconfig.
    pub fn new(kubeconfig: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let options = KubeConfigOptions::default();
        let config = runtime.block_on(Config::from_custom_kubeconfig(kubeconfig, &options)).unwrap();
        let client = {
            // The client's buffer is a task of the runtime.
            let _entered = runtime.enter();
            kube::Client::try_from(config).unwrap()
        };
        Self { runtime, client }
    }

    /// Asks for a path; an error if there is no answer.
    pub fn try_get(&self, path: &str) -> Result<Answer, kube::Error> {
        self.send(Method::GET, path, &[], None)
    }

    /// Asks for a path.
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap()
    }

    /// Creates an object in a collection.
    pub fn post(&self, path: &str, object: &Value) -> Answer {
        self.send(Method::POST, path, &[], Some(object)).unwrap()
    }

    /// The same on behalf of somebody else, who is in these groups.
    pub fn post_as(&self, user: &str, groups: &[&str], path: &str, object: &Value) -> Answer {
        let who = [("impersonate-user", user)].into_iter();
        let headers: Vec<_> = who.chain(groups.iter().map(|group| ("impersonate-group", *group))).collect();
        self.send(Method::POST, path, &headers, Some(object)).unwrap()
    }

    /// Replaces an object.
    pub fn put(&self, path: &str, object: &Value) -> Answer {
        self.send(Method::PUT, path, &[], Some(object)).unwrap()
    }

    /// Changes an object by a merge patch.
    pub fn patch(&self, path: &str, change: &Value) -> Answer {
        self.send(Method::PATCH, path, &[("content-type", "application/merge-patch+json")], Some(change)).unwrap()
    }

    /// Applies a configuration on the server's side, as the field manager that the path's query names.
    pub fn apply(&self, path: &str, configuration: &Value) -> Answer {
        self.send(Method::PATCH, path, &[("content-type", "application/apply-patch+yaml")], Some(configuration))
            .unwrap()
    }

    /// Deletes an object.
    pub fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], None).unwrap()
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        object: Option<&Value>,
    ) -> Result<Answer, kube::Error> {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = object.map(|object| object.to_string().into_bytes()).unwrap_or_default();
        self.runtime.block_on(async {
            let response = self.client.send(request.body(Body::from(body)).unwrap()).await?;
            let code = response.status().as_u16();
            let warnings = response.headers().get_all("warning").iter();
            let warnings = warnings.map(|header| words(header.to_str().unwrap_or_default())).collect();
            let bytes = response.into_body().collect_bytes().await?;
            Ok(Answer { code, body: serde_json::from_slice(&bytes).unwrap_or_default(), warnings })
        })
    }
}

/// The text of a warning: `299 - "text"`, in which quotes and backslashes have a backslash before them.
fn words(header: &str) -> String {
    let quoted = header.split_once('"').map_or("", |(_, rest)| rest.strip_suffix('"').unwrap_or(rest));
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_warning_is_read_as_it_was_meant() {
        assert_eq!(super::words(r#"299 - "would violate \"restricted\" \\""#), r#"would violate "restricted" \"#);
    }
}
