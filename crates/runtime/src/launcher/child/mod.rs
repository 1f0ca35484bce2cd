//! What runs between clone and exec: the plan's steps, one after the other. This code is in a copy of a process that
//! may have had other threads, so nothing here allocates, locks, prints or unwinds; all data are the plan's.

mod credentials;
mod descriptors;
mod files;
mod keeper;
mod links;
mod mounts;
mod paths;
mod proc;
mod terminal;
pub(super) mod verify;

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;

use super::groups::Groups;
use super::plan::{Action, Plan, Step};
use super::report::{Phase, Report};
use crate::sys;

pub(super) use keeper::keep;

/// What the processes start from.
pub(super) struct Start<'a> {
    pub(super) plan: &'a Plan,
    pub(super) report: &'a Report,
    /// Gives a byte once the mappings are written, and one when the launcher holds the container.
    pub(super) go: OwnedFd,
    /// The launcher.
    pub(super) launcher: OwnedFd,
    /// What the container gets: a descriptor and the number that it gets there.
    pub(super) place: &'a [(RawFd, RawFd)],
    /// All descriptors that the plan needs, in ascending order.
    pub(super) needed: &'a [RawFd],
    /// The container's cgroups.
    pub(super) groups: &'a Groups,
    /// The first number that the container does not keep.
    pub(super) free: u32,
    /// For a process in a container that runs already.
    pub(super) dialogue: Option<Dialogue>,
    /// For a terminal of the container's own.
    pub(super) terminal: Option<Terminal>,
}

/// Where the controlling end of a terminal is wanted, and its size.
pub(super) struct Terminal {
    pub(super) socket: OwnedFd,
    /// Rows and columns.
    pub(super) size: Option<(u16, u16)>,
}

/// How a process that is started in a running container and the launcher take turns: the process has no /proc that can
/// be trusted, and no descriptor that leads to the host, so the launcher looks at it from outside.
pub(super) struct Dialogue {
    /// The process says that it waits.
    pub(super) says: OwnedFd,
    /// The launcher says that it may go on.
    pub(super) hears: OwnedFd,
    /// All descriptors that the process has beside its streams, in ascending order.
    pub(super) kept: Vec<RawFd>,
}

/// What steps leave for later ones. The lists have their length before the clone.
pub(super) struct State {
    /// /proc of the host.
    proc: Option<OwnedFd>,
    /// This process in it.
    process: Option<OwnedFd>,
    null: Option<OwnedFd>,
    root: Option<OwnedFd>,
    devices: Option<OwnedFd>,
    /// How many nodes the device store has.
    nodes: u32,
    keeper: Option<OwnedFd>,
    /// The mount that covers masked directories, once there is one.
    cover: Option<OwnedFd>,
    /// The node that covers masked files, once there is one.
    cover_node: Option<OwnedFd>,
    trees: Vec<Option<OwnedFd>>,
    namespaces: Vec<Option<OwnedFd>>,
    /// For the status file.
    buffer: Vec<u8>,
    /// The working directory is reached.
    in_directory: bool,
    /// The status file, opened before a filter could forbid it, once for each time that it is read.
    status: [Option<OwnedFd>; 2],
}

impl State {
    pub(super) fn new(plan: &Plan) -> Self {
        let empty = |count| std::iter::repeat_with(|| None).take(count).collect();
        Self {
            proc: None,
            process: None,
            null: None,
            root: None,
            devices: None,
            nodes: 0,
            keeper: None,
            cover: None,
            cover_node: None,
            trees: empty(plan.trees),
            namespaces: empty(plan.joined),
            buffer: vec![0; plan.status_bytes],
            in_directory: false,
            status: [None, None],
        }
    }
}

impl State {
    /// The namespaces that are joined.
    pub(super) fn namespaces(&self) -> &[Option<OwnedFd>] {
        &self.namespaces
    }

    /// Takes a namespace that the launcher has opened.
    pub(super) fn hold_namespace(&mut self, slot: usize, namespace: OwnedFd) {
        if let Some(place) = self.namespaces.get_mut(slot) {
            *place = Some(namespace);
        }
    }

