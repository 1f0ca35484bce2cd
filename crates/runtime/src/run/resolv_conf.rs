//! `/etc/resolv.conf`: the node's, or nothing, with what `dnsConfig` adds (kubelet `pkg/kubelet/network/dns/dns.go`,
//! `GetPodDNS`; containerd `internal/cri/server/podsandbox/sandbox_run_linux.go`, `parseDNSOptions`).
//!
//! There is no cluster here whose DNS could be asked first. `ClusterFirst` is then `Default`, as for a kubelet that knows
//! of no cluster DNS.

use k8s_openapi::api::core::v1::PodSpec;

/// What resolvers read of it, and what the kubelet keeps to (`validation.MaxDNSNameservers` and its like).
const MAX_SERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH: usize = 253;
const MAX_SEARCH_LINE: usize = 2048;

/// What a resolver is told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Dns {
    servers: Vec<String>,
    searches: Vec<String>,
    /// Names with their values; a later one of a name replaces the value.
    options: Vec<(String, String)>,
}

/// The file's text, from the node's.
pub(super) fn text(node: &str, spec: Option<&PodSpec>) -> String {
    let is_none = spec.and_then(|spec| spec.dns_policy.as_deref()) == Some("None");
    let mut dns = if is_none { Dns::default() } else { Dns::of(node) };
    if let Some(config) = spec.and_then(|spec| spec.dns_config.as_ref()) {
        dns.servers.extend(config.nameservers.iter().flatten().cloned());
        dns.searches.extend(config.searches.iter().flatten().cloned());
        for option in config.options.iter().flatten() {
            dns.option(option.name.as_deref().unwrap_or_default(), option.value.as_deref().unwrap_or_default());
        }
    }
    dns.fit();
    let text = dns.text();
    // A runtime that is told nothing takes the node's file.
    if text.is_empty() { node.to_owned() } else { text }
}

impl Dns {
    fn of(file: &str) -> Self {
        let mut dns = Self::default();
        for line in file.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => dns.servers.extend(words.next().map(str::to_owned)),
                // The last such line counts.
                Some("search") => {
                    let plain = |word: &str| word.strip_suffix('.').unwrap_or(word).to_owned();
                    dns.searches = words.filter(|word| *word != ".").map(plain).collect();
                }
                Some("options") => {
                    for word in words {
                        let (name, value) = word.split_once(':').unwrap_or((word, ""));
                        dns.option(name, value);
                    }
                }
                _ => {}
            }
        }
        dns
    }

    fn option(&mut self, name: &str, value: &str) {
        match self.options.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => self.options.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Without what is there twice, and no more than fits.
    fn fit(&mut self) {
        for list in [&mut self.servers, &mut self.searches] {
            let mut seen = std::collections::BTreeSet::new();
            list.retain(|one| seen.insert(one.clone()));
        }
        self.servers.truncate(MAX_SERVERS);
        self.searches.truncate(MAX_SEARCHES);
        self.searches.retain(|search| search.len() <= MAX_SEARCH);
        while self.searches.join(" ").len() > MAX_SEARCH_LINE {
            self.searches.pop();
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.searches.is_empty() {
            text += &format!("search {}\n", self.searches.join(" "));
        }
        for server in &self.servers {
            text += &format!("nameserver {server}\n");
        }
        if !self.options.is_empty() {
            let option = |(name, value): &(String, String)| {
                if value.is_empty() { name.clone() } else { format!("{name}:{value}") }
            };
            text += &format!("options {}\n", self.options.iter().map(option).collect::<Vec<_>>().join(" "));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "# made by hand\ndomain old.example\nsearch first.example\nsearch node.example. . b.example\n\
        nameserver 10.0.0.1\nnameserver 10.0.0.2 # second\noptions ndots:1 rotate\n";

    fn of(spec: &str) -> String {
        text(NODE, Some(&serde_json::from_str(spec).unwrap()))
    }

    #[test]
    fn a_pod_has_the_nodes_where_there_is_no_cluster() {
        let wanted =
            "search node.example b.example\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:1 rotate\n";
        for policy in ["Default", "ClusterFirst", "ClusterFirstWithHostNet"] {
            assert_eq!(of(&format!(r#"{{"containers": [], "dnsPolicy": "{policy}"}}"#)), wanted);
        }
        assert_eq!(text(NODE, None), wanted);
        assert_eq!(text("", None), "");
    }

    #[test]
    fn dns_config_is_added_to_it() {
        let spec = r#"{"containers": [], "dnsConfig": {"nameservers": ["10.0.0.2", "192.0.2.1", "192.0.2.2"],
            "searches": ["my.example"], "options": [{"name": "ndots", "value": "5"}, {"name": "edns0"}]}}"#;
        assert_eq!(
            of(spec),
            "search node.example b.example my.example\nnameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 192.0.2.1\n\
             options ndots:5 rotate edns0\n"
        );
    }

    #[test]
    fn with_the_policy_none_it_is_all_there_is() {
        let spec = r#"{"containers": [], "dnsPolicy": "None", "dnsConfig": {"nameservers": ["192.0.2.1"]}}"#;
        assert_eq!(of(spec), "nameserver 192.0.2.1\n");
    }

    #[test]
    fn a_search_line_is_cut_to_what_resolvers_read() {
        let names: Vec<String> = (0..40).map(|n| format!("{n:02}.{}", "a".repeat(97))).collect();
        let searches = serde_json::to_string(&names).unwrap();
        let text =
            of(&format!(r#"{{"containers": [], "dnsPolicy": "None", "dnsConfig": {{"searches": {searches}}}}}"#));
        let line = text.strip_prefix("search ").unwrap().trim_end();
        assert_eq!(line.split(' ').count(), 20);
        assert!(line.len() <= MAX_SEARCH_LINE);
        let long = "b".repeat(254);
        assert_eq!(
            of(&format!(r#"{{"containers": [], "dnsPolicy": "None", "dnsConfig": {{"searches": ["{long}", "c"]}}}}"#)),
            "search c\n"
        );
    }
}
