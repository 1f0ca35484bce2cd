//! Disks that are full: under the certificates and the log of a server, and under what is printed.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "clock/client.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod client;
#[path = "clock/program.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod program;

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use client::connect;
use program::until;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A server whose certificates, log, working directory and temporary directory are on a small file system of its own.
struct Served {
    child: Child,
    /// That file system, from outside.
    disk: PathBuf,
}

impl Served {
    fn start(seed: &Path) -> Self {
        let cluster = root().join("examples/cluster/cluster.yaml");
        let script =
            r#"mount -t tmpfs -o size=256k none "$0" && cp "$1" "$2" "$0" && cd "$0" && shift 2 && exec "$@" 2>log"#;
        let at = seed.join("disk");
        fs::create_dir(&at).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]).arg(&at).args([seed.join("tls.crt"), seed.join("tls.key")]);
        command.args([env!("CARGO_BIN_EXE_ringfence"), "serve", "--listen", "127.0.0.1:0", "--log-level", "debug"]);
        command.args(["--tls-cert", "tls.crt", "--tls-key", "tls.key", "--cluster"]).arg(cluster);
        let child = command.env("TMPDIR", &at).stdin(Stdio::null()).spawn().unwrap();
        // Each became the other: it is one process.
        let disk = PathBuf::from(format!("/proc/{}/root{}", child.id(), at.display()));
        Self { child, disk }
    }

    /// The lines of the log that are whole, and how many are not.
    fn log(&self) -> (Vec<Value>, usize) {
        let text = fs::read_to_string(self.disk.join("log")).unwrap_or_default();
        let lines: Vec<Option<Value>> = text.lines().map(|line| serde_json::from_str(line).ok()).collect();
        let torn = lines.iter().filter(|line| line.is_none()).count();
        (lines.into_iter().flatten().collect(), torn)
    }

    /// Takes all room that there is.
    fn fill(&self) {
        let mut filler = File::options().create(true).append(true).open(self.disk.join("filler")).unwrap();
        while filler.write(&[b'x'; 1024]).is_ok() {}
    }

    /// Writes to a file, as far as there is room.
    fn write(&self, name: &str, text: &str) -> std::io::Result<()> {
        fs::write(self.disk.join(name), text)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A certificate for the loopback, and its key.
fn pair() -> [String; 2] {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    [params.self_signed(&key).unwrap().pem(), key.serialize_pem()]
}

#[test]
fn with_its_disk_full_a_server_answers_as_before_and_goes_on_once_there_is_room() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can mount a disk");
        return;
    }
    let seed = tempfile::tempdir().unwrap();
    let [old, key] = pair();
    fs::write(seed.path().join("tls.crt"), &old).unwrap();
    fs::write(seed.path().join("tls.key"), key).unwrap();
    let served = Served::start(seed.path());
    let address = until("listens", || {
        let line = served.log().0.into_iter().find(|line| line["message"] == "listening")?;
        Some(line["address"].as_str().unwrap().parse().unwrap())
    });
    let refused = |metrics: &str| {
        let line =
            metrics.lines().find(|line| line.starts_with("ringfence_certificate_reloads_total{result=\"refused\"}"));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap())
    };
    // The old certificate is believed all the while, and every answer is right.
    let right = |authority: &str| {
        let mut connection = connect(address, authority).unwrap();
        for _ in 0..20 {
            assert_eq!(connection.ask("payments", true).unwrap()["allowed"], false);
            assert_eq!(connection.ask("payments", false).unwrap()["allowed"], true);
        }
        connection.get("/metrics").unwrap()
    };
    right(&old);
    served.fill();
    let [new, new_key] = pair();
    // A new one is written where there is no room, and nothing is left of the old.
    File::create(served.disk.join("tls.crt")).unwrap();
    served.fill();
    assert_eq!(served.write("tls.crt", &new).unwrap_err().kind(), ErrorKind::StorageFull);
    until("refuses it", || (refused(&right(&old)) > 0).then_some(()));
    let (before, _) = served.log();
    right(&old);
    // There is room again. What was lost of the log is told of, and only what was half written is spoilt.
    fs::remove_file(served.disk.join("filler")).unwrap();
    served.write("tls.key", &new_key).unwrap();
    served.write("tls.crt", &new).unwrap();
    until("takes the new one", || {
        connect(address, &new).is_ok_and(|mut it| it.ask("payments", true).is_ok()).then_some(())
    });
    right(&new);
    let after = until("logs again", || Some(served.log()).filter(|(lines, _)| lines.len() > before.len() + 20));
    let lost: u64 = after.0.iter().filter_map(|line| line["droppedBefore"].as_u64()).sum();
    assert!(lost > 0 && after.1 <= 2, "{lost} lost, {} torn", after.1);
    // It is where temporary files would be, and there are none.
    let names = fs::read_dir(&served.disk).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    assert_eq!(names, ["log", "tls.crt", "tls.key"]);
}

#[test]
fn what_does_not_fit_on_the_disk_is_an_error_however_it_is_printed() {
    let cluster = ["--cluster", "examples/cluster/cluster.yaml"];
    for arguments in [
        &["report"][..],
        &["report", "-o", "jsonl"],
        &["sync"],
        &["sync", "-o", "json"],
        &["sync", "-o", "yaml"],
        &["install", "--image", "registry.example.com/ringfence:1", "--print"],
    ] {
        let cluster = if arguments[0] == "install" { &[][..] } else { &cluster };
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.args(arguments).args(cluster).current_dir(root());
        let ran = command.stdout(File::options().write(true).open("/dev/full").unwrap()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("No space left on device"), "{arguments:?}: {said}");
    }
}
