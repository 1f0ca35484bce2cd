//! `runAsUser`: the container's, else the pod's, else what the kubelet learnt of the image's USER.
//!
//! The kubelet hands the runtime a number or a name (`kuberuntime/security_context.go`, determineEffectiveSecurityContext);
//! containerd looks a name up in the image's /etc/passwd (`pkg/oci/spec_opts.go`, WithUser).

use super::outcome::{Outcome, Step, runc_error};
use super::view::{ContainerView, PodView};
use crate::effective::Group;
use crate::facts::{ImageFacts, ImageUser};
use crate::origin::{Origin, Value};
use crate::user_database::{DatabaseError, NumberError, User, parse_int, users};

/// runc and containerd take no larger ID, although the kernel would (`WithUser`; moby/sys/user, `maxID`).
pub(crate) const MAX_ID: i64 = i32::MAX as i64;

/// The user that the kubelet asks the runtime for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserRequest {
    /// A user ID.
    Uid(i64, Origin),
    /// A name of the image's.
    Name(String, Origin),
    /// Nothing is set and the image is not known.
    UnknownImage,
}

/// Who is asked for.
pub(crate) fn requested(pod: &PodView<'_>, container: &ContainerView<'_>, image: Option<&ImageFacts>) -> UserRequest {
    let declared = container
        .get("runAsUser", |context| context.run_as_user)
        .or_else(|| pod.get("runAsUser", |context| context.run_as_user));
    if let Some((uid, origin)) = declared {
        return UserRequest::Uid(uid, origin);
    }
    match image.map(ImageFacts::cri_user) {
        Some(ImageUser::Uid(uid)) => UserRequest::Uid(uid, Origin::image("USER")),
        Some(ImageUser::Name(name)) => UserRequest::Name(name, Origin::image("USER")),
        Some(ImageUser::Root) => UserRequest::Uid(0, Origin::image("no USER")),
        None => UserRequest::UnknownImage,
    }
}

/// The entry of the image's /etc/passwd for the user that is asked for; `None` where there is no such entry or file.
pub(crate) fn entry<'a>(
    request: &UserRequest,
    image: Option<&'a ImageFacts>,
) -> Result<Option<User<'a>>, DatabaseError> {
    let Some(passwd) = image.and_then(|image| image.passwd.as_deref()) else { return Ok(None) };
    let mut users = users(passwd)?;
    Ok(match request {
        UserRequest::Uid(uid, _) => users.find(|user| user.uid == *uid),
        UserRequest::Name(name, _) => users.find(|user| user.name == name),
        UserRequest::UnknownImage => None,
    })
}

/// The user ID. `group` is the requested group, which the runtime's message repeats.
pub(crate) fn resolve(
    request: &UserRequest,
    group: Option<i64>,
    entry: Result<Option<User<'_>>, DatabaseError>,
    outcome: &mut Outcome,
) -> Value<u32> {
    let mut refuse = |origin: &Origin, message: String| {
        let unknown = format!("the container is not created: {message}");
        outcome.refuse(
            Step::CreateUser,
            Some(origin.clone()),
            format!("failed to create containerd container: {message}"),
        );
        Value::unknown(unknown)
    };
    match request {
        UserRequest::UnknownImage => Value::unknown(UNKNOWN_IMAGE),
        UserRequest::Uid(uid, origin) => match u32::try_from(*uid) {
            Ok(id) if *uid <= MAX_ID => {
                // A number alone is looked up for its group, and a database that cannot be read is an error then.
                match entry {
                    Err(error) if group.is_none() => refuse(origin, error.to_string()),
                    _ => Value::known(id, origin.clone()),
                }
            }
            _ => refuse(origin, format!("invalid USER value {}: uid out of range", quoted(&uid.to_string(), group))),
        },
        UserRequest::Name(name, origin) => match (parse_int(name), entry) {
            (Err(NumberError::Range { .. }), _) => {
                refuse(origin, format!("invalid USER value {}: uid out of range", quoted(name, group)))
            }
            (_, Err(error)) => refuse(origin, error.to_string()),
            (_, Ok(None)) => refuse(origin, "no users found".to_owned()),
            // The conversion is containerd's own: it keeps the low 32 bits.
            (_, Ok(Some(user))) => Value::known(user.uid as u32, Origin::image(format!("USER {name} in /etc/passwd"))),
        },
    }
}

