//! `linux.resources`: the device rules, and what the container may use as containerd's CRI plugin passes it on from the
//! kubelet (`pkg/oci` `WithResources`).

use ringfence_context::effective::{CPU_PERIOD, Resources};
use ringfence_context::origin::Value;

use oci_spec::runtime::{LinuxCpu, LinuxDeviceCgroup, LinuxHugepageLimit, LinuxMemory, LinuxResources};

use super::{SpecError, known};

/// Nothing but the runtime's default devices, or everything for a privileged container; and the limits.
pub(super) fn resources(privileged: bool, asked: Option<&Resources>) -> Result<LinuxResources, SpecError> {
    let mut rule = LinuxDeviceCgroup::default();
    rule.set_allow(privileged);
    rule.set_access(Some("rwm".to_owned()));
    let mut resources = asked.map(limits).transpose()?.unwrap_or_default();
    resources.set_devices(Some(vec![rule]));
    Ok(resources)
}

/// The limits of a container, or of a pod's containers together.
pub(crate) fn limits(asked: &Resources) -> Result<LinuxResources, SpecError> {
    let mut resources = LinuxResources::default();
    let number = |field, value: &Option<Value<u64>>| -> Result<Option<u64>, SpecError> {
        value.as_ref().map(|value| known(field, value).copied()).transpose()
    };
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    if let Some(memory) = number("resources.memory", &asked.memory)? {
        let mut limits = LinuxMemory::default();
        // No swap beside the memory: the kubelet's NoSwap.
        limits.set_limit(Some(signed(memory))).set_swap(Some(signed(memory)));
        resources.set_memory(Some(limits));
    }
    let shares = number("resources.cpuShares", &asked.cpu_shares)?;
    let quota = number("resources.cpuQuota", &asked.cpu_quota)?;
    if shares.is_some() || quota.is_some() {
        let mut cpu = LinuxCpu::default();
        cpu.set_shares(shares).set_quota(quota.map(signed)).set_period(quota.map(|_| CPU_PERIOD));
        resources.set_cpu(Some(cpu));
    }
    let mut pages = Vec::new();
    for (size, limit) in &asked.huge_pages {
        let mut page = LinuxHugepageLimit::default();
        page.set_page_size(size.clone()).set_limit(signed(*known("resources.hugePages", limit)?));
        pages.push(page);
    }
    if !pages.is_empty() {
        resources.set_hugepage_limits(Some(pages));
    }
    Ok(resources)
}
