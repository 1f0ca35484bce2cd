//! Quantities as Kubernetes writes them: `64Mi`, `1.5G`, `1e9`, `100m`.

/// The whole number of a quantity, rounded up; `None` where it is malformed, negative or beyond 64 bits.
pub(crate) fn bytes(quantity: &str) -> Option<u64> {
    u64::try_from(nanos(quantity)?.div_ceil(NANOS)).ok()
}

/// How many billionths are one.
pub(crate) const NANOS: u128 = 1_000_000_000;

/// A quantity in billionths, which is as exact as the API server keeps it, rounded up; `None` where it is malformed or
/// negative.
pub(crate) fn nanos(quantity: &str) -> Option<u128> {
    let at = quantity.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(at);
    // Numerator and denominator of the factor.
    let (up, down): (u128, u128) = match suffix {
        "" => (1, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "m" => (1, 1_000),
        "u" => (1, 1_000_000),
        "n" => (1, 1_000_000_000),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = 10_u128.checked_pow(power.unsigned_abs())?;
            if power < 0 { (1, factor) } else { (factor, 1) }
        }
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 {
        return None;
    }
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u128 = [whole, fraction].concat().parse().ok()?;
    Some(digits.checked_mul(up)?.checked_mul(NANOS)?.div_ceil(scale.checked_mul(down)?))
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn suffixes_are_binary_or_decimal() {
        assert_eq!(bytes("64Mi"), Some(64 << 20));
        assert_eq!(bytes("1.5G"), Some(1_500_000_000));
        assert_eq!(bytes("1e9"), Some(1_000_000_000));
        assert_eq!(bytes("1E2"), Some(100));
        assert_eq!(bytes("1024"), Some(1024));
        assert_eq!(bytes("100m"), Some(1));
        assert_eq!(bytes(".5Ki"), Some(512));
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in
            ["", ".", "Mi", "1X", "-1", "1.2.3", "99999999999999999999Ei", "1e99", "1e", "1.0000000000000000001"]
        {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
