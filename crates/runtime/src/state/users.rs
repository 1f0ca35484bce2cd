//! A block of user and group IDs for each pod that has users of its own, so that no two pods share one, as the kubelet
//! has it (`pkg/kubelet/userns/userns_manager.go`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rustix::fs::FlockOperation;

use super::{StateDir, StateError, base, io_error};

/// As many IDs as a kubelet gives a pod.
pub(crate) const POD_IDS: u32 = 65_536;

/// The first and the last block of the range that systemd's documentation (UIDS-GIDS) sets aside for containers. The last
/// is taken first: others begin at the start.
const FIRST: u32 = 0x0008_0000;
const LAST: u32 = 0x6fff_0000;

/// In each state directory that has a block: its first ID.
const FILE: &str = "users";

impl StateDir {
    /// Takes a block that no other run of the same user has; it is free again when the directory is removed. Returns its
    /// first ID: the same for the second caller.
    pub(crate) fn reserve_ids(&self) -> Result<u32, StateError> {
        let above = self.path().parent().unwrap_or(Path::new("/"));
        let lock = base::open(above)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|errno| io_error("lock", above)(errno.into()))?;
        if let Some(own) = read(self.path()) {
            return Ok(own);
        }
        let runs = fs::read_dir(above).map_err(io_error("list", above))?;
        let taken: BTreeSet<u32> = runs.flatten().filter_map(|run| read(&run.path())).collect();
        let first = free(&taken).ok_or_else(|| StateError::Base {
            path: above.to_path_buf(),
            why: "all blocks of user IDs are taken by other pods".to_owned(),
        })?;
        let file = self.path().join(FILE);
        fs::write(&file, first.to_string()).map_err(io_error("write", &file))?;
        Ok(first)
    }
}

fn read(dir: &Path) -> Option<u32> {
    fs::read_to_string(dir.join(FILE)).ok()?.parse().ok()
}

fn free(taken: &BTreeSet<u32>) -> Option<u32> {
    (FIRST..=LAST).rev().step_by(POD_IDS as usize).find(|first| !taken.contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_taken_from_the_end_and_never_twice() {
        assert_eq!(free(&BTreeSet::new()), Some(LAST));
        assert_eq!(free(&BTreeSet::from([LAST, LAST - 2 * POD_IDS])), Some(LAST - POD_IDS));
        let all: BTreeSet<u32> = (FIRST..=LAST).step_by(POD_IDS as usize).collect();
        assert_eq!((all.len(), all.last(), free(&all)), (28_664, Some(&LAST), None));
    }
}
