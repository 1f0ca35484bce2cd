//! What this same binary does when it is started by ringfence itself rather than by a person: the probe in a container,
//! the sandbox of a pod, the guardians that clean up, and the helper for files of subordinate IDs.

use std::ffi::OsString;
use std::process::ExitCode;

/// The first argument of such a start. No command or flag for people begins like this.
pub const MARKER: &str = "--ringfence-inside";

/// Does the inner work that the arguments ask for, if they do. A program calls this before it reads its arguments:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     if let Some(code) = ringfence_runtime::inside::main(std::env::args_os()) {
///         return code;
///     }
///     std::process::ExitCode::SUCCESS // the program itself
/// }
/// ```
pub fn main(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != MARKER {
        return None;
    }
    let what = args.next()?;
    let rest: Vec<OsString> = args.collect();
    match what.to_str() {
        Some("probe") => Some(crate::probe::main(&rest)),
        Some("raise") => Some(crate::probe::limit::main(&rest)),
        Some("pause") => Some(crate::run::sandbox_main()),
        Some("guardian") => Some(crate::state::guardian_main(&rest)),
        Some("terminal") => Some(crate::run::restore_main(&rest)),
        Some("subordinate") => Some(crate::subordinate::helper_main(&rest)),
        _ => Some(ExitCode::from(2)),
    }
}
