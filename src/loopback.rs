//! What can only be this machine.

use std::net::IpAddr;

/// Whether only this machine can reach `ip`. An IPv4 address may be written as IPv6, as in `::ffff:127.0.0.1`.
#[must_use]
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Whether `name` can only mean the machine that asks: browsers and resolvers keep `localhost` and what is below it
/// (RFC 6761, section 6.3).
#[must_use]
pub fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    last.eq_ignore_ascii_case("localhost") && name != format!(".{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine() {
        for (ip, expected) in [
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("192.0.2.7", false),
            ("::ffff:192.0.2.7", false),
        ] {
            assert_eq!(is_loopback(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn names_of_this_machine() {
        for (name, expected) in [
            ("localhost", true),
            ("LocalHost.", true),
            ("web-1.localhost", true),
            ("localhost.example.com", false),
            ("mylocalhost", false),
            (".localhost", false),
            ("", false),
        ] {
            assert_eq!(is_localhost(name), expected, "{name}");
        }
    }
}
