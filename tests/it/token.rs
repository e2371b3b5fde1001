//! Tokens: where they are required, where they may appear, and where they never do.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::harness::PATIENCE;
use crate::harness::http::response;
use crate::harness::metrics::Metrics;
use crate::harness::recording::plain;
use crate::harness::viewer::Viewer;

const TOKEN: &str = "geheim-0123456789.abcdef_~";
const OTHER: &str = "anders-0123456789.abcdef_~";

/// A folder with a token in it.
fn token_file(token: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    write(&path, token);
    (dir, path)
}

fn write(path: &Path, token: &str) {
    std::fs::write(path, format!("{token}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn serve(file: &Path) -> Metrics {
    Metrics::serve().arg("--token-file").arg(file)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// The status and the body of the response to a request with these header lines; if it is admitted, the head.
#[track_caller]
fn ask(port: u16, path: &str, lines: &str) -> (u16, String) {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}\r\n"
    )
    .unwrap();
    let mut reader = BufReader::new(socket);
    let head = reader.fill_buf().unwrap();
    for (status, line) in [(101, "HTTP/1.1 101 "), (200, "HTTP/1.1 200 ")] {
        // The rest may never end.
        if head.starts_with(line.as_bytes()) {
            return (status, String::from_utf8_lossy(head).into_owned());
        }
    }
    response(&mut reader)
}

/// The lines of a handshake with further ones.
fn upgrade(lines: &str) -> String {
    format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{lines}"
    )
}

fn close(lines: &str) -> String {
    format!("Connection: close\r\n{lines}")
}

#[test]
fn every_path_but_the_page_and_the_health_check_requires_the_token() {
    let (_dir, file) = token_file(TOKEN);
    let server = serve(&file).arg("-vv").start();
    let port = server.port();
    Viewer::connect_with(server.url(), &bearer(TOKEN)).numbered(1);
    for path in [
        "/ws",
        "/events",
        "/recording.csv",
        "/metrics",
        "/nope",
        "//metrics",
    ] {
        let (status, said) = ask(port, path, &close(""));
        assert_eq!(status, 401, "{path}: {said}");
        assert!(
            said.contains("--token-file") && said.lines().count() == 1,
            "{said}"
        );
        assert_eq!(ask(port, path, &close(&bearer(OTHER))).0, 401, "{path}");
        assert_ne!(ask(port, path, &close(&bearer(TOKEN))).0, 401, "{path}");
        let in_url = format!("{path}?token={TOKEN}");
        for lines in [close(""), close(&bearer(TOKEN))] {
            let (status, said) = ask(port, &in_url, &lines);
            assert_eq!(status, 400, "{path}: {said}");
            assert!(
                said.contains("Authorization") && !said.contains(TOKEN),
                "{said}"
            );
        }
    }
    assert_eq!(ask(port, "/healthz", &close("")).0, 200);
    for page in ["/", "//"] {
        assert_eq!(ask(port, page, &close("")).0, 200);
    }

    server.signal(Signal::TERM);
    let output = server.wait().success();
    assert!(!output.text().contains("geheim"));
    output.stderr_lacks("geheim").stderr_lacks("anders");
}

#[test]
fn a_stream_accepts_the_token_in_either_of_two_places() {
    let (_dir, file) = token_file(TOKEN);
    let server = serve(&file).arg("-vv").start();
    let offer = |offer: &str| upgrade(&format!("Sec-WebSocket-Protocol: {offer}\r\n"));
    for path in ["/ws", "/"] {
        for (lines, expected) in [
            (upgrade(""), 401),
            (upgrade(&bearer(OTHER)), 401),
            (upgrade(&bearer(TOKEN)), 101),
            (offer("metrics.v1"), 401),
            (offer(TOKEN), 401),
            (offer(&format!("metrics.v1, {OTHER}")), 401),
            (offer(&format!("metrics.v1, {TOKEN}")), 101),
            (upgrade(&format!("Cookie: token={TOKEN}\r\n")), 401),
        ] {
            let (status, said) = ask(server.port(), path, &lines);
            assert_eq!(status, expected, "{path} {lines}: {said}");
            assert!(
                !said.contains("geheim") && !said.contains("anders"),
                "{said}"
            );
            let offered = lines.contains("metrics.v1") && status == 101;
            let echoed = said
                .to_lowercase()
                .contains("sec-websocket-protocol: metrics.v1\r\n");
            assert_eq!(echoed, offered, "{said}");
        }
    }
    server.signal(Signal::TERM);
    server
        .wait()
        .success()
        .stderr_lacks("geheim")
        .stderr_lacks("anders");
}

#[test]
fn a_401_names_its_scheme() {
    let (_dir, file) = token_file(TOKEN);
    let server = serve(&file).start();
    for lines in [close(""), upgrade("")] {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(socket, "GET /ws HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").unwrap();
        let said = std::io::read_to_string(socket).unwrap();
        assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
        assert!(
            said.to_lowercase()
                .contains("\r\nwww-authenticate: bearer\r\n"),
            "{said}"
        );
    }
}

#[test]
fn a_recorder_with_the_token_gets_everything_and_never_prints_it() {
    let (dir, file) = token_file(TOKEN);
    let (csv, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    std::fs::write(&csv, plain("web-1", 50, 100)).unwrap();
    let replay = Metrics::replay([&csv])
        .args(["--speed", "max", "--wait", "1", "-vv", "--token-file"])
        .arg(&file)
        .start();
    let recorded = Metrics::record(replay.url())
        .env("METRICS_TOKEN_FILE", &file)
        .args(["-vv", "-o"])
        .arg(&out)
        .run()
        .success();
    recorded.stderr_lacks("geheim").stderr_lacks("clear");
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&csv).unwrap());
    replay.wait().success().stderr_lacks("geheim");
}

