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

/// Where a user without privilege finds what he may not reach where it was built.
const COPIES: &str = "RINGFENCE_TEST_COPIES";

/// The program under test.
pub fn binary() -> PathBuf {
    match std::env::var_os(COPIES) {
        Some(copies) => PathBuf::from(copies).join("ringfence"),
        None => PathBuf::from(env!("CARGO_BIN_EXE_ringfence")),
    }
}

/// The workspace's root, from where tests run, so that paths in outputs are short and the same everywhere.
pub fn root() -> PathBuf {
    if let Some(copies) = std::env::var_os(COPIES) {
        return PathBuf::from(copies);
    }
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs ringfence with these arguments and this standard input.
pub fn ringfence<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>, stdin: impl AsRef<[u8]>) -> Ran {
    let mut child = Command::new(binary())
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

/// A root file system of busybox with the users of the conformance suite; none, and a word, where there is no busybox.
#[allow(dead_code, reason = "not every test file runs images")]
pub fn busybox() -> Option<tempfile::TempDir> {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let Some(binary) =
        ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| std::path::Path::new(path).is_file())
    else {
        println!("skipped: needs a busybox");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["bin", "etc", "dev", "proc", "sys", "tmp", "home"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::fs::copy(binary, at("bin/busybox")).unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(at("tmp"), std::fs::Permissions::from_mode(0o1777)).unwrap();
    let applets = [
        "sh", "id", "cat", "ls", "mknod", "touch", "stat", "grep", "env", "mount", "hostname", "df", "head", "sleep",
        "tty", "stty", "chown",
    ];
    for applet in applets {
        symlink("busybox", at("bin").join(applet)).unwrap();
    }
    std::fs::write(
        at("etc/passwd"),
        "root:x:0:0:root:/root:/bin/sh\napp:x:1500:1501:app:/home:/bin/sh\nalice:x:1000:1000::/home:/bin/sh\n",
    )
    .unwrap();
    let groups = "root:x:0:\ndaemon:x:1:root\napp:x:1501:\naudio:x:29:app,alice\nextra:x:50000:alice\n";
    std::fs::write(at("etc/group"), groups).unwrap();
    Some(dir)
}

/// Somebody who has no privilege over the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "not every test file is for all of them")]
pub enum Caller {
    /// A user without subordinate IDs.
    User,
    /// A user with them.
    UserWithIds,
    /// Root of a user namespace that has nobody else, as `unshare -r` makes it.
    NamespaceRoot,
    /// Root of a user namespace with users, as in a rootless container.
    NamespaceRootWithIds,
}

/// Runs the tests of this file that are named again, as somebody without privilege. Passed over by whoever is not root, who
/// is somebody like that already, and where no user can have a user namespace. Afterwards nothing of the user's may be left.
#[allow(dead_code, reason = "not every test file is for such a user")]
pub fn again_without_root(caller: Caller, tests: &[&str]) {
    const USER: u32 = 65_534;
    if !ringfence_runtime::observe::is_privileged() {
        return;
    }
    let subordinate = matches!(caller, Caller::UserWithIds | Caller::NamespaceRootWithIds);
    let namespace: &[&str] = match caller {
        Caller::User | Caller::UserWithIds => &[],
        Caller::NamespaceRoot => &["unshare", "--user", "--map-root-user"],
        Caller::NamespaceRootWithIds => &["unshare", "--user", "--map-root-user", "--map-auto"],
    };
    let has = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|dir| dir.join(program).exists())
    };
    let wanted: &[&str] = if subordinate { &["setpriv", "newuidmap", "newgidmap"] } else { &["setpriv"] };
    let can = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !wanted.iter().all(|program| has(program))
        || !can(Command::new("setpriv").args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "unshare",
            "-U",
            "true",
        ]))
    {
        eprintln!("skipped: no user namespaces for users, or not all of {wanted:?}, here");
        return;
    }
    let copies = tempfile::tempdir().unwrap();
    let at = copies.path();
    let open = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    open(at, 0o755);
    let copy = |from: &std::path::Path, to: &str| {
        let to = at.join(to);
        std::fs::hard_link(from, &to).or_else(|_| std::fs::copy(from, &to).map(drop)).unwrap();
        open(&to, 0o755);
    };
    copy(&binary(), "ringfence");
    copy(&std::env::current_exe().unwrap(), "tests");
    assert!(can(Command::new("cp").arg("-r").args([root().join("examples"), root().join("docs")]).arg(at)));
    let home = at.join("home");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(USER), Some(USER)).unwrap();
    // The files of subordinate IDs as they are to be, for this one process and what it starts.
    let ids = if subordinate { "nobody:1879048192:65536\n" } else { "" };
    std::fs::write(at.join("ids"), ids).unwrap();
    let script = "set -e; cd \"$1\"; shift; chmod -R a+rX examples docs; \
        if ! [ -e /etc/subuid ] || ! [ -e /etc/subgid ]; then \
          cp -a /etc etc; touch etc/subuid etc/subgid; mount --bind etc /etc; fi; \
        mount --bind ids /etc/subuid; mount --bind ids /etc/subgid; \
        exec setpriv --reuid=65534 --regid=65534 --clear-groups -- $NAMESPACE ./tests --show-output --exact \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(at)
        .args(tests)
        .env(COPIES, at)
        .env("NAMESPACE", namespace.join(" "))
        .env("HOME", &home)
        .env("TMPDIR", &home)
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("XDG_DATA_HOME")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    for test in tests {
        assert!(text.contains(&format!("test {test} ... ok")), "{text}");
    }
    for skipped in text.lines().filter(|line| line.starts_with("skipped")) {
        eprintln!("{skipped}");
    }
    // A guardian may still be at work.
    let state = home.join("ringfence-65534");
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while std::fs::read_dir(&state).is_ok_and(|mut left| left.next().is_some()) {
        assert!(std::time::Instant::now() < end, "{:?} is left", std::fs::read_dir(&state).unwrap().next());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
