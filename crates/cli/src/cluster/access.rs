//! What to grant somebody who may not read what an answer needs.

use ringfence_live::Resource;

/// The kinds that could not be listed, and who could not.
#[derive(Debug, Default)]
pub(super) struct Denied {
    resources: Vec<String>,
    user: Option<String>,
}

impl Denied {
    /// Takes a refusal in the server's words.
    pub(super) fn add(&mut self, resource: Resource<'_>, message: &str) {
        let name = resource.to_string();
        if !self.resources.contains(&name) {
            self.resources.push(name);
        }
        if self.user.is_none() {
            let user = message.split_once("User \"").and_then(|(_, rest)| rest.split_once("\" cannot "));
            self.user = user.map(|(user, _)| user.to_owned());
        }
    }

    /// The commands with which an administrator grants it, if anything was refused.
    pub(super) fn advice(&self) -> Option<String> {
        let user = match self.user.as_deref().map(|user| (user, user.strip_prefix("system:serviceaccount:"))) {
            _ if self.resources.is_empty() => return None,
            Some((_, Some(account))) => format!("--serviceaccount={}", quoted(account)),
            Some((user, None)) => format!("--user={}", quoted(user)),
            None => "--user=NAME".to_owned(),
        };
        // Namespaces are got by name where they may not be listed.
        Some(format!(
            "an administrator grants it with: kubectl create clusterrole ringfence --verb=get,list --resource={} && \
             kubectl create clusterrolebinding ringfence --clusterrole=ringfence {user}",
            self.resources.join(",")
        ))
    }
}

/// For a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PODS: Resource<'static> = Resource { api_version: "v1", plural: "pods", kind: "Pod" };

    fn advice(user: &str) -> String {
        let mut denied = Denied::default();
        let message = format!("pods is forbidden: User \"{user}\" cannot list resource \"pods\"");
        denied.add(PODS, &message);
        denied.add(PODS, &message);
        denied.advice().unwrap_or_default()
    }

    #[test]
    fn a_role_and_a_binding_are_named_for_whoever_asked() {
        assert!(advice("alice").ends_with(
            "--resource=pods && kubectl create clusterrolebinding ringfence --clusterrole=ringfence --user=alice"
        ));
        assert!(advice("system:serviceaccount:ci:bot").ends_with("--serviceaccount=ci:bot"));
        assert!(advice("a; rm 'x'").ends_with(r"--user='a; rm '\''x'\'''"));
        assert_eq!(Denied::default().advice(), None);
    }
}
