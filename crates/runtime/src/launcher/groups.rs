//! `linux.cgroupsPath` and `linux.resources`: the groups of a container. The container begins in that of cgroup v2, and
//! writes itself into those of v1 before anything else; the keeper, which is in none of them, removes them.

use std::collections::BTreeSet;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use oci_spec::runtime::LinuxResources;

use super::guard::{self, Allowed};
use crate::cgroup::{self, Failure, Group, Hierarchies, Place, Version};
use crate::engine::StartError;

/// What is limited, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limits {
    pub(super) path: PathBuf,
    pub(super) resources: LinuxResources,
}

/// The groups of a container. They are removed with this value, or by the keeper.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<Group>);

impl Groups {
    /// Makes all that is asked for; none at all where nothing is.
    pub(super) fn new(limits: Option<&Limits>, devices: Option<&[Allowed]>) -> Result<Self, StartError> {
        let mut groups = Self::default();
        if let Some(limits) = limits {
            groups.limit(limits)?;
        }
        if let Some(allowed) = devices {
            groups.guard(allowed)?;
        }
        Ok(groups)
    }

    fn limit(&mut self, limits: &Limits) -> Result<(), StartError> {
        let needed = cgroup::controllers(&limits.resources);
        let all = hierarchies()?;
        if let Some(missing) = needed.iter().find(|controller| all.version(**controller).is_none()) {
            return Err(StartError::Unsupported {
                what: format!("a limit of {} (linux.resources)", missing.name()),
                where_: "without its cgroup controller".to_owned(),
            });
        }
        for place in all.places(&limits.path, &needed).map_err(failed)? {
            self.0.push(cgroup::make(&place, &limits.path, &limits.resources).map_err(failed)?);
        }
        Ok(())
    }

    /// A container in which devices are to be guarded is put into a group of cgroup v2, its own or one for that alone.
    fn guard(&mut self, allowed: &[Allowed]) -> Result<(), StartError> {
        let step = |source| StartError::Step {
            step: "make a cgroup that guards devices (linux.resources.devices)".to_owned(),
            source,
        };
        if self.unified().is_none() {
            let all = hierarchies()?;
            let base = all.unified().ok_or_else(|| StartError::Unsupported {
                what: "keeping devices from a process that can mount (linux.resources.devices with CAP_SYS_ADMIN)"
                    .to_owned(),
                where_: "without cgroup v2".to_owned(),
            })?;
            let place = Place {
                version: Version::V2,
                controllers: BTreeSet::new(),
                base: base.to_path_buf(),
                point: base.to_path_buf(),
                has_cpuset: false,
            };
            self.0.push(fresh(&place)?);
        }
        let group = self.unified().ok_or_else(|| step(std::io::ErrorKind::NotFound.into()))?;
        guard::attach(group, allowed).map_err(step)
    }

    /// The group of cgroup v2.
    pub(super) fn unified(&self) -> Option<BorrowedFd<'_>> {
        self.0.iter().find(|group| group.version == Version::V2).map(|group| group.directory.as_fd())
    }

    /// Moves all descriptors to numbers from `free` on, and gives the numbers.
    pub(super) fn place_descriptors(&mut self, free: i32) -> std::io::Result<Vec<RawFd>> {
        let mut numbers = Vec::new();
        for fd in self.0.iter_mut().flat_map(Group::descriptors) {
            *fd = rustix::io::fcntl_dupfd_cloexec(&*fd, free)?;
            numbers.push(fd.as_raw_fd());
        }
        Ok(numbers)
    }

    /// Puts the calling process into the groups of v1. Allocates nothing.
    pub(super) fn join(&self) -> rustix::io::Result<()> {
        self.0
            .iter()
            .filter_map(|group| group.processes.as_ref())
            .try_for_each(|processes| rustix::io::write(processes, b"0").map(drop))
    }

    /// What the keeper needs at the end.
    pub(super) fn at_the_end(&self) -> impl Iterator<Item = &OwnedFd> {
        self.0.iter().flat_map(Group::at_the_end)
    }

    /// Whether a process was killed because there was no memory left. Allocates nothing.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        self.0.iter().any(|group| group.killed_for_memory() > 0)
    }

    /// Ends what is left in them and removes them. Allocates nothing.
    pub(super) fn remove(&self) {
        for group in &self.0 {
            group.end();
            group.remove();
        }
    }
}

fn hierarchies() -> Result<Hierarchies, StartError> {
    Hierarchies::read()
        .map_err(|source| StartError::Machinery { what: "cannot read /proc/thread-self/cgroup".to_owned(), source })
}

/// A group without limits, under a name that nobody has.
fn fresh(place: &Place) -> Result<Group, StartError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = PathBuf::from(format!("ringfence-{}-{count}", std::process::id()));
        match cgroup::make(place, &name, &LinuxResources::default()) {
            // Left by a process that had this number and was killed together with its keeper.
            Err(Failure::Io { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return made.map_err(failed),
        }
    }
}

fn failed(failure: Failure) -> StartError {
    match failure {
        Failure::Io { what, path, source } => {
            StartError::Step { step: format!("{what} {} (linux.cgroupsPath)", path.display()), source }
        }
        Failure::Differs { field, wanted, found } => StartError::Mismatch { field: field.to_owned(), wanted, found },
        Failure::Value(what) => StartError::Unsupported { what, where_: "by the kernel".to_owned() },
    }
}
