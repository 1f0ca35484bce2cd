//! `runAsGroup`: the container's, else the pod's, else the primary group of the user in the image's /etc/passwd, else 0.
//!
//! The group in the image's USER (`1000:2222`) never counts, because the kubelet always asks for a user of its own
//! choice and leaves that group out.

use super::outcome::{Outcome, Step};
use super::run_as_user::{MAX_ID, UserRequest, quoted};
use super::view::{ContainerView, PodView};
use crate::effective::warning_code;
use crate::facts::ImageFacts;
use crate::origin::{Origin, Value};
use crate::user_database::{DatabaseError, User};

/// The group that the manifest asks for.
pub(crate) fn requested(pod: &PodView<'_>, container: &ContainerView<'_>) -> Option<(i64, Origin)> {
    container
        .get("runAsGroup", |context| context.run_as_group)
        .or_else(|| pod.get("runAsGroup", |context| context.run_as_group))
}

/// The primary group ID.
pub(crate) fn resolve(
    requested: Option<&(i64, Origin)>,
    user: &UserRequest,
    image: Option<&ImageFacts>,
    entry: Result<Option<User<'_>>, DatabaseError>,
    outcome: &mut Outcome,
) -> Value<u32> {
    if let Some((gid, origin)) = requested {
        return match u32::try_from(*gid) {
            Ok(id) if *gid <= MAX_ID => Value::known(id, origin.clone()),
            _ => {
                let user = match user {
                    UserRequest::Uid(uid, _) => uid.to_string(),
                    UserRequest::Name(name, _) => name.clone(),
                    UserRequest::UnknownImage => "…".to_owned(),
                };
                let message = format!("invalid USER value {}: gid out of range", quoted(&user, Some(*gid)));
                outcome.refuse(
                    Step::CreateUser,
                    Some(origin.clone()),
                    format!("failed to create containerd container: {message}"),
                );
                Value::unknown(format!("the container is not created: {message}"))
            }
        };
    }
    match (image, entry) {
        (None, _) => Value::unknown(
            "runAsGroup is not set, so the user's group in the image's /etc/passwd decides, or 0 where it does not list \
             the user, and the image is not known: describe it with --images",
        ),
        (_, Err(error)) => Value::unknown(format!("the image's /etc/passwd cannot be read: {error}")),
        // The conversion is containerd's own: it keeps the low 32 bits.
        (_, Ok(Some(entry))) => {
            Value::known(entry.gid as u32, Origin::image(format!("{}'s group in /etc/passwd", entry.name)))
        }
        (_, Ok(None)) => match user {
            UserRequest::Uid(uid, _) => {
                Value::known(0, Origin::runtime(format!("0, because the image's /etc/passwd has no user {uid}")))
            }
            UserRequest::Name(..) | UserRequest::UnknownImage => Value::unknown("the user is not known"),
        },
    }
}

/// What is easily overlooked about the group.
pub(crate) fn warn(
    requested: Option<&(i64, Origin)>,
    container: &ContainerView<'_>,
    user: &UserRequest,
    gid: &Value<u32>,
    image: Option<&ImageFacts>,
    outcome: &mut Outcome,
) {
    if requested.is_some() {
        return;
    }
    if let UserRequest::Uid(uid, Origin::Container { field } | Origin::Pod { field }) = user
        && *uid != 0
        && gid.get().is_none_or(|gid| *gid == 0)
    {
        let which = match gid.get() {
            Some(_) => "the process gets root's group, 0",
            None => "the process gets root's group, 0, unless the image's /etc/passwd lists the user with another",
        };
        outcome.warn(
            warning_code::RUN_AS_GROUP_MISSING,
            field.clone(),
            format!("runAsUser {uid} has no runAsGroup beside it: {which}"),
            format!("set runAsGroup too, for example to {uid}"),
        );
    }
    if let UserRequest::Uid(_, Origin::Image { .. }) | UserRequest::Name(_, Origin::Image { .. }) = user
        && let Some((_, group)) = image.and_then(|image| image.user.split_once(':'))
        && gid.get().is_none_or(|gid| gid.to_string() != group)
    {
        let instead = gid.get().map_or_else(|| "another group".to_owned(), |gid| format!("group {gid}"));
        outcome.warn(
            warning_code::IMAGE_GROUP_IGNORED,
            container.path("runAsGroup"),
            format!("the image asks for group {group}, which the kubelet does not pass on: the process gets {instead}"),
            "set runAsGroup to the number of that group",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::effective::warning_code;
    use crate::facts::Facts;
    use crate::resolve::testing::{busybox, codes, container, pod, resolve_one};

    #[test]
    fn the_containers_group_wins_over_the_pods() {
        let effective = resolve_one(
            &pod(r#"{"runAsUser": 1, "runAsGroup": 3000}"#),
            &container(r#"{"runAsGroup": 4000}"#),
            &busybox(""),
        );
        assert_eq!(effective.user.gid.get(), Some(&4000));
    }

    #[test]
    fn a_user_whom_the_image_knows_has_its_group() {
        let effective = resolve_one(&pod("{}"), &container(r#"{"runAsUser": 1500}"#), &busybox(""));
        assert_eq!(effective.user.gid.get(), Some(&1501));
        assert!(!codes(&effective).contains(&warning_code::RUN_AS_GROUP_MISSING));
    }

    #[test]
    fn a_user_whom_the_image_does_not_know_has_roots_group_and_a_warning() {
        let effective = resolve_one(&pod("{}"), &container(r#"{"runAsUser": 4321}"#), &busybox(""));
        assert_eq!(effective.user.gid.get(), Some(&0));
        assert!(codes(&effective).contains(&warning_code::RUN_AS_GROUP_MISSING));
    }

    #[test]
    fn the_group_of_the_images_user_is_ignored_with_a_warning() {
        let effective = resolve_one(&pod("{}"), &container("{}"), &busybox("1000:2222"));
        assert_eq!(effective.user.gid.get(), Some(&1000));
        assert!(codes(&effective).contains(&warning_code::IMAGE_GROUP_IGNORED));
        let named = resolve_one(&pod("{}"), &container("{}"), &busybox("app:audio"));
        assert_eq!(named.user.gid.get(), Some(&1501));
    }

    #[test]
    fn without_image_the_group_is_known_only_when_it_is_asked_for() {
        let unknown = resolve_one(&pod("{}"), &container(r#"{"runAsUser": 7}"#), &Facts::default());
        assert_eq!(unknown.user.gid.get(), None);
        let known = resolve_one(&pod("{}"), &container(r#"{"runAsUser": 7, "runAsGroup": 8}"#), &Facts::default());
        assert_eq!(known.user.gid.get(), Some(&8));
    }

    #[test]
    fn a_group_beyond_31_bits_is_refused_by_the_runtime() {
        let effective =
            resolve_one(&pod("{}"), &container(r#"{"runAsUser": 7, "runAsGroup": 2147483648}"#), &busybox(""));
        assert_eq!(
            effective.refusal.unwrap().message,
            r#"failed to create containerd container: invalid USER value "7:2147483648": gid out of range"#
        );
    }
}
