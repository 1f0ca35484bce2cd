//! What is executed and with which environment (moby `daemon/commit.go`, `merge`; `container.CreateDaemonEnvironment`).

use ringfence_context::facts::ImageFacts;

use crate::options::Options;
use crate::refusal::Refusal;

/// The command of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessArgs {
    /// The command and its arguments.
    pub args: Vec<String>,
    /// `NAME=VALUE`: docker's own, the image's and the command line's; without HOSTNAME and HOME, which are found when
    /// the container starts.
    pub env: Vec<String>,
    /// The working directory.
    pub cwd: String,
}

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Puts the command line and the image together.
pub fn process_args(options: &Options, image: &ImageFacts) -> Result<ProcessArgs, Refusal> {
    let mut command = options.command.clone();
    let mut entrypoint: Vec<String> = options.entrypoint.iter().filter(|entry| !entry.is_empty()).cloned().collect();
    if entrypoint.is_empty() && options.entrypoint.is_none() {
        if command.is_empty() {
            command.clone_from(&image.cmd);
        }
        if image.entrypoint != [""] {
            entrypoint.clone_from(&image.entrypoint);
        }
    }
    entrypoint.extend(command);
    if entrypoint.is_empty() {
        return Err(Refusal::daemon("No command specified"));
    }
    let cwd = if options.workdir.is_empty() { &image.working_dir } else { &options.workdir };
    let cwd = if cwd.is_empty() { "/" } else { cwd };
    Ok(ProcessArgs { args: entrypoint, env: environment(options, image), cwd: cwd.to_owned() })
}

/// The environment without a command, for a probe.
pub(super) fn environment(options: &Options, image: &ImageFacts) -> Vec<String> {
    let mut env = vec![PATH.to_owned()];
    if options.beside("tty") == Some("true") {
        env.push("TERM=xterm".to_owned());
    }
    for setting in image.env.iter().chain(&options.env) {
        let name = name_of(setting);
        match env.iter_mut().find(|known| name_of(known) == name) {
            Some(known) => known.clone_from(setting),
            None => env.push(setting.clone()),
        }
    }
    env
}

fn name_of(setting: &str) -> &str {
    setting.split_once('=').map_or(setting, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(|text| (*text).to_owned()).collect()
    }

    fn args(entrypoint: Option<&str>, command: &[&str]) -> Vec<String> {
        let image = ImageFacts { entrypoint: strings(&["/entry"]), cmd: strings(&["serve"]), ..ImageFacts::default() };
        let options =
            Options { entrypoint: entrypoint.map(str::to_owned), command: strings(command), ..Options::default() };
        process_args(&options, &image).map(|process| process.args).unwrap_or_default()
    }

    #[test]
    fn an_entry_point_of_the_command_line_takes_the_images_command_away() {
        assert_eq!(args(None, &[]), ["/entry", "serve"]);
        assert_eq!(args(None, &["x"]), ["/entry", "x"]);
        assert_eq!(args(Some("sh"), &[]), ["sh"]);
        assert_eq!(args(Some("sh"), &["-c"]), ["sh", "-c"]);
        assert_eq!(args(Some(""), &["ls"]), ["ls"]);
        assert!(args(Some(""), &[]).is_empty(), "No command specified");
    }

    #[test]
    fn the_command_line_wins_over_the_image_and_the_image_over_docker() {
        let image = ImageFacts { env: strings(&["PATH=/bin", "A=1"]), ..ImageFacts::default() };
        let options = Options { env: strings(&["A=2", "B=3"]), ..Options::default() };
        assert_eq!(environment(&options, &image), ["PATH=/bin", "A=2", "B=3"]);
    }
}
