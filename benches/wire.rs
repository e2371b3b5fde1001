//! The bytes that a recording takes on the wire, plain and compressed:
//! `cargo bench --bench wire [-- RECORDING [SPEED]]`.
//!
//! A replay sends it to two viewers, one of which can inflate. It plays SPEED times faster than it was recorded, and
//! sends heartbeats that much more often, so that there are as many for each sample as usual. Everything after the
//! handshake counts: headers, heartbeats, pings. The texts that the first viewer got then serve to measure how long
//! deflating takes.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its figures, and a failing unwrap is a failure"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use metrics_toolkit::protocol::{Deflated, HeldBytes};

mod load;

/// Milliseconds between two heartbeats by default.
const HEARTBEAT_MS: f64 = 30_000.0;

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| arg != "--bench")
        .collect();
    let made = load::recording(3600, 1000);
    let path = args
        .first()
        .map_or_else(|| made.path().to_owned(), PathBuf::from);
    let speed: f64 = args.get(1).map_or(60.0, |speed| speed.parse().unwrap());
    let heartbeat = format!("{}ms", (HEARTBEAT_MS / speed).max(100.0));
    let speed = speed.to_string();
    let flags = ["--speed", &speed, "--heartbeat", &heartbeat, "--wait", "2"];
    let (mut server, port) = load::replay(&path, &flags);
    let viewers = [false, true].map(|inflates| {
        let stream = load::viewer(port, inflates);
        std::thread::spawn(move || all(stream))
    });
    let [plain, compressed] = viewers.map(|viewer| viewer.join().unwrap());
    server.kill().unwrap();
    server.wait().unwrap();
    let (texts, samples) = texts(&plain);
    let [plain, compressed] = [plain, compressed].map(|bytes| load::body(&bytes).len() as f64);
    println!(
        "{samples} numbered messages at {speed} times their speed, a heartbeat every {heartbeat}"
    );
    println!(
        "plain       {plain:.0} bytes, {:.0} a message",
        plain / samples as f64
    );
    println!(
        "compressed  {compressed:.0} bytes, {:.0} a message",
        compressed / samples as f64
    );
    println!("ratio       {:.3}", compressed / plain);
    for (name, after) in [("alone", false), ("after the one before", true)] {
        println!(
            "deflating {name}: {:.1} µs a message",
            deflating_us(&texts, after)
        );
    }
}

/// Everything that a viewer gets. It answers pings.
fn all(mut stream: TcpStream) -> Vec<u8> {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let part = &buffer[..read];
        if let Some(at) = part.windows(2).position(|two| two == [0x89, 4])
            && let Some(payload) = part.get(at + 2..at + 6)
        {
            stream
                .write_all(&[&[0x8a, 0x84, 0, 0, 0, 0], payload].concat())
                .unwrap();
        }
        bytes.extend_from_slice(part);
        if part.ends_with(b"the recording is over") {
            break;
        }
    }
    bytes
}

/// The texts of all messages, and how many are numbered.
fn texts(bytes: &[u8]) -> (Vec<Bytes>, usize) {
    let text = |frame: &[u8]| {
        let (header, _) = load::header_and_payload(frame).unwrap();
        Bytes::copy_from_slice(&frame[header..])
    };
    let texts: Vec<_> = load::frames(bytes).into_iter().map(text).collect();
    let numbered = |text: &&Bytes| {
        text.starts_with(b"{\"type\":\"metric\"") || text.starts_with(b"{\"type\":\"alert\"")
    };
    let count = texts.iter().filter(numbered).count();
    (texts, count)
}

/// The mean time to deflate a text, alone or against the one before it.
fn deflating_us(texts: &[Bytes], after: bool) -> f64 {
    let held = HeldBytes::default();
    let mut last: Option<(Bytes, Deflated)> = None;
    let mut spent = Duration::ZERO;
    for text in texts {
        let before = last.as_ref().map(|(text, _)| text.clone());
        let forms = Deflated::new(text.clone(), [before, None], &held);
        let begun = Instant::now();
        let _frame = forms.frame_after(last.as_ref().filter(|_| after).map(|(_, forms)| forms));
        spent += begun.elapsed();
        last = Some((text.clone(), forms));
    }
    spent.as_secs_f64() * 1e6 / texts.len() as f64
}
