//! Base64 as Go's standard decoder reads it: line breaks are ignored, padding is required.

/// The bytes, or `None` if the text is not base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n, mut padding) = (0u32, 0u32, 0u32);
    for c in text.bytes().filter(|c| !matches!(c, b'\n' | b'\r')) {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if n >= 2 => {
                padding += 1;
                n += 1;
                if n == 4 {
                    n = 0;
                }
                continue;
            }
            _ => return None,
        };
        if padding > 0 {
            return None;
        }
        bits = bits << 6 | u32::from(six);
        n += 1;
        if n == 4 {
            out.extend([(bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
            (bits, n) = (0, 0);
        }
    }
    match padding {
        _ if n != 0 => return None,
        1 => out.extend([(bits >> 10) as u8, (bits >> 2) as u8]),
        2 => out.push((bits >> 4) as u8),
        _ => {}
    }
    Some(out)
}

/// Bytes as a string, U+FFFD in place of each byte that is not part of a character.
pub(super) fn to_string(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
    }
    out
}
