//! What a container sees of itself, and in which ways two engines may differ in it.

use std::collections::{BTreeMap, BTreeSet};

/// Prints status, limits, mounts, devices and what comes of making a device. Nothing of it has a process's number.
pub const SCRIPT: &str = r#"exec 2>&1
echo '== status'
grep -E '^(Umask|Uid|Gid|Groups|Sig(Blk|Ign|Cgt)|Shd|Cap|NoNewPrivs|Seccomp:|Speculation)' /proc/self/status
echo '== limits'; cat /proc/self/limits /proc/self/oom_score_adj
echo '== names'; cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname; readlink /proc/self/cwd; id
for s in kernel/shm_rmid_forced net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range net/ipv4/ip_local_port_range; do cat /proc/sys/$s; done
echo '== files'; ls /proc/self/fd | grep -v 3; ls -lnd /mnt/* /srv/deep/* /tmp/v* | sed 's/ [A-Z][a-z][a-z] .* / /'
echo '== covered'
for p in /proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/scsi /proc/interrupts /sys/firmware; do
  cat $p 2>/dev/null | head -c1 | grep -q . && echo text $p; ls $p/ 2>/dev/null | grep -q . && echo entries $p
done
for p in /x /proc/sys/kernel/domainname /proc/sysrq-trigger /proc/irq/x /dev/x /dev/shm/x /dev/mqueue/x /tmp/x /etc/x /sys/x; do
  [ -e $p ] || { (: > $p) 2>/dev/null && echo written $p && rm -f $p; }; [ -w $p ] && echo writable $p
done
echo '== devices'
find /dev \( -path '/dev/shm/*' -o -path '/dev/mqueue/*' -o -path '/dev/loop*' \) -prune -o -exec stat -c '%n %A %u %g %t:%T' {} + | sort
echo '== made'
for d in 'c 1 3' 'c 1 11' 'c 5 1' 'c 10 200' 'c 10 229' 'b 7 0' 'b 254 0'; do
  if mknod /tmp/made $d; then (: < /tmp/made) && echo "opened $d"; rm -f /tmp/made; fi
done 2>/dev/null
echo '== mounts'; cat /proc/self/mountinfo
"#;

/// What one engine's container printed.
#[derive(Debug, Default)]
pub struct Seen {
    /// By section, its lines.
    sections: BTreeMap<String, Vec<String>>,
    mounts: Vec<Mount>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    point: String,
    root: String,
    options: BTreeSet<String>,
    tags: BTreeSet<String>,
    kind: String,
    source: String,
    of_file_system: BTreeSet<String>,
}

impl Mount {
    /// A line of mountinfo without numbers.
    fn parse(line: &str) -> Option<Self> {
        let (mount, rest) = line.split_once(" - ")?;
        let fields: Vec<&str> = mount.split(' ').collect();
        let set = |text: &str| text.split(',').map(str::to_owned).collect();
        let mut rest = rest.split(' ');
        Some(Self {
            root: (*fields.get(3)?).to_owned(),
            point: (*fields.get(4)?).to_owned(),
            options: set(fields.get(5)?),
            tags: fields.iter().skip(6).map(|tag| tag.split(':').next().unwrap_or_default().to_owned()).collect(),
            kind: rest.next()?.to_owned(),
            source: rest.next()?.to_owned(),
            of_file_system: set(rest.next()?),
        })
    }

    fn is_read_only(&self) -> bool {
        self.options.contains("ro") || self.of_file_system.contains("ro")
    }
}

impl Seen {
    /// Reads what the script has printed. Directories of a run have 16 random digits.
    pub fn parse(text: &str) -> Self {
        let mut seen = Self::default();
        let mut section = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("== ") {
                name.clone_into(&mut section);
            } else if section == "mounts" {
                seen.mounts.extend(Mount::parse(&without_digits(line)));
            } else {
                seen.sections.entry(section.clone()).or_default().push(without_digits(line));
            }
        }
        seen.mounts.sort_by(|a, b| a.point.cmp(&b.point));
        seen
    }

    pub fn is_whole(&self) -> bool {
        !self.mounts.is_empty() && self.sections.contains_key("status")
    }
}

/// The text with `ID` in place of 16 hexadecimal digits that stand for themselves.
fn without_digits(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for character in text.chars().chain(['\0']) {
        if character.is_ascii_hexdigit() && !character.is_ascii_uppercase() {
            run.push(character);
            continue;
        }
        out += if run.len() == 16 && !text.starts_with("Cap") && !text.starts_with("Sig") { "ID" } else { &run };
        run.clear();
        if character != '\0' {
            out.push(character);
        }
    }
    out
}

/// How often each of the known differences was met.
pub type Met = BTreeMap<&'static str, usize>;

/// What differs beyond the known differences, each of which docs/run.md explains.
pub fn differences(ours: &Seen, theirs: &Seen, met: &mut Met) -> Vec<String> {
    let mut found = Vec::new();
    let names: BTreeSet<&String> = ours.sections.keys().chain(theirs.sections.keys()).collect();
    for name in names {
        let lines = |seen: &Seen| seen.sections.get(name).cloned().unwrap_or_default();
        let (mut own, other) = (lines(ours), lines(theirs));
        if name == "made" {
            // Ours may open less, as every mount is nodev; never more.
            let less = other.iter().filter(|line| !own.contains(line)).count();
            if less > 0 && own.iter().all(|line| other.contains(line)) {
                *met.entry("nodev: a device that the container makes does not open").or_default() += less;
                own.clone_from(&other);
            }
        }
        let signals = |lines: &[String]| lines.iter().position(|line| line.starts_with("SigIgn"));
        if name == "status"
            && let (Some(at), Some(of)) = (signals(&own), signals(&other))
            && own[at].ends_with("0000000000000000")
            && own[at] != other[of]
        {
            *met.entry("signals: the process begins with none ignored").or_default() += 1;
            own[at].clone_from(&other[of]);
        }
        if own != other {
            let only = |one: &[String], two: &[String]| {
                one.iter().filter(|line| !two.contains(line)).cloned().collect::<Vec<_>>().join(" | ")
            };
            found.push(format!("{name}: ours {:?}, theirs {:?}", only(&own, &other), only(&other, &own)));
        }
    }
    mounts(ours, theirs, met, &mut found);
    found
}

fn mounts(ours: &Seen, theirs: &Seen, met: &mut Met, found: &mut Vec<String>) {
    let is_shared = |mount: &Mount| mount.tags.contains("shared");
    let root_is_shared = |seen: &Seen| seen.mounts.iter().any(|mount| mount.point == "/" && is_shared(mount));
    let cut = if root_is_shared(ours) && !root_is_shared(theirs) && theirs.mounts.iter().any(is_shared) {
        *met.entry("propagation: with a Bidirectional volume the root is shared, in groups of its own").or_default() +=
            1;
        let private = |mount: &Mount| {
            let asked = theirs.mounts.iter().any(|other| other.point == mount.point && is_shared(other));
            let tags = if asked { mount.tags.clone() } else { BTreeSet::new() };
            Mount { tags, ..mount.clone() }
        };
        Some(Seen { mounts: ours.mounts.iter().map(private).collect(), sections: BTreeMap::new() })
    } else {
        None
    };
    let ours = cut.as_ref().unwrap_or(ours);
    let points: BTreeSet<&str> = ours.mounts.iter().chain(&theirs.mounts).map(|mount| mount.point.as_str()).collect();
    for point in points {
        let at = |seen: &'_ Seen| seen.mounts.iter().filter(|mount| mount.point == point).cloned().collect::<Vec<_>>();
        let (own, other) = (at(ours), at(theirs));
        if let ([one], []) = (own.as_slice(), other.as_slice())
            && is_device(one)
        {
            *met.entry("devices: each is a mount of its own").or_default() += 1;
            continue;
        }
        if let ([], [one]) = (own.as_slice(), other.as_slice())
            && one.kind == "cgroup"
            && one.point.starts_with("/sys/fs/cgroup/")
        {
            *met.entry("cgroup: of a hierarchy in which a container has no group nothing is shown").or_default() += 1;
            continue;
        }
        if let ([one], [two]) = (own.as_slice(), other.as_slice())
            && (one.point.as_str(), one.kind.as_str(), two.kind.as_str()) == ("/sys/fs/cgroup", "tmpfs", "cgroup2")
            && one.is_read_only()
        {
            *met.entry("cgroup: where a container has no group nothing is shown").or_default() += 1;
            continue;
        }
        let same_number = own.len() == other.len();
        if same_number && own.iter().zip(&other).all(|(one, two)| agree(one.clone(), two.clone(), met)) {
            continue;
        }
        found.push(format!("mount {point}: ours {}, theirs {}", words(&own), words(&other)));
    }
}

/// Mounts in one line.
fn words(mounts: &[Mount]) -> String {
    let set = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
    let one = |m: &Mount| {
        format!(
            "[{} {} {} - {} {} {}]",
            m.root,
            set(&m.options),
            set(&m.tags),
            m.kind,
            m.source,
            set(&m.of_file_system)
        )
    };
    if mounts.is_empty() { "none".to_owned() } else { mounts.iter().map(one).collect::<Vec<_>>().join(" ") }
}

/// One of the devices of every container, which the launcher mounts from a file system that only it can write to.
fn is_device(mount: &Mount) -> bool {
    let name = mount.point.strip_prefix("/dev/");
    name.is_some_and(|name| ["null", "zero", "full", "random", "urandom", "tty"].contains(&name))
        && mount.source == "devices"
        && mount.options.is_superset(&["nosuid", "noexec"].map(str::to_owned).into())
}

/// Whether two mounts are the same but for the known differences.
fn agree(mut ours: Mount, mut theirs: Mount, met: &mut Met) -> bool {
    let mut know = |name: &'static str| *met.entry(name).or_default() += 1;
    // Hidden paths: ours are covered more narrowly. Both are the only thing that is seen there.
    if ours.source == "devices" && ours.root == "/cover" && theirs.root == "/null" && ours.is_read_only() {
        know("covers: a file is hidden by a device that cannot be written to, not by the container's own null");
        return true;
    }
    let empty = |mount: &Mount| mount.kind == "tmpfs" && mount.root == "/" && mount.options.contains("ro");
    if ours.of_file_system.contains("nr_inodes=1") && empty(&ours) && empty(&theirs) {
        know("covers: a directory is hidden by a file system that can hold nothing");
        return true;
    }
    if ours.options.contains("nodev") && !theirs.options.contains("nodev") {
        know("nodev: every mount but that of a device");
        ours.options.remove("nodev");
    }
    // runc remounts a bind mount with the flags of the spec alone.
    let more: BTreeSet<String> = ours.options.difference(&theirs.options).cloned().collect();
    let kept: BTreeSet<String> = ["nosuid", "noexec"].map(str::to_owned).into();
    if !more.is_empty() && more.is_subset(&kept) && ours.options.is_superset(&theirs.options) {
        know("binds: a mount keeps nosuid and noexec of what it shows");
        ours.options.clone_from(&theirs.options);
    }
    if ours.point == "/sys/fs/cgroup" && ours.kind == "tmpfs" && ours.is_read_only() && !theirs.is_read_only() {
        know("cgroup v1: the directory of the hierarchies is read-only, too");
        theirs.options.insert("ro".to_owned());
        theirs.options.remove("rw");
    }
    // Of the unified hierarchy each namespace of cgroups has a root of its own.
    let own_cgroup = theirs.root.ends_with("ringfence-ID-0") || theirs.kind == "cgroup2";
    if ours.kind == theirs.kind && ours.kind.starts_with("cgroup") && ours.root != theirs.root && own_cgroup {
        know("cgroup: a container without limits that can mount nothing has none of its own");
        ours.root.clone_from(&theirs.root);
        if ours.options.contains("ro") && theirs.options.contains("rw") {
            // What it sees are others' cgroups.
            ours.options.clone_from(&theirs.options);
        }
    }
    if ours.kind == "sysfs"
        && ours.is_read_only()
        && theirs.is_read_only()
        && ours.of_file_system != theirs.of_file_system
    {
        know("sysfs: the mount is read-only, not the file system");
        ours.of_file_system.clone_from(&theirs.of_file_system);
    }
    ours == theirs
}

#[test]
fn a_difference_that_is_not_known_is_found_and_a_known_one_is_counted() {
    let text = |options: &str, uid: u32| {
        format!(
            "== status\nUid:\t{uid}\n== made\n== mounts\n9 8 0:1 /a0123456789abcdef /v {options} shared:4 - tmpfs x rw\n"
        )
    };
    let compare = |ours: &str, theirs: &str| {
        let mut met = Met::new();
        let found = differences(&Seen::parse(ours), &Seen::parse(theirs), &mut met);
        (found.len(), met.len())
    };
    assert_eq!(compare(&text("rw,nodev", 0), &text("rw", 0)), (0, 1));
    assert_eq!(compare(&text("rw", 0), &text("rw,nodev", 0)), (1, 0));
    assert_eq!(compare(&text("rw", 0), &text("ro", 0)), (1, 0));
    assert_eq!(compare(&text("rw", 0), &text("rw", 1)), (1, 0));
    assert_eq!(compare("== made\nopened c 1 3\n", "== made\n"), (1, 0));
    assert_eq!(compare("== made\n", "== made\nopened c 1 3\n"), (0, 1));
}
