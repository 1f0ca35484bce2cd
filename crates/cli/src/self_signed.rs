//! `--self-signed`: certificates of the server's own.

use std::time::Duration;

use ringfence_server::SelfSigned;

/// Certificates of the server's own.
#[derive(Debug, clap::Args)]
pub(crate) struct SelfSignedArgs {
    /// Make an authority and a certificate, renew them before they end, and share them with the other replicas in a
    /// Secret of the cluster.
    #[arg(long, conflicts_with_all = ["tls_cert", "insecure_http"], requires = "names_of_the_server")]
    self_signed: bool,

    /// The Service that leads here: its names are the certificate's.
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "self_signed", group = "names_of_the_server", value_parser = namespaced)]
    service: Option<Namespaced>,

    /// A further DNS name or address of the server; may be repeated.
    #[arg(long = "certificate-name", value_name = "NAME", requires = "self_signed", group = "names_of_the_server")]
    names: Vec<String>,

    /// The Secret, which has to be there, be it empty. Otherwise ringfence-tls, in the Service's namespace or else in
    /// ringfence-system.
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "self_signed", value_parser = namespaced)]
    certificate_secret: Option<Namespaced>,

    /// Keep the caBundle of the webhooks that lead here in step, in the Validating- and MutatingWebhookConfiguration of
    /// this name; may be repeated.
    #[arg(long = "webhook-configuration", value_name = "NAME", requires = "self_signed")]
    configurations: Vec<String>,

    /// How long a certificate lives; its authority lives four times as long.
    #[arg(long, value_name = "DURATION", default_value = "30d", requires = "self_signed", value_parser = lifetime)]
    certificate_lifetime: Duration,
}

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Namespaced(String, String);

fn namespaced(text: &str) -> Result<Namespaced, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(Namespaced(namespace.to_owned(), name.to_owned()))
        }
        _ => Err("not NAMESPACE/NAME".to_owned()),
    }
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.len() - usize::from(text.ends_with(['s', 'm', 'h', 'd'])));
    let unit: u64 = match unit {
        "d" => 86_400,
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => return Err("not a number with s, m, h or d, such as 30d".to_owned()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match seconds {
        Some(seconds @ 10..=315_360_000) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err("between 10s and 3650d".to_owned()),
        None => Err("not a number with s, m, h or d, such as 30d".to_owned()),
    }
}

impl SelfSignedArgs {
    /// Whether the server makes its own certificates.
    pub(crate) fn is_given(&self) -> bool {
        self.self_signed
    }

    /// What the server is told of them.
    pub(crate) fn settings(&self) -> Option<SelfSigned> {
        if !self.self_signed {
            return None;
        }
        let namespace =
            || self.service.as_ref().map_or_else(|| "ringfence-system".to_owned(), |service| service.0.clone());
        let secret =
            self.certificate_secret.clone().unwrap_or_else(|| Namespaced(namespace(), "ringfence-tls".to_owned()));
        let pair = |Namespaced(namespace, name): Namespaced| (namespace, name);
        Some(SelfSigned {
            secret: pair(secret),
            service: self.service.clone().map(pair),
            names: self.names.clone(),
            configurations: self.configurations.clone(),
            lifetime: self.certificate_lifetime,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_have_a_unit_and_bounds() {
        assert_eq!(lifetime("30d"), Ok(Duration::from_hours(30 * 24)));
        assert_eq!(lifetime("10s"), Ok(Duration::from_secs(10)));
        for bad in ["", "d", "30", "9s", "-1d", "99999999999999999999d", "30é", "4000d", "1w"] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }
}
