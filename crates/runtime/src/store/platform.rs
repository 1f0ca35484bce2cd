//! Which of an image's variants is for which machine (image-spec, `image-index.md`; containerd `platforms`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system, an architecture as Go names it, and its variant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`, `arm`…
    #[serde(default)]
    pub architecture: String,
    /// `v8`, `v7`…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Why a platform is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no platform: write os/architecture or os/architecture/variant, such as linux/arm64/v8")]
pub struct PlatformError(String);

impl Platform {
    /// This machine's own.
    pub fn host() -> Self {
        Self { os: "linux".to_owned(), architecture: std::env::consts::ARCH.to_owned(), variant: None }.normalised()
    }

    /// The names that images use, and no variant where it is the architecture's only one.
    fn normalised(&self) -> Self {
        let os = match &*self.os.to_ascii_lowercase() {
            "macos" => "darwin".to_owned(),
            os => os.to_owned(),
        };
        let mut variant = self.variant.clone().filter(|variant| !variant.is_empty());
        let architecture = match (&*self.architecture.to_ascii_lowercase(), variant.as_deref()) {
            ("x86_64" | "x86-64" | "amd64", v) => {
                variant = v.filter(|v| *v != "v1").map(str::to_owned);
                "amd64"
            }
            ("aarch64" | "arm64", v) => {
                variant = v.filter(|v| !matches!(*v, "8" | "v8" | "v8.0")).map(str::to_owned);
                "arm64"
            }
            ("i386" | "i686" | "x86" | "386", _) => {
                variant = None;
                "386"
            }
            ("armhf", _) => {
                variant = Some("v7".to_owned());
                "arm"
            }
            ("armel", _) => {
                variant = Some("v6".to_owned());
                "arm"
            }
            ("arm", v) => {
                variant = Some(match v {
                    None | Some("7") => "v7".to_owned(),
                    Some("5") => "v5".to_owned(),
                    Some("6") => "v6".to_owned(),
                    Some("8") => "v8".to_owned(),
                    Some(v) => v.to_owned(),
                });
                "arm"
            }
            ("powerpc64", _) if cfg!(target_endian = "little") => "ppc64le",
            ("riscv64gc", _) => "riscv64",
            (other, _) => return Self { os, architecture: other.to_owned(), variant },
        };
        Self { os, architecture: architecture.to_owned(), variant }
    }

    /// How well an image for `offered` runs here: `None` not at all, otherwise the less the better.
    pub fn rank(&self, offered: &Self) -> Option<u32> {
        let (wanted, offered) = (self.normalised(), offered.normalised());
        if wanted.os != offered.os || wanted.architecture != offered.architecture {
            return None;
        }
        if wanted.variant == offered.variant {
            return Some(0);
        }
        // A later variant runs what was made for an earlier one.
        let number = |variant: &Option<String>, plain: u32| match variant {
            None => Some(plain),
            Some(variant) => variant.strip_prefix('v')?.split('.').next()?.parse().ok(),
        };
        let plain = if wanted.architecture == "arm64" { 8 } else { 1 };
        let (wanted, offered) = (number(&wanted.variant, plain)?, number(&offered.variant, plain)?);
        wanted.checked_sub(offered)
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
        };
        if !parts.iter().all(is_word) {
            return Err(PlatformError(text.to_owned()));
        }
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => return Err(PlatformError(text.to_owned())),
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant }.normalised())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().expect(text)
    }

    #[test]
    fn a_machine_runs_its_own_variant_and_earlier_ones() {
        assert_eq!(platform("linux/arm64").rank(&platform("linux/arm64/v8")), Some(0));
        assert_eq!(platform("linux/amd64").rank(&platform("linux/amd64/v3")), None);
        assert_eq!(platform("linux/amd64/v3").rank(&platform("linux/amd64")), Some(2));
        assert_eq!(platform("linux/arm/v7").rank(&platform("linux/arm/v6")), Some(1));
        assert_eq!(platform("linux/arm/v6").rank(&platform("linux/arm/v7")), None);
        assert_eq!(platform("linux/amd64").rank(&platform("windows/amd64")), None);
        assert_eq!(platform("linux/amd64").rank(&platform("linux/arm64")), None);
    }

    #[test]
    fn a_platform_is_two_or_three_words() {
        assert_eq!(platform("linux/x86_64").to_string(), "linux/amd64");
        assert_eq!(platform("linux/armhf").to_string(), "linux/arm/v7");
        for text in ["", "linux", "linux/", "a/b/c/d", "linux/amd 64"] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }
}
