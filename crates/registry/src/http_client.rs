//! Requests: TLS as the host's certificates say, redirects that lead nowhere they must not, and an end to every wait.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;

use super::RegistryError;
use super::certificates::Certificates;
use super::credentials::Secret;
use super::hosts::Hosts;
use super::url::{host_port, is_inside, origin, shown};

/// Until an answer begins, and between its parts.
const SILENCE: Duration = Duration::from_mins(1);

/// As many as browsers follow, or a few less.
const MAX_REDIRECTS: usize = 10;

type Https = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The client of all hosts.
pub(crate) struct Http {
    pub(crate) hosts: Hosts,
    certificates: Vec<PathBuf>,
    connect: Duration,
    roots: std::cell::OnceCell<Arc<RootCertStore>>,
    clients: RefCell<HashMap<String, Https>>,
}

/// A request.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) uri: &'a Uri,
    pub(crate) authorization: Option<&'a Secret>,
    pub(crate) headers: &'a [(HeaderName, String)],
    /// Sent as a form, and then the method is POST.
    pub(crate) form: Option<Secret>,
}

impl Http {
    pub(crate) fn new(hosts: Hosts, certificates: Vec<PathBuf>, connect: Duration) -> Self {
        let clients = RefCell::default();
        Self { hosts, certificates, connect, roots: std::cell::OnceCell::new(), clients }
    }

    /// The answer, after all redirects. What was only for the first server goes to no other.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Response<Incoming>, RegistryError> {
        let mut uri = call.uri.clone();
        for _ in 0..MAX_REDIRECTS {
            let same = origin(&uri) == origin(call.uri);
            let answer = self.once(&uri, &call, same).await?;
            let is_redirect = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            // A form holds a secret, and whoever gets it is asked once.
            if !is_redirect || call.form.is_some() {
                return Ok(answer);
            }
            let location = answer.headers().get(LOCATION).and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| resolve(&uri, location)).ok_or_else(|| RegistryError::Answer {
                url: shown(&uri),
                why: "it redirects to no address".to_owned(),
            })?;
            self.check(&uri, &next)?;
            uri = next;
        }
        Err(RegistryError::Answer { url: shown(call.uri), why: "it redirects without end".to_owned() })
    }

    /// Whether a server may send this client to another.
    pub(crate) fn check(&self, from: &Uri, to: &Uri) -> Result<(), RegistryError> {
        let refuse = |why| Err(RegistryError::Redirect { from: shown(from), to: shown(to), why });
        let (old, new) = (origin(from), origin(to));
        if new.0 != "https" && new.0 != "http" {
            return refuse("it is not the web");
        }
        if to.authority().is_none_or(|authority| authority.as_str().contains('@')) {
            return refuse("it has no plain host");
        }
        if new.0 == "http" && old.0 == "https" {
            return refuse("it is in the clear");
        }
        if new.0 == "http" && old != new && !self.hosts.is_plain(&host_port(to)) {
            return refuse("it is in the clear");
        }
        if is_inside(&new.1) && !is_inside(&old.1) {
            return refuse("it is an address of this machine or its network");
        }
        Ok(())
    }

    async fn once(&self, uri: &Uri, call: &Call<'_>, same: bool) -> Result<Response<Incoming>, RegistryError> {
        let failed = |why: String| RegistryError::Connect { url: shown(uri), why };
        let setup = |error: http::Error| RegistryError::Setup(error.to_string());
        let client = self.client(&host_port(uri))?;
        let mut request = Request::builder()
            .uri(uri)
            .header(USER_AGENT, concat!("ringfence/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT_ENCODING, "identity");
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        if let Some(secret) = call.authorization.filter(|_| same) {
            let mut value = HeaderValue::from_str(secret.expose())
                .map_err(|_| RegistryError::Setup("a credential has characters that no header takes".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let body = match &call.form {
            Some(form) => {
                request = request.method(Method::POST).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
                Bytes::copy_from_slice(form.expose().as_bytes())
            }
            None => Bytes::new(),
        };
        let request = request.body(Full::new(body)).map_err(setup)?;
        match tokio::time::timeout(SILENCE, client.request(request)).await {
            Ok(answer) => answer.map_err(|error| super::certificates::broken(uri, &error)),
            Err(_) => Err(failed(format!("no answer within {} s", SILENCE.as_secs()))),
        }
    }

    fn client(&self, host: &str) -> Result<Https, RegistryError> {
        if let Some(client) = self.clients.borrow().get(host) {
            return Ok(client.clone());
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(self.connect));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(self.tls(host)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client: Https = Client::builder(TokioExecutor::new()).build(connector);
        self.clients.borrow_mut().insert(host.to_owned(), client.clone());
        Ok(client)
    }

    /// The system's authorities, and those that `certs.d/HOST` adds (containers-certs.d(5)).
    fn tls(&self, host: &str) -> Result<rustls::ClientConfig, RegistryError> {
        let setup = |error: rustls::Error| RegistryError::Setup(error.to_string());
        let system = self.roots.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(roots)
        });
        let own = Certificates::read(&self.certificates, host)?;
        let roots = if own.authorities.is_empty() {
            system.clone()
        } else {
            let mut roots = RootCertStore::clone(system);
            roots.add_parsable_certificates(own.authorities);
            Arc::new(roots)
        };
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(setup)?
            .with_root_certificates(roots);
        match own.client {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(setup),
            None => Ok(config.with_no_client_auth()),
        }
    }
}

/// Where a redirect leads.
fn resolve(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default();
    let uri: Uri = if location.starts_with("//") {
        format!("{}:{location}", from.scheme_str()?).parse().ok()?
    } else if location.starts_with('/') {
        format!("{}://{}{location}", from.scheme_str()?, from.authority()?).parse().ok()?
    } else {
        location.parse().ok()?
    };
    (uri.scheme().is_some() && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

/// The next part of a body. `None` at its end.
pub(crate) async fn next(body: &mut Incoming, uri: &Uri) -> Result<Option<Bytes>, RegistryError> {
    let failed = |why: String| RegistryError::Connect { url: shown(uri), why };
    loop {
        match tokio::time::timeout(SILENCE, body.frame()).await {
            Err(_) => return Err(failed(format!("nothing came for {} s", SILENCE.as_secs()))),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => return Err(super::certificates::broken(uri, &error)),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// A whole body of at most `limit` bytes.
pub(crate) async fn whole(mut body: Incoming, uri: &Uri, limit: u64) -> Result<Vec<u8>, RegistryError> {
    let mut bytes = Vec::new();
    while let Some(data) = next(&mut body, uri).await? {
        bytes.extend_from_slice(&data);
        if bytes.len() as u64 > limit {
            let why = format!("the answer is larger than {limit} bytes");
            return Err(RegistryError::Answer { url: shown(uri), why });
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_resolved_and_held_back() {
        let http = Http::new(Hosts::default(), Vec::new(), Duration::from_secs(1));
        let from: Uri = "https://registry.example.com/v2/a".parse().unwrap();
        let try_ = |location: &str| resolve(&from, location).is_some_and(|to| http.check(&from, &to).is_ok());
        for good in ["/b", "https://cdn.example.net/x?sig=1", "//cdn.example.net/x"] {
            assert!(try_(good), "{good}");
        }
        for bad in [
            "http://cdn.example.net/x",
            "https://127.0.0.1/x",
            "https://localhost:8080/x",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "file:///etc/passwd",
            "https://user@example.com/",
            "",
            "x",
        ] {
            assert!(!try_(bad), "{bad}");
        }
    }
}
