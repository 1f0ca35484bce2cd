//! `/proc/PID/status` (proc_pid_status(5)), read without allocating.

use super::text::number;

/// The value of a line, such as `0\t0\t0\t0` for `Uid`.
pub(super) fn line<'a>(status: &'a [u8], name: &str) -> Option<&'a [u8]> {
    status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(name.as_bytes())?.strip_prefix(b":"))
        .map(<[u8]>::trim_ascii)
}

/// The words of a value.
pub(super) fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A value that is one number.
pub(super) fn single(status: &[u8], name: &str, radix: u32) -> Option<u64> {
    number(line(status, name)?, radix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &[u8] = b"Name:\tx\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGroups:\t5 6 \nCapInh:\t00000000a80425fb\n";

    #[test]
    fn lines_are_found_by_their_whole_name() {
        assert_eq!(line(STATUS, "Uid"), Some(&b"1\t2\t3\t4"[..]));
        assert_eq!(line(STATUS, "Ui"), None);
        assert_eq!(words(line(STATUS, "Groups").expect("groups")).count(), 2);
    }

    #[test]
    fn numbers_are_read_in_their_radix() {
        assert_eq!(single(STATUS, "Umask", 8), Some(0o22));
        assert_eq!(single(STATUS, "CapInh", 16), Some(0xa804_25fb));
        assert_eq!(single(STATUS, "Name", 10), None);
    }
}
