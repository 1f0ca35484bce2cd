//! What the node's container runtime says of itself, over CRI.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use ringfence_context::facts::RuntimeHandler;
use ringfence_cri::{Runtime, SOCKETS, StatusResponse};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;
use serde_json::Value;

use crate::commands::chain;

/// What it says.
pub(super) struct Said {
    /// Its name and version.
    pub(super) version: String,
    /// What its handlers can do, or why it does not tell.
    pub(super) handlers: Result<BTreeMap<String, RuntimeHandler>, String>,
    /// The specification that containerd starts from for its default handler.
    pub(super) base_spec: Option<String>,
}

/// Asks the runtime whose socket is in its usual place below the node's root.
pub(super) fn find(root: &Path) -> Result<Said, String> {
    for socket in SOCKETS {
        match open(root, socket) {
            // The descriptor's own path: whatever a link of the node says by now, it is this socket that is spoken to.
            Ok(Some(fd)) => return ask(Path::new(&format!("/proc/self/fd/{}", fd.as_raw_fd())), socket),
            Ok(None) => {}
            Err(error) => return Err(format!("{socket}: {error}")),
        }
    }
    Err(format!("no container runtime's socket is there: none of {}", SOCKETS.join(", ")))
}

/// The socket, found without leaving the root; nothing where there is none.
fn open(root: &Path, socket: &str) -> Result<Option<OwnedFd>, Errno> {
    let root = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found = openat2(&root, socket.trim_start_matches('/'), OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), how);
    let fd = match found {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        found => found?,
    };
    Ok((FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::Socket).then_some(fd))
}

/// Asks the runtime at a socket, which is called `name` in what is said of it.
pub(super) fn ask(path: &Path, name: &str) -> Result<Said, String> {
    let said = |error: &dyn std::error::Error| chain(error).replace(&path.display().to_string(), name);
    let runtime = Runtime::at(path).map_err(|error| said(&error))?;
    let version = runtime.version().map_err(|error| said(&error))?;
    let number = version.runtime_version.strip_prefix('v').unwrap_or(&version.runtime_version);
    let version = format!("{} {number}", version.runtime_name);
    // A runtime may know its version and refuse the rest, as containerd does before its CRI plugin is set up.
    Ok(match runtime.status(true) {
        Ok(status) => Said { version, base_spec: base_spec(&status), handlers: handlers(&status) },
        Err(error) => Said { version, base_spec: None, handlers: Err(said(&error)) },
    })
}

fn handlers(status: &StatusResponse) -> Result<BTreeMap<String, RuntimeHandler>, String> {
    if status.runtime_handlers.is_empty() {
        return Err("the container runtime does not say what its handlers can do".to_owned());
    }
    let of = |handler: &ringfence_cri::Handler| {
        let features = handler.features.unwrap_or_default();
        let features = RuntimeHandler {
            user_namespaces: features.user_namespaces,
            recursive_read_only_mounts: features.recursive_read_only_mounts,
        };
        (handler.name.clone(), features)
    };
    Ok(status.runtime_handlers.iter().map(of).collect())
}

/// `containerd.runtimes.*.baseRuntimeSpec` of containerd's configuration as it says it.
fn base_spec(status: &StatusResponse) -> Option<String> {
    let config: Value = serde_json::from_str(status.info.get("config")?).ok()?;
    let containerd = config.get("containerd")?;
    let default = containerd.get("defaultRuntimeName")?.as_str()?;
    let spec = containerd.get("runtimes")?.get(default)?.get("baseRuntimeSpec")?.as_str()?;
    (!spec.is_empty()).then(|| spec.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_specification_is_the_default_handlers() {
        let of = |config: &str| {
            base_spec(&StatusResponse {
                info: [("config".to_owned(), config.to_owned())].into(),
                ..StatusResponse::default()
            })
        };
        let config = r#"{"containerd": {"defaultRuntimeName": "runc", "runtimes":
            {"kata": {"baseRuntimeSpec": "/no"}, "runc": {"baseRuntimeSpec": "/etc/containerd/cri-base.json"}}}}"#;
        assert_eq!(of(config).as_deref(), Some("/etc/containerd/cri-base.json"));
        assert_eq!(of(&config.replace("\"runc\",", "\"other\",")), None);
        assert_eq!(
            of(r#"{"containerd": {"defaultRuntimeName": "runc", "runtimes": {"runc": {"baseRuntimeSpec": ""}}}}"#),
            None
        );
        assert_eq!((of("[]"), of("{"), of("")), (None, None, None));
    }

    #[test]
    fn a_link_to_a_socket_elsewhere_is_not_followed_out_of_the_node() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("s");
        let _listener = std::os::unix::net::UnixListener::bind(&outside).unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("run/containerd")).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("run/containerd/containerd.sock")).unwrap();
        assert!(open(&root, SOCKETS[0]).unwrap().is_none());
        assert!(find(&root).is_err_and(|why| why.contains("no container runtime's socket is there")));
        let own = root.join("run/crio");
        std::fs::create_dir_all(&own).unwrap();
        drop(std::os::unix::net::UnixListener::bind(own.join("crio.sock")).unwrap());
        assert!(find(&root).is_err_and(|why| why.starts_with("/run/crio/crio.sock: cannot connect")));
    }
}
