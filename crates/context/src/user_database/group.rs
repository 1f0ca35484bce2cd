//! `/etc/group`, group(5), as `ParseGroupFilter` of `github.com/moby/sys/user` reads it.

use super::{DatabaseError, check, number};

/// An entry of `/etc/group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// The group's name.
    pub name: &'a str,
    /// The group ID; 0 where the field is missing or no number.
    pub gid: i64,
    members: &'a str,
}

impl<'a> Group<'a> {
    /// The names in the last field, in its order, blanks kept.
    pub fn members(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        // An empty field is an empty list, not a list of one empty name.
        let members = self.members;
        members.split(',').filter(move |_| !members.is_empty())
    }

    /// Whether the group lists `user`.
    pub fn lists(&self, user: &str) -> bool {
        !self.members.is_empty() && self.members.split(',').any(|member| member == user)
    }
}

/// The entries of an `/etc/group`, in its order. Blank lines and comments are skipped.
pub fn groups(text: &str) -> Result<impl Iterator<Item = Group<'_>>, DatabaseError> {
    check(text, "etc/group", 1 << 20)?;
    Ok(text.split('\n').map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        let gid = number(fields.nth(1));
        let members = fields.next().unwrap_or_default();
        Group { name, gid, members }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Group<'_>> {
        groups(text).expect("a short file").collect()
    }

    #[test]
    fn reads_name_group_and_members() {
        let entries = read("root:x:0:\naudio:x:29:app,alice\n");
        assert_eq!((entries[0].name, entries[0].gid, entries[0].members().count()), ("root", 0, 0));
        assert_eq!((entries[1].name, entries[1].gid), ("audio", 29));
        assert_eq!(entries[1].members().collect::<Vec<_>>(), ["app", "alice"]);
        assert!(entries[1].lists("alice"));
        assert!(!entries[1].lists("ali"));
    }

    #[test]
    fn comments_are_skipped_here_although_they_are_not_in_passwd() {
        assert_eq!(read("  # audio:x:29:app\n").len(), 0);
    }

    #[test]
    fn blanks_in_the_list_belong_to_the_names() {
        assert!(!read("audio:x:29:app, alice")[0].lists("alice"));
        assert!(read("audio:x:29:app, alice")[0].lists(" alice"));
    }

    #[test]
    fn an_empty_list_does_not_list_the_user_with_an_empty_name() {
        assert!(!read("audio:x:29:")[0].lists(""));
        assert!(read("audio:x:29:a,,b")[0].lists(""));
    }

    #[test]
    fn a_short_line_is_a_group_with_gid_0() {
        assert_eq!(read("ghost")[0].gid, 0);
    }

    #[test]
    fn a_line_that_fills_a_mebibyte_is_an_error() {
        let fits = format!("g:x:1:{}", "a".repeat((1 << 20) - 1 - 6));
        assert_eq!(read(&fits).len(), 1);
        assert_eq!(groups(&format!("{fits}a")).err(), Some(DatabaseError::LineTooLong));
    }
}