/// runc takes no ID beyond 31 bits; an image's user database or supplementalGroups may hold one.
pub(crate) fn refuse_too_large(uid: &Value<u32>, gid: &Value<u32>, groups: &[Group], outcome: &mut Outcome) {
    let ids = [uid, gid].into_iter().filter_map(|id| Some((*id.get()?, id.origin()?)));
    let mut all = ids.chain(groups.iter().map(|group| (group.gid, &group.origin)));
    if let Some((_, origin)) = all.find(|(id, _)| i64::from(*id) > MAX_ID) {
        let message = format!("unable to setup user: uids and gids must be in range 0-{MAX_ID}");
        outcome.refuse(Step::StartUser, Some(origin.clone()), runc_error(&message));
    }
}

/// Why nothing is known of a user without `runAsUser`.
pub(crate) const UNKNOWN_IMAGE: &str =
    "runAsUser is not set, so the image's USER decides, and the image is not known: describe it with --images";

/// The user as containerd quotes it in its messages.
pub(crate) fn quoted(user: &str, group: Option<i64>) -> String {
    match group {
        Some(group) => format!("\"{user}:{group}\""),
        None => format!("\"{user}\""),
    }
}

#[cfg(test)]
mod tests {
    use crate::effective::RefusalReason;
    use crate::resolve::testing::{busybox, container, pod, resolve_one};

    #[test]
    fn the_containers_runs_over_the_pods_over_the_images() {
        let facts = busybox("1500");
        let both = resolve_one(&pod(r#"{"runAsUser": 1}"#), &container(r#"{"runAsUser": 2}"#), &facts);
        assert_eq!(both.user.uid.get(), Some(&2));
        assert_eq!(both.user.uid.origin().unwrap().to_string(), "spec.containers[0].securityContext.runAsUser");
        let inherited = resolve_one(&pod(r#"{"runAsUser": 1}"#), &container("{}"), &facts);
        assert_eq!(inherited.user.uid.get(), Some(&1));
        assert_eq!(inherited.user.uid.origin().unwrap().to_string(), "spec.securityContext.runAsUser");
        let image = resolve_one(&pod("{}"), &container("{}"), &facts);
        assert_eq!(image.user.uid.get(), Some(&1500));
        assert_eq!(image.user.uid.origin().unwrap().to_string(), "image: USER");
    }

    #[test]
    fn an_image_without_user_runs_as_root() {
        assert_eq!(resolve_one(&pod("{}"), &container("{}"), &busybox("")).user.uid.get(), Some(&0));
    }

    #[test]
    fn a_named_user_is_looked_up_in_the_images_passwd() {
        assert_eq!(resolve_one(&pod("{}"), &container("{}"), &busybox("app")).user.uid.get(), Some(&1500));
    }

    #[test]
    fn a_name_that_the_image_does_not_know_fails_when_the_container_is_created() {
        let refusal = resolve_one(&pod("{}"), &container("{}"), &busybox("ghost")).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::CreateContainerError);
        assert_eq!(refusal.message, "failed to create containerd container: no users found");
    }

    #[test]
    fn an_explicit_user_makes_an_unknown_image_user_harmless() {
        let effective = resolve_one(&pod("{}"), &container(r#"{"runAsUser": 7}"#), &busybox("ghost"));
        assert_eq!((effective.user.uid.get(), effective.refusal), (Some(&7), None));
    }

    #[test]
    fn a_user_beyond_31_bits_is_refused_by_the_runtime() {
        let refusal = resolve_one(&pod("{}"), &container("{}"), &busybox("4294967296")).refusal.unwrap();
        assert_eq!(
            refusal.message,
            r#"failed to create containerd container: invalid USER value "4294967296": uid out of range"#
        );
    }

    #[test]
    fn an_id_of_the_images_user_database_beyond_31_bits_fails_the_start() {
        let mut facts = busybox("app");
        facts.images.values_mut().next().unwrap().passwd = Some("app:x:4294967295:5".to_owned());
        let refusal = resolve_one(&pod("{}"), &container("{}"), &facts).refusal.unwrap();
        assert_eq!(refusal.reason, RefusalReason::StartError);
        assert!(refusal.message.ends_with("uids and gids must be in range 0-2147483647"));
        assert_eq!(refusal.origin.unwrap().to_string(), "image: USER app in /etc/passwd");
    }

    #[test]
    fn without_user_and_image_the_user_is_unknown() {
        let effective = resolve_one(&pod("{}"), &container("{}"), &crate::facts::Facts::default());
        assert_eq!(effective.user.uid.get(), None);
        assert_eq!(effective.refusal, None);
    }
}
