//! A running `ringfence serve`.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ringfence_testing::Client;
use serde_json::{Value, json};

/// A replica, which is killed when this is dropped.
pub struct Replica {
    child: Child,
    pub address: SocketAddr,
    client: Client,
}

impl Replica {
    /// Starts one and waits until it listens. `folder` is for its kubeconfig's neighbours.
    pub fn start(folder: &Path, kubeconfig: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
            .args(["serve", "--listen", "127.0.0.1:0", "--self-signed", "--drain-delay", "0", "--kubeconfig"])
            .arg(kubeconfig)
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let address: SocketAddr = loop {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended");
            let Ok(said) = serde_json::from_str::<Value>(&line) else {
                eprint!("serve: {line}");
                continue;
            };
            if said["message"] == "listening" {
                break said["address"].as_str().unwrap().parse().unwrap();
            }
        };
        let port = address.port();
        // Shown with the test's output when it fails.
        thread::spawn(move || {
            for line in said.lines().map_while(Result::ok).filter(|line| !line.contains(r#""message":"refused""#)) {
                println!("{port}: {line}");
            }
        });
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
            "clusters": [{"name": "c", "cluster": {"server": format!("https://{address}"), "insecure-skip-tls-verify": true}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]});
        let file = folder.join(format!("replica-{port}.kubeconfig"));
        std::fs::write(&file, config.to_string()).unwrap();
        Self { child, address, client: Client::new(&file) }
    }

    /// Waits until it can judge, and is believed.
    pub fn ready(self) -> Self {
        let begun = Instant::now();
        loop {
            match self.client.try_get("/readyz") {
                Ok(answer) if answer.code == 200 => return self,
                answer => assert!(begun.elapsed() < Duration::from_mins(2), "not ready: {answer:?}"),
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
