//! `/etc/passwd`, passwd(5), as `ParsePasswdFilter` of `github.com/moby/sys/user` reads it.

use super::{DatabaseError, check, number};

/// An entry of `/etc/passwd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// The login name.
    pub name: &'a str,
    /// The user ID; 0 where the field is missing or no number.
    pub uid: i64,
    /// The primary group ID; 0 where the field is missing or no number.
    pub gid: i64,
    /// The home directory, which becomes HOME.
    pub home: &'a str,
}

/// The entries of an `/etc/passwd`, in its order. Blank lines are skipped; lines that start with `#` are entries.
pub fn users(text: &str) -> Result<impl Iterator<Item = User<'_>>, DatabaseError> {
    check(text, "etc/passwd", 64 << 10)?;
    Ok(text.split('\n').map(str::trim).filter(|line| !line.is_empty()).map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        let uid = number(fields.nth(1));
        let gid = number(fields.next());
        let home = fields.nth(1).unwrap_or_default();
        User { name, uid, gid, home }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<User<'_>> {
        users(text).expect("a short file").collect()
    }

    #[test]
    fn reads_name_user_group_and_home() {
        assert_eq!(
            read("root:x:0:0:root:/root:/bin/sh\n\napp:x:1500:1501::/home/app:\r\n"),
            [
                User { name: "root", uid: 0, gid: 0, home: "/root" },
                User { name: "app", uid: 1500, gid: 1501, home: "/home/app" }
            ]
        );
    }

    #[test]
    fn a_comment_is_a_user_because_the_runtime_takes_it_for_one() {
        assert_eq!(read("#app:x:7:8::/"), [User { name: "#app", uid: 7, gid: 8, home: "/" }]);
    }

    #[test]
    fn missing_and_unreadable_numbers_are_0() {
        assert_eq!(read("ghost"), [User { name: "ghost", uid: 0, gid: 0, home: "" }]);
        assert_eq!(read("app:x:many: 5"), [User { name: "app", uid: 0, gid: 0, home: "" }]);
    }

    #[test]
    fn an_overflowing_number_sticks_to_the_largest() {
        assert_eq!(read("app:x:99999999999999999999:1")[0].uid, i64::MAX);
    }

    #[test]
    fn a_line_that_fills_the_readers_buffer_is_an_error() {
        let fits = format!("app:x:1:1:{}:/:", "a".repeat(65_535 - 13));
        assert_eq!(fits.len(), 65_535);
        assert_eq!(read(&fits).len(), 1);
        assert_eq!(users(&format!("{fits}a")).err(), Some(DatabaseError::LineTooLong));
    }

    #[test]
    fn a_file_beyond_10_mib_is_an_error() {
        let large = "a:x:1:1::/:\n".repeat(900_000);
        assert_eq!(users(&large).err(), Some(DatabaseError::FileTooLarge { file: "etc/passwd" }));
    }
}
