//! From when on lines are shown: `--since` and `--since-time`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringfence_runtime::run::log;

/// A duration as Go has it: `5s`, `2m30s`, `1.5h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration, which is written like 5s, 2m30s or 1.5h");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut sum = 0.0;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, unit) = rest.split_at(end);
        let end = unit.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(unit.len());
        let (unit, after) = unit.split_at(end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return Err(wrong()),
        };
        sum += number.parse::<f64>().map_err(|_| wrong())? * seconds;
        rest = after;
        if rest.is_empty() {
            return Duration::try_from_secs_f64(sum).map_err(|_| wrong());
        }
    }
}

/// A time in the format of RFC 3339, in the form that lines have: such times are in order as texts are.
pub(super) fn time(text: &str) -> Result<String, String> {
    let time: jiff::Timestamp =
        text.parse().map_err(|_| format!("{text:?} is no time, which is written like 2026-01-02T15:04:05Z"))?;
    Ok(log::timestamp(SystemTime::from(time).max(UNIX_EPOCH)))
}

/// The time of that long ago, in the form that lines have.
pub(super) fn ago(duration: Duration) -> String {
    log::timestamp(SystemTime::now().checked_sub(duration).unwrap_or(UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_go_has_them() {
        for (text, millis) in
            [("5s", 5000), ("2m30s", 150_000), ("1.5h", 5_400_000), ("0", 0), ("+.5s", 500), ("7ms", 7)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "-5s", "s", "5d", "5s ", ".s", "1..2s", "9999999999999999999999h", "5é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_compare_with_those_of_lines() {
        assert_eq!(time("2026-01-02T04:05:06.5+01:00").unwrap(), "2026-01-02T03:05:06.500000000Z");
        assert_eq!(time("1900-01-01T00:00:00Z").unwrap(), log::timestamp(UNIX_EPOCH));
        assert!(time("yesterday").is_err());
        assert!(time("2026-01-02").is_err());
    }
}
