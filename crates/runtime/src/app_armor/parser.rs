//! apparmor_parser(8): where it is, what it understands, and adding a profile with it.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::profile::Features;

/// Where distributions install it. Not `PATH`, which is the caller's: it is run as root.
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Where it looks for what a profile includes.
const INCLUDES: &str = "/etc/apparmor.d";

/// The program.
pub(super) struct Parser(PathBuf);

impl Parser {
    /// Finds it.
    pub(super) fn find() -> Option<Self> {
        DIRECTORIES.iter().map(|dir| Path::new(dir).join("apparmor_parser")).find(|path| path.is_file()).map(Self)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.0);
        command.env_clear().env("PATH", DIRECTORIES.join(":")).env("LC_ALL", "C").current_dir("/");
        command
    }

    /// What it understands and finds.
    pub(super) fn features(&self) -> io::Result<Features> {
        let said = self.command().arg("--version").stdin(Stdio::null()).output()?;
        let has = |file: &str| Path::new(INCLUDES).join(file).exists();
        Ok(Features {
            version: version(&String::from_utf8_lossy(&said.stdout)),
            abi: has("abi/3.0"),
            tunables: has("tunables/global"),
            base: has("abstractions/base"),
            caller: fs::read_to_string("/proc/self/attr/current").ok().and_then(|label| caller(&label)),
        })
    }

    /// Adds the profile; the kernel refuses one whose name is taken. The inner error is what the program said.
    pub(super) fn add(&self, text: &str) -> io::Result<Result<(), String>> {
        let mut child = self
            .command()
            .args(["--add", "--skip-cache"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // A profile fits into a pipe, so that nothing waits; a program that does not read it says why itself.
        let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes()));
        let output = child.wait_with_output()?;
        if output.status.success() {
            written?;
            return Ok(Ok(()));
        }
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Err(if said.is_empty() { output.status.to_string() } else { said }))
    }
}

/// `AppArmor parser version 3.0.8`, `… 4.0.0~alpha2`; a part that is not there is 0.
fn version(said: &str) -> Option<[u32; 3]> {
    let text = said.lines().next()?.rsplit_once("version ")?.1;
    let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let first = parts.next()?.ok()?;
    let mut next = || parts.next().and_then(Result::ok).unwrap_or(0);
    Some([first, next(), next()])
}

/// The profile in a label. One that is no plain word would be a pattern or more than one rule in the text, and is left
/// out: then its processes cannot signal the container's, which shows.
fn caller(label: &str) -> Option<String> {
    let name = label.trim_end_matches(['\0', '\n']).split(' ').next()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    (!name.is_empty() && name != "unconfined" && name.chars().all(is_plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_program_says_of_itself() {
        let copyright = "\nCopyright (C) 1999-2008 Novell Inc.\n";
        for (said, wanted) in [
            ("AppArmor parser version 3.0.8", Some([3, 0, 8])),
            ("AppArmor parser version 4.1", Some([4, 1, 0])),
            ("AppArmor parser version 4.0.0~alpha2", Some([4, 0, 0])),
            ("AppArmor parser version 2.8.95", Some([2, 8, 95])),
            ("no such thing", None),
            ("", None),
            ("version ", None),
            ("version 99999999999", None),
        ] {
            assert_eq!(version(&format!("{said}{copyright}")), wanted, "{said}");
        }
    }

    #[test]
    fn only_a_plain_label_becomes_part_of_a_profile() {
        assert_eq!(caller("/usr/bin/ringfence (enforce)\n").as_deref(), Some("/usr/bin/ringfence"));
        assert_eq!(caller("docker-default (enforce)").as_deref(), Some("docker-default"));
        for label in ["unconfined\n", "", "a,b (enforce)", "a//&b (enforce)", "** (enforce)", "a\nb", "\u{e9}"] {
            assert_eq!(caller(label), None, "{label:?}");
        }
    }

    #[test]
    fn a_program_that_fails_without_a_word_is_told_by_its_status() {
        let said = Parser(PathBuf::from("/bin/false")).add("profile").unwrap();
        assert!(said.unwrap_err().contains("exit status"));
        assert!(Parser(PathBuf::from("/no/such/program")).add("profile").is_err());
    }

    #[test]
    fn what_the_program_says_is_the_error() {
        // It does not know the options, and says so.
        let said = Parser(PathBuf::from("/bin/cat")).add("profile").unwrap();
        assert!(said.unwrap_err().contains("--add"));
    }
}
