//! `supplementalGroups`, `fsGroup` and the groups that the image's /etc/group adds, unless `supplementalGroupsPolicy` is
//! `Strict`.
//!
//! The kubelet passes on fsGroup and then the pod's groups (`kuberuntime/security_context.go`). containerd starts with the
//! primary group, merges those of /etc/group that list the user, then the passed ones (`container_create_linux.go`,
//! containerSpecOpts; `pkg/oci/spec_opts.go`, WithAdditionalGIDs).

use super::outcome::{Outcome, Step};
use super::run_as_user::UserRequest;
use super::view::{ContainerView, PodView, path};
use crate::effective::{Group, warning_code};
use crate::facts::ImageFacts;
use crate::origin::{Origin, Value};
use crate::user_database::{DatabaseError, User, groups, parse_int};

/// Every supplementary group, and those that are certain.
pub(crate) struct Groups {
    pub(crate) all: Value<Vec<Group>>,
    pub(crate) certain: Vec<Group>,
}

/// The supplementary groups of a container.
pub(crate) fn resolve(
    pod: &PodView<'_>,
    container: &ContainerView<'_>,
    user: &UserRequest,
    gid: &Value<u32>,
    image: Option<&ImageFacts>,
    entry: Result<Option<User<'_>>, DatabaseError>,
    outcome: &mut Outcome,
) -> Groups {
    let mut certain = Vec::new();
    if let Some(gid) = gid.get() {
        certain
            .push(Group { gid: *gid, origin: Origin::runtime("the primary group is among the supplementary groups") });
    }
    let declared = declared(pod);
    let strict = pod.context.is_some_and(|context| context.supplemental_groups_policy.as_deref() == Some("Strict"));
    if strict {
        certain.extend(declared);
        let all = match gid {
            Value::Known { .. } => Value::known(certain.clone(), Origin::pod(path("supplementalGroupsPolicy"))),
            Value::Unknown { .. } => Value::unknown("the primary group, which is among them, is not known"),
        };
        return Groups { all, certain };
    }
    let Some(image) = image else {
        certain.extend(declared);
        return Groups {
            all: Value::unknown(
                "the image's /etc/group may add groups, and the image is not known: describe it with --images, or set \
                 supplementalGroupsPolicy: Strict",
            ),
            certain,
        };
    };
    match of_image(user, image, entry) {
        Ok(found) => {
            if !matches!(user, UserRequest::Uid(0, _)) {
                warn(container, &declared, &found, outcome);
            }
            certain.extend(found);
            certain.extend(declared);
            let all = match gid {
                Value::Known { .. } => {
                    Value::known(certain.clone(), Origin::runtime("the image's groups and the pod's are merged"))
                }
                Value::Unknown { .. } => Value::unknown("the primary group, which is among them, is not known"),
            };
            Groups { all, certain }
        }
        Err(error) => {
            outcome.refuse(
                Step::CreateGroups,
                Some(Origin::image("/etc/group")),
                format!("failed to create containerd container: {error}"),
            );
            Groups { all: Value::unknown(format!("the image's user database cannot be read: {error}")), certain }
        }
    }
}

/// fsGroup and the pod's groups, in the order in which the kubelet passes them on.
fn declared(pod: &PodView<'_>) -> Vec<Group> {
    let mut groups = Vec::new();
    if let Some((gid, origin)) = pod.get("fsGroup", |context| context.fs_group) {
        // The conversions are containerd's own: it keeps the low 32 bits.
        groups.push(Group { gid: gid as u32, origin });
    }
    let list = pod.context.and_then(|context| context.supplemental_groups.as_deref()).unwrap_or_default();
    groups.extend(list.iter().enumerate().map(|(index, gid)| Group {
        gid: *gid as u32,
        origin: Origin::pod(path(&format!("supplementalGroups[{index}]"))),
    }));
    groups
}

/// The groups of the image that list the user, except one of the user's own name. A user ID that /etc/passwd does not
/// list has none.
fn of_image(
    user: &UserRequest,
    image: &ImageFacts,
    entry: Result<Option<User<'_>>, DatabaseError>,
) -> Result<Vec<Group>, DatabaseError> {
    let name = match user {
        UserRequest::Uid(..) => match entry? {
            Some(entry) => entry.name,
            None => return Ok(Vec::new()),
        },
        UserRequest::Name(name, _) => {
            debug_assert!(parse_int(name).is_err(), "a number is never taken for a name");
            name
        }
        UserRequest::UnknownImage => return Ok(Vec::new()),
    };
    let Some(text) = image.group.as_deref() else { return Ok(Vec::new()) };
    Ok(groups(text)?
        .filter(|group| group.name != name && group.lists(name))
        .map(|group| Group {
            gid: group.gid as u32,
            origin: Origin::image(format!("{} in /etc/group lists {name}", group.name)),
        })
        .collect())
}

