//! Everything that a command line asks for, read and checked as docker's command does before it asks the daemon
//! (docker/cli `cli/command/container/opts.go`, `parse`).

use std::collections::BTreeMap;

use crate::flags::{Given, Parsed};
use crate::refusal::Refusal;
use crate::value::{self, Device, DeviceRule, Limits, Mount, MountKind, Restart, Security, Ulimit};
use crate::version::Version;

/// What the caller has beside the command line.
pub trait Files {
    /// The bytes of a file, or why not, in the kernel's words.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;
    /// A variable of the caller's environment.
    fn variable(&self, name: &str) -> Option<String>;
}

/// What a command line asks for. Texts that decide nothing of the process stay as they were given.
#[allow(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The image.
    pub image: String,
    /// What follows the image.
    pub command: Vec<String>,
    /// `--user`; empty is the image's.
    pub user: String,
    /// `--group-add`.
    pub group_add: Vec<String>,
    /// `--privileged`.
    pub privileged: bool,
    /// `--cap-add`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`.
    pub cap_drop: Vec<String>,
    /// `--device`.
    pub devices: Vec<Device>,
    /// `--device-cgroup-rule`.
    pub device_rules: Vec<DeviceRule>,
    /// `--security-opt`.
    pub security: Security,
    /// `--read-only`.
    pub read_only: bool,
    /// `--tmpfs`: the options by the path.
    pub tmpfs: BTreeMap<String, String>,
    /// `--volume` and `--mount`.
    pub mounts: Vec<Mount>,
    /// `--ulimit`: the last of each name.
    pub ulimits: Vec<Ulimit>,
    /// `--sysctl`.
    pub sysctls: BTreeMap<String, String>,
    /// `--pid host`.
    pub host_pid: bool,
    /// `--ipc`; empty is the daemon's default, private.
    pub ipc: String,
    /// `--network`; empty is the daemon's default, a network of docker's.
    pub network: String,
    /// `--uts host`.
    pub host_uts: bool,
    /// `--userns host`.
    pub host_user: bool,
    /// `--env` and `--env-file`, `NAME=VALUE`.
    pub env: Vec<String>,
    /// `--workdir`; empty is the image's.
    pub workdir: String,
    /// `--entrypoint`: none is the image's; empty removes it.
    pub entrypoint: Option<String>,
    /// `--hostname`.
    pub hostname: String,
    /// `--domainname`.
    pub domainname: String,
    /// `--shm-size`, in bytes.
    pub shm_size: Option<i64>,
    /// `--oom-score-adj`.
    pub oom_score_adj: i32,
    /// `--add-host`, `NAME:ADDRESS`.
    pub add_host: Vec<String>,
    /// `--memory`, `--cpus`, `--pids-limit` and their like.
    pub limits: Limits,
    /// `--restart`.
    pub restart: Restart,
    /// `--stop-signal`, as a number; none is the image's.
    pub stop_signal: Option<i32>,
    /// `--stop-timeout`, in seconds; negative is no end, none is docker's own.
    pub stop_timeout: Option<i64>,
    /// Flags that say nothing of the process's context, by name, with their values in order: `name`, `publish`…
    pub beside: BTreeMap<&'static str, Vec<String>>,
}

impl Options {
    /// Reads a command line that was taken apart.
    pub fn new(parsed: &Parsed, version: Version, files: &dyn Files) -> Result<Self, Refusal> {
        let mut options = Self { command: parsed.command.clone(), ..Self::default() };
        let mut texts = Texts::default();
        for given in &parsed.given {
            options.flag(given, &mut texts, files)?;
        }
        options.image = parsed
            .image
            .clone()
            .ok_or_else(|| Refusal::usage("\"docker run\" requires at least 1 argument: name an image"))?;
        options.check(&texts, version, files)?;
        Ok(options)
    }

