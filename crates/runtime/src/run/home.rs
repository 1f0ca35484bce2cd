//! HOME where the manifest and the image do not tell it: as an OCI runtime finds it at the start, in the `/etc/passwd`
//! that the container sees (runc `libcontainer/env.go`, `getUserHome`).

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::Path;

use ringfence_context::effective::EffectiveContainer;
use ringfence_context::origin::{Origin, Value};
use ringfence_context::user_database::users;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::rootfs::RootfsRequest;
use crate::spec::{VolumeMount, VolumeSource, clean};
use crate::sys::chmod::proc_path;

/// No user database is larger.
const MAX_BYTES: u64 = 1 << 20;

/// The user's home, `/` where there is no such user or no such file, and unknown where the user is.
pub(super) fn decide(
    container: &EffectiveContainer,
    volumes: &[VolumeMount],
    rootfs: &RootfsRequest<'_>,
) -> Value<String> {
    let Some(uid) = container.user.uid.get() else { return container.home.clone() };
    let file = Path::new("/etc/passwd");
    let covering = volumes
        .iter()
        .filter_map(|volume| Some((file.strip_prefix(clean(Path::new(&volume.mount_path))).ok()?, &volume.source)))
        .min_by_key(|(below, _)| below.components().count());
    let passwd = match covering {
        Some((below, VolumeSource::Path(source))) => read(source, below),
        Some((below, VolumeSource::Held(held))) => read(Path::new(&proc_path(held.fd.as_fd())), below),
        Some((_, VolumeSource::Tmpfs { .. })) => None,
        None => match rootfs {
            RootfsRequest::Dir(root) => read(root, Path::new("etc/passwd")),
            RootfsRequest::Image(image) => image.facts.passwd.clone(),
            RootfsRequest::Host(facts) => facts.passwd.clone(),
            RootfsRequest::Empty => None,
        },
    };
    let home = passwd.as_deref().and_then(|passwd| home(passwd, *uid)).unwrap_or_else(|| "/".to_owned());
    Value::known(home, Origin::runtime("the /etc/passwd that the container has at its start"))
}

/// A runtime that cannot read the file goes on with `/`.
fn home(passwd: &str, uid: u32) -> Option<String> {
    users(passwd).ok()?.find(|user| user.uid == i64::from(uid)).map(|user| user.home.to_owned())
}

/// The file below `root`, or `root` itself; links stay within it.
fn read(root: &Path, below: &Path) -> Option<String> {
    // A pipe must not hold up the run.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = if below.as_os_str().is_empty() {
        rustix::fs::open(root, flags, Mode::empty()).ok()?
    } else {
        let dir = rustix::fs::open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        rustix::fs::openat2(&dir, below, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
            .ok()?
    };
    let file = File::from(fd);
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_within_the_volume_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("passwd"), "me:x:7:7::/me:\n").unwrap();
        std::os::unix::fs::symlink("/passwd", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("../../../../etc/passwd", dir.path().join("out")).unwrap();
        for below in ["passwd", "link"] {
            assert_eq!(read(dir.path(), Path::new(below)).as_deref(), Some("me:x:7:7::/me:\n"));
        }
        assert_eq!(read(&dir.path().join("passwd"), Path::new("")).as_deref(), Some("me:x:7:7::/me:\n"));
        assert_eq!(read(dir.path(), Path::new("out")), None);
        assert_eq!(read(dir.path(), Path::new("")), None);
    }

    #[test]
    fn a_stranger_has_no_home() {
        assert_eq!(home("me:x:7:7::/me:\n", 7).as_deref(), Some("/me"));
        assert_eq!(home("me:x:7:7::/me:\n", 8), None);
    }
}
