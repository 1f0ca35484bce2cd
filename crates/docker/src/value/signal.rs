//! Signals by name or number (moby `pkg/signal`, `ParseSignal`; the numbers are Linux's, signal(7)).

/// The names, with the number of the first as 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];
/// The real-time signals that programs have for themselves.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// The number of a signal: a number, or a name with or without `SIG`, in any case. `None` for what is none.
pub fn signal(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=31).chain(REAL_TIME).find(|known| *known == number);
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = match name {
        "IOT" => Some(6),
        "CLD" => Some(17),
        "POLL" => Some(29),
        _ => NAMES.iter().position(|known| *known == name).map(|at| at as i32 + 1),
    };
    let real_time = || {
        let (base, rest) = if let Some(rest) = name.strip_prefix("RTMIN") {
            (*REAL_TIME.start(), if rest.is_empty() { rest } else { rest.strip_prefix('+')? })
        } else {
            let rest = name.strip_prefix("RTMAX")?;
            (*REAL_TIME.end(), rest)
        };
        let by = if rest.is_empty() { 0 } else { rest.parse::<i32>().ok()? };
        Some(base.checked_add(by)?).filter(|number| REAL_TIME.contains(number))
    };
    named.or_else(real_time)
}

#[cfg(test)]
mod tests {
    use super::signal;

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!(["SIGTERM", "term", "15", "SIGUSR1"].map(signal), [Some(15), Some(15), Some(15), Some(10)]);
        assert_eq!(
            ["SIGRTMIN+3", "RTMAX-14", "SIGRTMIN", "sigcld"].map(signal),
            [Some(37), Some(50), Some(34), Some(17)]
        );
        for text in ["", "0", "-1", "65", "32", "SIG", "NO", "RTMIN+99", "RTMAX+1", "RTMAX14", "99999999999"] {
            assert_eq!(signal(text), None, "{text}");
        }
    }
}
