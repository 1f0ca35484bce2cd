//! A process in a container that runs already. It gets what the container's own process got: the same steps from the
//! same code, with two differences.
//!
//! The container's processes can see the new one as soon as it is in their PID namespace, and those with CAP_SYS_PTRACE
//! could take its descriptors. So the keeper, which they cannot see, joins all other namespaces and closes what leads to
//! the host before it starts the process. And the process does not look at itself: the `/proc` that it has is the
//! container's to change. The launcher reads its state from outside, and only then lets it execute the command.
//!
//! The namespaces are compared twice: by the keeper, of itself, in the host's `/proc`, when it has joined them all and
//! before it starts the process, which has them from it; and by the launcher, of the process. The second look takes the
//! right to trace a process that has hidden its memory, which without root nobody has.

use oci_spec::runtime::Spec;
use rustix::process::Uid;

use super::namespaces::Keeper;
use super::{
    Action, Asked, Command, Draft, LAUNCHER, Plan, Policy, Proof, Step, Wanted, credentials, support, unsupported,
};
use crate::engine::StartError;
use crate::launcher::facts::{Facts, Kind};
use crate::seccomp::Verdict;

/// What the running container has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::launcher) struct Inhabited<'a> {
    /// The namespaces that are not the launcher's, the user namespace first and the PID namespace last.
    pub(in crate::launcher) joined: &'a [Kind],
    /// Whether its user namespace denies setgroups(2).
    pub(in crate::launcher) denies_groups: bool,
    /// Whether standard input is a terminal of its own.
    pub(in crate::launcher) terminal: bool,
}

impl Plan {
    /// Plans a process in a running container.
    pub(in crate::launcher) fn exec(
        spec: &Spec,
        into: &Inhabited<'_>,
        facts: &Facts,
        policy: Policy,
    ) -> Result<Self, StartError> {
        let process = spec.process().as_ref().ok_or_else(|| unsupported("a spec without process", LAUNCHER))?;
        let linux = spec.linux().as_ref().ok_or_else(|| unsupported("a spec without linux", LAUNCHER))?;
        let asked = Asked { spec, process, linux, facts, policy };
        support::refuse(&asked)?;

        let mut draft = Draft::default();
        let confined = into.joined.contains(&Kind::User);
        let groups = if confined {
            !into.denies_groups
        } else {
            facts.has(crate::launcher::facts::SETGID) && !facts.denies_groups
        };
        let mut keeper = Keeper {
            own: 0,
            container: 0,
            steps: Vec::new(),
            mapping: None,
            joined: into.joined.len(),
            confined,
            groups,
        };
        credentials::plan(&asked, &keeper, &mut draft)?;
        let (labels, steps) = own_steps(std::mem::take(&mut draft.steps), into.terminal, process.user().uid());
        keeper.steps = keeper_steps(&asked, into, groups, labels, &mut draft);
        let groups = process.user().additional_gids().as_ref().map_or(0, Vec::len) + facts.groups.len();
        Ok(Self {
            joined: keeper.joined,
            keeper,
            steps,
            checks: draft.checks,
            command: Command::new(process)?,
            trees: 0,
            limits: None,
            devices: None,
            id_mapped: Vec::new(),
            mount_label: None,
            status_bytes: 8192 + groups * 11,
        })
    }

    /// Whether the launcher sees the filter before the command is executed.
    pub(in crate::launcher) fn shows_filter(&self) -> bool {
        let turn = self.steps.iter().rposition(|step| matches!(step.action, Action::AwaitTurn));
        let filter = self.steps.iter().rposition(|step| matches!(step.action, Action::Filter(_)));
        filter < turn
    }
}

/// Before the process starts: everything for which the host's `/proc` is needed, then the namespaces.
fn keeper_steps(
    asked: &Asked<'_>,
    into: &Inhabited<'_>,
    groups: bool,
    labels: Vec<Step>,
    draft: &mut Draft,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |field: &str, action| steps.push(Step { field: field.to_owned(), action });
    step("process", Action::PlaceDescriptors);
    step("process", Action::NewSession);
    step("process", Action::ClearUmask);
    if let Some(value) = asked.process.oom_score_adj() {
        step("process.oomScoreAdj", Action::OomScoreAdj(value));
        draft.check("process.oomScoreAdj", Wanted::OomScoreAdj(value));
    }
    // A label for exec is kept over clone.
    step("process", Action::OpenProcess);
    let is_labelled = !labels.is_empty();
    for label in labels {
        step(&label.field, label.action);
    }
    if is_labelled {
        // AppArmor tells nobody else what a process will be after exec.
        step("process", Action::VerifyLabels);
    }
    step("process", Action::HideMemory);
    for (slot, kind) in into.joined.iter().enumerate() {
        step("linux.namespaces", Action::JoinNamespace { slot, kind: *kind });
        if *kind == Kind::User {
            step("linux.namespaces", Action::BecomeRoot { groups, may_be_unmapped: true });
        }
        draft.check("linux.namespaces", Wanted::JoinedNamespace { kind: *kind, slot });
    }
    for kind in Kind::ALL {
        let inode = asked.facts.namespace(kind);
        if inode != 0 && !into.joined.contains(&kind) {
            draft.check("linux.namespaces", Wanted::SameNamespace { kind, inode });
        }
    }
    // The change of user made it readable again.
    step("process", Action::HideMemory);
    step("linux.namespaces", Action::VerifyNamespaces);
    step("process", Action::ForgetHost);
    if !into.joined.contains(&Kind::Pid) {
        step("process", Action::AdoptOrphans);
    }
    steps
}

/// The container's own steps, less the labels, with the launcher's look from outside in place of the process's own.
fn own_steps(steps: Vec<Step>, terminal: bool, uid: u32) -> (Vec<Step>, Vec<Step>) {
    let mut labels = Vec::new();
    let mut own: Vec<Step> = Vec::new();
    let plain = |field: &str, action| Step { field: field.to_owned(), action };
    own.push(plain("process", Action::KeepDialogue));
    // Until it is in the container's cgroup.
    own.push(plain("linux.cgroupsPath", Action::AwaitTurn));
    own.push(plain("process", Action::ResetSignals));
    own.push(plain("process", Action::NewKeyring));
    if terminal {
        own.push(plain("process.terminal", Action::NewSession));
        own.push(plain("process.terminal", Action::OwnTerminal(Uid::from_raw(uid))));
    }
    // Under the filter the process can still take its turn.
    let speaks = steps.iter().all(|step| match &step.action {
        Action::VerifyFilter(proof) => *proof == Proof::Read,
        Action::Filter(program) => {
            matches!(credentials::answer(program, libc::SYS_write), Some(Verdict::Allow | Verdict::Log))
        }
        _ => true,
    });
    for Step { field, action } in steps {
        match action {
            Action::ExecLabel { .. } => labels.push(Step { field, action }),
            Action::DieWithKeeper => own.push(Step { field, action: Action::DieWithParent }),
            Action::VerifyProcess => {
                own.push(Step { field: field.clone(), action: Action::VerifyOwn });
                if !speaks {
                    own.push(Step { field, action: Action::AwaitTurn });
                }
            }
            Action::VerifyFilter(_) if speaks => own.push(Step { field, action: Action::AwaitTurn }),
            Action::VerifyFilter(_) => {}
            action => own.push(Step { field, action }),
        }
    }
    (labels, own)
}
