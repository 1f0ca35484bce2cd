//! What is known of the operators: `--operator eck@2.14.0,set-default-security-context=false`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::profile::Profile;
use crate::{Version, VersionError};

/// The kind of cluster that the operators run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Platform {
    /// Any but OpenShift.
    #[default]
    Kubernetes,
    /// OpenShift and OKD.
    OpenShift,
}

impl Platform {
    /// As expressions see it: `kubernetes` or `openshift`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::OpenShift => "openshift",
        }
    }
}

/// What is said of one operator: `NAME[@VERSION][,SETTING=VALUE]…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorSetting {
    /// The profile's name.
    pub name: String,
    /// The operator's version.
    pub version: Option<Version>,
    /// Its settings.
    pub settings: BTreeMap<String, String>,
}

/// Why a text says nothing of an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// There is no profile of that name.
    #[error("no operator is called {name:?}; known are {known}")]
    Operator {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The version is none.
    #[error("the version of {name}")]
    Version {
        /// The operator.
        name: String,
        /// Why.
        #[source]
        source: VersionError,
    },
    /// The version is older than what the profile knows.
    #[error("{name} {version} is older than what its profile knows, {oldest}")]
    Old {
        /// The operator.
        name: String,
        /// What was asked for.
        version: Version,
        /// The oldest version that is known.
        oldest: Version,
    },
    /// A part is no setting.
    #[error("{text:?} is no setting: write NAME=VALUE")]
    Form {
        /// The part.
        text: String,
    },
    /// The operator has no such setting.
    #[error("{name} has no setting {setting:?}; known are {known}")]
    Setting {
        /// The operator.
        name: String,
        /// What was asked for.
        setting: String,
        /// What there is.
        known: String,
    },
    /// The setting has no such value.
    #[error("{setting} cannot be {value:?}; it is one of {known}")]
    Value {
        /// The setting.
        setting: String,
        /// What was asked for.
        value: String,
        /// What there is.
        known: String,
    },
}

impl FromStr for OperatorSetting {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let mut parts = text.split(',');
        let first = parts.next().unwrap_or_default();
        let (name, version) = match first.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (first, None),
        };
        let name = name.to_owned();
        let parse = |text: &str| text.parse().map_err(|source| SettingError::Version { name: name.clone(), source });
        let version = version.map(parse).transpose()?;
        let mut settings = BTreeMap::new();
        for part in parts {
            let error = || SettingError::Form { text: part.to_owned() };
            let (setting, value) = part.split_once('=').ok_or_else(error)?;
            settings.insert(setting.to_owned(), value.to_owned());
        }
        Ok(Self { name, version, settings })
    }
}

impl fmt::Display for OperatorSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(version) = &self.version {
            write!(f, "@{version}")?;
        }
        self.settings.iter().try_for_each(|(name, value)| write!(f, ",{name}={value}"))
    }
}

/// An operator as it is installed.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    pub(crate) profile: Profile,
    pub(crate) version: Version,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) platform: Platform,
}

impl Installed {
    pub(crate) fn new(profile: Profile, platform: Platform) -> Self {
        let settings = profile.spec().settings.iter();
        let settings = settings.map(|setting| (setting.name.clone(), setting.default.clone())).collect();
        Self { version: profile.default_version().clone(), settings, platform, profile }
    }

    /// Applies what is said of it.
    pub(crate) fn set(&mut self, setting: &OperatorSetting) -> Result<(), SettingError> {
        let name = setting.name.clone();
        if let Some(version) = &setting.version {
            let oldest = &self.profile.compiled.oldest;
            if !version.at_least(oldest) {
                return Err(SettingError::Old { name, version: version.clone(), oldest: oldest.clone() });
            }
            self.version = version.clone();
        }
        for (key, value) in &setting.settings {
            if key == "platform" {
                self.platform = match value.as_str() {
                    "kubernetes" => Platform::Kubernetes,
                    "openshift" => Platform::OpenShift,
                    _ => {
                        let known = "kubernetes, openshift".to_owned();
                        return Err(SettingError::Value { setting: key.clone(), value: value.clone(), known });
                    }
                };
                continue;
            }
            let types = &self.profile.spec().settings;
            let Some(found) = types.iter().find(|known| known.name == *key) else {
                let known: Vec<_> = types.iter().map(|known| known.name.as_str()).chain(["platform"]).collect();
                return Err(SettingError::Setting { name, setting: key.clone(), known: known.join(", ") });
            };
            if !found.values.contains(value) {
                let known = found.values.join(", ");
                return Err(SettingError::Value { setting: key.clone(), value: value.clone(), known });
            }
            self.settings.insert(key.clone(), value.clone());
        }
        Ok(())
    }

    /// `ECK 2.14.0`.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.profile.spec().title, self.version)
    }
}
