//! Requests whose responses nobody reads.

use std::io::{Read, Write};

use crate::harness::http::get;
use crate::harness::metrics::Metrics;
use crate::harness::raw::{SOON, connect_afar};
use crate::harness::recording::write_long;
use crate::harness::viewer::Viewer;
use crate::harness::wait_for;

#[test]
fn unread_recordings_take_bounded_memory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    write_long(&file, 4000, 40);
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "2", "--retain", "1000h"])
        .start();
    // Two viewers that have read everything; the server waits for both to close, so it lives as long as the test.
    let (mut first, _second) = (
        Viewer::connect(replay.url(), ""),
        Viewer::connect(replay.url(), "host=nobody-*"),
    );
    first.numbered(3000);
    let before = replay.rss_kib();
    let (mut made, mut refused) = (Vec::new(), 0);
    for _ in 0..20 {
        let mut peer = connect_afar(replay.port());
        peer.write_all(b"GET /recording.csv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            .unwrap();
        let mut status = [0; 12];
        peer.read_exact(&mut status).unwrap();
        match &status[9..] {
            b"200" => made.push(peer),
            b"503" => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(!made.is_empty() && 0 < refused, "{} made", made.len());
    let grown = replay.rss_kib().saturating_sub(before);
    println!("{} made, {refused} refused, {grown} KiB", made.len());
    assert!(grown < 32 * 1024, "{grown} KiB");
    assert_eq!(get(replay.port(), "/healthz").0, 200);
    // A viewer that takes a few bytes now and then doesn't hold the others up for ever.
    let nobody_waits = || {
        for peer in &mut made {
            let _ = peer.read(&mut [0; 32]);
        }
        (get(replay.port(), "/recording.csv").0 == 200).then_some(())
    };
    wait_for(SOON, nobody_waits, || {
        "no recording can be had any more".into()
    });
}
