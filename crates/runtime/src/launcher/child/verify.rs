//! Reading back. Everything that was asked for is compared with what the kernel says, after the last step and before
//! the command: whatever differs is named, and nothing is started.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, StatVfsMountFlags, StatxFlags, fstat, fstatvfs, openat, stat, statat,
    statvfs, statx,
};
use rustix::io::Errno;

use super::{Done, Failure, Start, State, descriptors, held, mounts, paths};
use crate::launcher::facts::Kind;
use crate::launcher::plan::{Check, MountWords, Proof, Target, Wanted};
use crate::launcher::status;
use crate::launcher::text::{Text, number};
use crate::sys;

/// What a comparison found, if it is not what was wanted.
type Found = Result<Option<Text<192>>, Errno>;

#[allow(clippy::unnecessary_wraps)] // The counterpart of `other`, in matches that may also fail.
fn same() -> Found {
    Ok(None)
}

#[allow(clippy::unnecessary_wraps)] // As above.
fn other(found: fmt::Arguments<'_>) -> Found {
    Ok(Some(Text::of(found)))
}

/// Compares, and says what it found.
fn compare(start: &Start<'_>, index: usize, found: Found) -> Done {
    match found? {
        None => Ok(()),
        Some(found) => {
            start.report.differs(index, found.as_bytes());
            Err(Failure::Differs)
        }
    }
}

/// Compares the file system; still with the privileges to look at everything.
pub(super) fn files(start: &Start<'_>, state: &State) -> Done {
    for (index, check) in about(start, Wanted::is_about_files) {
        compare(start, index, file(state, &check.wanted))?;
    }
    Ok(())
}

/// Compares all else but the filter, which is not there yet or may not let the rest be seen.
pub(super) fn process(start: &Start<'_>, state: &mut State) -> Done {
    let status = read_status(state)?;
    let status = state.buffer.get(..status).unwrap_or_default();
    let is_about_process = |wanted: &Wanted| !wanted.is_about_files() && !matches!(wanted, Wanted::Seccomp { .. });
    for (index, check) in about(start, is_about_process) {
        let found = match &check.wanted {
            Wanted::Uid(_)
            | Wanted::Gid(_)
            | Wanted::Groups { .. }
            | Wanted::Capabilities { .. }
            | Wanted::NoNewPrivs(_)
            | Wanted::Umask(_) => in_status(status, &check.wanted),
            wanted => elsewhere(held(state.process.as_ref())?, &state.namespaces, wanted, Kind::link),
        };
        compare(start, index, found)?;
    }
    Ok(())
}

/// Compares the seccomp state.
pub(super) fn filter(start: &Start<'_>, state: &mut State, proof: Proof) -> Done {
    let is_filter = |wanted: &Wanted| matches!(wanted, Wanted::Seccomp { .. });
    for (index, check) in about(start, is_filter) {
        let Wanted::Seccomp { mode, filters } = &check.wanted else { continue };
        let found = match proof {
            Proof::Answer => same(),
            Proof::Refusal => match read_status(state) {
                Err(_refused) => same(),
                Ok(_) => other(format_args!("a filter that lets read(2) pass")),
            },
            Proof::Read => {
                let status = read_status(state)?;
                let status = state.buffer.get(..status).unwrap_or_default();
                seccomp(status, *mode, *filters)
            }
        };
        compare(start, index, found)?;
    }
    Ok(())
}

fn about<'a>(start: &Start<'a>, choose: impl Fn(&Wanted) -> bool) -> impl Iterator<Item = (usize, &'a Check)> {
    start.plan.checks.iter().enumerate().filter(move |(_, check)| choose(&check.wanted))
}

/// Reads the next open status file into the buffer; gives its length.
fn read_status(state: &mut State) -> Result<usize, Errno> {
    let file = state.status.iter_mut().find_map(Option::take).ok_or(Errno::BADF)?;
    // One read gives all: the kernel makes the file's text at once, and the buffer is larger than it.
    rustix::io::read(&file, &mut state.buffer[..])
}

