//! Viewers that read little, nothing, or in bursts, alongside viewers that keep up.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::cost::most_unsent;
use crate::harness::events::Events;
use crate::harness::http::get;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::raw::{MOST_UNSENT, Raw, connect_afar, connect_narrow, frame};
use crate::harness::recording::plain;
use crate::harness::steady::Steady;
use crate::harness::viewer::Viewer;
use crate::harness::wire::{Reason, Wire};
use crate::harness::{PATIENCE, wait_for};

fn viewers(port: u16) -> u64 {
    let (_, body) = get(port, "/healthz");
    let health: serde_json::Value = serde_json::from_str(&body).unwrap();
    health["viewers"].as_u64().unwrap()
}

/// Waits until only `left` viewers remain. Returns the most that the kernel buffered for one of them meanwhile.
#[track_caller]
fn until_left(serve: &Running, left: u64) -> u64 {
    let mut most = 0;
    wait_for(
        PATIENCE,
        || {
            std::thread::sleep(Duration::from_millis(100));
            most = most.max(most_unsent(serve.port()));
            (viewers(serve.port()) == left).then_some(())
        },
        || format!("{} viewers are there", viewers(serve.port())),
    );
    most
}

#[test]
fn a_frozen_viewer_is_disconnected_and_disturbs_nobody() {
    let serve = Metrics::serve()
        .args(["--heartbeat", "1s", "--top", "100"])
        .start();
    let steady = [Steady::watch(serve.url()), Steady::watch(serve.url())];
    let watch = Metrics::watch(serve.url()).arg("--json").spawn();
    watch.stdout_lines(2);
    let rss = serve.rss_kib();
    watch.signal(Signal::STOP);
    let deaf: Vec<_> = (0..20)
        .map(|_| Raw::over(connect_narrow(serve.port()), ""))
        .collect();
    let deaf_events: Vec<_> = (0..5)
        .map(|_| Events::over(connect_narrow(serve.port()), "/events", ""))
        .collect();
    assert_eq!(viewers(serve.port()), 28);
    let held = until_left(&serve, 2);
    let grown = serve.rss_kib().saturating_sub(rss);
    println!("{held} bytes of the kernel, {grown} KiB");
    assert!(0 < held && held < MOST_UNSENT, "{held} bytes");
    assert!(grown < 8 * 1024, "{grown} KiB");
    drop((deaf, deaf_events));
    // It thaws, reconnects, and has missed nothing.
    let had = watch.stdout().text().lines().count();
    watch.signal(Signal::CONT);
    let lines = watch.stdout_lines(had + 70);
    let seqs: Vec<_> = lines
        .iter()
        .filter_map(|l| Wire::read(l).unwrap().seq())
        .collect();
    assert!(
        seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{seqs:?}"
    );
    for viewer in steady {
        viewer.finish();
    }
}

