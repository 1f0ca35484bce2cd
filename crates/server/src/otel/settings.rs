//! The environment variables of the OpenTelemetry specification, as far as they concern traces over HTTP.
//!
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>

use super::sampler::Sampler;
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use std::fmt;
use std::path::PathBuf;

/// Where traces are sent, and which.
#[derive(Clone)]
pub struct Traces {
    pub(crate) endpoint: Uri,
    /// What is sent with each request; may be credentials.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) sampler: Sampler,
    /// Attributes of the resource, `service.name` among them.
    pub(crate) resource: Vec<(String, String)>,
    /// Whom a collector's certificate has to be from; the system's authorities, if nothing is said.
    pub(crate) authorities: Option<Vec<CertificateDer<'static>>>,
}

/// Without the headers, which may be credentials.
impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, sampler, .. } = self;
        let host = endpoint.host();
        f.debug_struct("Traces").field("host", &host).field("sampler", sampler).finish_non_exhaustive()
    }
}

/// Why there are no traces although some are wanted.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The URL cannot be used. It is not repeated, since it may hold credentials.
    #[error("{0} is no http or https URL")]
    Endpoint(&'static str),
    /// Something else is to be spoken.
    #[error("the protocol is {0:?}: traces are sent over HTTP only")]
    Protocol(String),
    /// There is no such sampler.
    #[error(
        "OTEL_TRACES_SAMPLER is {0:?}, or its argument is no share: use always_on, always_off or traceidratio, with or without parentbased_"
    )]
    Sampler(String),
    /// A header cannot be sent.
    #[error("{0} has a header that cannot be sent")]
    Header(&'static str),
    /// The collector's authority cannot be read.
    #[error("cannot read {name} ({})", path.display())]
    Certificate {
        /// The variable.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The collector's authority is none.
    #[error("{name} ({}) has no certificate", path.display())]
    NoCertificate {
        /// The variable.
        name: &'static str,
        /// The file.
        path: PathBuf,
    },
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const TRACES_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE";

impl Traces {
    /// Reads the environment, and the certificate that it names. `None` if no endpoint is named, or traces are turned
    /// off.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, TraceError> {
        let get = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let off = get("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
            || get("OTEL_TRACES_EXPORTER").is_some_and(|text| text == "none");
        let (name, url) = match (get(TRACES_ENDPOINT), get(ENDPOINT)) {
            _ if off => return Ok(None),
            (Some(url), _) => (TRACES_ENDPOINT, url),
            (None, Some(base)) => (ENDPOINT, format!("{}/v1/traces", base.trim_end_matches('/'))),
            (None, None) => return Ok(None),
        };
        let protocol = get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| get("OTEL_EXPORTER_OTLP_PROTOCOL"));
        // A collector that takes protobuf over HTTP takes JSON at the same place.
        if let Some(protocol) = protocol.filter(|protocol| !protocol.starts_with("http/")) {
            return Err(TraceError::Protocol(protocol));
        }
        let endpoint: Uri = url.parse().map_err(|_| TraceError::Endpoint(name))?;
        if !matches!(endpoint.scheme_str(), Some("http" | "https")) || endpoint.host().is_none() {
            return Err(TraceError::Endpoint(name));
        }
        let sampler = match get("OTEL_TRACES_SAMPLER") {
            None => Sampler::default(),
            Some(name) => Sampler::of(&name, get("OTEL_TRACES_SAMPLER_ARG").as_deref())
                .ok_or_else(|| TraceError::Sampler(name.chars().take(80).collect()))?,
        };
        let (name, text) = match get(TRACES_HEADERS) {
            Some(text) => (TRACES_HEADERS, text),
            None => (HEADERS, get(HEADERS).unwrap_or_default()),
        };
        let header = |(key, value): (String, String)| {
            let key = HeaderName::from_bytes(key.as_bytes()).map_err(|_| TraceError::Header(name))?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| TraceError::Header(name))?;
            value.set_sensitive(true);
            Ok((key, value))
        };
        let headers = pairs(&text).map(header).collect::<Result<_, _>>()?;
        let given = get("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let mut resource: Vec<(String, String)> = pairs(&given).collect();
        if let Some(service) = get("OTEL_SERVICE_NAME") {
            resource.retain(|(key, _)| key != "service.name");
            resource.push(("service.name".to_owned(), service));
        }
        if resource.iter().all(|(key, _)| key != "service.name") {
            resource.push(("service.name".to_owned(), "ringfence".to_owned()));
        }
        let authorities = match (get(TRACES_CERTIFICATE), get(CERTIFICATE)) {
            (Some(path), _) => Some(authorities(TRACES_CERTIFICATE, path.into())?),
            (None, Some(path)) => Some(authorities(CERTIFICATE, path.into())?),
            (None, None) => None,
        };
        Ok(Some(Self { endpoint, headers, sampler, resource, authorities }))
    }
}

/// Reads a PEM file of certificates.
fn authorities(name: &'static str, path: PathBuf) -> Result<Vec<CertificateDer<'static>>, TraceError> {
    let found = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(TraceError::NoCertificate { name, path }),
        Ok(found) => Ok(found),
        Err(source) => Err(TraceError::Certificate { name, path, source }),
    }
}

/// `key=value,key=value`, in which values are percent-encoded.
fn pairs(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), decoded(value.trim()))).filter(|(key, _)| !key.is_empty())
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match after {
            [high, low, ..] if *first == b'%' => {
                let digits = [*high, *low];
                std::str::from_utf8(&digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
