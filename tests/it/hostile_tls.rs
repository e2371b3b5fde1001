//! Peers of a TLS port that never finish, are too old, or don't read.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::harness::certificates::{Authority, Valid};
use crate::harness::cost::most_unsent;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::raw::{MOST_UNSENT, SOON, connect, connect_narrow, dribble, handshake};
use crate::harness::secure::{ask, over};
use crate::harness::wait_for;
use crate::harness::wire::Wire;

/// The start of a TLS 1.2 or 1.3 handshake: a record with the head of a ClientHello of 508 bytes.
const BEGUN_HELLO: &[u8] = &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// A server with TLS, a viewer, and the authority that signed its certificate.
struct Scene {
    _dir: tempfile::TempDir,
    serve: Running,
    watch: Running,
    ca: PathBuf,
}

impl Scene {
    fn with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let ca = authority.write(dir.path());
        let pair = authority.sign(dir.path(), &["127.0.0.1"], Valid::Now);
        let serve = Metrics::serve().args(args).arg("--tls-cert").arg(pair.cert);
        let serve = serve.arg("--tls-key").arg(pair.key).start();
        let watch = Metrics::watch(serve.url()).args(["--json", "--ca-cert"]);
        let watch = watch.arg(&ca).spawn();
        watch.stdout_lines(2);
        Self {
            _dir: dir,
            serve,
            watch,
            ca,
        }
    }

    fn ca(&self) -> &Path {
        &self.ca
    }

    /// The viewer continues, and has every sample once.
    #[track_caller]
    fn goes_on(&self) {
        let had = self.watch.stdout().text().lines().count();
        let lines = self.watch.stdout_lines(had + 5);
        let seqs = lines
            .iter()
            .filter_map(|line| Wire::read(line).unwrap().seq());
        let seqs: Vec<_> = seqs.collect();
        let follow = |pair: &[u64]| pair[1] == pair[0] + 1;
        assert!(seqs.windows(2).all(follow), "{seqs:?}");
        let said = self.watch.stderr().text();
        assert!(!said.contains("reconnecting"), "{said}");
    }
}

#[test]
fn a_slow_handshake_is_closed_at_the_deadline() {
    let scene = Scene::with(&[]);
    let port = scene.serve.port();
    let mut slow = Vec::new();
    for begun in [&[][..], BEGUN_HELLO] {
        let mut stream = connect(port);
        stream.write_all(begun).unwrap();
        // Silent, or byte by byte.
        let silent = connect(port);
        (&silent).write_all(begun).unwrap();
        slow.push((stream, begun.to_vec()));
        slow.push((silent, Vec::new()));
    }
    // After a handshake, nothing has been requested yet.
    let mut late = over(connect(port), scene.ca());
    late.write_all(b"GET /ws HTTP/1.1\r\nX: ").unwrap();
    let threads = slow.into_iter().map(|(mut stream, begun)| {
        let byte = if begun.is_empty() { None } else { Some(b'x') };
        std::thread::spawn(move || dribble(&mut stream, byte))
    });
    let threads: Vec<_> = threads.collect();
    for thread in threads {
        let took = thread.join().unwrap();
        assert!(took < SOON, "still open after {took:?}");
    }
    let _ = late.sock.set_read_timeout(Some(SOON));
    let end = late.read(&mut [0]);
    assert!(end.as_ref().is_ok_and(|&count| count == 0), "{end:?}");
    scene.goes_on();
}

#[test]
fn an_old_tls_version_is_refused_with_an_alert() {
    let scene = Scene::with(&[]);
    // TLS 1.1 at most, with suites of its time. Signature algorithms are checked first.
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 6, 0xc0, 0x13, 0xc0, 0x14, 0, 0x2f, 1, 0]);
    hello.extend([0, 10, 0, 13, 0, 6, 0, 4, 4, 3, 4, 1]);
    let length = u8::try_from(hello.len()).unwrap();
    let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &hello[..]].concat();
    let mut stream = connect(scene.serve.port());
    stream.write_all(&record).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    // An alert of two bytes: fatal, protocol_version (RFC 5246, section 7.2).
    assert_eq!(
        (answer[0], &answer[3..]),
        (21, &[0, 2, 2, 70][..]),
        "{answer:?}"
    );
    scene.goes_on();
}

#[test]
fn frozen_viewers_over_tls_are_disconnected_and_disturb_nobody() {
    let scene = Scene::with(&["--heartbeat", "1s", "--top", "100"]);
    let port = scene.serve.port();
    let (before, rss) = (scene.serve.descriptors(), scene.serve.rss_kib());
    let events = format!("GET /events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    let deaf = [handshake(port, ""), events].map(|request| {
        let deaf = (0..8).map(|_| {
            let mut deaf = over(connect_narrow(port), scene.ca());
            let head = ask(&mut deaf, &request);
            assert!(head.starts_with("HTTP/1.1 101 ") || head.starts_with("HTTP/1.1 200 "));
            deaf
        });
        deaf.collect::<Vec<_>>()
    });
    let mut held = 0;
    wait_for(
        crate::harness::PATIENCE,
        || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            held = held.max(most_unsent(port));
            (scene.serve.descriptors() <= before).then_some(())
        },
        || {
            format!(
                "{} descriptors, and {before} before",
                scene.serve.descriptors()
            )
        },
    );
    let grown = scene.serve.rss_kib().saturating_sub(rss);
    println!("{held} bytes of the kernel, {grown} KiB");
    assert!(0 < held && held < MOST_UNSENT, "{held} bytes");
    assert!(grown < 8 * 1024, "{grown} KiB");
    drop(deaf);
    scene.goes_on();
}
