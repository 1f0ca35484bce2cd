//! The rows of a container: field, declared, computed, observed, agreement.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ringfence_context::capability::{CapSet, Capability};
use ringfence_context::effective::{AppArmor, CPU_PERIOD, EffectiveContainer, Group, SeLinux, Seccomp};
use ringfence_context::origin::{Origin, Value};
use ringfence_context::process::{CapabilitySets, Namespace, Namespaces, ProcessState, VolumeState};

use super::{Declared, describe};

/// One field of a container's context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) field: String,
    /// What the manifest says, with its place.
    pub(crate) declared: Option<(String, String)>,
    /// What it comes to.
    pub(crate) computed: String,
    /// Why.
    pub(crate) origin: String,
    /// What the kernel says.
    pub(crate) observed: Option<String>,
    pub(crate) agreement: Agreement,
}

/// Whether computed and observed are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    Agrees,
    Differs,
    /// Not compared: nothing was computed, or it could not be observed here.
    Open,
}

/// Every row of `container`. `observed` is `None` where nothing was started; `not_shown` are the fields of it that prove
/// nothing here.
pub(crate) fn rows(
    container: &EffectiveContainer,
    computed: &ProcessState,
    observed: Option<&ProcessState>,
    not_shown: &BTreeMap<String, String>,
    declared: &dyn Declared,
) -> Vec<Row> {
    let mut rows = Rows { list: Vec::new(), declared, not_shown };
    let seen = |pick: &dyn Fn(&ProcessState) -> Option<String>| (pick(computed), observed.and_then(pick));

    let number = |id: Option<u32>| id.map(|id| id.to_string());
    rows.value("user", "uid", &container.user.uid, seen(&|s| number(s.uid)));
    rows.value("group", "gid", &container.user.gid, seen(&|s| number(s.gid)));
    rows.groups(&container.user.groups, seen(&|s| s.groups.as_deref().map(list)));
    rows.capabilities(container, seen(&|s| s.capabilities.map(|sets| sets.effective.to_string())), computed, observed);
    rows.value(
        "no_new_privs",
        "noNewPrivileges",
        &container.no_new_privileges,
        seen(&|s| s.no_new_privileges.map(yes)),
    );
    rows.seccomp(&container.seccomp, seen(&|s| s.seccomp_mode.map(|mode| mode.to_string())));
    rows.named("AppArmor", &container.app_armor, app_armor, observed.and_then(|s| s.app_armor_profile.clone()));
    rows.named("SELinux", &container.selinux, selinux, observed.and_then(|s| s.selinux_label.clone()));
    rows.value("privileged", "", &container.privileged, (container.privileged.get().map(|v| yes(*v)), None));
    let root = seen(&|s| s.read_only_root_filesystem.map(yes));
    rows.value("read-only root", "readOnlyRootFilesystem", &container.read_only_root_filesystem, root);
    rows.value("/proc masked", "procMasked", &container.proc_mount, seen(&|s| s.proc_masked.map(yes)));
    rows.namespaces(container, observed.and_then(|s| s.namespaces));
    rows.value("HOME", "home", &container.home, seen(&|s| s.home.clone()));
    rows.limits(container);
    for mount in &container.mounts {
        let volume = |s: &ProcessState| s.volumes.get(&mount.mount_path).map(owned);
        let field = format!("{} ({})", mount.mount_path, mount.volume);
        rows.value(&field, &format!("volumes.{}", mount.mount_path), &mount.ownership, seen(&volume));
        if let Some(unmet) = &mount.context_mount {
            let how = if unmet.is_empty() { "at once, by mounting it with -o context=" } else { "file by file" };
            let why = if unmet.is_empty() { "all conditions hold".to_owned() } else { unmet.join("; ") };
            rows.push(&format!("SELinux of {}", mount.mount_path), "", None, why, (Some(how.to_owned()), None));
        }
        let made = observed.and_then(|s| s.created_files.get(&mount.mount_path).map(owned));
        if let Some(made) = made {
            rows.file_made_there(&mount.mount_path, computed, made);
        }
    }
    rows.list
}

/// One of the five sets.
type Pick = fn(CapabilitySets) -> CapSet;

/// Computed and observed, in words.
type Seen = (Option<String>, Option<String>);

struct Rows<'a> {
    list: Vec<Row>,
    declared: &'a dyn Declared,
    not_shown: &'a BTreeMap<String, String>,
}