#[test]
fn an_unsolicited_pong_does_not_count_as_an_answer() {
    let serve = Metrics::serve().args(["--heartbeat", "1s"]).start();
    let steady = Steady::watch(serve.url());
    let mut viewer = Raw::connect(serve.port(), "");
    let mut pongs = viewer.stream().try_clone().unwrap();
    std::thread::spawn(move || {
        use std::io::Write;
        while pongs.write_all(&frame(0x8a, b"fine")).is_ok() {
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    let ending = viewer.ending();
    assert_eq!(ending.code, Some(1013));
    assert!(viewers(serve.port()) <= 2);
    steady.finish();
}

#[test]
fn a_removed_viewer_frees_its_descriptor() {
    let serve = Metrics::serve()
        .args(["--heartbeat", "1s", "--top", "100"])
        .start();
    let steady = Steady::watch(serve.url());
    let before = serve.descriptors();
    let deaf: Vec<_> = (0..10)
        .map(|_| Raw::over(connect_narrow(serve.port()), ""))
        .collect();
    until_left(&serve, 1);
    // The descriptor of the last request may still be open.
    let left = serve.descriptors();
    assert!(
        left <= before + 1,
        "{left} descriptors, and {before} before"
    );
    drop(deaf);
    steady.finish();
}

/// The next message that is a gap, or the close code.
fn gap_or_close(viewer: &mut Raw) -> Result<(Wire, Wire), u16> {
    let mut gap = None;
    loop {
        let heard = viewer.hear().expect("a close frame before the end");
        match heard.first {
            0x88 => return Err(u16::from_be_bytes(*heard.payload.first_chunk().unwrap())),
            0x81 => {
                let message = Wire::read(std::str::from_utf8(&heard.payload).unwrap()).unwrap();
                match gap.take() {
                    Some(gap) => return Ok((gap, message)),
                    None if matches!(message, Wire::Gap { .. }) => gap = Some(message),
                    None => {}
                }
            }
            _ => {}
        }
    }
}

/// Waits until the amount that the kernel buffers for a viewer hasn't changed for a second. Returns since when.
#[track_caller]
fn until_full(port: u16) -> Instant {
    let (mut held, mut since) = (0, Instant::now());
    wait_for(
        PATIENCE,
        || {
            let now = most_unsent(port);
            if now != held {
                (held, since) = (now, Instant::now());
            }
            (0 < held && Duration::from_secs(1) < since.elapsed()).then_some(since)
        },
        || "it takes more and more".into(),
    )
}

/// The next gap, with the message after it; `None` at the end.
fn gap_or_end(events: &mut Events) -> Option<(Wire, Wire)> {
    let mut messages = events.map(|event| Wire::read(&event.data).unwrap());
    let gap = messages.find(|message| matches!(message, Wire::Gap { .. }))?;
    Some((gap, messages.next().unwrap()))
}

#[track_caller]
fn tells_what_is_lost((gap, next): (Wire, Wire)) {
    let Wire::Gap {
        from: Some(from),
        to: Some(to),
        reason: Reason::Expired,
        ..
    } = gap
    else {
        panic!("{gap:?}");
    };
    assert!(
        from <= to && next.seq() == Some(to + 1),
        "{from}-{to}, {next:?}"
    );
}

/// A viewer that falls behind the ring twice; returns the results of both times.
fn fall_behind_twice<V>(join: impl Fn(u16) -> V, first: impl Fn(&mut V), second: impl Fn(&mut V)) {
    // No ping interferes. A ring of 30 samples covers six seconds, and the socket is full earlier.
    let serve = Metrics::serve()
        .args(["--retain", "1s", "--heartbeat", "1h", "--top", "500"])
        .start();
    let steady = Steady::watch(serve.url());
    'again: for _ in 0..20 {
        let mut viewer = join(serve.port());
        for judge in [&first as &dyn Fn(&mut V), &second] {
            let full = until_full(serve.port());
            steady.wait_for_more(31);
            // On a machine this slow, it counts as frozen.
            if Duration::from_secs(9) < full.elapsed() {
                continue 'again;
            }
            judge(&mut viewer);
        }
        return steady.finish();
    }
    panic!("six seconds of samples never come in nine");
}

#[test]
fn a_viewer_that_falls_behind_the_ring_gets_a_gap_and_may_continue_once() {
    fall_behind_twice(
        |port| Raw::over(connect_narrow(port), ""),
        |viewer| tells_what_is_lost(gap_or_close(viewer).expect("a gap first")),
        |viewer| assert_eq!(gap_or_close(viewer), Err(1013)),
    );
}

#[test]
fn an_event_stream_that_falls_behind_the_ring_gets_a_gap_and_may_continue_once() {
    fall_behind_twice(
        |port| Events::over(connect_narrow(port), "/events", ""),
        |events| tells_what_is_lost(gap_or_end(events).expect("a gap first")),
        |events| assert_eq!(gap_or_end(events), None),
    );
}

/// Of a live host, a viewer has 5 s to answer the close. At the end of a recording, what it has not read yet would be
/// lost with the connection.
#[test]
fn a_viewer_that_is_busy_at_the_end_of_a_recording_loses_nothing() {
    const ROWS: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let given = dir.path().join("given.csv");
    std::fs::write(&given, plain("web-1", ROWS as u64, 1000)).unwrap();
    let replay = Metrics::replay([&given]).args(["--speed", "max", "--wait", "2"]);
    let replay = replay.start();
    let mut busy = Raw::over(connect_afar(replay.port()), "");
    let (_, code) = Viewer::connect(replay.url(), "").until_closed();
    assert_eq!(code, Some(1000));
    std::thread::sleep(Duration::from_secs(8));
    let mut rows = 0;
    while let Some(heard) = busy.hear()
        && heard.first != 0x88
    {
        rows += usize::from(heard.payload.starts_with(br#"{"type":"metric""#));
    }
    busy.send(&frame(0x88, &1000_u16.to_be_bytes()));
    assert_eq!(rows, ROWS);
    replay.wait().success();
}

#[test]
fn a_viewer_that_is_behind_gets_many_frames_in_one_write() {
    const VIEWERS: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    std::fs::write(&file, plain("web-1", 2000, 1000)).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", &VIEWERS.to_string()])
        .start();
    let port = replay.port();
    let threads: Vec<_> = (0..VIEWERS)
        .map(|_| std::thread::spawn(move || reads_and_frames(Raw::connect(port, ""))))
        .collect();
    let (mut reads, mut frames) = (0, 0);
    for thread in threads {
        let (read, heard) = thread.join().unwrap();
        assert!(2000 < heard, "{heard} frames");
        reads += read;
        frames += heard;
    }
    println!("{frames} frames in {reads} reads");
    assert!(reads * 5 <= frames, "{frames} frames in {reads} reads");
    replay.wait().success();
}

/// Reads 64 KiB at a time until the server closes, and answers the close.
fn reads_and_frames(viewer: Raw) -> (usize, usize) {
    use std::io::Write;
    let (early, mut stream) = viewer.into_parts();
    let (mut bytes, mut reads) = (early, 0);
    let mut buffer = vec![0; 64 * 1024];
    let (mut frames, mut at) = (0, 0);
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => return (reads, frames),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (reads, frames),
            Err(error) => panic!("{error}"),
        };
        reads += 1;
        bytes.extend_from_slice(&buffer[..count]);
        while let Some(end) = end_of_frame(&bytes[at..]) {
            if bytes[at] == 0x88 {
                let _ = stream.write_all(&frame(0x88, &[3, 0xe8]));
            }
            frames += 1;
            at += end;
        }
        bytes.drain(..std::mem::take(&mut at));
    }
}

fn end_of_frame(bytes: &[u8]) -> Option<usize> {
    let end = match *bytes.get(1)? {
        126 => 4 + usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
        127 => panic!("no frame here is so long"),
        short => 2 + usize::from(short),
    };
    (end <= bytes.len()).then_some(end)
}
