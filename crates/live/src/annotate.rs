//! A Node: reading it, and setting one annotation of it.

use kube::api::{GetParams, Patch, PatchParams};
use kube::core::Request;
use serde_json::{Value, json};

use crate::connect::{Cluster, Target, client};
use crate::error::{ConnectError, innermost};

/// Why a Node could not be read or annotated.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The name is none that a Node can have.
    #[error("{0:?} is no name of a node")]
    Name(String),
    /// The request failed.
    #[error("cannot {verb} node {name}: {message}")]
    Request {
        /// `get` or `patch`, as a role names it.
        verb: &'static str,
        /// The node.
        name: String,
        /// The server's words, or why there was no answer.
        message: String,
    },
}

impl Cluster {
    /// As [`Cluster::connect`]; but within a pod, and where nothing else is named, the pod's own cluster.
    pub fn connect_from_within(target: &Target) -> Result<Self, ConnectError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ConnectError::Runtime)?;
        let (client, server) = runtime.block_on(client(target))?;
        let namespace = client.default_namespace().to_owned();
        Ok(Self { runtime, client, server, namespace })
    }

    /// The Node of this name.
    pub fn node(&self, name: &str) -> Result<Value, NodeError> {
        check(name)?;
        let request = Request::new("/api/v1/nodes").get(name, &GetParams::default());
        self.send("get", name, request.map_err(kube::Error::BuildRequest))
    }

    /// Sets an annotation of the Node, and nothing else.
    pub fn annotate_node(&self, name: &str, annotation: &str, value: &str) -> Result<(), NodeError> {
        check(name)?;
        let patch = Patch::Merge(json!({"metadata": {"annotations": {annotation: value}}}));
        let request = Request::new("/api/v1/nodes").patch(name, &PatchParams::default(), &patch);
        self.send("patch", name, request.map_err(kube::Error::BuildRequest)).map(drop)
    }

    fn send(
        &self,
        verb: &'static str,
        name: &str,
        request: Result<http::Request<Vec<u8>>, kube::Error>,
    ) -> Result<Value, NodeError> {
        let failed = |message: String| NodeError::Request { verb, name: name.to_owned(), message };
        let request = request.map_err(|error| failed(innermost(&error)))?;
        let within = std::time::Duration::from_secs(30);
        let answer = self.runtime.block_on(async { tokio::time::timeout(within, self.client.request(request)).await });
        match answer {
            Ok(Ok(node)) => Ok(node),
            Ok(Err(kube::Error::Api(status))) => {
                Err(failed(status.message.lines().next().unwrap_or_default().chars().take(300).collect()))
            }
            Ok(Err(error)) => Err(failed(innermost(&error))),
            Err(_) => Err(failed(format!("no answer within {within:?}"))),
        }
    }
}

/// A name goes into a path, where another would lead elsewhere.
fn check(name: &str) -> Result<(), NodeError> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let good = !name.is_empty() && name.len() <= 253 && name.bytes().all(fits) && !name.starts_with(['.', '-']);
    if good { Ok(()) } else { Err(NodeError::Name(name.to_owned())) }
}
