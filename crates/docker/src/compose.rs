//! A compose file: each service as the command line that docker would be given for it
//! (compose-spec, `05-services.md`).

use serde_json::{Map, Value};

use crate::equivalent::Note;

/// A service as words after `docker run`, and what no flag says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The service's name.
    pub name: String,
    /// Flags, image and command.
    pub args: Vec<String>,
    /// What has no flag.
    pub notes: Vec<Note>,
}

/// Why a compose file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// It has no services.
    #[error("the file has no `services`")]
    NoServices,
    /// A service that was asked for is not there.
    #[error("there is no service {name:?}; there is {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Those that are there.
        known: String,
    },
    /// A field has another type than it should.
    #[error("services.{service}.{field} must be {expected}")]
    Type {
        /// The service.
        service: String,
        /// The field.
        field: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A service names no image.
    #[error("services.{0} has no image: name the one that is built of it")]
    NoImage(String),
}

/// The services of a file: all, or those that are named. `variable` answers `${NAME}`.
pub fn services(
    file: &Value,
    names: &[String],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Service>, ComposeError> {
    let all = file.get("services").and_then(Value::as_object).ok_or(ComposeError::NoServices)?;
    let known = || all.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    for name in names {
        if !all.contains_key(name) {
            return Err(ComposeError::Unknown { name: name.clone(), known: known() });
        }
    }
    let chosen = all.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    chosen.map(|(name, service)| Reader::new(name, service, variable)?.service()).collect()
}

struct Reader<'a> {
    name: &'a str,
    fields: Map<String, Value>,
    args: Vec<String>,
    notes: Vec<Note>,
}

