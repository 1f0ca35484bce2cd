//! The pod of a command line.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Container, ContainerPort, EnvVar, HostAlias, Pod, PodDNSConfig, PodDNSConfigOption,
    PodSecurityContext, PodSpec, ResourceRequirements, SELinuxOptions, SeccompProfile, SecurityContext, Sysctl,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use ringfence_context::facts::ImageFacts;

use super::{Expressed, Notes, capabilities, note, volumes};
use crate::effective;
use crate::flags::known;
use crate::options::Options;
use crate::value::{Seccomp, bytes};
use crate::version::Version;

/// The pod that gives its container the same. `image` resolves names of users and groups, which a pod does not know.
pub fn to_pod(options: &Options, version: Version, image: Option<&ImageFacts>) -> Expressed<Pod> {
    let mut notes = Vec::new();
    let mut pod_context = PodSecurityContext::default();
    let mut context = SecurityContext::default();
    users(options, image, &mut pod_context, &mut context, &mut notes);
    security(options, version, &mut context, &mut notes);
    let sysctls = options.sysctls.iter().map(|(name, value)| Sysctl { name: name.clone(), value: value.clone() });
    let sysctls: Vec<Sysctl> = sysctls.collect();
    if !sysctls.is_empty() {
        note(
            &mut notes,
            "--sysctl",
            "a kubelet takes those that it holds for unsafe only with --allowed-unsafe-sysctls",
        );
        pod_context.sysctls = Some(sysctls);
    }
    let name = object_name(options.beside("name").unwrap_or_else(|| short_name(&options.image)));
    let (pod_volumes, mounts) = volumes::to_pod(options, &mut notes);
    let mut container = Container { name: name.clone(), image: Some(options.image.clone()), ..Container::default() };
    container.security_context = (context != SecurityContext::default()).then_some(context);
    container.volume_mounts = (!mounts.is_empty()).then_some(mounts);
    container.working_dir = (!options.workdir.is_empty()).then(|| options.workdir.clone());
    command(options, &mut container);
    beside(options, &mut container, &mut notes);

    let mut spec = PodSpec { containers: vec![container], ..PodSpec::default() };
    spec.security_context = (pod_context != PodSecurityContext::default()).then_some(pod_context);
    spec.volumes = (!pod_volumes.is_empty()).then_some(pod_volumes);
    namespaces(options, &mut spec, &mut notes);
    of_pod(options, &mut spec);
    for flag in options.beside.keys().filter_map(|name| known(name)) {
        if let Some(why) = flag.not_in_a_pod {
            note(&mut notes, format!("--{}", flag.name), why);
        }
    }
    not_in_a_pod(options, &mut notes);
    let labels: BTreeMap<String, String> =
        options.beside.get("label").into_iter().flatten().map(|text| pair(text)).collect();
    let mut pod = Pod { spec: Some(spec), ..Pod::default() };
    pod.metadata.name = Some(name);
    pod.metadata.labels = (!labels.is_empty()).then_some(labels);
    Expressed { value: pod, notes }
}

/// Flags that are applied here and that a pod has no field for.
fn not_in_a_pod(options: &Options, notes: &mut Notes) {
    for device in &options.devices {
        note(
            notes,
            format!("--device {device}"),
            "a pod names no devices: a device plugin gives them as resources, and a hostPath volume alone opens none",
        );
    }
    let given = [
        (!options.device_rules.is_empty(), "device-cgroup-rule"),
        (!options.ulimits.is_empty(), "ulimit"),
        (!options.domainname.is_empty(), "domainname"),
        (options.oom_score_adj != 0, "oom-score-adj"),
    ];
    for (_, name) in given.into_iter().filter(|(given, _)| *given) {
        if let Some(why) = known(name).and_then(|flag| flag.not_in_a_pod) {
            note(notes, format!("--{name}"), why);
        }
    }
}

