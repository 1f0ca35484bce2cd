//! The command line of a container.

use k8s_openapi::api::core::v1::{Container, PodSecurityContext, PodSpec, SecurityContext, Volume, VolumeMount};

use super::{Expressed, Notes, capabilities, note};
use crate::version::Version;

/// The words of a `docker run` that gives the container the same.
pub fn from_container(spec: &PodSpec, container: &Container, version: Version) -> Expressed<Vec<String>> {
    let mut notes = Vec::new();
    let mut words: Vec<String> = ["docker", "run", "--rm"].map(str::to_owned).into();
    let none = (PodSecurityContext::default(), SecurityContext::default());
    let pod = spec.security_context.as_ref().unwrap_or(&none.0);
    let context = container.security_context.as_ref().unwrap_or(&none.1);
    words.push(format!("--name={}", container.name));
    users(pod, context, &mut words, &mut notes);
    security(pod, context, version, &mut words, &mut notes);
    namespaces(spec, &mut words, &mut notes);
    for sysctl in pod.sysctls.iter().flatten() {
        words.push(format!("--sysctl={}={}", sysctl.name, sysctl.value));
    }
    for mount in container.volume_mounts.iter().flatten() {
        volume(spec, mount, &mut words, &mut notes);
    }
    for device in container.volume_devices.iter().flatten() {
        note(&mut notes, format!("volumeDevices {}", device.name), "name the block device with --device");
    }
    beside(spec, container, &mut words, &mut notes);
    words.push(container.image.clone().unwrap_or_default());
    command(container, &mut words, &mut notes);
    Expressed { value: words, notes }
}

fn users(pod: &PodSecurityContext, context: &SecurityContext, words: &mut Vec<String>, notes: &mut Notes) {
    let uid = context.run_as_user.or(pod.run_as_user);
    let gid = context.run_as_group.or(pod.run_as_group);
    let strict = pod.supplemental_groups_policy.as_deref() == Some("Strict");
    match (uid, gid) {
        (Some(uid), Some(gid)) => words.push(format!("--user={uid}:{gid}")),
        (Some(uid), None) => words.push(format!("--user={uid}")),
        (None, Some(gid)) => note(
            notes,
            format!("runAsGroup: {gid}"),
            "docker names a group only after a user: write --user USER:GROUP with the USER of the image",
        ),
        (None, None) => {}
    }
    if gid.is_some() && !strict {
        note(
            notes,
            "supplementalGroupsPolicy: Merge",
            "docker takes no group of the image's /etc/group when --user names one: add them with --group-add",
        );
    }
    if gid.is_none() && strict {
        note(
            notes,
            "supplementalGroupsPolicy: Strict",
            "docker takes the groups of the image's /etc/group unless --user names one",
        );
    }
    for group in pod.supplemental_groups.iter().flatten() {
        words.push(format!("--group-add={group}"));
    }
    if let Some(group) = pod.fs_group {
        if !pod.supplemental_groups.iter().flatten().any(|known| *known == group) {
            words.push(format!("--group-add={group}"));
        }
        note(notes, format!("fsGroup: {group}"), "docker changes no volume: `ringfence volume own` does");
    }
    if context.run_as_non_root.or(pod.run_as_non_root) == Some(true) {
        note(notes, "runAsNonRoot: true", "docker does not look");
    }
}

fn security(
    pod: &PodSecurityContext,
    context: &SecurityContext,
    version: Version,
    words: &mut Vec<String>,
    notes: &mut Notes,
) {
    let privileged = context.privileged == Some(true);
    if privileged {
        words.push("--privileged".to_owned());
    }
    if let Some(capabilities) = &context.capabilities {
        if privileged {
            note(notes, "capabilities", "they say nothing beside privileged, on both sides");
        } else {
            words.extend(capabilities::to_flags(capabilities, version));
        }
    }
    if context.read_only_root_filesystem == Some(true) {
        words.push("--read-only".to_owned());
    }
    if context.allow_privilege_escalation == Some(false) {
        words.push("--security-opt=no-new-privileges".to_owned());
    }
    let seccomp = context.seccomp_profile.as_ref().or(pod.seccomp_profile.as_ref());
    match seccomp.map(|profile| (profile.type_.as_str(), profile.localhost_profile.as_deref().unwrap_or_default())) {
        _ if privileged => {}
        Some(("RuntimeDefault", _)) => {}
        Some(("Localhost", path)) => {
            words.push(format!("--security-opt=seccomp=/var/lib/kubelet/seccomp/{path}"));
            note(
                notes,
                format!("seccompProfile: {path}"),
                "where a kubelet has it unless its --root-dir says otherwise",
            );
        }
        Some(_) => words.push("--security-opt=seccomp=unconfined".to_owned()),
        None => {
            words.push("--security-opt=seccomp=unconfined".to_owned());
            note(
                notes,
                "seccompProfile",
                "nothing is said, which is no filter unless the kubelet has --seccomp-default",
            );
        }
    }
    let app_armor = context.app_armor_profile.as_ref().or(pod.app_armor_profile.as_ref());
    match app_armor.map(|profile| (profile.type_.as_str(), profile.localhost_profile.as_deref().unwrap_or_default())) {
        Some(("Unconfined", _)) => words.push("--security-opt=apparmor=unconfined".to_owned()),
        Some(("Localhost", name)) => words.push(format!("--security-opt=apparmor={name}")),
        _ => {}
    }
    if let Some(label) = context.se_linux_options.as_ref().or(pod.se_linux_options.as_ref()) {
        let parts = [("user", &label.user), ("role", &label.role), ("type", &label.type_), ("level", &label.level)];
        for (name, value) in parts.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            words.push(format!("--security-opt=label={name}:{value}"));
        }
    }
    if context.proc_mount.as_deref() == Some("Unmasked") {
        words.push("--security-opt=systempaths=unconfined".to_owned());
        note(notes, "procMount: Unmasked", "docker unmasks /sys with /proc");
    }
}

