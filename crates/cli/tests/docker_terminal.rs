//! `-t` on a real terminal: the container has one of its own, whose size is the caller's window's, and the caller's comes
//! back as it was, whatever happens. As whoever runs the tests, and again as users without privilege.
#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

mod common;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{binary, busybox, ringfence};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// A terminal with a command in the foreground.
struct Screen {
    controller: OwnedFd,
    /// Keeps the terminal, and shows its modes.
    terminal: OwnedFd,
    seen: Arc<Mutex<String>>,
    child: Child,
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Screen {
    /// ringfence with these arguments, on a terminal of 40 rows and 101 columns.
    fn start(args: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let controller = openpt(flags).unwrap();
        unlockpt(&controller).unwrap();
        let terminal = ioctl_tiocgptpeer(&controller, flags).unwrap();
        tcsetwinsize(&terminal, size(40, 101)).unwrap();
        let stream = || terminal.try_clone().unwrap();
        // The terminal is the command's own, as a shell would have it.
        let child = Command::new("setsid")
            .args(["--ctty"])
            .arg(binary())
            .args(args)
            .env("TERM", "xterm")
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .unwrap();
        let seen = Arc::new(Mutex::new(String::new()));
        let (mut from, to) = (File::from(controller.try_clone().unwrap()), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                to.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        Self { controller, terminal, seen, child }
    }

    fn say(&self, line: &str) {
        File::from(self.controller.try_clone().unwrap()).write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn shows(&self, text: &str) {
        let end = Instant::now() + Duration::from_mins(1);
        while !self.seen.lock().unwrap().contains(text) {
            assert!(Instant::now() < end, "{text:?} is not in {:?}", self.seen.lock().unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    fn end(&mut self) -> i32 {
        wait_until("it ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn image(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

#[test]
fn a_shell_has_a_terminal_of_the_containers_own() {
    let Some(dir) = busybox() else { return };
    let mut screen = Screen::start(&["run", "-it", "-u", "alice", image(dir.path()), "sh"]);
    wait_until("the caller's terminal is raw", || screen.is_raw());
    screen.say("echo tty=$(tty) size=$(stty size) term=$TERM");
    screen.shows("size=40 101 term=xterm");
    screen.shows("tty=/dev/");
    // Its own to control, and the console; its number is the first of a devpts of its own.
    screen.say("echo control > /dev/tty; ls /dev/pts; echo console=$(stat -c %t:%T /dev/console) pts=$(stat -c %t:%T /dev/pts/0)");
    screen.shows("\r\ncontrol\r\n");
    screen.shows("console=88:0 pts=88:0");
    screen.say("echo owner=$(stat -c %u /dev/pts/0)");
    screen.shows("owner=1000");
    tcsetwinsize(&screen.terminal, size(33, 77)).unwrap();
    screen.say("while ! stty size | grep -q '33 77'; do sleep 0.05; done; echo re''sized");
    screen.shows("resized");
    // Ctrl-C is the container's terminal's, and interrupts what is in the foreground there.
    screen.say("sleep 600; echo inter''rupted");
    screen.shows("sleep 600; echo inter''rupted");
    let mut interrupted = false;
    wait_until("the sleep is interrupted", || {
        // Whether the shell has started it already cannot be seen.
        if !interrupted {
            File::from(screen.controller.try_clone().unwrap()).write_all(&[3]).unwrap();
            screen.say("echo al''ive");
        }
        interrupted = screen.seen.lock().unwrap().contains("alive");
        interrupted
    });
    screen.say("exit 5");
    assert_eq!(screen.end(), 5, "{:?}", screen.seen.lock().unwrap());
    assert!(!screen.is_raw(), "the terminal is as it was");
}

#[test]
fn the_callers_terminal_comes_back_when_the_run_is_killed() {
    let Some(dir) = busybox() else { return };
    for signal in [rustix::process::Signal::KILL, rustix::process::Signal::HUP] {
        let mut screen = Screen::start(&["run", "-it", "--stop-timeout", "0", image(dir.path()), "sh"]);
        wait_until("the caller's terminal is raw", || screen.is_raw());
        screen.say("echo re''ady");
        screen.shows("ready");
        let pid = rustix::process::Pid::from_child(&screen.child);
        rustix::process::kill_process(pid, signal).unwrap();
        screen.end();
        wait_until("the terminal is as it was", || !screen.is_raw());
    }
}

#[test]
fn without_a_terminal_it_is_refused_in_dockers_words() {
    let Some(dir) = busybox() else { return };
    let ran = ringfence(["run", "-it", image(dir.path()), "sh"], "");
    assert_eq!((ran.code, ran.err.as_str()), (1, "error: the input device is not a TTY\n"));
    // A terminal without its input is nobody's window.
    let ran = ringfence(["run", "-t", image(dir.path()), "sh", "-c", "tty >/dev/null && echo yes"], "");
    assert_eq!((ran.code, ran.out.as_str()), (0, "yes\r\n"), "{}", ran.err);
}

#[test]
fn a_container_that_is_left_running_with_a_terminal_is_logged_and_entered() {
    let Some(dir) = busybox() else { return };
    let name = format!("t{}", std::process::id());
    let flags = ["run", "-dt", "--name", &name, image(dir.path()), "sh", "-c", "tty && echo up; sleep 600"];
    let ran = ringfence(flags, "");
    assert_eq!(ran.code, 0, "{}", ran.err);
    wait_until("its log", || ringfence(["logs", &name], "").out.contains("up\r\n"));
    let mut screen = Screen::start(&["exec", "-it", &name, "--", "sh"]);
    screen.say("echo size=$(stty size)");
    screen.shows("size=40 101");
    screen.say("exit 6");
    assert_eq!(screen.end(), 6);
    assert!(!screen.is_raw());
    assert_eq!(ringfence(["rm", "-f", &name], "").code, 0);
}

#[test]
fn all_of_it_holds_for_users_without_privilege() {
    let tests = [
        "a_shell_has_a_terminal_of_the_containers_own",
        "the_callers_terminal_comes_back_when_the_run_is_killed",
        "without_a_terminal_it_is_refused_in_dockers_words",
        "a_container_that_is_left_running_with_a_terminal_is_logged_and_entered",
    ];
    common::again_without_root(common::Caller::UserWithIds, &tests);
    common::again_without_root(common::Caller::User, &tests);
}
