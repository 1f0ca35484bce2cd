//! Running the binary as a user does.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]
#![allow(unreachable_pub, reason = "each test file is a crate of its own, and none of them uses everything")]

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a run of ringfence gave.
pub struct Ran {
    /// The exit status.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// The workspace's root, from where tests run, so that paths in outputs are short and the same everywhere.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs ringfence with these arguments and this standard input.
pub fn ringfence<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, stdin: impl AsRef<[u8]>) -> Ran {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ringfence"))
        .args(args)
        .current_dir(root())
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let bytes = stdin.as_ref().to_vec();
    // A command that does not read its input closes it, which is no fault here.
    let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The lines of a `-o jsonl` output.
#[allow(dead_code, reason = "not every test file reads JSON")]
pub fn lines(ran: &Ran) -> Vec<serde_json::Value> {
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
