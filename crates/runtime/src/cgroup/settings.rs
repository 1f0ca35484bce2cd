//! What `linux.resources` comes to: which file gets which value, and what the kernel must say of it afterwards.

use std::collections::BTreeSet;

use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxResources};

use super::Version;

/// A controller that has limits here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    Cpu,
    Cpuset,
    Hugetlb,
    Memory,
    Pids,
}

impl Controller {
    pub(crate) const ALL: [Self; 5] = [Self::Cpu, Self::Cpuset, Self::Hugetlb, Self::Memory, Self::Pids];

    /// As /proc/PID/cgroup and cgroup.controllers call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cpuset => "cpuset",
            Self::Hugetlb => "hugetlb",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }
}

/// A value for a file of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) controller: Controller,
    pub(crate) file: String,
    pub(crate) value: String,
    pub(crate) expect: Expect,
    /// The field of the spec that asks for it.
    pub(crate) field: &'static str,
}

/// What the kernel says after a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The same.
    Same,
    /// The same number of bytes, cut to whole pages of at most this size.
    Bytes(u64, u64),
    /// No limit.
    Unlimited,
    /// The same numbers, however they are written.
    List,
    /// Whatever it says: files whose form is not known here.
    Anything,
}

/// The largest pages that a kernel counts memory in.
const PAGE: u64 = 1 << 16;

/// Which controllers limits are asked of.
pub(crate) fn controllers(resources: &LinuxResources) -> BTreeSet<Controller> {
    let mut found = BTreeSet::new();
    let mut add = |asked: bool, controller| {
        if asked {
            found.insert(controller);
        }
    };
    let cpu = resources.cpu().as_ref();
    add(
        cpu.is_some_and(|cpu| cpu.shares().is_some() || cpu.quota().is_some() || cpu.period().is_some()),
        Controller::Cpu,
    );
    add(cpu.is_some_and(|cpu| is_named(cpu.cpus().as_ref()) || is_named(cpu.mems().as_ref())), Controller::Cpuset);
    add(resources.memory().as_ref().is_some_and(|memory| *memory != LinuxMemory::default()), Controller::Memory);
    add(resources.pids().is_some(), Controller::Pids);
    add(resources.hugepage_limits().as_ref().is_some_and(|limits| !limits.is_empty()), Controller::Hugetlb);
    for file in resources.unified().iter().flat_map(|files| files.keys()) {
        let of = |controller: &&Controller| file.split('.').next() == Some(controller.name());
        found.extend(Controller::ALL.iter().find(of));
    }
    found
}

fn is_named(list: Option<&String>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

/// What is asked for and not known here, by its field.
pub(crate) fn refused(resources: &LinuxResources) -> Option<&'static str> {
    let cpu = resources.cpu().as_ref();
    let memory = resources.memory().as_ref();
    let unknown = |file: &String| {
        let of = |controller: &Controller| file.split('.').next() == Some(controller.name());
        file.contains('/') || !file.contains('.') || !Controller::ALL.iter().any(of)
    };
    let fields = [
        (resources.block_io().is_some(), "linux.resources.blockIO"),
        (resources.network().is_some(), "linux.resources.network"),
        (resources.rdma().as_ref().is_some_and(|limits| !limits.is_empty()), "linux.resources.rdma"),
        (cpu.is_some_and(|cpu| cpu.realtime_runtime().is_some()), "linux.resources.cpu.realtimeRuntime"),
        (cpu.is_some_and(|cpu| cpu.realtime_period().is_some()), "linux.resources.cpu.realtimePeriod"),
        (cpu.is_some_and(|cpu| cpu.burst().is_some()), "linux.resources.cpu.burst"),
        (cpu.is_some_and(|cpu| cpu.idle().is_some()), "linux.resources.cpu.idle"),
        (memory.is_some_and(|memory| memory.kernel().is_some()), "linux.resources.memory.kernel"),
        (memory.is_some_and(|memory| memory.kernel_tcp().is_some()), "linux.resources.memory.kernelTCP"),
        (resources.unified().as_ref().is_some_and(|files| files.keys().any(unknown)), "linux.resources.unified"),
    ];
    fields.iter().find(|(asked, _)| *asked).map(|(_, field)| *field)
}

