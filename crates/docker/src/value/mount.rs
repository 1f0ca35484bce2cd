//! `--volume [SOURCE:]PATH[:OPTIONS]` and `--mount type=…,source=…,target=…` (moby `volume/mounts`, `linux_parser.go`;
//! docker/cli `opts/mount.go`).

use super::{boolean, bytes, clean};

/// How mounts spread between host and container, mount_namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Not at all.
    Private,
    /// Not at all, with those below.
    RPrivate,
    /// From the host.
    Slave,
    /// From the host, with those below.
    RSlave,
    /// Both ways.
    Shared,
    /// Both ways, with those below.
    RShared,
}

impl Propagation {
    /// By its name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Private, Self::RPrivate, Self::Slave, Self::RSlave, Self::Shared, Self::RShared]
            .into_iter()
            .find(|one| one.as_str() == text)
    }

    /// Its name, as in the options of mount(8).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::RPrivate => "rprivate",
            Self::Slave => "slave",
            Self::RSlave => "rslave",
            Self::Shared => "shared",
            Self::RShared => "rshared",
        }
    }
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// A file or directory of the host.
    Bind {
        /// Absolute.
        source: String,
        /// Whether it has to be there; otherwise a directory is made.
        must_exist: bool,
        /// Whether the mounts below it are left out.
        non_recursive: bool,
    },
    /// A volume of docker's; without a name it is for this container alone.
    Volume {
        /// Its name.
        name: Option<String>,
    },
    /// A tmpfs.
    Tmpfs {
        /// As `--tmpfs` has them after the colon.
        options: String,
    },
}

/// A mount of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where the container sees it.
    pub target: String,
    /// What.
    pub kind: MountKind,
    /// Whether the container can only read it.
    pub read_only: bool,
    /// How mounts spread; none is `rprivate`.
    pub propagation: Option<Propagation>,
    /// `z` (shared between containers) or `Z` (this container's): the SELinux label is changed.
    pub relabel: Option<char>,
}

/// What the options after the second colon say.
#[derive(Default)]
struct Mode {
    read_only: bool,
    propagation: Option<Propagation>,
    relabel: Option<char>,
}

/// None where one is unknown or two of a kind are given.
fn mode(text: &str) -> Option<Mode> {
    let mut mode = Mode::default();
    let mut seen: Vec<&str> = Vec::new();
    for option in text.split(',').filter(|_| !text.is_empty()) {
        let about = match option {
            "ro" | "rw" => {
                mode.read_only = option == "ro";
                "access"
            }
            "z" | "Z" => {
                mode.relabel = option.chars().next();
                "label"
            }
            "nocopy" => "copy",
            "consistent" | "cached" | "delegated" => "consistency",
            other => {
                mode.propagation = Some(Propagation::parse(other)?);
                "propagation"
            }
        };
        if seen.contains(&about) {
            return None;
        }
        seen.push(about);
    }
    Some(mode)
}

impl Mount {
    /// Reads a `--volume`.
    pub fn volume(text: &str) -> Result<Self, String> {
        let invalid = || format!("invalid volume specification: '{text}'");
        let parts: Vec<&str> = text.splitn(4, ':').collect();
        let (source, target, options) = match *parts.as_slice() {
            [""] | ["", ..] => return Err(invalid()),
            [target] => (None, target, ""),
            // A path and options without a source are not told from a source and a path.
            [_, second] if mode(second).is_some() => return Err(invalid()),
            [source, target] => (Some(source), target, ""),
            [source, target, options] => (Some(source), target, options),
            _ => return Err(invalid()),
        };
        let Mode { read_only, propagation, relabel } =
            mode(options).ok_or_else(|| format!("invalid mode: {options}"))?;
        if clean(target) == "/" && target.starts_with('/') {
            return Err(format!(
                "{}: invalid mount config for type \"bind\": invalid specification: destination can't be '/'",
                invalid()
            ));
        }
        if !target.starts_with('/') {
            return Err(format!(
                "{}: invalid mount config for type \"bind\": invalid mount path: '{target}' mount path must be absolute",
                invalid()
            ));
        }
        let kind = match source {
            Some(path) if path.starts_with('/') => {
                MountKind::Bind { source: clean(path), must_exist: false, non_recursive: false }
            }
            Some(name) => MountKind::Volume { name: Some(volume_name(name)?) },
            None => MountKind::Volume { name: None },
        };
        Ok(Self { target: clean(target), kind, read_only, propagation, relabel })
    }

