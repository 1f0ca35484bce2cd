//! The program under test, wherever it runs: its log is gathered, and it is killed when the test ends.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long something may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until it is so, and returns what came of it.
pub(crate) fn until<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = is() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "never {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) struct Program {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Program {
    /// Starts it with a kubeconfig.
    pub(crate) fn start(kubeconfig: &Path, arguments: &[&str]) -> Self {
        // In another machine it is elsewhere.
        let program =
            std::env::var_os("RINGFENCE_UNDER_TEST").unwrap_or_else(|| OsString::from(env!("CARGO_BIN_EXE_ringfence")));
        let mut command = Command::new(program);
        command.args(arguments).arg("--kubeconfig").arg(kubeconfig).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::<Mutex<Vec<Value>>>::default();
        let (stderr, gathered) = (BufReader::new(child.stderr.take().unwrap()), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                gathered.lock().unwrap().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Self { child, log }
    }

    /// The server, once it listens.
    pub(crate) fn serve(kubeconfig: &Path, arguments: &[&str]) -> (Self, SocketAddr) {
        let arguments: Vec<&str> = ["serve", "--listen", "127.0.0.1:0"].iter().chain(arguments).copied().collect();
        let mut program = Self::start(kubeconfig, &arguments);
        let address = program.until_said("listening", 1)["address"].as_str().unwrap().parse().unwrap();
        (program, address)
    }

    /// The lines so far that say this.
    pub(crate) fn said(&self, message: &str) -> Vec<Value> {
        self.log.lock().unwrap().iter().filter(|line| line["message"] == message).cloned().collect()
    }

    /// Waits until it was said so often, and returns the last such line.
    pub(crate) fn until_said(&mut self, message: &str, times: usize) -> Value {
        let began = Instant::now();
        loop {
            let said = self.said(message);
            if said.len() >= times {
                return said[times - 1].clone();
            }
            assert!(
                self.child.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE,
                "never {message}: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The whole log, for messages.
    pub(crate) fn log(&self) -> String {
        let lines: Vec<String> = self.log.lock().unwrap().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn terminate(&self) {
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for its end, and returns the exit status.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        until("ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
