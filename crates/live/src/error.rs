//! Why a cluster cannot be reached, or a kind not be listed.

use kube::{client::AuthError, core::Status};
use std::{error::Error, fmt, io, path::PathBuf};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No kubeconfig was named and there is none where kubectl looks.
    #[error("no kubeconfig: {} does not exist; name one with --kubeconfig or KUBECONFIG", path.display())]
    NoKubeconfig {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is no home directory to look in.
    #[error("no kubeconfig: there is no home directory to look in; name one with --kubeconfig or KUBECONFIG")]
    NoHome,
    /// The kubeconfig cannot be read.
    #[error("cannot read the kubeconfig {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file of the token cannot be read, or has none.
    #[error("cannot read the token {}", path.display())]
    Token {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kubeconfig has no such context.
    #[error("the kubeconfig has no context {name:?}{}", Known(known))]
    NoContext {
        /// The context that was asked for, or that is the current one.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// No context was named and the kubeconfig says none.
    #[error("the kubeconfig has no current context; name one with --context{}", Known(known))]
    NoCurrentContext {
        /// Those that there are.
        known: Vec<String>,
    },
    /// The kubeconfig is wrong in some other way.
    #[error("cannot use the kubeconfig: {message}")]
    Kubeconfig {
        /// What is wrong.
        message: String,
    },
    /// The client cannot be set up: certificates or credentials are not what they should be.
    #[error("cannot set up the connection to {server}: {message}")]
    Client {
        /// The URL of the API server.
        server: String,
        /// What is wrong.
        message: String,
    },
    /// A program would have to be started for credentials, by who must start none.
    #[error("the kubeconfig starts a program for credentials, which a server that is shut in cannot do")]
    Plugin,
    /// The credential plug-in that the kubeconfig names gave no credentials.
    #[error("cannot set up the connection to {server}: the credential plug-in {command:?} {message}")]
    FailedPlugin {
        /// The URL of the API server.
        server: String,
        /// The program.
        command: String,
        /// What is wrong.
        message: String,
    },
    /// The runtime cannot be started.
    #[error("cannot start the event loop")]
    Runtime(#[source] io::Error),
}

impl ConnectError {
    pub(crate) fn client(server: &str, plug_in: &str, error: &kube::Error) -> Self {
        let (server, command) = (server.to_owned(), plug_in.to_owned());
        let message = match error {
            kube::Error::Auth(AuthError::AuthExecStart(error)) => format!("cannot be started: {error}"),
            // Its standard output may be a secret, even then.
            kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
                let words = String::from_utf8_lossy(&out.stderr);
                format!("failed with {}: {}", out.status, words.trim().lines().next_back().unwrap_or("it says nothing"))
            }
            kube::Error::Auth(AuthError::AuthExecParse(_)) => "printed no credentials".to_owned(),
            error => return Self::Client { server, message: innermost(error) },
        };
        Self::FailedPlugin { server, command, message }
    }
}

struct Known<'k>(&'k [String]);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("; it has none"),
            names => write!(f, "; it has {}", names.join(", ")),
        }
    }
}

/// Why a kind was not listed, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// No answer. Asking for another kind would not help.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// The URL of the API server.
        server: String,
        /// The innermost cause.
        reason: String,
    },
    /// The server does not know who asks. Asking for another kind would not help.
    #[error("{server} does not accept the credentials: {message}")]
    Unauthorized {
        /// The URL of the API server.
        server: String,
        /// The server's words.
        message: String,
    },
    /// Whoever asks may not list this kind.
    #[error("may not list {resource}: {message}")]
    Forbidden {
        /// The kind.
        resource: String,
        /// The server's words.
        message: String,
    },
    /// The server has no such kind.
    #[error("the server has no {resource}")]
    Absent {
        /// The kind.
        resource: String,
    },
    /// The list changed faster than it could be read, again and again.
    #[error("cannot list {resource}: the list expired {times} times before it was read to its end")]
    Expired {
        /// The kind.
        resource: String,
        /// How often.
        times: usize,
    },
    /// The list expired, and its order is not one in which it could be taken up again.
    #[error("cannot list {resource}: the list expired, and the server gives it in no order")]
    Unordered {
        /// The kind.
        resource: String,
    },
    /// The server failed.
    #[error("cannot list {resource}: {message} ({code})")]
    Server {
        /// The kind.
        resource: String,
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// What the server sent is no list.
    #[error("cannot list {resource}: the answer is not a list of Kubernetes objects: {reason}")]
    Malformed {
        /// The kind.
        resource: String,
        /// What is wrong.
        reason: String,
    },
}

impl ListError {
    /// Whether other kinds will meet with the same.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unauthorized { .. })
    }

    /// From a failed request.
    pub(crate) fn new(error: kube::Error, server: &str, resource: &dyn fmt::Display) -> Self {
        let (server, resource) = (server.to_owned(), resource.to_string());
        match error {
            kube::Error::Api(status) => {
                let message = words(&status);
                match status.code {
                    401 => Self::Unauthorized { server, message },
                    403 => Self::Forbidden { resource, message },
                    404 => Self::Absent { resource },
                    code => Self::Server { resource, code, message },
                }
            }
            kube::Error::SerdeError(error) => Self::Malformed { resource, reason: error.to_string() },
            kube::Error::FromUtf8(error) => Self::Malformed { resource, reason: error.to_string() },
            error => Self::Unreachable { server, reason: innermost(&error) },
        }
    }
}

/// The first line of what the server says, which may be a proxy's page, and not too much of it.
fn words(status: &Status) -> String {
    let line = status.message.lines().next().unwrap_or_default();
    if line.is_empty() { "no reason given".to_owned() } else { line.chars().take(300).collect() }
}

/// The errors of the layers between say no more than that the one below failed.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
