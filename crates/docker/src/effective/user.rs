//! Who the process is: `--user`, `--group-add` and the image's user database
//! (`github.com/moby/sys/user`, `GetExecUser`, `GetAdditionalGroups`).

use ringfence_context::facts::ImageFacts;
use ringfence_context::user_database::{self, NumberError, parse_int};

use crate::refusal::Refusal;

/// The largest ID that docker takes.
const LARGEST: i64 = (1 << 31) - 1;

/// A user with its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user ID.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The groups of the image's /etc/group that list the user; none where a group is named.
    pub groups: Vec<u32>,
}

/// The IDs of `--group-add`.
pub type Groups = Vec<u32>;

fn out_of_range() -> Refusal {
    Refusal::daemon(format!("uids and gids must be in range 0-{LARGEST}"))
}

fn in_range(id: i64) -> Result<u32, Refusal> {
    if (0..=LARGEST).contains(&id) { u32::try_from(id).map_err(|_| out_of_range()) } else { Err(out_of_range()) }
}

/// An ID as the database has it: the runtime takes the lower 32 bits of whatever stands there.
fn of_database(id: i64) -> u32 {
    id as u32
}

/// Go's `strconv.Atoi` where its error is looked at; beyond 64 bits is an error too.
fn number(text: &str) -> Result<i64, NumberError> {
    parse_int(text)
}

/// The user that `name` means: `user`, `user:group`, `uid`, `uid:gid`, `user:gid`, `uid:group`, each part possibly empty.
pub fn user(name: &str, image: &ImageFacts) -> Result<User, Refusal> {
    let mut parts = name.split(':');
    let (user_arg, group_arg) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (uid_arg, gid_arg) = (number(user_arg), number(group_arg));

    let mut found = User { uid: 0, gid: 0, groups: Vec::new() };
    let mut matched = String::new();
    let cannot = |why: &str| {
        let shown = if user_arg.is_empty() { "0" } else { user_arg };
        Refusal::daemon(format!("unable to find user {shown}: {why}"))
    };
    // A missing file has no entries; one that cannot be read is an error.
    let entry = match image.passwd.as_deref().map(user_database::users) {
        None => None,
        Some(Err(error)) => return Err(cannot(&error.to_string())),
        Some(Ok(mut users)) => users.find(|user| match (user_arg, uid_arg) {
            ("", _) => user.uid == 0,
            (_, Ok(uid)) => user.uid == uid,
            (name, Err(_)) => user.name == name,
        }),
    };
    if let Some(entry) = entry {
        entry.name.clone_into(&mut matched);
        (found.uid, found.gid) = (of_database(entry.uid), of_database(entry.gid));
    } else if !user_arg.is_empty() {
        found.uid = in_range(uid_arg.map_err(|_| cannot("no matching entries in passwd file"))?)?;
    }

    if group_arg.is_empty() && matched.is_empty() {
        return Ok(found);
    }
    let mut matching = match image.group.as_deref().map(user_database::groups) {
        None => Vec::new(),
        Some(Err(error)) => {
            return Err(Refusal::daemon(format!("unable to find groups for spec {matched}: {error}")));
        }
        Some(Ok(groups)) => groups
            .filter(|group| match (group_arg, gid_arg) {
                ("", _) => group.lists(&matched),
                (_, Ok(gid)) => group.gid == gid,
                (name, Err(_)) => group.name == name,
            })
            .collect(),
    };
    if group_arg.is_empty() {
        found.groups = matching.iter().map(|group| of_database(group.gid)).collect();
    } else if matching.is_empty() {
        let missing =
            || Refusal::daemon(format!("unable to find group {group_arg}: no matching entries in group file"));
        found.gid = in_range(gid_arg.map_err(|_| missing())?)?;
    } else {
        found.gid = of_database(matching.swap_remove(0).gid);
    }
    Ok(found)
}

