//! `process.args` and `process.env` from the container's fields and the image's configuration, with the kubelet's
//! expansion of `$(NAME)`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Container;
use ringfence_context::facts::ImageFacts;

use super::ProcessArgs;

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

/// Puts the command together. `value_from` answers what a variable's `valueFrom` refers to.
///
/// `command` replaces the image's ENTRYPOINT and also its CMD; `args` replaces the CMD alone
/// (containerd `internal/cri/opts`, `WithProcessArgs`).
pub fn command(
    container: &Container,
    image: &ImageFacts,
    value_from: &dyn Fn(&k8s_openapi::api::core::v1::EnvVarSource) -> Option<String>,
) -> Result<Command, CommandError> {
    let mut unresolved = Vec::new();
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut env = image.env.clone();
    for variable in container.env.iter().flatten() {
        let value = if let Some(value) = &variable.value {
            expand(value, &known)
        } else if let Some(source) = &variable.value_from {
            let Some(value) = value_from(source) else {
                unresolved.push((variable.name.clone(), describe(source)));
                continue;
            };
            value
        } else {
            String::new()
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

fn describe(source: &k8s_openapi::api::core::v1::EnvVarSource) -> String {
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
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            if let Some(value) = known.get(name) {
                out.push_str(value);
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

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    fn image() -> ImageFacts {
        ImageFacts { entrypoint: strings(&["/entry"]), cmd: strings(&["serve"]), ..ImageFacts::default() }
    }

    fn args_of(command: Option<&[&str]>, args: Option<&[&str]>) -> Result<Vec<String>, CommandError> {
        let container = Container { command: command.map(strings), args: args.map(strings), ..Container::default() };
        super::command(&container, &image(), &|_| None).map(|command| command.process.args)
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
        assert_eq!(command(&Container::default(), &ImageFacts::default(), &|_| None), Err(CommandError::NoCommand));
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
        let command = command(&container, &ImageFacts::default(), &|_| None).unwrap();
        assert_eq!(command.process.args, strings(&["1", "$(A)", "$(NONE)", "$A", "$(", "100$"]));
        assert_eq!(command.process.env, strings(&["B=$(A)", "A=1", "C=<1>"]));
    }
}