fn seccomp(status: &[u8], mode: u64, filters: u64) -> Found {
    let found = status::single(status, "Seccomp", 10).unwrap_or(u64::MAX);
    // Since Linux 5.9.
    let count = status::single(status, "Seccomp_filters", 10);
    if found == mode && count.is_none_or(|count| count == filters) {
        same()
    } else {
        other(format_args!("mode {found} with {} filters", count.unwrap_or(0)))
    }
}

fn in_status(status: &[u8], wanted: &Wanted) -> Found {
    let number_at = |line: &str, wanted: u64, radix: u32| match status::single(status, line, radix) {
        Some(found) if found == wanted => same(),
        Some(found) if radix == 16 => other(format_args!("{found:016x}")),
        Some(found) if radix == 8 => other(format_args!("{found:04o}")),
        Some(found) => other(format_args!("{found}")),
        None => other(format_args!("not told")),
    };
    let four = |line: &str, id: u32| {
        let value = status::line(status, line).unwrap_or_default();
        let all = status::words(value).filter(|word| number(word, 10) == Some(u64::from(id))).count();
        if all == 4 { same() } else { text(value) }
    };
    match wanted {
        Wanted::Uid(id) => four("Uid", *id),
        Wanted::Gid(id) => four("Gid", *id),
        Wanted::Groups { ids, tolerated } => {
            let value = status::line(status, "Groups").unwrap_or_default();
            if groups_agree(value, ids, *tolerated) { same() } else { text(value) }
        }
        Wanted::Capabilities { line, set } => number_at(line, *set, 16),
        Wanted::NoNewPrivs(set) => number_at("NoNewPrivs", u64::from(*set), 10),
        Wanted::Umask(mask) => number_at("Umask", u64::from(*mask), 8),
        _ => same(), // The caller passes none but these.
    }
}

/// The kernel lists groups in ascending order, and keeps duplicates.
fn groups_agree(found: &[u8], wanted: &[u32], tolerated: bool) -> bool {
    if tolerated {
        return true;
    }
    let mut found = status::words(found);
    let all = wanted.iter().all(|id| found.next().and_then(|word| number(word, 10)) == Some(u64::from(*id)));
    all && found.next().is_none()
}

fn text(value: &[u8]) -> Found {
    other(format_args!("{:?}", std::str::from_utf8(value).unwrap_or("not UTF-8")))
}

/// What only the process itself can tell: its limits and its working directory.
fn by_itself(wanted: &Wanted) -> Found {
    match wanted {
        Wanted::Limit { resource, limit } => {
            let found = rustix::process::getrlimit(*resource);
            if found == *limit { same() } else { other(format_args!("{:?}, {:?}", found.current, found.maximum)) }
        }
        Wanted::Directory(path) => directory(path),
        _ => same(), // Compared by others.
    }
}

/// Compares what only the process itself can tell; the launcher compares the rest.
pub(super) fn own(start: &Start<'_>) -> Done {
    for (index, check) in about(start, |_| true) {
        compare(start, index, by_itself(&check.wanted))?;
    }
    Ok(())
}

/// Compares the labels that this process, or what it starts, takes on with exec.
pub(super) fn labels(start: &Start<'_>, state: &State) -> Done {
    for (index, check) in about(start, |wanted| matches!(wanted, Wanted::ExecLabel { .. })) {
        compare(start, index, elsewhere(held(state.process.as_ref())?, &state.namespaces, &check.wanted, Kind::link))?;
    }
    Ok(())
}

/// Compares, from outside, what the kernel says of a process whose directory in the host's /proc is given. `status` is
/// what its status file says; `with_filter` is whether its seccomp filter is installed already.
pub(in crate::launcher) fn from_outside(
    process: BorrowedFd<'_>,
    status: &[u8],
    namespaces: &[Option<std::os::fd::OwnedFd>],
    wanted: &Wanted,
    with_filter: bool,
) -> Result<Option<String>, Errno> {
    let found = match wanted {
        Wanted::Seccomp { mode, filters } if with_filter => seccomp(status, *mode, *filters),
        Wanted::Seccomp { .. } | Wanted::Limit { .. } | Wanted::Directory(_) => same(),
        // Whoever asks is answered with a label of their own (apparmor_getprocattr); `labels` has compared it.
        Wanted::ExecLabel { file, .. } if file.to_bytes().starts_with(b"attr/apparmor/") => same(),
        Wanted::Uid(_)
        | Wanted::Gid(_)
        | Wanted::Groups { .. }
        | Wanted::Capabilities { .. }
        | Wanted::NoNewPrivs(_)
        | Wanted::Umask(_) => in_status(status, wanted),
        wanted => elsewhere(process, namespaces, wanted, Kind::link),
    }?;
    Ok(found.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()))
}

