//! `process.args` and `process.env` from the container's fields and the image's configuration, with the kubelet's
//! expansion of `$(NAME)`.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};
use ringfence_context::facts::ImageFacts;

use super::ProcessArgs;
use crate::volume::{Objects, field_value};

/// The command of a container, as kubelet and CRI runtime put it together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What is executed.
    pub process: ProcessArgs,
    /// Variables with a `valueFrom` that was not resolved here, by name, with what they refer to.
    pub unresolved: Vec<(String, String)>,
}

/// Why there is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Neither the container nor the image says what to run (containerd, `WithProcessArgs`).
    #[error("no command specified")]
    NoCommand,
}

/// What variables may refer to.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The pod, for `fieldRef`.
    pub pod: &'a Pod,
    /// ConfigMaps and Secrets.
    pub objects: &'a dyn Objects,
}

/// Puts the command together.
///
/// `command` replaces the image's ENTRYPOINT and also its CMD; `args` replaces the CMD alone
/// (containerd `internal/cri/opts`, `WithProcessArgs`). `env` wins over `envFrom`, and that over the image's
/// (kubelet `makeEnvironmentVariables`).
pub fn command(container: &Container, image: &ImageFacts, sources: Sources<'_>) -> Result<Command, CommandError> {
    let mut unresolved = Vec::new();
    let mut known = from_objects(container, sources.objects, &mut unresolved);
    let mut env = image.env.clone();
    env.extend(known.iter().map(|(name, value)| format!("{name}={value}")));
    for variable in container.env.iter().flatten() {
        let value = match (variable.value.as_deref().unwrap_or_default(), &variable.value_from) {
            ("", Some(source)) => match value_from(source, sources) {
                Found::Value(value) => value,
                Found::Optional => continue,
                Found::Unknown => {
                    unresolved.push((variable.name.clone(), describe(source)));
                    continue;
                }
            },
            (value, _) => expand(value, &known),
        };
        env.push(format!("{}={value}", variable.name));
        known.insert(variable.name.clone(), value);
    }

    let expanded = |list: &Option<Vec<String>>| -> Vec<String> {
        list.iter().flatten().map(|text| expand(text, &known)).collect()
    };
    let mut command = expanded(&container.command);
    let mut args = expanded(&container.args);
    if command.is_empty() {
        if args.is_empty() {
            args.clone_from(&image.cmd);
        }
        if image.entrypoint != [""] {
            command.clone_from(&image.entrypoint);
        }
    }
    command.extend(args);
    if command.is_empty() {
        return Err(CommandError::NoCommand);
    }
    let cwd = container.working_dir.clone().filter(|dir| !dir.is_empty()).unwrap_or_else(|| image.working_dir.clone());
    Ok(Command { process: ProcessArgs { args: command, env, cwd }, unresolved })
}

/// The variables of `envFrom`. What an object has that is no text or no variable's name is left out, and named.
fn from_objects(
    container: &Container,
    objects: &dyn Objects,
    unresolved: &mut Vec<(String, String)>,
) -> BTreeMap<String, String> {
    let mut known = BTreeMap::new();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let (what, optional, data) = if let Some(reference) = &source.config_map_ref {
            let data = objects.config_map(&reference.name).map(|map| texts(map.data.as_ref()));
            (format!("ConfigMap {:?}", reference.name), reference.optional, data)
        } else if let Some(reference) = &source.secret_ref {
            let data = objects.secret(&reference.name).map(|secret| bytes(secret.data.as_ref()));
            (format!("Secret {:?}", reference.name), reference.optional, data)
        } else {
            continue;
        };
        let Some(data) = data else {
            if optional != Some(true) {
                unresolved.push((format!("{prefix}*"), what));
            }
            continue;
        };
        for (key, value) in data {
            let name = format!("{prefix}{key}");
            match value {
                Some(value) if !name.is_empty() && !name.contains('=') => drop(known.insert(name, value)),
                _ => unresolved.push((name, format!("the text of key {key:?} of {what}"))),
            }
        }
    }
    known
}

type Texts = Vec<(String, Option<String>)>;

fn texts(data: Option<&BTreeMap<String, String>>) -> Texts {
    data.into_iter().flatten().map(|(key, value)| (key.clone(), text(value.as_bytes()))).collect()
}

fn bytes(data: Option<&BTreeMap<String, ByteString>>) -> Texts {
    data.into_iter().flatten().map(|(key, value)| (key.clone(), text(&value.0))).collect()
}

/// What can be the value of a variable: no NUL byte is in it.
fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok().filter(|text| !text.contains('\0'))
}

/// What a `valueFrom` comes to.
enum Found {
    Value(String),
    /// It is not there, and need not be.
    Optional,
    Unknown,
}

