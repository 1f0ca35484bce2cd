//! A command line for a shell.

/// The words, each in quotes where a shell would take it apart.
pub fn command_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        let words = ["docker", "--user=a:b", "it's", "", "$(x)"].map(str::to_owned);
        assert_eq!(command_line(&words), "docker --user=a:b 'it'\\''s' '' '$(x)'");
    }
}
