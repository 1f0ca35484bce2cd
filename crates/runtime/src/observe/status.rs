//! `/proc/PID/status` (proc_pid_status(5)).

use ringfence_context::capability::CapSet;
use ringfence_context::process::CapabilitySets;

/// What of `/proc/PID/status` concerns a security context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Real, effective, saved and file-system user ID.
    pub uid: [u32; 4],
    /// Real, effective, saved and file-system group ID.
    pub gid: [u32; 4],
    /// Supplementary groups, sorted.
    pub groups: Vec<u32>,
    /// The five sets.
    pub capabilities: CapabilitySets,
    /// The no_new_privs flag.
    pub no_new_privs: bool,
    /// 0, 1 (strict) or 2 (filter); `None` on a kernel without seccomp.
    pub seccomp: Option<u8>,
    /// The process ID in each nested PID namespace, the outermost first.
    pub ns_pid: Vec<u32>,
}

/// The text is not that of `/proc/PID/status`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line is missing.
    #[error("no line {0}: in the status of the process")]
    Missing(&'static str),
    /// A line has another form than proc_pid_status(5) says.
    #[error("line {line}: of the status of the process is not understood: {text:?}")]
    Malformed {
        /// The line's name.
        line: &'static str,
        /// What follows it.
        text: String,
    },
}

/// Reads the text of `/proc/PID/status`.
pub fn parse_status(text: &str) -> Result<Status, ParseError> {
    let capabilities = CapabilitySets {
        inheritable: capset(text, "CapInh")?,
        permitted: capset(text, "CapPrm")?,
        effective: capset(text, "CapEff")?,
        bounding: capset(text, "CapBnd")?,
        ambient: capset(text, "CapAmb")?,
    };
    let mut groups = numbers(text, "Groups")?;
    groups.sort_unstable();
    Ok(Status {
        uid: four(text, "Uid")?,
        gid: four(text, "Gid")?,
        groups,
        capabilities,
        no_new_privs: line(text, "NoNewPrivs")? == "1",
        seccomp: line(text, "Seccomp").ok().and_then(|mode| mode.parse().ok()),
        ns_pid: numbers(text, "NSpid").unwrap_or_default(),
    })
}

fn line<'t>(text: &'t str, name: &'static str) -> Result<&'t str, ParseError> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
        .ok_or(ParseError::Missing(name))
}

fn numbers(text: &str, name: &'static str) -> Result<Vec<u32>, ParseError> {
    let line = line(text, name)?;
    line.split_ascii_whitespace()
        .map(|number| number.parse().map_err(|_| ParseError::Malformed { line: name, text: line.to_owned() }))
        .collect()
}

fn four(text: &str, name: &'static str) -> Result<[u32; 4], ParseError> {
    numbers(text, name)?
        .try_into()
        .map_err(|found: Vec<u32>| ParseError::Malformed { line: name, text: format!("{found:?}") })
}

fn capset(text: &str, name: &'static str) -> Result<CapSet, ParseError> {
    let line = line(text, name)?;
    u64::from_str_radix(line, 16).map(CapSet).map_err(|_| ParseError::Malformed { line: name, text: line.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\tcat\nUmask:\t0022\nUid:\t1000\t1000\t1000\t1000\nGid:\t3000\t3000\t3000\t3000\n\
        Groups:\t3000 29 2000 \nNSpid:\t4711\t1\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n\
        CapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n\
        Seccomp:\t2\nSeccomp_filters:\t1\n";

    #[test]
    fn reads_what_the_kernel_prints() {
        let status = parse_status(TEXT).unwrap();
        assert_eq!(status.uid, [1000; 4]);
        assert_eq!(status.groups, [29, 2000, 3000]);
        assert_eq!(status.capabilities.bounding, CapSet::RUNTIME_DEFAULT);
        assert!(status.no_new_privs);
        assert_eq!(status.seccomp, Some(2));
        assert_eq!(status.ns_pid, [4711, 1]);
    }

    #[test]
    fn a_missing_or_odd_line_is_named() {
        assert_eq!(parse_status(""), Err(ParseError::Missing("CapInh")));
        let odd = TEXT.replace("Uid:\t1000\t1000\t1000\t1000", "Uid:\t1000");
        assert!(matches!(parse_status(&odd), Err(ParseError::Malformed { line: "Uid", .. })));
    }

    #[test]
    fn reads_this_process() {
        let status = parse_status(&std::fs::read_to_string("/proc/self/status").unwrap()).unwrap();
        assert_eq!(status.uid[1], rustix::process::geteuid().as_raw());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse_status(&text);
            let _ = parse_status(&TEXT.replace("1000", &text));
        }
    }
}