/// What is written, in the order in which it must be. `version` tells where a controller is; those that are nowhere are
/// left out.
///
/// The error is a value that cannot be had, in words.
pub(crate) fn settings(
    resources: &LinuxResources,
    version: &dyn Fn(Controller) -> Option<Version>,
) -> Result<Vec<Setting>, String> {
    let mut all = Vec::new();
    if let (Some(cpu), Some(version)) = (resources.cpu(), version(Controller::Cpu)) {
        time(cpu, version, &mut all);
    }
    if let (Some(cpu), true) = (resources.cpu(), version(Controller::Cpuset).is_some()) {
        let lists = [
            ("cpuset.cpus", cpu.cpus(), "linux.resources.cpu.cpus"),
            ("cpuset.mems", cpu.mems(), "linux.resources.cpu.mems"),
        ];
        for (file, list, field) in lists {
            if let Some(list) = list.as_ref().filter(|list| !list.is_empty()) {
                all.push(setting(Controller::Cpuset, file, &list, Expect::List, field));
            }
        }
    }
    if let (Some(memory), Some(version)) = (resources.memory(), version(Controller::Memory)) {
        self::memory(memory, version, &mut all)?;
    }
    if let (Some(pids), true) = (resources.pids(), version(Controller::Pids).is_some()) {
        let (value, expect) = match pids.limit() {
            limit @ 1.. => (limit.to_string(), Expect::Same),
            _ => ("max".to_owned(), Expect::Unlimited),
        };
        all.push(setting(Controller::Pids, "pids.max", &value, expect, "linux.resources.pids.limit"));
    }
    if let (Some(limits), Some(version)) = (resources.hugepage_limits(), version(Controller::Hugetlb)) {
        for limit in limits {
            let size = limit.page_size();
            if size.contains('/') {
                return Err(format!("{size:?} is no size of pages (linux.resources.hugepageLimits)"));
            }
            let bytes = u64::try_from(limit.limit()).unwrap_or(0);
            let file = match version {
                Version::V1 => format!("hugetlb.{size}.limit_in_bytes"),
                Version::V2 => format!("hugetlb.{size}.max"),
            };
            let expect = Expect::Bytes(bytes, size_of_pages(size).unwrap_or(PAGE));
            all.push(setting(Controller::Hugetlb, &file, &bytes, expect, "linux.resources.hugepageLimits"));
        }
    }
    for (file, value) in resources.unified().iter().flatten() {
        let of = |controller: &&Controller| file.split('.').next() == Some(controller.name());
        let Some(controller) = Controller::ALL.iter().find(of).copied() else { continue };
        match version(controller) {
            Some(Version::V2) => {
                all.push(setting(controller, file, value, Expect::Anything, "linux.resources.unified"));
            }
            Some(Version::V1) => return Err(format!("{file} is a file of cgroup v2 (linux.resources.unified)")),
            None => {}
        }
    }
    Ok(all)
}

fn setting(controller: Controller, file: &str, value: &impl ToString, expect: Expect, field: &'static str) -> Setting {
    Setting { controller, file: file.to_owned(), value: value.to_string(), expect, field }
}

/// Weight, quota and period.
fn time(cpu: &LinuxCpu, version: Version, all: &mut Vec<Setting>) {
    let mut add = |file: &str, value: String, expect, field| {
        all.push(setting(Controller::Cpu, file, &value, expect, field));
    };
    let shares = cpu.shares().filter(|shares| *shares > 0);
    let (quota, period) = (cpu.quota(), cpu.period().filter(|period| *period > 0));
    match version {
        Version::V1 => {
            if let Some(shares) = shares {
                // The kernel takes what is beyond its limits as the limit.
                add("cpu.shares", shares.clamp(2, 262_144).to_string(), Expect::Same, "linux.resources.cpu.shares");
            }
            if let Some(period) = period {
                add("cpu.cfs_period_us", period.to_string(), Expect::Same, "linux.resources.cpu.period");
            }
            if let Some(quota) = quota {
                let quota = if quota > 0 { quota } else { -1 };
                add("cpu.cfs_quota_us", quota.to_string(), Expect::Same, "linux.resources.cpu.quota");
            }
        }
        Version::V2 => {
            if let Some(shares) = shares {
                add("cpu.weight", weight(shares).to_string(), Expect::Same, "linux.resources.cpu.shares");
            }
            if quota.is_some() || period.is_some() {
                let quota =
                    quota.filter(|quota| *quota > 0).map_or_else(|| "max".to_owned(), |quota| quota.to_string());
                let value = format!("{quota} {}", period.unwrap_or(100_000));
                add("cpu.max", value, Expect::Same, "linux.resources.cpu.quota");
            }
        }
    }
}

