//! Collects what goes wrong while the rules are applied: the refusals, of which the earliest wins, and the warnings.

use crate::effective::{Refusal, RefusalReason, Warning};
use crate::origin::Origin;

/// The steps of starting a pod at which something is refused, in the order in which the kubelet, containerd and runc take
/// them. A pod that fails two of them is refused at the earlier one, so the order is part of the behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    // kubelet `pkg/kubelet/kubelet.go`, the order in which pod admission handlers are registered
    AdmitSysctls,
    AdmitOs,
    AdmitAppArmor,
    // volumes are waited for before the sandbox is made
    MountVolumes,
    // kubelet `kuberuntime_sandbox.go`, generatePodSandboxLinuxConfig
    SandboxUserNamespace,
    SandboxSupplementalGroupsPolicy,
    // containerd `podsandbox/sandbox_run_linux.go`: the spec, then its options, then runc
    SandboxSeLinux,
    SandboxUser,
    SandboxStart,
    // kubelet `kuberuntime_container.go`, generateContainerConfig
    ConfigEnvironment,
    ConfigMounts,
    ConfigRunAsNonRoot,
    ConfigSeccomp,
    ConfigAppArmor,
    // containerd `container_create.go`: buildLinuxSpec, then platformSpecOpts in their order when they are applied
    CreateSeLinux,
    CreateUser,
    CreateGroups,
    CreateSeccomp,
    // runc `init_linux.go`, finalizeNamespace
    StartGroups,
    StartGroup,
    StartUser,
    StartCapabilities,
}

impl Step {
    fn reason(self) -> RefusalReason {
        match self {
            Self::AdmitSysctls => RefusalReason::SysctlForbidden,
            Self::AdmitOs => RefusalReason::PodOSNotSupported,
            Self::AdmitAppArmor => RefusalReason::AppArmor,
            Self::MountVolumes => RefusalReason::FailedMount,
            Self::SandboxUserNamespace
            | Self::SandboxSupplementalGroupsPolicy
            | Self::SandboxSeLinux
            | Self::SandboxUser
            | Self::SandboxStart => RefusalReason::FailedCreatePodSandBox,
            Self::ConfigEnvironment
            | Self::ConfigMounts
            | Self::ConfigRunAsNonRoot
            | Self::ConfigSeccomp
            | Self::ConfigAppArmor => RefusalReason::CreateContainerConfigError,
            Self::CreateSeLinux | Self::CreateUser | Self::CreateGroups | Self::CreateSeccomp => {
                RefusalReason::CreateContainerError
            }
            Self::StartGroups | Self::StartGroup | Self::StartUser | Self::StartCapabilities => {
                RefusalReason::StartError
            }
        }
    }
}

/// What the rules found to be refused or without effect.
#[derive(Default)]
pub(crate) struct Outcome {
    refusal: Option<(Step, Refusal)>,
    pub(crate) warnings: Vec<Warning>,
}

impl Outcome {
    /// Something is refused at `step`. Of several refusals the one at the earliest step stays, of two at the same step
    /// the first.
    pub(crate) fn refuse(&mut self, step: Step, origin: Option<Origin>, message: impl Into<String>) {
        if self.refusal.as_ref().is_none_or(|(earlier, _)| step < *earlier) {
            self.refusal = Some((step, Refusal { reason: step.reason(), message: message.into(), origin }));
        }
    }

    /// A declaration does not do what it seems to.
    pub(crate) fn warn(
        &mut self,
        code: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.warnings.push(Warning { code, field: field.into(), message: message.into(), hint: Some(hint.into()) });
    }

    /// The refusal that wins, and the warnings.
    pub(crate) fn into_parts(self) -> (Option<Refusal>, Vec<Warning>) {
        (self.refusal.map(|(_, refusal)| refusal), self.warnings)
    }
}

/// The words that containerd puts before an error of runc.
pub(crate) fn runc_error(error: &str) -> String {
    format!(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: \
         unable to start container process: {error}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_refusal_wins_whatever_the_order_in_which_they_are_found() {
        let mut outcome = Outcome::default();
        outcome.refuse(Step::StartCapabilities, None, "caps");
        outcome.refuse(Step::SandboxUser, None, "sandbox");
        outcome.refuse(Step::ConfigRunAsNonRoot, None, "config");
        outcome.refuse(Step::SandboxUser, None, "later");
        let (refusal, _) = outcome.into_parts();
        let refusal = refusal.unwrap();
        assert_eq!((refusal.reason, refusal.message.as_str()), (RefusalReason::FailedCreatePodSandBox, "sandbox"));
    }
}
