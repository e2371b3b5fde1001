//! Shared by the benchmarks of the fan-out: a replay and its viewers.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::NamedTempFile;

/// A recording of rows with 24 columns, `step` milliseconds apart.
pub(crate) fn recording(rows: u64, step: u64) -> NamedTempFile {
    let mut csv =
        "timestamp,host,stream,seq,event,cpu,memory,activeUsers,requestsPerSecond".to_owned();
    for core in 0..20 {
        write!(csv, ",cpu:{core}").unwrap();
    }
    csv.push_str(",top,extra\n");
    for row in 0..rows {
        let at = row * step;
        let (hour, minute, second, ms) = (
            at / 3_600_000 % 24,
            at / 60_000 % 60,
            at / 1000 % 60,
            at % 1000,
        );
        write!(
            csv,
            "2026-11-24T{hour:02}:{minute:02}:{second:02}.{ms:03}Z,web-1,k3v9q2,{}",
            row + 1
        )
        .unwrap();
        csv.push_str(",,31.25,61.5,2,120.75");
        for core in 0..20 {
            write!(csv, ",{}.5", (row + core) % 100).unwrap();
        }
        csv.push_str(",,\n");
    }
    let mut file = NamedTempFile::with_suffix(".csv").unwrap();
    file.write_all(csv.as_bytes()).unwrap();
    file
}

/// Replays a recording on a free port; the process and the port.
pub(crate) fn replay(recording: &Path, args: &[&str]) -> (Child, u16) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_metrics"));
    command
        .args(["replay", "--quiet", "--listen", "127.0.0.1:0"])
        .args(args)
        .arg(recording);
    started(command)
}

/// Starts a server; the process, and the port in the first line that it prints.
pub(crate) fn started(mut command: Command) -> (Child, u16) {
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let port = line.rsplit(':').next().unwrap().trim();
    let port = port.split('/').next().unwrap().parse();
    (server, port.expect("a port"))
}

/// A viewer that has requested the stream; one that can inflate is sent compressed messages.
pub(crate) fn viewer(port: u16, inflates: bool) -> TcpStream {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let offer = if inflates {
        "Sec-WebSocket-Extensions: permessage-deflate\r\n"
    } else {
        ""
    };
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// What a viewer received after the response to its request.
pub(crate) fn body(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    &bytes[end + 4..]
}

/// The messages that a viewer received, as whole frames.
pub(crate) fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut rest, mut frames) = (body(bytes), Vec::new());
    while let Some(len) = header_and_payload(rest).map(|(header, payload)| header + payload) {
        let Some((frame, behind)) = rest.split_at_checked(len) else {
            break;
        };
        let is_control = frame[0] & 0x08 != 0;
        frames.extend((!is_control).then_some(frame));
        rest = behind;
    }
    frames
}

/// The lengths of the header and the payload of the first frame.
pub(crate) fn header_and_payload(bytes: &[u8]) -> Option<(usize, usize)> {
    let (at, len) = match bytes.get(1)? {
        126 => (4, bytes.get(2..4)?),
        127 => (10, bytes.get(2..10)?),
        short => return Some((2, usize::from(*short))),
    };
    let len = len
        .iter()
        .fold(0, |len, byte| len << 8 | usize::from(*byte));
    Some((at, len))
}
