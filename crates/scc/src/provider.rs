//! One SCC made ready for one namespace, and a pod tried on it.
//!
//! Upstream: `sccmatching/provider.go` and `AssignSecurityContext` of `sccmatching/matcher.go`.

use k8s_openapi::api::core::v1::{Pod, PodSecurityContext, PodSpec, SecurityContext};

use crate::constraints::SecurityContextConstraints;
use crate::namespace::{Namespace, ProviderError};
use crate::pod::{self, ContainerKind, ContainerView, containers};
use crate::strategy::groups::{GroupField, Groups};
use crate::strategy::run_as_user::{Asked, RunAsUser};
use crate::strategy::se_linux_context::SeLinuxContext;
use crate::strategy::seccomp_profiles::{self, SeccompProfiles};
use crate::strategy::{
    Objections, StrategyError, allow_privilege_escalation, capabilities, flex_volumes, host, privileged,
    read_only_root_filesystem, sysctls, user_namespace_level, volumes,
};
use crate::violation::Violation;

/// An SCC with the namespace's values in it.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) scc: SecurityContextConstraints,
    run_as_user: RunAsUser,
    se_linux_context: SeLinuxContext,
    fs_group: Groups,
    supplemental_groups: Groups,
    kernel: (u32, u32),
}

/// What an SCC makes of a pod: only what it may have changed, so that nothing can leak into the next trial.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft {
    context: PodSecurityContext,
    seccomp_annotation: Option<String>,
    contexts: Vec<Option<SecurityContext>>,
}

impl Provider {
    pub(crate) fn new(
        scc: &SecurityContextConstraints,
        namespace: &Namespace<'_>,
        kernel: (u32, u32),
    ) -> Result<Self, ProviderError> {
        let scc = namespace.preallocate(scc)?;
        let strategies = || -> Result<_, StrategyError> {
            Ok((
                RunAsUser::new(&scc.run_as_user)?,
                SeLinuxContext::new(&scc.se_linux_context)?,
                Groups::new(&scc.fs_group, GroupField::FsGroup)?,
                Groups::new(&scc.supplemental_groups, GroupField::SupplementalGroups)?,
            ))
        };
        let (run_as_user, se_linux_context, fs_group, supplemental_groups) = strategies().map_err(|source| {
            ProviderError::Strategy { namespace: namespace.name.into(), scc: scc.name().into(), source }
        })?;
        Ok(Self { scc, run_as_user, se_linux_context, fs_group, supplemental_groups, kernel })
    }

    /// Fills in what the pod leaves out, then judges the result. `pod` must have the API's defaults.
    pub(crate) fn try_on(&self, pod: &Pod, spec: &PodSpec) -> Result<Draft, Vec<Violation>> {
        let profiles = SeccompProfiles::new(&self.scc.seccomp_profiles);
        let draft = self.fill(pod, spec, &profiles);
        let mut out = Objections::new(self.scc.name());
        self.validate_pod(pod, spec, &draft, &profiles, &mut out);
        for (container, context) in containers(spec).zip(&draft.contexts) {
            self.validate_container(pod, spec, &draft, (&container, context.as_ref()), &profiles, &mut out);
        }
        if out.list.is_empty() { Ok(draft) } else { Err(out.list) }
    }

    fn fill(&self, pod: &Pod, spec: &PodSpec, profiles: &SeccompProfiles<'_>) -> Draft {
        let mut context = spec.security_context.clone().unwrap_or_default();
        if context.supplemental_groups.is_none() {
            context.supplemental_groups = self.supplemental_groups.generate().map(|g| vec![g]);
        }
        context.fs_group = context.fs_group.or_else(|| self.fs_group.generate());
        context.se_linux_options = context.se_linux_options.or_else(|| self.se_linux_context.generate());
        let annotation = pod::annotation(pod, seccomp_profiles::POD_ANNOTATION);
        let chosen = profiles.generate(annotation, context.seccomp_profile.as_ref());
        if let Some(annotation) = &chosen {
            context.seccomp_profile = seccomp_profiles::field_for(annotation);
        }
        let seccomp_annotation = chosen.or_else(|| annotation.map(String::from));
        let contexts = containers(spec).map(|c| self.fill_container(pod, &context, &c)).collect();
        Draft { context, seccomp_annotation, contexts }
    }