    /// What is read while the flags are.
    fn flag(&mut self, given: &Given, texts: &mut Texts, files: &dyn Files) -> Result<(), Refusal> {
        let value = given.value.clone();
        let wrong = |why: String| given.invalid(&why);
        let on = || value == "true";
        match given.flag.name {
            "user" => self.user = value,
            "group-add" => self.group_add.push(value),
            "privileged" => self.privileged = on(),
            "cap-add" => self.cap_add.push(value),
            "cap-drop" => self.cap_drop.push(value),
            "device" => texts.devices.push(value),
            "device-cgroup-rule" => self.device_rules.push(DeviceRule::parse(&value).map_err(wrong)?),
            "security-opt" => texts.security.push(value),
            "read-only" => self.read_only = on(),
            "tmpfs" => {
                let (path, rest) = value.split_once(':').unwrap_or((&value, ""));
                self.tmpfs.insert(path.to_owned(), rest.to_owned());
            }
            "volume" => texts.volumes.push(value),
            "mount" => texts.mounts.push(Mount::long(&value).map_err(wrong)?),
            "ulimit" => {
                let limit = Ulimit::parse(&value).map_err(wrong)?;
                self.ulimits.retain(|earlier| earlier.name != limit.name);
                self.ulimits.push(limit);
            }
            "sysctl" => {
                let (name, value) = value::sysctl(&value).map_err(wrong)?;
                self.sysctls.insert(name, value);
            }
            "pid" => texts.pid = value,
            "ipc" => texts.ipc = value,
            "network" if texts.network.is_none() => texts.network = Some(value),
            "uts" => texts.uts = value,
            "userns" => texts.userns = value,
            "env" => texts.env.extend(value::environment(&value, &|name| files.variable(name)).map_err(wrong)?),
            "env-file" => texts.env_files.push(value),
            "workdir" => self.workdir = value,
            "entrypoint" => self.entrypoint = Some(value),
            "hostname" => self.hostname = value,
            "domainname" => self.domainname = value,
            "shm-size" => self.shm_size = Some(value::bytes(&value).map_err(wrong)?),
            "oom-score-adj" => {
                self.oom_score_adj =
                    value.parse().map_err(|_| wrong(format!("strconv.ParseInt: parsing {value:?}: invalid syntax")))?;
            }
            "add-host" => {
                let pair =
                    value.split_once([':', '=']).filter(|(name, address)| !name.is_empty() && !address.is_empty());
                let (name, address) = pair.ok_or_else(|| wrong(format!("bad format for add-host: {value:?}")))?;
                if address != "host-gateway" && address.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_err() {
                    return Err(wrong(format!("invalid IP address in add-host: {address:?}")));
                }
                self.add_host.push(format!("{name}:{address}"));
            }
            "restart" => {
                texts.restart.clone_from(&value);
                self.beside.entry("restart").or_default().push(value);
            }
            "stop-signal" => {
                texts.stop_signal.clone_from(&value);
                self.beside.entry("stop-signal").or_default().push(value);
            }
            "stop-timeout" => {
                let seconds = value.parse::<i64>().ok().filter(|seconds| i32::try_from(*seconds).is_ok());
                let seconds =
                    seconds.ok_or_else(|| wrong(format!("strconv.ParseInt: parsing {value:?}: invalid syntax")))?;
                self.stop_timeout = Some(seconds);
                self.beside.entry("stop-timeout").or_default().push(value);
            }
            name => {
                self.limits.flag(name, &value).map_err(wrong)?;
                self.beside.entry(name).or_default().push(value);
            }
        }
        Ok(())
    }

    /// What is read when all flags are.
    fn check(&mut self, texts: &Texts, version: Version, files: &dyn Files) -> Result<(), Refusal> {
        for text in &texts.devices {
            self.devices.push(Device::parse(text).map_err(Refusal::usage)?);
        }
        for path in &texts.env_files {
            let bytes = files.read(path).map_err(|why| Refusal::usage(format!("open {path}: {why}")))?;
            self.env
                .extend(value::environment_file(path, &bytes, &|name| files.variable(name)).map_err(Refusal::usage)?);
        }
        self.env.extend_from_slice(&texts.env);
        self.host_pid = value::pid(&texts.pid)?;
        self.host_uts = value::only_host(&texts.uts, "--uts: invalid UTS mode")?;
        self.host_user = value::only_host(&texts.userns, "--userns: invalid USER mode")?;
        self.security = Security::parse(&texts.security, version, files)?;
        self.network = value::network(texts.network.as_deref().unwrap_or_default())?;
        self.ipc = value::ipc(&texts.ipc)?;
        self.limits.check().map_err(Refusal::daemon)?;
        self.restart = Restart::parse(&texts.restart)?;
        if self.restart != Restart::No && self.beside("rm") == Some("true") {
            return Err(Refusal::usage("Conflicting options: --restart and --rm"));
        }
        if !texts.stop_signal.is_empty() {
            let unknown = || Refusal::daemon(format!("Invalid signal: {}", texts.stop_signal));
            self.stop_signal = Some(value::signal(&texts.stop_signal).ok_or_else(unknown)?);
        }
        if let Some(name) = self.beside("name").filter(|name| !is_name(name)) {
            let why = format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
            return Err(Refusal::daemon(why));
        }
        for volume in &texts.volumes {
            self.mounts.push(Mount::volume(volume).map_err(Refusal::daemon)?);
        }
        self.mounts.extend_from_slice(&texts.mounts);
        let mut targets: Vec<&str> = self.mounts.iter().map(|mount| mount.target.as_str()).collect();
        targets.sort_unstable();
        if let Some(twice) = targets.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[&str]>::first) {
            return Err(Refusal::daemon(format!("Duplicate mount point: {twice}")));
        }
        Ok(())
    }

    /// The tmpfs mounts of both kinds of flags: path and options.
    pub fn tmpfs_mounts(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_mounts = self.mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Tmpfs { options } => Some((mount.target.as_str(), options.as_str())),
            _ => None,
        });
        self.tmpfs.iter().map(|(path, options)| (path.as_str(), options.as_str())).chain(of_mounts)
    }

    /// The last value of a flag that says nothing of the context.
    pub fn beside(&self, flag: &str) -> Option<&str> {
        self.beside.get(flag)?.last().map(String::as_str)
    }
}

/// Values that are looked at when all flags are read.
#[derive(Default)]
struct Texts {
    devices: Vec<String>,
    security: Vec<String>,
    volumes: Vec<String>,
    mounts: Vec<Mount>,
    env: Vec<String>,
    env_files: Vec<String>,
    pid: String,
    ipc: String,
    uts: String,
    userns: String,
    network: Option<String>,
    restart: String,
    stop_signal: String,
}

/// What docker takes for the name of a container (moby `daemon/names`): `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
fn is_name(name: &str) -> bool {
    let name = name.strip_prefix('/').unwrap_or(name);
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}