/// Compares the namespaces that a child of this process, the keeper, will have.
pub(super) fn namespaces(start: &Start<'_>, state: &State) -> Done {
    for (index, check) in about(start, Wanted::is_about_namespaces) {
        let keeper = held(state.process.as_ref())?;
        compare(start, index, elsewhere(keeper, &state.namespaces, &check.wanted, Kind::of_children))?;
    }
    Ok(())
}

fn elsewhere(
    process: BorrowedFd<'_>,
    namespaces: &[Option<std::os::fd::OwnedFd>],
    wanted: &Wanted,
    link: fn(Kind) -> &'static std::ffi::CStr,
) -> Found {
    match wanted {
        Wanted::OomScoreAdj(value) => {
            let mut buffer = [0; 16];
            let found = read_file(process, c"oom_score_adj", &mut buffer)?;
            let wanted = Text::<16>::of(format_args!("{value}"));
            if found.trim_ascii() == wanted.as_bytes() { same() } else { text(found) }
        }
        Wanted::ExecLabel { file, value } => {
            let mut buffer = [0; 512];
            let found = read_file(process, file, &mut buffer)?;
            // AppArmor shows the profile without the word that set it, and its mode after it.
            let name = value.strip_prefix(b"exec ").unwrap_or(value);
            match found.strip_prefix(name) {
                Some(rest) if matches!(rest.first(), None | Some(b' ' | b'\n' | b'\0')) => same(),
                _ => text(found),
            }
        }
        Wanted::NewNamespace { kind, not } => {
            let found = statat(process, link(*kind), AtFlags::empty())?.st_ino;
            if found == *not { other(format_args!("the launcher's {}:[{found}]", kind.name())) } else { same() }
        }
        Wanted::SameNamespace { kind, inode } => {
            let found = statat(process, link(*kind), AtFlags::empty())?.st_ino;
            if found == *inode { same() } else { other(format_args!("{}:[{found}]", kind.name())) }
        }
        Wanted::JoinedNamespace { kind, slot } => {
            let found = statat(process, link(*kind), AtFlags::empty())?.st_ino;
            let named = fstat(held(namespaces.get(*slot).and_then(Option::as_ref))?)?.st_ino;
            if found == named { same() } else { other(format_args!("{}:[{found}], not [{named}]", kind.name())) }
        }
        Wanted::Hostname(name) => {
            let found = rustix::system::uname();
            if found.nodename().to_bytes() == name { same() } else { text(found.nodename().to_bytes()) }
        }
        Wanted::Domainname(name) => {
            let found = rustix::system::uname();
            if found.domainname().to_bytes() == name { same() } else { text(found.domainname().to_bytes()) }
        }
        Wanted::Limit { .. } | Wanted::Directory(_) => by_itself(wanted),
        _ => same(), // Compared by `in_status`, `filter` or `files`.
    }
}

/// getcwd(2) answers with a path that does not begin with `/` where the directory lies outside the root: what a leaked
/// descriptor as working directory gives (CVE-2024-21626).
fn directory(path: &std::ffi::CStr) -> Found {
    let mut buffer = [0; libc::PATH_MAX as usize];
    let found = sys::process::getcwd(&mut buffer)?;
    if !found.starts_with(b"/") {
        return text(found);
    }
    // The path may lead there through links.
    match (stat(path), stat(c".")) {
        (Ok(wanted), Ok(here)) if (wanted.st_dev, wanted.st_ino) == (here.st_dev, here.st_ino) => same(),
        // One that only root could reach; the name has to do.
        (Err(Errno::ACCESS), _) if found == path.to_bytes() => same(),
        _ => text(found),
    }
}

