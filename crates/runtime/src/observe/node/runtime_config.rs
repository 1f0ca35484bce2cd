//! Limits that a container runtime is configured to give every container, in place of its own.

use std::path::Path;

use ringfence_context::facts::Limits;
use serde_json::Value;

use super::files::Files;

/// What the runtime's configuration says. `base_spec` is containerd's `base_runtime_spec`, if containerd has said so.
pub(super) fn limits(runtime: &str, base_spec: Option<&Path>, files: &Files) -> Option<Limits> {
    match runtime {
        "containerd" => {
            let named = base_spec.and_then(Path::to_str).map(str::to_owned);
            let path = named.or_else(|| base_runtime_spec(&files.read("etc/containerd/config.toml").ok()?))?;
            let (soft, hard) = of_spec(&serde_json::from_str(&files.read(&path).ok()?).ok()?)?;
            Some(Limits { soft, hard, source: format!("containerd's base_runtime_spec, {path}") })
        }
        "crio" => {
            let mut paths = vec!["etc/crio/crio.conf".to_owned()];
            let dropped_in = files.names("etc/crio/crio.conf.d").unwrap_or_default();
            paths.extend(dropped_in.into_iter().map(|name| format!("etc/crio/crio.conf.d/{name}")));
            // The last file that says it counts.
            paths.iter().rev().find_map(|path| {
                let (soft, hard) = default_ulimits(&files.read(path).ok()?)?;
                Some(Limits { soft, hard, source: format!("crio's default_ulimits, /{path}") })
            })
        }
        _ => {
            let path = "etc/docker/daemon.json";
            let config: Value = serde_json::from_str(&files.read(path).ok()?).ok()?;
            let nofile = config.get("default-ulimits")?.get("nofile")?;
            let (soft, hard) = (nofile.get("Soft")?.as_u64()?, nofile.get("Hard")?.as_u64()?);
            Some(Limits { soft, hard, source: format!("docker's default-ulimits, /{path}") })
        }
    }
}

/// `base_runtime_spec` of the default handler in containerd's configuration. Only plain assignments are read, which is
/// how containerd and its installers write them.
fn base_runtime_spec(toml: &str) -> Option<String> {
    let default = assigned(toml.lines(), "default_runtime_name").unwrap_or_else(|| "runc".to_owned());
    let endings = [format!(".runtimes.{default}]"), format!(".runtimes.\"{default}\"]")];
    let section = toml.lines().skip_while(|line| !endings.iter().any(|ending| line.trim().ends_with(ending)));
    assigned(section.skip(1).take_while(|line| !line.trim_start().starts_with('[')), "base_runtime_spec")
}

/// The text that is assigned to a key; nothing for an empty one.
fn assigned<'a>(mut lines: impl Iterator<Item = &'a str>, key: &str) -> Option<String> {
    let value = lines.find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim())
    })?;
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let inner = value.get(1..)?.split(quote).next()?;
    (!inner.is_empty()).then(|| inner.to_owned())
}

/// `process.rlimits` of an OCI specification.
fn of_spec(spec: &Value) -> Option<(u64, u64)> {
    let limits = spec.pointer("/process/rlimits")?.as_array()?;
    let files = limits.iter().find(|limit| limit.get("type").and_then(Value::as_str) == Some("RLIMIT_NOFILE"))?;
    Some((files.get("soft")?.as_u64()?, files.get("hard")?.as_u64()?))
}

/// `default_ulimits = ["nofile=1024:2048"]` of crio.conf(5), which may go over lines.
fn default_ulimits(toml: &str) -> Option<(u64, u64)> {
    let lines: Vec<&str> = toml.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
    let text = lines.join("\n");
    let (_, after) = text.split_once("default_ulimits")?;
    let list = after.split_once('[')?.1.split_once(']')?.0;
    let item = list.split(['"', '\'']).find_map(|item| item.trim().strip_prefix("nofile="))?;
    match item.split_once(':') {
        Some((soft, hard)) => Some((soft.trim().parse().ok()?, hard.trim().parse().ok()?)),
        None => item.trim().parse().ok().map(|both| (both, both)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_handlers_base_specification_is_found() {
        let toml = "version = 3\n[plugins]\n  [plugins.\"io.containerd.cri.v1.runtime\".containerd]\n    default_runtime_name = \"runc\"\n\
                    \x20   [plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.kata]\n      base_runtime_spec = \"/no\"\n\
                    \x20   [plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc]\n      runtime_type = \"io.containerd.runc.v2\"\n\
                    \x20     base_runtime_spec = \"/etc/containerd/cri-base.json\"\n      [plugins.x]\n";
        assert_eq!(base_runtime_spec(toml).as_deref(), Some("/etc/containerd/cri-base.json"));
        assert_eq!(
            base_runtime_spec(&toml.replace("default_runtime_name = \"runc\"", "default_runtime_name = 'kata'"))
                .as_deref(),
            Some("/no")
        );
        assert_eq!(base_runtime_spec("base_runtime_spec = \"/x\""), None);
        assert_eq!(base_runtime_spec("[a.runtimes.runc]\nbase_runtime_spec = \"\"\n"), None);
        assert_eq!(base_runtime_spec("[a.runtimes.runc]\nbase_runtime_spec = é\n"), None);
    }

    #[test]
    fn limits_of_each_runtimes_configuration_are_read() {
        let spec =
            serde_json::json!({"process": {"rlimits": [{"type": "RLIMIT_NOFILE", "hard": 65535, "soft": 65534}]}});
        assert_eq!(of_spec(&spec), Some((65_534, 65_535)));
        assert_eq!(of_spec(&serde_json::json!({"process": {}})), None);
        assert_eq!(
            default_ulimits("[crio.runtime]\ndefault_ulimits = [\n  \"nofile=1024:2048\",\n]\n"),
            Some((1024, 2048))
        );
        assert_eq!(default_ulimits("default_ulimits = [\"nofile=7\"]"), Some((7, 7)));
        assert_eq!(default_ulimits("# default_ulimits = [\"nofile=7\"]"), None);
        assert_eq!(default_ulimits("default_ulimits = []"), None);
    }
}
