//! Crowds of peers that never become viewers: how many are accepted, the memory they hold, and whether others can still
//! connect.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::harness::certificates::{Authority, Valid};
use crate::harness::herd::raise_descriptors;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::raw::{SOON, connect, handshake, is_closed};
use crate::harness::secure::{Secure, ask, over};
use crate::harness::viewer::Viewer;
use crate::harness::{PATIENCE, wait_for};

/// Just short enough not to be refused for its length.
const HALF: usize = 63 * 1024;

/// All unfinished heads may hold 8 MiB; the rest is for the connections themselves, in a debug build.
const MOST_KIB: u64 = 18 * 1024;

/// Without a limit, 400 unfinished heads would hold 25 MiB.
const CROWD: usize = 400;

/// The most connections of one address.
const MOST_OF_AN_ADDRESS: usize = 2048;

/// The ways to start something and leave it unfinished.
#[derive(Debug, Clone, Copy)]
enum Half {
    /// The first head of a connection.
    Head,
    /// The head of a request after one that was answered.
    LaterHead,
    /// A ClientHello.
    Hello,
    /// A head inside TLS.
    HeadInTls,
}

/// A connection that has sent something; its other end may have closed it.
enum Begun {
    Plain(TcpStream),
    Tls(Box<Secure>),
}

impl Begun {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

fn head() -> String {
    format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(HALF))
}

/// A ClientHello of 64 KiB without its end, in as few records as possible.
fn hello() -> Vec<u8> {
    let mut hello = vec![1, 0, 0xff, 0xff, 3, 3];
    hello.resize(HALF, 7);
    let records = hello.chunks(16 * 1024).map(|chunk| {
        let length = u16::try_from(chunk.len()).unwrap().to_be_bytes();
        [&[22, 3, 1, length[0], length[1]], chunk].concat()
    });
    records.collect::<Vec<_>>().concat()
}

impl Half {
    fn needs_tls(self) -> bool {
        matches!(self, Self::Hello | Self::HeadInTls)
    }

    /// Starts it. Writes may fail, because the server may close the connection.
    fn begin(self, port: u16, ca: &Path) -> Begun {
        let mut stream = connect(port);
        let hurry = Some(Duration::from_secs(5));
        stream.set_write_timeout(hurry).unwrap();
        match self {
            Self::Head => drop(stream.write_all(head().as_bytes())),
            Self::LaterHead => {
                let whole = format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
                let _ = stream.write_all(whole.as_bytes());
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(head().as_bytes());
            }
            Self::Hello => drop(stream.write_all(&hello())),
            Self::HeadInTls => {
                let mut secure = over(stream, ca);
                let _ = secure.write_all(head().as_bytes());
                return Begun::Tls(Box::new(secure));
            }
        }
        Begun::Plain(stream)
    }
}

struct Scene {
    _dir: tempfile::TempDir,
    ca: PathBuf,
    serve: Running,
}

fn scene(tls: bool) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let ca = authority.write(dir.path());
    let mut serve = Metrics::serve();
    if tls {
        let pair = authority.sign(dir.path(), &["127.0.0.1"], Valid::Now);
        serve = serve.arg("--tls-cert").arg(pair.cert);
        serve = serve.arg("--tls-key").arg(pair.key);
    }
    Scene {
        _dir: dir,
        ca,
        serve: serve.start(),
    }
}

impl Scene {
    /// A well-behaved viewer can connect.
    #[track_caller]
    fn lets_in(&self, tls: bool) {
        let port = self.serve.port();
        let request = handshake(port, "");
        let answer = if tls {
            ask(&mut over(connect(port), &self.ca), &request)
        } else {
            ask(&mut connect(port), &request)
        };
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    }
}

#[track_caller]
fn hold_little(half: Half) {
    let scene = scene(half.needs_tls());
    let port = scene.serve.port();
    scene.lets_in(half.needs_tls());
    let before = scene.serve.rss_kib();
    let begun: Vec<_> = (0..CROWD).map(|_| half.begin(port, &scene.ca)).collect();
    scene.lets_in(half.needs_tls());
    let grown = scene.serve.peak_rss_kib().unwrap().saturating_sub(before);
    println!("{half:?}: {grown} KiB more at the most");
    assert!(grown < MOST_KIB, "{half:?}: {grown} KiB");
    let open = || begun.iter().filter(|begun| !is_closed(begun.tcp())).count();
    wait_for(
        SOON,
        || (open() == 0).then_some(()),
        || format!("{half:?}: {} are open", open()),
    );
    scene.lets_in(half.needs_tls());
    let kept = || scene.serve.rss_kib().saturating_sub(before);
    wait_for(
        SOON,
        || (kept() <= grown / 2).then_some(()),
        || format!("{half:?}: {} KiB of {grown} are kept", kept()),
    );
    println!("{half:?}: {} KiB more afterwards", kept());
}

#[test]
fn unfinished_heads_hold_little_memory() {
    raise_descriptors();
    hold_little(Half::Head);
    hold_little(Half::LaterHead);
}

#[test]
fn unfinished_tls_handshakes_hold_little_memory() {
    raise_descriptors();
    hold_little(Half::Hello);
    hold_little(Half::HeadInTls);
}

/// A connection from another loopback address.
fn connect_from(ip: [u8; 4], port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let from = SocketAddr::new(IpAddr::from(ip), 0);
    socket.bind(&from.into()).unwrap();
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn one_address_has_half_of_the_lobby_and_keeps_nobody_out() {
    raise_descriptors();
    let scene = scene(false);
    let port = scene.serve.port();
    let before = scene.serve.descriptors();
    let silent: Vec<_> = (0..MOST_OF_AN_ADDRESS + 500)
        .map(|_| connect(port))
        .collect();
    // Others can connect as usual, even from the crowd's address.
    for ip in [[127, 0, 0, 2], [127, 0, 0, 1]] {
        let answer = ask(&mut connect_from(ip, port), &handshake(port, ""));
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    }
    let taken = scene.serve.descriptors() - before;
    assert!(taken < MOST_OF_AN_ADDRESS + 64, "{taken} connections");
    scene
        .serve
        .wait_for_stderr("refused 127.0.0.1: connection it made room");
    Viewer::connect(scene.serve.url(), "").numbered(2);
    drop(silent);
}
