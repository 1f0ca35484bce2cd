//! What go-yaml takes for a timestamp. It matters only for the tag `!!timestamp`, since the value stays a string.

/// Whether a text has one of the four forms: a date, a date and a time of day after `T`, `t` or a space. The first two
/// of the latter need a zone, the third has none.
pub(super) fn is_timestamp(text: &str) -> bool {
    date(text).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix(['T', 't']).and_then(time).is_some_and(zone)
            || rest.strip_prefix(' ').map(|r| r.trim_start_matches(' ')).and_then(time).is_some_and(str::is_empty)
    })
}

/// Up to two digits, in a range.
fn short(text: &str, range: std::ops::RangeInclusive<u32>) -> Option<(u32, &str)> {
    let n = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let number = text.get(..n)?.parse().ok().filter(|n| range.contains(n))?;
    Some((number, text.get(n..)?))
}

fn date(text: &str) -> Option<&str> {
    let year: u32 = text.get(..4).filter(|y| y.bytes().all(|c| c.is_ascii_digit()))?.parse().ok()?;
    let (month, rest) = short(text.get(4..)?.strip_prefix('-')?, 1..=12)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 31,
    };
    Some(short(rest.strip_prefix('-')?, 1..=days)?.1)
}

fn time(text: &str) -> Option<&str> {
    let (_, rest) = short(text, 0..=23)?;
    let (_, rest) = short(rest.strip_prefix(':')?, 0..=59)?;
    let (_, rest) = short(rest.strip_prefix(':')?, 0..=59)?;
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Some(rest) };
    let n = fraction.bytes().take_while(u8::is_ascii_digit).count();
    if n == 0 { None } else { fraction.get(n..) }
}

fn zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    let two = |range: std::ops::Range<usize>, most: u32| {
        text.get(range)
            .filter(|t| t.bytes().all(|c| c.is_ascii_digit()))
            .and_then(|t| t.parse::<u32>().ok())
            .is_some_and(|n| n <= most)
    };
    text.len() == 6 && text.starts_with(['+', '-']) && two(1..3, 24) && text.get(3..4) == Some(":") && two(4..6, 60)
}
