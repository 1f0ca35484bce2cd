//! The values of `--pid`, `--ipc`, `--network`, `--uts` and `--userns` (moby `api/types/container`, `hostconfig.go`).

use crate::refusal::Refusal;

fn joins(flag: &str) -> Refusal {
    Refusal::usage(format!(
        "--{flag} container:… is not applied here: there are no other containers; write a pod of both, whose containers share namespaces"
    ))
}

/// Whether the PID namespace is the host's.
pub fn pid(mode: &str) -> Result<bool, Refusal> {
    match mode.split_once(':') {
        None if mode.is_empty() => Ok(false),
        None if mode == "host" => Ok(true),
        Some(("container", name)) if !name.is_empty() && !name.contains(':') => Err(joins("pid")),
        _ => Err(Refusal::usage("--pid: invalid PID mode")),
    }
}

/// Whether the namespace of `--uts` or `--userns` is the host's.
pub fn only_host(mode: &str, invalid: &str) -> Result<bool, Refusal> {
    match mode {
        "" => Ok(false),
        "host" => Ok(true),
        _ if mode.starts_with("host:") || mode.starts_with(':') => Ok(false),
        _ => Err(Refusal::usage(invalid)),
    }
}

/// The IPC mode; the daemon looks at it when the container starts.
pub fn ipc(mode: &str) -> Result<String, Refusal> {
    match mode {
        "" | "none" | "private" | "host" | "shareable" => Ok(mode.to_owned()),
        _ if mode.starts_with("container:") => Err(joins("ipc")),
        _ => Err(Refusal::daemon(format!("invalid IPC mode: {mode}"))),
    }
}

/// The name of the network: in the long form it is the one of `name=`.
pub fn network(value: &str) -> Result<String, Refusal> {
    let name = if value.contains('=') {
        value.split(',').find_map(|part| part.strip_prefix("name=")).unwrap_or_default()
    } else {
        value
    };
    if name.starts_with("container:") {
        return Err(joins("network"));
    }
    if name.is_empty() && !value.is_empty() {
        return Err(Refusal::usage("network name/id is not specified"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_those_of_docker() {
        assert_eq!((pid(""), pid("host")), (Ok(false), Ok(true)));
        assert_eq!(pid("private").unwrap_err().message, "--pid: invalid PID mode");
        assert_eq!(only_host("private", "--uts: invalid UTS mode").unwrap_err().message, "--uts: invalid UTS mode");
        assert!(ipc("shareable").is_ok() && ipc("bogus").is_err());
        assert_eq!(network("name=none,alias=x").as_deref(), Ok("none"));
        assert!(network("container:x").unwrap_err().message.contains("no other containers"));
    }
}
