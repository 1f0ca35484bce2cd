//! Numbers as Go prints them.

use std::fmt::Write;

/// A float as Go's encoding/json writes it: without an exponent from 1e-6 up to 1e21.
pub(crate) fn write_json_float(out: &mut String, f: f64) {
    let size = f.abs();
    // Writing to a string cannot fail.
    let _ = if size != 0.0 && size < 1e-6 {
        write!(out, "{f:e}")
    } else if size >= 1e21 {
        write!(out, "{}", format!("{f:e}").replace('e', "e+"))
    } else {
        write!(out, "{f}")
    };
}

/// A float as sigs.k8s.io/yaml writes it when it is a map's key: rounded to 32 bits, with an exponent from 1e6 on.
pub(crate) fn float_key(f: f64) -> String {
    let f = f as f32;
    if f.is_infinite() {
        return if f > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{f:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if f != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{f}")
}

/// The integer that a number is once Go has written it as JSON and reads it back: `1e3` is 1000, 0.5 is none.
pub(crate) fn float_as_integer(f: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "both bounds are powers of two")]
    let fits = f >= i64::MIN as f64 && f < i64::MAX as f64;
    #[expect(clippy::float_cmp, reason = "a whole number is equal to itself truncated")]
    let whole = f == f.trunc();
    // From 1e21 on there would be an exponent, but that is out of range anyway.
    (fits && whole).then_some(f as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(f: f64) -> String {
        let mut out = String::new();
        write_json_float(&mut out, f);
        out
    }

    #[test]
    fn floats_are_written_as_go_writes_json() {
        let cases = [
            (1e3, "1000"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-2.5e-10, "-2.5e-10"),
            (-0.0, "-0"),
        ];
        for (f, want) in cases {
            assert_eq!(json(f), want);
        }
    }

    #[test]
    fn float_keys_are_written_as_go_writes_32_bits() {
        let cases = [
            (1.5, "1.5"),
            (0.1, "0.1"),
            (1e3, "1000"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.2345679e+08"),
            (1e-5, "1e-05"),
            (1e300, ".inf"),
            (0.0, "0"),
        ];
        for (f, want) in cases {
            assert_eq!(float_key(f), want);
        }
    }
}
