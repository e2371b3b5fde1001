//! What batches gain: frames a second that `replay --speed max` delivers to 100 viewers, beside the same frames in one
//! `write(2)` each: `cargo bench --bench batching [-- ROWS]`.
//!
//! Both are read by the same readers, on one thread.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and a failing unwrap is a failure"
)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use tokio::io::AsyncReadExt;

const VIEWERS: usize = 100;

const PASSES: usize = 5;

/// What the server says last.
const GOODBYE: &[u8] = b"the recording is over";

fn main() {
    let mut args = std::env::args().filter_map(|arg| arg.parse().ok());
    let csv = recording(args.next().unwrap_or(20_000));
    let (bytes, _) = replay(&csv);
    let frames = frames(&bytes);
    let (count, size) = (frames.len(), bytes.len() / frames.len());
    println!("{count} frames of {size} bytes to {VIEWERS} viewers");
    // By turns, so that whatever else the machine does falls on both.
    let passes = (0..PASSES).map(|_| (replay(&csv).1, one_by_one(&frames)));
    let (batched, single): (Vec<_>, Vec<_>) = passes.unzip();
    let (batched, single) = (median(batched), median(single));
    let per_second = |seconds: f64| {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let all = (count * VIEWERS) as f64;
        all / seconds
    };
    for (what, seconds) in [("replay --speed max", batched), ("one write each", single)] {
        println!("{what:20} {:.0} frames/s", per_second(seconds));
    }
    println!("{:20} {:.1}", "ratio", single / batched);
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Rows with 24 columns.
fn recording(rows: usize) -> String {
    let mut csv =
        "timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond".to_owned();
    for core in 0..20 {
        write!(csv, ",cpu:{core}").unwrap();
    }
    csv.push_str(",top,extra\n");
    for row in 0..rows {
        let (hour, minute, second) = (row / 3600 % 24, row / 60 % 60, row % 60);
        write!(
            csv,
            "2026-11-24T{hour:02}:{minute:02}:{second:02}.000Z,web-1,k3v9q2,{}",
            row + 1
        )
        .unwrap();
        csv.push_str(",,31.25,61.5,2,120.75");
        for core in 0..20 {
            write!(csv, ",{}.5", (row + core) % 100).unwrap();
        }
        csv.push_str(",,\n");
    }
    csv
}

/// What one viewer of a replay got, and the seconds until all of them had it.
fn replay(csv: &str) -> (Vec<u8>, f64) {
    let mut file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
    file.write_all(csv.as_bytes()).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_metrics"))
        .args([
            "replay",
            "--quiet",
            "--listen",
            "127.0.0.1:0",
            "--speed",
            "max",
            "--wait",
        ])
        .arg(VIEWERS.to_string())
        .arg(file.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    stdout.read_line(&mut url).unwrap();
    let port = url
        .rsplit(':')
        .next()
        .and_then(|rest| rest.split('/').next()?.parse().ok());
    let viewers = (0..VIEWERS).map(|_| viewer(port.unwrap()));
    let viewers: Vec<_> = viewers.collect();
    let result = read(viewers);
    assert!(server.wait().unwrap().success());
    result
}

fn viewer(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .unwrap();
    stream
}

/// The same without batches, and the seconds until all was read.
fn one_by_one(frames: &[&[u8]]) -> f64 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let readers: Vec<_> = (0..VIEWERS)
        .map(|_| TcpStream::connect(addr).unwrap())
        .collect();
    let mut sockets: Vec<_> = (0..VIEWERS).map(|_| listener.accept().unwrap().0).collect();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for socket in &sockets {
                socket.set_nodelay(true).unwrap();
            }
            for frame in frames {
                for socket in &mut sockets {
                    socket.write_all(frame).unwrap();
                }
            }
        });
        read(readers).1
    })
}

/// Reads all of them to the end; what the first one got, and the seconds since the first byte.
fn read(streams: Vec<TcpStream>) -> (Vec<u8>, f64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        let readers = streams.into_iter().enumerate().map(|(n, stream)| {
            stream.set_nonblocking(true).unwrap();
            let mut stream = tokio::net::TcpStream::from_std(stream).unwrap();
            tokio::spawn(async move {
                let (mut kept, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
                loop {
                    let count = stream.read(&mut buffer).await.unwrap();
                    let got = &buffer[..count];
                    if n == 0 {
                        kept.extend_from_slice(got);
                    }
                    if count == 0 || got.ends_with(GOODBYE) {
                        return kept;
                    }
                }
            })
        });
        let mut readers = readers.collect::<Vec<_>>().into_iter();
        let first = readers.next().unwrap().await.unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
        (first, begun.elapsed().as_secs_f64())
    })
}

/// The messages in what a viewer got, as frames.
fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let (mut rest, mut frames) = (&bytes[end + 4..], Vec::new());
    while let [0x81, len, high, low, ..] = *rest {
        let len = match len {
            126 => 4 + usize::from(u16::from_be_bytes([high, low])),
            short => 2 + usize::from(short),
        };
        let (frame, behind) = rest.split_at(len);
        frames.push(frame);
        rest = behind;
    }
    frames
}
