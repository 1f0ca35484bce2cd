//! What a server is told.

use crate::otel::Traces;
use std::net::SocketAddr;
use std::time::Duration;

/// What to do with a request that cannot be judged, such as before the cluster is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fail {
    /// Refuse it.
    #[default]
    Closed,
    /// Let it through, with a warning and an audit annotation.
    Open,
}

impl Fail {
    /// `closed` or `open`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
        }
    }
}

/// How much callers may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at one time. From three quarters of it on, idle ones are closed.
    pub connections: usize,
    /// Bytes of one body; a body of this size is already too large, as it is for the reference.
    pub body: usize,
    /// Bytes of all bodies that are held at one time.
    pub bodies: usize,
    /// Time from a connection's start, or a request's first byte, to the end of its header.
    pub header: Duration,
    /// Time for a body to arrive.
    pub body_time: Duration,
    /// Time without a request after which a connection is closed.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            body: 3 << 20,
            bodies: 64 << 20,
            header: Duration::from_secs(10),
            body_time: Duration::from_secs(15),
            // Longer than the API server keeps idle connections, so that it is never us who closes one in use.
            idle: Duration::from_mins(3),
        }
    }
}

/// What a server is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What to do with what cannot be judged.
    pub fail: Fail,
    /// Whether to refuse nothing, and only say and count what would be refused.
    pub advisory: bool,
    /// How much callers may take.
    pub limits: Limits,
    /// How long to go on serving after being told to end, with `/readyz` failing, so that everybody stops asking.
    pub drain_delay: Duration,
    /// How long requests that are under way may then take.
    pub drain_timeout: Duration,
    /// Where traces are sent, if anywhere.
    pub traces: Option<Traces>,
}
