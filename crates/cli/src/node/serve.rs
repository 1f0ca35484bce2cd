//! `/metrics` and `/healthz` over HTTP, for a scraper and the kubelet: two fixed answers, nothing that a request says
//! beyond its path.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a request may take to arrive, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most of a request that is read.
const LARGEST: usize = 8 << 10;
/// Connections at a time; further ones are closed.
const MOST: usize = 16;

/// What is answered.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) metrics: String,
    /// Why it does not do what it should; healthy where there is nothing.
    pub(crate) trouble: Option<String>,
}

/// Answers until the process ends.
pub(crate) fn start(address: SocketAddr, state: Arc<Mutex<State>>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    let open = Arc::new(AtomicUsize::new(0));
    std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // Such as no descriptor left: others may give theirs back.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            if open.fetch_add(1, Ordering::AcqRel) >= MOST {
                open.fetch_sub(1, Ordering::AcqRel);
                continue;
            }
            let (state, counter) = (Arc::clone(&state), Arc::clone(&open));
            let started = std::thread::Builder::new().spawn(move || {
                // A client that went away is no concern of ours.
                let _ = answer(stream, &state);
                counter.fetch_sub(1, Ordering::AcqRel);
            });
            if started.is_err() {
                open.fetch_sub(1, Ordering::AcqRel);
            }
        }
    })?;
    Ok(bound)
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = head(&mut stream)?;
    let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let (status, kind, body) = {
        // A report is put in whole, so that a panic elsewhere leaves a whole one.
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        match (method, path) {
            ("GET" | "HEAD", "/metrics") => {
                ("200 OK", "text/plain; version=0.0.4; charset=utf-8", state.metrics.clone())
            }
            ("GET" | "HEAD", "/healthz") => match &state.trouble {
                None => ("200 OK", "text/plain; charset=utf-8", "ok\n".to_owned()),
                Some(trouble) => ("503 Service Unavailable", "text/plain; charset=utf-8", format!("{trouble}\n")),
            },
            ("GET" | "HEAD", _) => ("404 Not Found", "text/plain; charset=utf-8", "not found\n".to_owned()),
            _ => ("405 Method Not Allowed", "text/plain; charset=utf-8", "GET or HEAD\n".to_owned()),
        }
    };
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    if method != "HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

/// The request's head, within the time and size that one may have.
fn head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
        let read = stream.read(&mut buffer)?;
        if read == 0 || head.len() + read > LARGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        head.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    Ok(head)
}
