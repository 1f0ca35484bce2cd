//! Files with holes in tar archives (GNU tar, "Storing Sparse Files"): a map says where the stored bytes belong, and what
//! lies between is not stored. The map is in blocks after the header (old GNU format), in an extended header (PAX 0.0 and
//! 0.1) or before the bytes (PAX 1.0).
//!
//! What is refused is what Go's `archive/tar` refuses, which containerd and docker read layers with.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};

use super::archive::{BLOCK, malformed};
use super::numbers::unsigned;
use super::pax::{MAP, Records};

/// A map is not longer than this, in the form in which it is stored.
const MAX_MAP: usize = 1 << 20;

/// A number of bytes that are stored, and where in the file they belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    offset: u64,
    length: u64,
}

/// A file with holes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sparse {
    fragments: Vec<Fragment>,
    /// The length of the file with its holes.
    size: u64,
}

impl Sparse {
    fn new(fragments: Vec<Fragment>, size: u64) -> io::Result<Self> {
        let mut end = 0;
        for fragment in &fragments {
            let next = fragment.offset.checked_add(fragment.length).filter(|next| *next <= size);
            if fragment.offset < end || next.is_none() {
                return Err(malformed("the fragments of a sparse file overlap, or lie beyond its end"));
            }
            end = next.unwrap_or(size);
        }
        if i64::try_from(size).is_err() {
            return Err(malformed("a sparse file is larger than any file"));
        }
        Ok(Self { fragments, size })
    }

    /// From an old header and the blocks that follow it.
    pub(super) fn old(header: &[u8; BLOCK], mut block: impl FnMut() -> io::Result<[u8; BLOCK]>) -> io::Result<Self> {
        let field = |bytes: &[u8; BLOCK], at: usize, length: usize| bytes.get(at..at + length).map(<[u8]>::to_vec);
        let size = unsigned(&field(header, 483, 12).unwrap_or_default())?;
        let mut fragments = Vec::new();
        let mut add = |bytes: &[u8; BLOCK], at: usize, count: usize| -> io::Result<()> {
            for i in 0..count {
                let offset = field(bytes, at + i * 24, 12).unwrap_or_default();
                let length = field(bytes, at + i * 24 + 12, 12).unwrap_or_default();
                if offset.first() == Some(&0) {
                    break;
                }
                fragments.push(Fragment { offset: unsigned(&offset)?, length: unsigned(&length)? });
            }
            Ok(())
        };
        add(header, 386, 4)?;
        let mut has_more = header.get(482).is_some_and(|flag| *flag != 0);
        let mut read = BLOCK;
        while has_more {
            read += BLOCK;
            if read > MAX_MAP {
                return Err(too_long());
            }
            let block = block()?;
            add(&block, 0, 21)?;
            has_more = block.get(504).is_some_and(|flag| *flag != 0);
        }
        Self::new(fragments, size)
    }

    /// From an extended header; for the form 1.0 with the map that `block` reads from the file's stored bytes. `None` when
    /// it speaks of no sparse file. `stored` is the length of what is stored.
    pub(super) fn pax(
        records: &Records,
        stored: u64,
        block: impl FnMut() -> io::Result<[u8; BLOCK]>,
    ) -> io::Result<Option<Self>> {
        let version = (records.text("GNU.sparse.major")?, records.text("GNU.sparse.minor")?);
        let is_1_0 = match version {
            (Some("1"), Some("0")) => true,
            (Some("0"), Some("0" | "1")) => false,
            (None, None) if records.bytes(MAP).is_some() => false,
            (None, None) => return Ok(None),
            // Reading its map as if it were the file's own would be silently wrong.
            (major, minor) => {
                let (major, minor) = (major.unwrap_or_default(), minor.unwrap_or_default());
                return Err(malformed(&format!("a sparse file is of the unknown form {major}.{minor}")));
            }
        };
        let size = match records.unsigned("GNU.sparse.size")? {
            Some(size) => size,
            None => records.unsigned("GNU.sparse.realsize")?.unwrap_or(stored),
        };
        let fragments = if is_1_0 { map_of_data(block)? } else { map_of_records(records)? };
        Self::new(fragments, size).map(Some)
    }

    /// The bytes that are stored.
    pub(super) fn stored(&self) -> u64 {
        self.fragments.iter().map(|fragment| fragment.length).fold(0, u64::saturating_add)
    }

    /// The bytes that are not.
    pub(super) fn holes(&self) -> u64 {
        self.size.saturating_sub(self.stored())
    }

