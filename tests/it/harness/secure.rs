//! A peer that speaks TLS, with control over every byte inside it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use rustls::pki_types::{IpAddr, ServerName};
use rustls::{ClientConnection, StreamOwned};

use super::herd::tls_config;

/// A connection with TLS around it.
pub(crate) type Secure = StreamOwned<ClientConnection, TcpStream>;

/// TLS over `stream` with a server whose certificate is signed by `ca`; the handshake happens with the first byte.
#[track_caller]
pub(crate) fn over(stream: TcpStream, ca: &Path) -> Secure {
    let loopback = IpAddr::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let session = ClientConnection::new(tls_config(ca), ServerName::IpAddress(loopback));
    StreamOwned::new(session.unwrap(), stream)
}

/// Sends a request, and reads the head of the response and no more.
#[track_caller]
pub(crate) fn ask(stream: &mut (impl Read + Write), request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}
