//! HOME: the container's or image's environment, else the user's directory in /etc/passwd, else `/`
//! (runc `libcontainer/env.go`, prepareEnv; moby/sys/user).

use k8s_openapi::api::core::v1::EnvVar;

use super::view::{ContainerView, PodView};
use super::volumes::kind_of;
use crate::effective::{Medium, VolumeKind};
use crate::facts::ImageFacts;
use crate::origin::{Origin, Value};
use crate::user_database::users;

/// The HOME that the process sees.
pub(crate) fn resolve(
    pod: &PodView<'_>,
    container: &ContainerView<'_>,
    image: Option<&ImageFacts>,
    uid: &Value<u32>,
) -> Value<String> {
    if let Some((index, variable)) = container.env.iter().enumerate().rfind(|(_, variable)| variable.name == "HOME") {
        let value = variable.value.as_deref().unwrap_or_default();
        if value.is_empty() && variable.value_from.is_some() {
            return Value::unknown(format!("{}.env[{index}].valueFrom is not known", container.path));
        }
        match expand(value, container, index) {
            Some(home) if home.is_empty() => return of_passwd(pod, container, image, uid),
            Some(home) => {
                return Value::known(home, Origin::container(format!("{}.env[{index}].value", container.path)));
            }
            None => {
                return Value::unknown(format!("a variable in {}.env[{index}].value is not known", container.path));
            }
        }
    }
    if !container.env_from.is_empty() {
        return Value::unknown("envFrom may set HOME");
    }
    let of_image = image.and_then(|image| image.env.iter().rev().find_map(|variable| variable.strip_prefix("HOME=")));
    match of_image {
        Some(home) if !home.is_empty() => Value::known(home.to_owned(), Origin::image("ENV HOME")),
        _ => of_passwd(pod, container, image, uid),
    }
}

/// The directory of the first user with this ID.
fn of_passwd(
    pod: &PodView<'_>,
    container: &ContainerView<'_>,
    image: Option<&ImageFacts>,
    uid: &Value<u32>,
) -> Value<String> {
    let Some(uid) = uid.get() else { return Value::unknown("the user is not known") };
    // runc reads the file as the container sees it.
    match cover(pod, container) {
        Cover::Nothing => {}
        Cover::Unknown => return Value::unknown("a volume covers /etc/passwd"),
        Cover::Empty(volume) => {
            let what = format!("/, because the empty volume {volume} covers /etc/passwd");
            return Value::known("/".to_owned(), Origin::runtime(what));
        }
    }
    let Some(image) = image else {
        return Value::unknown("the image's /etc/passwd is not known: describe the image with --images");
    };
    let nobody = || {
        let what = format!("/, because the image's /etc/passwd has no user {uid}");
        Value::known("/".to_owned(), Origin::runtime(what))
    };
    match image.passwd.as_deref().map(users) {
        None => nobody(),
        Some(Err(error)) => Value::unknown(format!("the image's /etc/passwd cannot be read: {error}")),
        Some(Ok(mut users)) => match users.find(|user| user.uid == i64::from(*uid)) {
            Some(user) => {
                Value::known(user.home.to_owned(), Origin::image(format!("{}'s directory in /etc/passwd", user.name)))
            }
            None => nobody(),
        },
    }
}

/// What lies over the image's /etc/passwd.
enum Cover<'a> {
    Nothing,
    /// A directory in which there is no file yet; the name of its volume.
    Empty(&'a str),
    /// Who knows.
    Unknown,
}