/// The groups of `--group-add`, by name or number. A group that is asked for twice by name is not found the second time:
/// docker looks for one that it does not have yet.
pub fn additional_groups(names: &[String], image: &ImageFacts) -> Result<Groups, Refusal> {
    let mut found: Vec<i64> = Vec::new();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let groups: Vec<_> = match image.group.as_deref().map(user_database::groups) {
        None => Vec::new(),
        Some(Ok(groups)) => groups.collect(),
        Some(Err(error)) => {
            return Err(Refusal::daemon(format!("Unable to find additional groups {names:?}: {error}")));
        }
    };
    for name in names {
        let mut matching = groups.iter().filter(|group| group.name == name || group.gid.to_string() == *name);
        if let Some(group) = matching.find(|group| !found.contains(&group.gid)) {
            found.push(group.gid);
            continue;
        }
        let missing = || Refusal::daemon(format!("Unable to find group {name}: no matching entries in group file"));
        let gid = i64::from(in_range(number(name).map_err(|_| missing())?)?);
        if !found.contains(&gid) {
            found.push(gid);
        }
    }
    Ok(found.into_iter().map(of_database).collect())
}

/// HOME as the runtime sets it where the environment does not: of the first entry with this user ID.
pub fn home(uid: u32, passwd: Option<&str>) -> String {
    let mut users = passwd.and_then(|passwd| user_database::users(passwd).ok()).into_iter().flatten();
    users.find(|user| user.uid == i64::from(uid)).map_or_else(|| "/".to_owned(), |user| user.home.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> ImageFacts {
        ImageFacts {
            passwd: Some(
                "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home:\napp:x:1500:1501::/app:\n".to_owned(),
            ),
            group: Some("root:x:0:\ndaemon:x:1:root\naudio:x:29:app,alice\nextra:x:50000:alice\n".to_owned()),
            ..ImageFacts::default()
        }
    }

    fn ids(name: &str) -> (u32, u32, Vec<u32>) {
        let User { uid, gid, groups } = user(name, &image()).unwrap();
        (uid, gid, groups)
    }

    #[test]
    fn all_six_forms_and_the_empty_one() {
        assert_eq!(ids("alice"), (1000, 1000, vec![29, 50000]));
        assert_eq!(ids("alice:audio"), (1000, 29, vec![]));
        assert_eq!(ids("1000"), (1000, 1000, vec![29, 50000]));
        assert_eq!(ids("4321"), (4321, 0, vec![]));
        assert_eq!(ids("4321:3000"), (4321, 3000, vec![]));
        assert_eq!(ids("alice:3000"), (1000, 3000, vec![]));
        assert_eq!(ids("4321:audio"), (4321, 29, vec![]));
        assert_eq!(ids(""), (0, 0, vec![1]));
        assert_eq!(ids(":3000"), (0, 3000, vec![]));
        assert_eq!(ids("alice:"), (1000, 1000, vec![29, 50000]));
        assert_eq!(ids("alice:audio:x"), (1000, 29, vec![]));
    }

    #[test]
    fn what_is_not_there_is_said_as_docker_does() {
        let message = |name: &str| user(name, &image()).unwrap_err().message;
        assert_eq!(message("ghost"), "unable to find user ghost: no matching entries in passwd file");
        assert_eq!(message("alice:ghosts"), "unable to find group ghosts: no matching entries in group file");
        for name in ["-1", "4294967296", "1000:4294967296", "2147483648", "1000:-1"] {
            assert_eq!(message(name), "uids and gids must be in range 0-2147483647", "{name}");
        }
        assert_eq!(
            message("99999999999999999999"),
            "unable to find user 99999999999999999999: no matching entries in passwd file"
        );
    }

    #[test]
    fn an_id_that_does_not_fit_is_refused_rather_than_becoming_root() {
        assert!(user("4294967296", &ImageFacts::default()).is_err());
        assert!(user("9223372036854775808", &ImageFacts::default()).is_err());
    }

    #[test]
    fn a_group_is_added_by_name_or_number_once() {
        let added = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            additional_groups(&names, &image()).map_err(|refusal| refusal.message)
        };
        assert_eq!(added(&["audio", "7777", "29", "7777"]), Ok(vec![29, 7777]));
        assert_eq!(
            added(&["29", "audio"]),
            Err("Unable to find group audio: no matching entries in group file".to_owned())
        );
        assert!(added(&["nogroup?"]).is_err());
        assert!(added(&["2147483648"]).unwrap_err().contains("range"));
    }

    #[test]
    fn home_goes_by_number() {
        let passwd = image().passwd;
        assert_eq!(
            (home(1500, passwd.as_deref()), home(7, passwd.as_deref()), home(0, None)),
            ("/app".into(), "/".into(), "/".into())
        );
    }
}
