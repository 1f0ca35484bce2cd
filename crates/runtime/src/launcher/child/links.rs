//! Paths through links into nothing: what a link names is taken below the container's root, and what is missing there
//! is taken as it is written, to be made. So does runc (securejoin, `SecureJoin`). Nothing here allocates.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2, readlinkat_raw};
use rustix::io::{self, Errno};

/// With the NUL, as the kernel has it.
const PATH_BYTES: usize = libc::PATH_MAX as usize;
/// As the kernel has it; path_resolution(7).
const MOST_LINKS: u32 = 40;

/// A path relative to the root, without links, `.` and `..`. A NUL follows it.
pub(super) struct Plain {
    bytes: [u8; PATH_BYTES],
    length: usize,
}

impl Plain {
    const fn new() -> Self {
        Self { bytes: [0; PATH_BYTES], length: 0 }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The path as the kernel takes it: `.` for the root.
    pub(super) fn as_c_str(&self) -> io::Result<&CStr> {
        if self.length == 0 {
            return Ok(c".");
        }
        CStr::from_bytes_until_nul(&self.bytes).map_err(|_no_nul| Errno::NAMETOOLONG)
    }

    fn push(&mut self, name: &[u8]) -> io::Result<()> {
        let slash: &[u8] = if self.length == 0 { b"" } else { b"/" };
        for part in [slash, name] {
            let end = self.length + part.len();
            // One byte stays for the NUL.
            let room = if end < PATH_BYTES { self.bytes.get_mut(self.length..end) } else { None };
            room.ok_or(Errno::NAMETOOLONG)?.copy_from_slice(part);
            self.length = end;
        }
        Ok(())
    }

    /// Takes the last name away; nothing lies above the root.
    fn pop(&mut self) {
        self.cut(self.as_bytes().iter().rposition(|byte| *byte == b'/').unwrap_or(0));
    }

    fn cut(&mut self, length: usize) {
        self.bytes.iter_mut().skip(length).for_each(|byte| *byte = 0);
        self.length = length;
    }
}

/// What is still to be walked, at the end of its room, so that a link's text fits before it.
struct Rest {
    bytes: [u8; PATH_BYTES],
    start: usize,
}

impl Rest {
    fn put_first(&mut self, text: &[u8]) -> io::Result<()> {
        let start = self.start.checked_sub(text.len() + 1).ok_or(Errno::NAMETOOLONG)?;
        let room = self.bytes.get_mut(start..self.start).ok_or(Errno::NAMETOOLONG)?;
        for (to, from) in room.iter_mut().zip(text.iter().chain(b"/")) {
            *to = *from;
        }
        self.start = start;
        Ok(())
    }

    /// The next name, copied, so that the rest may change meanwhile.
    fn next(&mut self, name: &mut [u8; 256]) -> io::Result<Option<usize>> {
        let rest = self.bytes.get(self.start..).unwrap_or_default();
        let Some(first) = rest.iter().position(|byte| *byte != b'/') else { return Ok(None) };
        let rest = rest.get(first..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        name.get_mut(..length).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(text);
        self.start += first + length;
        Ok(Some(length))
    }
}

/// Follows all links of a path below the root, whether or not they lead to something.
pub(super) fn follow(root: BorrowedFd<'_>, path: &CStr) -> io::Result<Plain> {
    let mut plain = Plain::new();
    let mut rest = Rest { bytes: [0; PATH_BYTES], start: PATH_BYTES };
    rest.put_first(path.to_bytes())?;
    let mut name = [0; 256];
    let mut links = 0;
    while let Some(length) = rest.next(&mut name)? {
        match name.get(..length).unwrap_or_default() {
            b"." => continue,
            b".." => {
                plain.pop();
                continue;
            }
            name => plain.push(name)?,
        }
        // The link itself, not what it names.
        let here = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat2(root, plain.as_c_str()?, flags, Mode::empty(), here) {
            Err(Errno::NOENT) => continue,
            file => file?,
        };
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::Symlink {
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::LOOP);
        }
        let mut text = [0; PATH_BYTES];
        let length = readlinkat_raw(&file, c"", &mut text[..])?;
        let text = text.get(..length).unwrap_or_default();
        if text.starts_with(b"/") {
            plain.cut(0);
        } else {
            plain.pop();
        }
        rest.put_first(text)?;
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;

    fn followed(links: &[(&str, &str)], path: &CStr) -> io::Result<String> {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(root.path().join("a/b")).expect("a directory");
        for (at, to) in links {
            symlink(to, root.path().join(at)).expect("a link");
        }
        let root = fs::File::open(root.path()).expect("a directory");
        let plain = follow(root.as_fd(), path)?;
        Ok(String::from_utf8(plain.as_bytes().to_vec()).expect("UTF-8"))
    }

    #[test]
    fn links_are_followed_below_the_root_and_what_is_missing_is_taken_as_written() {
        for (link, to, path, plain) in [
            ("x", "/a/b", c"x/c", "a/b/c"),
            ("x", "/no/where", c"x/c/d", "no/where/c/d"),
            ("a/x", "../../../../etc", c"a/x/c", "etc/c"),
            ("a/x", "b/./y", c"a/x", "a/b/y"),
            ("a/b/x", "..", c"a/b/x/c", "a/c"),
            ("x", "/", c"x", ""),
            ("x", "no/../a", c"x/b", "a/b"),
            ("x", "y", c"a//b/../c", "a/c"),
        ] {
            assert_eq!(followed(&[(link, to)], path), Ok(plain.to_owned()), "{link} to {to}: {path:?}");
        }
    }

    #[test]
    fn a_circle_of_links_and_names_without_end_are_errors() {
        assert_eq!(followed(&[("x", "y"), ("y", "x")], c"x/c"), Err(Errno::LOOP));
        let long = format!("/{}", "n/".repeat(1000));
        let twice = [("x", long.as_str()), ("n", long.as_str())];
        assert_eq!(followed(&twice, c"x"), Err(Errno::NAMETOOLONG));
    }
}
