//! Who asks the server, as an API server does: over TLS, believing whom it is told to, by the system's clock.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

/// A connection that goes on.
pub(crate) struct Connection(BufReader<StreamOwned<ClientConnection, TcpStream>>);

/// Somebody's clock, so many seconds ahead of this machine's.
#[derive(Debug)]
struct Ahead(u64);

impl TimeProvider for Ahead {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + self.0)))
    }
}

/// Connects, if the server's certificate is believed.
pub(crate) fn connect(address: SocketAddr, authorities: &str) -> std::io::Result<Connection> {
    connect_ahead(address, authorities, 0)
}

/// The same by a clock that is so many seconds ahead.
pub(crate) fn connect_ahead(address: SocketAddr, authorities: &str, ahead: u64) -> std::io::Result<Connection> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_details(provider, Arc::new(Ahead(ahead)))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::IpAddress(address.ip().into());
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(super::program::PATIENCE))?;
    let mut connection = Connection(BufReader::new(StreamOwned::new(tls, stream)));
    connection.0.get_mut().flush()?;
    Ok(connection)
}

impl Connection {
    pub(crate) fn send(&mut self, text: &str) -> std::io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())?;
        self.0.get_mut().flush()
    }

    /// Waits for an answer: its body, or an error if there is none.
    pub(crate) fn answer(&mut self) -> std::io::Result<String> {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let at = head.len();
            if self.0.read_line(&mut head)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(text) = head[at..].to_lowercase().strip_prefix("content-length: ") {
                length = text.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(String::from_utf8(body).unwrap())
    }

    /// Asks for a path.
    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<String> {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))?;
        self.answer()
    }

    /// Asks about a pod, and returns the response.
    pub(crate) fn ask(&mut self, namespace: &str, privileged: bool) -> std::io::Result<Value> {
        let (head, body) = request(namespace, privileged);
        self.send(&format!("{head}{body}"))?;
        self.response()
    }

    pub(crate) fn response(&mut self) -> std::io::Result<Value> {
        let answer: Value = serde_json::from_str(&self.answer()?).unwrap();
        Ok(answer["response"].clone())
    }

    /// Waits until the server hangs up.
    pub(crate) fn until_hung_up(&mut self) {
        let began = std::time::Instant::now();
        let mut rest = Vec::new();
        // However it hangs up.
        let _ = self.0.read_to_end(&mut rest);
        assert!(began.elapsed() < super::program::PATIENCE, "nobody hung up");
    }
}

/// A review of a pod: the head of the request, and its body.
pub(crate) fn request(namespace: &str, privileged: bool) -> (String, String) {
    let container = json!({"name": "a", "image": "x", "securityContext": {"privileged": privileged}});
    let body = json!({"request": {"uid": "u", "operation": "CREATE", "namespace": namespace, "name": "p",
        "userInfo": {"username": "u"}, "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}}});
    let body = body.to_string();
    let length = body.len();
    (
        format!(
            "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        ),
        body,
    )
}

/// One request over plain HTTP.
pub(crate) fn ask_in_the_clear(address: SocketAddr, namespace: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    let (head, body) = request(namespace, false);
    let head = head.replace("host: x", "host: x\r\nconnection: close");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str::<Value>(body).unwrap()["response"].clone()
}
