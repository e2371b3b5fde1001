//! Where to receive the metrics of applications.

use std::path::PathBuf;

use crate::protocol::shown;
use crate::server::listen::ListenAddr;
use crate::source::host::statsd::StatsdAddress;

/// The usual port of statsd.
const STATSD_PORT: u16 = 8125;

/// `HOST:PORT` of UDP, a UDP port on loopback, or the path of a socket, which contains a slash. The schemes that clients
/// use (`udp://`, `unixgram://`, `unix://`) are accepted too.
///
/// # Errors
/// One line that says what is wrong and what to write.
pub fn statsd_address(text: &str) -> Result<StatsdAddress, String> {
    let text = text.trim_ascii();
    let path = ["unixgram://", "unix://", "unixgram:", "unix:"];
    let path = path.iter().find_map(|scheme| text.strip_prefix(scheme));
    let address = text.strip_prefix("udp://").unwrap_or(text);
    let is_path = address.contains('/') && !address.contains("://");
    if let Some(path) = path.or(is_path.then_some(address)) {
        return match path {
            "" => Err(format!(
                "'{}' has no path: write unixgram:/run/statsd.sock",
                shown(text)
            )),
            path => Ok(StatsdAddress::Path(PathBuf::from(path))),
        };
    }
    let parsed = ListenAddr::parse(address, STATSD_PORT).map_err(|error| {
        let may_be_file = address.contains('.') && !address.contains(':');
        let other = format!(
            "; or, for a socket, a path with a slash: ./{}",
            shown(address)
        );
        error + if may_be_file { &other } else { "" }
    })?;
    Ok(match parsed.loopback_port() {
        Some(port) => StatsdAddress::Loopback(port),
        None => StatsdAddress::Udp(parsed.resolved().to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_udp_or_a_path() {
        let udp = |addr: &str| StatsdAddress::Udp(vec![addr.parse().unwrap()]);
        let path = |path: &str| StatsdAddress::Path(path.into());
        for (text, expected) in [
            ("8125", StatsdAddress::Loopback(8125)),
            (" 0 ", StatsdAddress::Loopback(0)),
            ("127.0.0.1:8125", udp("127.0.0.1:8125")),
            ("udp://127.0.0.1:8125", udp("127.0.0.1:8125")),
            ("0.0.0.0:9125", udp("0.0.0.0:9125")),
            ("[::1]:8125", udp("[::1]:8125")),
            ("/run/metrics/statsd", path("/run/metrics/statsd")),
            ("./statsd.sock", path("./statsd.sock")),
            ("unixgram:/run/statsd", path("/run/statsd")),
            ("unixgram:///run/statsd", path("/run/statsd")),
            ("unix:///run/statsd", path("/run/statsd")),
            ("unix:statsd", path("statsd")),
        ] {
            assert_eq!(statsd_address(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write() {
        for (text, expected) in [
            (
                "",
                "'' is not an address: write HOST:PORT, or a port on loopback such as 8125",
            ),
            ("127.0.0.1", "'127.0.0.1' has no port: write 127.0.0.1:8125"),
            ("::1", "write [::1]:8125"),
            (
                "statsd.sock",
                "or, for a socket, a path with a slash: ./statsd.sock",
            ),
            ("localhost:x", "'x' is not a port"),
            (
                "http://127.0.0.1:8125/",
                "is a URL: write HOST:PORT, as in '127.0.0.1:8125'",
            ),
            ("unix://", "'unix://' has no path"),
        ] {
            let error = statsd_address(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
