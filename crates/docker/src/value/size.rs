//! Sizes, as `github.com/docker/go-units` reads them (`RAMInBytes`).

/// `64m`, `1.5GiB`, `512`: powers of 1024, without regard to case, `b` and `ib` at will.
pub fn bytes(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).ok_or_else(invalid)?;
    let number: f64 = number.parse().map_err(|_| invalid())?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let shift = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return Err(invalid()),
    };
    Ok((number * f64::from(2).powi(shift)) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024() {
        assert_eq!(bytes("64m"), Ok(64 << 20));
        assert_eq!(bytes("1.5GiB"), Ok(3 << 29));
        assert_eq!(bytes("32 kB"), Ok(32 << 10));
        assert_eq!(bytes("0"), Ok(0));
        for text in ["", "m", "-1", "1x", "1.2.3"] {
            assert_eq!(bytes(text), Err(format!("invalid size: '{text}'")));
        }
    }
}
