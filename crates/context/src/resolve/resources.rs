//! `resources` of containers and of the pod: what the kubelet asks of control groups (`pkg/kubelet/kuberuntime`,
//! `calculateLinuxResources`; `pkg/kubelet/cm`, `ResourceConfigForPod`; `component-helpers/resource`, `PodRequests` and
//! `PodLimits`; `pkg/apis/core/v1/helper/qos`). A pod whose `resources` say nothing has none of it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::quantity::{NANOS, nanos};
use super::view::PodView;
use crate::effective::{CPU_PERIOD, ContainerKind, PodResources, QosClass, Resources};
use crate::origin::{Origin, Value};

/// Billionths, by the resource's name. Sums are exact; only what the kernel gets is rounded.
type List = BTreeMap<String, u128>;

/// `cm.MinShares` and `cm.MaxShares`.
const SHARES: std::ops::RangeInclusive<u128> = 2..=262_144;
/// `cm.MinQuotaPeriod`, in microseconds.
const LEAST_QUOTA: u128 = 1_000;

const CPU: &str = "cpu";
const MEMORY: &str = "memory";
const HUGE_PAGES: &str = "hugepages-";

/// The pod's limits, and those of each container in the order of [`PodView::containers`]. None where nothing in the pod
/// says anything of CPU, memory or huge pages.
pub(super) struct Resolved {
    pub(super) pod: Option<PodResources>,
    pub(super) containers: Vec<Option<Resources>>,
}

pub(super) fn resolve(pod: &PodView<'_>) -> Resolved {
    let asked: Vec<Asked> = pod
        .containers()
        .map(|container| Asked::new(container.resources, &format!("{}.resources", container.path), container.kind))
        .collect();
    let mut whole = Asked::new(pod.spec.resources.as_ref(), "spec.resources", ContainerKind::Main);
    let says = |asked: &Asked| asked.broken.is_some() || asked.all().any(|name| is_supported(name));
    if pod.is_windows() || !(asked.iter().any(says) || says(&whole)) {
        return Resolved { pod: None, containers: asked.iter().map(|_| None).collect() };
    }
    let sizes: BTreeSet<String> = asked
        .iter()
        .chain([&whole])
        .flat_map(|asked| asked.limits.keys())
        .filter(|name| name.starts_with(HUGE_PAGES))
        .cloned()
        .collect();
    let containers = asked.iter().map(|asked| Some(container(asked, &whole, &sizes))).collect();
    let by_pod = says(&whole);
    if by_pod {
        default_pod_requests(&mut whole, &asked);
    }
    let broken = asked.iter().chain([&whole]).find_map(|asked| asked.broken.clone());
    let limits = match broken {
        Some(broken) => Resources { memory: Some(Value::unknown(broken)), ..Resources::default() },
        None => sums(pod, &asked, by_pod.then_some(&whole), &sizes),
    };
    Resolved { pod: Some(PodResources { qos_class: qos(&asked, by_pod.then_some(&whole)), limits }), containers }
}

/// `resources` of one container, or of the pod.
struct Asked {
    path: String,
    kind: ContainerKind,
    /// With the API's default: what is limited is asked for.
    requests: List,
    limits: List,
    /// Which of the requests are written.
    written: BTreeSet<String>,
    /// What is no quantity.
    broken: Option<String>,
}

impl Asked {
    fn new(resources: Option<&ResourceRequirements>, path: &str, kind: ContainerKind) -> Self {
        let mut broken = None;
        let mut list = |which: &str, quantities: Option<&BTreeMap<String, Quantity>>| -> List {
            let mut list = List::new();
            for (name, Quantity(text)) in quantities.into_iter().flatten().filter(|(name, _)| is_supported(name)) {
                match nanos(text) {
                    Some(amount) => drop(list.insert(name.clone(), amount)),
                    None => broken = Some(format!("{path}.{which}.{name} is {text:?}, which is no quantity")),
                }
            }
            list
        };
        let limits = list("limits", resources.and_then(|resources| resources.limits.as_ref()));
        let mut requests = list("requests", resources.and_then(|resources| resources.requests.as_ref()));
        let written = requests.keys().cloned().collect();
        for (name, amount) in &limits {
            requests.entry(name.clone()).or_insert(*amount);
        }
        Self { path: path.to_owned(), kind, requests, limits, written, broken }
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        self.requests.keys().chain(self.limits.keys())
    }

