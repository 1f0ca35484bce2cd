//! Writing a user namespace's ID mappings (user_namespaces(7)).

use std::fmt::Write;
use std::fs;
use std::io;
use std::process::Command;

use rustix::process::Pid;

use super::plan::Mapping;
use crate::engine::StartError;

/// Writes the mappings of the namespace that the process is in.
pub(super) fn write(pid: Pid, mapping: &Mapping) -> Result<(), StartError> {
    if mapping.helpers {
        helper("newuidmap", pid, &mapping.uid, "linux.uidMappings")?;
        return helper("newgidmap", pid, &mapping.gid, "linux.gidMappings");
    }
    let pid = pid.as_raw_nonzero();
    let file = |name: &str, content: &str, field: &str| {
        fs::write(format!("/proc/{pid}/{name}"), content)
            .map_err(|source| StartError::Step { step: format!("write {name} ({field})"), source })
    };
    if mapping.deny_groups {
        file("setgroups", "deny", "linux.gidMappings")?;
    }
    file("uid_map", &lines(&mapping.uid), "linux.uidMappings")?;
    file("gid_map", &lines(&mapping.gid), "linux.gidMappings")
}

fn lines(ranges: &[[u32; 3]]) -> String {
    ranges.iter().fold(String::new(), |mut lines, [inside, outside, size]| {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{inside} {outside} {size}");
        lines
    })
}

/// Has a setuid helper of shadow-utils write mappings that the caller may not write itself.
fn helper(program: &str, pid: Pid, ranges: &[[u32; 3]], field: &str) -> Result<(), StartError> {
    let failed = |source| StartError::Step { step: format!("run {program} ({field})"), source };
    let mut command = Command::new(program);
    command.arg(pid.as_raw_nonzero().to_string());
    command.args(ranges.iter().flatten().map(u32::to_string));
    let output = command.output().map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            StartError::Unsupported {
                what: format!("mapping more than the own ID ({field}, which takes {program})"),
                where_: "without root".to_owned(),
            }
        } else {
            failed(source)
        }
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_is_a_line() {
        assert_eq!(lines(&[[0, 1000, 1], [1, 100_000, 65_536]]), "0 1000 1\n1 100000 65536\n");
    }
}
