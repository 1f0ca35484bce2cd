//! The right name for a misspelt one.

/// The candidate nearest to a name: the same but for case, or few edits away. None if nothing is near.
pub(crate) fn nearest(name: &str, candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    // Names are short; whatever is longer is no misspelling of one.
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .map(|c| (distance(&lower, &c.to_lowercase()), c))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, c)| (*d, *c))
        .map(|(_, c)| c)
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, x) in a.chars().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != *y)).min(last[j + 1] + 1).min(row[j] + 1);
            if j > 0 && previous == Some(*y) && b[j - 1] == x {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
        previous = Some(x);
    }
    last[b.len()]
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