    /// Reads a `--mount`.
    pub fn long(text: &str) -> Result<Self, String> {
        let (mut typ, mut source, mut target) = ("volume", "", "");
        let (mut read_only, mut non_recursive, mut propagation) = (false, false, None);
        let (mut size, mut tmpfs_mode) = (None, None);
        for field in text.split(',') {
            let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
            let key = key.trim().to_ascii_lowercase();
            let switch = |value: Option<&str>| match value {
                None => Ok(true),
                Some(value) => boolean(value).ok_or_else(|| format!("invalid value for {key}: {value}")),
            };
            let needed = || value.ok_or_else(|| format!("invalid field '{field}' must be a key=value pair"));
            match key.as_str() {
                "type" => typ = needed()?,
                "source" | "src" => source = needed()?,
                "target" | "dst" | "destination" => target = needed()?,
                "readonly" | "ro" => read_only = switch(value)?,
                "bind-nonrecursive" => non_recursive = switch(value)?,
                "bind-recursive" => non_recursive = needed()? == "disabled",
                "bind-propagation" => {
                    let value = needed()?;
                    let known = Propagation::parse(value);
                    propagation = Some(known.ok_or_else(|| format!("invalid propagation mode: {value}"))?);
                }
                "tmpfs-size" => size = Some(bytes(needed()?).map_err(|_| format!("invalid value for {key}: {field}"))?),
                "tmpfs-mode" => {
                    let value = needed()?;
                    tmpfs_mode =
                        Some(u32::from_str_radix(value, 8).map_err(|_| format!("invalid value for {key}: {value}"))?);
                }
                "consistency" | "volume-nocopy" => {}
                "volume-label" | "volume-driver" | "volume-opt" | "volume-subpath" => {
                    return Err(format!("{key} is not applied here; give a directory with type=bind"));
                }
                other => return Err(format!("unexpected key '{other}' in '{field}'")),
            }
        }
        if target.is_empty() {
            return Err("target is required".to_owned());
        }
        let why = |why: &str| format!("invalid mount config for type {typ:?}: {why}");
        let target = super::destination(target).map_err(|text| why(&text))?;
        let kind = match typ.to_ascii_lowercase().as_str() {
            "bind" if source.is_empty() => return Err(why("field Source must not be empty")),
            "bind" if !source.starts_with('/') => {
                return Err(why(&format!("invalid mount path: '{source}' mount path must be absolute")));
            }
            "bind" => MountKind::Bind { source: clean(source), must_exist: true, non_recursive },
            "volume" if source.is_empty() && read_only => {
                return Err(why("must not set ReadOnly mode when using anonymous volumes"));
            }
            "volume" if source.is_empty() => MountKind::Volume { name: None },
            "volume" => MountKind::Volume { name: Some(volume_name(source)?) },
            "tmpfs" if !source.is_empty() => return Err(why("field Source must not be specified")),
            "tmpfs" => {
                let size = size.filter(|size| *size > 0).map(|size| format!("size={size}"));
                let mode = tmpfs_mode.filter(|mode| *mode > 0).map(|mode| format!("mode={mode:o}"));
                let access = read_only.then(|| "ro".to_owned());
                let options: Vec<String> = access.into_iter().chain(size).chain(mode).collect();
                MountKind::Tmpfs { options: options.join(",") }
            }
            _ => return Err(why("mount type unknown")),
        };
        Ok(Self { target, kind, read_only, propagation, relabel: None })
    }
}

/// A name that the local driver takes.
fn volume_name(name: &str) -> Result<String, String> {
    let fits = |(i, c): (usize, char)| c.is_ascii_alphanumeric() || (i > 0 && "_.-".contains(c));
    if name.len() > 1 && name.chars().enumerate().all(fits) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "create {name}: {name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_with_a_slash_is_a_path_and_any_other_a_name() {
        let volume = Mount::volume("/src/../a:/b:ro,Z,rslave").unwrap();
        let source = "/a".to_owned();
        assert_eq!(volume.kind, MountKind::Bind { source, must_exist: false, non_recursive: false });
        assert_eq!(
            (volume.read_only, volume.relabel, volume.propagation),
            (true, Some('Z'), Some(Propagation::RSlave))
        );
        assert_eq!(Mount::volume("data:/b").unwrap().kind, MountKind::Volume { name: Some("data".to_owned()) });
        assert_eq!(Mount::volume("/b").unwrap().kind, MountKind::Volume { name: None });
    }

    #[test]
    fn what_is_wrong_is_said_as_docker_does() {
        let message = |text: &str| Mount::volume(text).unwrap_err();
        assert_eq!(message("/a:ro"), "invalid volume specification: '/a:ro'");
        assert_eq!(message("/a:/b:bogus"), "invalid mode: bogus");
        assert_eq!(message("/a:/b:ro,rw"), "invalid mode: ro,rw");
        assert!(message("/a:/").ends_with("destination can't be '/'"));
        assert!(message("./a:/b").contains("includes invalid characters for a local volume name"));
        assert!(message("").starts_with("invalid volume specification"));
    }

    #[test]
    fn the_long_form_has_the_same_kinds() {
        let mount = |text: &str| Mount::long(text);
        assert_eq!(
            mount("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700").unwrap().kind,
            MountKind::Tmpfs { options: "size=1048576,mode=700".to_owned() }
        );
        assert!(mount("type=bind,src=/a,dst=/b,readonly").unwrap().read_only);
        assert!(mount("type=bind,dst=/b").unwrap_err().contains("Source must not be empty"));
        assert_eq!(mount("type=volume,src=ab").unwrap_err(), "target is required");
        assert!(mount("type=nfs,dst=/b").unwrap_err().contains("mount type unknown"));
    }
}