/// The volume that is mounted deepest decides: runtimes mount parents first.
fn cover<'a>(pod: &PodView<'_>, container: &ContainerView<'a>) -> Cover<'a> {
    let depth = |path: &str| match clean(path).as_slice() {
        [] => Some(0),
        ["etc"] => Some(1),
        ["etc", "passwd"] => Some(2),
        _ => None,
    };
    let covering = container.mounts.iter().filter_map(|mount| Some((depth(&mount.mount_path)?, mount)));
    let Some((depth, mount)) = covering.max_by_key(|(depth, _)| *depth) else { return Cover::Nothing };
    let set = |path: &Option<String>| path.as_deref().is_some_and(|path| !path.is_empty());
    let part = set(&mount.sub_path) || set(&mount.sub_path_expr);
    let volume = pod.spec.volumes.iter().flatten().find(|volume| volume.name == mount.name);
    let empty = volume.is_some_and(|volume| {
        matches!(kind_of(volume), VolumeKind::EmptyDir { medium: Medium::Disk | Medium::Memory, .. })
    });
    // Nobody else may have put a file there: not another container, nor this one by way of another mount.
    let uses = pod.containers().flat_map(|container| container.mounts).filter(|other| other.name == mount.name).count();
    if empty && uses == 1 && !part && depth < 2 { Cover::Empty(&mount.name) } else { Cover::Unknown }
}

/// The names of a path, as Go's `filepath.Clean` leaves them.
fn clean(path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names
}

/// Puts the variables into a value as the kubelet does: `$(NAME)` is a variable listed before, `$$` is a dollar, and what
/// names no variable stays as it is. `None` where a variable's value is not known.
fn expand(value: &str, container: &ContainerView<'_>, index: usize) -> Option<String> {
    expand_at(value, container, index, &mut 64)
}

/// `budget` bounds the work on variables that name variables.
fn expand_at(value: &str, container: &ContainerView<'_>, index: usize, budget: &mut u32) -> Option<String> {
    *budget = budget.checked_sub(1)?;
    let mut expanded = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        expanded.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        if let Some(escaped) = after.strip_prefix('$') {
            expanded.push('$');
            rest = escaped;
        } else if let Some((name, behind)) = after.strip_prefix('(').and_then(|reference| reference.split_once(')')) {
            match variable(name, container, index) {
                Some((at, variable)) => {
                    let value = variable.value.as_deref().unwrap_or_default();
                    if value.is_empty() && variable.value_from.is_some() {
                        return None;
                    }
                    expanded.push_str(&expand_at(value, container, at, budget)?);
                }
                // Variables of services and of envFrom are not known here.
                None if !container.env_from.is_empty() || name.contains("_SERVICE_") || name.contains("_PORT") => {
                    return None;
                }
                None => expanded.extend(["$(", name, ")"]),
            }
            rest = behind;
        } else {
            expanded.push('$');
            rest = after;
        }
        // A value that doubles itself at each step is nobody's home.
        if expanded.len() > 4096 {
            return None;
        }
    }
    expanded.push_str(rest);
    Some(expanded)
}