/// Fields that are a flag with one value.
const ONE: [(&str, &str); 26] = [
    ("user", "user"),
    ("pid", "pid"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("userns_mode", "userns"),
    ("network_mode", "network"),
    ("cgroup", "cgroupns"),
    ("working_dir", "workdir"),
    ("hostname", "hostname"),
    ("domainname", "domainname"),
    ("container_name", "name"),
    ("mem_limit", "memory"),
    ("mem_reservation", "memory-reservation"),
    ("memswap_limit", "memory-swap"),
    ("cpus", "cpus"),
    ("cpu_shares", "cpu-shares"),
    ("cpuset", "cpuset-cpus"),
    ("pids_limit", "pids-limit"),
    ("shm_size", "shm-size"),
    ("oom_score_adj", "oom-score-adj"),
    ("restart", "restart"),
    ("pull_policy", "pull"),
    ("stop_signal", "stop-signal"),
    ("mac_address", "mac-address"),
    ("platform", "platform"),
    ("runtime", "runtime"),
];
/// Fields that are a flag for each item; a mapping is `NAME=VALUE`.
const MANY: [(&str, &str); 16] = [
    ("cap_add", "cap-add"),
    ("cap_drop", "cap-drop"),
    ("group_add", "group-add"),
    ("security_opt", "security-opt"),
    ("device_cgroup_rules", "device-cgroup-rule"),
    ("tmpfs", "tmpfs"),
    ("sysctls", "sysctl"),
    ("environment", "env"),
    ("env_file", "env-file"),
    ("labels", "label"),
    ("ports", "publish"),
    ("expose", "expose"),
    ("dns", "dns"),
    ("dns_search", "dns-search"),
    ("dns_opt", "dns-option"),
    ("links", "link"),
];
/// Fields that are a switch.
const SWITCHES: [(&str, &str); 6] = [
    ("privileged", "privileged"),
    ("read_only", "read-only"),
    ("init", "init"),
    ("stdin_open", "interactive"),
    ("tty", "tty"),
    ("oom_kill_disable", "oom-kill-disable"),
];
/// Fields that say nothing of one container, each with the reason.
const BESIDE: [(&str, &str); 12] = [
    ("build", "the image has to be built before"),
    ("depends_on", "a pod starts by itself: wait in an init container"),
    ("networks", "a cluster has one network, divided by NetworkPolicies"),
    ("secrets", "write a Secret and a volume of it"),
    ("configs", "write a ConfigMap and a volume of it"),
    ("healthcheck", "write a livenessProbe"),
    ("profiles", "choose the services by their names"),
    ("extends", "write what it extends into the service"),
    ("logging", "the node decides where logs go"),
    ("volumes_from", "name each volume"),
    ("gpus", "write resources.limits with the name of the device plugin"),
    ("credential_spec", "it is for Windows"),
];

impl<'a> Reader<'a> {
    fn new(name: &'a str, service: &Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ComposeError> {
        match interpolated(service, variable) {
            Value::Object(fields) => Ok(Self { name, fields, args: Vec::new(), notes: Vec::new() }),
            _ => Err(ComposeError::Type { service: name.to_owned(), field: String::new(), expected: "a mapping" }),
        }
    }

    fn service(mut self) -> Result<Service, ComposeError> {
        for (field, flag) in ONE {
            if let Some(value) = self.fields.remove(field) {
                let value = text(&value).ok_or_else(|| self.wrong(field, "a string or a number"))?;
                // docker's own words for what a service says by `missing` and the like are the same.
                self.flag(flag, &value);
            }
        }
        for (field, flag) in SWITCHES {
            if let Some(value) = self.fields.remove(field) {
                let on = value.as_bool().or_else(|| crate::value::boolean(value.as_str()?));
                let on = on.ok_or_else(|| self.wrong(field, "true or false"))?;
                self.flag(flag, &on.to_string());
            }
        }
        for (field, flag) in MANY {
            if let Some(value) = self.fields.remove(field) {
                self.many(field, flag, &value)?;
            }
        }
        for (field, read) in [
            ("devices", Self::device as fn(&mut Self, &Value) -> bool),
            ("volumes", Self::volume),
            ("extra_hosts", Self::host),
        ] {
            match self.fields.remove(field) {
                None => {}
                Some(Value::Array(items)) => {
                    for item in &items {
                        if !read(&mut self, item) {
                            return Err(self.wrong(field, "a list of strings or mappings"));
                        }
                    }
                }
                Some(Value::Object(pairs)) if field == "extra_hosts" => {
                    for (name, address) in &pairs {
                        let address = text(address).ok_or_else(|| self.wrong(field, "addresses by name"))?;
                        self.flag("add-host", &format!("{name}:{address}"));
                    }
                }
                Some(_) => return Err(self.wrong(field, "a list")),
            }
        }
        self.ulimits()?;
        self.limits();
        if let Some(period) = self.fields.remove("stop_grace_period").as_ref().and_then(text) {
            let seconds = period.strip_suffix('s').and_then(|seconds| seconds.parse::<u64>().ok());
            match seconds {
                Some(seconds) => self.flag("stop-timeout", &seconds.to_string()),
                None => self.note("stop_grace_period", "write it in seconds"),
            }
        }
        let (entrypoint, command) = (self.words("entrypoint")?, self.words("command")?);
        let image = self.fields.remove("image").as_ref().and_then(text);
        let image = image.ok_or_else(|| ComposeError::NoImage(self.name.to_owned()))?;
        if !self.args.iter().any(|arg| arg.starts_with("--name=")) {
            self.flag("name", self.name);
        }
        let mut after = Vec::new();
        if let Some(words) = entrypoint {
            let mut words = words.into_iter();
            let first = words.next().unwrap_or_default();
            self.flag("entrypoint", &first);
            after.extend(words);
        }
        after.extend(command.into_iter().flatten());
        let rest: Vec<String> = self.fields.keys().filter(|key| !key.starts_with("x-")).cloned().collect();
        for field in rest {
            let why = BESIDE.iter().find(|(name, _)| *name == field).map(|(_, why)| *why);
            self.note(&field, why.unwrap_or("docker run has no flag for it"));
        }
        let Self { name, mut args, notes, .. } = self;
        args.push(image);
        args.extend(after);
        Ok(Service { name: name.to_owned(), args, notes })
    }

    fn flag(&mut self, flag: &str, value: &str) {
        self.args.push(format!("--{flag}={value}"));
    }

    fn note(&mut self, field: &str, why: &str) {
        self.notes.push(Note { what: format!("services.{}.{field}", self.name), why: why.to_owned() });
    }

    fn wrong(&self, field: &str, expected: &'static str) -> ComposeError {
        ComposeError::Type { service: self.name.to_owned(), field: field.to_owned(), expected }
    }

    fn many(&mut self, field: &str, flag: &str, value: &Value) -> Result<(), ComposeError> {
        match value {
            Value::Array(items) => {
                for item in items {
                    let item = match (field, item) {
                        ("ports", Value::Object(port)) => long_port(port),
                        ("env_file", Value::Object(file)) => file.get("path").and_then(text),
                        _ => text(item),
                    };
                    let item = item.ok_or_else(|| self.wrong(field, "a list of strings"))?;
                    self.flag(flag, &item);
                }
            }
            Value::Object(pairs) => {
                for (name, value) in pairs {
                    match value {
                        // The caller's own value.
                        Value::Null => self.flag(flag, name),
                        value => {
                            let value = text(value).ok_or_else(|| self.wrong(field, "values by name"))?;
                            self.flag(flag, &format!("{name}={value}"));
                        }
                    }
                }
            }
            value => {
                let value = text(value).ok_or_else(|| self.wrong(field, "a list of strings"))?;
                self.flag(flag, &value);
            }
        }
        Ok(())
    }

    fn device(&mut self, item: &Value) -> bool {
        let found = match item {
            Value::Object(device) => {
                let part = |name: &str| device.get(name).and_then(text);
                part("source").map(|source| {
                    let target = part("target").unwrap_or_else(|| source.clone());
                    let access = part("permissions").map_or_else(String::new, |access| format!(":{access}"));
                    format!("{source}:{target}{access}")
                })
            }
            item => text(item),
        };
        found.is_some_and(|device| {
            self.flag("device", &device);
            true
        })
    }

    fn volume(&mut self, item: &Value) -> bool {
        match item {
            Value::Object(volume) => {
                let part = |name: &str| volume.get(name).and_then(text);
                let Some(target) = part("target") else { return false };
                let typ = part("type").unwrap_or_else(|| "volume".to_owned());
                let source = part("source").map_or_else(String::new, |source| format!(",source={source}"));
                let read_only = if volume.get("read_only") == Some(&Value::Bool(true)) { ",readonly" } else { "" };
                let size = volume.get("tmpfs").and_then(|tmpfs| text(tmpfs.get("size")?));
                let size = size.map_or_else(String::new, |size| format!(",tmpfs-size={size}"));
                self.flag("mount", &format!("type={typ}{source},target={target}{read_only}{size}"));
            }
            item => {
                let Some(volume) = text(item) else { return false };
                if volume.starts_with('.') || volume.starts_with('~') {
                    self.note("volumes", "a path that is relative to the file or to the home: write it from the root");
                } else {
                    self.flag("volume", &volume);
                }
            }
        }
        true
    }

    fn host(&mut self, item: &Value) -> bool {
        text(item).is_some_and(|host| {
            self.flag("add-host", &host.replacen('=', ":", 1));
            true
        })
    }

    fn ulimits(&mut self) -> Result<(), ComposeError> {
        let expected = "a number, or soft and hard, by name";
        let Some(value) = self.fields.remove("ulimits") else { return Ok(()) };
        let limits = value.as_object().ok_or_else(|| self.wrong("ulimits", expected))?;
        for (name, limit) in limits {
            let both = || Some((text(limit.get("soft")?)?, text(limit.get("hard")?)?));
            let value = text(limit).or_else(|| both().map(|(soft, hard)| format!("{soft}:{hard}")));
            let value = value.ok_or_else(|| self.wrong("ulimits", expected))?;
            self.flag("ulimit", &format!("{name}={value}"));
        }
        Ok(())
    }

    /// `deploy.resources`; the rest of `deploy` is about a swarm.
    fn limits(&mut self) {
        let Some(deploy) = self.fields.remove("deploy") else { return };
        let of = |kind: &str, name: &str| text(deploy.get("resources")?.get(kind)?.get(name)?);
        for (kind, name, flag) in [
            ("limits", "memory", "memory"),
            ("limits", "cpus", "cpus"),
            ("limits", "pids", "pids-limit"),
            ("reservations", "memory", "memory-reservation"),
        ] {
            if let Some(value) = of(kind, name) {
                self.flag(flag, &value);
            }
        }
        if deploy.as_object().is_some_and(|deploy| deploy.keys().any(|key| key != "resources")) {
            self.note("deploy", "write a Deployment");
        }
    }

    /// A command: a list, or a text that is taken apart as a shell takes it apart, without expanding anything.
    fn words(&mut self, field: &str) -> Result<Option<Vec<String>>, ComposeError> {
        match self.fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => {
                let words: Option<Vec<String>> = items.iter().map(text).collect();
                words.map(Some).ok_or_else(|| self.wrong(field, "a list of strings"))
            }
            Some(value) => {
                let text = text(&value).ok_or_else(|| self.wrong(field, "a string or a list"))?;
                split(&text).map(Some).ok_or_else(|| self.wrong(field, "a command whose quotes are closed"))
            }
        }
    }
}

