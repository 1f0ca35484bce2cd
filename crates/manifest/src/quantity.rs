//! What the API accepts as a quantity, such as `100m`, `1.5Gi` or `2e3`.

const SUFFIXES: [&str; 14] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti"];

/// Whether Go's ParseQuantity accepts the text.
pub(crate) fn is_quantity(text: &str) -> bool {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |t: &str| t.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(number);
    let mut rest = number.get(whole..).unwrap_or_default();
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix('.') {
        fraction = digits(after);
        rest = after.get(fraction..).unwrap_or_default();
    }
    if whole + fraction == 0 {
        return false;
    }
    if SUFFIXES.contains(&rest) || matches!(rest, "Pi" | "Ei") {
        return true;
    }
    // A decimal exponent, which must fit an i32.
    rest.strip_prefix(['e', 'E']).is_some_and(|exponent| {
        let bare = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !bare.is_empty() && bare.bytes().all(|c| c.is_ascii_digit()) && exponent.parse::<i32>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::is_quantity;

    #[test]
    fn accepts_numbers_with_the_suffixes_of_the_api() {
        for good in ["0", "100m", "1.5Gi", ".5", "5.", "-2k", "+3", "2e3", "1E-2", "12E", "1Ei"] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in ["", "m", "1 Gi", "1K", "1mi", "0x10", "1e", "1e99999999999", ".", "1.2.3", "ten"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
}
