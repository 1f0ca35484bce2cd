//! What goes wrong with registries. No secret is ever in a message, nor the query of an address, which may hold one.

use std::path::PathBuf;

use ringfence_runtime::store::{DocumentError, StoreError};

/// Why an image was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The name is none.
    #[error(transparent)]
    Name(#[from] ringfence_context::facts::ImageNameError),
    /// A configuration file is not understood.
    #[error("{}: {why}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The configuration forbids the registry.
    #[error("{0} is blocked by the configuration of registries")]
    Blocked(String),
    /// The client could not be set up.
    #[error("the client cannot be set up: {0}")]
    Setup(String),
    /// No answer came.
    #[error("{url}: {why}")]
    Connect {
        /// Who was asked.
        url: String,
        /// What happened.
        why: String,
    },
    /// Registry and client do not trust each other's certificates.
    #[error("{url}: {why}")]
    Certificate {
        /// Who was asked.
        url: String,
        /// What is wrong, and what helps.
        why: String,
    },
    /// The answer was another than expected.
    #[error("{url}: {status}{}", if said.is_empty() { String::new() } else { format!(": {said}") })]
    Status {
        /// Who was asked.
        url: String,
        /// The status.
        status: u16,
        /// What the registry said, in short.
        said: String,
        /// After how many seconds to ask again.
        retry_after: Option<u64>,
    },
    /// The registry wants to know who asks.
    #[error("{registry}: {why}")]
    Unauthorized {
        /// The registry.
        registry: String,
        /// What is missing or was refused.
        why: String,
    },
    /// A registry sends the client where it must not go.
    #[error("{from} sends to {to}, which is refused: {why}")]
    Redirect {
        /// Who sends.
        from: String,
        /// Where to.
        to: String,
        /// Why it is refused.
        why: &'static str,
    },
    /// The answer is not what was asked for.
    #[error("{url}: {why}")]
    Answer {
        /// Who answered.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A document is not what its name says.
    #[error("{url} should have the digest {wanted} and has {found}")]
    Digest {
        /// Who answered.
        url: String,
        /// The digest that was asked for.
        wanted: String,
        /// The digest that it has.
        found: String,
    },
    /// A document cannot be used.
    #[error("{url}")]
    Document {
        /// Who answered.
        url: String,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// The layers together are larger than allowed.
    #[error("its layers have {size} bytes, more than the {limit} that are allowed")]
    TooLarge {
        /// As its manifest says.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Credentials could not be had.
    #[error("credentials for {registry}: {why}")]
    Credentials {
        /// For whom.
        registry: String,
        /// Why.
        why: String,
    },
    /// No image for the platform.
    #[error("{name} is not for {wanted}; it is for {}", offered.join(", "))]
    Platform {
        /// The image.
        name: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        offered: Vec<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Box<StoreError>),
    /// Neither a mirror nor the registry gave the image; each with its reason.
    #[error("{}", .0.iter().map(|(_, error)| chain(error)).collect::<Vec<_>>().join("; and "))]
    All(Vec<(String, RegistryError)>),
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

impl RegistryError {
    /// Whether the same may go well a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether nobody could be reached, so that the image may well exist.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::All(all) => all.iter().all(|(_, error)| error.is_unreachable()),
            _ => false,
        }
    }
}
