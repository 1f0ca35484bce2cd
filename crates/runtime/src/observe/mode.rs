//! A file's mode as `ls -l` prints it.

/// Type and permission bits in ten characters, such as `drwxrwsrwt`.
pub fn mode_string(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o060_000 => 'b',
        0o020_000 => 'c',
        0o010_000 => 'p',
        0o140_000 => 's',
        0o100_000 => '-',
        _ => '?',
    };
    let bit = |mask: u32, letter: char| if mode & mask == 0 { '-' } else { letter };
    // The special bits show in place of x: lower case where x is set too.
    let execute = |x: u32, special: u32, letter: char| match (mode & x != 0, mode & special != 0) {
        (true, true) => letter,
        (false, true) => letter.to_ascii_uppercase(),
        (true, false) => 'x',
        (false, false) => '-',
    };
    [
        kind,
        bit(0o400, 'r'),
        bit(0o200, 'w'),
        execute(0o100, 0o4000, 's'),
        bit(0o040, 'r'),
        bit(0o020, 'w'),
        execute(0o010, 0o2000, 's'),
        bit(0o004, 'r'),
        bit(0o002, 'w'),
        execute(0o001, 0o1000, 't'),
    ]
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::mode_string;

    #[test]
    fn special_bits_show_in_place_of_x() {
        assert_eq!(mode_string(0o040_777), "drwxrwxrwx");
        assert_eq!(mode_string(0o043_777), "drwxrwsrwt");
        assert_eq!(mode_string(0o107_644), "-rwSr-Sr-T");
        assert_eq!(mode_string(0o104_755), "-rwsr-xr-x");
        assert_eq!(mode_string(0o010_000), "p---------");
    }
}