    fn origin(&self, which: &str, name: &str) -> Origin {
        Origin::container(format!("{}.{which}.{name}", self.path))
    }

    fn limit(&self, name: &str) -> Option<u128> {
        self.limits.get(name).copied().filter(|amount| *amount > 0)
    }
}

/// What a cgroup knows of (`IsSupportedPodLevelResource`).
fn is_supported(name: &str) -> bool {
    name == CPU || name == MEMORY || name.starts_with(HUGE_PAGES)
}

/// A container's own limits.
fn container(asked: &Asked, whole: &Asked, sizes: &BTreeSet<String>) -> Resources {
    if let Some(broken) = asked.broken.as_ref().or(whole.broken.as_ref()) {
        return Resources { memory: Some(Value::unknown(broken)), ..Resources::default() };
    }
    // What a container does not limit is limited to what all of them may have together.
    let limit = |name: &str| match (asked.limit(name), whole.limit(name)) {
        (Some(own), _) => Some((own, asked.origin("limits", name))),
        (None, Some(of_pod)) => Some((of_pod, Origin::pod(format!("spec.resources.limits.{name}")))),
        (None, None) => None,
    };
    let request = asked.requests.get(CPU).map(|amount| {
        let which = if asked.written.contains(CPU) { "requests" } else { "limits" };
        (*amount, asked.origin(which, CPU))
    });
    let least = || (0, Origin::kubelet("no CPU is asked for: the least weight"));
    let (cpu, of_cpu) = request.or_else(|| limit(CPU)).unwrap_or_else(least);
    let huge_page = |name: &String| {
        let size = page_size(name)?;
        let given = asked.limits.contains_key(name).then(|| asked.origin("limits", name));
        let of_pod = whole.limits.contains_key(name).then(|| Origin::pod(format!("spec.resources.limits.{name}")));
        let amount = asked.limits.get(name).or_else(|| whole.limits.get(name)).copied().unwrap_or(0);
        let origin = given.or(of_pod).unwrap_or_else(|| Origin::kubelet("no huge pages are asked for"));
        Some((size, Value::known(whole_number(amount), origin)))
    };
    Resources {
        cpu_shares: Some(Value::known(shares(cpu), of_cpu)),
        cpu_quota: limit(CPU).map(|(cpu, origin)| Value::known(quota(cpu), origin)),
        memory: limit(MEMORY).map(|(bytes, origin)| Value::known(whole_number(bytes), origin)),
        huge_pages: sizes.iter().filter_map(huge_page).collect(),
    }
}

