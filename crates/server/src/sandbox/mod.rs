//! The server shuts itself in: no capabilities, no_new_privs, Landlock and seccomp, in this order.
//!
//! All of it counts for the calling thread and those that it starts, so it must come before any other thread does. Each
//! step is read back from the kernel.

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use ringfence_runtime::seccomp::{CompileError, Profile, ProfileError, Target, compile};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use std::path::PathBuf;

/// What the server calls, and nothing else; it starts no program and makes no file.
const SECCOMP: &str = include_str!("seccomp.json");

/// What resolving a name, trusting the system's authorities, and counting one's own memory needs.
const ALWAYS: [&str; 10] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/ssl",
    "/etc/pki",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/proc/self",
];

/// What the server may still do.
#[derive(Debug, Clone, Default)]
pub struct Sandbox {
    /// Files and directories that it may read.
    pub read: Vec<PathBuf>,
    /// Whether to go without Landlock, for kernels that have none.
    pub without_landlock: bool,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shut {
    /// `fully enforced`, or `partially enforced` on a kernel that knows fewer kinds of access; `off` if not wanted.
    pub landlock: &'static str,
    /// The length of the filter.
    pub seccomp_instructions: usize,
}

/// Why the server is not shut in as it should be. It should not go on.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A step failed.
    #[error("cannot {step}")]
    Step {
        /// What was attempted.
        step: &'static str,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// The kernel says otherwise than it should.
    #[error("the kernel says that {what}")]
    ReadBack {
        /// What it says.
        what: &'static str,
    },
    /// There is no Landlock, or not enough.
    #[error("this kernel has no Landlock; go without it if that is how it is to be")]
    NoLandlock,
    /// Landlock refused.
    #[error("cannot restrict access to files")]
    Landlock(#[source] RulesetError),
    /// The filter cannot be made for this machine.
    #[error("cannot make a filter of system calls for this machine")]
    Compile(#[source] CompileError),
    /// The filter cannot be read, or is none for this machine.
    #[error("there is no filter of system calls for this machine")]
    NoFilter(#[source] Option<ProfileError>),
}

impl Sandbox {
    /// Shuts the calling thread in, and all that it starts.
    pub fn enter(&self) -> Result<Shut, SandboxError> {
        capabilities()?;
        rustix::thread::set_no_new_privs(true).map_err(step("set no_new_privs"))?;
        let landlock = if self.without_landlock { "off" } else { self.landlock()? };
        read_back()?;
        Ok(Shut { landlock, seccomp_instructions: seccomp()? })
    }

    fn landlock(&self) -> Result<&'static str, SandboxError> {
        let newest = ABI::V6;
        let mut rules = Ruleset::default()
            // Without the first version there is nothing; later ones refine.
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))
            .map_err(|_| SandboxError::NoLandlock)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(newest))
            .and_then(|rules| rules.scope(Scope::AbstractUnixSocket | Scope::Signal))
            .and_then(Ruleset::create)
            .map_err(SandboxError::Landlock)?;
        for path in self.read.iter().cloned().chain(ALWAYS.iter().map(PathBuf::from)) {
            // What is not there need not be read.
            let Ok(at) = PathFd::new(&path) else { continue };
            let access = if path.is_dir() { AccessFs::from_read(newest) } else { AccessFs::ReadFile.into() };
            // Nothing is executed, wherever it is.
            let access = access & !AccessFs::Execute;
            rules = rules.add_rule(PathBeneath::new(at, access)).map_err(SandboxError::Landlock)?;
        }
        match rules.restrict_self().map_err(SandboxError::Landlock)?.ruleset {
            RulesetStatus::FullyEnforced => Ok("fully enforced"),
            RulesetStatus::PartiallyEnforced => Ok("partially enforced"),
            RulesetStatus::NotEnforced => Err(SandboxError::NoLandlock),
        }
    }
}

/// Gives up every capability. Those in the bounding set can only be given up by who has CAP_SETPCAP; without it they
/// are out of reach anyway, because nothing is executed and no_new_privs is set.
fn capabilities() -> Result<(), SandboxError> {
    rustix::thread::clear_ambient_capability_set().map_err(step("clear the ambient capabilities"))?;
    for capability in CapabilitySet::all().iter() {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // One that this kernel does not have, or may not be given up.
            Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
            Err(source) => return Err(SandboxError::Step { step: "give up the bounding set", source }),
        }
    }
    let none = rustix::thread::CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(step("give up capabilities"))
}

fn read_back() -> Result<(), SandboxError> {
    let sets = rustix::thread::capabilities(None).map_err(step("read capabilities"))?;
    if !(sets.effective | sets.permitted | sets.inheritable).is_empty() {
        return Err(SandboxError::ReadBack { what: "capabilities are left" });
    }
    if !rustix::thread::no_new_privs().map_err(step("read no_new_privs"))? {
        return Err(SandboxError::ReadBack { what: "no_new_privs is not set" });
    }
    Ok(())
}

fn seccomp() -> Result<usize, SandboxError> {
    let target = Target::native().ok_or(SandboxError::NoFilter(None))?;
    let profile = Profile::from_json(SECCOMP.as_bytes()).map_err(|error| SandboxError::NoFilter(Some(error)))?;
    let program = compile(&profile, target).map_err(SandboxError::Compile)?.ok_or(SandboxError::NoFilter(None))?;
    ringfence_runtime::sys::seccomp::install(program.instructions(), program.flags())
        .map_err(step("install the filter of system calls"))?;
    // With the filter, no file can be made any more, and no program started: the kernel must say so.
    match rustix::fs::mkdirat(rustix::fs::CWD, "/", rustix::fs::Mode::empty()) {
        Err(Errno::PERM) => Ok(program.instructions().len()),
        _ => Err(SandboxError::ReadBack { what: "the filter of system calls does not hold" }),
    }
}

fn step(step: &'static str) -> impl FnOnce(Errno) -> SandboxError {
    move |source| SandboxError::Step { step, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn what_is_shut_in_reads_what_it_may_and_makes_nothing() {
        let at = tempfile::tempdir().unwrap();
        let (may, may_not) = (at.path().join("may"), at.path().join("may-not"));
        for directory in [&may, &may_not] {
            std::fs::create_dir(directory).unwrap();
            std::fs::write(directory.join("file"), "x").unwrap();
        }
        // A thread of its own: the others go on testing.
        let shut_in = std::thread::spawn(move || {
            let sandbox = Sandbox { read: vec![may.clone()], without_landlock: false };
            let shut = match sandbox.enter() {
                Err(SandboxError::NoLandlock) => {
                    eprintln!("this kernel has no Landlock: not tested");
                    return;
                }
                shut => shut.unwrap(),
            };
            assert!(shut.seccomp_instructions > 20, "{shut:?}");
            assert_eq!(std::fs::read_to_string(may.join("file")).unwrap(), "x");
            let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
            assert_eq!(kind(std::fs::read(may_not.join("file")).map(drop)), ErrorKind::PermissionDenied);
            assert_eq!(kind(std::fs::write(may.join("new"), "x")), ErrorKind::PermissionDenied);
            assert_eq!(kind(std::fs::remove_file(may.join("file"))), ErrorKind::PermissionDenied);
            assert_eq!(kind(std::process::Command::new("/bin/true").status().map(drop)), ErrorKind::PermissionDenied);
            assert_eq!(std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').count(), 7);
            assert!(std::net::TcpListener::bind("127.0.0.1:0").is_ok());
        });
        shut_in.join().unwrap();
    }
}