/// The weight of cgroup v2 (1 to 10000, normally 100) for the shares of cgroup v1 (2 to 262144, normally 1024), by the
/// curve through these three points that runc 1.3.2, crun 1.23 and Kubernetes 1.35 use:
/// 10^((log2² + 125·log2) / 612 − 7/34), log2 being that of the shares, rounded up.
pub(crate) fn weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        shares => {
            #[expect(clippy::cast_precision_loss, reason = "there are not so many")]
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            // What is a whole number but for the last digits of the computation must not be rounded up.
            (10_f64.powf(exponent) - 1e-9).ceil() as u64
        }
    }
}

fn memory(memory: &LinuxMemory, version: Version, all: &mut Vec<Setting>) -> Result<(), String> {
    let mut add = |file: &str, bytes: i64, field| {
        let (value, expect) = match u64::try_from(bytes) {
            Ok(bytes) => (bytes.to_string(), Expect::Bytes(bytes, PAGE)),
            Err(_) if version == Version::V1 => ("-1".to_owned(), Expect::Unlimited),
            Err(_) => ("max".to_owned(), Expect::Unlimited),
        };
        all.push(setting(Controller::Memory, file, &value, expect, field));
    };
    // Zero has the meaning of nothing said, as in the specification of the runtimes' own field.
    let said = |value: Option<i64>| value.filter(|value| *value != 0);
    let (limit, both) = (said(memory.limit()), said(memory.swap()));
    let field = "linux.resources.memory.swap";
    if let (Some(limit @ 1..), Some(both @ 1..)) = (limit, both)
        && both < limit
    {
        return Err(format!("memory and swap together, {both}, are less than memory alone, {limit} ({field})"));
    }
    match version {
        Version::V1 => {
            if let Some(limit) = limit {
                add("memory.limit_in_bytes", limit, "linux.resources.memory.limit");
            }
            // After the other, which it may not be below.
            if let Some(both) = both {
                add("memory.memsw.limit_in_bytes", both, field);
            }
            if let Some(low) = said(memory.reservation()) {
                add("memory.soft_limit_in_bytes", low, "linux.resources.memory.reservation");
            }
        }
        Version::V2 => {
            if let Some(limit) = limit {
                add("memory.max", limit, "linux.resources.memory.limit");
            }
            match (limit, both) {
                (_, None) => {}
                (_, Some(both)) if both < 0 => add("memory.swap.max", -1, field),
                (Some(limit @ 1..), Some(both)) => add("memory.swap.max", both - limit, field),
                _ => return Err(format!("swap is limited together with memory, which has no limit ({field})")),
            }
            if let Some(low) = said(memory.reservation()) {
                add("memory.low", low, "linux.resources.memory.reservation");
            }
        }
    }
    if let Some(swappiness) = memory.swappiness() {
        let field = "linux.resources.memory.swappiness";
        if version == Version::V2 {
            return Err(format!("cgroup v2 has no swappiness ({field})"));
        }
        all.push(setting(Controller::Memory, "memory.swappiness", &swappiness, Expect::Same, field));
    }
    if memory.disable_oom_killer() == Some(true) {
        let field = "linux.resources.memory.disableOOMKiller";
        if version == Version::V2 {
            return Err(format!("cgroup v2 cannot do without the OOM killer ({field})"));
        }
        all.push(setting(Controller::Memory, "memory.oom_control", &1, Expect::Anything, field));
    }
    Ok(())
}