fn value_from(source: &EnvVarSource, sources: Sources<'_>) -> Found {
    let (value, optional) = if let Some(key) = &source.config_map_key_ref {
        let map = sources.objects.config_map(&key.name);
        let data = map.and_then(|map| map.data.as_ref()?.get(&key.key));
        (data.map(|value| text(value.as_bytes())), key.optional)
    } else if let Some(key) = &source.secret_key_ref {
        let secret = sources.objects.secret(&key.name);
        let data = secret.and_then(|secret| secret.data.as_ref()?.get(&key.key));
        (data.map(|value| text(&value.0)), key.optional)
    } else if let Some(field) = &source.field_ref {
        (field_value(sources.pod, &field.field_path).map(Some), None)
    } else {
        (None, None)
    };
    match value {
        Some(Some(value)) => Found::Value(value),
        None if optional == Some(true) => Found::Optional,
        _ => Found::Unknown,
    }
}

fn describe(source: &EnvVarSource) -> String {
    if let Some(key) = &source.config_map_key_ref {
        format!("key {:?} of ConfigMap {:?}", key.key, key.name)
    } else if let Some(key) = &source.secret_key_ref {
        format!("key {:?} of Secret {:?}", key.key, key.name)
    } else if let Some(field) = &source.field_ref {
        format!("field {:?} of the pod", field.field_path)
    } else if let Some(resource) = &source.resource_field_ref {
        format!("resource {:?}", resource.resource)
    } else {
        "a source that is not known here".to_owned()
    }
}

/// `$(NAME)` becomes the value of a variable that was set before; `$$` is a `$`; anything else stays as it is
/// (Kubernetes `third_party/forked/golang/expansion`).
fn expand(text: &str, known: &BTreeMap<String, String>) -> String {
    expand_with(text, &mut |name| known.get(name).cloned())
}

/// The same for `subPathExpr`, where a variable that is not set is an error: its name.
pub(crate) fn expand_known(text: &str, known: &BTreeMap<&str, &str>) -> Result<String, String> {
    let mut missing = None;
    let expanded = expand_with(text, &mut |name| {
        let value = known.get(name).map(|value| (*value).to_owned());
        if value.is_none() {
            missing.get_or_insert_with(|| name.to_owned());
        }
        value
    });
    missing.map_or(Ok(expanded), Err)
}

fn expand_with(text: &str, value_of: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            if let Some(value) = value_of(name) {
                out.push_str(&value);
            } else {
                out.push_str("$(");
                out.push_str(name);
                out.push(')');
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::EnvVar;

    fn nothing() -> Sources<'static> {
        static POD: std::sync::LazyLock<Pod> = std::sync::LazyLock::new(Pod::default);
        Sources { pod: &POD, objects: &crate::volume::NoObjects }
    }

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    fn image() -> ImageFacts {
        ImageFacts { entrypoint: strings(&["/entry"]), cmd: strings(&["serve"]), ..ImageFacts::default() }
    }

    fn args_of(command: Option<&[&str]>, args: Option<&[&str]>) -> Result<Vec<String>, CommandError> {
        let container = Container { command: command.map(strings), args: args.map(strings), ..Container::default() };
        super::command(&container, &image(), nothing()).map(|command| command.process.args)
    }

    #[test]
    fn a_command_replaces_entrypoint_and_cmd() {
        assert_eq!(args_of(Some(&["sh"]), None), Ok(strings(&["sh"])));
        assert_eq!(args_of(Some(&["sh"]), Some(&["-c"])), Ok(strings(&["sh", "-c"])));
    }

    #[test]
    fn args_replace_cmd_alone() {
        assert_eq!(args_of(None, Some(&["x"])), Ok(strings(&["/entry", "x"])));
        assert_eq!(args_of(None, None), Ok(strings(&["/entry", "serve"])));
    }

    #[test]
    fn nothing_to_run_is_an_error() {
        assert_eq!(command(&Container::default(), &ImageFacts::default(), nothing()), Err(CommandError::NoCommand));
    }

    #[test]
    fn variables_that_were_set_before_are_expanded() {
        let variable = |name: &str, value: &str| EnvVar {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..EnvVar::default()
        };
        let container = Container {
            command: Some(strings(&["$(A)", "$$(A)", "$(NONE)", "$A", "$(", "100$"])),
            env: Some(vec![variable("B", "$(A)"), variable("A", "1"), variable("C", "<$(A)>")]),
            ..Container::default()
        };
        let command = command(&container, &ImageFacts::default(), nothing()).unwrap();
        assert_eq!(command.process.args, strings(&["1", "$(A)", "$(NONE)", "$A", "$(", "100$"]));
        assert_eq!(command.process.env, strings(&["B=$(A)", "A=1", "C=<1>"]));
    }
}
