//! How Pod Security is set up on the cluster.

use std::path::{Path, PathBuf};

use ringfence_admission::pod_security::{ConfigError, PodSecurity, PodSecurityConfiguration};
use ringfence_manifest::Document;
use ringfence_pss::Version;

use crate::input::{Entry, InputError};

/// The configuration of Pod Security.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PodSecurityArgs {
    /// The API server's PodSecurityConfiguration, alone or in an AdmissionConfiguration. Otherwise only namespaces'
    /// labels count, as on a cluster without one.
    #[arg(long, value_name = "FILE")]
    pod_security_config: Option<PathBuf>,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PodSecurityError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("{name}:{line}:{column}: {message}")]
    Syntax { name: String, line: u32, column: u32, message: String },
    #[error("{name}: has no document")]
    Empty { name: String },
    #[error("{name}")]
    Invalid {
        name: String,
        #[source]
        source: ConfigError,
    },
}

impl PodSecurityArgs {
    /// Whether there is a configuration.
    pub(crate) fn is_given(&self) -> bool {
        self.pod_security_config.is_some()
    }

    /// Reads the configuration. `newest` is what `latest` means.
    pub(crate) fn load(&self, newest: Option<Version>) -> Result<PodSecurity, PodSecurityError> {
        let pod_security = self.pod_security_config.as_deref().map(read).transpose()?.unwrap_or_default();
        Ok(match newest {
            Some(version) => pod_security.with_latest(version),
            None => pod_security,
        })
    }
}

/// The plug-in with the configuration in a file.
pub(crate) fn read(path: &Path) -> Result<PodSecurity, PodSecurityError> {
    let (name, value) = document(path)?;
    let invalid = |source| PodSecurityError::Invalid { name: name.clone(), source };
    PodSecurity::new(PodSecurityConfiguration::read(&value).map_err(invalid)?).map_err(invalid)
}

/// The configuration in a file, as JSON, once it is known to be one.
pub(crate) fn json(path: &Path) -> Result<serde_json::Value, PodSecurityError> {
    read(path)?;
    document(path).map(|(_, value)| value)
}

fn document(path: &Path) -> Result<(String, serde_json::Value), PodSecurityError> {
    let entry = Entry::File(path.to_path_buf());
    let (name, bytes) = (entry.name(), entry.read()?);
    let documents = ringfence_manifest::read(&bytes);
    if let Some(error) = documents.iter().find_map(Document::error) {
        let (at, message) = (error.location, error.message.clone());
        return Err(PodSecurityError::Syntax { name, line: at.line, column: at.column, message });
    }
    let Some(root) = documents.iter().find_map(Document::root) else {
        return Err(PodSecurityError::Empty { name });
    };
    let value = serde_json::to_value(root).unwrap_or_default();
    Ok((name, value))
}
