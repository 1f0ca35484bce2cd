//! The plan: what the keeper and the container's process will do, in order, each step with the field of the spec that
//! asks for it, and what the kernel must say afterwards. Made from the spec by pure code before anything starts;
//! carried out without allocating.

mod action;
mod cgroups;
mod check;
mod command;
mod credentials;
mod device_rules;
mod devices;
mod exec;
mod files;
mod mounts;
mod namespaces;
mod options;
mod path;
mod support;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt;

use oci_spec::runtime::{Linux, Process, Spec};

use super::facts::Facts;
use super::groups::Limits;
use super::guard::Allowed;
use crate::engine::StartError;

pub(super) use action::{Action, IdMapped, MountAction, Node, Proof, Source};
pub(super) use check::{Check, MountWords, Wanted};
pub(super) use command::Command;
pub(super) use exec::Inhabited;
pub(super) use namespaces::{Keeper, Mapping};
pub(super) use path::Target;

/// What the launcher itself may do differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    /// Whether the caller's supplementary groups may stay where an unprivileged caller cannot drop them.
    pub(super) keep_groups: bool,
}

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    /// The field of the spec that asks for it.
    pub(super) field: String,
    pub(super) action: Action,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.action, self.field)
    }
}

/// Everything that will be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) keeper: Keeper,
    /// The container's own steps.
    pub(super) steps: Vec<Step>,
    pub(super) checks: Vec<Check>,
    pub(super) command: Command,
    /// How many mount trees are kept between steps.
    pub(super) trees: usize,
    /// How many namespaces are joined.
    pub(super) joined: usize,
    /// The limits of the container's own cgroup.
    pub(super) limits: Option<Limits>,
    /// The devices that a cgroup has to let through, where there has to be one.
    pub(super) devices: Option<Vec<Allowed>>,
    /// The mounts that the launcher makes beforehand.
    pub(super) id_mapped: Vec<IdMapped>,
    /// The SELinux label of file systems that are made on the way.
    pub(super) mount_label: Option<CString>,
    /// How many bytes the status file may have.
    pub(super) status_bytes: usize,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mount in &self.id_mapped {
            writeln!(f, "launcher: map the IDs of {} (mounts)", mount.path.to_string_lossy())?;
        }
        for step in &self.keeper.steps {
            writeln!(f, "keeper: {step}")?;
        }
        if let Some(limits) = &self.limits {
            writeln!(f, "launcher: make cgroup {} (linux.cgroupsPath)", limits.path.display())?;
        }
        if self.devices.is_some() {
            writeln!(f, "keeper: guard devices by a cgroup (linux.resources.devices)")?;
        }
        writeln!(f, "keeper: {}", self.keeper)?;
        for step in &self.steps {
            writeln!(f, "container: {step}")?;
        }
        writeln!(f, "container: execute {} (process.args)", self.command)
    }
}

/// The parts of a spec that must be there.
pub(super) struct Asked<'a> {
    pub(super) spec: &'a Spec,
    pub(super) process: &'a Process,
    pub(super) linux: &'a Linux,
    pub(super) facts: &'a Facts,
    pub(super) policy: Policy,
}

/// A plan in the making.
#[derive(Default)]
pub(super) struct Draft {
    steps: Vec<Step>,
    checks: Vec<Check>,
    trees: usize,
    devices: Option<Vec<Allowed>>,
    id_mapped: Vec<IdMapped>,
    /// What trees must be that are copied: by their slots, device and inode.
    inodes: BTreeMap<usize, (u64, u64)>,
}

impl Draft {
    fn step(&mut self, field: impl Into<String>, action: Action) {
        self.steps.push(Step { field: field.into(), action });
    }

    fn check(&mut self, field: impl Into<String>, wanted: Wanted) {
        self.checks.push(Check { field: field.into(), wanted });
    }

    fn tree(&mut self) -> usize {
        self.trees += 1;
        self.trees - 1
    }
}

impl Plan {
    /// Plans the container that a spec describes. Anything that is not understood or cannot be had is refused here.
    pub(super) fn new(spec: &Spec, facts: &Facts, policy: Policy) -> Result<Self, StartError> {
        let process = spec.process().as_ref().ok_or_else(|| unsupported("a spec without process", LAUNCHER))?;
        let linux = spec.linux().as_ref().ok_or_else(|| unsupported("a spec without linux", LAUNCHER))?;
        let asked = Asked { spec, process, linux, facts, policy };
        support::refuse(&asked)?;

        let mut draft = Draft::default();
        let keeper = namespaces::plan(&asked, &mut draft)?;
        let limits = asked
            .linux
            .cgroups_path()
            .as_ref()
            .map(|path| Limits { path: path.clone(), resources: asked.linux.resources().clone().unwrap_or_default() });
        if limits.is_some() {
            draft.step("linux.cgroupsPath", Action::JoinGroups);
        }
        for action in [Action::ResetSignals, Action::OpenProcess, Action::NewKeyring] {
            draft.step("process", action);
        }
        files::plan(&asked, &keeper, &mut draft)?;
        credentials::plan(&asked, &keeper, &mut draft)?;
        let command = Command::new(process)?;

        let groups = process.user().additional_gids().as_ref().map_or(0, Vec::len) + facts.groups.len();
        Ok(Self {
            joined: keeper.joined,
            keeper,
            steps: draft.steps,
            checks: draft.checks,
            command,
            trees: draft.trees,
            limits,
            devices: draft.devices,
            id_mapped: draft.id_mapped,
            mount_label: mounts::mount_label(&asked)?,
            // 11 bytes for a group; everything else fits into a page by far.
            status_bytes: 8192 + groups * 11,
        })
    }
}

/// Who cannot do what is asked for.
const LAUNCHER: &str = "by the built-in launcher";
const KERNEL: &str = "by this kernel";
const CALLER: &str = "without root";

fn unsupported(what: impl Into<String>, by: &str) -> StartError {
    StartError::Unsupported { what: what.into(), where_: by.to_owned() }
}
