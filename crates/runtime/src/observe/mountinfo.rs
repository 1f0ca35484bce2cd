//! `/proc/PID/mountinfo` (proc_pid_mountinfo(5)): whether the root is read-only, whether parts of /proc are hidden, and
//! where mounts pass on what is mounted below them.

/// A line of mountinfo, as far as it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountInfo {
    /// The mount's number (statx(2), `stx_mnt_id`).
    pub id: u64,
    /// What of the file system is seen there, octal escapes undone.
    pub root: String,
    /// Where it is mounted, octal escapes undone.
    pub mount_point: String,
    /// Options of this mount (`ro`, `nosuid`…).
    pub options: Vec<String>,
    /// Whether mounts below it show up elsewhere, and those elsewhere here.
    pub propagation: Propagation,
    /// The file system type.
    pub fs_type: String,
    /// Options of the file system as a whole.
    pub super_options: Vec<String>,
}

/// The propagation type of a mount (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Nothing comes or goes; unbindable too.
    Private,
    /// What is mounted elsewhere shows up here.
    Slave,
    /// What is mounted here shows up elsewhere, and the reverse.
    Shared,
}

impl Propagation {
    /// As mount(8) calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Slave => "slave",
            Self::Shared => "shared",
        }
    }
}

impl MountInfo {
    /// Whether nothing can be written through it: the mount is read-only, or its file system.
    pub fn is_read_only(&self) -> bool {
        let has_ro = |options: &[String]| options.iter().any(|option| option == "ro");
        has_ro(&self.options) || has_ro(&self.super_options)
    }
}

/// Paths of /proc that container runtimes have hidden since containerd 1.0 and docker 1.0 (`pkg/oci/spec.go`,
/// `MaskedPaths`).
pub(crate) const MASKED_IN_PROC: [&str; 9] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
];

/// Reads the text; lines of another form are passed over.
pub fn parse_mountinfo(text: &str) -> Vec<MountInfo> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<MountInfo> {
    // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ');
    let id = mount.next()?.parse().ok()?;
    let root = unescape(mount.nth(2)?);
    let mut file_system = file_system.split(' ');
    let options = |text: Option<&str>| text.unwrap_or_default().split(',').map(str::to_owned).collect();
    let mount_point = unescape(mount.next()?);
    let own = options(Some(mount.next()?));
    let has = |tag: &str| mount.clone().any(|field| field.starts_with(tag));
    let propagation = match (has("shared:"), has("master:")) {
        (true, _) => Propagation::Shared,
        (false, true) => Propagation::Slave,
        (false, false) => Propagation::Private,
    };
    Some(MountInfo {
        id,
        root,
        mount_point,
        options: own,
        propagation,
        fs_type: file_system.next()?.to_owned(),
        super_options: options(file_system.nth(1)),
    })
}

/// `\040` and the like, by which the kernel writes white space and backslashes.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let octal = bytes.get(at + 1..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(value) if byte == b'\\' => {
                out.push(value);
                at += 4;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether `/` is read-only: the topmost mount there, or its file system.
pub fn root_is_read_only(mounts: &[MountInfo]) -> Option<bool> {
    mounts.iter().rfind(|mount| mount.mount_point == "/").map(MountInfo::is_read_only)
}

/// Whether any of the paths that runtimes hide in /proc is covered by a mount.
pub fn is_masked(mounts: &[MountInfo]) -> bool {
    mounts.iter().any(|mount| MASKED_IN_PROC.contains(&mount.mount_point.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options_and_escapes() {
        let mounts = parse_mountinfo(
            "36 35 98:0 / / ro,noatime shared:1 - ext3 /dev/root rw,errors=continue\n\
             37 36 0:5 /null /proc/kcore rw,nosuid - devtmpfs dev rw\n\
             38 36 0:6 / /a\\040b\\134c rw - tmpfs tmpfs rw\nnonsense\n",
        );
        assert_eq!(mounts.len(), 3);
        assert_eq!((mounts[0].id, mounts[0].propagation), (36, Propagation::Shared));
        assert_eq!((mounts[1].root.as_str(), mounts[1].propagation), ("/null", Propagation::Private));
        assert_eq!(mounts[2].mount_point, "/a b\\c");
        assert_eq!(root_is_read_only(&mounts), Some(true));
        assert!(is_masked(&mounts));
        assert!(!is_masked(&mounts[2..]));
    }

    #[test]
    fn the_topmost_mount_of_the_root_counts() {
        let mounts = parse_mountinfo("1 1 0:1 / / ro - rootfs none rw\n2 1 0:2 / / rw - ext4 /dev/vda rw\n");
        assert_eq!(root_is_read_only(&mounts), Some(false));
        assert_eq!(root_is_read_only(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*\\\\.* - .*") {
            let _ = parse_mountinfo(&text);
        }
    }
}
