//! Controllers that run.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use ringfence_testing::{ApiServer, Who};
use serde_json::Value;

use crate::common::root;

/// How long something may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// A replica. It is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    out: Arc<Mutex<Vec<Value>>>,
    gathering: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts controllers, with a short lease, as the service account that the rights are for.
    pub(crate) fn start(server: &ApiServer, more: &[&str]) -> Self {
        Self::start_as(server, "ringfence-controllers", "sync", more)
    }

    /// The same for reports.
    pub(crate) fn reports(server: &ApiServer, more: &[&str]) -> Self {
        Self::start_as(server, "ringfence-reports", "report", more)
    }

    fn start_as(server: &ApiServer, account: &str, program: &str, more: &[&str]) -> Self {
        let token = server.token("ringfence-system", account, false);
        let kubeconfig = server.kubeconfig_of(account, Who::Token(&token));
        let mut command = Command::new(env!("CARGO_BIN_EXE_ringfence"));
        command.args([program, "--watch", "--kubeconfig", kubeconfig.to_str().unwrap()]);
        command.args(["--lease-namespace", "ringfence-system"]);
        command.args(["--retry-period", "1", "--qps", "500"]);
        if !more.contains(&"--lease-duration") {
            command.args(["--lease-duration", "6", "--renew-deadline", "4"]);
        }
        command.args(["--listen", "127.0.0.1:0", "--log-level", "debug", "--no-sandbox=landlock"]).args(more);
        command.current_dir(root()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (log, out) = (Arc::default(), Arc::default());
        let gathering = vec![
            gather(BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log)),
            gather(BufReader::new(child.stdout.take().unwrap()), Arc::clone(&out)),
        ];
        Self { child, log, out, gathering }
    }

    /// The log lines so far that say this.
    pub(crate) fn said(&self, message: &str) -> Vec<Value> {
        self.log.lock().unwrap().iter().filter(|line| line["message"] == message).cloned().collect()
    }

    /// The lines on standard output so far.
    #[allow(dead_code, reason = "not every test program has dry runs")]
    pub(crate) fn out(&self) -> Vec<Value> {
        self.out.lock().unwrap().clone()
    }

    /// Waits until the log has a line that says this, for the first time or again.
    pub(crate) fn until_said(&self, message: &str, times: usize) {
        self.until(&format!("says {message:?}"), || self.said(message).len() >= times);
    }

    /// Waits until it is so.
    pub(crate) fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is() {
            assert!(begun.elapsed() < PATIENCE, "never {what}: {}", self.log());
            sleep(Duration::from_millis(50));
        }
    }

    /// The whole log, for messages.
    pub(crate) fn log(&self) -> String {
        let lines: Vec<String> = self.log.lock().unwrap().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    /// Sends it a signal: `KILL`, `STOP`, `CONT` or `TERM`.
    #[allow(dead_code, reason = "not every test program ends it")]
    pub(crate) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    }

    /// Waits for its end.
    #[allow(dead_code, reason = "not every test program ends it")]
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What it said last is known, too.
                for gathered in self.gathering.drain(..) {
                    gathered.join().unwrap();
                }
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.log());
            sleep(Duration::from_millis(50));
        }
    }

    /// What it answers over HTTP: the status line, and the whole.
    pub(crate) fn ask(&self, path: &str) -> String {
        self.until_said("watching", 1);
        let address = self.said("watching")[0]["address"].as_str().unwrap().to_owned();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn gather(lines: impl std::io::BufRead + Send + 'static, into: Arc<Mutex<Vec<Value>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            into.lock().unwrap().push(line);
        }
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("{}", self.log());
        }
    }
}
