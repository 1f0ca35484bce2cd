//! JSON to `linux.seccomp`, by the rules of Go's encoding/json, with the path of whatever is wrong.

use std::fmt;

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompFilterFlag as Flag,
    LinuxSeccompOperator as Op, LinuxSyscall,
};
use serde_json::{Map, Value};

use super::condition;
use crate::seccomp::warning::Warning;

/// Why a profile cannot be used. A runtime would refuse to start the container.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The file is not JSON.
    #[error("the profile is not JSON")]
    Json(#[from] serde_json::Error),
    /// A field has a value of another type.
    #[error("`{field}` must be {expected}")]
    Type {
        /// The field with its path, `syscalls[0].args[1].index`.
        field: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A field that has no default is missing.
    #[error("`{field}` is missing")]
    Missing {
        /// The field with its path.
        field: String,
    },
    /// A name that the runtime does not know.
    #[error("`{field}` is {value:?}, known are {known}")]
    Unknown {
        /// The field with its path.
        field: String,
        /// What the profile has.
        value: String,
        /// Every name that may stand there, separated by commas.
        known: String,
    },
    /// A number above what may stand in its place.
    #[error("`{field}` is {value}, the largest possible is {max}")]
    Range {
        /// The field with its path.
        field: String,
        /// What the profile has.
        value: u64,
        /// The largest number that may stand there.
        max: u64,
    },
}

/// System calls take six arguments.
const LAST_ARGUMENT: u64 = 5;
/// libseccomp-golang hands the value on as a signed 16-bit number.
const MAX_ERRNO_RET: u64 = 0x7fff;

// What runc knows, see its libcontainer/seccomp/config.go.
const ACTIONS: &[(&str, Action)] = &[
    ("SCMP_ACT_KILL", Action::ScmpActKill),
    ("SCMP_ACT_KILL_THREAD", Action::ScmpActKillThread),
    ("SCMP_ACT_KILL_PROCESS", Action::ScmpActKillProcess),
    ("SCMP_ACT_TRAP", Action::ScmpActTrap),
    ("SCMP_ACT_ERRNO", Action::ScmpActErrno),
    ("SCMP_ACT_NOTIFY", Action::ScmpActNotify),
    ("SCMP_ACT_TRACE", Action::ScmpActTrace),
    ("SCMP_ACT_LOG", Action::ScmpActLog),
    ("SCMP_ACT_ALLOW", Action::ScmpActAllow),
];
const OPERATORS: &[(&str, Op)] = &[
    ("SCMP_CMP_NE", Op::ScmpCmpNe),
    ("SCMP_CMP_LT", Op::ScmpCmpLt),
    ("SCMP_CMP_LE", Op::ScmpCmpLe),
    ("SCMP_CMP_EQ", Op::ScmpCmpEq),
    ("SCMP_CMP_GE", Op::ScmpCmpGe),
    ("SCMP_CMP_GT", Op::ScmpCmpGt),
    ("SCMP_CMP_MASKED_EQ", Op::ScmpCmpMaskedEq),
];
const ARCHITECTURES: &[(&str, Arch)] = &[
    ("SCMP_ARCH_X86", Arch::ScmpArchX86),
    ("SCMP_ARCH_X86_64", Arch::ScmpArchX86_64),
    ("SCMP_ARCH_X32", Arch::ScmpArchX32),
    ("SCMP_ARCH_ARM", Arch::ScmpArchArm),
    ("SCMP_ARCH_AARCH64", Arch::ScmpArchAarch64),
    ("SCMP_ARCH_MIPS", Arch::ScmpArchMips),
    ("SCMP_ARCH_MIPS64", Arch::ScmpArchMips64),
    ("SCMP_ARCH_MIPS64N32", Arch::ScmpArchMips64n32),
    ("SCMP_ARCH_MIPSEL", Arch::ScmpArchMipsel),
    ("SCMP_ARCH_MIPSEL64", Arch::ScmpArchMipsel64),
    ("SCMP_ARCH_MIPSEL64N32", Arch::ScmpArchMipsel64n32),
    ("SCMP_ARCH_PPC", Arch::ScmpArchPpc),
    ("SCMP_ARCH_PPC64", Arch::ScmpArchPpc64),
    ("SCMP_ARCH_PPC64LE", Arch::ScmpArchPpc64le),
    ("SCMP_ARCH_RISCV64", Arch::ScmpArchRiscv64),
    ("SCMP_ARCH_S390", Arch::ScmpArchS390),
    ("SCMP_ARCH_S390X", Arch::ScmpArchS390x),
    ("SCMP_ARCH_LOONGARCH64", Arch::ScmpArchLoongarch64),
];
const FLAGS: &[(&str, Flag)] = &[
    ("SECCOMP_FILTER_FLAG_TSYNC", Flag::SeccompFilterFlagTsync),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", Flag::SeccompFilterFlagSpecAllow),
    ("SECCOMP_FILTER_FLAG_LOG", Flag::SeccompFilterFlagLog),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", Flag::SeccompFilterFlagWaitKillableRecv),
];

/// A value and how one gets to it from the top of the file.
#[derive(Clone, Copy)]
struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step,
    value: Option<&'a Value>,
}

#[derive(Clone, Copy)]
enum Step {
    Top,
    Field(&'static str),
    Index(usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match (self.step, self.parent.map(|parent| parent.step)) {
            (Step::Top, _) => Ok(()),
            (Step::Field(name), None | Some(Step::Top)) => f.write_str(name),
            (Step::Field(name), Some(_)) => write!(f, ".{name}"),
            (Step::Index(index), _) => write!(f, "[{index}]"),
        }
    }
}

impl<'a> At<'a> {
    const fn top(value: &'a Value) -> Self {
        Self { parent: None, step: Step::Top, value: Some(value) }
    }

