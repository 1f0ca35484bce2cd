//! What a certificate says of itself: its names and its end. See RFC 5280, section 4.1.
//!
//! Whether it is to be trusted is not decided here; what is read has been verified, or is the server's own.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
/// 2.5.4.3
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// The common name and the DNS names; `None` if the certificate cannot be read.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let parsed = EndEntityCert::try_from(certificate).ok()?;
    let mut names: Vec<String> = common_name(parsed.subject()).into_iter().collect();
    names.extend(parsed.valid_dns_names().map(str::to_owned));
    Some(names)
}

/// The first common name of a subject, which is the contents of a `Name`.
fn common_name(subject: &[u8]) -> Option<String> {
    let mut rest = subject;
    while let Some((tag, set, after)) = element(rest) {
        rest = after;
        if tag != SET {
            continue;
        }
        let (SEQUENCE, attribute, _) = element(set)? else { continue };
        let (OBJECT_IDENTIFIER, kind, value) = element(attribute)? else { continue };
        if kind == COMMON_NAME {
            let (_, text, _) = element(value)?;
            return String::from_utf8(text.to_vec()).ok();
        }
    }
    None
}

/// When the certificate ends, in seconds since 1970.
pub(crate) fn expiry(certificate: &CertificateDer<'_>) -> Option<u64> {
    validity(certificate).map(|(_, until)| until)
}

/// From when and until when the certificate counts, in seconds since 1970.
pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Option<(u64, u64)> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    if let (VERSION, _, after) = element(rest)? {
        rest = after;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (tag, text, not_after) = element(validity)?;
    let from = time(tag, text)?;
    let (tag, text, _) = element(not_after)?;
    Some((from, time(tag, text)?))
}

/// A time, in seconds since 1970. What was before counts as 1970.
fn time(tag: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let full = match tag {
        // Two digits of a year are of 1950 to 2049.
        UTC_TIME => format!("{}{text}", if text.get(..2)? < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| full.get(from..to)?.parse::<i8>().ok();
    let date = jiff::civil::DateTime::new(
        full.get(..4)?.parse().ok()?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?,
        0,
    );
    let zoned = date.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(u64::try_from(zoned.timestamp().as_second()).unwrap_or(0))
}

/// A tag, its contents, and what follows, of DER with tags of one byte.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*first) {
        short @ 0..0x80 => (short, rest),
        long => {
            let (bytes, rest) = rest.split_at_checked(long & 0x7f)?;
            if bytes.len() > 4 {
                return None;
            }
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    let (contents, after) = rest.split_at_checked(length)?;
    Some((*tag, contents, after))
}
