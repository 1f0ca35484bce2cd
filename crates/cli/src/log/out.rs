//! Lines to where they may find no room: a disk that is full, a pipe that is closed.

use std::io::{ErrorKind, Write};

/// Writes whole lines, and knows whether the last one was left half written.
pub(super) struct Out<W> {
    to: W,
    torn: bool,
}

impl<W: Write> Out<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, torn: false }
    }

    /// Writes lines, each with its end. Returns how many of them are not there, or not whole.
    pub(super) fn lines(&mut self, lines: &str) -> u64 {
        // What is half there must not spoil the next.
        if self.torn {
            self.torn = self.bytes(b"\n") != 1;
        }
        let bytes = lines.as_bytes();
        let written = if self.torn { 0 } else { self.bytes(bytes) };
        if let Some(last) = written.checked_sub(1) {
            self.torn = bytes.get(last) != Some(&b'\n');
        }
        bytes.iter().skip(written).filter(|byte| **byte == b'\n').count() as u64
    }

    /// How much of it could be written.
    fn bytes(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.to.write(rest) {
                Ok(0) => break,
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// A disk with so much room.
    struct Disk(Vec<u8>, usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.1 - self.0.len());
            self.0.extend_from_slice(&bytes[..fits]);
            if fits == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(fits) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_spoils_nothing_that_comes_later() {
        let mut out = Out::new(Disk(Vec::new(), 6));
        assert_eq!(out.lines("one\n"), 0);
        assert_eq!(out.lines("two\nthree\n"), 2);
        assert_eq!(out.lines("four\n"), 1);
        // Room for the end of what is torn alone, and then for all.
        out.to.1 = 7;
        assert_eq!(out.lines("five\n"), 1);
        out.to.1 = 100;
        assert_eq!(out.lines("six\n"), 0);
        assert_eq!(out.to.0, b"one\ntw\nsix\n");
    }
}
