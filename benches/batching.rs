//! The gain from batching: the frames per second that `replay --speed max` delivers to 100 viewers, compared with one
//! `write(2)` per frame: `cargo bench --bench batching [-- ROWS]`.
//!
//! Both are read by the same readers, on one thread.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and a failing unwrap is a failure"
)]

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Instant;

use tokio::io::AsyncReadExt;

mod load;

const VIEWERS: usize = 100;

const PASSES: usize = 5;

/// The server's last text.
const GOODBYE: &[u8] = b"the recording is over";

fn main() {
    let mut args = std::env::args().filter_map(|arg| arg.parse().ok());
    let recording = load::recording(args.next().unwrap_or(20_000), 1000);
    let (bytes, _) = replay(recording.path());
    let frames = load::frames(&bytes);
    let (count, size) = (frames.len(), bytes.len() / frames.len());
    println!("{count} frames of {size} bytes to {VIEWERS} viewers");
    // Alternating, so that other load on the machine affects both.
    let passes = (0..PASSES).map(|_| (replay(recording.path()).1, one_by_one(&frames)));
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

/// What one viewer of a replay received, and the seconds until all of them had it.
fn replay(recording: &Path) -> (Vec<u8>, f64) {
    let count = VIEWERS.to_string();
    let (mut server, port) = load::replay(recording, &["--speed", "max", "--wait", &count]);
    let viewers = (0..VIEWERS).map(|_| load::viewer(port, false)).collect();
    let result = read(viewers);
    assert!(server.wait().unwrap().success());
    result
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

/// Reads all of them to the end; returns what the first one received, and the seconds since the first byte.
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
