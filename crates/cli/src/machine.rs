//! What `prove` and `run` need of this machine: an engine, root file systems, a place for the state.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{Container, Pod};
use ringfence_context::effective::EffectiveContainer;
use ringfence_context::facts::{Facts, ImageFacts};
use ringfence_manifest::{Workload, WorkloadKind};
use ringfence_runtime::engine::{Engine, StartError};
use ringfence_runtime::external::External;
use ringfence_runtime::launcher::BuiltIn;
use ringfence_runtime::observe;
use ringfence_runtime::protect;
use ringfence_runtime::rootfs::RootfsRequest;
use ringfence_runtime::run::RunOptions;
use ringfence_runtime::spec::{self, ProcessArgs};
use ringfence_runtime::state::{StateDir, StateError};
use ringfence_runtime::volume::Objects;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

use crate::images::{Given, Images, ImagesError};
use crate::pull::{ImageArgs, Pull};

/// Flags that `prove` and `run` share.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct MachineArgs {
    /// What starts the containers: built-in, or an OCI runtime by its name or path, such as runc or crun.
    #[arg(long, value_name = "NAME|PATH", default_value = "built-in")]
    engine: String,

    /// A directory to use as the root file system of every container, which is never changed. Without it, this
    /// machine's own /usr stands in for each image, read-only.
    #[arg(long, value_name = "DIR", conflicts_with = "given")]
    rootfs: Option<PathBuf>,

    /// Where an image lies: an OCI layout directory, or an archive as `docker save` and `skopeo copy` write it. Without
    /// a name it stands for every image.
    #[arg(long = "image", value_name = "[NAME=]PATH")]
    given: Vec<Given>,

    #[command(flatten)]
    images: ImageArgs,
}

/// This machine, ready to run containers.
pub(crate) struct Machine {
    pub(crate) engine: Box<dyn Engine>,
    rootfs: Option<PathBuf>,
    images: Images,
    binary: PathBuf,
    seccomp_root: Option<PathBuf>,
}

