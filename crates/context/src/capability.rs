//! Linux capabilities: names, numbers and sets.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The names of the capabilities by number, without the `CAP_` prefix, as `include/uapi/linux/capability.h` has them
/// (capabilities(7)).
pub const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// One Linux capability, by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(u8);

impl Capability {
    /// The capability with this exact name, upper case and without `CAP_`, as a manifest should spell it.
    pub fn from_name(name: &str) -> Option<Self> {
        // 41 names, so the index fits.
        NAMES.iter().position(|known| *known == name).map(|number| Self(number as u8))
    }

    /// The capability with this number, if the kernel headers known here have it.
    pub fn from_number(number: u8) -> Option<Self> {
        (usize::from(number) < NAMES.len()).then_some(Self(number))
    }

    /// The name without the `CAP_` prefix.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }

    /// The kernel's number, which is the bit in a set.
    pub fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of capabilities, as the kernel writes it in `/proc/PID/status`: bit N is capability number N.
///
/// A set may hold bits that have no name here, because a newer kernel has more capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CapSet(pub u64);

impl CapSet {
    /// No capability.
    pub const EMPTY: Self = Self(0);

    /// Every capability that has a name here.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// What containerd and CRI-O's predecessor docker give a container that says nothing: 14 capabilities
    /// (containerd `pkg/oci/spec.go`, `defaultUnixCaps`).
    pub const RUNTIME_DEFAULT: Self = Self(0xa804_25fb);

    /// Whether `capability` is in the set.
    pub fn contains(self, capability: Capability) -> bool {
        self.0 & (1 << capability.0) != 0
    }

    /// The set with `capability` too.
    #[must_use]
    pub fn with(self, capability: Capability) -> Self {
        Self(self.0 | (1 << capability.0))
    }

    /// The set without `capability`.
    #[must_use]
    pub fn without(self, capability: Capability) -> Self {
        Self(self.0 & !(1 << capability.0))
    }

    /// What is in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the set holds nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The named capabilities of the set, by number.
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        (0..NAMES.len() as u8).map(Capability).filter(move |capability| self.contains(*capability))
    }
}

impl FromIterator<Capability> for CapSet {
    fn from_iter<I: IntoIterator<Item = Capability>>(iter: I) -> Self {
        iter.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// As in `/proc/PID/status`: 16 hexadecimal digits.
impl fmt::Display for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for CapSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CapSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(HexVisitor)
    }
}

/// Reads a set from text only: a bare number in YAML would have been read as a decimal one.
struct HexVisitor;

impl de::Visitor<'_> for HexVisitor {
    type Value = CapSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a capability set: up to 16 hexadecimal digits, in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<CapSet, E> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let invalid = || E::invalid_value(de::Unexpected::Str(text), &self);
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        u64::from_str_radix(digits, 16).map(CapSet).map_err(|_| invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_default_is_the_fourteen_capabilities_of_containerd() {
        let names: Vec<_> = CapSet::RUNTIME_DEFAULT.iter().map(Capability::name).collect();
        assert_eq!(
            names,
            [
                "CHOWN",
                "DAC_OVERRIDE",
                "FOWNER",
                "FSETID",
                "KILL",
                "SETGID",
                "SETUID",
                "SETPCAP",
                "NET_BIND_SERVICE",
                "NET_RAW",
                "SYS_CHROOT",
                "MKNOD",
                "AUDIT_WRITE",
                "SETFCAP"
            ]
        );
    }

    #[test]
    fn names_are_numbered_as_the_kernel_does() {
        assert_eq!(Capability::from_name("NET_ADMIN").map(Capability::number), Some(12));
        assert_eq!(Capability::from_name("SYS_TIME").map(Capability::number), Some(25));
        assert_eq!(Capability::from_name("CHECKPOINT_RESTORE").map(Capability::number), Some(40));
        assert_eq!(Capability::from_name("CAP_NET_ADMIN"), None);
    }

    #[test]
    fn a_set_is_read_from_hexadecimal_text_alone() {
        let read = |json: &str| serde_json::from_str::<CapSet>(json);
        assert_eq!(read("\"000001fffeffffff\"").unwrap(), CapSet(0x1ff_feff_ffff));
        assert_eq!(read("\"0xff\"").unwrap(), CapSet(255));
        for json in ["10", "\"\"", "\"+5\"", "\"fffffffffffffffff\"", "\"CHOWN\""] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains("expected a capability set: up to 16 hexadecimal digits, in quotes"), "{error}");
        }
    }
}