fn namespaces(spec: &PodSpec, words: &mut Vec<String>, notes: &mut Notes) {
    if spec.host_pid == Some(true) {
        words.push("--pid=host".to_owned());
    }
    if spec.host_ipc == Some(true) {
        words.push("--ipc=host".to_owned());
    }
    if spec.host_network == Some(true) {
        // A pod on the node's network has its name, too.
        words.extend(["--network=host".to_owned(), "--uts=host".to_owned()]);
    }
    match spec.host_users {
        Some(true) => words.push("--userns=host".to_owned()),
        Some(false) => {
            note(notes, "hostUsers: false", "docker's daemon maps users for all containers (userns-remap) or none");
        }
        None => {}
    }
    if spec.share_process_namespace == Some(true) {
        note(notes, "shareProcessNamespace: true", "give the other containers --pid=container:NAME");
    }
    let containers = spec.containers.len() + spec.init_containers.as_ref().map_or(0, Vec::len);
    if containers > 1 {
        note(
            notes,
            "containers",
            "those of a pod share network and IPC: give the others --network=container:NAME and --ipc=container:NAME",
        );
    }
}

fn volume(spec: &PodSpec, mount: &VolumeMount, words: &mut Vec<String>, notes: &mut Notes) {
    let found = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name);
    let Some(volume) = found else {
        note(notes, format!("volume {}", mount.name), "the pod has no such volume");
        return;
    };
    let path = &mount.mount_path;
    if mount.sub_path.is_some() || mount.sub_path_expr.is_some() {
        note(notes, format!("subPath at {path}"), "mount the directory below the volume itself");
    }
    let mut options: Vec<&str> = Vec::new();
    if mount.read_only == Some(true) {
        options.push("ro");
    }
    match mount.mount_propagation.as_deref() {
        Some("Bidirectional") => options.push("rshared"),
        Some("HostToContainer") => options.push("rslave"),
        _ => {}
    }
    let suffix = if options.is_empty() { String::new() } else { format!(":{}", options.join(",")) };
    if let Some(host) = &volume.host_path {
        words.push(format!("--volume={}:{path}{suffix}", host.path));
    } else if let Some(empty) = &volume.empty_dir {
        if empty.medium.as_deref() == Some("Memory") {
            let size = empty.size_limit.as_ref().map(|size| format!("size={}", bytes_of(&size.0)));
            if path == "/dev/shm" {
                words.extend(size.map(|size| format!("--shm-{size}")));
            } else {
                // An emptyDir may hold programs, and a tmpfs of docker's may not.
                let options = size.into_iter().chain(["exec".to_owned()]).collect::<Vec<_>>().join(",");
                words.push(format!("--tmpfs={path}:{options}"));
            }
        } else {
            words.push(format!("--volume={path}"));
        }
    } else if let Some(claim) = &volume.persistent_volume_claim {
        words.push(format!("--volume={}:{path}{suffix}", claim.claim_name));
        note(notes, format!("volume {}", mount.name), "docker makes an empty volume of the claim's name");
    } else {
        note(notes, format!("volume {}", mount.name), kind_of(volume));
    }
}

fn kind_of(volume: &Volume) -> &'static str {
    let of_objects = volume.config_map.is_some() || volume.secret.is_some() || volume.projected.is_some();
    if of_objects || volume.downward_api.is_some() {
        "its content comes from the cluster: write it to a directory and mount that with --volume"
    } else {
        "its storage comes from the cluster: mount it on the machine and name the directory with --volume"
    }
}

