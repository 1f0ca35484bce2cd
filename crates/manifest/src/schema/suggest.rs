//! The right name for a misspelt one.

/// Names are short; whatever is longer is no misspelling of one.
const LONGEST: usize = 64;

/// The candidate nearest to a name: the same but for case, or few edits away. None if nothing is near.
pub(crate) fn nearest(name: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if name.len() > LONGEST {
        return None;
    }
    let mut best = None;
    let mut allowed = (name.len() / 3).max(1);
    for candidate in candidates {
        if candidate.len().abs_diff(name.len()) > allowed {
            continue;
        }
        let distance = distance(name.as_bytes(), candidate.as_bytes());
        if distance <= allowed {
            best = Some(candidate);
            // From now on only a nearer one is better.
            if distance == 0 {
                break;
            }
            allowed = distance - 1;
        }
    }
    best
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one name to the other, whatever their
/// case. Fields are ASCII; what is not differs by as many edits as it has bytes. Neither is longer than [`LONGEST`].
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut rows = [[0usize; LONGEST + 1]; 3];
    let [mut before_last, mut last, mut row] = rows.each_mut();
    for (j, cell) in last.iter_mut().enumerate() {
        *cell = j;
    }
    let at = |row: &[usize; LONGEST + 1], j: usize| row.get(j).copied().unwrap_or(LONGEST);
    let mut previous = None;
    for (i, x) in a.iter().enumerate() {
        let x = x.to_ascii_lowercase();
        row[0] = i + 1;
        let mut left: Option<u8> = None;
        for (j, y) in b.iter().enumerate() {
            let y = y.to_ascii_lowercase();
            let mut cost = (at(last, j) + usize::from(x != y)).min(at(last, j + 1) + 1).min(at(row, j) + 1);
            if previous == Some(y) && left == Some(x) {
                cost = cost.min(at(before_last, j.saturating_sub(1)) + 1);
            }
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = cost;
            }
            left = Some(y);
        }
        (before_last, last, row) = (last, row, before_last);
        previous = Some(x);
    }
    at(last, b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: [&str; 4] = ["runAsUser", "runAsGroup", "privileged", "procMount"];

    #[test]
    fn suggests_the_name_that_differs_in_case_or_by_few_letters() {
        assert_eq!(nearest("runAsUSer", FIELDS.into_iter()), Some("runAsUser"));
        assert_eq!(nearest("priviledged", FIELDS.into_iter()), Some("privileged"));
        assert_eq!(nearest("procmuont", FIELDS.into_iter()), Some("procMount"));
    }

    #[test]
    fn suggests_nothing_that_is_far_off() {
        assert_eq!(nearest("tolerations", FIELDS.into_iter()), None);
        assert_eq!(nearest("", FIELDS.into_iter()), None);
    }
}
