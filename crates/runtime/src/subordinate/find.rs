//! `/etc/subuid` and `/etc/subgid`; for root of a user namespace, the IDs of the namespace.

use std::fs;

use super::{NoIds, Range};
use crate::observe;

const USERS: &str = "/etc/subuid";
const GROUPS: &str = "/etc/subgid";

/// Those of the user who runs this. Both files name the user. Root of a user namespace needs no file to map what is in it.
pub(super) fn ranges() -> Result<(Vec<Range>, Vec<Range>), NoIds> {
    let text = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let uid = rustix::process::geteuid().as_raw();
    if observe::is_namespace_root() {
        let users = of_namespace(&text("/proc/self/uid_map"), uid);
        let groups = of_namespace(&text("/proc/self/gid_map"), rustix::process::getegid().as_raw());
        let denies = text("/proc/self/setgroups").starts_with("deny");
        return if users.is_empty() || groups.is_empty() || denies { Err(NoIds::OneUser) } else { Ok((users, groups)) };
    }
    let name = name(&text("/etc/passwd"), uid);
    let find = |file: &'static str| {
        let found = of(&text(file), name.as_deref(), uid);
        if found.is_empty() {
            return Err(NoIds::NoLine { file, user: name.clone().unwrap_or_else(|| uid.to_string()) });
        }
        Ok(found)
    };
    Ok((find(USERS)?, find(GROUPS)?))
}

/// The name by which passwd(5) knows the user.
fn name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Lines of `NAME:FIRST:COUNT`, where a number can stand for the name. What is no such line is none for newuidmap(1), too.
fn of(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let range = Range { first: fields.next()?.parse().ok()?, count: fields.next()?.parse().ok()? };
            let whole = range.count > 0 && range.first.checked_add(range.count).is_some();
            ((Some(owner) == name || owner == number) && whole && fields.next().is_none()).then_some(range)
        })
        .collect()
}

/// What is in a user namespace beside the caller, in the order of its IDs.
fn of_namespace(map: &str, own: u32) -> Vec<Range> {
    let mut ranges: Vec<Range> = observe::lines(map)
        .flat_map(|[first, _, count]| {
            // The highest ID is none.
            let end = first.saturating_add(count);
            if (first..end).contains(&own) {
                [Range { first, count: own - first }, Range { first: own + 1, count: end - own - 1 }]
            } else {
                [Range { first, count: end - first }, Range { first, count: 0 }]
            }
        })
        .filter(|range| range.count > 0)
        .collect();
    ranges.sort_unstable_by_key(|range| range.first);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_gives_all_that_is_in_it_but_the_caller() {
        let ids = |map| of_namespace(map, 0).iter().map(|range| (range.first, range.count)).collect::<Vec<_>>();
        assert_eq!(ids("0 1000 1\n1 100000 65536\n"), [(1, 65_536)]);
        assert_eq!(ids("0 1000 1\n"), []);
        assert_eq!(ids("70000 5 10\n0 100000 65536\n"), [(1, 65_535), (70_000, 10)]);
        assert_eq!(ids("0 0 4294967295\n"), [(1, 4_294_967_294)]);
        assert_eq!(ids("4294967290 0 10\n"), [(4_294_967_290, 5)]);
    }

    #[test]
    fn lines_are_the_users_by_name_or_number() {
        let text =
            "alice:100000:65536\nbob:165536:65536\n1001:300000:10\nbob:x:1\nbob:1:0\nbob:4294967295:7\nbob:1:2:3\n";
        let name = name("root:x:0:0::/:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n", 1001);
        let found = of(text, name.as_deref(), 1001);
        assert_eq!(found, [Range { first: 165_536, count: 65_536 }, Range { first: 300_000, count: 10 }]);
        assert_eq!(of(text, None, 7), []);
    }
}