    /// Writes the stored bytes to their places in a new file. Nothing is written where the holes are.
    pub(super) fn write(&self, data: &mut dyn Read, file: &mut File) -> io::Result<()> {
        for fragment in &self.fragments {
            file.seek(SeekFrom::Start(fragment.offset))?;
            if io::copy(&mut (&mut *data).take(fragment.length), file)? != fragment.length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        file.set_len(self.size)
    }
}

fn too_long() -> io::Error {
    malformed(&format!("the map of a sparse file is longer than {MAX_MAP} bytes"))
}

fn pairs(numbers: &[u64]) -> Vec<Fragment> {
    let pair = |pair: &[u64; 2]| Fragment { offset: pair[0], length: pair[1] };
    numbers.as_chunks::<2>().0.iter().map(pair).collect()
}

/// `GNU.sparse.map`: offsets and lengths between commas.
fn map_of_records(records: &Records) -> io::Result<Vec<Fragment>> {
    let wrong = || malformed("the map of a sparse file is not understood");
    let count = records.unsigned("GNU.sparse.numblocks")?.ok_or_else(wrong)?;
    let text = records.text(MAP)?.unwrap_or_default();
    let numbers = text.split(',').filter(|_| !text.is_empty()).map(str::parse::<u64>);
    let numbers = numbers.collect::<Result<Vec<_>, _>>().map_err(|_| wrong())?;
    if count.checked_mul(2) != Some(numbers.len() as u64) {
        return Err(wrong());
    }
    Ok(pairs(&numbers))
}

/// The number of fragments, and for each its offset and its length, each on a line, in whole blocks.
fn map_of_data(mut block: impl FnMut() -> io::Result<[u8; BLOCK]>) -> io::Result<Vec<Fragment>> {
    let wrong = || malformed("the map of a sparse file is not understood");
    let mut numbers: Vec<u64> = Vec::new();
    let mut digits = String::new();
    let mut read = 0;
    loop {
        read += BLOCK;
        if read > MAX_MAP {
            return Err(too_long());
        }
        for byte in block()? {
            match byte {
                b'0'..=b'9' if digits.len() < 20 => digits.push(char::from(byte)),
                b'\n' => {
                    numbers.push(digits.parse().map_err(|_| wrong())?);
                    digits.clear();
                    let count = numbers.first().and_then(|count| count.checked_mul(2)).ok_or_else(wrong)?;
                    // The rest of the block is padding.
                    if numbers.len() as u64 > count {
                        return Ok(pairs(numbers.get(1..).unwrap_or_default()));
                    }
                }
                _ => return Err(wrong()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..text.len()].copy_from_slice(text.as_bytes());
        block
    }

    fn data(text: &str) -> io::Result<Vec<Fragment>> {
        map_of_data(|| Ok(block(text)))
    }

    #[test]
    fn a_map_before_the_data_has_as_many_lines_as_it_says() {
        assert_eq!(data("0\n").unwrap(), []);
        assert_eq!(
            data("2\n0\n5\n100\n7\n").unwrap(),
            [Fragment { offset: 0, length: 5 }, Fragment { offset: 100, length: 7 }]
        );
        for text in ["", "\n", "1\n0\n", "1\n0\nx\n", "-1\n", "99999999999999999999999\n", "1\n 0\n1\n"] {
            assert!(data(text).is_err(), "{text:?}");
        }
        let long = "1".repeat(15) + "\n" + &"0\n".repeat(240);
        let endless = map_of_data(|| Ok(block(&long)));
        assert!(endless.is_err());
        let mut first = true;
        let many = map_of_data(|| {
            let text = if std::mem::take(&mut first) { "9999999\n".repeat(64) } else { "0\n".repeat(256) };
            Ok(block(&text))
        });
        assert!(many.unwrap_err().to_string().contains("longer than"));
    }

    #[test]
    fn fragments_are_in_order_and_within_the_file() {
        let fragment = |offset, length| Fragment { offset, length };
        assert!(Sparse::new(vec![fragment(0, 5), fragment(5, 5), fragment(20, 0)], 20).is_ok());
        assert!(Sparse::new(vec![], u64::from(u32::MAX)).is_ok());
        assert!(Sparse::new(vec![fragment(0, 5), fragment(4, 5)], 20).is_err());
        assert!(Sparse::new(vec![fragment(16, 5)], 20).is_err());
        assert!(Sparse::new(vec![fragment(u64::MAX, 5)], u64::MAX).is_err());
        assert!(Sparse::new(vec![], u64::MAX).is_err());
    }

    #[test]
    fn an_unknown_form_is_not_read_as_a_plain_file() {
        let records = Records::parse(b"22 GNU.sparse.major=2\n22 GNU.sparse.minor=0\n").unwrap();
        let error = Sparse::pax(&records, 0, || Ok([0; BLOCK])).unwrap_err();
        assert!(error.to_string().contains("2.0"), "{error}");
    }
}
