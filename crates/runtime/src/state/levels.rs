//! Which SELinux levels the runs on this machine have: each notes its own in its state directory, under the lock of the
//! directory above, so that two that start at the same time do not take the same.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _};

use rustix::fs::FlockOperation;

use super::{StateDir, StateError, base, io_error};
use crate::selinux::Categories;

const FILE: &str = "selinux-levels";

/// What a run takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenLevels {
    /// A level of two categories that no other run of this user has.
    pub own: String,
    /// Of the levels that are named, those that another run has, too.
    pub shared: Vec<String>,
}

impl StateDir {
    /// Takes a level of the run's own where `own` is not given, and notes it with those that the manifest names.
    ///
    /// # Errors
    /// Where the levels of other runs cannot be known, or every pair of categories is in use.
    pub fn take_levels(&self, own: Option<&str>, named: &[String]) -> Result<TakenLevels, StateError> {
        let above = self.path().parent().unwrap_or(self.path());
        let lock = base::open(above)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|errno| io_error("lock", above)(errno.into()))?;
        let mut taken = BTreeSet::new();
        for entry in fs::read_dir(above).map_err(io_error("list", above))? {
            let path = entry.map_err(io_error("list", above))?.path();
            if path == self.path() {
                continue;
            }
            match fs::read_to_string(path.join(FILE)) {
                Ok(levels) => taken.extend(levels.lines().map(Categories::of)),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(io_error("read the SELinux levels in", &path)(error)),
            }
        }
        let shared = named.iter().chain(own.map(str::to_owned).iter()).cloned().collect::<BTreeSet<_>>();
        let shared = shared.into_iter().filter(|level| {
            let categories = Categories::of(level);
            !categories.is_empty() && taken.contains(&categories)
        });
        let shared = shared.collect();
        taken.extend(named.iter().map(|level| Categories::of(level)));
        let own = match own {
            Some(own) => own.to_owned(),
            None => Categories::free_level(random().map_err(io_error("choose categories for", self.path()))?, &taken)
                .map_err(|error| io_error("choose categories for", self.path())(io::Error::other(error)))?,
        };
        let lines: Vec<&str> = named.iter().map(String::as_str).chain([own.as_str()]).collect();
        let path = self.path().join(FILE);
        fs::write(&path, lines.join("\n")).map_err(io_error("write", &path))?;
        Ok(TakenLevels { own, shared })
    }
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_runs_get_the_same_level_and_one_that_names_anothers_is_told() {
        let base = tempfile::tempdir().unwrap();
        let run = || StateDir::create_in(base.path(), std::path::Path::new("/bin/true")).unwrap();
        let (one, two, three) = (run(), run(), run());
        let first = one.take_levels(None, &[]).unwrap();
        let second = two.take_levels(None, &["s0:c1,c2".to_owned()]).unwrap();
        assert_ne!(Categories::of(&first.own), Categories::of(&second.own));
        assert_eq!((first.shared, second.shared), (vec![], vec![]));
        let third = three.take_levels(Some("s0:c2,c1"), &[]).unwrap();
        assert_eq!(third, TakenLevels { own: "s0:c2,c1".to_owned(), shared: vec!["s0:c2,c1".to_owned()] });
        drop((one, two));
        assert_eq!(three.take_levels(Some("s0:c2,c1"), &[]).unwrap().shared, Vec::<String>::new());
    }
}
