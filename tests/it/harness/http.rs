//! Just enough HTTP: a request to a server, and a server of one page.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};

use super::PATIENCE;
use super::server::each_connection;

/// Sends `GET path` to a port of loopback; the status and the body.
#[track_caller]
pub(crate) fn get(port: u16, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    response(&mut BufReader::new(socket))
}

/// Reads one response.
#[track_caller]
pub(crate) fn response(reader: &mut impl BufRead) -> (u16, String) {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.unwrap_or_else(|| panic!("not a status line: {line:?}"));
    let mut length = None;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let (name, value) = match header.trim_end() {
            "" => break,
            text => text.split_once(':').unwrap(),
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse().unwrap());
        }
    }
    let mut body = Vec::new();
    match length {
        Some(length) => {
            body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
        }
        None => {
            reader.read_to_end(&mut body).unwrap();
        }
    }
    (status, String::from_utf8(body).unwrap())
}

/// Serves `html` on a free port of loopback until the process ends: an origin of its own.
pub(crate) fn serve_page(html: impl AsRef<str> + Send + Sync + 'static) -> u16 {
    // A browser opens connections before it has requests for them, and none may hold up the others.
    each_connection(move |_, mut socket| {
        let mut request = BufReader::new(&socket);
        let mut line = String::new();
        let _ = request.read_line(&mut line);
        // A missing favicon would be an error on the console.
        let (status, body) = if line.starts_with("GET /favicon.ico") {
            ("204 No Content", "")
        } else {
            ("200 OK", html.as_ref())
        };
        let _ = write!(
            socket,
            "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    })
}
