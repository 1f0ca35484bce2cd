//! `--device HOST[:CONTAINER][:PERMISSIONS]` and `--device-cgroup-rule 'TYPE MAJOR:MINOR PERMISSIONS'`
//! (docker/cli `validateLinuxPath`, `parseLinuxDevice`, `validateDeviceCgroupRule`).

use std::fmt;

use super::clean;

/// What may be done with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Open it for reading.
    pub read: bool,
    /// Open it for writing.
    pub write: bool,
    /// Make a node of it.
    pub mknod: bool,
}

impl Access {
    /// Everything.
    pub const ALL: Self = Self { read: true, write: true, mknod: true };

    /// Each letter at most once, at least one.
    fn parse(text: &str) -> Option<Self> {
        let mut access = Self { read: false, write: false, mknod: false };
        for letter in text.chars() {
            let field = match letter {
                'r' => &mut access.read,
                'w' => &mut access.write,
                'm' => &mut access.mknod,
                _ => return None,
            };
            if std::mem::replace(field, true) {
                return None;
            }
        }
        (!text.is_empty()).then_some(access)
    }
}

/// As the OCI runtime specification writes it.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (allowed, letter) in [(self.read, "r"), (self.write, "w"), (self.mknod, "m")] {
            f.write_str(if allowed { letter } else { "" })?;
        }
        Ok(())
    }
}

/// A device of the host for the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Where it is on the host: a device, a link to one, or a directory of them.
    pub host: String,
    /// Where the container sees it.
    pub container: String,
    /// What the container may do with it.
    pub access: Access,
}

impl Device {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').collect();
        let bad = || format!("bad format for path: {text}");
        let (host, container, access) = match *parts.as_slice() {
            [""] | ["", ..] => return Err(bad()),
            [path] => (path, clean_or(path), Access::ALL),
            [host, second] => match Access::parse(second) {
                Some(access) => (host, clean_or(host), access),
                None => (host, clean_or(second), Access::ALL),
            },
            [host, container, mode] => {
                let access = Access::parse(mode).ok_or_else(|| format!("bad mode specified: {mode}"))?;
                (host, container.to_owned(), access)
            }
            _ => return Err(bad()),
        };
        let named = if parts.len() > 1 && container != clean_or(host) { container.as_str() } else { host };
        if !named.starts_with('/') {
            return Err(format!("{named} is not an absolute path"));
        }
        Ok(Self { host: host.to_owned(), container, access })
    }
}

/// A relative path stays as it is, to be refused in its own words.
fn clean_or(path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { path.to_owned() }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if self.container != self.host || self.access != Access::ALL {
            write!(f, ":{}", self.container)?;
        }
        if self.access != Access::ALL {
            write!(f, ":{}", self.access)?;
        }
        Ok(())
    }
}

/// Which devices a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// Both kinds.
    All,
    /// Character devices.
    Character,
    /// Block devices.
    Block,
}

/// Devices that may be used, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRule {
    /// Of this kind.
    pub kind: DeviceKind,
    /// With this major number; none is every.
    pub major: Option<u32>,
    /// With this minor number; none is every.
    pub minor: Option<u32>,
    /// What may be done.
    pub access: Access,
}

impl DeviceRule {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let mut words = text.split(' ');
            let kind = match words.next()? {
                "a" => DeviceKind::All,
                "c" => DeviceKind::Character,
                "b" => DeviceKind::Block,
                _ => return None,
            };
            let number = |text: &str| match text {
                "*" => Some(None),
                digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().ok().map(Some),
                _ => None,
            };
            let (major, minor) = words.next()?.split_once(':')?;
            let (major, minor) = (number(major)?, number(minor)?);
            let letters = words.next()?;
            // The command takes letters twice; the kernel takes them as one.
            let known = (1..=3).contains(&letters.len()) && letters.chars().all(|letter| "rwm".contains(letter));
            let has = |letter| letters.contains(letter);
            let access = Access { read: has('r'), write: has('w'), mknod: has('m') };
            (known && words.next().is_none()).then_some(Self { kind, major, minor, access })
        };
        read().ok_or_else(|| format!("invalid device cgroup format '{text}'"))
    }
}

impl fmt::Display for DeviceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            DeviceKind::All => 'a',
            DeviceKind::Character => 'c',
            DeviceKind::Block => 'b',
        };
        let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
        write!(f, "{kind} {}:{} {}", number(self.major), number(self.minor), self.access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_part_is_a_mode_where_it_can_be_one() {
        let shown = |text: &str| {
            let Device { host, container, access } = Device::parse(text).unwrap();
            format!("{host} {container} {access}")
        };
        assert_eq!(shown("/dev/sda:/dev/xvdc"), "/dev/sda /dev/xvdc rwm");
        assert_eq!(shown("/dev/sda:rw"), "/dev/sda /dev/sda rw");
        assert_eq!(shown("/dev/sda:/dev/xvdc:mr"), "/dev/sda /dev/xvdc rm");
        assert_eq!(shown("/dev/../dev/sda"), "/dev/../dev/sda /dev/sda rwm");
    }

    #[test]
    fn what_is_wrong_is_said_as_docker_does() {
        let message = |text: &str| Device::parse(text).unwrap_err();
        assert_eq!(message("/dev/fuse:xa"), "xa is not an absolute path");
        assert_eq!(message("/dev/fuse:/dev/xa:z"), "bad mode specified: z");
        assert_eq!(message("/dev/fuse:rr"), "rr is not an absolute path");
        assert_eq!(message("dev/fuse"), "dev/fuse is not an absolute path");
        assert_eq!(message("a:b:c:d"), "bad format for path: a:b:c:d");
        assert_eq!(message(":/dev/x"), "bad format for path: :/dev/x");
    }

    #[test]
    fn rules_go_by_number() {
        assert_eq!(DeviceRule::parse("c 1:* rmw").unwrap().to_string(), "c 1:* rwm");
        for text in ["x 1:1 r", "c 1 r", "c 1:1", "c 1:1 rwmr", "c 1:1 r ", "c -1:1 r"] {
            assert!(DeviceRule::parse(text).is_err(), "{text}");
        }
    }
}
