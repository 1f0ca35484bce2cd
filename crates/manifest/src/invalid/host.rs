//! The host's namespaces: what excludes each other, and ports of a pod that has the host's network.

use super::Check;

impl Check<'_> {
    pub(super) fn host(&mut self) {
        let spec = self.spec;
        if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
            let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
            self.invalid("spec.shareProcessNamespace", true, detail);
        }
        if spec.host_users == Some(false) {
            let shared = [
                ("spec.hostNetwork", spec.host_network),
                ("spec.hostPID", spec.host_pid),
                ("spec.hostIPC", spec.host_ipc),
            ];
            for (field, _) in shared.into_iter().filter(|(_, shared)| *shared == Some(true)) {
                self.forbidden(field, "when `hostUsers` is false");
            }
            for container in self.each_container().filter(|c| c.has_volume_devices) {
                self.forbidden(container.path("volumeDevices"), "when `hostUsers` is false");
            }
        }
        if spec.host_network == Some(true) {
            let init = spec.init_containers.iter().flatten();
            let lists =
                [("containers", spec.containers.iter().collect::<Vec<_>>()), ("initContainers", init.collect())];
            for (list, containers) in lists {
                for (i, container) in containers.into_iter().enumerate() {
                    for (j, port) in container.ports.iter().flatten().enumerate() {
                        // A port of the node that is not set is defaulted to the container's.
                        if let Some(host) = port.host_port.filter(|h| *h != 0 && *h != port.container_port) {
                            let detail = "must match `containerPort` when `hostNetwork` is true";
                            self.invalid(format!("spec.{list}[{i}].ports[{j}].hostPort"), host, detail);
                        }
                    }
                }
            }
        }
    }
}
