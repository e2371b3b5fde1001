//! Our own clients on a network: they ask for compressed messages, and cope with whatever arrives.
//!
//! 0.0.0.0 reaches this machine, but isn't known for that as 127.0.0.1 is.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};

use flate2::{Compress, Compression, FlushCompress};
use tokio_tungstenite::tungstenite::{Message, WebSocket};

use crate::harness::metrics::{Metrics, Output};
use crate::harness::recording::plain;
use crate::harness::rows::parse;
use crate::harness::server::{close, each_connection, each_viewer, pipe, say};

const HELLO: &str = r#"{"type":"hello","host":"web-1","stream":"k3","oldest":1,"newest":1,"interval":1000,"metrics":[{"name":"cpu","unit":"%","label":"CPU"}]}"#;

fn metric(seq: u64) -> String {
    let time = 1_795_529_251_204_u64 + seq * 1000;
    format!(
        r#"{{"type":"metric","host":"web-1","seq":{seq},"data":{{"timestamp":{time},"cpu":{seq}}}}}"#
    )
}

/// Binary frames as a server sends them, in one window.
struct Deflating(Compress);

impl Deflating {
    fn new() -> Self {
        Self(Compress::new(Compression::default(), false))
    }

    fn frame(&mut self, text: &[u8]) -> Message {
        let mut out = Vec::with_capacity(text.len() + 1024);
        let flush = FlushCompress::Sync;
        self.0.compress_vec(text, &mut out, flush).unwrap();
        let payload = out.strip_suffix(&[0, 0, 0xff, 0xff]).unwrap();
        Message::binary(payload.to_vec())
    }
}

/// Records from a server whose connections send these frames, in turn, after a `hello` and what was missing; the last
/// one ends.
fn recorded(damage: Vec<Message>) -> (Output, Vec<String>) {
    let queries = Arc::<Mutex<Vec<String>>>::default();
    let asked = Arc::clone(&queries);
    let port = each_viewer(move |number, query, socket| {
        asked.lock().unwrap().push(query.to_owned());
        let mut deflating = Deflating::new();
        let seq = number as u64 + 1;
        send(socket, deflating.frame(HELLO.as_bytes()));
        send(socket, deflating.frame(metric(seq).as_bytes()));
        match damage.get(number) {
            Some(frame) => {
                send(socket, frame.clone());
                while socket.read().is_ok() {}
            }
            None => {
                send(socket, deflating.frame(br#"{"type":"end","host":"web-1"}"#));
                close(socket, 1000, "over");
            }
        }
    });
    let output = Metrics::record(&format!("ws://0.0.0.0:{port}/ws")).run();
    let queries = queries.lock().unwrap().clone();
    (output, queries)
}

fn send(socket: &mut WebSocket<TcpStream>, frame: Message) {
    let _ = socket.send(frame);
}

#[test]
fn broken_data_costs_a_connection_and_no_message() {
    let mut bomb = Deflating::new()
        .frame(&vec![b'x'; 8 * 1024 * 1024])
        .into_data()
        .to_vec();
    bomb.truncate(100_000);
    for (damage, expected) in [
        (
            vec![0, 1, 0, 1, 0, b'x', 0],
            "the compressed data is broken",
        ),
        (vec![0b110], "the compressed data is broken"),
        // The last block of a stream that has no last block.
        (vec![3, 0], "the compressed data is broken"),
        (bomb, "a compressed message has more than 1 MiB"),
    ] {
        let (output, queries) = recorded(vec![Message::binary(damage)]);
        let output = output.success().stderr_has(expected);
        let rows = parse(&output.stdout);
        assert_eq!(
            rows.iter().map(|row| row.cell("seq")).collect::<Vec<_>>(),
            ["1", "2"]
        );
        assert_eq!(
            queries,
            ["encoding=deflate", "after=web-1%3Ak3%3A1&encoding=deflate"]
        );
    }
}

#[test]
fn a_server_that_compresses_nothing_is_read_as_ever() {
    let port = each_viewer(|_, query, socket| {
        assert_eq!(query, "encoding=deflate");
        say(
            socket,
            &[HELLO, &metric(1), r#"{"type":"end","host":"web-1"}"#],
        );
        close(socket, 1000, "over");
    });
    let output = Metrics::record(&format!("ws://0.0.0.0:{port}/ws"))
        .run()
        .success();
    assert_eq!(parse(&output.stdout).len(), 1);
}

#[test]
fn on_the_same_machine_nothing_is_compressed() {
    let port = each_viewer(|_, query, socket| {
        assert_eq!(query, "");
        say(socket, &[HELLO, &metric(1)]);
        // Nobody has asked for this.
        send(socket, Deflating::new().frame(metric(2).as_bytes()));
        say(socket, &[&metric(2), r#"{"type":"end","host":"web-1"}"#]);
        close(socket, 1000, "over");
    });
    let output = Metrics::record(&format!("ws://127.0.0.1:{port}/ws"))
        .run()
        .success()
        .stderr_has("a binary message");
    assert_eq!(parse(&output.stdout).len(), 2);
}

/// Records a replay at this address, which must give the recording back; the bytes that crossed the connection.
fn copied(address: &str) -> u64 {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.csv");
    std::fs::write(&path, plain("web-1", 2000, 1000)).unwrap();
    let replay = Metrics::replay([&path])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let port = replay.port();
    let (tell, told) = mpsc::channel();
    let between = each_connection(move |_, near| {
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        tell.send(pipe(near, far)).unwrap();
    });
    let output = Metrics::record(&format!("ws://{address}:{between}/ws"))
        .run()
        .success();
    assert_eq!(output.stdout, std::fs::read(&path).unwrap());
    replay.wait().success();
    told.recv().unwrap()
}

#[test]
fn a_recording_over_a_network_takes_a_fraction_of_the_bytes() {
    let (near, far) = (copied("127.0.0.1"), copied("0.0.0.0"));
    println!("{near} bytes plain, {far} bytes deflated");
    assert!(far * 4 < near, "{far} of {near} bytes");
}
