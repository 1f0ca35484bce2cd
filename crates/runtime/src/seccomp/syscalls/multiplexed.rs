//! i386's two old gateways, `socketcall(2)` and `ipc(2)`: which calls hide behind them, and as which number.
//!
//! A rule for `socket` has to hold for `socketcall(SYS_SOCKET, …)` too. The gateway passes the real arguments through
//! memory, which a filter cannot read; so there, as in libseccomp, a condition on argument 0 is replaced by the choice
//! of the call, and conditions on other arguments are compared with the gateway's own.

/// A call that can be made through a gateway.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Multiplexed {
    /// The gateway's own number on i386: 102 (`socketcall`) or 117 (`ipc`).
    pub(crate) gateway: u32,
    /// What the gateway's first argument is for this call.
    pub(crate) selector: u32,
}

const SOCKETCALL: u32 = 102;
const IPC: u32 = 117;

/// The gateway to a call on i386, see linux/net.h and linux/ipc.h.
pub(crate) fn gateway(name: &str) -> Option<Multiplexed> {
    let socket = |selector| Some(Multiplexed { gateway: SOCKETCALL, selector });
    let ipc = |selector| Some(Multiplexed { gateway: IPC, selector });
    match name {
        "socket" => socket(1),
        "bind" => socket(2),
        "connect" => socket(3),
        "listen" => socket(4),
        "accept" => socket(5),
        "getsockname" => socket(6),
        "getpeername" => socket(7),
        "socketpair" => socket(8),
        "send" => socket(9),
        "recv" => socket(10),
        "sendto" => socket(11),
        "recvfrom" => socket(12),
        "shutdown" => socket(13),
        "setsockopt" => socket(14),
        "getsockopt" => socket(15),
        "sendmsg" => socket(16),
        "recvmsg" => socket(17),
        "accept4" => socket(18),
        "recvmmsg" => socket(19),
        "sendmmsg" => socket(20),
        "semop" => ipc(1),
        "semget" => ipc(2),
        "semctl" => ipc(3),
        "semtimedop" => ipc(4),
        "msgsnd" => ipc(11),
        "msgrcv" => ipc(12),
        "msgget" => ipc(13),
        "msgctl" => ipc(14),
        "shmat" => ipc(21),
        "shmdt" => ipc(22),
        "shmget" => ipc(23),
        "shmctl" => ipc(24),
        _ => None,
    }
}