    /// Puts a mount where a step will look for it.
    pub(super) fn give(&mut self, slot: usize, tree: OwnedFd) {
        if let Some(place) = self.trees.get_mut(slot) {
            *place = Some(tree);
        }
    }
}

/// Why a step failed.
enum Failure {
    /// The kernel said no.
    Kernel(Errno),
    /// It is not to be done, for the reason that the text gives.
    Refused(&'static str),
    /// A check found something else; it is in the report.
    Differs,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

type Done = Result<(), Failure>;

/// Runs steps; ends the process at the first that fails, having said which.
fn run(start: &Start<'_>, state: &mut State, phase: Phase, steps: &[Step]) {
    for (index, step) in steps.iter().enumerate() {
        start.report.at(phase, index);
        match perform(start, state, &step.action) {
            Ok(()) => {}
            Err(failure) => {
                match failure {
                    Failure::Kernel(errno) => start.report.fail(errno),
                    Failure::Refused(why) => {
                        start.report.text(why.as_bytes());
                        start.report.fail(Errno::PERM);
                    }
                    Failure::Differs => {}
                }
                sys::exec::exit(1)
            }
        }
    }
}

/// The container's process: all its steps, then the command.
fn contain(start: &Start<'_>, state: &mut State) -> ! {
    run(start, state, Phase::Container, &start.plan.steps);
    start.report.at(Phase::Execute, 0);
    let command = &start.plan.command;
    let mut answer = Errno::NOENT;
    for file in &command.files {
        let errno = sys::exec::execve(file, &command.args, &command.env);
        // execvp(3): a missing file is looked for elsewhere; one that may not be run is worth saying.
        match errno {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => answer = errno,
            _ => {
                answer = errno;
                break;
            }
        }
    }
    start.report.fail(answer);
    sys::exec::exit(1)
}

fn perform(start: &Start<'_>, state: &mut State, action: &Action) -> Done {
    match action {
        Action::NewSession => Ok(rustix::process::setsid().map(drop)?),
        Action::ClearUmask => {
            rustix::process::umask(rustix::fs::Mode::empty());
            Ok(())
        }
        Action::AwaitMappings => keeper::await_go(start),
        Action::BecomeRoot { groups, may_be_unmapped } => credentials::become_root(*groups, *may_be_unmapped),
        Action::OpenNamespace { slot, path } => keeper::open_namespace(state, *slot, path),
        Action::JoinNamespace { slot, kind } => keeper::join_namespace(state, *slot, *kind),
        Action::OomScoreAdj(value) => credentials::oom_score_adj(*value),
        Action::HideMemory => {
            Ok(rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?)
        }
        Action::AdoptOrphans => keeper::adopt_orphans(state),

        Action::VerifyNamespaces => verify::namespaces(start, state),
        Action::ForgetHost => {
            forget_host(state);
            Ok(())
        }
        Action::KeepDialogue => descriptors::keep_dialogue(start),
        Action::AwaitTurn => keeper::await_turn(start),
        Action::OwnTerminal(uid) => descriptors::own_terminal(*uid),
        Action::OpenTerminal { console } => terminal::open(start, state, console),
        Action::DieWithParent => {
            Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?)
        }
        Action::VerifyOwn => verify::own(start),

        Action::NewCgroupNamespace => Ok(sys::clone::new_cgroup_namespace()?),
        Action::JoinGroups => Ok(start.groups.join()?),
        Action::PlaceDescriptors => descriptors::place(start),
        Action::ResetSignals => Ok(sys::signal::reset()?),
        Action::OpenProcess => descriptors::open_process(start, state),
        Action::OpenNull => descriptors::open_null(state),
        Action::NewKeyring => descriptors::new_keyring(),
        Action::CloneTree { slot, path, recursive, inode } => {
            mounts::clone_tree(state, *slot, path, *recursive, *inode)
        }
        Action::Propagation { path, recursive, propagation } => mounts::propagation(path, *recursive, *propagation),
        Action::CloneRoot { path, no_devices } => mounts::clone_root(state, path, *no_devices),
        Action::AttachRoot => mounts::attach_root(state),
        Action::Hostname(name) => Ok(rustix::system::sethostname(name)?),
        Action::Domainname(name) => Ok(rustix::system::setdomainname(name)?),
        Action::Sysctl { path, value } => files::sysctl(state, path, value),
        Action::Mount(mount) => mounts::mount(state, mount),
        Action::MakeNode(node) => files::make_node(state, node),
        Action::MakeDeviceStore => files::make_device_store(start, state),
        Action::ShowNode(node) => files::show_node(state, node),
        Action::BindNode { node, source } => files::bind_node(state, node, source),
        Action::Link { at, to } => files::link(state, at, to),
        Action::Mask(target) => files::mask(start, state, target),
        Action::ReadOnlyPath(target) => files::read_only(state, target),
        Action::ReadOnlyMount { slot } => {
            let tree = state.trees.get(*slot).and_then(Option::as_ref);
            mounts::make_read_only(held(tree)?)
        }
        Action::ReadOnlyRoot => mounts::make_read_only(held(state.root.as_ref())?),
        Action::MakeDirectory(target) => {
            Ok(paths::open(held(state.root.as_ref())?, target, paths::Missing::Directory, false).map(drop)?)
        }
        Action::PivotRoot => mounts::pivot_root(state),
        Action::ReopenStreams => descriptors::reopen_streams(state),
        Action::DetachOldRoot => mounts::detach_old_root(),
        Action::VerifyFiles => verify::files(start, state),
        Action::OwnStreams(uid) => descriptors::own_streams(*uid),
        Action::Limit { resource, limit } => Ok(rustix::process::setrlimit(*resource, *limit)?),
        Action::Umask(mode) => {
            rustix::process::umask(*mode);
            Ok(())
        }
        Action::ExecLabel { file, value } => credentials::exec_label(state, file, value),
        Action::VerifyLabels => verify::labels(start, state),
        Action::NoNewPrivs => Ok(rustix::thread::set_no_new_privs(true)?),
        Action::Bound { keep, last } => credentials::bound(*keep, *last),
        Action::KeepCapabilities => Ok(rustix::thread::set_keep_capabilities(true)?),
        Action::ChangeDirectory { path, last_try } => credentials::change_directory(state, path, *last_try),
        Action::SetGroups(groups) => Ok(rustix::thread::set_thread_groups(groups)?),
        Action::SetGid(gid) => Ok(rustix::thread::set_thread_res_gid(*gid, *gid, *gid)?),
        Action::SetUid(uid) => Ok(rustix::thread::set_thread_res_uid(*uid, *uid, *uid)?),
        Action::RaiseCapabilities => credentials::raise(),
        Action::SetCapabilities { effective, permitted, inheritable } => {
            let sets = rustix::thread::CapabilitySets {
                effective: *effective,
                permitted: *permitted,
                inheritable: *inheritable,
            };
            Ok(rustix::thread::set_capabilities(None, sets)?)
        }
        Action::Ambient(set) => credentials::ambient(*set),
        Action::DieWithKeeper => keeper::die_with_keeper(state),
        Action::CloseDescriptors => Ok(sys::fd::close_range(start.free, u32::MAX, sys::fd::Close::AtExec)?),
        Action::VerifyProcess => verify::process(start, state),
        Action::Filter(program) => Ok(sys::seccomp::install(program.instructions(), program.flags()).map(drop)?),
        Action::VerifyFilter(proof) => verify::filter(start, state, *proof),
    }
}

/// Closes what leads to the host: the container's processes could take it from a process that they can trace.
fn forget_host(state: &mut State) {
    state.proc = None;
    state.process = None;
    state.null = None;
    state.status = [None, None];
    for namespace in &mut state.namespaces {
        *namespace = None;
    }
}

/// What an earlier step must have left; the plan has them in order.
fn held(fd: Option<&OwnedFd>) -> Result<BorrowedFd<'_>, Errno> {
    use std::os::fd::AsFd;
    fd.map(AsFd::as_fd).ok_or(Errno::BADF)
}