/// `ResourceConfigForPod`.
fn sums(pod: &PodView<'_>, asked: &[Asked], whole: Option<&Asked>, sizes: &BTreeSet<String>) -> Resources {
    let overhead = |list: &mut List, only_limited: bool| {
        for (name, Quantity(text)) in pod.spec.overhead.iter().flatten() {
            if let Some(more) = nanos(text) {
                match list.get_mut(name) {
                    Some(amount) if *amount > 0 || !only_limited => *amount = amount.saturating_add(more),
                    None if !only_limited => drop(list.insert(name.clone(), more)),
                    _ => {}
                }
            }
        }
    };
    let (mut requests, _) = aggregate(asked, |asked| &asked.requests);
    let (mut limits, mut all_limit) = aggregate(asked, |asked| &asked.limits);
    if let Some(whole) = whole {
        requests.extend(whole.requests.clone());
        limits.extend(whole.limits.clone());
        all_limit.extend([CPU, MEMORY].into_iter().filter(|name| whole.limit(name).is_some()));
    }
    overhead(&mut requests, false);
    overhead(&mut limits, true);
    let of = |what: &str| match whole {
        Some(_) => Origin::pod(format!("spec.resources, and the containers' sum of {what} where it says nothing")),
        None => Origin::kubelet(format!("the containers' {what} together")),
    };
    let limit = |name: &str| limits.get(name).copied().filter(|amount| *amount > 0 && all_limit.contains(name));
    Resources {
        cpu_shares: Some(Value::known(shares(requests.get(CPU).copied().unwrap_or(0)), of("requests"))),
        cpu_quota: limit(CPU).map(|cpu| Value::known(quota(cpu), of("limits"))),
        memory: limit(MEMORY).map(|bytes| Value::known(whole_number(bytes), of("limits"))),
        huge_pages: sizes
            .iter()
            .filter_map(|name| Some((page_size(name)?, requests.get(name).copied().unwrap_or(0))))
            .map(|(size, amount)| (size, Value::known(whole_number(amount), of("requests"))))
            .collect(),
    }
}

