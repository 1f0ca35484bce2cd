//! How many waivers there are, and what they are worth.

use ringfence_admission::waiver::{State, Waiving};
use std::fmt::Write as _;

/// Writes how many waivers count, have expired, and do not count, and when the next one expires.
pub(crate) fn waivers(waiving: &Waiving, out: &mut String) {
    let (mut valid, mut expired, mut invalid) = (0, 0, waiving.waivers.problems().len());
    let mut next = None;
    for waiver in waiving.waivers.iter() {
        match waiving.waivers.state(waiver, waiving.now) {
            State::Valid => {
                valid += 1;
                next =
                    Some(next.map_or(waiver.expires, |known: k8s_openapi::jiff::Timestamp| known.min(waiver.expires)));
            }
            State::Expired => expired += 1,
            State::Invalid(_) => invalid += 1,
        }
    }
    let name = "ringfence_waivers";
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP {name} Waivers, by what they are worth.\n# TYPE {name} gauge");
    for (state, count) in [("valid", valid), ("expired", expired), ("invalid", invalid)] {
        let _ = writeln!(out, "{name}{{state=\"{state}\"}} {count}");
    }
    let next = next.and_then(|next| u64::try_from(next.as_second()).ok()).unwrap_or(0);
    super::gauge("ringfence_waiver_next_expiry_timestamp_seconds", "When the next waiver expires.", next, out);
}
