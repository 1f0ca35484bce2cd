//! `securityContext.sysctls`: their names, and the ones that the host's namespaces rule out.

use std::collections::HashSet;

use super::Check;

const MAX_NAME: usize = 253;
/// The sysctls of the IPC namespace, those below fs.mqueue aside. See ipc_namespaces(7).
const IPC: [&str; 10] = [
    "kernel.sem",
    "kernel.shm",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "kernel.msg",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
];
const SEGMENT: &str = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?";

impl Check<'_> {
    pub(super) fn sysctls(&mut self) {
        let sysctls = self.spec.security_context.iter().flat_map(|c| c.sysctls.iter().flatten());
        let mut seen = HashSet::new();
        for (i, sysctl) in sysctls.enumerate() {
            let field = format!("spec.securityContext.sysctls[{i}].name");
            let name = sysctl.name.as_str();
            if name.is_empty() {
                self.required(field.clone(), "");
            } else if !is_name(name) {
                let detail =
                    format!("must have at most {MAX_NAME} characters and match regex ^({SEGMENT}[\\./])*{SEGMENT}$");
                self.invalid(field.clone(), name, detail);
            } else if !seen.insert(name) {
                self.refuse(field.clone(), format!("Duplicate value: {name:?}"));
            }
            match namespace(name) {
                Some(Namespace::Net) if self.spec.host_network == Some(true) => {
                    self.invalid(field, name, "may not be specified when 'hostNetwork' is true");
                }
                Some(Namespace::Ipc) if self.spec.host_ipc == Some(true) => {
                    self.invalid(field, name, "may not be specified when 'hostIPC' is true");
                }
                _ => {}
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= MAX_NAME
        && name.split(['.', '/']).all(|segment| {
            segment.starts_with(plain)
                && segment.ends_with(plain)
                && segment.chars().all(|c| plain(c) || matches!(c, '-' | '_'))
        })
}

#[derive(PartialEq)]
enum Namespace {
    Ipc,
    Net,
}

/// The kernel's namespace that a sysctl belongs to, `.` and `/` being the same to Kubernetes.
fn namespace(name: &str) -> Option<Namespace> {
    // The separator that comes first separates; the other is part of a name.
    let swap = |c| match c {
        '/' => '.',
        '.' => '/',
        other => other,
    };
    let dotted: String = match name.find(['.', '/']) {
        Some(at) if name.as_bytes().get(at) == Some(&b'/') => name.chars().map(swap).collect(),
        _ => name.to_owned(),
    };
    let ipc = IPC.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.");
    if ipc {
        return Some(Namespace::Ipc);
    }
    dotted.starts_with("net.").then_some(Namespace::Net)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_segments_between_dots_or_slashes() {
        for good in ["a", "net.ipv4.ip_forward", "net/ipv4/conf/eno2.100/rp_filter", "a-b.c_d"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "a.", "A", "a..b", "_a", "a b", "net.ipv4.conf.all*"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
