//! A command line for a shell.

/// The words, each in quotes where a shell would take it apart.
pub fn command_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@+%".contains(c);
    let ends_a_line = |c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c);
    if word.contains(ends_a_line) {
        // As bash, ksh and zsh read it: one line, and nothing that moves a cursor.
        let letter = |c: char| match c {
            '\'' | '\\' => format!("\\{c}"),
            c if ends_a_line(c) => {
                let mut buffer = [0; 4];
                c.encode_utf8(&mut buffer).bytes().map(|byte| format!("\\x{byte:02x}")).collect::<Vec<_>>().concat()
            }
            c => c.to_string(),
        };
        return format!("$'{}'", word.chars().map(letter).collect::<Vec<_>>().concat());
    }
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
        assert_eq!(quoted("a\n'\u{1b}"), "$'a\\x0a\\'\\x1b'");
        assert_eq!(command_line(&words), "docker --user=a:b 'it'\\''s' '' '$(x)'");
    }
}