impl Rows<'_> {
    fn push(&mut self, field: &str, key: &str, origin: Option<&Origin>, why: String, (computed, observed): Seen) {
        // A filter that hides `namespaces` hides each of them.
        let hidden = |name: &str| self.not_shown.contains_key(name);
        let parent = key.split('.').next().unwrap_or(key);
        let observed = observed.filter(|_| !hidden(key) && !hidden(parent));
        let declared = origin.and_then(|origin| match origin {
            Origin::Container { field } | Origin::Pod { field } => self.declared.declared(field),
            _ => None,
        });
        let agreement = match (&computed, &observed) {
            (Some(computed), Some(observed)) if computed == observed => Agreement::Agrees,
            (Some(_), Some(_)) => Agreement::Differs,
            _ => Agreement::Open,
        };
        let computed = computed.unwrap_or_else(|| "unknown".to_owned());
        self.list.push(Row { field: field.to_owned(), declared, computed, origin: why, observed, agreement });
    }

    fn value<T>(&mut self, field: &str, key: &str, value: &Value<T>, seen: Seen) {
        self.push(field, key, value.origin(), why(value), seen);
    }

    /// A value that has words of its own; the kernel's answer is shown and not compared, as it has other words.
    fn named<T>(&mut self, field: &str, value: &Value<T>, words: impl Fn(&T) -> String, observed: Option<String>) {
        self.push(field, "", value.origin(), why(value), (value.get().map(words), None));
        if let (Some(row), Some(observed)) = (self.list.last_mut(), observed) {
            row.observed = Some(observed);
        }
    }

    /// What it may use; the launcher reads it back before the container starts, and refuses to start at any difference.
    fn limits(&mut self, container: &EffectiveContainer) {
        let Some(resources) = &container.resources else { return };
        let mut row = |field: &str, value: &Value<u64>, words: &dyn Fn(u64) -> String| {
            self.value(field, "", value, (value.get().map(|value| words(*value)), None));
        };
        if let Some(shares) = &resources.cpu_shares {
            row("CPU shares", shares, &|shares| shares.to_string());
        }
        if let Some(quota) = &resources.cpu_quota {
            row("CPU quota", quota, &|quota| format!("{quota} µs of each {CPU_PERIOD}"));
        }
        if let Some(memory) = &resources.memory {
            row("memory limit", memory, &|bytes| format!("{bytes} bytes"));
        }
        for (size, limit) in &resources.huge_pages {
            row(&format!("huge pages of {size}"), limit, &|bytes| format!("{bytes} bytes"));
        }
    }

    fn groups(&mut self, groups: &Value<Vec<Group>>, seen: Seen) {
        let origins = match groups {
            Value::Known { value, .. } => {
                let mut text = String::new();
                for group in value {
                    let separator = if text.is_empty() { "" } else { "; " };
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{separator}{} from {}", group.gid, describe(&group.origin));
                }
                text
            }
            Value::Unknown { unknown } => unknown.clone(),
        };
        let declared = groups.get().and_then(|groups| {
            groups
                .iter()
                .map(|group| &group.origin)
                .find(|o| matches!(o, Origin::Pod { .. } | Origin::Container { .. }))
        });
        self.push("groups", "groups", declared, origins, seen);
    }

    fn capabilities(
        &mut self,
        container: &EffectiveContainer,
        effective: (Option<String>, Option<String>),
        computed: &ProcessState,
        observed: Option<&ProcessState>,
    ) {
        let asked = &container.capabilities;
        let declared = asked.add.first().or(asked.drop.first()).map(|(_, origin)| origin);
        let meaning = match asked.granted.get() {
            Some(granted) => format!("{}; granted: {}", why(&asked.sets), names(*granted)),
            None => why(&asked.sets),
        };
        self.push("effective", "capabilities", None, meaning, effective);
        if let (Some(row), Some(Origin::Container { field } | Origin::Pod { field })) = (self.list.last_mut(), declared)
        {
            // The whole of `capabilities`, not the one item.
            let whole = field.split(".capabilities").next().map(|context| format!("{context}.capabilities"));
            row.declared = whole.and_then(|field| self.declared.declared(&field));
        }
        let sets: [(&str, Pick); 4] = [
            ("permitted", |sets| sets.permitted),
            ("bounding", |sets| sets.bounding),
            ("inheritable", |sets| sets.inheritable),
            ("ambient", |sets| sets.ambient),
        ];
        for (field, pick) in sets {
            let text = |state: &ProcessState| state.capabilities.map(|sets| pick(sets).to_string());
            self.push(field, "capabilities", None, String::new(), (text(computed), observed.and_then(text)));
        }
    }

    fn seccomp(&mut self, seccomp: &Value<Seccomp>, seen: Seen) {
        self.push("seccomp", "seccompMode", seccomp.origin(), why(seccomp), seen);
        let Some(row) = self.list.last_mut() else { return };
        if let Some(profile) = seccomp.get() {
            let profile = match profile {
                Seccomp::Unconfined => "Unconfined".to_owned(),
                Seccomp::RuntimeDefault => "RuntimeDefault".to_owned(),
                Seccomp::Localhost { path } => format!("Localhost {path}"),
            };
            row.computed = format!("{profile} (mode {})", row.computed);
        }
        row.observed = row.observed.take().map(|mode| format!("mode {mode}"));
    }

    fn namespaces(&mut self, container: &EffectiveContainer, observed: Option<Namespaces>) {
        let pick = |n: Namespaces| [n.pid, n.ipc, n.net, n.uts, n.user];
        let observed = observed.map(pick);
        let names = ["pid", "ipc", "net", "uts", "user"];
        for (i, ((name, computed), origin)) in
            names.into_iter().zip(pick(container.namespaces)).zip(&container.namespace_origins).enumerate()
        {
            let seen = (Some(whose(computed)), observed.map(|all| whose(all[i])));
            self.push(
                &format!("{name} namespace"),
                &format!("namespaces.{name}"),
                Some(origin),
                describe(origin),
                seen,
            );
        }
    }

    fn file_made_there(&mut self, mount_path: &str, computed: &ProcessState, made: String) {
        let volume = computed.volumes.get(mount_path);
        // A new file belongs to its maker, and to the directory's group where that has the setgid bit: inode(7).
        let group =
            volume.and_then(|v| if v.mode.as_bytes().get(6) == Some(&b's') { Some(v.gid) } else { computed.gid });
        let expected = computed.uid.zip(group).map(|(uid, gid)| format!("-rw-r--r-- {uid}:{gid}"));
        let why = "kernel: setgid directory passes on its group".to_owned();
        let why = if volume.is_some_and(|v| v.mode.as_bytes().get(6) == Some(&b's')) {
            why
        } else {
            "kernel: maker's group".to_owned()
        };
        self.push("  a file made there", &format!("volumes.{mount_path}"), None, why, (expected, Some(made)));
    }
}

