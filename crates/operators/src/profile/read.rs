//! From the bytes of a profile file to a profile.

use ringfence_manifest::{Document, Node};

use super::{Compiled, OperatorProfile};
use crate::Version;

/// An operator, ready to derive from.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) raw: OperatorProfile,
    pub(crate) compiled: Compiled,
    text: String,
}

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {field}: {message}")]
pub struct ProfileError {
    /// From 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// The field, from the root of the file.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// Something wrong at a field.
pub(crate) struct Wrong {
    pub(crate) field: String,
    pub(crate) message: String,
}

/// No profile is as large.
const LARGEST: usize = 1 << 20;

impl Profile {
    /// Reads the profiles of a file: a YAML or JSON document each.
    pub fn read(bytes: &[u8]) -> Result<Vec<Self>, Vec<ProfileError>> {
        if bytes.len() > LARGEST {
            let message = format!("the file has {} bytes; {LARGEST} is the most", bytes.len());
            return Err(vec![ProfileError { line: 1, column: 1, field: String::new(), message }]);
        }
        let (mut profiles, mut errors) = (vec![], vec![]);
        for document in ringfence_manifest::read(bytes) {
            if let Some(error) = document.error() {
                let (line, column, message) = (error.location.line, error.location.column, error.message.clone());
                errors.push(ProfileError { line, column, field: String::new(), message });
            } else if let Some(root) = document.root() {
                match one(&document, root) {
                    Ok(profile) => profiles.push(profile),
                    Err(wrong) => errors.extend(wrong),
                }
            }
        }
        if profiles.is_empty() && errors.is_empty() {
            let message = "the file holds no profile: begin with apiVersion: ringfence.dev/v1alpha1".to_owned();
            errors.push(ProfileError { line: 1, column: 1, field: String::new(), message });
        }
        if errors.is_empty() { Ok(profiles) } else { Err(errors) }
    }

    /// The name by which `--operator` means it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.raw.metadata.name
    }

    /// What the file says.
    #[must_use]
    pub fn spec(&self) -> &super::ProfileSpec {
        &self.raw.spec
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The version of the operator that is taken where none is given.
    #[must_use]
    pub fn default_version(&self) -> &Version {
        &self.compiled.default
    }
}

fn one(document: &Document<'_>, root: Node<'_>) -> Result<Profile, Vec<ProfileError>> {
    let place = |wrong: Wrong| {
        let at = document.location_of(&wrong.field);
        let (line, column) = at.map_or((1, 1), |at| (at.line, at.column));
        ProfileError { line, column, field: wrong.field, message: wrong.message }
    };
    // Keys that are there twice are no matter of types.
    if let Some(problem) = document.problems().first() {
        let (field, message) = (problem.field.clone(), problem.message.clone());
        return Err(vec![place(Wrong { field, message })]);
    }
    let json = root.to_json();
    let mut decoder = serde_json::Deserializer::from_str(&json);
    let raw: OperatorProfile = serde_path_to_error::deserialize(&mut decoder).map_err(|error| {
        let text = error.inner().to_string();
        let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
        let field = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        vec![place(Wrong { field, message })]
    })?;
    let compiled = Compiled::new(&raw).map_err(|wrong| wrong.into_iter().map(place).collect::<Vec<_>>())?;
    Ok(Profile { raw, compiled, text: document.text().to_owned() })
}
