//! The records of an extended header (pax(1), "pax Extended Header"): each with its length in front of it, because a value
//! may have any byte in it.

use std::io;

use super::archive::malformed;

/// Records by their keys; of several with the same key the last counts.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<(String, Vec<u8>)>);

/// Where a fragment of a sparse file begins, and how long it is, in the form 0.0: several records with the same keys.
const OFFSET: &str = "GNU.sparse.offset";
const LENGTH: &str = "GNU.sparse.numbytes";
/// The same in the form 0.1.
pub(super) const MAP: &str = "GNU.sparse.map";

impl Records {
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let mut records = Vec::new();
        let mut map: Vec<u8> = Vec::new();
        let mut numbers = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (key, value, after) = record(rest).ok_or_else(|| malformed("an extended header is not understood"))?;
            rest = after;
            if key == OFFSET || key == LENGTH {
                if (numbers % 2 == 0) != (key == OFFSET) || value.contains(&b',') {
                    return Err(malformed("the fragments of a sparse file are not in order"));
                }
                if numbers > 0 {
                    map.push(b',');
                }
                map.extend(value);
                numbers += 1;
            } else {
                records.push((key.to_owned(), value.to_vec()));
            }
        }
        if numbers > 0 {
            records.push((MAP.to_owned(), map));
        }
        Ok(Self(records))
    }

    /// The value; `None`, too, for an empty one, which leaves what the plain header says.
    pub(super) fn bytes(&self, key: &str) -> Option<&[u8]> {
        let last = self.0.iter().rev().find(|(known, _)| known == key)?;
        (!last.1.is_empty()).then_some(&*last.1)
    }

    pub(super) fn text(&self, key: &str) -> io::Result<Option<&str>> {
        let not_text = |_| malformed(&format!("{key} of an extended header is no text"));
        self.bytes(key).map(|value| std::str::from_utf8(value).map_err(not_text)).transpose()
    }

    pub(super) fn signed(&self, key: &str) -> io::Result<Option<i64>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let wrong = |_| malformed(&format!("{key} of an extended header is {text:?}"));
        text.parse().map(Some).map_err(wrong)
    }

    pub(super) fn unsigned(&self, key: &str) -> io::Result<Option<u64>> {
        let Some(number) = self.signed(key)? else { return Ok(None) };
        let wrong = |_| malformed(&format!("{key} of an extended header is {number}"));
        u64::try_from(number).map(Some).map_err(wrong)
    }

    /// Records whose keys begin like this, with what follows.
    pub(super) fn beginning<'r>(&'r self, prefix: &'r str) -> impl Iterator<Item = (&'r str, &'r [u8])> {
        self.0.iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, &**value)))
    }
}

/// The first record, and what follows it.
fn record(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let digits = bytes.get(..space).filter(|digits| digits.len() < 10 && digits.iter().all(u8::is_ascii_digit))?;
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let key = std::str::from_utf8(record.get(..equals)?).ok().filter(|key| !key.is_empty() && !key.contains('\0'))?;
    let value = record.get(equals + 1..)?;
    // Names of users and groups are not used here.
    if matches!(key, "path" | "linkpath" | "GNU.sparse.name") && value.contains(&0) {
        return None;
    }
    Some((key, value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_have_lines_and_the_last_of_a_key_counts() {
        let records = Records::parse(b"14 path=a\nb=\n\n10 uid=12\n10 uid=13\n8 gid=7\n8 size=\n").unwrap();
        assert_eq!(records.bytes("path"), Some(&b"a\nb=\n"[..]));
        assert_eq!(records.unsigned("uid").unwrap(), Some(13));
        assert_eq!(records.unsigned("size").unwrap(), None);
    }

    #[test]
    fn what_is_malformed_is_an_error() {
        for bytes in
            [&b"5 a=b\n"[..], b"7 a=b\n", b"6 a=b", b"6 ab\n", b"5 =b\n", b"x a=b\n", b" ", b"99999999999 a=b\n"]
        {
            assert!(Records::parse(bytes).is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
        assert!(Records::parse(b"12 path=a\0b\n").is_err());
        assert!(Records::parse(b"10 uid=-1\n").unwrap().unsigned("uid").is_err());
        assert!(Records::parse(b"24 GNU.sparse.numbytes=\n").is_err());
    }

    #[test]
    fn fragments_in_records_of_their_own_become_a_map() {
        let records = Records::parse(
            b"23 GNU.sparse.offset=0\n25 GNU.sparse.numbytes=5\n24 GNU.sparse.offset=99\n25 GNU.sparse.numbytes=1\n",
        )
        .unwrap();
        assert_eq!(records.text(MAP).unwrap(), Some("0,5,99,1"));
    }
}