/// Why nothing can be run here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MachineError {
    #[error(transparent)]
    Images(#[from] ImagesError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Engine(#[from] StartError),
    #[error("{}: not a directory", .0.display())]
    Rootfs(PathBuf),
    #[error("cannot find this program itself, which is also the probe")]
    Binary(#[source] std::io::Error),
}

impl MachineArgs {
    /// The same with an image that was named by its path; it stands for every image.
    pub(crate) fn with_image(mut self, path: PathBuf) -> Self {
        self.given.push(Given::every(path));
        self
    }

    /// Where images are kept, and named volumes beside them.
    pub(crate) fn store(&self) -> &crate::store::StoreArgs {
        &self.images.store
    }

    /// The same with a root file system.
    pub(crate) fn with_rootfs(mut self, path: PathBuf) -> Self {
        self.rootfs = Some(path);
        self
    }

    /// Prepares the machine.
    pub(crate) fn machine(&self, seccomp_root: Option<&Path>) -> Result<Machine, MachineError> {
        let binary = protect::program().map_err(MachineError::Binary)?;
        if let Some(rootfs) = self.rootfs.as_ref().filter(|path| !path.is_dir()) {
            return Err(MachineError::Rootfs(rootfs.clone()));
        }
        let engine: Box<dyn Engine> = match &*self.engine {
            // Without privilege the kernel gives no way to drop the caller's groups; `prove` then shows none, and `run`
            // says so.
            "built-in" => Box::new(BuiltIn::new().keep_groups(!observe::is_privileged())),
            other => Box::new(External::find(other)?),
        };
        Ok(Machine {
            engine,
            rootfs: self.rootfs.clone(),
            images: Images::open(&self.given, &self.images, &binary)?,
            binary,
            seccomp_root: seccomp_root.map(Path::to_path_buf),
        })
    }
}

/// The text of a file of a root file system. Its links lead nowhere outside of it, and what is no regular file is none.
fn read_below(root: &Path, file: &str) -> Option<String> {
    let directory = openat(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    // Without waiting: a fifo would have no writer.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened =
        openat2(&directory, file, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS).ok()?;
    let opened = std::fs::File::from(opened);
    let mut text = String::new();
    opened.metadata().ok().filter(std::fs::Metadata::is_file)?;
    opened.take(LONGEST_DATABASE).read_to_string(&mut text).ok()?;
    Some(text)
}

/// More bytes than any user database has.
const LONGEST_DATABASE: u64 = 16 << 20;

/// The user database of an image of which nothing is known: root alone.
fn stand_in(name: &str) -> ImageFacts {
    ImageFacts {
        name: name.to_owned(),
        passwd: Some("root:x:0:0:root:/root:/bin/sh\n".to_owned()),
        group: Some("root:x:0:\n".to_owned()),
        ..ImageFacts::default()
    }
}

impl Machine {
    /// Adds facts for the images of `workload` of which nothing is known, because here a stand-in takes their place,
    /// and of the stand-in everything is known. Returns their names.
    ///
    /// An image that is there and cannot be used is an error: a stand-in would run as somebody else.
    pub(crate) fn stand_ins(&mut self, workload: &Workload, facts: &mut Facts) -> Result<Vec<String>, ImagesError> {
        let mut names = Vec::new();
        for container in declared(workload) {
            let name = container.image.clone().unwrap_or_default();
            if self.stand_in(&name, facts)? {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Adds facts for an image of which nothing is known, and says whether there were none.
    pub(crate) fn stand_in(&mut self, name: &str, facts: &mut Facts) -> Result<bool, ImagesError> {
        // With a root file system for all containers no image is needed.
        let found = self.rootfs.is_none() && self.images.add_facts(name, facts)?;
        let unknown = !found && facts.image(name).is_none();
        if unknown {
            facts.images.insert(name.to_owned(), self.directory_facts(name).unwrap_or_else(|| stand_in(name)));
        }
        Ok(unknown)
    }

    /// Whether a root file system was given as a directory.
    pub(crate) fn has_rootfs(&self) -> bool {
        self.rootfs.is_some()
    }

    /// The program that is also the probe.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// When a registry is asked for images, if the command line does not say.
    #[must_use]
    pub(crate) fn pull_by_default(mut self, pull: Pull) -> Self {
        self.images.pull_by_default(pull);
        self
    }

    /// What `--rootfs` says of users.
    fn directory_facts(&self, name: &str) -> Option<ImageFacts> {
        let root = self.rootfs.as_ref()?;
        let read = |file: &str| read_below(root, file);
        let (passwd, group) = (read("etc/passwd"), read("etc/group"));
        Some(ImageFacts { name: name.to_owned(), passwd, group, ..ImageFacts::default() })
    }

    /// A place for the state of one pod's run. It is removed when dropped, and by a guardian if it never is.
    pub(crate) fn state(&self) -> Result<StateDir, StateError> {
        StateDir::create(&self.binary)
    }

    /// How the runs of one pod are made. `create_host_paths` is whether they may make what its hostPaths lack.
    pub(crate) fn options<'a>(
        &'a self,
        state: &'a StateDir,
        objects: &'a dyn Objects,
        create_host_paths: bool,
    ) -> RunOptions<'a> {
        RunOptions {
            state,
            binary: &self.binary,
            objects,
            seccomp_root: self.seccomp_root.as_deref(),
            given_volumes: None,
            create_host_paths,
        }
    }

    /// The root file system of a container.
    pub(crate) fn rootfs<'a>(&'a self, container: &EffectiveContainer, facts: &'a Facts) -> RootfsRequest<'a> {
        self.rootfs_of(container.image.as_deref().unwrap_or_default(), facts)
    }

    /// The root file system of an image.
    pub(crate) fn rootfs_of<'a>(&'a self, name: &str, facts: &'a Facts) -> RootfsRequest<'a> {
        static NOTHING: std::sync::OnceLock<ImageFacts> = std::sync::OnceLock::new();
        match (&self.rootfs, self.images.get(name)) {
            (Some(root), _) => RootfsRequest::Dir(root),
            (None, Some(image)) => RootfsRequest::Image(image),
            (None, None) => {
                RootfsRequest::Host(facts.image(name).unwrap_or_else(|| NOTHING.get_or_init(|| stand_in(""))))
            }
        }
    }
}

/// The pod that a workload's controller would make.
pub(crate) fn pod(workload: &Workload) -> Pod {
    let mut metadata = workload.metadata.clone();
    metadata.name = Some(pod_name(workload));
    metadata.namespace = metadata.namespace.or_else(|| workload.object.namespace.clone());
    Pod { metadata, spec: Some(workload.spec.clone()), status: None }
}

/// The pod's name; where the API server or a controller will make up a part of it, `x` stands for each character.
fn pod_name(workload: &Workload) -> String {
    let name = workload.name();
    match (workload.kind, workload.object.name.is_some()) {
        (WorkloadKind::Pod | WorkloadKind::PodTemplate, true) => name.to_owned(),
        (WorkloadKind::Pod | WorkloadKind::PodTemplate, false) => format!("{name}xxxxx"),
        (WorkloadKind::StatefulSet, _) => format!("{name}-0"),
        (WorkloadKind::Deployment, _) => format!("{name}-xxxxxxxxxx-xxxxx"),
        _ => format!("{name}-xxxxx"),
    }
}

/// Every container as declared.
fn declared(workload: &Workload) -> impl Iterator<Item = Container> {
    let spec = &workload.spec;
    let init = spec.init_containers.iter().flatten().cloned();
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    // Of the fields that both kinds have, those that say what is executed, and how.
    let ephemeral = ephemeral.cloned().map(|c| Container {
        name: c.name,
        image: c.image,
        command: c.command,
        args: c.args,
        env: c.env,
        env_from: c.env_from,
        working_dir: c.working_dir,
        ..Container::default()
    });
    init.chain(spec.containers.iter().cloned()).chain(ephemeral).collect::<Vec<_>>().into_iter()
}

/// What a container executes, and the variables that could not be resolved here.
pub(crate) fn command(
    workload: &Workload,
    container: &EffectiveContainer,
    facts: &Facts,
    instead: &[String],
    sources: spec::Sources<'_>,
) -> Result<spec::Command, spec::CommandError> {
    let mut declared = declared(workload).find(|declared| declared.name == container.name).unwrap_or_default();
    if !instead.is_empty() {
        declared.command = Some(instead.to_vec());
        declared.args = None;
    }
    let nothing = ImageFacts::default();
    let image = facts.image(container.image.as_deref().unwrap_or_default()).unwrap_or(&nothing);
    spec::command(&declared, image, sources)
}

/// The environment of the probe: the container's, without its command.
pub(crate) fn probe_process(
    workload: &Workload,
    container: &EffectiveContainer,
    facts: &Facts,
    sources: spec::Sources<'_>,
) -> ProcessArgs {
    match command(workload, container, facts, &["probe".to_owned()], sources) {
        Ok(command) => command.process,
        // A command is given, so there is always one.
        Err(_) => ProcessArgs::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_a_root_file_system_does_not_lead_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(dir.path().join("secret"), "outside").unwrap();
        std::fs::write(root.join("inside"), "app:x:1:1::/:\n").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), root.join("etc/passwd")).unwrap();
        std::os::unix::fs::symlink("/inside", root.join("etc/group")).unwrap();
        assert_eq!(read_below(&root, "etc/passwd"), None);
        assert_eq!(read_below(&root, "etc/group").as_deref(), Some("app:x:1:1::/:\n"));
        assert_eq!(read_below(&root, "etc"), None);
    }
}
