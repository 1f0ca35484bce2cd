//! Whether a command line of `run` is docker's, and what it says.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args as _, CommandFactory as _, Parser};
use ringfence_docker::{Effect, FLAGS, Foreign, Given, Options, Parsed, Refusal, Takes, known, parse};

use super::{CallersFiles, is_rootfs};
use crate::commands;
use crate::facts::FactsArgs;
use crate::machine::MachineArgs;

/// What a command line is.
pub(super) enum What {
    /// About a manifest, or nothing that can be understood here.
    Manifest,
    /// A question.
    Help,
    /// Docker's, and wrong.
    Wrong(Refusal),
    /// Docker's.
    Image(Box<Line>),
}

/// A command line of docker's.
pub(super) struct Line {
    pub(super) options: Options,
    /// Every flag as given, for what is to be said of it.
    pub(super) given: Vec<Given>,
    pub(super) own: Own,
}

/// Whose rules are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Version {
    /// docker 20.10, as in Debian 12.
    #[value(name = "20.10")]
    V20_10,
    /// docker 29.
    #[value(name = "29")]
    V29,
}

impl From<Version> for ringfence_docker::Version {
    fn from(version: Version) -> Self {
        match version {
            Version::V20_10 => Self::V20_10,
            Version::V29 => Self::V29,
        }
    }
}

/// Flags beside docker's.
#[derive(Debug, Parser)]
#[command(name = "ringfence run", disable_help_flag = true)]
pub(super) struct Own {
    #[command(flatten)]
    pub(super) facts: FactsArgs,

    #[command(flatten)]
    pub(super) machine: MachineArgs,

    /// Run a probe in place of the command, and show what was computed beside what the kernel says.
    #[arg(long)]
    pub(super) prove: bool,

    /// How to print what --prove shows.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(super) output: Format,

    /// Whose rules: the versions differ in which capabilities and system calls there are.
    #[arg(long, value_name = "VERSION", default_value = "20.10")]
    pub(super) docker_version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A table.
    Text,
    /// One JSON document.
    Json,
    /// The same in one line.
    Jsonl,
}

/// Looks at what follows `run`.
pub(super) fn what(args: &[String]) -> What {
    let own = flags_of(&Own::command());
    let manifest = flags_of(&commands::run::Args::augment_args(clap::Command::new("run")));
    let all: Vec<Foreign> = own.iter().chain(&manifest).cloned().collect();
    let parsed = match parse(args, &all) {
        Ok(parsed) => parsed,
        // A flag that nobody knows: whose it would be, what follows tells.
        Err(_) if args.iter().any(|arg| is_manifest(arg)) => return What::Manifest,
        Err(refusal) => return What::Wrong(refusal),
    };
    if parsed.given.iter().any(|given| given.flag.name == "help") || args.iter().any(|arg| arg == "--help") {
        return if parsed.image.is_none() { What::Help } else { What::Manifest };
    }
    // Docker's flags that `run` has for manifests as well decide nothing.
    let is_dockers = |given: &&Given| {
        !manifest.iter().any(|flag| flag.name == given.flag.name || (given.by_letter && flag.short == given.flag.short))
    };
    let dockers = parsed.given.iter().find(is_dockers);
    let of_docker = dockers.is_some() || parsed.foreign.iter().any(|flag| is_own_alone(flag, &own, &manifest));
    match &parsed.image {
        None if of_docker => What::Wrong(Refusal::usage("\"docker run\" requires at least 1 argument: name an image")),
        None => What::Manifest,
        Some(image) if is_manifest(image) => match dockers {
            Some(given) => What::Wrong(Refusal::usage(format!(
                "--{} is a flag for images, and {image} is a manifest: write it there; `ringfence docker run` prints the pod of a command line",
                given.flag.name
            ))),
            None => What::Manifest,
        },
        Some(_) => line(parsed, &own).map_or_else(What::Wrong, |line| What::Image(Box::new(line))),
    }
}

fn line(parsed: Parsed, known_here: &[Foreign]) -> Result<Line, Refusal> {
    let name = |flag: &str| flag.trim_start_matches('-').split('=').next().unwrap_or_default().to_owned();
    if let Some(flag) =
        parsed.foreign.iter().map(|flag| name(flag)).find(|flag| !known_here.iter().any(|own| own.name == *flag))
    {
        return Err(Refusal::usage(format!("--{flag} is a flag for manifests, and no manifest is given")));
    }
    let mut own =
        Own::try_parse_from(std::iter::once("ringfence run".to_owned()).chain(parsed.foreign.iter().cloned()))
            .map_err(|error| Refusal::usage(error.to_string().trim_start_matches("error: ").trim_end()))?;
    for given in &parsed.given {
        if let Effect::Refused(why) = given.flag.effect {
            return Err(Refusal::usage(format!("--{} is not possible here: {why}", given.flag.name)));
        }
    }
    let options = Options::new(&parsed, own.docker_version.into(), &CallersFiles)?;
    let path = PathBuf::from(&options.image);
    if path.is_dir() && is_rootfs(&path) {
        own.machine = own.machine.with_rootfs(path);
    } else if path.exists() {
        own.machine = own.machine.with_image(path);
    }
    Ok(Line { options, given: parsed.given, own })
}