    /// A context appears only where there is something to put in it.
    fn fill_container(
        &self,
        pod: &Pod,
        pod_context: &PodSecurityContext,
        container: &ContainerView<'_>,
    ) -> Option<SecurityContext> {
        let mut context = container.context.cloned().unwrap_or_default();
        if context.run_as_user.or(pod_context.run_as_user).is_none() {
            context.run_as_user = self.run_as_user.generate();
        }
        if context.se_linux_options.is_none() && pod_context.se_linux_options.is_none() {
            context.se_linux_options = self.se_linux_context.generate();
        }
        if context.run_as_non_root.or(pod_context.run_as_non_root).is_none() {
            // Set for any user that is known not to be root, so that Pod Security is content as well.
            let non_root = match context.run_as_user.or(pod_context.run_as_user) {
                None => self.run_as_user == RunAsUser::MustRunAsNonRoot,
                Some(uid) => uid > 0,
            };
            context.run_as_non_root = non_root.then_some(true);
        }
        context.capabilities = capabilities::generate(&self.scc, context.capabilities.as_ref());
        context.read_only_root_filesystem =
            read_only_root_filesystem::generate(self.scc.read_only_root_filesystem, context.read_only_root_filesystem);
        if let Some(annotation) = container_annotation(pod, container) {
            context.seccomp_profile = seccomp_profiles::field_for(annotation);
        }
        let adds_sys_admin = context
            .capabilities
            .as_ref()
            .and_then(|c| c.add.as_ref())
            .is_some_and(|a| a.iter().any(|c| c == "CAP_SYS_ADMIN"));
        context.allow_privilege_escalation = allow_privilege_escalation::generate(
            &self.scc,
            context.allow_privilege_escalation,
            context.privileged == Some(true),
            adds_sys_admin,
        );
        (container.context.is_some() || context != SecurityContext::default()).then_some(context)
    }

    fn validate_pod(
        &self,
        pod: &Pod,
        spec: &PodSpec,
        draft: &Draft,
        profiles: &SeccompProfiles<'_>,
        out: &mut Objections<'_>,
    ) {
        let context = &draft.context;
        self.fs_group.validate(Some(context.fs_group.as_slice()), GroupField::FsGroup, out);
        self.supplemental_groups.validate(context.supplemental_groups.as_deref(), GroupField::SupplementalGroups, out);
        let profile = match draft.seccomp_annotation.as_deref().filter(|a| !a.is_empty()) {
            Some(annotation) => annotation.to_string(),
            None => context.seccomp_profile.as_ref().map(seccomp_profiles::annotation_for).unwrap_or_default(),
        };
        if !profiles.allows(&profile) {
            let path = format!("metadata.annotations[{}]", seccomp_profiles::POD_ANNOTATION);
            let annotated = pod::annotation(pod, seccomp_profiles::POD_ANNOTATION).is_some_and(|a| !a.is_empty());
            let field = if annotated { path.clone() } else { "spec.securityContext.seccompProfile".into() };
            profiles.validate(&profile, path, field, out);
        }
        self.se_linux_context.validate(context.se_linux_options.as_ref(), None, out);
        host::validate_namespaces(&self.scc, spec, None, out);
        user_namespace_level::validate(&self.scc, spec.host_users, out);
        sysctls::validate(&self.scc, self.kernel, context.sysctls.as_deref().unwrap_or_default(), out);
        let list = spec.volumes.as_deref().unwrap_or_default();
        volumes::validate(&self.scc, list, out);
        flex_volumes::validate(&self.scc, list, out);
    }