fn users(
    options: &Options,
    image: Option<&ImageFacts>,
    pod: &mut PodSecurityContext,
    context: &mut SecurityContext,
    notes: &mut Notes,
) {
    let asked = if options.user.is_empty() { image.map_or("", |image| image.user.as_str()) } else { &options.user };
    let names_a_group = asked.split_once(':').is_some_and(|(_, group)| !group.is_empty());
    // The kubelet reads a USER of the image by itself, but for its group.
    if !options.user.is_empty() || names_a_group {
        let found = image.map(|image| effective::user(asked, image));
        let mut parts = asked.split(':');
        let number = |part: Option<&str>| part.unwrap_or_default().parse::<i64>().ok();
        match found {
            Some(Ok(user)) => {
                context.run_as_user = Some(i64::from(user.uid));
                context.run_as_group = names_a_group.then_some(i64::from(user.gid));
            }
            Some(Err(refusal)) => note(notes, format!("--user {asked}"), refusal.message),
            None => {
                let (user, group) = (parts.next(), parts.next());
                context.run_as_user = if user == Some("") { Some(0) } else { number(user) };
                context.run_as_group = number(group);
                let is_name =
                    |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && number(Some(part)).is_none());
                if is_name(user) || is_name(group) {
                    note(
                        notes,
                        format!("--user {asked}"),
                        "a pod names users and groups by number: say what the image holds with --images",
                    );
                }
            }
        }
    } else if image.is_none() {
        note(
            notes,
            "USER of the image",
            "where it names a group, a pod passes over it: write runAsGroup, or say what the image holds with --images",
        );
    }
    if names_a_group {
        // docker then takes no group of the image's /etc/group.
        pod.supplemental_groups_policy = Some("Strict".to_owned());
    }
    let mut groups = Vec::new();
    for (name, found) in options.group_add.iter().map(|name| (name, name.parse::<i64>().ok())) {
        let resolved = image.and_then(|image| effective::additional_groups(std::slice::from_ref(name), image).ok());
        match resolved.and_then(|gids| gids.first().map(|gid| i64::from(*gid))).or(found) {
            Some(gid) if !groups.contains(&gid) => groups.push(gid),
            Some(_) => {}
            None => note(
                notes,
                format!("--group-add {name}"),
                "a pod names groups by number: say what the image holds with --images",
            ),
        }
    }
    pod.supplemental_groups = (!groups.is_empty()).then_some(groups);
}

fn security(options: &Options, version: Version, context: &mut SecurityContext, notes: &mut Notes) {
    let security = &options.security;
    context.privileged = options.privileged.then_some(true);
    context.capabilities = capabilities::to_pod(options, version, notes);
    context.read_only_root_filesystem = options.read_only.then_some(true);
    if security.no_new_privileges {
        if options.privileged {
            note(notes, "--security-opt no-new-privileges", "the API refuses it for a privileged container");
        } else {
            context.allow_privilege_escalation = Some(false);
        }
    }
    let profile =
        |type_: &str, path: Option<String>| Some(SeccompProfile { type_: type_.to_owned(), localhost_profile: path });
    context.seccomp_profile = match &security.seccomp {
        // A pod has no filter where nothing is said, and docker has its own.
        None if options.privileged => None,
        None | Some(Seccomp::Default) => profile("RuntimeDefault", None),
        Some(Seccomp::Unconfined) => None,
        Some(Seccomp::Profile { path, .. }) if options.privileged => {
            note(notes, format!("--security-opt seccomp={path}"), "a privileged container of a pod has no filter");
            None
        }
        Some(Seccomp::Profile { path, .. }) => {
            note(
                notes,
                format!("--security-opt seccomp={path}"),
                "put the profile below the node's seccomp directory; what docker's format adds (includes, excludes, archMap) means nothing there",
            );
            profile("Localhost", Some(short_name(path).to_owned()))
        }
    };
    context.app_armor_profile = security.app_armor.as_deref().map(|name| match name {
        "unconfined" => AppArmorProfile { type_: "Unconfined".to_owned(), localhost_profile: None },
        "docker-default" => AppArmorProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None },
        name => AppArmorProfile { type_: "Localhost".to_owned(), localhost_profile: Some(name.to_owned()) },
    });
    let mut label = SELinuxOptions::default();
    for option in &security.label {
        let (name, value) = option.split_once(':').unwrap_or((option, ""));
        match name {
            "user" => label.user = Some(value.to_owned()),
            "role" => label.role = Some(value.to_owned()),
            "type" => label.type_ = Some(value.to_owned()),
            "level" => label.level = Some(value.to_owned()),
            "disable" => {
                note(notes, "--security-opt label=disable", "spc_t, which nothing confines, comes nearest");
                label.type_ = Some("spc_t".to_owned());
            }
            _ => note(notes, format!("--security-opt label={option}"), "a pod has user, role, type and level"),
        }
    }
    context.se_linux_options = (label != SELinuxOptions::default()).then_some(label);
    if security.system_paths_unconfined {
        note(
            notes,
            "--security-opt systempaths=unconfined",
            "procMount: Unmasked comes nearest: it is about /proc alone, and needs hostUsers: false",
        );
    }
}

