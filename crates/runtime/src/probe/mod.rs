//! The probe: runs in a container in place of the image's command and prints what the kernel says of it, as one line of
//! JSON ([`ProbeReport`]). It is the caller's own static binary, mounted read-only.
//!
//! A filter may deny it anything; what it cannot see it reports with the reason, and it never guesses.

mod identity;
pub(crate) mod limit;
mod volume;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use oci_spec::runtime::Mount;

use crate::observe::{self, ProbeReport};
use crate::spec::mount;

/// Where the container sees the probe.
pub const PATH: &str = "/.ringfence/probe";

/// Before the path of a volume: look at it, and make a file there.
pub const WITH_FILE: char = '+';
/// Before the path of a volume: only look at it.
pub const AS_IT_IS: char = '=';
/// An argument of its own: raise a limit. After it may follow the path of a program with the file capability for that.
pub const RAISE: char = '^';
/// Where the container sees that program.
pub const RAISE_PATH: &str = "/.ringfence/raise";

/// The command of the probe that looks at the volumes mounted at these paths, each after [`WITH_FILE`] or [`AS_IT_IS`],
/// and raises a limit for [`RAISE`]; and the mount of `binary`, which must be static and end up in [`crate::inside::main`].
pub fn command(binary: &Path, volumes: &[String]) -> (Vec<String>, Mount) {
    let mut args = vec![PATH.to_owned(), crate::inside::MARKER.to_owned(), "probe".to_owned()];
    args.extend_from_slice(volumes);
    (args, mount(PATH, "bind", binary, &["bind", "ro", "nosuid", "nodev"]))
}

/// The mount of the program at [`RAISE_PATH`]: one that may raise the process's privileges, as those of an image may.
pub fn raise_mount(program: &Path) -> Mount {
    mount(RAISE_PATH, "bind", program, &["bind", "ro", "nodev"])
}

/// Prints the report of this process. `volumes` are the paths to look at.
pub fn main(volumes: &[OsString]) -> ExitCode {
    let code = say(&report(volumes));
    // A line of its own after the report, which a filter that ends the process here does not take away.
    let raise = volumes.iter().find_map(|look| look.as_bytes().strip_prefix(&[RAISE as u8]));
    let Some(program) = raise else { return code };
    let program = std::str::from_utf8(program).ok().filter(|path| !path.is_empty());
    say(&limit::raise(program))
}

fn say(what: &impl serde::Serialize) -> ExitCode {
    let Ok(mut line) = serde_json::to_vec(what) else { return ExitCode::FAILURE };
    line.push(b'\n');
    // Not `println!`, which panics when the reader has gone.
    match std::io::stdout().lock().write_all(&line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn report(volumes: &[OsString]) -> ProbeReport {
    let mut report = ProbeReport::default();
    let ProbeReport { state, namespace_ids, not_seen } = &mut report;
    identity::identity(state, not_seen);
    mounts(state, not_seen);
    labels(state);
    *namespace_ids = observe::namespace_ids("self", not_seen);
    state.home = std::env::var_os("HOME").map(|home| home.to_string_lossy().into_owned());
    for look in volumes {
        let look = look.as_bytes();
        let Some((how, path)) = look.split_first() else { continue };
        if char::from(*how) == RAISE {
            continue;
        }
        let path = Path::new(OsStr::from_bytes(path));
        volume::volume(path, char::from(*how) == WITH_FILE, state, not_seen);
    }
    report
}

/// The root's and /proc's mounts: from mountinfo, or where that is denied by asking each file.
fn mounts(state: &mut ringfence_context::process::ProcessState, not_seen: &mut BTreeMap<String, String>) {
    match std::fs::read("/proc/self/mountinfo") {
        Ok(text) => {
            let mounts = observe::parse_mountinfo(&String::from_utf8_lossy(&text));
            state.read_only_root_filesystem = observe::root_is_read_only(&mounts);
            state.proc_masked = Some(observe::is_masked(&mounts));
        }
        Err(error) => {
            match rustix::fs::statvfs("/") {
                Ok(root) => {
                    let read_only = root.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
                    state.read_only_root_filesystem = Some(read_only);
                }
                Err(denied) => {
                    not_seen
                        .insert("readOnlyRootFilesystem".to_owned(), format!("mountinfo: {error}; statvfs: {denied}"));
                }
            }
            not_seen.insert("procMasked".to_owned(), format!("/proc/self/mountinfo: {error}"));
        }
    }
}

/// The labels that security modules give, where the kernel has one.
fn labels(state: &mut ringfence_context::process::ProcessState) {
    let read = |path: &str| {
        let text = std::fs::read(path).ok()?;
        let text = String::from_utf8_lossy(&text).trim_end_matches(['\n', '\0']).to_owned();
        (!text.is_empty()).then_some(text)
    };
    state.app_armor_profile = read("/proc/self/attr/apparmor/current");
    match read("/proc/self/attr/current") {
        // user:role:type:level
        Some(label) if label.split(':').count() >= 4 => state.selinux_label = Some(label),
        Some(label) if state.app_armor_profile.is_none() => state.app_armor_profile = Some(label),
        _ => {}
    }
}
