//! `--env NAME[=VALUE]` and `--env-file FILE` (docker/cli `opts.ValidateEnv`, `pkg/kvfile`).

/// A setting; a name alone takes the caller's value, and is none where the caller has none.
pub fn environment(text: &str, of_caller: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    if name.is_empty() {
        return Err(format!("invalid environment variable: {text}"));
    }
    Ok(match value {
        Some(_) => Some(text.to_owned()),
        None => of_caller(name).map(|value| format!("{name}={value}")),
    })
}

/// The settings of a file, one on each line; empty lines and lines that begin with `#` say nothing.
pub fn file(path: &str, bytes: &[u8], of_caller: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>, String> {
    let text = str::from_utf8(bytes).map_err(|_| format!("invalid env file ({path}): the file is not valid UTF-8"))?;
    let mut settings = Vec::new();
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('=').next().unwrap_or_default();
        if name.is_empty() {
            return Err(format!("invalid env file ({path}): no variable name on line '{line}'"));
        }
        if name.contains(|c: char| c.is_ascii_whitespace()) {
            return Err(format!("invalid env file ({path}): variable '{name}' contains whitespaces"));
        }
        settings.extend(environment(line, of_caller)?);
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Option<String> {
        (name == "HOME").then(|| "/me".to_owned())
    }

    #[test]
    fn a_name_alone_takes_the_callers_value() {
        assert_eq!(environment("HOME", &caller), Ok(Some("HOME=/me".to_owned())));
        assert_eq!(environment("NONE", &caller), Ok(None));
        assert_eq!(environment("A=", &caller), Ok(Some("A=".to_owned())));
        assert!(environment("=x", &caller).is_err());
    }

    #[test]
    fn a_file_has_comments_and_no_quotes() {
        assert_eq!(
            file("f", b"# x\n\nA=\"1\"\n  B=2 \nHOME\nNONE\n", &caller).unwrap(),
            ["A=\"1\"", "B=2 ", "HOME=/me"]
        );
        assert!(file("f", b"A B=1", &caller).unwrap_err().contains("contains whitespaces"));
    }
}
