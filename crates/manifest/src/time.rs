//! What Go parses as a time in the format of RFC 3339.

/// Whether Go's `time.Parse(time.RFC3339, …)` accepts the text.
pub(crate) fn is_rfc3339(text: &str) -> bool {
    parse(text.as_bytes()).is_some()
}

/// A time that Go accepts, as stricter parsers want it: an hour of two digits, a dot before the fraction.
pub(crate) fn strict(text: &str) -> String {
    let mut text = text.replace(',', ".");
    if text.as_bytes().get(12) == Some(&b':') && text.is_char_boundary(11) {
        text.insert(11, '0');
    }
    text
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + u32::from(c - b'0')))
}

fn parse(b: &[u8]) -> Option<()> {
    let (date, rest) = b.split_at_checked(11)?;
    let [y @ .., b'-', m1, m2, b'-', d1, d2, b'T'] = date else { return None };
    let (year, month, day) = (number(y)?, number(&[*m1, *m2])?, number(&[*d1, *d2])?);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return None,
    };
    // Go takes an hour of one digit as well.
    let hour = rest.iter().take_while(|c| c.is_ascii_digit()).count().min(2);
    let (h, rest) = rest.split_at_checked(hour)?;
    let [b':', m1, m2, b':', s1, s2, rest @ ..] = rest else { return None };
    let (minute, second) = (number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    if hour == 0 || day == 0 || day > days || number(h)? > 23 || minute > 59 || second > 59 {
        return None;
    }
    let zone = match rest {
        [b'.' | b',', fraction @ ..] => {
            let n = fraction.iter().take_while(|c| c.is_ascii_digit()).count();
            fraction.get(n..).filter(|_| n > 0)?
        }
        _ => rest,
    };
    match zone {
        b"Z" => Some(()),
        [b'+' | b'-', h1, h2, b':', m1, m2] => (number(&[*h1, *h2])? <= 24 && number(&[*m1, *m2])? <= 60).then_some(()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_rfc3339, strict};

    #[test]
    fn accepts_what_go_accepts() {
        for good in ["2024-02-29T23:59:59Z", "2024-01-02T03:04:05.123456789+01:00", "2024-01-02T3:04:05Z"] {
            assert!(is_rfc3339(good), "{good}");
            assert!(is_rfc3339(&strict(good)), "{good}");
        }
        assert_eq!(strict("2024-01-02T3:04:05,5Z"), "2024-01-02T03:04:05.5Z");
        for bad in ["", "2024-01-02", "2023-02-29T00:00:00Z", "2024-01-02t03:04:05Z", "2024-01-02T03:04:05", "x"] {
            assert!(!is_rfc3339(bad), "{bad}");
        }
    }
}
