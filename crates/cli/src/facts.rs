//! The facts beside the manifest that a command is given.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use ringfence_context::facts::{Facts, ImagesFile, NodeFacts};
use ringfence_runtime::seccomp::{Profile, Target, compile};
use serde::de::DeserializeOwned;

/// Where the facts come from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct FactsArgs {
    /// What images say of their user: a YAML or JSON file with `images: [{name, user, passwd, group}]`.
    #[arg(long, value_name = "FILE")]
    pub(crate) images: Option<PathBuf>,

    /// The directory of the node's seccomp profiles, to which localhostProfile is relative.
    #[arg(long, value_name = "DIR")]
    pub(crate) seccomp_root: Option<PathBuf>,
}

/// Why facts could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FactsError {
    #[error("{}: cannot read", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}:{line}:{column}: {message}", path.display())]
    Parse { path: PathBuf, line: u32, column: u32, message: String },
    #[error("{}", path.display())]
    Images {
        path: PathBuf,
        #[source]
        source: ringfence_context::facts::ImagesError,
    },
}

impl FactsArgs {
    /// Reads the facts; `node` adds those of a node.
    pub(crate) fn load(&self, node: Option<NodeFacts>) -> Result<Facts, FactsError> {
        let mut facts = Facts { node, ..Facts::default() };
        if let Some(path) = &self.images {
            let file: ImagesFile = parse(path)?;
            facts.add_images(file).map_err(|source| FactsError::Images { path: path.clone(), source })?;
        }
        if let Some(root) = &self.seccomp_root {
            facts.seccomp_profiles = Some(seccomp_profiles(root)?);
        }
        Ok(facts)
    }
}

/// Reads a YAML or JSON file of ours.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path) -> Result<T, FactsError> {
    let bytes = std::fs::read(path).map_err(|source| FactsError::Read { path: path.to_path_buf(), source })?;
    let error = |line, column, message| FactsError::Parse { path: path.to_path_buf(), line, column, message };
    let documents = ringfence_manifest::read(&bytes);
    let Some(document) = documents.first() else { return Err(error(1, 1, "the file is empty".to_owned())) };
    if let Some(wrong) = document.error() {
        return Err(error(wrong.location.line, wrong.location.column, wrong.message.clone()));
    }
    let Some(root) = document.root() else { return Err(error(1, 1, "the file is empty".to_owned())) };
    // The decoder's own errors say which key is wrong, not where; through JSON, values may be borrowed from nothing.
    let start = document.location(root.span().start);
    serde_json::from_str(&root.to_json()).map_err(|wrong| error(start.line, start.column, words(&wrong)))
}

/// The error without the place in a JSON text that nobody has seen.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// Every profile below `root`, by its path, and whether it can be used.
fn seccomp_profiles(root: &Path) -> Result<BTreeMap<String, Result<(), String>>, FactsError> {
    let read = |path: &Path, source| FactsError::Read { path: path.to_path_buf(), source };
    let mut profiles = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.map_err(|error| read(error.path().unwrap_or(root), io::Error::other(error.to_string())))?;
        if entry.file_type().is_dir() {
            continue;
        }
        let Some(name) = entry.path().strip_prefix(root).ok().and_then(Path::to_str) else { continue };
        // Where there is no launcher for this machine, any target tells whether the profile can be used.
        let target = Target::native().unwrap_or(Target::X86_64);
        let usable = std::fs::read(entry.path()).map_err(|error| error.to_string()).and_then(|json| {
            let profile = Profile::from_json(&json).map_err(|error| super::commands::chain(&error))?;
            compile(&profile, target).map_err(|error| super::commands::chain(&error))?;
            Ok(())
        });
        profiles.insert(name.to_owned(), usable);
    }
    Ok(profiles)
}
