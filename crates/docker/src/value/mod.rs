//! The values of flags, read as docker's command and its daemon read them.

mod device;
mod environment;
mod limits;
mod mount;
mod names;
mod restart;
mod security;
mod signal;
mod size;
mod sysctl;
mod tmpfs;
mod ulimit;

pub use device::{Access, Device, DeviceKind, DeviceRule};
pub use environment::{environment, file as environment_file};
pub use limits::Limits;
pub use mount::{Mount, MountKind, Propagation};
pub use names::{ipc, network, only_host, pid};
pub use restart::{Restart, RestartManager};
pub use security::{Seccomp, Security};
pub use signal::signal;
pub use size::bytes;
pub use sysctl::sysctl;
pub use tmpfs::{destination, merge};
pub use ulimit::Ulimit;

/// Go's `strconv.ParseBool`.
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// An absolute path without `.`, `..` and doubled slashes, as Go's `path.Clean` leaves it.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        assert_eq!(clean("/a//b/./../c/"), "/a/c");
        assert_eq!(clean("/.."), "/");
    }

    #[test]
    fn truth_is_spelt_in_gos_six_ways() {
        assert_eq!((boolean("True"), boolean("f"), boolean("yes")), (Some(true), Some(false), None));
    }
}
