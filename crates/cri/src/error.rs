//! Why the runtime gave no answer.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why the runtime gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CriError {
    /// There is nobody at the socket, or it may not be opened.
    #[error("{}: cannot connect", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is at the socket does not speak HTTP/2.
    #[error("{}: does not answer as a container runtime", path.display())]
    Protocol {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: h2::Error,
    },
    /// The runtime refused the call.
    #[error("{method}: status {code}: {message}")]
    Refused {
        /// The call.
        method: String,
        /// The gRPC status.
        code: String,
        /// The runtime's words.
        message: String,
    },
    /// The answer is not what the call has.
    #[error("{method}: the answer is not understood: {reason}")]
    Malformed {
        /// The call.
        method: String,
        /// What is wrong.
        reason: String,
    },
    /// There was no answer in time.
    #[error("{}: no answer within {within:?}", path.display())]
    Timeout {
        /// The socket.
        path: PathBuf,
        /// How long it was waited for.
        within: Duration,
    },
    /// The event loop could not be started.
    #[error("cannot start the event loop")]
    Start(#[source] io::Error),
}