/// The last variable of this name before `index`.
fn variable<'a>(name: &str, container: &ContainerView<'a>, index: usize) -> Option<(usize, &'a EnvVar)> {
    container.env.iter().enumerate().take(index).rfind(|(_, variable)| variable.name == name)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Container;

    use crate::facts::Facts;
    use crate::resolve::testing::{busybox, container, pod, resolve_one, resolve_spec};

    fn home(context: &str, env: &str, facts: &Facts) -> Option<String> {
        let container = Container { env: Some(serde_json::from_str(env).unwrap()), ..container(context) };
        resolve_one(&pod("{}"), &container, facts).home.get().cloned()
    }

    #[test]
    fn home_is_the_users_directory_in_the_images_passwd_and_a_slash_for_strangers() {
        assert_eq!(home(r#"{"runAsUser": 1000}"#, "[]", &busybox("")).as_deref(), Some("/home"));
        assert_eq!(home(r#"{"runAsUser": 0}"#, "[]", &busybox("")).as_deref(), Some("/root"));
        assert_eq!(home(r#"{"runAsUser": 4321}"#, "[]", &busybox("")).as_deref(), Some("/"));
    }

    #[test]
    fn the_environment_wins_unless_it_is_empty() {
        let mut facts = busybox("");
        facts.images.values_mut().next().unwrap().env = vec!["HOME=/image".to_owned()];
        assert_eq!(home("{}", "[]", &facts).as_deref(), Some("/image"));
        assert_eq!(home("{}", r#"[{"name": "HOME", "value": "/env"}]"#, &facts).as_deref(), Some("/env"));
        assert_eq!(home("{}", r#"[{"name": "HOME", "value": ""}]"#, &facts).as_deref(), Some("/root"));
        facts.images.values_mut().next().unwrap().env = vec!["HOME=".to_owned()];
        assert_eq!(home("{}", "[]", &facts).as_deref(), Some("/root"));
    }

    #[test]
    fn variables_listed_before_are_put_in() {
        let env = r#"[{"name": "A", "value": "x"}, {"name": "B", "value": "$(A)y"},
            {"name": "HOME", "value": "/$(B)/$$(A)/$(C)/$(D"}, {"name": "C", "value": "z"}]"#;
        assert_eq!(home("{}", env, &busybox("")).as_deref(), Some("/xy/$(A)/$(C)/$(D"));
    }

    #[test]
    fn a_home_from_elsewhere_is_unknown() {
        let field = r#"[{"name": "HOME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]"#;
        assert_eq!(home("{}", field, &busybox("")), None);
        assert_eq!(home(r#"{"runAsUser": 7}"#, "[]", &Facts::default()), None);
        let mut from = container("{}");
        from.env_from = Some(vec![k8s_openapi::api::core::v1::EnvFromSource::default()]);
        assert_eq!(resolve_one(&pod("{}"), &from, &busybox("")).home.get(), None);
    }

    fn home_below(volumes: &str, mounts: &str, others: &str) -> Option<String> {
        let spec = format!(
            r#"{{"volumes": {volumes}, "initContainers": {others},
                "containers": [{{"name": "c", "image": "busybox", "volumeMounts": {mounts}}}]}}"#
        );
        resolve_spec(&spec, &busybox("")).containers.pop().unwrap().home.get().cloned()
    }

    #[test]
    fn below_an_empty_volume_there_is_no_passwd() {
        let (empty, memory) =
            (r#"[{"name": "v", "emptyDir": {}}]"#, r#"[{"name": "v", "emptyDir": {"medium": "Memory"}}]"#);
        for path in ["/etc", "/etc/", "etc", "/", "/x/../etc/."] {
            let mount = format!(r#"[{{"name": "v", "mountPath": "{path}"}}]"#);
            assert_eq!(home_below(empty, &mount, "[]").as_deref(), Some("/"), "{path}");
            assert_eq!(home_below(memory, &mount, "[]").as_deref(), Some("/"), "{path}");
        }
        let elsewhere = r#"[{"name": "v", "mountPath": "/etc/app"}]"#;
        assert_eq!(home_below(empty, elsewhere, "[]").as_deref(), Some("/root"));
    }

    #[test]
    fn below_a_volume_that_others_fill_the_home_is_unknown() {
        let etc = r#"[{"name": "v", "mountPath": "/etc"}]"#;
        assert_eq!(home_below(r#"[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]"#, etc, "[]"), None);
        let init = r#"[{"name": "i", "image": "busybox", "volumeMounts": [{"name": "v", "mountPath": "/to"}]}]"#;
        assert_eq!(home_below(r#"[{"name": "v", "emptyDir": {}}]"#, etc, init), None);
        let part = r#"[{"name": "v", "mountPath": "/etc", "subPath": "a"}]"#;
        assert_eq!(home_below(r#"[{"name": "v", "emptyDir": {}}]"#, part, "[]"), None);
        // The file itself, over an empty directory.
        let both =
            r#"[{"name": "v", "mountPath": "/etc"}, {"name": "m", "mountPath": "/etc/passwd", "subPath": "passwd"}]"#;
        let volumes = r#"[{"name": "v", "emptyDir": {}}, {"name": "m", "configMap": {"name": "m"}}]"#;
        assert_eq!(home_below(volumes, both, "[]"), None);
    }
}