    /// Whether anything but `null` is here.
    fn given(&self) -> Option<&'a Value> {
        self.value.filter(|value| !value.is_null())
    }

    fn wrong(&self, expected: &'static str) -> ProfileError {
        let field = if matches!(self.step, Step::Top) { "the profile".to_owned() } else { self.to_string() };
        ProfileError::Type { field, expected }
    }

    /// A field of an object, by its name or else by that name in other case.
    fn field(&'a self, name: &'static str) -> Result<Self, ProfileError> {
        let value = match self.given() {
            None => None,
            Some(Value::Object(object)) => lookup(object, name),
            Some(_) => return Err(self.wrong("an object")),
        };
        Ok(Self { parent: Some(self), step: Step::Field(name), value })
    }

    fn list<T>(&self, read: impl Fn(&At<'_>) -> Result<T, ProfileError>) -> Result<Option<Vec<T>>, ProfileError> {
        let items = match self.given() {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.wrong("a list")),
        };
        let item = |(index, value)| read(&At { parent: Some(self), step: Step::Index(index), value: Some(value) });
        items.iter().enumerate().map(item).collect::<Result<_, _>>().map(Some)
    }

    fn text(&self) -> Result<Option<&'a str>, ProfileError> {
        self.given().map(|value| value.as_str().ok_or_else(|| self.wrong("a string"))).transpose()
    }

    fn number(&self, max: u64) -> Result<Option<u64>, ProfileError> {
        let Some(given) = self.given() else { return Ok(None) };
        let value = given.as_u64().ok_or_else(|| self.wrong("a whole number from 0 to 18446744073709551615"))?;
        if value > max {
            return Err(ProfileError::Range { field: self.to_string(), value, max });
        }
        Ok(Some(value))
    }

    /// One of a closed set of names.
    fn one_of<T: Copy>(&self, known: &[(&'static str, T)]) -> Result<T, ProfileError> {
        let Some(value) = self.text()? else { return Err(ProfileError::Missing { field: self.to_string() }) };
        known.iter().find(|(name, _)| *name == value).map(|(_, meaning)| *meaning).ok_or_else(|| {
            ProfileError::Unknown {
                field: self.to_string(),
                value: value.to_owned(),
                known: known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", "),
            }
        })
    }
}

fn lookup<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// Reads a profile; none if it says nothing, which runc takes as no filter at all.
pub(super) fn decode(json: &[u8]) -> Result<(Option<LinuxSeccomp>, Vec<Warning>), ProfileError> {
    let value: Value = serde_json::from_slice(json)?;
    let top = At::top(&value);
    let mut ignored = ignored_fields(&top, &["archMap"])?;

    let syscalls = top.field("syscalls")?;
    let rules = syscalls.list(rule)?;
    for found in syscalls.list(|rule| ignored_fields(rule, &["name", "includes", "excludes"]))?.into_iter().flatten() {
        ignored.extend(found);
    }

    let default_action = top.field("defaultAction")?;
    let unset = default_action.text()?.is_none_or(str::is_empty);
    if unset && rules.as_ref().is_none_or(Vec::is_empty) {
        return Ok((None, ignored));
    }

    let mut seccomp = LinuxSeccomp::default();
    seccomp.set_default_action(default_action.one_of(ACTIONS)?);
    seccomp.set_default_errno_ret(errno_ret(&top.field("defaultErrnoRet")?)?);
    seccomp.set_architectures(top.field("architectures")?.list(|arch| arch.one_of(ARCHITECTURES))?);
    seccomp.set_flags(top.field("flags")?.list(|flag| flag.one_of(FLAGS))?);
    seccomp.set_listener_path(top.field("listenerPath")?.text()?.map(Into::into));
    seccomp.set_listener_metadata(top.field("listenerMetadata")?.text()?.map(Into::into));
    seccomp.set_syscalls(rules);
    Ok((Some(seccomp), ignored))
}

fn rule(at: &At<'_>) -> Result<LinuxSyscall, ProfileError> {
    let name = |name: &At<'_>| Ok(name.text()?.unwrap_or_default().to_owned());
    let mut rule = LinuxSyscall::default();
    rule.set_names(at.field("names")?.list(name)?.unwrap_or_default());
    rule.set_action(at.field("action")?.one_of(ACTIONS)?);
    rule.set_errno_ret(errno_ret(&at.field("errnoRet")?)?);
    rule.set_args(at.field("args")?.list(argument)?);
    Ok(rule)
}

fn argument(at: &At<'_>) -> Result<LinuxSeccompArg, ProfileError> {
    let index = at.field("index")?.number(LAST_ARGUMENT)?.unwrap_or_default() as usize;
    let op = at.field("op")?.one_of(OPERATORS)?;
    let value = at.field("value")?.number(u64::MAX)?.unwrap_or_default();
    Ok(condition(index, op, value, at.field("valueTwo")?.number(u64::MAX)?))
}

fn errno_ret(at: &At<'_>) -> Result<Option<u32>, ProfileError> {
    Ok(at.number(MAX_ERRNO_RET)?.map(|value| value as u32))
}

/// Those fields of docker's format that are given and not empty.
fn ignored_fields(at: &At<'_>, names: &[&'static str]) -> Result<Vec<Warning>, ProfileError> {
    let mut ignored = Vec::new();
    for name in names {
        let field = at.field(name)?;
        let empty = match field.given() {
            None => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Object(fields)) => fields.is_empty(),
            Some(_) => false,
        };
        if !empty {
            ignored.push(Warning::FieldIgnored { field: field.to_string() });
        }
    }
    Ok(ignored)
}
