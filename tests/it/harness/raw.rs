//! A viewer made of bytes: it sends what no library would send, and reads exactly what is sent.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;

/// What the kernel may buffer for one viewer: a send buffer of 32 KiB, which it doubles, and one segment of up to 64
/// KiB that it accepts while the buffer isn't full yet.
pub(crate) const MOST_UNSENT: u64 = 128 * 1024;

/// The deadline of a request head on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Whether the server has closed the connection.
pub(crate) fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let mut answer = [0; 1024];
    let closed = loop {
        match (&*stream).read(&mut answer) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() != ErrorKind::WouldBlock,
        }
    };
    stream.set_nonblocking(false).unwrap();
    closed
}

/// Sends nothing, or the same byte every 200 ms, until the server closes; returns how long that took.
pub(crate) fn dribble(stream: &mut TcpStream, byte: Option<u8>) -> Duration {
    let begun = Instant::now();
    while !is_closed(stream) && begun.elapsed() < SOON {
        let _ = stream.write_all(byte.as_slice());
        std::thread::sleep(Duration::from_millis(200));
    }
    begun.elapsed()
}

/// A connection to a port of loopback.
#[track_caller]
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A connection whose side buffers almost nothing.
#[track_caller]
pub(crate) fn connect_narrow(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    connected(socket, port)
}

/// A connection as over a network, in small segments. Loopback's are larger than a slow peer's window, and the kernel
/// would consider such a peer gone.
#[track_caller]
pub(crate) fn connect_afar(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.set_tcp_mss(1000).unwrap();
    connected(socket, port)
}

#[track_caller]
fn connected(socket: Socket, port: u16) -> TcpStream {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect(&addr.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Closes a connection with a reset.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);
}

/// The head of a handshake, with its end.
pub(crate) fn handshake(port: u16, query: &str) -> String {
    handshake_with(port, query, "")
}

/// The same, with further lines.
fn handshake_with(port: u16, query: &str, lines: &str) -> String {
    format!(
        "GET /ws?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

/// A frame as a client sends it: `first` contains FIN, RSV and opcode. The mask is zero, so the payload can be read.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A connected viewer.
pub(crate) struct Raw {
    reader: BufReader<TcpStream>,
}

/// A frame as a server sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

/// How the server ended a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The code of its close frame, if there was one.
    pub(crate) code: Option<u16>,
    /// Messages after its close frame: by RFC 6455, section 5.5.1, none.
    pub(crate) afterwards: usize,
}

impl Raw {
    #[track_caller]
    pub(crate) fn connect(port: u16, query: &str) -> Self {
        Self::over(connect(port), query)
    }

    /// Shakes hands.
    #[track_caller]
    pub(crate) fn over(stream: TcpStream, query: &str) -> Self {
        let port = stream.peer_addr().unwrap().port();
        Self::shaking(stream, &handshake(port, query)).0
    }

    /// A connection that offers extensions, if any, and the head of the response.
    #[track_caller]
    pub(crate) fn offering(port: u16, query: &str, offer: &str) -> (Self, String) {
        let line = match offer {
            "" => String::new(),
            _ => format!("Sec-WebSocket-Extensions: {offer}\r\n"),
        };
        Self::shaking(connect(port), &handshake_with(port, query, &line))
    }

    #[track_caller]
    fn shaking(mut stream: TcpStream, request: &str) -> (Self, String) {
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::with_capacity(4096, stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        (Self { reader }, head)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// The data read so far, and the connection.
    pub(crate) fn into_parts(self) -> (Vec<u8>, TcpStream) {
        (self.reader.buffer().to_vec(), self.reader.into_inner())
    }

    /// Sends bytes. It is no failure if the server has closed already: its data can still be read.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.reader.get_mut().write_all(bytes).is_ok()
    }

    /// The next frame; `None` once the server is gone.
    pub(crate) fn hear(&mut self) -> Option<Heard> {
        let mut head = [0; 2];
        self.reader.read_exact(&mut head).ok()?;
        assert_eq!(head[1] & 0x80, 0, "a server masks nothing");
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.reader.read_exact(&mut len).ok()?;
                u64::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                self.reader.read_exact(&mut len).ok()?;
                u64::from_be_bytes(len)
            }
            short => u64::from(short),
        };
        let mut payload = vec![0; len as usize];
        self.reader.read_exact(&mut payload).ok()?;
        Some(Heard {
            first: head[0],
            payload,
        })
    }

    /// Reads to the end. Pings are not answered; a close is.
    #[track_caller]
    pub(crate) fn ending(&mut self) -> Ending {
        let mut ending = Ending {
            code: None,
            afterwards: 0,
        };
        let deadline = Instant::now() + PATIENCE;
        while let Some(heard) = self.hear() {
            assert!(Instant::now() < deadline, "it is not closed");
            ending.afterwards += usize::from(ending.code.is_some() && heard.first & 0x0f < 8);
            if heard.first == 0x88 {
                let code = heard.payload.first_chunk().expect("a close with a code");
                ending.code = Some(u16::from_be_bytes(*code));
                self.send(&frame(0x88, &heard.payload[..2]));
                let _ = self.stream().shutdown(Shutdown::Write);
            }
        }
        ending
    }
}
