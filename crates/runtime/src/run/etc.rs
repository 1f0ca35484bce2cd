//! The files that kubelet and runtime put into `/etc`: hosts, hostname and resolv.conf
//! (kubelet `pkg/kubelet/kubelet_pods.go`, `managedHostsFileContent`).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::Pod;
use ringfence_context::effective::EffectivePod;
use ringfence_context::process::Namespace;

use super::{RunError, names, resolv_conf};
use crate::spec::{EtcFiles, IdMappings};
use crate::state::StateDir;

const OWN: &str = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
const OF_HOST: &str = "# Kubernetes-managed hosts file (host network).\n";

pub(super) fn write(state: &StateDir, pod: &Pod, effective: &EffectivePod) -> Result<EtcFiles, RunError> {
    let domain = names::domain(pod)?;
    names::check_aliases(pod)?;
    let dir = state.dir("etc", 0o755)?;
    let hostname = match effective.hostname.get() {
        Some(hostname) => hostname.clone(),
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    let file = |name: &str, text: String| -> Result<Option<PathBuf>, RunError> {
        let path = dir.join(name);
        fs::write(&path, text).map_err(RunError::machinery("write the files for /etc"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o644))
            .map_err(RunError::machinery("write the files for /etc"))?;
        Ok(Some(path))
    };
    // Not there on some machines; then there is nothing to pass on.
    let of_host = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut hosts = if effective.namespaces.net == Namespace::Host {
        format!("{OF_HOST}{}", of_host("/etc/hosts"))
    } else {
        own(&hostname, domain.as_deref())
    };
    let aliases = pod.spec.as_ref().and_then(|spec| spec.host_aliases.as_deref()).unwrap_or_default();
    if !aliases.is_empty() {
        hosts.push_str("\n# Entries added by HostAliases.\n");
    }
    for alias in aliases {
        let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
        hosts.extend([alias.ip.as_str(), "\t", &names, "\n"]);
    }
    Ok(EtcFiles {
        hosts: file("hosts", hosts)?,
        hostname: file("hostname", format!("{hostname}\n"))?,
        resolv_conf: file("resolv.conf", resolv_conf::text(&of_host("/etc/resolv.conf"), pod.spec.as_ref()))?,
    })
}

/// The start of the hosts file of a pod with a network of its own.
fn own(hostname: &str, domain: Option<&str>) -> String {
    // The pod has no address of its own here; its name is that of the loopback device.
    match domain {
        Some(domain) => format!("{OWN}127.0.0.1\t{hostname}.{domain}\t{hostname}\n"),
        None => format!("{OWN}127.0.0.1\t{hostname}\n"),
    }
}

/// Gives the files to root of the pod's user namespace, as a kubelet shows them there.
pub(super) fn give(files: &EtcFiles, mappings: &IdMappings) -> Result<(), RunError> {
    for file in [&files.hosts, &files.hostname, &files.resolv_conf].into_iter().flatten() {
        std::os::unix::fs::lchown(file, mappings.outside_uid(0), mappings.outside_gid(0))
            .map_err(RunError::machinery("give the files for /etc to the pod's root"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_name_stands_before_the_short_one() {
        let last = |text: String| text.lines().last().map(str::to_owned);
        let full = last(own("p", Some("web.shop.svc.cluster.local")));
        assert_eq!(full.as_deref(), Some("127.0.0.1\tp.web.shop.svc.cluster.local\tp"));
        assert_eq!(last(own("p", None)).as_deref(), Some("127.0.0.1\tp"));
    }
}
