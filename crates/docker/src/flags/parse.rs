//! A command line, read as docker's command does with `github.com/spf13/pflag`: flags come before the image, and what
//! follows the image is its command.

use super::{Flag, Takes, known, suggestion};
use crate::refusal::Refusal;

/// A flag that is not docker's and may stand among its flags.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// The long name, without dashes.
    pub name: String,
    /// The letter.
    pub short: Option<char>,
    /// What follows.
    pub takes: Takes,
}

/// A flag as it was given.
#[derive(Clone, Debug)]
pub struct Given {
    /// Which.
    pub flag: &'static Flag,
    /// Its value; `true` or `false` for a switch.
    pub value: String,
    /// Whether it was given by its letter, which error messages show.
    pub by_letter: bool,
}

impl Given {
    /// docker's words for a value that it does not take.
    pub fn invalid(&self, why: &str) -> Refusal {
        let name = self.flag.name;
        let shown = self.flag.short.map_or_else(|| format!("--{name}"), |letter| format!("-{letter}, --{name}"));
        Refusal::usage(format!("invalid argument {:?} for \"{shown}\" flag: {why}", self.value))
    }
}

/// A command line taken apart.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// Docker's flags, in their order.
    pub given: Vec<Given>,
    /// The other flags, as `--name=value` or `--name`.
    pub foreign: Vec<String>,
    /// The image.
    pub image: Option<String>,
    /// What follows the image.
    pub command: Vec<String>,
}

enum Found {
    Docker(&'static Flag),
    Foreign(Foreign),
}

impl Found {
    fn takes(&self) -> Takes {
        match self {
            Self::Docker(flag) => flag.takes,
            Self::Foreign(foreign) => foreign.takes,
        }
    }
}

/// Takes a command line apart. Docker's flags win over those of the same name in `foreign`.
pub fn parse(args: &[String], foreign: &[Foreign]) -> Result<Parsed, Refusal> {
    let mut parsed = Parsed::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            parsed.image = rest.next().cloned();
            break;
        }
        if let Some(long) = arg.strip_prefix("--") {
            let (name, attached) =
                long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value.to_owned())));
            let own = || foreign.iter().find(|foreign| foreign.name == name).cloned().map(Found::Foreign);
            let found = known(name).map(Found::Docker).or_else(own).ok_or_else(|| unknown(name))?;
            let value = match (attached, found.takes()) {
                (Some(value), _) => value,
                (None, Takes::Switch) => "true".to_owned(),
                (None, Takes::Value) => {
                    rest.next().cloned().ok_or_else(|| Refusal::usage(format!("flag needs an argument: --{name}")))?
                }
            };
            parsed.take(&found, value, false)?;
        } else if let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            let mut letters_left = letters.chars();
            while let Some(letter) = letters_left.next() {
                let docker = super::FLAGS.iter().find(|flag| flag.short == Some(letter)).map(Found::Docker);
                let own = || foreign.iter().find(|foreign| foreign.short == Some(letter)).cloned().map(Found::Foreign);
                let found = docker
                    .or_else(own)
                    .ok_or_else(|| Refusal::usage(format!("unknown shorthand flag: {letter:?} in -{letters}")))?;
                let after = letters_left.as_str();
                let attached = after.strip_prefix('=').map(str::to_owned);
                let value = match (found.takes(), attached) {
                    (_, Some(value)) => {
                        letters_left = "".chars();
                        value
                    }
                    (Takes::Switch, None) => "true".to_owned(),
                    (Takes::Value, None) if !after.is_empty() => {
                        letters_left = "".chars();
                        after.to_owned()
                    }
                    (Takes::Value, None) => rest
                        .next()
                        .cloned()
                        .ok_or_else(|| Refusal::usage(format!("flag needs an argument: {letter:?} in -{letters}")))?,
                };
                parsed.take(&found, value, true)?;
            }
        } else {
            parsed.image = Some(arg.clone());
            break;
        }
    }
    parsed.command = rest.cloned().collect();
    Ok(parsed)
}

impl Parsed {
    fn take(&mut self, found: &Found, value: String, by_letter: bool) -> Result<(), Refusal> {
        match found {
            Found::Docker(flag) => {
                let mut given = Given { flag, value, by_letter };
                if flag.takes == Takes::Switch {
                    let truth = crate::value::boolean(&given.value).ok_or_else(|| {
                        let why = format!("strconv.ParseBool: parsing {:?}: invalid syntax", given.value);
                        given.invalid(&why)
                    })?;
                    given.value = truth.to_string();
                }
                self.given.push(given);
            }
            Found::Foreign(Foreign { name, takes: Takes::Switch, .. }) => self.foreign.push(format!("--{name}")),
            Found::Foreign(Foreign { name, .. }) => self.foreign.push(format!("--{name}={value}")),
        }
        Ok(())
    }
}

fn unknown(name: &str) -> Refusal {
    let hint = match suggestion(name) {
        Some(near) => format!("did you mean --{near}?"),
        None => "docker run has no such flag; `ringfence run --help` lists those that it has".to_owned(),
    };
    Refusal::usage(format!("unknown flag: --{name}: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> [Foreign; 2] {
        [
            Foreign { name: "prove".to_owned(), short: None, takes: Takes::Switch },
            Foreign { name: "output".to_owned(), short: Some('o'), takes: Takes::Value },
        ]
    }

    fn read(line: &str) -> Result<Parsed, Refusal> {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&args, &own())
    }

    fn shown(line: &str) -> Vec<String> {
        read(line).unwrap().given.iter().map(|given| format!("{}={}", given.flag.name, given.value)).collect()
    }

    #[test]
    fn values_are_attached_or_follow() {
        assert_eq!(
            shown("-it -u app -v/a:/b -w=/x --cap-add=ALL --net host img"),
            ["interactive=true", "tty=true", "user=app", "volume=/a:/b", "workdir=/x", "cap-add=ALL", "network=host"]
        );
    }

    #[test]
    fn flags_end_at_the_image() {
        let parsed = read("--rm --prove -o json img ls -l --user x").unwrap();
        assert_eq!(parsed.image.as_deref(), Some("img"));
        assert_eq!(parsed.command, ["ls", "-l", "--user", "x"]);
        assert_eq!(parsed.foreign, ["--prove", "--output=json"]);
        assert_eq!(read("-- img -x").unwrap().command, ["-x"]);
    }

    #[test]
    fn a_value_may_look_like_a_flag() {
        assert_eq!(shown("--user -1 --entrypoint --rm img"), ["user=-1", "entrypoint=--rm"]);
    }

    #[test]
    fn what_is_wrong_is_said_as_docker_does() {
        let message = |line: &str| read(line).unwrap_err().message;
        assert_eq!(message("--cap-ad ALL img"), "unknown flag: --cap-ad: did you mean --cap-add?");
        assert_eq!(message("-Z img"), "unknown shorthand flag: 'Z' in -Z");
        assert_eq!(message("--user"), "flag needs an argument: --user");
        assert_eq!(message("-itu"), "flag needs an argument: 'u' in -itu");
        assert_eq!(
            message("--privileged=maybe img"),
            "invalid argument \"maybe\" for \"--privileged\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax"
        );
    }
}
