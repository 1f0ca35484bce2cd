//! What runc and crun say when a container does not start, as a [`StartError`].

use std::io;

use crate::engine::StartError;

/// The error in the runtime's log; `None` when there is none, that is when the container ran.
pub(super) fn from_log(engine: &str, log: &str, command: &str) -> Option<StartError> {
    let message = log.lines().rev().find_map(error_of)?;
    Some(classify(engine, &message, command))
}

/// The message of a line of level error. runc writes logfmt (`time=… level=error msg="…"`), crun plain text.
fn error_of(line: &str) -> Option<String> {
    if let Some((_, rest)) = line.split_once("level=") {
        let quoted = rest.strip_prefix("error").or_else(|| rest.strip_prefix("fatal"))?.trim_start();
        let text = quoted.strip_prefix("msg=")?;
        return Some(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()));
    }
    let line = line.trim();
    // crun's warnings are no reason.
    (!line.is_empty() && !line.contains("hybrid mode not supported")).then(|| strip_time(line).to_owned())
}

/// crun begins a line with `2026-01-01T00:00:00.000000Z: `.
fn strip_time(line: &str) -> &str {
    match line.split_once(": ") {
        Some((time, rest)) if time.ends_with('Z') && time.contains('T') && !time.contains(' ') => rest,
        _ => line,
    }
}

fn classify(engine: &str, message: &str, command: &str) -> StartError {
    let exec = |kind: io::ErrorKind| StartError::Exec { command: command.to_owned(), source: kind.into() };
    // runc: `exec: "x": executable file not found in $PATH`, `exec: "/x": stat /x: no such file or directory`,
    // `exec /x: exec format error`; crun: "executable file `x` not found in $PATH: No such file or directory",
    // "open executable: …", "exec: …".
    let lower = message.to_lowercase();
    let about_exec = lower.contains("exec: ") || lower.contains("exec /") || lower.contains("executable");
    if about_exec {
        if lower.contains("not found") || lower.contains("no such file") {
            return exec(io::ErrorKind::NotFound);
        }
        if ["permission denied", "operation not permitted", "is a directory"].iter().any(|text| lower.contains(text)) {
            return exec(io::ErrorKind::PermissionDenied);
        }
        if lower.contains("exec format error") {
            return StartError::Exec {
                command: command.to_owned(),
                source: io::Error::from_raw_os_error(libc::ENOEXEC),
            };
        }
    }
    StartError::External { engine: engine.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runc_names_a_missing_command() {
        let log = "time=\"2026-01-01T00:00:00Z\" level=warning msg=\"old\"\n\
            time=\"2026-01-01T00:00:00Z\" level=error msg=\"runc run failed: unable to start container process: exec: \\\"x\\\": executable file not found in $PATH\"\n";
        assert!(matches!(from_log("runc", log, "x"), Some(StartError::Exec { command, source })
                if command == "x" && source.kind() == io::ErrorKind::NotFound));
    }

    #[test]
    fn runc_cannot_apply_a_capability_that_the_node_lacks() {
        let log = "time=\"t\" level=error msg=\"runc run failed: unable to start container process: unable to apply caps: operation not permitted\"\n";
        let Some(StartError::External { engine, message }) = from_log("runc", log, "x") else { panic!() };
        assert_eq!(engine, "runc");
        assert_eq!(
            message,
            "runc run failed: unable to start container process: unable to apply caps: operation not permitted"
        );
    }

    #[test]
    fn crun_names_a_missing_command() {
        let log = "2026-01-01T00:00:00.000000Z: executable file `x` not found in $PATH: No such file or directory\n";
        assert!(matches!(from_log("crun", log, "x"), Some(StartError::Exec { .. })));
    }

    #[test]
    fn warnings_are_not_errors() {
        assert!(from_log("runc", "time=\"t\" level=warning msg=\"lazy umount\"\n", "x").is_none());
        assert!(
            from_log("crun", "cgroups in hybrid mode not supported, drop all controllers from cgroupv2\n", "x")
                .is_none()
        );
        assert!(from_log("runc", "", "x").is_none());
    }
}
