//! What the daemon refuses before it looks at the image's files (moby `daemon/container.go`, `validateHostConfig`;
//! `daemon_unix.go`, `verifyPlatformContainerSettings`; `runconfig`).

use super::{Machine, capabilities};
use crate::options::Options;
use crate::refusal::Refusal;
use crate::value;
use crate::version::Version;

/// Checks what can be checked of the options alone.
pub fn create(options: &Options, version: Version, machine: Machine) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::daemon(message));
    if options.host_uts && !options.hostname.is_empty() {
        return refuse("conflicting options: hostname and the UTS mode".to_owned());
    }
    if !options.workdir.is_empty() && !options.workdir.starts_with('/') {
        return refuse(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            options.workdir
        ));
    }
    capabilities::granted(options, version, machine)?;
    if options.shm_size.is_some_and(|size| size < 0) {
        return refuse("SHM size can not be less than 0".to_owned());
    }
    if !(-1000..=1000).contains(&options.oom_score_adj) {
        return refuse(format!("Invalid value {}, range for oom score adj is [-1000, 1000]", options.oom_score_adj));
    }
    for path in options.tmpfs.keys() {
        value::destination(path).map_err(Refusal::daemon)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_context::capability::CapSet;

    #[test]
    fn what_is_wrong_is_said_as_the_daemon_does() {
        let check = |options: Options| create(&options, Version::V20_10, Machine { bounding: CapSet::ALL });
        let message = |options: Options| check(options).unwrap_err().message;
        let none = Options::default;
        assert_eq!(check(none()), Ok(()));
        assert_eq!(
            message(Options { host_uts: true, hostname: "a".to_owned(), ..none() }),
            "conflicting options: hostname and the UTS mode"
        );
        assert!(message(Options { workdir: "a".to_owned(), ..none() }).contains("absolute path"));
        assert_eq!(message(Options { shm_size: Some(-1), ..none() }), "SHM size can not be less than 0");
        assert!(message(Options { oom_score_adj: 2000, ..none() }).contains("[-1000, 1000]"));
        let tmpfs = [("scratch".to_owned(), String::new())].into();
        assert!(message(Options { tmpfs, ..none() }).contains("must be absolute"));
    }
}