    fn validate_container(
        &self,
        pod: &Pod,
        spec: &PodSpec,
        draft: &Draft,
        (container, context): (&ContainerView<'_>, Option<&SecurityContext>),
        profiles: &SeccompProfiles<'_>,
        out: &mut Objections<'_>,
    ) {
        let (at, inherited) = (container.at, &draft.context);
        let asked = Asked {
            run_as_user: context.and_then(|c| c.run_as_user).or(inherited.run_as_user),
            run_as_non_root: context.and_then(|c| c.run_as_non_root).or(inherited.run_as_non_root),
        };
        self.run_as_user.validate(asked, at, out);
        let label = context.and_then(|c| c.se_linux_options.as_ref()).or(inherited.se_linux_options.as_ref());
        self.se_linux_context.validate(label, Some(at), out);
        let path = || format!("metadata.annotations[{}{}]", seccomp_profiles::CONTAINER_ANNOTATION, container.name);
        let profile = container_profile(pod, draft, container, context);
        if !profiles.allows(&profile) {
            let field = if container_annotation(pod, container).is_some() {
                path()
            } else if context.is_some_and(|c| c.seccomp_profile.is_some()) {
                format!("spec.{at}.securityContext.seccompProfile")
            } else {
                "spec.securityContext.seccompProfile".into()
            };
            profiles.validate(&profile, path(), field, out);
        }
        privileged::validate(self.scc.allow_privileged_container, context.and_then(|c| c.privileged), at, out);
        capabilities::validate(&self.scc, context.and_then(|c| c.capabilities.as_ref()), at, out);
        host::validate_namespaces(&self.scc, spec, Some(at), out);
        let read_only = context.and_then(|c| c.read_only_root_filesystem);
        read_only_root_filesystem::validate(self.scc.read_only_root_filesystem, read_only, at, out);
        allow_privilege_escalation::validate(&self.scc, context.and_then(|c| c.allow_privilege_escalation), at, out);
    }
}

/// The container's field, its annotation, the pod's field, the pod's annotation: the first that is there.
fn container_profile(
    pod: &Pod,
    draft: &Draft,
    container: &ContainerView<'_>,
    context: Option<&SecurityContext>,
) -> String {
    if let Some(field) = context.and_then(|c| c.seccomp_profile.as_ref()) {
        return seccomp_profiles::annotation_for(field);
    }
    if let Some(annotation) = container_annotation(pod, container) {
        return annotation.into();
    }
    match &draft.context.seccomp_profile {
        Some(field) => seccomp_profiles::annotation_for(field),
        None => draft.seccomp_annotation.clone().unwrap_or_default(),
    }
}

fn container_annotation<'a>(pod: &'a Pod, container: &ContainerView<'_>) -> Option<&'a str> {
    let annotations = pod.metadata.annotations.as_ref().filter(|a| !a.is_empty())?;
    annotations.get(&format!("{}{}", seccomp_profiles::CONTAINER_ANNOTATION, container.name)).map(String::as_str)
}

impl Draft {
    /// Whether the SCC changed nothing; with `except_ephemeral`, nothing but ephemeral containers.
    pub(crate) fn leaves_unchanged(&self, pod: &Pod, spec: &PodSpec, except_ephemeral: bool) -> bool {
        spec.security_context.as_ref() == Some(&self.context)
            && pod::annotation(pod, seccomp_profiles::POD_ANNOTATION) == self.seccomp_annotation.as_deref()
            && containers(spec).zip(&self.contexts).all(|(container, context)| {
                (except_ephemeral && container.at.kind == ContainerKind::Ephemeral)
                    || container.context == context.as_ref()
            })
    }

    /// Writes the result into the pod that was tried. Empty lists go, as they do when the API server stores a pod.
    pub(crate) fn write_to(mut self, pod: &mut Pod) {
        self.drop_empty_lists();
        if let Some(annotation) = self.seccomp_annotation {
            let annotations = pod.metadata.annotations.get_or_insert_default();
            annotations.insert(seccomp_profiles::POD_ANNOTATION.into(), annotation);
        }
        let spec = pod.spec.get_or_insert_default();
        spec.security_context = Some(self.context);
        let places: Vec<_> = containers(spec).map(|c| c.at).collect();
        for (at, context) in places.into_iter().zip(self.contexts) {
            if let Some(slot) = pod::context_mut(spec, at) {
                *slot = context;
            }
        }
    }

    fn drop_empty_lists(&mut self) {
        let groups = &mut self.context.supplemental_groups;
        *groups = groups.take().filter(|g| !g.is_empty());
        let sysctls = &mut self.context.sysctls;
        *sysctls = sysctls.take().filter(|s| !s.is_empty());
        for capabilities in self.contexts.iter_mut().flatten().filter_map(|c| c.capabilities.as_mut()) {
            capabilities.add = capabilities.add.take().filter(|c| !c.is_empty());
            capabilities.drop = capabilities.drop.take().filter(|c| !c.is_empty());
        }
    }
}
