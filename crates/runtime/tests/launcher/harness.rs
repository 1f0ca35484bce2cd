//! A root file system of busybox, a spec to vary, and a way to see what came of it.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use oci_spec::runtime::{
    Capabilities, Capability, Linux, LinuxCapabilities, LinuxNamespace, LinuxNamespaceType, Mount, Process, Root, Spec,
    User,
};
use ringfence_runtime::engine::{Engine, Exit, Launch, Running, StartError, Stdio};
use ringfence_runtime::launcher::BuiltIn;
use tempfile::TempDir;

const BUSYBOX: &str = "/bin/busybox";

/// What a container printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) exit: Exit,
    pub(crate) out: String,
}

impl Seen {
    /// A line of /proc/self/status among the output.
    pub(crate) fn status(&self, name: &str) -> String {
        let line = self.out.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name} in {self:?}")).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// Each start has a name and a directory of its own.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A container to be.
pub(crate) struct Bed {
    pub(crate) directory: TempDir,
    pub(crate) spec: Spec,
    pub(crate) keep: Vec<OwnedFd>,
    pub(crate) engine: BuiltIn,
}

pub(crate) fn is_root() -> bool {
    ringfence_runtime::observe::is_privileged()
}

/// The default capabilities of a container on Kubernetes.
pub(crate) fn default_capabilities() -> Capabilities {
    [
        Capability::Chown,
        Capability::DacOverride,
        Capability::Fsetid,
        Capability::Fowner,
        Capability::Mknod,
        Capability::NetRaw,
        Capability::Setgid,
        Capability::Setuid,
        Capability::Setfcap,
        Capability::Setpcap,
        Capability::NetBindService,
        Capability::SysChroot,
        Capability::Kill,
        Capability::AuditWrite,
    ]
    .into_iter()
    .collect()
}

impl Bed {
    /// A container like a pod's, with a user namespace where the caller is not the machine's root; none if there is no busybox.
    pub(crate) fn new() -> Option<Self> {
        if !Path::new(BUSYBOX).exists() {
            println!("skipped: no {BUSYBOX} here (package busybox-static)");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        fill(&directory.path().join("rootfs"));
        // Where they cannot be dropped; who asks for that names another engine.
        let engine = BuiltIn::new().keep_groups(!is_root());
        let mut bed = Self { spec: spec(directory.path()), directory, keep: Vec::new(), engine };
        if !is_root() {
            bed.own_user_namespace(0);
        }
        Some(bed)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("rootfs")
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.spec.process_mut().as_mut().expect("a process")
    }

    pub(crate) fn linux(&mut self) -> &mut Linux {
        self.spec.linux_mut().as_mut().expect("linux")
    }

    pub(crate) fn user(&mut self, uid: u32, gid: u32, groups: &[u32]) -> &mut Self {
        let mut user = User::default();
        user.set_uid(uid).set_gid(gid).set_additional_gids(Some(groups.to_vec()));
        self.process().set_user(user);
        self
    }

    pub(crate) fn capabilities(&mut self, set: &Capabilities) -> &mut Self {
        let mut sets = LinuxCapabilities::default();
        sets.set_bounding(Some(set.clone()))
            .set_effective(Some(set.clone()))
            .set_permitted(Some(set.clone()))
            .set_inheritable(None)
            .set_ambient(None);
        self.process().set_capabilities(Some(sets));
        self
    }

    pub(crate) fn mount(
        &mut self,
        destination: &str,
        typ: &str,
        source: impl Into<PathBuf>,
        options: &[&str],
    ) -> &mut Self {
        let mut mounts = self.spec.mounts().clone().unwrap_or_default();
        mounts.push(mount(destination, typ, source, options));
        self.spec.set_mounts(Some(mounts));
        self
    }

    pub(crate) fn without_namespace(&mut self, typ: LinuxNamespaceType) -> &mut Self {
        let linux = self.linux();
        let left = linux.namespaces().iter().flatten().filter(|namespace| namespace.typ() != typ).cloned().collect();
        linux.set_namespaces(Some(left));
        self
    }

    /// A user namespace in which the given ID is the caller.
    pub(crate) fn own_user_namespace(&mut self, inside: u32) -> &mut Self {
        use oci_spec::runtime::LinuxIdMappingBuilder;
        let map = |outside: u32| {
            vec![
                LinuxIdMappingBuilder::default()
                    .container_id(inside)
                    .host_id(outside)
                    .size(1_u32)
                    .build()
                    .expect("a map"),
            ]
        };
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        self.without_namespace(LinuxNamespaceType::User);
        let linux = self.linux();
        linux.set_uid_mappings(Some(map(uid))).set_gid_mappings(Some(map(gid)));
        let mut namespaces = linux.namespaces().clone().unwrap_or_default();
        namespaces.push(namespace(LinuxNamespaceType::User));
        linux.set_namespaces(Some(namespaces));
        self
    }

    /// Runs a shell script, whose standard output is returned.
    pub(crate) fn sh(&mut self, script: &str) -> Result<Seen, StartError> {
        self.run(&["/bin/sh", "-c", script])
    }

    pub(crate) fn run(&mut self, args: &[&str]) -> Result<Seen, StartError> {
        self.run_under(&self.engine.clone(), args)
    }

    pub(crate) fn start(&mut self, args: &[&str]) -> Result<(Box<dyn Running>, OwnedFd), StartError> {
        self.start_under(&self.engine.clone(), args)
    }

    /// The same under another engine.
    pub(crate) fn run_under(&mut self, engine: &dyn Engine, args: &[&str]) -> Result<Seen, StartError> {
        let (mut running, read) = self.start_under(engine, args)?;
        let out = everything(read);
        let exit = running.wait()?;
        Ok(Seen { exit, out })
    }

    fn start_under(&mut self, engine: &dyn Engine, args: &[&str]) -> Result<(Box<dyn Running>, OwnedFd), StartError> {
        self.process().set_args(Some(args.iter().map(|arg| (*arg).to_owned()).collect()));
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
        let stdio = Stdio::Fds {
            stdin: fs::File::open("/dev/null").expect("/dev/null").into(),
            stdout: write.try_clone().expect("a copy"),
            stderr: write,
        };
        let id = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let work_dir = self.directory.path().join(&id);
        fs::create_dir(&work_dir).expect("a directory");
        let launch =
            Launch { id: &id, spec: &self.spec, work_dir: &work_dir, stdio, keep: std::mem::take(&mut self.keep) };
        engine.start(launch).map(|running| (running, read))
    }
}

/// Reads to the end.
pub(crate) fn everything(from: OwnedFd) -> String {
    let mut out = String::new();
    fs::File::from(from).read_to_string(&mut out).expect("output");
    out
}

/// A root file system.
fn fill(root: &Path) {
    for directory in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    fs::copy(BUSYBOX, root.join("bin/busybox")).expect("busybox");
    for name in [
        "cat", "chmod", "chown", "echo", "grep", "id", "ln", "ls", "mkdir", "mknod", "mount", "ping", "readlink",
        "seq", "sh", "sleep", "stat", "su", "touch", "true", "umask",
    ] {
        symlink("busybox", root.join("bin").join(name)).expect("a link");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("passwd");
}

pub(crate) fn namespace(typ: LinuxNamespaceType) -> LinuxNamespace {
    let mut namespace = LinuxNamespace::default();
    namespace.set_typ(typ);
    namespace
}

pub(crate) fn mount(destination: &str, typ: &str, source: impl Into<PathBuf>, options: &[&str]) -> Mount {
    let mut mount = Mount::default();
    mount
        .set_destination(destination.into())
        .set_typ(Some(typ.to_owned()))
        .set_source(Some(source.into()))
        .set_options(Some(options.iter().map(|option| (*option).to_owned()).collect()));
    mount
}

fn spec(directory: &Path) -> Spec {
    let mut root = Root::default();
    root.set_path(directory.join("rootfs")).set_readonly(Some(false));
    let mut process = Process::default();
    process
        .set_cwd("/".into())
        .set_env(Some(vec!["PATH=/bin".to_owned()]))
        .set_rlimits(None)
        .set_no_new_privileges(Some(false))
        .set_capabilities(None);
    let mut linux = Linux::default();
    linux
        .set_namespaces(Some(
            [
                LinuxNamespaceType::Pid,
                LinuxNamespaceType::Network,
                LinuxNamespaceType::Ipc,
                LinuxNamespaceType::Uts,
                LinuxNamespaceType::Mount,
            ]
            .map(namespace)
            .to_vec(),
        ))
        .set_resources(None)
        .set_devices(None)
        .set_masked_paths(Some(
            [
                "/proc/acpi",
                "/proc/kcore",
                "/proc/keys",
                "/proc/latency_stats",
                "/proc/timer_list",
                "/proc/scsi",
                "/sys/firmware",
            ]
            .map(str::to_owned)
            .to_vec(),
        ))
        .set_readonly_paths(Some(
            ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"].map(str::to_owned).to_vec(),
        ));
    let mut spec = Spec::default();
    spec.set_root(Some(root))
        .set_process(Some(process))
        .set_linux(Some(linux))
        .set_hostname(Some("ringfence".to_owned()))
        .set_mounts(Some(vec![
            mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
            mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        ]));
    spec
}
