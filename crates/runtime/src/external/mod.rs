//! An external OCI runtime as an engine: `runc`, `crun`, or one by its path.
//!
//! The runtime stays in the foreground as the container's parent; its own state lives in the launch's work directory,
//! and `delete --force` ends whatever is left.

mod failure;
mod flags;
mod streams;
mod wait;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio as ChildStdio};

use crate::engine::{Engine, Exit, Launch, Running, StartError};
use crate::state::CLEANUP;

/// An external OCI runtime.
#[derive(Clone, Debug)]
pub struct External {
    name: String,
    program: PathBuf,
}

impl External {
    /// The runtime of this name in PATH or at this path. Fails when there is none.
    pub fn find(name: &str) -> Result<Self, StartError> {
        let missing = || StartError::Machinery {
            what: format!("find the OCI runtime {name:?}"),
            source: io::Error::from(io::ErrorKind::NotFound),
        };
        let program = if name.contains('/') {
            fs::canonicalize(name)
                .map_err(|source| StartError::Machinery { what: format!("find the OCI runtime {name:?}"), source })?
        } else {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path)
                // Where OCI runtimes are installed, also when it is not in a user's PATH.
                .chain(["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from))
                .map(|dir| dir.join(name))
                .find(|candidate| rustix::fs::access(candidate, rustix::fs::Access::EXEC_OK).is_ok())
                .ok_or_else(missing)?
        };
        let name =
            Path::new(name).file_name().map_or_else(|| name.to_owned(), |name| name.to_string_lossy().into_owned());
        Ok(Self { name, program })
    }

    /// The runtime with everything before its own command.
    fn words(&self, work_dir: &Path) -> Vec<OsString> {
        let mut words = flags::wrapper(&self.name);
        words.push(self.program.clone().into());
        words.extend([OsString::from("--root"), work_dir.join("runtime").into()]);
        words.extend([OsString::from("--log"), work_dir.join("log").into()]);
        words.extend(flags::global(&self.name).into_iter().map(OsString::from));
        words
    }
}

impl Engine for External {
    fn name(&self) -> &str {
        &self.name
    }

    fn start(&self, launch: Launch<'_>) -> Result<Box<dyn Running>, StartError> {
        let machinery =
            |what: &'static str| move |source: io::Error| StartError::Machinery { what: what.to_owned(), source };
        if !launch.keep.is_empty() {
            return Err(StartError::Unsupported {
                what: "keeping further file descriptors".to_owned(),
                where_: format!("by {} as it is started here", self.name),
            });
        }
        let config = serde_json::to_vec(launch.spec).map_err(|error| machinery("write config.json")(error.into()))?;
        fs::write(launch.work_dir.join("config.json"), config).map_err(machinery("write config.json"))?;

        let mut delete = self.words(launch.work_dir);
        delete.extend(["delete", "--force", launch.id].map(OsString::from));
        let words: Vec<&[u8]> = delete.iter().map(|word| word.as_bytes()).collect();
        // In case this process is killed: see the guardian.
        fs::write(launch.work_dir.join(CLEANUP), words.join(&0)).map_err(machinery("write the clean-up command"))?;

        let pid_file = launch.work_dir.join("pid");
        let words = self.words(launch.work_dir);
        let Some((program, args)) = words.split_first() else {
            return Err(machinery("start the runtime")(io::ErrorKind::NotFound.into()));
        };
        let mut command = Command::new(program);
        command.args(args).arg("run").arg("--pid-file").arg(&pid_file);
        command.arg("--bundle").arg(launch.work_dir).arg(launch.id);
        // runc and crun look at these; nothing of the caller's may change what they do.
        command.env_remove("NOTIFY_SOCKET").env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
        if matches!(launch.stdio, crate::engine::Stdio::Terminal { .. }) {
            let what = "a terminal (process.terminal)".to_owned();
            return Err(StartError::Unsupported { what, where_: "with an external engine".to_owned() });
        }
        let [stdin, stdout, stderr] =
            streams::streams(launch.stdio).map_err(machinery("prepare the standard streams"))?;
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        let watch = wait::Watch::on(launch.work_dir).map_err(machinery("watch the work directory"))?;
        let child = command
            .spawn()
            .map_err(|source| StartError::Machinery { what: format!("start {}", self.program.display()), source })?;
        let mut running = Container { delete, work_dir: launch.work_dir.to_path_buf(), child, pid: 0, ended: None };
        match watch.for_file(&pid_file, &mut running.child).map_err(machinery("wait for the runtime"))? {
            wait::Seen::File(pid) => {
                running.pid = pid;
                Ok(Box::new(running))
            }
            wait::Seen::Ended(status) => {
                // Either it never started, or it ended before the watch saw the file.
                let log = fs::read(launch.work_dir.join("log")).unwrap_or_default();
                running.ended = Some(status);
                let command =
                    launch.spec.process().as_ref().and_then(|process| process.args().as_ref()?.first().cloned());
                match failure::from_log(&self.name, &String::from_utf8_lossy(&log), &command.unwrap_or_default()) {
                    Some(error) => Err(error),
                    None => Ok(Box::new(running)),
                }
            }
        }
    }
}

/// A container of an external runtime.
struct Container {
    delete: Vec<OsString>,
    work_dir: PathBuf,
    child: Child,
    pid: u32,
    ended: Option<Exit>,
}

impl Container {
    /// Ends the container and removes what the runtime keeps of it.
    fn delete(&self) {
        if let Some((program, args)) = self.delete.split_first() {
            // The container may have ended in this moment, so the outcome says nothing.
            let _ = Command::new(program)
                .args(args)
                .stdin(ChildStdio::null())
                .stdout(ChildStdio::null())
                .stderr(ChildStdio::null())
                .status();
        }
    }

