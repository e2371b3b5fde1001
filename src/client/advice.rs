//! What to try when a connection fails.

use std::io::ErrorKind;

use crate::protocol::DEFAULT_PORT;

use super::endpoint::{Address, Via};

/// What to try after an attempt to reach `address` failed with `kind`, in one line without a full stop.
pub(super) fn on(kind: ErrorKind, address: &Address) -> Option<String> {
    let (_, port) = address.host_port();
    let is_web = matches!(port, 80 | 443);
    match (kind, address.via()) {
        (_, Via::Ssh(_)) => None,
        (ErrorKind::ConnectionRefused, _) if is_web => Some(format!(
            "nothing listens on port {port}, the default of a URL without a port; try {}",
            address.at_port(DEFAULT_PORT)
        )),
        (ErrorKind::ConnectionRefused, _) if address.is_loopback() => Some(format!(
            "nothing listens on port {port} of this machine; start `metrics serve`, or name the port that it printed"
        )),
        (ErrorKind::ConnectionRefused, _) => Some(format!(
            "by default a server listens only on loopback; try {}, or start it with -l 0.0.0.0:{port} \
             --token-file FILE",
            through_ssh(address)
        )),
        (ErrorKind::TimedOut | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable, _)
            if !address.is_loopback() =>
        {
            let ssh = through_ssh(address);
            Some(format!("if a firewall is in the way, try {ssh}"))
        }
        (ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof, Via::Plain) => Some(format!(
            "if the server speaks TLS, write {}",
            address.with_tls()
        )),
        _ => None,
    }
}

/// The address through ssh of a server that listens on its own loopback.
fn through_ssh(address: &Address) -> String {
    let (host, port) = address.host_port();
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    match port {
        DEFAULT_PORT => format!("ssh://{host}"),
        port => format!("ssh://{host}/{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_comes_with_what_to_write() {
        let refused = ErrorKind::ConnectionRefused;
        for (kind, address, expected) in [
            (
                refused,
                "web-1",
                "try ssh://web-1, or start it with -l 0.0.0.0:8080",
            ),
            (
                refused,
                "web-1:9000",
                "try ssh://web-1/9000, or start it with -l 0.0.0.0:9000",
            ),
            (
                refused,
                "[2001:db8::7]:9000",
                "try ssh://[2001:db8::7]/9000",
            ),
            (refused, "http://web-1:8080/", "try ssh://web-1,"),
            (refused, "127.0.0.1", "start `metrics serve`"),
            (refused, "localhost:9000", "port 9000 of this machine"),
            (refused, "ws://web-1/ws", "try ws://web-1:8080/ws"),
            (refused, "https://web-1/", "try wss://web-1:8080/ws"),
            (
                ErrorKind::TimedOut,
                "web-1",
                "if a firewall is in the way, try ssh://web-1",
            ),
            (
                ErrorKind::UnexpectedEof,
                "web-1:9000",
                "write wss://web-1:9000/ws",
            ),
            (
                ErrorKind::ConnectionReset,
                "http://web-1/",
                "write wss://web-1:80/ws",
            ),
        ] {
            let advice = on(kind, &address.parse().unwrap()).unwrap();
            assert!(advice.contains(expected), "{address}: {advice}");
        }
        for (kind, address) in [
            (refused, "ssh://web-1"),
            (ErrorKind::TimedOut, "127.0.0.1"),
            (ErrorKind::ConnectionReset, "wss://web-1"),
        ] {
            assert_eq!(on(kind, &address.parse().unwrap()), None, "{address}");
        }
    }
}
