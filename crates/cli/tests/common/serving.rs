//! `ringfence serve` for tests: it is killed when the test ends.
#![allow(dead_code, reason = "each test uses a part")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A server that listens.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// What it said until it listened.
    pub(crate) before: String,
    /// What it goes on to say. It does not wait for anybody to read it.
    pub(crate) said: BufReader<ChildStderr>,
}

impl Serving {
    /// Starts `ringfence serve` on an address of the system's choice, with more arguments and variables.
    pub(crate) fn start(with: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).current_dir(root()).stderr(Stdio::piped());
        let mut child = with(&mut command).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut before = String::new();
        let address = loop {
            let at = before.len();
            assert_ne!(said.read_line(&mut before).unwrap(), 0, "it ended: {before}");
            let Ok(line) = serde_json::from_str::<Value>(&before[at..]) else { continue };
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        Self { child, address, before, said }
    }

    /// The same in the clear, with the cluster of the examples.
    pub(crate) fn example(more: &[&str]) -> Self {
        let cluster = ["--insecure-http", "--cluster", "examples/cluster/cluster.yaml"];
        Self::start(|command| command.args(cluster).args(more))
    }

    /// Tells it to end.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