fn command(options: &Options, container: &mut Container) {
    // A pod expands $(NAME) and docker does not.
    let literal = |text: &String| text.replace("$(", "$$(");
    let words: Vec<String> = options.command.iter().map(literal).collect();
    match options.entrypoint.as_ref() {
        Some(entry) if !entry.is_empty() => {
            container.command = Some(vec![literal(entry)]);
            container.args = (!words.is_empty()).then_some(words);
        }
        Some(_) => container.command = (!words.is_empty()).then_some(words),
        None => container.args = (!words.is_empty()).then_some(words),
    }
    let variable = |setting: &String| {
        let (name, value) = pair(setting);
        EnvVar { name, value: Some(literal(&value)), value_from: None }
    };
    let env: Vec<EnvVar> = options.env.iter().map(variable).collect();
    container.env = (!env.is_empty()).then_some(env);
}

fn namespaces(options: &Options, spec: &mut PodSpec, notes: &mut Notes) {
    spec.host_pid = options.host_pid.then_some(true);
    spec.host_ipc = (options.ipc == "host").then_some(true);
    spec.host_users = options.host_user.then_some(true);
    match options.network.as_str() {
        "host" => {
            spec.host_network = Some(true);
            if !options.host_uts {
                note(notes, "--network host", "a pod on the node's network shares its UTS namespace, too");
            }
        }
        "none" => note(notes, "--network none", "a pod has a network: refuse what passes with a NetworkPolicy"),
        "" | "default" | "bridge" => {}
        name => note(notes, format!("--network {name}"), "a cluster has one network, divided by NetworkPolicies"),
    }
    if options.host_uts && options.network != "host" {
        note(notes, "--uts host", "a pod shares the node's UTS namespace only together with its network");
    }
    if options.ipc == "none" {
        note(notes, "--ipc none", "a container of a pod always has /dev/shm");
    }
}

fn of_pod(options: &Options, spec: &mut PodSpec) {
    if !options.hostname.is_empty() {
        let (host, domain) = options.hostname.split_once('.').unwrap_or((&options.hostname, ""));
        spec.hostname = Some(host.to_lowercase());
        spec.subdomain = (!domain.is_empty()).then(|| domain.replace('.', "-"));
    }
    let alias = |text: &String| {
        let (name, ip) = text.split_once(':')?;
        Some(HostAlias { ip: ip.trim_matches(['[', ']']).to_owned(), hostnames: Some(vec![name.to_owned()]) })
    };
    let aliases: Vec<HostAlias> = options.add_host.iter().filter_map(alias).collect();
    spec.host_aliases = (!aliases.is_empty()).then_some(aliases);
    spec.restart_policy = Some(
        match options.beside("restart").unwrap_or("no").split(':').next() {
            Some("always" | "unless-stopped") => "Always",
            Some("on-failure") => "OnFailure",
            _ => "Never",
        }
        .to_owned(),
    );
    spec.termination_grace_period_seconds = options.beside("stop-timeout").and_then(|text| text.parse().ok());
    let list = |flag: &str| options.beside.get(flag).filter(|list| !list.is_empty()).cloned();
    let option = |text: String| {
        let (name, value) = text.split_once(':').map_or((text.as_str(), None), |(name, value)| (name, Some(value)));
        PodDNSConfigOption { name: Some(name.to_owned()), value: value.map(str::to_owned) }
    };
    let dns = PodDNSConfig {
        nameservers: list("dns"),
        searches: list("dns-search"),
        options: list("dns-option").map(|list| list.into_iter().map(option).collect()),
    };
    if dns != PodDNSConfig::default() {
        spec.dns_policy = dns.nameservers.is_some().then(|| "None".to_owned());
        spec.dns_config = Some(dns);
    }
}

