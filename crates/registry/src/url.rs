//! Addresses: what is said of them, and which may be called.

use http::Uri;

/// The address without its query, which may hold a secret, and without what moves a terminal's cursor.
pub(crate) fn shown(uri: &Uri) -> String {
    let host = uri.authority().map_or("", |authority| authority.as_str().rsplit('@').next().unwrap_or_default());
    let text = format!("{}://{host}{}", uri.scheme_str().unwrap_or_default(), uri.path());
    text.chars().take(300).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Scheme, host and port: whoever has the same is the same server.
pub(crate) fn origin(uri: &Uri) -> (String, String, u16) {
    let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    (scheme, uri.host().unwrap_or_default().to_ascii_lowercase(), port)
}

/// Host and port, as registries are named.
pub(crate) fn host_port(uri: &Uri) -> String {
    uri.authority()
        .map(|authority| authority.as_str().rsplit('@').next().unwrap_or_default().to_owned())
        .unwrap_or_default()
}

/// Whether it is this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = bare(host);
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether no server of the world has this address: this machine, and what clouds tell their machines' secrets at.
pub(crate) fn is_inside(host: &str) -> bool {
    let is_inside_4 = |ip: std::net::Ipv4Addr| ip.is_loopback() || ip.is_link_local() || ip.is_unspecified();
    is_loopback(host)
        || match bare(host).parse() {
            Ok(std::net::IpAddr::V4(ip)) => is_inside_4(ip),
            Ok(std::net::IpAddr::V6(ip)) => {
                ip.is_unicast_link_local()
                    || ip.is_unspecified()
                    || ip.is_loopback()
                    || ip.to_ipv4_mapped().is_some_and(is_inside_4)
            }
            Err(_) => false,
        }
}

/// The host without a port and without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_many_names() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:80", "127.9.9.9", "[::1]:5000", "::1", "x.localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "example.com:5000"] {
            assert!(!is_loopback(host), "{host}");
        }
        assert!(is_inside("169.254.169.254") && is_inside("[fe80::1]") && is_inside("[::ffff:127.0.0.1]"));
        assert!(is_inside("0.0.0.0") && !is_inside("10.0.0.1"));
    }

    #[test]
    fn a_query_and_a_password_are_not_shown() {
        let uri: Uri = "https://user:pass@example.com/a?token=secret".parse().unwrap();
        assert_eq!(shown(&uri), "https://example.com/a");
    }
}
