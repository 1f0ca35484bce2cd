//! What a filter answers for one system call: the `SECCOMP_RET_*` value, decoded.

use oci_spec::runtime::LinuxSeccompAction as Action;

const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0x0000_0000;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;
const ACTION_MASK: u32 = 0xffff_0000;
const DATA_MASK: u32 = 0x0000_ffff;

/// Linux `EPERM`: what a refused call returns unless the profile names another error.
pub(super) const EPERM: u16 = 1;
/// Linux `ENOSYS`: what a call that the profile is too old to know returns.
pub(super) const ENOSYS: u16 = 38;

/// The kernel's reaction to one system call; see seccomp(2), "SECCOMP_RET_*".
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// The whole process dies of SIGSYS.
    KillProcess,
    /// The calling thread dies of SIGSYS.
    KillThread,
    /// The thread is sent SIGSYS, with these data in `si_errno`.
    Trap(u16),
    /// The call is not made and fails with this `errno`; 0 pretends success.
    Errno(u16),
    /// The call waits for the answer of the filter's listener.
    Notify,
    /// The tracer decides and is given these data; without a tracer the call fails with `ENOSYS`.
    Trace(u16),
    /// The call is made, and logged.
    Log,
    /// The call is made.
    Allow,
}

impl Verdict {
    /// An action of a profile with its `errnoRet`; runc takes `EPERM` where the profile gives none, and hands on the
    /// low 16 bits. Only `SCMP_ACT_ERRNO` and `SCMP_ACT_TRACE` read `errnoRet`.
    pub(super) fn of(action: Action, errno_ret: Option<u32>) -> Self {
        let data = errno_ret.map_or(EPERM, |value| (value & DATA_MASK) as u16);
        match action {
            Action::ScmpActKill | Action::ScmpActKillThread => Self::KillThread,
            Action::ScmpActKillProcess => Self::KillProcess,
            Action::ScmpActTrap => Self::Trap(0),
            Action::ScmpActErrno => Self::Errno(data),
            Action::ScmpActNotify => Self::Notify,
            Action::ScmpActTrace => Self::Trace(data),
            Action::ScmpActLog => Self::Log,
            Action::ScmpActAllow => Self::Allow,
        }
    }

    /// The 32-bit value that a program returns for this verdict.
    pub const fn to_raw(self) -> u32 {
        match self {
            Self::KillProcess => KILL_PROCESS,
            Self::KillThread => KILL_THREAD,
            Self::Trap(data) => TRAP | data as u32,
            Self::Errno(data) => ERRNO | data as u32,
            Self::Notify => USER_NOTIF,
            Self::Trace(data) => TRACE | data as u32,
            Self::Log => LOG,
            Self::Allow => ALLOW,
        }
    }

    /// Decodes a program's answer. As in the kernel, a value that is no action kills the process.
    pub const fn from_raw(raw: u32) -> Self {
        let data = (raw & DATA_MASK) as u16;
        match raw & ACTION_MASK {
            KILL_THREAD => Self::KillThread,
            TRAP => Self::Trap(data),
            ERRNO => Self::Errno(data),
            USER_NOTIF => Self::Notify,
            TRACE => Self::Trace(data),
            LOG => Self::Log,
            ALLOW => Self::Allow,
            _ => Self::KillProcess,
        }
    }

    /// Whether the call reaches the kernel, or a tracer that stands in for it.
    pub(super) const fn lets_through(self) -> bool {
        matches!(self, Self::Allow | Self::Log | Self::Trace(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_survives_the_kernels_encoding() {
        for verdict in [
            Verdict::KillProcess,
            Verdict::KillThread,
            Verdict::Trap(7),
            Verdict::Errno(4095),
            Verdict::Notify,
            Verdict::Trace(0xffff),
            Verdict::Log,
            Verdict::Allow,
        ] {
            assert_eq!(Verdict::from_raw(verdict.to_raw()), verdict);
        }
    }

    #[test]
    fn an_answer_that_is_no_action_kills_the_process() {
        assert_eq!(Verdict::from_raw(0x1234_0000), Verdict::KillProcess);
    }

    #[test]
    fn a_refusal_without_an_error_is_eperm() {
        assert_eq!(Verdict::of(Action::ScmpActErrno, None), Verdict::Errno(EPERM));
        assert_eq!(Verdict::of(Action::ScmpActErrno, Some(38)), Verdict::Errno(ENOSYS));
    }
}
