//! The page's files: what is sent, with which headers, and to whom.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use crate::harness::PATIENCE;
use crate::harness::http::get;
use crate::harness::metrics::Metrics;

/// Every part and its type.
const PARTS: [(&str, &str); 10] = [
    ("/", "text/html; charset=utf-8"),
    ("/app.css", "text/css; charset=utf-8"),
    ("/app.js", "text/javascript; charset=utf-8"),
    ("/cards.js", "text/javascript; charset=utf-8"),
    ("/chart.js", "text/javascript; charset=utf-8"),
    ("/connection.js", "text/javascript; charset=utf-8"),
    ("/format.js", "text/javascript; charset=utf-8"),
    ("/state.js", "text/javascript; charset=utf-8"),
    ("/tables.js", "text/javascript; charset=utf-8"),
    ("/favicon.svg", "image/svg+xml"),
];

/// An answer as it came.
struct Answer(String);

impl Answer {
    #[track_caller]
    fn to(port: u16, method: &str, path: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let host = match headers.contains("Host:") {
            true => String::new(),
            false => format!("Host: localhost:{port}\r\n"),
        };
        let request =
            format!("{method} {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        Self(text)
    }

    #[track_caller]
    fn status(&self) -> u16 {
        self.0.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next()?;
        let of_line = |line: &'_ str| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.len()));
        head.lines()
            .find(|line| of_line(line).is_some_and(|(found, _)| found.eq_ignore_ascii_case(name)))
            .and_then(|line| Some(line.split_once(": ")?.1))
    }

    fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }
}

#[test]
fn every_part_comes_with_its_type_and_strict_headers() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    let policy = format!(
        "default-src 'none'; script-src 'self' 'sha256-KwEougHeeTyzDxriNJUTr8rQFEvnZwwhTjzjIu9La/I='; style-src 'self'; img-src 'self' data:; connect-src 'self' \
         ws://localhost:{port} wss://localhost:{port}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    for (path, content_type) in PARTS {
        let got = Answer::to(port, "GET", path, "");
        assert_eq!(got.status(), 200, "{path}");
        assert!(!got.body().is_empty(), "{path}");
        for (name, value) in [
            ("content-type", content_type),
            ("content-security-policy", policy.as_str()),
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(got.header(name), Some(value), "{path}: {name}");
        }
    }
}

#[test]
fn a_part_is_sent_once_and_only_its_head_where_that_is_asked_for() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    for (path, _) in PARTS {
        let got = Answer::to(port, "GET", path, "");
        let tag = got.header("etag").unwrap();
        let again = Answer::to(port, "GET", path, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((again.status(), again.body()), (304, ""), "{path}");
        assert_eq!(again.header("etag"), Some(tag), "{path}");
        let other = Answer::to(port, "GET", path, "If-None-Match: \"other\"\r\n");
        assert_eq!(other.status(), 200, "{path}");
        let head = Answer::to(port, "HEAD", path, "");
        let length = got.body().len().to_string();
        assert_eq!((head.status(), head.body()), (200, ""), "{path}");
        assert_eq!(head.header("content-length"), Some(&*length), "{path}");
        let post = Answer::to(port, "POST", path, "Content-Length: 0\r\n");
        assert_eq!(post.status(), 405, "{path}");
        assert_eq!(post.header("allow"), Some("GET, HEAD"), "{path}");
    }
    for path in ["/index.html", "/app.js/", "/assets/app.js", "/favicon.ico"] {
        assert_eq!(get(port, path).0, 404, "{path}");
    }
}

#[test]
fn the_page_needs_no_token_and_what_it_shows_does() {
    let dir = tempfile::tempdir().unwrap();
    let serve = Metrics::serve()
        .arg("--token-file")
        .arg(dir.path().join("token"))
        .start();
    let port = serve.port();
    for (path, _) in PARTS {
        assert_eq!(Answer::to(port, "GET", path, "").status(), 200, "{path}");
        let stranger = Answer::to(port, "GET", path, "Host: evil.example\r\n");
        assert_eq!(stranger.status(), 403, "{path}");
    }
    for path in ["/ws", "/events", "/metrics", "/recording.csv"] {
        assert_eq!(Answer::to(port, "GET", path, "").status(), 401, "{path}");
    }
}