/// Fields of the container that decide nothing of its context.
fn beside(options: &Options, container: &mut Container, notes: &mut Notes) {
    let on = |flag: &str| (options.beside(flag) == Some("true")).then_some(true);
    (container.stdin, container.tty) = (on("interactive"), on("tty"));
    container.image_pull_policy = options.beside("pull").and_then(|when| match when {
        "always" => Some("Always".to_owned()),
        "never" => Some("Never".to_owned()),
        _ => None,
    });
    let mut resources = ResourceRequirements::default();
    let mut limit = |request: bool, name: &str, value: Option<String>| {
        if let Some(value) = value {
            let list = if request { &mut resources.requests } else { &mut resources.limits };
            list.get_or_insert_default().insert(name.to_owned(), Quantity(value));
        }
    };
    let size = |flag: &str| options.beside(flag).and_then(|text| bytes(text).ok()).map(|bytes| bytes.to_string());
    limit(false, "memory", size("memory"));
    limit(true, "memory", size("memory-reservation"));
    limit(false, "cpu", options.beside("cpus").map(str::to_owned));
    let shares = options.beside("cpu-shares").and_then(|shares| shares.parse::<u64>().ok());
    // 1024 shares are a processor.
    limit(true, "cpu", shares.map(|shares| format!("{}m", shares.saturating_mul(1000) / 1024)));
    container.resources = (resources != ResourceRequirements::default()).then_some(resources);

    let mut ports = Vec::new();
    for text in options.beside.get("publish").into_iter().flatten() {
        match port(text) {
            Some(port) => ports.push(port),
            None => note(notes, format!("--publish {text}"), "write each port of a range as a port of the container"),
        }
    }
    for text in options.beside.get("expose").into_iter().flatten() {
        ports.extend(port(text).map(|port| ContainerPort { host_port: None, ..port }));
    }
    container.ports = (!ports.is_empty()).then_some(ports);
}

/// `[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]`.
fn port(text: &str) -> Option<ContainerPort> {
    let (ports, protocol) = text.split_once('/').map_or((text, None), |(ports, protocol)| (ports, Some(protocol)));
    let mut from_right = ports.rsplitn(3, ':');
    let container_port = from_right.next()?.parse().ok()?;
    let host_port = match from_right.next() {
        None | Some("") => None,
        Some(port) => Some(port.parse().ok()?),
    };
    Some(ContainerPort {
        container_port,
        host_port,
        host_ip: from_right
            .next()
            .filter(|address| !address.is_empty())
            .map(|address| address.trim_matches(['[', ']']).to_owned()),
        protocol: protocol.map(str::to_uppercase).filter(|protocol| protocol != "TCP"),
        name: None,
    })
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), value.to_owned())
}

/// The last part of a path or an image's name, without tag and digest.
fn short_name(text: &str) -> &str {
    let last = text.trim_end_matches('/').rsplit('/').next().unwrap_or(text);
    last.split(['@', ':']).next().unwrap_or(last)
}

/// A name that the API takes: a DNS label.
fn object_name(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(letter).take(63).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "container".to_owned() } else { name.to_owned() }
}