/// `2MB` in bytes.
fn size_of_pages(size: &str) -> Option<u64> {
    let (number, shift) = [("KB", 10), ("MB", 20), ("GB", 30), ("TB", 40)]
        .iter()
        .find_map(|(unit, shift)| Some((size.strip_suffix(unit)?, shift)))?;
    number.parse::<u64>().ok()?.checked_shl(*shift)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{LinuxCpuBuilder, LinuxHugepageLimitBuilder, LinuxMemoryBuilder, LinuxPidsBuilder};

    use super::*;

    fn written(resources: &LinuxResources, version: Version) -> Vec<String> {
        let all = settings(resources, &|_| Some(version)).expect("settings");
        all.iter().map(|setting| format!("{}={}", setting.file, setting.value)).collect()
    }

    fn full() -> LinuxResources {
        let mut resources = LinuxResources::default();
        let cpu = LinuxCpuBuilder::default().shares(512_u64).quota(50_000_i64).period(100_000_u64).cpus("0-1");
        let memory = LinuxMemoryBuilder::default().limit(64 << 20).swap(96 << 20).reservation(32 << 20);
        let pages = LinuxHugepageLimitBuilder::default().page_size("2MB").limit(4 << 20);
        resources
            .set_cpu(Some(cpu.build().unwrap()))
            .set_memory(Some(memory.build().unwrap()))
            .set_pids(Some(LinuxPidsBuilder::default().limit(20).build().unwrap()))
            .set_hugepage_limits(Some(vec![pages.build().unwrap()]));
        resources
    }

    #[test]
    fn version_1_has_a_file_for_each_value() {
        assert_eq!(
            written(&full(), Version::V1),
            [
                "cpu.shares=512",
                "cpu.cfs_period_us=100000",
                "cpu.cfs_quota_us=50000",
                "cpuset.cpus=0-1",
                "memory.limit_in_bytes=67108864",
                "memory.memsw.limit_in_bytes=100663296",
                "memory.soft_limit_in_bytes=33554432",
                "pids.max=20",
                "hugetlb.2MB.limit_in_bytes=4194304",
            ]
        );
    }

    #[test]
    fn version_2_counts_swap_apart_and_weighs_otherwise() {
        assert_eq!(
            written(&full(), Version::V2),
            [
                "cpu.weight=59",
                "cpu.max=50000 100000",
                "cpuset.cpus=0-1",
                "memory.max=67108864",
                "memory.swap.max=33554432",
                "memory.low=33554432",
                "pids.max=20",
                "hugetlb.2MB.max=4194304",
            ]
        );
    }

    #[test]
    fn what_has_no_controller_is_left_out() {
        let only = |wanted| move |controller| (controller == wanted).then_some(Version::V1);
        let all = settings(&full(), &only(Controller::Pids)).expect("settings");
        assert_eq!(all.iter().map(|setting| setting.file.as_str()).collect::<Vec<_>>(), ["pids.max"]);
        assert_eq!(controllers(&full()).len(), 5);
    }

    #[test]
    fn less_than_nothing_is_no_limit() {
        let mut resources = LinuxResources::default();
        let memory = LinuxMemoryBuilder::default().limit(-1).swap(-1).build().unwrap();
        let cpu = LinuxCpuBuilder::default().quota(-1_i64).build().unwrap();
        resources.set_memory(Some(memory)).set_cpu(Some(cpu));
        resources.set_pids(Some(LinuxPidsBuilder::default().limit(-1).build().unwrap()));
        let files = written(&resources, Version::V1);
        assert_eq!(
            files,
            ["cpu.cfs_quota_us=-1", "memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1", "pids.max=max"]
        );
        let files = written(&resources, Version::V2);
        assert_eq!(files, ["cpu.max=max 100000", "memory.max=max", "memory.swap.max=max", "pids.max=max"]);
    }

    #[test]
    fn swap_without_memory_and_less_than_memory_are_refused() {
        let of = |limit: Option<i64>, swap: i64, version| {
            let mut memory = LinuxMemory::default();
            memory.set_limit(limit).set_swap(Some(swap));
            let mut resources = LinuxResources::default();
            resources.set_memory(Some(memory));
            settings(&resources, &|_| Some(version))
        };
        assert!(of(Some(8192), 4096, Version::V1).is_err());
        assert!(of(Some(8192), 4096, Version::V2).is_err());
        assert!(of(None, 4096, Version::V2).is_err());
    }

    #[test]
    fn weights_meet_at_the_ends_and_in_the_middle() {
        // The points that the KEP on the conversion gives.
        assert_eq!([0, 2, 1024, 262_144, u64::MAX].map(weight), [1, 1, 100, 10_000, 10_000]);
        for shares in 2..262_144 {
            assert!(weight(shares) <= weight(shares + 1), "{shares}");
        }
    }
}
