//! `--ulimit NAME=SOFT[:HARD]` (`github.com/docker/go-units`, `ParseUlimit`).

use std::fmt;

/// The limits that docker knows; `as` is not among them, because it would hit the runtime itself.
const NAMES: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// A resource limit; -1 is unlimited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// Such as `nofile`: getrlimit(2)'s name in lower case, without `RLIMIT_`.
    pub name: String,
    /// What is enforced.
    pub soft: i64,
    /// Up to which the process may raise it.
    pub hard: i64,
}

impl Ulimit {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, limits) = text.split_once('=').ok_or_else(|| format!("invalid ulimit argument: {text}"))?;
        if !NAMES.contains(&name) {
            return Err(format!("invalid ulimit type: {name}"));
        }
        let number =
            |text: &str| text.parse::<i64>().map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
        let parts: Vec<&str> = limits.split(':').collect();
        let (soft, hard) = match *parts.as_slice() {
            [soft] => (number(soft)?, number(soft)?),
            [soft, hard] => {
                let hard = number(hard)?;
                (number(soft)?, hard)
            }
            _ => {
                return Err(format!(
                    "too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`"
                ));
            }
        };
        let too_large = "ulimit soft limit must be less than or equal to hard limit:";
        if hard != -1 && soft == -1 {
            return Err(format!("{too_large} soft: -1 (unlimited), hard: {hard}"));
        }
        if hard != -1 && soft > hard {
            return Err(format!("{too_large} {soft} > {hard}"));
        }
        Ok(Self { name: name.to_owned(), soft, hard })
    }
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.name, self.soft, self.hard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hard_limit_is_the_soft_one_where_none_is_given() {
        assert_eq!(Ulimit::parse("nofile=512").unwrap().to_string(), "nofile=512:512");
        assert_eq!(Ulimit::parse("core=0:-1").unwrap().to_string(), "core=0:-1");
    }

    #[test]
    fn what_is_wrong_is_said_as_docker_does() {
        let message = |text: &str| Ulimit::parse(text).unwrap_err();
        assert_eq!(message("bogus=1"), "invalid ulimit type: bogus");
        assert_eq!(message("nofile"), "invalid ulimit argument: nofile");
        assert_eq!(
            message("nofile=2048:1024"),
            "ulimit soft limit must be less than or equal to hard limit: 2048 > 1024"
        );
        assert_eq!(
            message("nofile=1:2:3"),
            "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`"
        );
        assert_eq!(message("nofile=x"), "strconv.ParseInt: parsing \"x\": invalid syntax");
    }
}
