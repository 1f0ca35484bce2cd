//! `--memory`, `--cpus`, `--pids-limit` and their like: what docker's command takes (docker/cli `opts`), what its daemon
//! refuses (moby `daemon/daemon_unix.go`, `verifyPlatformContainerResources`) and adds (`adaptContainerSettings`).

use super::bytes;

/// The limits of a command line. Zero is nothing said, as in the daemon's API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `--memory`, in bytes.
    pub memory: i64,
    /// `--memory-swap`: memory and swap together, in bytes; -1 is no limit. Where memory is limited and nothing is said,
    /// it is twice that.
    pub memory_swap: i64,
    /// `--memory-reservation`, in bytes.
    pub memory_reservation: i64,
    /// `--cpus`, in billionths of one.
    pub nano_cpus: i64,
    /// `--cpu-shares`.
    pub cpu_shares: i64,
    /// `--cpu-quota`, in microseconds.
    pub cpu_quota: i64,
    /// `--cpu-period`, in microseconds.
    pub cpu_period: i64,
    /// `--cpuset-cpus`.
    pub cpuset_cpus: String,
    /// `--cpuset-mems`.
    pub cpuset_mems: String,
    /// `--pids-limit`; less than one is no limit.
    pub pids: i64,
}

/// The least that the daemon takes for memory (moby `linuxMinMemory`).
const LEAST_MEMORY: i64 = 6 << 20;

impl Limits {
    /// Takes the value of a flag, if it is one of these.
    pub fn flag(&mut self, name: &str, value: &str) -> Result<(), String> {
        let number =
            || value.parse::<i64>().map_err(|_| format!("strconv.ParseInt: parsing {value:?}: invalid syntax"));
        match name {
            "memory" => self.memory = bytes(value)?,
            "memory-swap" if value == "-1" => self.memory_swap = -1,
            "memory-swap" => self.memory_swap = bytes(value)?,
            "memory-reservation" => self.memory_reservation = bytes(value)?,
            "cpus" => self.nano_cpus = billionths(value)?,
            "cpu-shares" => self.cpu_shares = number()?,
            "cpu-quota" => self.cpu_quota = number()?,
            "cpu-period" => self.cpu_period = number()?,
            "cpuset-cpus" => value.clone_into(&mut self.cpuset_cpus),
            "cpuset-mems" => value.clone_into(&mut self.cpuset_mems),
            "pids-limit" => self.pids = number()?,
            _ => {}
        }
        Ok(())
    }

