//! A server that says what a test wants, and images to be had from it.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic too")]
#![allow(dead_code, reason = "each test file is a crate of its own, and none of them uses everything")]
#![allow(unreachable_pub, reason = "as above")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringfence_registry::{Client, Options, Pulled, RegistryError, Watch};
use ringfence_runtime::store::{Platform, Store, digest};
use serde_json::json;

/// What came of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

/// What is sent back.
#[derive(Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Instead of the body's own.
    pub length: Option<u64>,
    /// Goes on sending zeros until the client has had enough.
    pub endless: bool,
}

impl Answer {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
    }

    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

/// A server on loopback.
pub struct Server {
    pub host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (answer.clone(), log.clone());
                std::thread::spawn(move || serve(&stream, &*answer, &log));
            }
        });
        Self { host, asked }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn count(&self, part: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path.contains(part)).count()
    }
}

fn serve(stream: &TcpStream, answer: &dyn Fn(&Asked) -> Answer, log: &Mutex<Vec<Asked>>) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    // A TLS handshake is no text.
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return };
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.trim().split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let asked = Asked { method: method.to_owned(), path: path.to_owned(), headers };
    log.lock().unwrap().push(asked.clone());
    let answer = answer(&asked);
    let mut out = stream;
    let length = answer.length.unwrap_or(answer.body.len() as u64);
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", answer.status);
    if !answer.endless {
        head += &format!("Content-Length: {length}\r\n");
    }
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let _ = out.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| out.write_all(&answer.body));
    while answer.endless && out.write_all(&[b' '; 1 << 12]).is_ok() {}
}

/// An image of one layer, as blobs by their digests.
pub struct Sample {
    pub manifest: Vec<u8>,
    pub config: Vec<u8>,
    pub layer: Vec<u8>,
}

impl Sample {
    pub fn new(size: usize) -> Self {
        let mut header = tar_header("file", size);
        header.extend(std::iter::repeat_n(7_u8, size));
        header.resize(header.len().next_multiple_of(512) + 1024, 0);
        let layer = header;
        let config = json!({"os": "linux", "architecture": Platform::host().architecture,
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]}, "config": {"User": "7"}})
        .to_string()
        .into_bytes();
        let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"digest": digest(&config), "size": config.len()},
            "layers": [{"digest": digest(&layer), "size": layer.len()}]})
        .to_string()
        .into_bytes();
        Self { manifest, config, layer }
    }

    /// As an honest registry answers.
    pub fn answer(&self, asked: &Asked) -> Answer {
        for blob in [&self.config, &self.layer] {
            if asked.path.ends_with(&format!("/blobs/{}", digest(blob))) {
                return part(blob, asked);
            }
        }
        if asked.path.contains("/manifests/") {
            return Answer::ok(self.manifest.clone());
        }
        Answer::status(404)
    }
}

/// The blob, or the part of it that is asked for.
pub fn part(blob: &[u8], asked: &Asked) -> Answer {
    let from = asked.headers.get("range").map(|range| range["bytes=".len()..range.len() - 1].parse::<usize>().unwrap());
    match from {
        None => Answer::ok(blob),
        Some(from) => Answer { status: 206, body: blob[from..].to_vec(), ..Answer::default() }
            .header("Content-Range", format!("bytes {from}-{}/{}", blob.len() - 1, blob.len())),
    }
}

fn tar_header(name: &str, size: usize) -> Vec<u8> {
    let mut block = vec![0_u8; 512];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644");
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000001");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

/// Nobody watches.
pub struct Nobody;

impl Watch for Nobody {
    fn expect(&self, _: u64) {}
    fn came(&self, _: u64) {}
    fn lost(&self, _: u64) {}
}

/// A store with a client that reads no configuration of this machine.
pub struct Bed {
    pub dir: tempfile::TempDir,
    pub store: Store,
    pub options: Options,
}

pub fn bed() -> Bed {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let conf = dir.path().join("registries.conf");
    std::fs::write(&conf, "").unwrap();
    let auth_file = Some(dir.path().join("auth.json"));
    let options = Options { registries_conf: Some(conf), auth_file, ..Options::default() };
    Bed { dir, store, options }
}

impl Bed {
    pub fn pull(&self, name: &str) -> Result<Pulled, RegistryError> {
        self.pull_for(name, &Platform::host())
    }

    pub fn pull_for(&self, name: &str, platform: &Platform) -> Result<Pulled, RegistryError> {
        Client::new(self.options.clone())?.pull(&self.store, name, platform, &Nobody)
    }

    /// Whether the image is here whole.
    pub fn is_here(&self, name: &str) -> bool {
        let Some(resolved) = self.store.resolve(name, &Platform::host()).unwrap() else { return false };
        let image = self.store.unpack(&resolved, ringfence_runtime::rootfs::image::ImageLimits::default(), &mut |_| {});
        image.unwrap().facts.user == "7"
    }

    pub fn credentials(&self, json: &str) {
        std::fs::write(self.dir.path().join("auth.json"), json).unwrap();
    }
}
