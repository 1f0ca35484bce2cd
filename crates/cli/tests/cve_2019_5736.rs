//! CVE-2019-5736: a container whose command is `/proc/self/exe` runs the launcher's own program; another process of the
//! container then opens that process's file, and writes to it when the process is gone. Attacked for real, on a copy.

#![allow(clippy::unwrap_used, reason = "a test that cannot run its subject fails")]

use std::path::Path;
use std::process::{Command, Output};

/// Holds the file of the process that runs the program, ends the process, and writes through what it holds.
const ATTACK: &str = r#"
for exe in /proc/[0-9]*/exe; do
    pid=${exe#/proc/}; pid=${pid%/exe}
    if grep -q ringfence-inside "/proc/$pid/cmdline" 2>/dev/null && [ "$pid" != 1 ] && [ "$pid" != $$ ]; then
        exec 3<"$exe" || exit 40
        kill -KILL "$pid"
        sleep 0.2
        i=0
        while [ $i -lt 50 ]; do
            # Busy, as long as somebody else runs it: tried again.
            if printf overwritten 2>/dev/null >/proc/self/fd/3; then echo WRITTEN; exit 41; fi
            printf overwritten >/proc/self/fd/3
            i=$((i+1)); sleep 0.02
        done
        echo refused
        exit 0
    fi
done
echo nobody runs the program
exit 42
"#;

fn run(binary: &Path, args: &[&str]) -> Output {
    Command::new(binary).args(args).output().unwrap()
}

#[test]
fn cve_2019_5736_a_container_cannot_overwrite_the_launchers_program() {
    let dir =
        tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let binary = dir.path().join("ringfence");
    std::fs::copy(env!("CARGO_BIN_EXE_ringfence"), &binary).unwrap();
    let before = std::fs::read(&binary).unwrap();
    let name = format!("cve-2019-5736-{}", std::process::id());
    let manifest = dir.path().join("pod.yaml");
    std::fs::write(
        &manifest,
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  shareProcessNamespace: true\n  \
             restartPolicy: Never\n  containers:\n  \
             - {{name: victim, image: i, command: [/proc/self/exe, --ringfence-inside, pause]}}\n  \
             - {{name: attacker, image: i, command: [sleep, '60']}}\n"
        ),
    )
    .unwrap();
    let started = run(&binary, &["run", "-d", manifest.to_str().unwrap()]);
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
    let attack = run(&binary, &["exec", "-c", "attacker", &name, "--", "sh", "-c", ATTACK]);
    run(&binary, &["rm", "-f", &name]);
    let said = String::from_utf8_lossy(&attack.stdout).into_owned() + &String::from_utf8_lossy(&attack.stderr);
    assert_eq!(attack.status.code(), Some(0), "{said}");
    assert!(said.contains("refused"), "{said}");
    if ringfence_runtime::observe::is_privileged() {
        // Not only because somebody still runs it.
        assert!(said.contains("Read-only file system"), "{said}");
    }
    assert!(std::fs::read(&binary).unwrap() == before, "the program was changed");
}
