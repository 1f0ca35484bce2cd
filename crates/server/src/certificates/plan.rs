//! What is to be renewed, and when.
//!
//! A certificate lives for the lifetime that is asked for, and is renewed when a third of it is left. An authority lives
//! four times as long; when half of that is left it gets a successor, which signs once everybody has been told of it for
//! a twentieth of a lifetime. The old one counts until its end.

use super::issue::{self, IssueError, SKEW};
use super::material::{Material, end_of};

/// What certificates are to be like.
#[derive(Debug, Clone)]
pub(super) struct Wishes {
    /// DNS names and addresses of the server.
    pub(super) names: Vec<String>,
    /// How long a certificate lives, in seconds.
    pub(super) lifetime: u64,
}

/// What the Secret should hold instead; `None` if it is good as it is. `told` is whether every webhook configuration
/// has the bundle as it is; `now` is in seconds since 1970.
pub(super) fn plan(
    found: Option<&Material>,
    told: bool,
    wishes: &Wishes,
    now: u64,
) -> Result<Option<Material>, IssueError> {
    let Some(usable) = found.filter(|found| remaining(&found.authority.certificate, now) > 0) else {
        return begin(wishes, now).map(Some);
    };
    let mut next = usable.clone();
    // What has ended vouches for nothing.
    next.bundle.retain(|pem| remaining(pem, now) > 0);
    if next.successor.as_ref().is_some_and(|successor| remaining(&successor.certificate, now) == 0) {
        next.successor = None;
    }
    if next.successor.is_none() && remaining(&next.authority.certificate, now) < 2 * wishes.lifetime {
        let successor = issue::authority(now, now + 4 * wishes.lifetime)?;
        next.bundle.push(successor.certificate.clone());
        next.successor = Some(successor);
        // It is told of first, and used when that has been done.
        return Ok(Some(next));
    }
    if let Some(successor) = next.successor.clone() {
        if !next.bundle.contains(&successor.certificate) {
            next.bundle.push(successor.certificate);
        } else if told && age(&successor.certificate, now) >= (wishes.lifetime / 20).max(1) {
            next.authority = successor;
            next.successor = None;
            sign(&mut next, wishes, now)?;
        }
    }
    if remaining(&next.serving.certificate, now) < wishes.lifetime / 3 || !next.is_believed(&wishes.names, now) {
        sign(&mut next, wishes, now)?;
    }
    Ok((next != *usable).then_some(next))
}

fn begin(wishes: &Wishes, now: u64) -> Result<Material, IssueError> {
    let authority = issue::authority(now, now + 4 * wishes.lifetime)?;
    let serving = issue::certificate(&authority, &wishes.names, now, now + wishes.lifetime)?;
    Ok(Material { bundle: vec![authority.certificate.clone()], authority, successor: None, serving })
}

fn sign(material: &mut Material, wishes: &Wishes, now: u64) -> Result<(), IssueError> {
    // No certificate outlives who signed it.
    let until = (now + wishes.lifetime).min(now + remaining(&material.authority.certificate, now));
    material.serving = issue::certificate(&material.authority, &wishes.names, now, until)?;
    Ok(())
}

/// Seconds that the certificate still counts; none if it does not count yet.
fn remaining(pem: &str, now: u64) -> u64 {
    end_of(pem).filter(|(from, _)| *from <= now).map_or(0, |(_, until)| until.saturating_sub(now))
}

