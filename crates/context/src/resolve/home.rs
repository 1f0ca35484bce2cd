//! HOME: the container's or image's environment, else the user's directory in /etc/passwd, else `/`
//! (runc `libcontainer/env.go`, prepareEnv; moby/sys/user).

use k8s_openapi::api::core::v1::EnvVar;

use super::view::ContainerView;
use crate::facts::ImageFacts;
use crate::origin::{Origin, Value};
use crate::user_database::users;

/// The HOME that the process sees.
pub(crate) fn resolve(container: &ContainerView<'_>, image: Option<&ImageFacts>, uid: &Value<u32>) -> Value<String> {
    if let Some((index, variable)) = container.env.iter().enumerate().rfind(|(_, variable)| variable.name == "HOME") {
        let value = variable.value.as_deref().unwrap_or_default();
        if value.is_empty() && variable.value_from.is_some() {
            return Value::unknown(format!("{}.env[{index}].valueFrom is not known", container.path));
        }
        match expand(value, container, index) {
            Some(home) if home.is_empty() => return of_passwd(container, image, uid),
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
        _ => of_passwd(container, image, uid),
    }
}

/// The directory of the first user with this ID.
fn of_passwd(container: &ContainerView<'_>, image: Option<&ImageFacts>, uid: &Value<u32>) -> Value<String> {
    let Some(uid) = uid.get() else { return Value::unknown("the user is not known") };
    let Some(image) = image else {
        return Value::unknown("the image's /etc/passwd is not known: describe the image with --images");
    };
    // runc reads the file as the container sees it.
    let covers = |path: &str| matches!(path.trim_end_matches('/'), "" | "/etc" | "/etc/passwd" | "etc" | "etc/passwd");
    if container.mounts.iter().any(|mount| covers(&mount.mount_path)) {
        return Value::unknown("a volume covers /etc/passwd");
    }
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
    use crate::resolve::testing::{busybox, container, pod, resolve_one};

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
}