/// A flag that only images have.
fn is_own_alone(flag: &str, own: &[Foreign], manifest: &[Foreign]) -> bool {
    let name = flag.trim_start_matches('-').split('=').next().unwrap_or_default();
    own.iter().any(|flag| flag.name == name) && !manifest.iter().any(|flag| flag.name == name)
}

/// The flags of a command, as the reader of docker's command lines wants them.
fn flags_of(command: &clap::Command) -> Vec<Foreign> {
    let takes = |arg: &clap::Arg| {
        if arg.get_action().takes_values() { Takes::Value } else { Takes::Switch }
    };
    let named = command.get_arguments().filter_map(|arg| Some((arg.get_long()?.to_owned(), arg)));
    named.map(|(name, arg)| Foreign { name, short: arg.get_short(), takes: takes(arg) }).collect()
}

/// Whether the argument names manifests rather than an image: standard input, a directory or file that has some, or what
/// is called like one.
fn is_manifest(name: &str) -> bool {
    let path = Path::new(name);
    let called_like_one =
        path.extension().is_some_and(|extension| ["yaml", "yml", "json", "jsonl"].iter().any(|one| extension == *one));
    if name == "-" || called_like_one {
        return true;
    }
    if path.is_dir() {
        return !path.join("oci-layout").is_file() && !is_rootfs(path);
    }
    path.is_file() && !is_archive(path)
}

/// An archive, compressed or not, as tar(5), gzip and zstd begin; everything else that is a file is text.
fn is_archive(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(512).read_to_end(&mut start));
    read.is_ok()
        && (start.starts_with(&[0x1f, 0x8b])
            || start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
            || start.get(257..262) == Some(b"ustar".as_slice()))
}

/// What `run --help` says: of manifests as clap has it, then docker's flags.
pub(super) fn help() -> String {
    let mut command = crate::args::Cli::command();
    command.build();
    let of_manifests =
        command.find_subcommand_mut("run").map(|run| run.render_long_help().ansi().to_string()).unwrap_or_default();
    format!("{of_manifests}\n{}", docker_help())
}

/// Docker's flags that are applied, and the flags beside them.
pub(super) fn docker_help() -> String {
    let mut text = "Docker's command line: ringfence run [FLAGS] IMAGE [COMMAND] [ARG...]\n  IMAGE is an archive, an OCI layout or a root file system by its path, or a name that --image or --images knows.\n  Flags come before it, and everything after it is the command.\n\n".to_owned();
    let line = |short: Option<char>, name: &str, takes: Takes, help: &str| {
        let short = short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
        let value = if takes == Takes::Value { " VALUE" } else { "" };
        format!("  {short}{:<28} {help}\n", format!("--{name}{value}"))
    };
    for flag in FLAGS.iter().filter(|flag| flag.effect == Effect::Applied) {
        text += &line(flag.short, flag.name, flag.takes, flag.help);
    }
    text += "\nWith these:\n";
    for name in ["prove", "output", "docker-version"] {
        let command = Own::command();
        let found = command.get_arguments().find(|arg| arg.get_long() == Some(name));
        if let (Some(arg), None) = (found, known(name)) {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let takes = if arg.get_action().takes_values() { Takes::Value } else { Takes::Switch };
            text += &line(arg.get_short(), name, takes, help.trim_end_matches('.'));
        }
    }
    text += "\nThe exit status is the command's; 125: docker would refuse, 126: the command cannot be executed, 127: something\nthat is named is not there. docs/docker.md has every flag.\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_no_file_is_an_image_unless_it_is_called_like_a_manifest() {
        assert!(is_manifest("-") && is_manifest("missing.yaml") && is_manifest("x/missing.json"));
        assert!(!is_manifest("busybox") && !is_manifest("docker.io/library/busybox:1"));
    }

    #[test]
    fn directories_and_files_are_told_by_what_they_hold() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(path("pod"), "kind: Pod\n").unwrap();
        std::fs::create_dir_all(path("root/etc")).unwrap();
        std::fs::create_dir_all(path("manifests")).unwrap();
        std::fs::create_dir_all(path("layout")).unwrap();
        std::fs::write(path("layout/oci-layout"), "{}").unwrap();
        std::fs::write(path("image.tar.gz"), [0x1f, 0x8b, 8]).unwrap();
        let manifest = |name: &str| is_manifest(&path(name));
        assert!(manifest("pod") && manifest("manifests"));
        assert!(!manifest("root") && !manifest("layout") && !manifest("image.tar.gz"));
    }

    #[test]
    fn help_lists_every_flag_that_is_applied() {
        let help = docker_help();
        assert!(help.contains("-u, --user VALUE"), "{help}");
        assert!(help.contains("--prove") && !help.contains("--gpus"), "{help}");
    }
}