    /// What the daemon refuses and adds, once all flags are read.
    pub fn check(&mut self) -> Result<(), String> {
        let Self { memory, memory_swap, memory_reservation, nano_cpus, cpu_shares, cpu_quota, cpu_period, .. } = *self;
        let rules = [
            (memory != 0 && memory < LEAST_MEMORY, "Minimum memory limit allowed is 6MB"),
            (
                memory > 0 && memory_swap > 0 && memory_swap < memory,
                "Minimum memoryswap limit should be larger than memory limit, see usage",
            ),
            (
                memory == 0 && memory_swap > 0,
                "You should always set the Memory limit when using Memoryswap limit, see usage",
            ),
            (memory_reservation > 0 && memory_reservation < LEAST_MEMORY, "Minimum memory reservation allowed is 6MB"),
            (
                memory > 0 && memory_reservation > 0 && memory < memory_reservation,
                "Minimum memory limit can not be less than memory reservation limit, see usage",
            ),
            (nano_cpus > 0 && cpu_period > 0, "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
            (nano_cpus > 0 && cpu_quota > 0, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
            (
                cpu_period != 0 && !(1_000..=1_000_000).contains(&cpu_period),
                "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
            ),
            (cpu_quota > 0 && cpu_quota < 1_000, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        ];
        if let Some((_, why)) = rules.iter().find(|(broken, _)| *broken) {
            return Err((*why).to_owned());
        }
        if cpu_shares < 0 {
            return Err(format!("invalid CPU shares ({cpu_shares}): value must be a positive integer"));
        }
        if memory > 0 && memory_swap == 0 {
            self.memory_swap = memory.saturating_mul(2);
        }
        Ok(())
    }

    /// What depends on the machine: how many CPUs it has.
    pub fn check_cpus(&self, machine: i64) -> Result<(), String> {
        if self.nano_cpus < 0 || self.nano_cpus > machine.saturating_mul(1_000_000_000) {
            return Err(format!(
                "range of CPUs is from 0.01 to {machine}.00, as there are only {machine} CPUs available"
            ));
        }
        Ok(())
    }
}

/// `opts.ParseCPUs`: a decimal number or a fraction.
fn billionths(text: &str) -> Result<i64, String> {
    let no_number = || format!("failed to parse {text} as a rational number");
    let decimal = |text: &str| -> Option<(i128, i128)> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all = [whole, fraction].concat();
        if all.is_empty() || all.len() > 27 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some((sign * all.parse::<i128>().ok()?, 10_i128.checked_pow(fraction.len() as u32)?))
    };
    let (number, by) = match text.split_once('/') {
        Some((above, below)) => {
            let below = below.parse::<i128>().ok().filter(|below| *below > 0 && *below < 1 << 62);
            let (above, scale) = decimal(above).filter(|(_, scale)| *scale == 1).ok_or_else(no_number)?;
            (above, below.ok_or_else(no_number)?.checked_mul(scale).ok_or_else(no_number)?)
        }
        None => decimal(text).ok_or_else(no_number)?,
    };
    let scaled = number.checked_mul(1_000_000_000).ok_or_else(no_number)?;
    if scaled % by != 0 {
        return Err("value is too precise".to_owned());
    }
    i64::try_from(scaled / by).map_err(|_| no_number())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(flags: &[(&str, &str)]) -> Result<Limits, String> {
        let mut limits = Limits::default();
        for (name, value) in flags {
            limits.flag(name, value)?;
        }
        limits.check()?;
        Ok(limits)
    }

    #[test]
    fn memory_without_a_word_on_swap_has_as_much_swap() {
        let of = |flags: &[(&str, &str)]| limits(flags).map(|limits| (limits.memory, limits.memory_swap));
        assert_eq!(of(&[("memory", "64m")]), Ok((64 << 20, 128 << 20)));
        assert_eq!(of(&[("memory", "64m"), ("memory-swap", "64m")]), Ok((64 << 20, 64 << 20)));
        assert_eq!(of(&[("memory", "64m"), ("memory-swap", "-1")]), Ok((64 << 20, -1)));
    }

    #[test]
    fn what_the_daemon_refuses_is_refused_in_its_words() {
        let why = |flags: &[(&str, &str)]| limits(flags).unwrap_err();
        assert_eq!(why(&[("memory", "1m")]), "Minimum memory limit allowed is 6MB");
        assert!(why(&[("memory", "64m"), ("memory-swap", "32m")]).starts_with("Minimum memoryswap limit"));
        assert!(why(&[("memory-swap", "64m")]).starts_with("You should always set the Memory limit"));
        assert!(why(&[("cpus", "1"), ("cpu-quota", "5000")]).starts_with("Conflicting options"));
        assert!(why(&[("cpu-period", "10")]).starts_with("CPU cfs period"));
        assert!(why(&[("cpu-shares", "-3")]).starts_with("invalid CPU shares (-3)"));
    }

    #[test]
    fn cpus_are_a_decimal_number_or_a_fraction() {
        let of = |text: &str| billionths(text);
        assert_eq!(of("1.5"), Ok(1_500_000_000));
        assert_eq!(of(".25"), Ok(250_000_000));
        assert_eq!(of("1/4"), Ok(250_000_000));
        assert_eq!(of("1/3"), Err("value is too precise".to_owned()));
        assert_eq!(of("two"), Err("failed to parse two as a rational number".to_owned()));
        for text in ["", ".", "1/0", "1/-1", "1e400", "99999999999999999999999999999"] {
            assert!(of(text).is_err(), "{text}");
        }
        let three = Limits { nano_cpus: 3_000_000_000, ..Limits::default() };
        assert_eq!(three.check_cpus(4), Ok(()));
        assert_eq!(
            three.check_cpus(2).unwrap_err(),
            "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"
        );
    }
}