fn read_file<'a>(from: BorrowedFd<'_>, path: &std::ffi::CStr, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    let file = openat(from, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let read = rustix::io::read(&file, &mut *buffer)?;
    Ok(buffer.get(..read).unwrap_or_default())
}

fn file(state: &State, wanted: &Wanted) -> Found {
    match wanted {
        Wanted::Root => root(held(state.root.as_ref())?),
        Wanted::ReadOnlyRoot => read_only(c"/"),
        Wanted::ReadOnly(target) => read_only(&target.path),
        Wanted::Masked { target, own } => masked(state, target, *own),
        Wanted::Streams => streams(state),
        Wanted::Mounted { target, flags } => mounted(state, target, *flags),
        Wanted::Device { target, device, of_host } => {
            let found = stat(target.path.as_c_str())?;
            if found.st_rdev == *device {
                return if *of_host { read_only(&target.path) } else { same() };
            }
            let (major, minor) = (rustix::fs::major(found.st_rdev), rustix::fs::minor(found.st_rdev));
            other(format_args!("{major}:{minor}"))
        }
        _ => same(), // Not about files.
    }
}

/// The mount at the root is the one that was attached, and nothing lies over it: the old root would be there.
fn root(attached: BorrowedFd<'_>) -> Found {
    let id = |fd: BorrowedFd<'_>, path: &std::ffi::CStr, flags| {
        statx(fd, path, flags, StatxFlags::MNT_ID).map(|found| found.stx_mnt_id)
    };
    let wanted = id(attached, c"", AtFlags::EMPTY_PATH)?;
    let (here, above) = (id(CWD, c"/", AtFlags::empty())?, id(CWD, c"/..", AtFlags::empty())?);
    match (here == wanted, above == wanted) {
        (true, true) => same(),
        (true, false) => other(format_args!("under the old root")),
        (false, _) => other(format_args!("another one")),
    }
}

fn read_only(path: &std::ffi::CStr) -> Found {
    match statvfs(path) {
        Ok(found) if found.f_flag.contains(StatVfsMountFlags::RDONLY) => same(),
        Ok(_) => other(format_args!("writable")),
        Err(Errno::NOENT | Errno::NOTDIR) => same(),
        Err(errno) => Err(errno),
    }
}

fn streams(state: &State) -> Found {
    for number in 0..3 {
        if descriptors::is_null_of_host(state, number)? {
            return other(format_args!("the host's /dev/null as {number}"));
        }
    }
    same()
}

fn masked(state: &State, target: &Target, own: bool) -> Found {
    let found = match statx(CWD, target.path.as_c_str(), AtFlags::empty(), StatxFlags::BASIC_STATS) {
        Ok(found) => found,
        Err(Errno::NOENT | Errno::NOTDIR) => return same(),
        Err(errno) => return Err(errno),
    };
    let covered = found.stx_attributes.bits() & libc::STATX_ATTR_MOUNT_ROOT as u64 != 0;
    let is_null = (found.stx_rdev_major, found.stx_rdev_minor) == (1, 3);
    let is_directory = FileType::from_raw_mode(found.stx_mode.into()) == FileType::Directory;
    if !covered || !(is_null || is_directory) {
        return other(format_args!("visible"));
    }
    let null = fstat(held(state.null.as_ref())?)?;
    let device = rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor);
    if own && (device, found.stx_ino) == (null.st_dev, null.st_ino) {
        return other(format_args!("covered by the host's /dev/null"));
    }
    read_only(&target.path)
}

fn mounted(state: &State, target: &Target, flags: u64) -> Found {
    let at = paths::find(held(state.root.as_ref())?, target)?;
    let found = statx(&at, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    if found.stx_attributes.bits() & libc::STATX_ATTR_MOUNT_ROOT as u64 == 0 {
        return other(format_args!("not mounted"));
    }
    let has = fstatvfs(&at)?.f_flag.bits();
    let mut missing = flags & !has;
    if missing & libc::MOUNT_ATTR_NODEV != 0 && mounts::is_common_device(at.as_fd())? {
        missing &= !libc::MOUNT_ATTR_NODEV;
    }
    if missing == 0 { same() } else { other(format_args!("mounted {}", MountWords(has))) }
}
