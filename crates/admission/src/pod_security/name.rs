//! Names as DNS has them (RFC 1123), and what the API server says of others.

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

/// What is wrong with a namespace's name.
pub(super) fn label_errors(name: &str) -> Vec<String> {
    let mut errors = too_long(name, 63);
    if !is_label(name) {
        errors.push(if is_subdomain(name) {
            "must not contain dots".to_owned()
        } else {
            format!(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                 '{LABEL}')"
            )
        });
    }
    errors
}

/// What is wrong with a runtime class's name.
pub(super) fn subdomain_errors(name: &str) -> Vec<String> {
    let mut errors = too_long(name, 253);
    if !is_subdomain(name) {
        errors.push(format!(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '{LABEL}(\\.{LABEL})*')"
        ));
    }
    errors
}

fn too_long(name: &str, most: usize) -> Vec<String> {
    if name.len() > most { vec![format!("must be no more than {most} characters")] } else { Vec::new() }
}

fn is_subdomain(name: &str) -> bool {
    name.split('.').all(is_label)
}

fn is_label(name: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_dns_accepts() {
        for name in ["a", "kube-system", "0", "a--b"] {
            assert_eq!(label_errors(name), [""; 0], "{name}");
        }
        assert_eq!(subdomain_errors("a.b-c.d"), [""; 0]);
    }

    #[test]
    fn says_dots_where_dots_are_all_that_is_wrong() {
        assert_eq!(label_errors("a.b"), ["must not contain dots"]);
        assert!(label_errors("a_b")[0].starts_with("a lowercase RFC 1123 label must consist of"));
        assert!(label_errors("")[0].ends_with(
            "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        ));
        assert!(subdomain_errors("a..b")[0].contains("(e.g. 'example.com', regex used"));
    }

    #[test]
    fn counts_length_apart() {
        assert_eq!(label_errors(&"a".repeat(64)), ["must be no more than 63 characters"]);
        assert_eq!(subdomain_errors(&"a".repeat(254)), ["must be no more than 253 characters"]);
    }
}
