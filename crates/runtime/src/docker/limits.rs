//! `linux.resources` of docker's flags (moby `daemon/oci_linux.go`, `WithResources` and `getCPUResources`).

use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};
use ringfence_docker::value::Limits;

/// What `--cpus` is a part of, in microseconds.
const PERIOD: i64 = 100_000;

pub(super) fn resources(limits: &Limits) -> LinuxResources {
    let mut resources = LinuxResources::default();
    let said = |number: i64| Some(number).filter(|number| *number != 0);
    let Limits { memory, memory_swap, memory_reservation, .. } = *limits;
    if [memory, memory_swap, memory_reservation].iter().any(|number| *number != 0) {
        let mut asked = LinuxMemory::default();
        asked.set_limit(said(memory)).set_swap(said(memory_swap)).set_reservation(said(memory_reservation));
        resources.set_memory(Some(asked));
    }
    let (quota, period) = match limits.nano_cpus {
        0 => (said(limits.cpu_quota), said(limits.cpu_period)),
        nano => (Some((i128::from(nano) * i128::from(PERIOD) / 1_000_000_000) as i64), Some(PERIOD)),
    };
    let mut cpu = LinuxCpu::default();
    cpu.set_shares(said(limits.cpu_shares).and_then(|shares| u64::try_from(shares).ok()));
    cpu.set_quota(quota).set_period(period.and_then(|period| u64::try_from(period).ok()));
    cpu.set_cpus(Some(limits.cpuset_cpus.clone()).filter(|list| !list.is_empty()));
    cpu.set_mems(Some(limits.cpuset_mems.clone()).filter(|list| !list.is_empty()));
    if cpu != LinuxCpu::default() {
        resources.set_cpu(Some(cpu));
    }
    if limits.pids > 0 {
        let mut pids = LinuxPids::default();
        pids.set_limit(limits.pids);
        resources.set_pids(Some(pids));
    }
    resources
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_cpu_is_a_part_of_each_period() {
        let limits = Limits { nano_cpus: 250_000_000, cpuset_cpus: "0".to_owned(), pids: -1, ..Limits::default() };
        let resources = resources(&limits);
        let cpu = resources.cpu().as_ref().expect("CPU");
        assert_eq!((cpu.quota(), cpu.period(), cpu.cpus().as_deref()), (Some(25_000), Some(100_000), Some("0")));
        assert_eq!((resources.memory(), resources.pids()), (&None, &None));
    }

    #[test]
    fn nothing_said_is_nothing_asked_for() {
        assert_eq!(resources(&Limits::default()), LinuxResources::default());
    }
}