/// `published:target/protocol`.
fn long_port(port: &Map<String, Value>) -> Option<String> {
    let target = port.get("target").and_then(text)?;
    let published = port.get("published").and_then(text).map_or_else(String::new, |port| format!("{port}:"));
    let protocol = port.get("protocol").and_then(text).map_or_else(String::new, |name| format!("/{name}"));
    Some(format!("{published}{target}{protocol}"))
}

/// A scalar as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The words of a shell's command line.
fn split(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().push(letters.next()?),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// `${NAME}`, `$NAME`, `${NAME:-default}` and `${NAME-default}` become values; `$$` is a dollar.
fn interpolated(value: &Value, variable: &dyn Fn(&str) -> Option<String>) -> Value {
    match value {
        Value::String(text) => Value::String(expand(text, variable)),
        Value::Array(items) => items.iter().map(|item| interpolated(item, variable)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), interpolated(value, variable))).collect()
        }
        other => other.clone(),
    }
}

fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((inner, after)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
            let (name, default) = inner.split_at_checked(end).unwrap_or((inner, ""));
            let value = variable(name);
            out += &match default.strip_prefix(":-") {
                Some(default) => value.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned()),
                None => value.or_else(|| default.strip_prefix('-').map(str::to_owned)).unwrap_or_default(),
            };
            rest = after;
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            let (name, after) = after.split_at_checked(end).unwrap_or((after, ""));
            if name.is_empty() {
                out.push('$');
            } else {
                out += &variable(name).unwrap_or_default();
            }
            rest = after;
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(service: &Value) -> Result<Service, ComposeError> {
        let file = json!({"services": {"web": service}});
        services(&file, &[], &|name| (name == "TAG").then(|| "1".to_owned())).map(|mut list| list.remove(0))
    }

    #[test]
    fn a_service_is_a_command_line() {
        let service = one(&json!({
            "image": "shop:${TAG:-2}", "user": "1000:29", "cap_add": ["NET_ADMIN"], "cap_drop": ["ALL"],
            "privileged": false, "read_only": true, "devices": ["/dev/fuse"], "security_opt": ["no-new-privileges:true"],
            "tmpfs": "/run", "sysctls": {"net.core.somaxconn": 1024}, "ulimits": {"nproc": 65, "nofile": {"soft": 1, "hard": 2}},
            "group_add": ["mail"], "pid": "host", "ipc": "host", "network_mode": "none", "userns_mode": "host",
            "environment": {"A": "x y", "B": null}, "command": "serve --port '80 81'", "entrypoint": ["/entry", "-v"],
        }))
        .unwrap();
        assert_eq!(
            service.args,
            [
                "--user=1000:29",
                "--pid=host",
                "--ipc=host",
                "--userns=host",
                "--network=none",
                "--privileged=false",
                "--read-only=true",
                "--cap-add=NET_ADMIN",
                "--cap-drop=ALL",
                "--group-add=mail",
                "--security-opt=no-new-privileges:true",
                "--tmpfs=/run",
                "--sysctl=net.core.somaxconn=1024",
                "--env=A=x y",
                "--env=B",
                "--device=/dev/fuse",
                "--ulimit=nofile=1:2",
                "--ulimit=nproc=65",
                "--name=web",
                "--entrypoint=/entry",
                "shop:1",
                "-v",
                "serve",
                "--port",
                "80 81",
            ]
        );
        assert_eq!(service.notes, []);
    }

    #[test]
    fn what_has_no_flag_is_a_note_and_what_is_wrong_an_error() {
        let service = one(&json!({"image": "a", "depends_on": ["db"], "x-own": 1, "unheard_of": 1})).unwrap();
        let what: Vec<_> = service.notes.iter().map(|note| note.what.as_str()).collect();
        assert_eq!(what, ["services.web.depends_on", "services.web.unheard_of"]);
        assert_eq!(one(&json!({"build": "."})), Err(ComposeError::NoImage("web".to_owned())));
        assert_eq!(
            one(&json!({"image": "a", "ulimits": 1})).unwrap_err().to_string(),
            "services.web.ulimits must be a number, or soft and hard, by name"
        );
        assert!(one(&json!([])).is_err());
        let file = json!({"services": {"web": {"image": "a"}}});
        let error = services(&file, &["db".to_owned()], &|_| None).unwrap_err();
        assert_eq!(error.to_string(), "there is no service \"db\"; there is web");
    }

    #[test]
    fn variables_and_quotes_are_those_of_compose() {
        let expanded = |text: &str| expand(text, &|name| (name == "A").then(|| "1".to_owned()));
        assert_eq!(expanded("$A ${A} ${B:-2} ${B-3} $$A ${B} $"), "1 1 2 3 $A  $");
        assert_eq!(split("a 'b c'\"d\" \\e ''"), Some(vec!["a".into(), "b cd".into(), "e".into(), String::new()]));
        assert_eq!(split("a 'b"), None);
    }
}
