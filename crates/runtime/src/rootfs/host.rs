//! The host's own programs as a root file system, where there is no image: `/usr` and what belongs to it, read-only,
//! under a private root with the user database of the image.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ringfence_context::facts::ImageFacts;

use super::{Rootfs, RootfsError, RootfsOptions, RootfsSource, io_error, overlay};
use crate::spec::mount;
use crate::state::StateDir;

/// Directories beside `/usr` that distributions either link into it or fill with programs and libraries.
const BESIDE_USR: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix"];

/// What programs in `/usr` need of `/etc`: the linker's cache, and where Debian's alternatives point to.
const OF_ETC: [&str; 2] = ["ld.so.cache", "alternatives"];

/// The users of an image of which nothing is known.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nnobody:x:65534:\n";

/// Shown read-only, without the rights that a setuid program of the host would give.
const READ_ONLY: [&str; 4] = ["bind", "ro", "nosuid", "nodev"];

pub(super) fn prepare(
    state: &StateDir,
    name: &str,
    image: &ImageFacts,
    options: RootfsOptions,
) -> Result<Rootfs, RootfsError> {
    let root = state.dir(&format!("rootfs/{name}"), 0o755)?;
    for (dir, mode) in [
        ("etc", 0o755),
        ("dev", 0o755),
        ("proc", 0o555),
        ("sys", 0o555),
        ("run", 0o755),
        ("tmp", 0o1777),
        ("var", 0o755),
        ("var/tmp", 0o1777),
        ("home", 0o755),
        ("root", 0o700),
    ] {
        let path = root.join(dir);
        fs::create_dir(&path).map_err(io_error("make", &path))?;
        fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(io_error("set the mode of", &path))?;
    }
    let write = |file: &str, text: &str| {
        let path = root.join(file);
        fs::write(&path, text).map_err(io_error("write", &path))?;
        fs::set_permissions(&path, Permissions::from_mode(0o644)).map_err(io_error("set the mode of", &path))
    };
    write("etc/passwd", image.passwd.as_deref().unwrap_or(PASSWD))?;
    write("etc/group", image.group.as_deref().unwrap_or(GROUP))?;
    write("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")?;

    let overlays = overlay::is_available(state.path(), options.user_namespace);
    let mut shown = Vec::new();
    let mut mounts = Vec::new();
    for directory in ["usr"].iter().chain(&BESIDE_USR) {
        let host = PathBuf::from("/").join(directory);
        if let Ok(target) = fs::read_link(&host) {
            let link = root.join(directory);
            symlink(&target, &link).map_err(io_error("link", &link))?;
        } else if host.is_dir() {
            mounts.push(if overlays {
                // So that mount points can be made in it.
                let key = format!("{name}-{directory}");
                overlay::overlay(state, &key, &[&host], &host, options.user_namespace, &["nosuid", "nodev"])?
            } else {
                mount(&host, "bind", &host, &READ_ONLY)
            });
            shown.push(host);
        }
    }
    let readonly_paths =
        if overlays { shown.iter().map(|path| path.display().to_string()).collect() } else { Vec::new() };
    let mut fixed = if overlays { Vec::new() } else { shown.clone() };
    for file in OF_ETC {
        let host = Path::new("/etc").join(file);
        if host.exists() {
            mounts.push(mount(&host, "bind", &host, &READ_ONLY));
            fixed.push(host);
        }
    }
    Ok(Rootfs { root, mounts, readonly_paths, fixed, source: RootfsSource::HostUsr { shown } })
}
