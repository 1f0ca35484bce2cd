//! `--tmpfs PATH[:OPTIONS]` (moby `sys/mount`, `MergeTmpfsOptions`; `volume/mounts`, `ValidateTmpfsMountDestination`).

use super::clean;

/// Flags of mount(8), each with the one that it is in conflict with: the last of them wins.
const FLAGS: [(&str, &str); 24] = [
    ("ro", "access"),
    ("rw", "access"),
    ("suid", "suid"),
    ("nosuid", "suid"),
    ("dev", "dev"),
    ("nodev", "dev"),
    ("exec", "exec"),
    ("noexec", "exec"),
    ("sync", "sync"),
    ("async", "sync"),
    ("dirsync", "dirsync"),
    ("remount", "remount"),
    ("mand", "mand"),
    ("nomand", "mand"),
    ("atime", "atime"),
    ("noatime", "atime"),
    ("diratime", "diratime"),
    ("nodiratime", "diratime"),
    ("relatime", "relatime"),
    ("norelatime", "relatime"),
    ("strictatime", "strictatime"),
    ("nostrictatime", "strictatime"),
    ("bind", "propagation"),
    ("rbind", "propagation"),
];
const PROPAGATION: [&str; 8] =
    ["unbindable", "runbindable", "private", "rprivate", "shared", "rshared", "slave", "rslave"];
const DATA: [&str; 7] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"];

/// docker's own options, then those that are given: of those in conflict the last one stays.
pub fn merge(given: &str) -> Result<Vec<String>, String> {
    let mut options = vec!["noexec", "nosuid", "nodev", "rprivate"];
    if !given.is_empty() {
        options.extend(given.split(','));
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut kept = Vec::new();
    for option in options.into_iter().rev() {
        if option == "defaults" {
            continue;
        }
        let flag = FLAGS.iter().find(|(name, _)| *name == option).map(|(_, about)| *about);
        let about = match flag.or_else(|| PROPAGATION.contains(&option).then_some("propagation")) {
            Some(about) => about,
            None => match option.split_once('=') {
                Some((name, _)) if DATA.contains(&name) => name,
                Some((name, value)) => return Err(format!("Invalid tmpfs option [{name:?} {value:?}]")),
                None => return Err(format!("Invalid tmpfs option [{option:?}]")),
            },
        };
        if !seen.contains(&about) {
            seen.push(about);
            kept.push(option.to_owned());
        }
    }
    kept.reverse();
    Ok(kept)
}

/// The mount point, or why it cannot be one.
pub fn destination(path: &str) -> Result<String, String> {
    if clean(&path.replace('\\', "/")) == "/" && path.starts_with('/') {
        return Err("invalid specification: destination can't be '/'".to_owned());
    }
    if !path.starts_with('/') {
        return Err(format!("invalid mount path: '{path}' mount path must be absolute"));
    }
    Ok(clean(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_replaces_what_docker_would_take() {
        assert_eq!(merge("").unwrap(), ["noexec", "nosuid", "nodev", "rprivate"]);
        assert_eq!(merge("exec,size=1m,size=2m,defaults").unwrap(), ["nosuid", "nodev", "rprivate", "exec", "size=2m"]);
        assert_eq!(merge("bogus").unwrap_err(), "Invalid tmpfs option [\"bogus\"]");
        assert_eq!(merge("a=b").unwrap_err(), "Invalid tmpfs option [\"a\" \"b\"]");
    }

    #[test]
    fn the_root_is_no_mount_point() {
        assert!(destination("/a/..").is_err() && destination("a").is_err());
        assert_eq!(destination("/a//b").as_deref(), Ok("/a/b"));
    }
}