/// Groups that the manifest does not show. Root has little use for them, so the caller leaves root out.
fn warn(container: &ContainerView<'_>, declared: &[Group], found: &[Group], outcome: &mut Outcome) {
    let mut silent: Vec<u32> =
        found.iter().map(|group| group.gid).filter(|gid| !declared.iter().any(|group| group.gid == *gid)).collect();
    if silent.is_empty() {
        return;
    }
    silent.sort_unstable();
    silent.dedup();
    let list = silent.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    outcome.warn(
        warning_code::IMAGE_GROUPS,
        container.path.clone(),
        format!("the image's /etc/group adds groups to the process that the manifest does not name: {list}"),
        "set supplementalGroupsPolicy: Strict in the pod's securityContext",
    );
}

/// A policy that the kubelet does not know keeps the sandbox from being made.
pub(crate) fn refuse_policy(pod: &PodView<'_>, outcome: &mut Outcome) {
    if let Some((policy, origin)) =
        pod.get("supplementalGroupsPolicy", |context| context.supplemental_groups_policy.as_deref())
        && !matches!(policy, "Merge" | "Strict")
    {
        outcome.refuse(
            Step::SandboxSupplementalGroupsPolicy,
            Some(origin),
            format!("unsupported supplementalGroupsPolicy: {policy}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::effective::warning_code;
    use crate::facts::Facts;
    use crate::process::ProcessState;
    use crate::resolve::testing::{busybox, codes, container, pod, resolve_one};

    fn groups(pod_context: &str, container_context: &str, facts: &Facts) -> Option<Vec<u32>> {
        let state: ProcessState = resolve_one(&pod(pod_context), &container(container_context), facts).process();
        state.groups
    }

    #[test]
    fn the_images_groups_the_pods_and_fs_group_are_merged_with_the_primary_group() {
        let merged = groups(
            r#"{"fsGroup": 2000, "supplementalGroups": [4000, 44]}"#,
            r#"{"runAsUser": 1000, "runAsGroup": 3000}"#,
            &busybox(""),
        );
        assert_eq!(merged, Some(vec![29, 44, 2000, 3000, 4000, 50000]));
    }

    #[test]
    fn strict_leaves_the_images_groups_out() {
        let strict = groups(
            r#"{"fsGroup": 2000, "supplementalGroupsPolicy": "Strict"}"#,
            r#"{"runAsUser": 1000, "runAsGroup": 3000}"#,
            &busybox(""),
        );
        assert_eq!(strict, Some(vec![2000, 3000]));
    }

    #[test]
    fn a_user_whom_passwd_does_not_list_has_no_groups_of_the_image() {
        assert_eq!(groups("{}", r#"{"runAsUser": 4321}"#, &busybox("")), Some(vec![0]));
    }

    #[test]
    fn a_group_with_the_users_own_name_does_not_count_as_supplementary() {
        let mut facts = busybox("");
        facts.images.values_mut().next().unwrap().group = Some("app:x:9:app\nweb:x:10:app\n".to_owned());
        assert_eq!(groups("{}", r#"{"runAsUser": 1500}"#, &facts), Some(vec![10, 1501]));
    }

    #[test]
    fn an_unknown_image_leaves_the_groups_unknown_and_says_which_are_certain() {
        let effective = resolve_one(
            &pod(r#"{"fsGroup": 2000}"#),
            &container(r#"{"runAsUser": 7, "runAsGroup": 8}"#),
            &Facts::default(),
        );
        assert_eq!(effective.user.groups.get(), None);
        assert_eq!(effective.user.certain_groups.iter().map(|group| group.gid).collect::<Vec<_>>(), [8, 2000]);
        let strict = groups(
            r#"{"supplementalGroupsPolicy": "Strict", "fsGroup": 2000}"#,
            r#"{"runAsUser": 7, "runAsGroup": 8}"#,
            &Facts::default(),
        );
        assert_eq!(strict, Some(vec![8, 2000]));
    }

    #[test]
    fn groups_that_the_image_adds_in_silence_are_a_warning() {
        let silent = resolve_one(&pod("{}"), &container(r#"{"runAsUser": 1000}"#), &busybox(""));
        assert!(codes(&silent).contains(&warning_code::IMAGE_GROUPS));
        let named = resolve_one(
            &pod(r#"{"supplementalGroups": [29, 44, 50000]}"#),
            &container(r#"{"runAsUser": 1000}"#),
            &busybox(""),
        );
        assert!(!codes(&named).contains(&warning_code::IMAGE_GROUPS));
    }

    #[test]
    fn a_policy_that_does_not_exist_keeps_the_sandbox_from_being_made() {
        let effective =
            resolve_one(&pod(r#"{"supplementalGroupsPolicy": "Loose"}"#), &container("{}"), &Facts::default());
        assert_eq!(effective.refusal.unwrap().message, "unsupported supplementalGroupsPolicy: Loose");
    }
}
