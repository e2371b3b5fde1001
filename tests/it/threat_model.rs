//! The threat model in docs/OPERATING.md: every test that it names exists, and those that no other file has.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::metrics::Metrics;
use crate::harness::viewer::{Seen, Viewer};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_test_that_it_names_exists() {
    let docs = read("docs/OPERATING.md");
    let (_, model) = docs.split_once("\n## Threat model\n").unwrap();
    // What is between two backquotes.
    let quoted = model.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|text| text.split_once(": "));
    let mut count = 0;
    for (file, name) in named {
        count += 1;
        let is_source = Path::new(file).extension().is_some();
        let path = if is_source {
            file.to_owned()
        } else {
            format!("tests/it/{file}.rs")
        };
        let test = format!("fn {name}() {{");
        assert!(read(&path).contains(&test), "{path} has no test {name}");
    }
    assert!(25 <= count, "only {count} tests are named");
}

#[test]
fn arguments_of_processes_are_never_sent() {
    let mut child = Command::new("sh")
        .args(["-c", "read line # pa55w0rd-in-an-argument"])
        .env("SECRET", "pa55w0rd-in-a-variable")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let serve = Metrics::serve().args(["--top", "1000"]).start();
    let mut viewer = Viewer::connect(serve.url(), "");
    let with_child = format!("\"pid\":{},", child.id());
    let mut found = false;
    while !found {
        let Seen::Message(_, text) = viewer.next() else {
            panic!("the server closed");
        };
        assert!(!text.contains("pa55w0rd"), "{text}");
        found = text.contains(&with_child);
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_spool_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let serve = Metrics::serve().arg("--spool").arg(&spool).start();
    Viewer::connect(serve.url(), "").numbered(2);
    let mut folders = vec![spool];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    assert!(0 < files);
}

#[test]
fn a_token_is_not_sent_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (asked, elsewhere) = (listen(), listen());
    let url = format!("ws://{}/ws", asked.local_addr().unwrap());
    let to = elsewhere.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let (mut socket, _) = asked.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let answer = format!(
            "HTTP/1.1 302 Found\r\nLocation: http://{to}/ws\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    let watch = Metrics::watch(&url)
        .args(["--once", "--token-file"])
        .arg(&token);
    watch.run().code(3);
    assert!(answering.join().unwrap().contains("0123456789abcdef"));
    elsewhere.set_nonblocking(true).unwrap();
    let error = elsewhere.accept().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

/// What a viewer sends is discarded, and other methods than those that read are refused.
#[test]
fn no_request_changes_anything() {
    let serve = Metrics::serve().start();
    let mut before = Viewer::connect(serve.url(), "");
    before.numbered(1);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in [
            "/",
            "/ws",
            "/events",
            "/recording.csv",
            "/metrics",
            "/healthz",
        ] {
            let address = (Ipv4Addr::LOCALHOST, serve.port());
            let mut socket = std::net::TcpStream::connect(address).unwrap();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
            );
            socket.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            assert!(
                answer.starts_with("HTTP/1.1 4"),
                "{method} {path}: {answer}"
            );
        }
    }
    before.numbered(2);
}
