//! The systemd unit that starts a container runtime: its `LimitNOFILE=` (systemd.exec(5)).

use ringfence_context::facts::Limits;

use super::files::Files;

/// Units by the runtime that they start.
const UNITS: [(&str, &str); 3] =
    [("containerd", "containerd.service"), ("crio", "crio.service"), ("dockerd", "docker.service")];
/// Where units are, what counts first first (systemd.unit(5)).
const DIRECTORIES: [&str; 4] =
    ["etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
/// systemd's `DefaultLimitNOFILE=` (systemd-system.conf(5)).
const DEFAULT: &str = "1024:524288";

pub(super) struct Unit {
    pub(super) runtime: &'static str,
    path: String,
    limit: Option<String>,
}

/// The unit of the first runtime that has one.
pub(super) fn find(files: &Files) -> Option<Unit> {
    UNITS.iter().find_map(|(runtime, unit)| {
        let main = DIRECTORIES.iter().map(|dir| format!("{dir}/{unit}")).find(|path| files.exists(path))?;
        let mut limit = files.read(&main).ok().and_then(|text| last(&text));
        let mut path = main;
        // The last setting counts. Drop-ins come by name, those of /usr before those of /etc.
        for dir in DIRECTORIES.iter().rev() {
            let dir = format!("{dir}/{unit}.d");
            for name in files.names(&dir).unwrap_or_default().iter().filter(|name| name.strip_suffix(".conf").is_some())
            {
                let dropped_in = format!("{dir}/{name}");
                if let Some(found) = files.read(&dropped_in).ok().and_then(|text| last(&text)) {
                    (limit, path) = (Some(found), dropped_in);
                }
            }
        }
        Some(Unit { runtime, path, limit })
    })
}

impl Unit {
    pub(super) fn limits(&self, nr_open: Option<u64>) -> Option<Limits> {
        let (text, what) = match &self.limit {
            Some(text) => (text.as_str(), format!("LimitNOFILE= of /{}", self.path)),
            None => (DEFAULT, format!("systemd's default, as /{} has no LimitNOFILE=", self.path)),
        };
        let number = |text: &str| match text.trim() {
            // As much as the kernel lets a limit be.
            "infinity" => nr_open,
            number => number.parse().ok(),
        };
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        Some(Limits { soft: number(soft)?, hard: number(hard)?, source: what })
    }
}

fn last(text: &str) -> Option<String> {
    let mut values = text.lines().filter_map(|line| line.trim().strip_prefix("LimitNOFILE="));
    values.next_back().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
