//! Every flag, in alphabetical order.

use super::Effect::{Applied, Nothing, Refused, Warned};
use super::Takes::{Switch, Value};
use super::{Effect, Flag, Takes};

const fn flag(name: &'static str, short: Option<char>, takes: Takes, help: &'static str, effect: Effect) -> Flag {
    Flag { name, short, takes, help, effect, not_in_a_pod: None }
}

impl Flag {
    const fn without(mut self, why: &'static str) -> Self {
        self.not_in_a_pod = Some(why);
        self
    }
}

const LIMITS: &str = "it is not among the limits that are set here";
const NETWORK: &str = "no network is made here but the machine's own: use --network none or host";

/// The flags of `docker run` (docker/cli `cli/command/container/opts.go`, `addFlags`, and `run.go`).
pub const FLAGS: &[Flag] = &[
    flag("add-host", None, Value, "Add a host-to-IP mapping (host:ip)", Applied),
    flag("annotation", None, Value, "Add an annotation", Nothing),
    flag("attach", Some('a'), Value, "Attach to stdin, stdout or stderr", Nothing)
        .without("it is about the caller's terminal"),
    flag("blkio-weight", None, Value, "Block IO weight", Warned(LIMITS)).without("a pod has no block IO limits"),
    flag("blkio-weight-device", None, Value, "Block IO weight of a device", Warned(LIMITS))
        .without("a pod has no block IO limits"),
    flag("cap-add", None, Value, "Add Linux capabilities", Applied),
    flag("cap-drop", None, Value, "Drop Linux capabilities", Applied),
    flag("cgroup-parent", None, Value, "Parent cgroup", Refused("the container has no cgroup of docker's here"))
        .without("the kubelet decides the cgroup"),
    flag(
        "cgroupns",
        None,
        Value,
        "Cgroup namespace to use (host|private)",
        Warned("the machine decides the cgroup namespace here"),
    )
    .without("the runtime decides it: private on cgroup v2"),
    flag(
        "cidfile",
        None,
        Value,
        "Write the container ID to a file",
        Refused("a container has no ID of docker's here; leave it out"),
    )
    .without("a pod has a name"),
    flag("cpu-count", None, Value, "CPU count (Windows only)", Refused("this is a flag for Windows"))
        .without("it is a flag for Windows"),
    flag("cpu-percent", None, Value, "CPU percent (Windows only)", Refused("this is a flag for Windows"))
        .without("it is a flag for Windows"),
    flag("cpu-period", None, Value, "CFS period", Applied)
        .without("the kubelet sets the period: write resources.limits.cpu"),
    flag("cpu-quota", None, Value, "CFS quota", Applied)
        .without("write resources.limits.cpu, which is quota divided by period"),
    flag("cpu-rt-period", None, Value, "Real-time period", Warned(LIMITS)).without("a pod has no real-time limits"),
    flag("cpu-rt-runtime", None, Value, "Real-time runtime", Warned(LIMITS)).without("a pod has no real-time limits"),
    flag("cpu-shares", Some('c'), Value, "CPU shares (relative weight)", Applied),
    flag("cpus", None, Value, "Number of CPUs", Applied),
    flag("cpuset-cpus", None, Value, "CPUs in which to run", Applied).without("the kubelet's CPU manager decides it"),
    flag("cpuset-mems", None, Value, "Memory nodes in which to run", Applied)
        .without("the kubelet's memory manager decides it"),
    flag("detach", Some('d'), Switch, "Run in the background", Applied).without("a pod always runs in the background"),
    flag("detach-keys", None, Value, "Key sequence for detaching", Nothing)
        .without("it is about the caller's terminal"),
    flag("device", None, Value, "Add a host device: HOST[:CONTAINER[:rwm]]", Applied),
    flag("device-cgroup-rule", None, Value, "Allow devices by number", Applied)
        .without("a pod names no devices; a device plugin does"),
    flag("device-read-bps", None, Value, "Read rate of a device in bytes", Warned(LIMITS))
        .without("a pod has no block IO limits"),
    flag("device-read-iops", None, Value, "Read rate of a device in operations", Warned(LIMITS))
        .without("a pod has no block IO limits"),
    flag("device-write-bps", None, Value, "Write rate of a device in bytes", Warned(LIMITS))
        .without("a pod has no block IO limits"),
    flag("device-write-iops", None, Value, "Write rate of a device in operations", Warned(LIMITS))
        .without("a pod has no block IO limits"),
    flag("disable-content-trust", None, Switch, "Skip image verification", Nothing)
        .without("admission decides which images are trusted"),
    flag("dns", None, Value, "DNS servers", Warned(NETWORK)),
    flag("dns-option", None, Value, "DNS options", Warned(NETWORK)),
    flag("dns-search", None, Value, "DNS search domains", Warned(NETWORK)),
    flag("domainname", None, Value, "NIS domain name", Applied).without("a pod has no NIS domain name"),
    flag("entrypoint", None, Value, "Overwrite the ENTRYPOINT of the image", Applied),
    flag("env", Some('e'), Value, "Set environment variables", Applied),
    flag("env-file", None, Value, "Read environment variables from a file", Applied),
    flag("expose", None, Value, "Expose a port", Nothing),
    flag("gpus", None, Value, "GPUs to add", Refused("give the device with --device"))
        .without("write resources.limits with the name of the device plugin, such as nvidia.com/gpu"),
    flag("group-add", None, Value, "Join additional groups", Applied),
    flag("health-cmd", None, Value, "Command to check health", Nothing).without("write a livenessProbe"),
    flag("health-interval", None, Value, "Time between checks", Nothing)
        .without("write periodSeconds of a livenessProbe"),
    flag("health-retries", None, Value, "Failures until unhealthy", Nothing)
        .without("write failureThreshold of a livenessProbe"),
    flag("health-start-interval", None, Value, "Time between checks at the start", Nothing)
        .without("write a startupProbe"),
    flag("health-start-period", None, Value, "Time for the start", Nothing).without("write a startupProbe"),
    flag("health-timeout", None, Value, "Time for a check", Nothing).without("write timeoutSeconds of a livenessProbe"),
    flag("help", None, Switch, "Print usage", Nothing).without("it is about the command"),
    flag("hostname", Some('h'), Value, "Host name", Applied),
    flag("init", None, Switch, "Run an init in the container", Warned("no init is put before the command"))
        .without("put an init into the image, or write shareProcessNamespace: true"),
    flag("interactive", Some('i'), Switch, "Keep stdin open", Applied),
    flag("io-maxbandwidth", None, Value, "IO bandwidth (Windows only)", Refused("this is a flag for Windows"))
        .without("it is a flag for Windows"),
    flag("io-maxiops", None, Value, "IO operations (Windows only)", Refused("this is a flag for Windows"))
        .without("it is a flag for Windows"),
    flag("ip", None, Value, "IPv4 address", Warned(NETWORK)).without("the network plugin decides it"),
    flag("ip6", None, Value, "IPv6 address", Warned(NETWORK)).without("the network plugin decides it"),
    flag("ipc", None, Value, "IPC mode (host|none|private|shareable)", Applied),
    flag("isolation", None, Value, "Isolation technology (Windows only)", Refused("this is a flag for Windows"))
        .without("it is a flag for Windows"),
    flag("kernel-memory", None, Value, "Kernel memory limit", Warned("kernels no longer have this limit"))
        .without("kernels no longer have this limit"),
    flag("label", Some('l'), Value, "Set metadata", Nothing),
    flag("label-file", None, Value, "Read metadata from a file", Nothing),
    flag(
        "link",
        None,
        Value,
        "Link to another container",
        Refused("there are no other containers here; write a pod of both"),
    )
    .without("containers of one pod share a network; pods find each other by services"),
    flag("link-local-ip", None, Value, "Link-local addresses", Warned(NETWORK))
        .without("the network plugin decides it"),
    flag("log-driver", None, Value, "Logging driver", Nothing).without("the node decides where logs go"),
    flag("log-opt", None, Value, "Options of the logging driver", Nothing).without("the node decides where logs go"),
    flag("mac-address", None, Value, "MAC address", Warned(NETWORK)).without("the network plugin decides it"),
    flag("memory", Some('m'), Value, "Memory limit", Applied),
    flag("memory-reservation", None, Value, "Memory soft limit", Applied),
    flag("memory-swap", None, Value, "Swap limit", Applied).without("the kubelet's memorySwap decides it"),
    flag("memory-swappiness", None, Value, "Swappiness (0 to 100)", Warned(LIMITS)).without("a pod has no swappiness"),
    flag("mount", None, Value, "Attach a mount: type=bind|volume|tmpfs,…", Applied),
    flag("name", None, Value, "Name of the container", Applied),
    flag("network", None, Value, "Network: none or host", Applied),
    flag("network-alias", None, Value, "Alias in a network", Warned(NETWORK)).without("a service has names"),
    flag("no-healthcheck", None, Switch, "Disable the HEALTHCHECK of the image", Nothing),
    flag("oom-kill-disable", None, Switch, "Disable the OOM killer", Warned(LIMITS))
        .without("the kubelet does not allow it"),
    flag("oom-score-adj", None, Value, "OOM preference (-1000 to 1000)", Applied)
        .without("the kubelet derives it from the requests"),
    flag("pid", None, Value, "PID namespace: host", Applied),
    flag("pids-limit", None, Value, "Limit of processes", Applied).without("the kubelet's podPidsLimit decides it"),
    flag("platform", None, Value, "Platform of the image", Warned("the image is taken as it is"))
        .without("write nodeSelector kubernetes.io/arch"),
    flag("privileged", None, Switch, "Give all capabilities and devices", Applied),
    flag("publish", Some('p'), Value, "Publish a port", Warned(NETWORK)),
    flag("publish-all", Some('P'), Switch, "Publish all exposed ports", Warned(NETWORK)).without("write a service"),
    flag("pull", None, Value, "When to pull the image", Nothing),
    flag("quiet", Some('q'), Switch, "Suppress the pull output", Nothing).without("it is about the command"),
    flag("read-only", None, Switch, "Mount the root file system read-only", Applied),
    flag("restart", None, Value, "Restart policy with -d: no, on-failure[:N], always, unless-stopped", Applied),
    flag("rm", None, Switch, "Remove the container when it has ended", Applied),
    flag("runtime", None, Value, "OCI runtime", Refused("choose it with --engine")).without("write runtimeClassName"),
    flag("security-opt", None, Value, "no-new-privileges, seccomp=, apparmor=, label=, systempaths=", Applied),
    flag("shm-size", None, Value, "Size of /dev/shm", Applied),
    flag("sig-proxy", None, Switch, "Pass signals on", Nothing).without("it is about the command"),
    flag("stop-signal", None, Value, "Signal to stop with", Applied),
    flag("stop-timeout", None, Value, "Seconds until it is killed", Applied),
    flag(
        "storage-opt",
        None,
        Value,
        "Options of the storage driver",
        Refused("there is no storage driver here; leave it out"),
    )
    .without("write resources.limits.ephemeral-storage"),
    flag("sysctl", None, Value, "Sysctl: NAME=VALUE", Applied),
    flag("tmpfs", None, Value, "Mount a tmpfs: PATH[:OPTIONS]", Applied),
    flag("tty", Some('t'), Switch, "Allocate a terminal of the container's own", Applied),
    flag("ulimit", None, Value, "Resource limit: NAME=SOFT[:HARD]", Applied)
        .without("a pod has no ulimits: set them in the image's entry point, or in the runtime's configuration"),
    flag("use-api-socket", None, Switch, "Mount docker's socket", Refused("there is no daemon here"))
        .without("a pod has a service account"),
    flag("user", Some('u'), Value, "User: NAME|UID[:GROUP|GID]", Applied),
    flag("userns", None, Value, "User namespace: host", Applied),
    flag("uts", None, Value, "UTS namespace: host", Applied),
    flag("volume", Some('v'), Value, "Bind mount or volume: [SOURCE:]PATH[:OPTIONS]", Applied),
    flag("volume-driver", None, Value, "Volume driver", Refused("give a directory with --volume"))
        .without("write a PersistentVolumeClaim with a storage class"),
    flag(
        "volumes-from",
        None,
        Value,
        "Volumes of other containers",
        Refused("there are no other containers here; name each with --volume"),
    )
    .without("containers of one pod share volumes by name"),
    flag("workdir", Some('w'), Value, "Working directory", Applied),
];