    /// Whether the runtime still keeps something: one in the foreground deletes the container itself at its end.
    fn is_kept(&self) -> bool {
        self.delete.last().is_some_and(|id| self.work_dir.join("runtime").join(id).exists())
    }
}

impl Running for Container {
    fn pid(&self) -> u32 {
        self.pid
    }

    fn wait(&mut self) -> Result<Exit, StartError> {
        if let Some(exit) = self.ended {
            return Ok(exit);
        }
        let status = self
            .child
            .wait()
            .map_err(|source| StartError::Machinery { what: "wait for the runtime".to_owned(), source })?;
        let exit = wait::exit(status);
        self.ended = Some(exit);
        Ok(exit)
    }

    fn watch(&self) -> io::Result<std::os::fd::OwnedFd> {
        if self.ended.is_some() {
            // It never ran, or was gone before it was seen: an end of file says so.
            return Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?.0);
        }
        pidfd(&self.child)
    }

    fn signal(&self, signal: i32) -> Result<(), StartError> {
        if self.ended.is_some() {
            return Ok(());
        }
        // The runtime in the foreground passes signals on, but not SIGKILL, and a process ID may be used again; so it is
        // asked to send the signal.
        let Some((program, args)) = self.delete.split_first() else { return Ok(()) };
        let mut words: Vec<OsString> = args.to_vec();
        let Some(id) = words.pop() else { return Ok(()) };
        words.truncate(words.len().saturating_sub(2)); // delete --force
        let status = Command::new(program)
            .args(words)
            .arg("kill")
            .arg(id)
            .arg(signal.to_string())
            .stdin(ChildStdio::null())
            .stdout(ChildStdio::null())
            .stderr(ChildStdio::null())
            .status();
        match status {
            // It has ended already.
            Ok(_) => Ok(()),
            Err(source) => Err(StartError::Machinery { what: "send a signal through the runtime".to_owned(), source }),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.delete();
            // A runtime that is still there although its container is gone is of no use.
            if wait::ends_soon(&mut self.child).is_none() {
                let _ = self.child.kill();
            }
            let _ = self.child.wait();
        } else if self.is_kept() {
            self.delete();
        }
        let _ = fs::remove_file(self.work_dir.join(CLEANUP));
    }
}

/// A descriptor that becomes readable when the process ends.
fn pidfd(child: &Child) -> io::Result<std::os::fd::OwnedFd> {
    let pid = rustix::process::Pid::from_child(child);
    let fd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    debug_assert!(rustix::io::fcntl_getfd(fd.as_fd()).is_ok());
    Ok(fd)
}
