//! Puts the rules together: one file per API field, each deciding one part of the effective context.

mod allow_privilege_escalation;
mod app_armor_profile;
mod capabilities;
mod capability_names;
mod fs_group;
mod home;
mod host_namespaces;
mod hostname;
mod objects;
mod outcome;
mod proc_mount;
mod quantity;
mod read_only_root_filesystem;
mod resources;
mod run_as_group;
mod run_as_non_root;
mod run_as_user;
mod runtime;
mod sandbox_user;
mod se_linux_options;
mod seccomp_profile;
mod supplemental_groups;
mod sysctls;
#[cfg(test)]
pub(crate) mod testing;
mod view;
mod volumes;
mod windows_options;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::effective::{EffectiveContainer, EffectivePod, ProcMount, Refusal, User};
use crate::facts::Facts;
use crate::origin::{Origin, Value};
use crate::process::Namespaces;
use outcome::Outcome;
use view::{ContainerView, PodView};

/// The effective context of a pod and of each of its containers.
///
/// Takes the pod as the API server would store it, that is after admission; fields at their default may be left out.
/// What the API would refuse does not matter here: any input gives an answer.
pub fn resolve(metadata: &ObjectMeta, spec: &PodSpec, facts: &Facts) -> EffectivePod {
    let pod = PodView::new(metadata, spec, facts);
    let mut outcome = Outcome::default();
    runtime::warn(&pod, &mut outcome);
    windows_options::check_pod(&pod, &mut outcome);
    sysctls::refuse_pod(&pod, &mut outcome);
    app_armor_profile::refuse_pod(&pod, &mut outcome);
    seccomp_profile::warn_annotations(&pod, &mut outcome);
    objects::refuse_volumes(&pod, &mut outcome);
    host_namespaces::check_pod(&pod, &mut outcome);
    supplemental_groups::refuse_policy(&pod, &mut outcome);
    se_linux_options::check_pod(&pod, &mut outcome);
    sandbox_user::refuse(&pod, &mut outcome);
    capabilities::refuse_sandbox(&pod, &mut outcome);
    fs_group::warn_pod(&pod, &mut outcome);
    let (refusal, warnings) = outcome.into_parts();

    let (namespaces, origins) = host_namespaces::resolve(&pod);
    let resources = resources::resolve(&pod);
    let containers = pod
        .containers()
        .zip(resources.containers)
        .map(|(container, resources)| EffectiveContainer {
            resources,
            ..resolve_container(&pod, &container, namespaces, &origins, refusal.as_ref())
        })
        .collect();
    EffectivePod {
        containers,
        hostname: hostname::resolve(&pod),
        sysctls: sysctls::resolve(&pod),
        share_process_namespace: host_namespaces::shares_processes(&pod),
        namespaces,
        resources: resources.pod,
        refusal,
        warnings,
    }
}

fn resolve_container(
    pod: &PodView<'_>,
    container: &ContainerView<'_>,
    namespaces: Namespaces,
    namespace_origins: &[Origin; 5],
    refusal: Option<&Refusal>,
) -> EffectiveContainer {
    let mut outcome = Outcome::default();
    let image = container.image_facts(pod);
    objects::refuse_environment(pod, container, &mut outcome);
    windows_options::check_container(pod, container, &mut outcome);

    let request = run_as_user::requested(pod, container, image);
    run_as_non_root::refuse(pod, container, &request, &mut outcome);
    let user = user(pod, container, &request, image, &mut outcome);
    // Whoever must not be root is not, if the container starts at all.
    let never_root = run_as_non_root::required(pod, container).is_some_and(|(required, _)| required);
    let root = user.uid.get().map(|uid| *uid == 0).or(never_root.then_some(false));

    let capabilities = capabilities::resolve(pod, container, root, &mut outcome);
    let no_new_privileges = allow_privilege_escalation::resolve(container, &mut outcome);
    let seccomp = seccomp_profile::resolve(pod, container, &mut outcome);
    let app_armor = app_armor_profile::resolve(pod, container, &mut outcome);
    let selinux = se_linux_options::resolve(pod, container, &mut outcome);
    let proc_mount = proc_mount::resolve(pod, container, &mut outcome);
    let masked = proc_mount.get() != Some(&ProcMount::Unmasked);
    let paths = |paths: &[&str]| paths.iter().filter(|_| masked).map(|path| (*path).to_owned()).collect();
    let privileged = match container.get("privileged", |context| context.privileged) {
        Some((privileged, origin)) => Value::known(privileged, origin),
        None => Value::known(false, Origin::api_default("privileged")),
    };
    let home = home::resolve(pod, container, image, &user.uid);
    let mounts = volumes::resolve(pod, container, &mut outcome);
    let (own_refusal, warnings) = outcome.into_parts();
    EffectiveContainer {
        name: container.name.to_owned(),
        kind: container.kind,
        path: container.path.clone(),
        image: container.image.map(str::to_owned),
        user,
        capabilities,
        no_new_privileges,
        seccomp,
        app_armor,
        selinux,
        privileged,
        read_only_root_filesystem: read_only_root_filesystem::resolve(container),
        proc_mount,
        masked_paths: paths(&proc_mount::MASKED),
        readonly_paths: paths(&proc_mount::READONLY),
        namespaces,
        namespace_origins: namespace_origins.clone(),
        home,
        mounts,
        resources: None,
        refusal: refusal.cloned().or(own_refusal),
        warnings,
    }
}

/// User, group and supplementary groups.
fn user(
    pod: &PodView<'_>,
    container: &ContainerView<'_>,
    request: &run_as_user::UserRequest,
    image: Option<&crate::facts::ImageFacts>,
    outcome: &mut Outcome,
) -> User {
    let entry = run_as_user::entry(request, image);
    let group = run_as_group::requested(pod, container);
    let uid = run_as_user::resolve(request, group.as_ref().map(|(group, _)| *group), entry, outcome);
    let gid = run_as_group::resolve(group.as_ref(), request, image, entry, outcome);
    run_as_group::warn(group.as_ref(), container, request, &gid, image, outcome);
    let groups = supplemental_groups::resolve(pod, container, request, &gid, image, entry, outcome);

    let group_ids = groups.certain.iter().map(|group| group.gid);
    host_namespaces::refuse_container(pod, uid.get().copied(), gid.get().copied(), group_ids, outcome);
    run_as_user::refuse_too_large(&uid, &gid, &groups.certain, outcome);
    User { uid, gid, groups: groups.all, certain_groups: groups.certain }
}
