//! `lifecycle.stopSignal`: signals by the names that Kubernetes has for them.

use rustix::process::Signal;

/// The number of a signal such as `SIGTERM`; none for real-time signals, which nothing here can send.
pub(super) fn number(name: &str) -> Option<i32> {
    let signal = match name.strip_prefix("SIG")? {
        "ABRT" | "IOT" => Signal::ABORT,
        "ALRM" => Signal::ALARM,
        "BUS" => Signal::BUS,
        "CHLD" | "CLD" => Signal::CHILD,
        "CONT" => Signal::CONT,
        "FPE" => Signal::FPE,
        "HUP" => Signal::HUP,
        "ILL" => Signal::ILL,
        "INT" => Signal::INT,
        "IO" | "POLL" => Signal::IO,
        "KILL" => Signal::KILL,
        "PIPE" => Signal::PIPE,
        "PROF" => Signal::PROF,
        "PWR" => Signal::POWER,
        "QUIT" => Signal::QUIT,
        "SEGV" => Signal::SEGV,
        "STKFLT" => Signal::STKFLT,
        "STOP" => Signal::STOP,
        "SYS" => Signal::SYS,
        "TERM" => Signal::TERM,
        "TRAP" => Signal::TRAP,
        "TSTP" => Signal::TSTP,
        "TTIN" => Signal::TTIN,
        "TTOU" => Signal::TTOU,
        "URG" => Signal::URG,
        "USR1" => Signal::USR1,
        "USR2" => Signal::USR2,
        "VTALRM" => Signal::VTALARM,
        "WINCH" => Signal::WINCH,
        "XCPU" => Signal::XCPU,
        "XFSZ" => Signal::XFSZ,
        _ => return None,
    };
    Some(signal.as_raw())
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn signals_have_the_names_of_kubernetes() {
        assert_eq!(["SIGTERM", "SIGKILL", "SIGUSR1"].map(number), [Some(15), Some(9), Some(10)]);
        assert_eq!(["TERM", "SIGRTMIN+3", "SIGNO", ""].map(number), [None; 4]);
    }
}