/// Seconds since the certificate was made.
fn age(pem: &str, now: u64) -> u64 {
    end_of(pem).map_or(0, |(from, _)| now.saturating_sub(from + SKEW))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const NOW: u64 = 1_800_000_000;

    fn wishes() -> Wishes {
        Wishes {
            names: vec!["ringfence.ringfence-system.svc".into(), "127.0.0.1".into(), "::1".into()],
            lifetime: 30 * DAY,
        }
    }

    fn next(found: &Material, told: bool, now: u64) -> Option<Material> {
        plan(Some(found), told, &wishes(), now).unwrap()
    }

    #[test]
    fn a_first_pair_is_believed_and_left_alone() {
        let first = plan(None, false, &wishes(), NOW).unwrap().unwrap();
        assert!(first.is_believed(&wishes().names, NOW));
        assert!(!first.is_believed(&["example.com".into()], NOW));
        // A clock that is nearly an hour late believes it, too.
        assert!(first.is_believed(&wishes().names, NOW - 3500));
        assert_eq!(next(&first, true, NOW), None);
        assert_eq!(next(&first, true, NOW + 19 * DAY), None);
        assert_eq!(Material::read(&first.write()), Some(first));
    }

    #[test]
    fn over_years_no_moment_has_a_certificate_that_is_not_believed() {
        let mut now = NOW;
        let mut current = plan(None, false, &wishes(), now).unwrap().unwrap();
        // What the API servers were told last, and what they may still meet because a replica is late by a pass.
        let mut told = current.bundle.clone();
        let mut authorities = std::collections::BTreeSet::from([current.authority.certificate.clone()]);
        for _ in 0..365 * 2 {
            let before = current.clone();
            if let Some(new) = next(&current, told == current.bundle, now) {
                current = new;
            }
            for serving in [&before.serving, &current.serving] {
                let seen = Material { serving: serving.clone(), bundle: told.clone(), ..current.clone() };
                assert!(seen.is_believed(&wishes().names, now), "day {}", (now - NOW) / DAY);
            }
            told.clone_from(&current.bundle);
            authorities.insert(current.authority.certificate.clone());
            assert!(current.bundle.len() <= 3);
            now += DAY / 2;
        }
        assert!((5..=7).contains(&authorities.len()), "{}", authorities.len());
    }

    #[test]
    fn a_successor_waits_until_everybody_has_been_told() {
        let first = plan(None, true, &wishes(), NOW).unwrap().unwrap();
        let late = NOW + 61 * DAY;
        let told = next(&first, true, late).unwrap();
        assert_eq!((&told.authority, told.bundle.len()), (&first.authority, 2));
        let soon = next(&told, true, late + DAY).unwrap();
        assert_eq!(soon.authority, first.authority);
        assert_eq!(next(&soon, false, late + 9 * DAY), None);
        let used = next(&soon, true, late + 9 * DAY).unwrap();
        assert_eq!(Some(&used.authority), soon.successor.as_ref());
        assert!(used.successor.is_none() && used.is_believed(&wishes().names, late + 9 * DAY));
    }

    #[test]
    fn other_names_make_another_certificate_of_the_same_authority() {
        let first = plan(None, true, &wishes(), NOW).unwrap().unwrap();
        let other = Wishes { names: vec!["192.0.2.1".into()], ..wishes() };
        let changed = plan(Some(&first), true, &other, NOW + 60).unwrap().unwrap();
        assert_eq!(changed.authority, first.authority);
        assert!(changed.is_believed(&other.names, NOW + 60));
    }

    #[test]
    fn what_has_ended_is_begun_anew_and_what_is_broken_is_not_read() {
        let first = plan(None, true, &wishes(), NOW).unwrap().unwrap();
        let again = next(&first, true, NOW + 400 * DAY).unwrap();
        assert_ne!(again.authority, first.authority);
        assert!(again.is_believed(&wishes().names, NOW + 400 * DAY));
        // From a clock that was years ahead.
        assert_ne!(next(&again, true, NOW).unwrap().authority, again.authority);
        for field in ["ca.crt", "tls.crt", "tls.key", "authority.crt", "authority.key"] {
            let mut data = first.write();
            data.insert(field.into(), "garbage".into());
            assert_eq!(Material::read(&data), None, "{field}");
            data.remove(field);
            assert_eq!(Material::read(&data), None, "{field}");
        }
        let mut mixed = first.write();
        mixed.insert("tls.key".into(), again.serving.key.clone());
        assert_eq!(Material::read(&mixed), None);
    }
}
