//! The page's files: what is sent, with which headers, and to which clients.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;

use crate::harness::PATIENCE;
use crate::harness::http::get;
use crate::harness::metrics::Metrics;
use crate::harness::python::python;

const GZIP: &str = "Accept-Encoding: gzip\r\n";
/// What Chromium sends over TLS.
const CHROMIUM: &str = "Accept-Encoding: gzip, deflate, br, zstd\r\n";

/// Every part and its type.
const PARTS: [(&str, &str); 3] = [
    ("/", "text/html; charset=utf-8"),
    ("/app.css", "text/css; charset=utf-8"),
    ("/app.js", "text/javascript; charset=utf-8"),
];

/// A response as received.
struct Answer {
    head: String,
    body: Vec<u8>,
}

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
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let body = bytes.split_off(end.unwrap() + 4);
        let head = String::from_utf8(bytes).unwrap();
        Self { head, body }
    }

    #[track_caller]
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// The first header of a name.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).into_iter().next()
    }

    fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let named = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value).collect()
    }

    /// The body without its encoding, by Python's gzip.
    #[track_caller]
    fn gunzipped(&self) -> Vec<u8> {
        assert_eq!(self.header("content-encoding"), Some("gzip"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("body.gz");
        std::fs::write(&file, &self.body).unwrap();
        let script = "import gzip, sys; print(gzip.open(sys.argv[1]).read().hex())";
        let hex = python(script, [&file]);
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.trim().len()).step_by(2).map(byte).collect()
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
        assert!(!got.body.is_empty(), "{path}");
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
fn a_part_is_sent_once_and_a_head_request_gets_only_its_head() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    for (path, _) in PARTS {
        let got = Answer::to(port, "GET", path, "");
        let tag = got.header("etag").unwrap();
        let again = Answer::to(port, "GET", path, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((again.status(), again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), Some(tag), "{path}");
        let other = Answer::to(port, "GET", path, "If-None-Match: \"other\"\r\n");
        assert_eq!(other.status(), 200, "{path}");
        let head = Answer::to(port, "HEAD", path, "");
        let length = got.body.len().to_string();
        assert_eq!((head.status(), head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), Some(&*length), "{path}");
        let post = Answer::to(port, "POST", path, "Content-Length: 0\r\n");
        assert_eq!(post.status(), 405, "{path}");
        assert_eq!(post.header("allow"), Some("GET, HEAD"), "{path}");
    }
    for path in [
        "/index.html",
        "/app.js/",
        "/state.js",
        "/assets/app.js",
        "/favicon.ico",
    ] {
        assert_eq!(get(port, path).0, 404, "{path}");
    }
}

#[test]
fn a_part_is_sent_without_comments_and_gzipped_where_accepted() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    let mut total = 0;
    for (path, content_type) in PARTS {
        let plain = Answer::to(port, "GET", path, "");
        assert_eq!(plain.header("content-encoding"), None, "{path}");
        assert_compact(path, std::str::from_utf8(&plain.body).unwrap());
        let gzipped = Answer::to(port, "GET", path, CHROMIUM);
        assert_eq!(gzipped.status(), 200, "{path}");
        assert_eq!(gzipped.gunzipped(), plain.body, "{path}");
        total += gzipped.body.len();
        for got in [&plain, &gzipped] {
            assert_eq!(got.header("content-type"), Some(content_type), "{path}");
            assert_eq!(got.header("cache-control"), Some("no-cache"), "{path}");
            assert_eq!(got.headers("vary"), ["Accept-Encoding"], "{path}");
        }
        let head = Answer::to(port, "HEAD", path, GZIP);
        let length = gzipped.body.len().to_string();
        assert_eq!((head.status(), head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), Some(&*length), "{path}");
        assert_eq!(head.header("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(head.header("etag"), gzipped.header("etag"), "{path}");
        let refused = Answer::to(port, "GET", path, "Accept-Encoding: gzip;q=0, *\r\n");
        assert_eq!(refused.body, plain.body, "{path}");
    }
    println!("{total} bytes, gzipped");
    assert!(total <= 30_000, "{total} bytes");
}

/// Scripts and styles are shorter than their sources, and their comments are gone; a document lacks only its indentation.
#[track_caller]
fn assert_compact(path: &str, sent: &str) {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/assets");
    let read = |name: &str| std::fs::read_to_string(assets.join(name)).unwrap();
    let source = match path {
        "/" => read("index.html"),
        "/app.js" => {
            let names = std::fs::read_dir(&assets).unwrap();
            let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names
                .filter(|name| name.ends_with(".js"))
                .map(|name| read(&name))
                .collect()
        }
        _ => read("app.css") + &read("parts.css"),
    };
    match path {
        "/app.js" | "/app.css" => {
            assert!(
                sent.len() < source.len() * 3 / 4,
                "{path}: {} bytes",
                sent.len()
            );
            assert!(!sent.contains("/*") && !sent.contains("@param"), "{path}");
        }
        _ => {
            let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
            assert_eq!(sent, lines.join("\n"), "{path}");
        }
    }
}

/// A cache that confused the two would give a client something that it cannot read.
#[test]
fn the_two_forms_of_a_part_have_two_tags() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    for (path, _) in PARTS {
        let tag_of = |encoding: &str| {
            let got = Answer::to(port, "GET", path, encoding);
            got.header("etag").unwrap().to_owned()
        };
        let (plain, gzipped) = (tag_of(""), tag_of(GZIP));
        assert_ne!(plain, gzipped, "{path}");
        assert!(plain.starts_with('"') && gzipped.starts_with('"'), "strong");
        for (encoding, known, status) in [
            ("", &plain, 304),
            ("", &gzipped, 200),
            (GZIP, &gzipped, 304),
            (GZIP, &plain, 200),
        ] {
            let known = format!("{encoding}If-None-Match: {known}\r\n");
            let got = Answer::to(port, "GET", path, &known);
            assert_eq!(got.status(), status, "{path}: {known}");
            assert_eq!(got.headers("vary"), ["Accept-Encoding"], "{path}");
            assert_eq!(got.body.is_empty(), status == 304, "{path}: {known}");
        }
        let both = format!("{GZIP}If-None-Match: {plain}, W/{gzipped}\r\n");
        assert_eq!(Answer::to(port, "GET", path, &both).status(), 304, "{path}");
    }
}

#[test]
fn a_part_lists_everything_it_varies_with() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    let own = format!("{GZIP}Origin: http://localhost:{port}\r\n");
    let got = Answer::to(port, "GET", "/app.js", &own);
    assert_eq!(got.headers("vary"), ["Accept-Encoding", "Origin"]);
}

#[test]
fn the_policy_names_the_script_in_the_page_by_its_hash() {
    let serve = Metrics::serve().start();
    let got = Answer::to(serve.port(), "GET", "/", "");
    let page = String::from_utf8(got.body.clone()).unwrap();
    let script = page.split_once("<script>").unwrap().1;
    let script = script.split_once("</script>").unwrap().0;
    let hash = python(
        "import base64, hashlib, sys; print(base64.b64encode(hashlib.sha256(sys.argv[1].encode()).digest()).decode())",
        [script],
    );
    let policy = got.header("content-security-policy").unwrap();
    let named = format!("script-src 'self' 'sha256-{}';", hash.trim());
    assert!(policy.contains(&named), "{policy}");
}

#[test]
fn the_page_needs_no_token_but_its_data_does() {
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
