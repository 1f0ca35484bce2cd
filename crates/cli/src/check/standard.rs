//! What a pod is held against: `LEVEL[@VERSION]`.

use std::fmt;
use std::str::FromStr;

use ringfence_pss::{Level, Version};

/// A level of the Pod Security Standards, at one version or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standard {
    pub(crate) level: Level,
    pub(crate) versions: Versions,
}

/// Which versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versions {
    One(Version),
    All,
}

impl FromStr for Standard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (level, version) = text.split_once('@').unwrap_or((text, "latest"));
        let level = level.parse().map_err(|error| format!("level {level:?} {error}"))?;
        let versions = match version {
            "all" => Versions::All,
            version => {
                let parsed = version.parse().map_err(|error| format!("version {version:?} {error}, or \"all\""))?;
                Versions::One(parsed)
            }
        };
        Ok(Self { level, versions })
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.versions {
            Versions::One(version) => write!(f, "{}@{version}", self.level),
            Versions::All => write!(f, "{}@all", self.level),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_alone_means_the_latest_version() {
        assert_eq!("baseline".parse::<Standard>().unwrap().to_string(), "baseline@latest");
    }

    #[test]
    fn a_mistake_is_answered_with_what_to_write() {
        assert_eq!(
            "strict".parse::<Standard>().unwrap_err(),
            "level \"strict\" must be one of privileged, baseline, restricted"
        );
        assert_eq!(
            "baseline@1.30".parse::<Standard>().unwrap_err(),
            "version \"1.30\" must be \"latest\" or \"v1.x\", or \"all\""
        );
    }
}