impl Row {
    /// Whether the row says nothing that a reader would look for: nothing declared, nothing out of the ordinary.
    pub(crate) fn is_dull(&self) -> bool {
        self.declared.is_none()
            && self.agreement != Agreement::Differs
            && matches!(&*self.computed, "0000000000000000" | "own" | "no" | "not on this node")
    }
}

fn why<T>(value: &Value<T>) -> String {
    match value {
        Value::Known { origin, .. } => describe(origin),
        Value::Unknown { unknown } => unknown.clone(),
    }
}

fn yes(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

fn list(ids: &[u32]) -> String {
    if ids.is_empty() { "none".to_owned() } else { ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ") }
}

fn whose(namespace: Namespace) -> String {
    match namespace {
        Namespace::Host => "host",
        Namespace::Own => "own",
    }
    .to_owned()
}

fn owned(volume: &VolumeState) -> String {
    format!("{} {}:{}", volume.mode, volume.uid, volume.gid)
}

/// A set as people know it: by how it differs from the runtime's default or from all.
fn names(set: CapSet) -> String {
    let join =
        |set: CapSet, sign: char| set.iter().fold(String::new(), |text, c| text + " " + &sign.to_string() + c.name());
    let (more, less) = (set.difference(CapSet::RUNTIME_DEFAULT), CapSet::RUNTIME_DEFAULT.difference(set));
    let missing = CapSet::ALL.difference(set);
    if set.is_empty() {
        "none".to_owned()
    } else if missing.iter().count() <= 4 {
        format!("all{}", join(missing, '-'))
    } else if more.iter().count() + less.iter().count() < set.iter().count() {
        format!("default{}{}", join(more, '+'), join(less, '-'))
    } else {
        set.iter().map(Capability::name).collect::<Vec<_>>().join(" ")
    }
}

fn app_armor(profile: &AppArmor) -> String {
    match profile {
        AppArmor::Unavailable => "not on this node".to_owned(),
        AppArmor::Unconfined => "unconfined".to_owned(),
        AppArmor::RuntimeDefault => "RuntimeDefault".to_owned(),
        AppArmor::Localhost { profile } => format!("Localhost {profile}"),
    }
}

fn selinux(label: &SeLinux) -> String {
    match label {
        SeLinux::Unavailable => "not on this node".to_owned(),
        SeLinux::Unconfined => "unconfined".to_owned(),
        SeLinux::Runtime => "assigned by the runtime".to_owned(),
        SeLinux::Label { user, role, type_, level } => {
            [user, role, type_, level].map(|part| part.as_deref().unwrap_or("*")).join(":")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_set_is_named_by_its_difference() {
        assert_eq!(names(CapSet::RUNTIME_DEFAULT), "default");
        assert_eq!(names(CapSet(0xaa04_35fb)), "default +NET_ADMIN +SYS_TIME");
        assert_eq!(names(CapSet::EMPTY), "none");
        assert_eq!(names(CapSet(0x1ff_feff_ffff)), "all -SYS_RESOURCE");
        assert_eq!(names(CapSet(1 << 10)), "NET_BIND_SERVICE");
    }
}