#[test]
fn a_client_without_the_token_gets_the_reason_and_gives_up() {
    let (dir, file) = token_file(TOKEN);
    let server = serve(&file).start();
    let watch = || Metrics::watch(server.url()).args(["--plain", "--samples", "1"]);
    watch()
        .run()
        .code(3)
        .stderr_has("requires a token")
        .stderr_has("--token-file");
    let wrong = dir.path().join("wrong");
    write(&wrong, OTHER);
    let output = watch().arg("--token-file").arg(&wrong).run().code(3);
    output
        .stderr_has("not the server's token")
        .stderr_lacks("anders");
    watch().arg("--token-file").arg(&file).run().success();
}

#[test]
fn a_token_is_created_once_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let mut tokens = Vec::new();
    for is_new in [true, false] {
        let server = serve(&file).start();
        tokens.push(std::fs::read_to_string(&file).unwrap());
        let token = tokens[0].trim();
        Viewer::connect_with(server.url(), &bearer(token)).numbered(1);
        server.signal(Signal::TERM);
        let output = server.wait().success().stderr_lacks(token);
        assert_eq!(
            output.stderr.contains("Created a token in"),
            is_new,
            "{}",
            output.story()
        );
    }
    assert_eq!(tokens[0], tokens[1]);
    let is_hex = |c: char| c.is_ascii_hexdigit();
    assert!(tokens[0].trim().len() == 64 && tokens[0].trim().chars().all(is_hex));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn sighup_rereads_the_token() {
    let (_dir, file) = token_file(TOKEN);
    let server = serve(&file).start();
    let mut viewer = Viewer::connect_with(server.url(), &bearer(TOKEN));
    viewer.numbered(1);
    write(&file, OTHER);
    server.signal(Signal::HUP);
    server.wait_for_stderr("read the token");
    let status = |token: &str| ask(server.port(), "/ws", &upgrade(&bearer(token))).0;
    assert_eq!((status(TOKEN), status(OTHER)), (401, 101));
    // Connected viewers stay connected.
    viewer.numbered(2);

    write(&file, "short");
    server.signal(Signal::HUP);
    server.wait_for_stderr("the old token stays in use");
    assert_eq!((status("short"), status(OTHER)), (401, 101));
    server.signal(Signal::TERM);
    server
        .wait()
        .success()
        .stderr_lacks("geheim")
        .stderr_lacks("anders");
}

#[test]
fn a_warning_about_a_token_that_everybody_can_read() {
    let (_dir, file) = token_file(TOKEN);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let server = serve(&file).start();
    let watch = Metrics::watch(server.url()).args(["--plain", "--samples", "1", "--token-file"]);
    watch.arg(&file).run().success().stderr_has("chmod 600");
    server.signal(Signal::TERM);
    server.wait().success().stderr_has("chmod 600");
}

#[test]
fn a_token_opens_a_server_to_the_network() {
    let (_dir, file) = token_file(TOKEN);
    let everywhere = ["serve", "--listen", "0.0.0.0:0", "-i", "200ms"];
    let refused = Metrics::new().args(everywhere).run().code(2);
    let ways = ["metrics watch ssh://", "--token-file", "--allow-anonymous"];
    let at = ways.map(|way| refused.stderr.find(way).unwrap());
    assert!(at.is_sorted(), "{}", refused.story());

    let server = Metrics::new()
        .args(everywhere)
        .arg("--token-file")
        .arg(&file)
        .start();
    server.wait_for_stderr("the token crosses the network in the clear");
    // An address that doesn't look like loopback.
    let url = format!("0.0.0.0:{}", server.port());
    let watch = Metrics::watch(&url).args(["--plain", "--samples", "1", "--token-file"]);
    watch
        .arg(&file)
        .run()
        .success()
        .stderr_has("in the clear on its way to ws://0.0.0.0");
}

#[test]
fn systemds_credential_is_found() {
    let (dir, file) = token_file(TOKEN);
    let server = Metrics::serve()
        .env("CREDENTIALS_DIRECTORY", dir.path())
        .start();
    assert_eq!(ask(server.port(), "/ws", &upgrade("")).0, 401);
    let watch = || Metrics::watch(server.url()).args(["--plain", "--samples", "1"]);
    watch()
        .env("CREDENTIALS_DIRECTORY", dir.path())
        .run()
        .success();
    // A flag wins.
    write(&file, OTHER);
    let other = watch().env("CREDENTIALS_DIRECTORY", dir.path());
    other
        .arg("--token-file")
        .arg(dir.path().join("none"))
        .run()
        .code(1);
}

#[test]
fn a_token_never_comes_from_a_url() {
    let server = Metrics::serve().start();
    let url = format!("{}?token={TOKEN}", server.url());
    let output = Metrics::watch(&url).arg("--plain").run().code(2);
    output.stderr_has("--token-file").stderr_lacks("geheim");
}

#[test]
fn a_file_without_a_token_is_an_error() {
    let (dir, file) = token_file("too short");
    let missing = dir.path().join("missing");
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let watch = || {
        Metrics::watch(&format!("127.0.0.1:{port}"))
            .arg("--plain")
            .arg("--token-file")
    };
    watch()
        .arg(&file)
        .run()
        .code(1)
        .stderr_has("16 or more")
        .stderr_lacks("too short");
    watch()
        .arg(&missing)
        .run()
        .code(1)
        .stderr_has("missing': no such file");
    assert!(!missing.exists(), "only servers make tokens");
    serve(&file)
        .run()
        .code(1)
        .stderr_has("16 or more")
        .stderr_lacks("too short");
    let nowhere = dir.path().join("no/such/folder");
    serve(&nowhere)
        .run()
        .code(1)
        .stderr_has("cannot create the token file");
}
