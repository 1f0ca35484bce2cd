//! One call at a time: gRPC's frames over HTTP/2
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>).

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use prost::Message;
use tokio::net::UnixStream;

use crate::container::{
    Container, ContainerFilter, ContainerState, ContainerStateValue, ContainerStatusRequest, ContainerStatusResponse,
    ListContainersRequest, ListContainersResponse, ListPodSandboxRequest, ListPodSandboxResponse, PodSandbox,
};
use crate::error::CriError;
use crate::message::{StatusRequest, StatusResponse, VersionRequest, VersionResponse};

/// Where runtimes listen, in the order in which they are looked for.
pub const SOCKETS: [&str; 4] = [
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
];

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// The largest answer; a verbose status has some tens of kilobytes.
const LARGEST: usize = 16 << 20;

/// A container runtime at a socket.
#[derive(Debug)]
pub struct Runtime {
    path: PathBuf,
    deadline: Duration,
    events: tokio::runtime::Runtime,
}

impl Runtime {
    /// The runtime at this socket. Nothing is sent yet.
    pub fn at(path: &Path) -> Result<Self, CriError> {
        let events = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CriError::Start)?;
        Ok(Self { path: path.to_path_buf(), deadline: DEADLINE, events })
    }

    /// The same with another deadline for each answer; making a pod takes longer than answering a question.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// `RuntimeService.Version`.
    pub fn version(&self) -> Result<VersionResponse, CriError> {
        self.call("Version", &VersionRequest { version: "v1".to_owned() })
    }

    /// `RuntimeService.Status`; `verbose` adds what the runtime says of itself.
    pub fn status(&self, verbose: bool) -> Result<StatusResponse, CriError> {
        self.call("Status", &StatusRequest { verbose })
    }

    /// `RuntimeService.ListContainers`: those that run, without the sandboxes of their pods.
    pub fn running_containers(&self) -> Result<Vec<Container>, CriError> {
        let state = Some(ContainerStateValue { state: ContainerState::Running.into() });
        let filter = Some(ContainerFilter { id: String::new(), state });
        let answer: ListContainersResponse = self.call("ListContainers", &ListContainersRequest { filter })?;
        Ok(answer.containers)
    }

    /// `RuntimeService.ContainerStatus`; `verbose` adds the first process and the specification that it was made from.
    pub fn container_status(&self, id: &str, verbose: bool) -> Result<ContainerStatusResponse, CriError> {
        self.call("ContainerStatus", &ContainerStatusRequest { container_id: id.to_owned(), verbose })
    }

    /// `RuntimeService.ListPodSandbox`: all sandboxes.
    pub fn sandboxes(&self) -> Result<Vec<PodSandbox>, CriError> {
        let answer: ListPodSandboxResponse = self.call("ListPodSandbox", &ListPodSandboxRequest {})?;
        Ok(answer.items)
    }

    /// Any call of `runtime.v1.RuntimeService` that has one request and one answer.
    pub fn call<Q: Message, A: Message + Default>(&self, method: &str, request: &Q) -> Result<A, CriError> {
        let call = self.exchange(method, frame(request));
        let timeout = || CriError::Timeout { path: self.path.clone(), within: self.deadline };
        self.events.block_on(async { tokio::time::timeout(self.deadline, call).await.map_err(|_| timeout())? })
    }

    async fn exchange<A: Message + Default>(&self, method: &str, request: Bytes) -> Result<A, CriError> {
        let path = || self.path.clone();
        let protocol = |source| CriError::Protocol { path: path(), source };
        let malformed = |reason: String| CriError::Malformed { method: method.to_owned(), reason };
        let stream = UnixStream::connect(&self.path).await;
        let stream = stream.map_err(|source| CriError::Connect { path: path(), source })?;
        let (client, connection) = h2::client::handshake(stream).await.map_err(protocol)?;
        // The task ends when the connection is dropped with the runtime, or is closed by the other side.
        let connection = tokio::spawn(connection);
        let head = Request::post(format!("http://localhost/runtime.v1.RuntimeService/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|error| malformed(error.to_string()))?;
        let mut client = client.ready().await.map_err(protocol)?;
        let (answer, mut body) = client.send_request(head, false).map_err(protocol)?;
        body.send_data(request, true).map_err(protocol)?;
        let answer = answer.await.map_err(protocol)?;
        let (parts, mut body) = answer.into_parts();
        let mut bytes = Vec::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(protocol)?;
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LARGEST {
                return Err(malformed(format!("more than {} MiB", LARGEST >> 20)));
            }
            body.flow_control().release_capacity(chunk.len()).map_err(protocol)?;
        }
        // An answer without a body has its status among the headers.
        let trailers = body.trailers().await.map_err(protocol)?.unwrap_or(parts.headers);
        connection.abort();
        refused(method, &trailers)?;
        unframe(&bytes).map_err(malformed)
    }
}

/// A message behind its flag (not compressed) and length.
fn frame(message: &impl Message) -> Bytes {
    let body = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend_from_slice(&(body.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes.into()
}

fn unframe<A: Message + Default>(bytes: &[u8]) -> Result<A, String> {
    let Some(([flag, a, b, c, d], body)) = bytes.split_first_chunk() else { return Err("it is too short".to_owned()) };
    let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
    if *flag != 0 {
        return Err("it is compressed, which was not asked for".to_owned());
    }
    if body.len() != length {
        return Err(format!("it has {} bytes and says {length}", body.len()));
    }
    A::decode(body).map_err(|error| error.to_string())
}

fn refused(method: &str, trailers: &HeaderMap) -> Result<(), CriError> {
    let text = |key: &str| trailers.get(key).and_then(|value| value.to_str().ok()).map(str::to_owned);
    match text("grpc-status") {
        Some(code) if code == "0" => Ok(()),
        code => Err(CriError::Refused {
            method: method.to_owned(),
            code: code.unwrap_or_else(|| "missing".to_owned()),
            message: text("grpc-message").unwrap_or_default(),
        }),
    }
}
