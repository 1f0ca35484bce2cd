//! One objection of one SCC to one field of a pod, in the API server's words.

use std::fmt;

use crate::go::Value;

/// The rule of the SCC that objects, named after its field there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Control {
    /// `fsGroup`
    FsGroup,
    /// `supplementalGroups`
    SupplementalGroups,
    /// `seccompProfiles`
    SeccompProfiles,
    /// `seLinuxContext`
    SeLinuxContext,
    /// `allowHostNetwork`
    AllowHostNetwork,
    /// `allowHostPID`
    AllowHostPid,
    /// `allowHostIPC`
    AllowHostIpc,
    /// `allowHostPorts`
    AllowHostPorts,
    /// `userNamespaceLevel`
    UserNamespaceLevel,
    /// `allowedUnsafeSysctls` and the safe list
    AllowedUnsafeSysctls,
    /// `forbiddenSysctls`
    ForbiddenSysctls,
    /// `volumes`
    Volumes,
    /// `allowedFlexVolumes`
    AllowedFlexVolumes,
    /// `runAsUser`
    RunAsUser,
    /// `allowPrivilegedContainer`
    AllowPrivilegedContainer,
    /// `allowedCapabilities`
    AllowedCapabilities,
    /// `requiredDropCapabilities`
    RequiredDropCapabilities,
    /// `readOnlyRootFilesystem`
    ReadOnlyRootFilesystem,
    /// `allowPrivilegeEscalation`
    AllowPrivilegeEscalation,
}

impl Control {
    /// The field's name in an SCC.
    pub fn field(self) -> &'static str {
        match self {
            Control::FsGroup => "fsGroup",
            Control::SupplementalGroups => "supplementalGroups",
            Control::SeccompProfiles => "seccompProfiles",
            Control::SeLinuxContext => "seLinuxContext",
            Control::AllowHostNetwork => "allowHostNetwork",
            Control::AllowHostPid => "allowHostPID",
            Control::AllowHostIpc => "allowHostIPC",
            Control::AllowHostPorts => "allowHostPorts",
            Control::UserNamespaceLevel => "userNamespaceLevel",
            Control::AllowedUnsafeSysctls => "allowedUnsafeSysctls",
            Control::ForbiddenSysctls => "forbiddenSysctls",
            Control::Volumes => "volumes",
            Control::AllowedFlexVolumes => "allowedFlexVolumes",
            Control::RunAsUser => "runAsUser",
            Control::AllowPrivilegedContainer => "allowPrivilegedContainer",
            Control::AllowedCapabilities => "allowedCapabilities",
            Control::RequiredDropCapabilities => "requiredDropCapabilities",
            Control::ReadOnlyRootFilesystem => "readOnlyRootFilesystem",
            Control::AllowPrivilegeEscalation => "allowPrivilegeEscalation",
        }
    }
}

/// The shapes of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The field must have a value.
    Required,
    /// The field may not be used so.
    Forbidden,
    /// The field has a value that is not allowed.
    Invalid(Value),
    /// The field has a value that does not exist.
    NotSupported(Value),
    /// The field has too long a value.
    TooLong,
}

/// A field that is wrong, as the API server prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The path of the field.
    pub field: String,
    /// What is wrong with the value.
    pub fault: Fault,
    /// The sentence after the value; may be empty.
    pub detail: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_error(f, &self.field, &self.fault, &self.detail)
    }
}

fn write_error(f: &mut fmt::Formatter<'_>, field: &str, fault: &Fault, detail: &str) -> fmt::Result {
    write!(f, "{field}: ")?;
    match fault {
        Fault::Required => f.write_str("Required value")?,
        Fault::Forbidden => f.write_str("Forbidden")?,
        Fault::TooLong => f.write_str("Too long")?,
        Fault::Invalid(value) => write!(f, "Invalid value: {value}")?,
        Fault::NotSupported(value) => write!(f, "Unsupported value: {value}")?,
    }
    if !detail.is_empty() {
        write!(f, ": {detail}")?;
    }
    Ok(())
}

/// One objection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule of the SCC.
    pub control: Control,
    /// The path that the API server prints, `provider NAME: ` and its oddities included.
    pub path: String,
    /// The same place in the manifest, such as `spec.containers[0].securityContext.runAsUser`.
    pub field: String,
    /// What is wrong with the value.
    pub fault: Fault,
    /// The sentence after the value; may be empty.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_error(f, &self.path, &self.fault, &self.detail)
    }
}