fn beside(spec: &PodSpec, container: &Container, words: &mut Vec<String>, notes: &mut Notes) {
    for variable in container.env.iter().flatten() {
        match (&variable.value, &variable.value_from) {
            (_, Some(_)) => {
                note(notes, format!("env {}", variable.name), "its value comes from the cluster: give it with --env");
            }
            (value, None) => words.push(format!(
                "--env={}={}",
                variable.name,
                value.as_deref().unwrap_or_default().replace("$$(", "$(")
            )),
        }
    }
    for from in container.env_from.iter().flatten() {
        let name = from.config_map_ref.as_ref().map(|one| &one.name).or(from.secret_ref.as_ref().map(|one| &one.name));
        note(
            notes,
            format!("envFrom {}", name.map_or("", String::as_str)),
            "write its content to a file for --env-file",
        );
    }
    words.extend(container.working_dir.iter().map(|dir| format!("--workdir={dir}")));
    words.extend(spec.hostname.iter().map(|name| format!("--hostname={name}")));
    for alias in spec.host_aliases.iter().flatten() {
        words.extend(alias.hostnames.iter().flatten().map(|name| format!("--add-host={name}:{}", alias.ip)));
    }
    for port in container.ports.iter().flatten() {
        let protocol =
            port.protocol.as_deref().filter(|name| *name != "TCP").map(|name| format!("/{}", name.to_lowercase()));
        let protocol = protocol.unwrap_or_default();
        match port.host_port {
            Some(host) => words.push(format!("--publish={host}:{}{protocol}", port.container_port)),
            None => words.push(format!("--expose={}{protocol}", port.container_port)),
        }
    }
    let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref());
    for (name, quantity) in limits.into_iter().flatten() {
        match name.as_str() {
            "memory" => words.push(format!("--memory={}", bytes_of(&quantity.0))),
            "cpu" => words.push(format!("--cpus={}", cpus_of(&quantity.0))),
            other => note(
                notes,
                format!("resources.limits.{other}"),
                "docker has no such limit; a device is named with --device",
            ),
        }
    }
    if container.stdin == Some(true) {
        words.push("--interactive".to_owned());
    }
    if container.tty == Some(true) {
        words.push("--tty".to_owned());
    }
    for (given, field) in [
        (container.liveness_probe.is_some(), "livenessProbe"),
        (container.readiness_probe.is_some(), "readinessProbe"),
        (container.startup_probe.is_some(), "startupProbe"),
    ] {
        if given {
            note(notes, field, "docker has --health-cmd, which restarts nothing");
        }
    }
    if container.lifecycle.is_some() {
        note(notes, "lifecycle", "docker calls nothing before and after");
    }
}

fn command(container: &Container, words: &mut Vec<String>, notes: &mut Notes) {
    let mut after: Vec<String> = Vec::new();
    if let Some((first, rest)) = container.command.as_deref().and_then(<[String]>::split_first) {
        // A flag, so it stands before the image.
        let image = words.pop();
        words.push(format!("--entrypoint={first}"));
        words.extend(image);
        after.extend_from_slice(rest);
    }
    after.extend(container.args.iter().flatten().cloned());
    let expanded = |text: &String| text.replace("$$(", "").contains("$(");
    if container.command.iter().chain(&container.args).flatten().any(expanded) {
        note(notes, "command", "docker does not expand $(NAME)");
    }
    words.extend(after.into_iter().map(|text| text.replace("$$(", "$(")));
}

/// A quantity in bytes as docker takes it: powers of 1024 by their letter, others as they are.
fn bytes_of(quantity: &str) -> String {
    let letter = |suffix: &str, letter: &str| quantity.strip_suffix(suffix).map(|number| format!("{number}{letter}"));
    letter("Ki", "k")
        .or_else(|| letter("Mi", "m"))
        .or_else(|| letter("Gi", "g"))
        .or_else(|| letter("Ti", "t"))
        .unwrap_or_else(|| {
            let decimal = [("k", 1_000_u64), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000)];
            let of =
                |(suffix, size): &(&str, u64)| quantity.strip_suffix(suffix)?.parse::<u64>().ok()?.checked_mul(*size);
            decimal.iter().find_map(of).map_or_else(|| quantity.to_owned(), |bytes| bytes.to_string())
        })
}

/// Processors: thousandths become a fraction.
fn cpus_of(quantity: &str) -> String {
    match quantity.strip_suffix('m').and_then(|thousandths| thousandths.parse::<u64>().ok()) {
        Some(thousandths) => format!("{}.{:03}", thousandths / 1000, thousandths % 1000),
        None => quantity.to_owned(),
    }
}