/// What is needed at the same time at most: all main containers and sidecars, or an init container with the sidecars
/// before it. And which of CPU and memory every container has some of.
fn aggregate<'a>(asked: &'a [Asked], pick: impl Fn(&'a Asked) -> &'a List) -> (List, BTreeSet<&'static str>) {
    let (mut total, mut sidecars, mut start) = (List::new(), List::new(), List::new());
    let mut everywhere = BTreeSet::from([CPU, MEMORY]);
    let add = |to: &mut List, more: &List| {
        for (name, amount) in more {
            let sum = to.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    };
    for one in asked {
        let mut at_once = pick(one).clone();
        match one.kind {
            ContainerKind::Ephemeral => continue,
            ContainerKind::Main => add(&mut total, &at_once),
            ContainerKind::Sidecar => {
                add(&mut total, &at_once);
                add(&mut sidecars, &at_once);
                at_once.clone_from(&sidecars);
            }
            ContainerKind::Init => add(&mut at_once, &sidecars),
        }
        everywhere.retain(|name| at_once.get(*name).is_some_and(|amount| *amount > 0));
        if one.kind != ContainerKind::Main {
            most(&mut start, &at_once);
        }
    }
    most(&mut total, &start);
    (total, everywhere)
}

fn most(to: &mut List, other: &List) {
    for (name, amount) in other {
        let known = to.entry(name.clone()).or_default();
        *known = (*known).max(*amount);
    }
}

/// `defaultPodRequests` of the API's defaults: what the pod limits and does not ask for is what its containers ask for,
/// and where they ask for nothing, the limit. Huge pages cannot be asked for in part.
fn default_pod_requests(whole: &mut Asked, asked: &[Asked]) {
    if whole.limits.is_empty() {
        return;
    }
    for (name, amount) in aggregate(asked, |asked| &asked.requests).0 {
        if !whole.written.contains(&name) && !name.starts_with(HUGE_PAGES) {
            whole.requests.insert(name, amount);
        }
    }
}

/// `ComputePodQOS`.
fn qos(asked: &[Asked], whole: Option<&Asked>) -> QosClass {
    let counted: Vec<&Asked> = match whole {
        Some(whole) => vec![whole],
        None => asked.iter().filter(|asked| asked.kind != ContainerKind::Ephemeral).collect(),
    };
    let sum = |pick: fn(&Asked) -> &List| {
        let mut sum = List::new();
        for one in &counted {
            for (name, amount) in pick(one) {
                if (name == CPU || name == MEMORY) && *amount > 0 {
                    let known = sum.entry(name.clone()).or_default();
                    *known = known.saturating_add(*amount);
                }
            }
        }
        sum
    };
    let (requests, limits) = (sum(|asked| &asked.requests), sum(|asked| &asked.limits));
    let all_limited = counted.iter().all(|asked| asked.limit(CPU).is_some() && asked.limit(MEMORY).is_some());
    if requests.is_empty() && limits.is_empty() {
        QosClass::BestEffort
    } else if all_limited && requests == limits {
        QosClass::Guaranteed
    } else {
        QosClass::Burstable
    }
}

/// `cm.MilliCPUToShares`.
fn shares(cpu: u128) -> u64 {
    let shares = milli(cpu).saturating_mul(1024) / 1000;
    shares.clamp(*SHARES.start(), *SHARES.end()) as u64
}

/// `cm.MilliCPUToQuota`, with the period of a kubelet that was not told otherwise.
fn quota(cpu: u128) -> u64 {
    let quota = (milli(cpu).saturating_mul(u128::from(CPU_PERIOD)) / 1000).max(LEAST_QUOTA);
    u64::try_from(quota).unwrap_or(u64::MAX)
}

/// Thousandths, rounded up.
fn milli(amount: u128) -> u128 {
    amount.div_ceil(NANOS / 1000)
}

/// Rounded up, and at most what the API can hold.
fn whole_number(amount: u128) -> u64 {
    amount.div_ceil(NANOS).min(i64::MAX as u128) as u64
}

/// The size of `hugepages-2Mi` as the kernel's files have it: `2MB` (`HugePageUnitSizeFromByteSize`).
fn page_size(name: &str) -> Option<String> {
    let mut size = nanos(name.strip_prefix(HUGE_PAGES)?)?.div_ceil(NANOS);
    for unit in ["B", "KB", "MB", "GB", "TB", "PB"] {
        if size < 1024 || size % 1024 != 0 {
            return (unit != "B").then(|| format!("{size}{unit}"));
        }
        size /= 1024;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effective::EffectivePod;
    use crate::facts::Facts;
    use crate::resolve::testing::resolve_spec;

    fn pod(containers: &str, more: &str) -> EffectivePod {
        resolve_spec(&format!(r#"{{"containers": [{containers}]{more}}}"#), &Facts::default())
    }

    fn known(value: Option<&Value<u64>>) -> Option<u64> {
        value.map(|value| *value.get().expect("a known value"))
    }

    /// Weight, quota and memory.
    type Numbers = (Option<u64>, Option<u64>, Option<u64>);

    fn numbers(resources: &Resources) -> Numbers {
        (known(resources.cpu_shares.as_ref()), known(resources.cpu_quota.as_ref()), known(resources.memory.as_ref()))
    }

    fn of_container(pod: &EffectivePod, index: usize) -> Numbers {
        numbers(pod.containers[index].resources.as_ref().expect("resources"))
    }

    fn of_pod(pod: &EffectivePod) -> (QosClass, Numbers) {
        let resources = pod.resources.as_ref().expect("resources");
        (resources.qos_class, numbers(&resources.limits))
    }

    #[test]
    fn a_pod_that_says_nothing_gets_nothing() {
        let pod = pod(r#"{"name": "a", "resources": {"limits": {"nvidia.com/gpu": "1"}}}"#, "");
        assert_eq!((pod.resources, pod.containers[0].resources.clone()), (None, None));
    }

    #[test]
    fn limits_are_requests_where_none_are_written() {
        let pod = pod(r#"{"name": "a", "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}}"#, "");
        assert_eq!(of_container(&pod, 0), (Some(512), Some(50_000), Some(64 << 20)));
        assert_eq!(of_pod(&pod), (QosClass::Guaranteed, (Some(512), Some(50_000), Some(64 << 20))));
        let shares = pod.containers[0].resources.as_ref().unwrap().cpu_shares.clone().unwrap();
        assert_eq!(shares.origin(), Some(&Origin::container("spec.containers[0].resources.limits.cpu")));
    }

    #[test]
    fn the_least_quota_is_a_millisecond_and_the_least_weight_is_two() {
        let pod = pod(
            r#"{"name": "a", "resources": {"requests": {"cpu": "1m"}, "limits": {"cpu": "1m"}}}, {"name": "b"}"#,
            "",
        );
        assert_eq!(of_container(&pod, 0), (Some(2), Some(1_000), None));
        assert_eq!(of_container(&pod, 1), (Some(2), None, None));
        // One container has no limit, so the pod has none.
        assert_eq!(of_pod(&pod), (QosClass::Burstable, (Some(2), None, None)));
    }

    #[test]
    fn fractions_are_rounded_up_once() {
        let half = r#"{"name": "a", "resources": {"requests": {"cpu": "0.0005"}, "limits": {"memory": "0.5"}}}"#;
        let pod = pod(&format!("{half}, {half}"), "");
        assert_eq!(of_container(&pod, 0), (Some(2), None, Some(1)));
        assert_eq!(of_pod(&pod).1.2, Some(1), "two halves");
    }

    #[test]
    fn an_init_container_counts_with_the_sidecars_before_it_alone() {
        let pod = pod(
            r#"{"name": "main", "resources": {"limits": {"cpu": "1", "memory": "100"}}}"#,
            r#", "initContainers": [
                {"name": "first", "resources": {"limits": {"cpu": "3", "memory": "900"}}},
                {"name": "side", "restartPolicy": "Always", "resources": {"limits": {"cpu": "1", "memory": "50"}}},
                {"name": "second", "resources": {"limits": {"cpu": "1", "memory": "800"}}}]"#,
        );
        assert_eq!(of_pod(&pod).1, (Some(3 * 1024), Some(300_000), Some(900)));
    }

    #[test]
    fn the_pods_own_limits_hold_for_containers_that_have_none() {
        let pod = pod(
            r#"{"name": "a", "resources": {"requests": {"cpu": "250m"}}}, {"name": "b"}"#,
            r#", "resources": {"limits": {"cpu": "2", "memory": "1Gi"}}"#,
        );
        assert_eq!(of_container(&pod, 0), (Some(256), Some(200_000), Some(1 << 30)));
        assert_eq!(of_container(&pod, 1), (Some(2048), Some(200_000), Some(1 << 30)));
        // What the containers ask for is the pod's request; of memory they ask for nothing, so it is the limit.
        assert_eq!(of_pod(&pod), (QosClass::Burstable, (Some(256), Some(200_000), Some(1 << 30))));
    }

    #[test]
    fn overhead_is_added_to_requests_and_to_limits_that_there_are() {
        let pod = pod(
            r#"{"name": "a", "resources": {"limits": {"memory": "100"}, "requests": {"cpu": "1"}}}"#,
            r#", "overhead": {"cpu": "500m", "memory": "20"}"#,
        );
        assert_eq!(of_pod(&pod).1, (Some(1536), None, Some(120)));
    }

    #[test]
    fn huge_pages_are_limited_by_their_size() {
        let pod = pod(
            r#"{"name": "a", "resources": {"limits": {"hugepages-2Mi": "4Mi", "memory": "1Gi"}}}, {"name": "b"}"#,
            "",
        );
        let pages = |index: usize| known(pod.containers[index].resources.as_ref().unwrap().huge_pages.get("2MB"));
        assert_eq!((pages(0), pages(1)), (Some(4 << 20), Some(0)));
        assert_eq!(page_size("hugepages-1Gi").as_deref(), Some("1GB"));
        assert_eq!(page_size("hugepages-3"), None);
    }

    #[test]
    fn what_is_no_quantity_leaves_the_limit_open() {
        let pod = pod(r#"{"name": "a", "resources": {"limits": {"memory": "lots"}}}"#, "");
        let memory = pod.containers[0].resources.as_ref().unwrap().memory.clone().unwrap();
        assert!(matches!(memory, Value::Unknown { unknown } if unknown.contains("lots")));
    }
}
