//! A viewer of an event stream, strictly by the HTML standard, as far as this stream uses it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::raw::connect;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

/// An open event stream.
pub(crate) struct Events {
    reader: BufReader<TcpStream>,
    /// The response's head, in lower case.
    pub(crate) head: String,
}

impl Events {
    /// Requests `path` with more header lines, each of which ends in `\r\n`.
    #[track_caller]
    pub(crate) fn open(port: u16, path: &str, headers: &str) -> Self {
        Self::over(connect(port), path, headers)
    }

    /// The same on a connection that may have been used before.
    #[track_caller]
    pub(crate) fn over(mut socket: TcpStream, path: &str, headers: &str) -> Self {
        let port = socket.peer_addr().unwrap().port();
        write!(
            socket,
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n"
        )
        .unwrap();
        let mut reader = BufReader::new(socket);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        let head = head.to_lowercase();
        Self { reader, head }
    }

    /// The rest of a response that isn't a stream.
    #[track_caller]
    pub(crate) fn body(mut self) -> String {
        let mut body = String::new();
        self.reader.read_to_string(&mut body).unwrap();
        body
    }

    fn read(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let line = line.strip_suffix('\n').expect("lines end");
            match line.split_once(": ") {
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("data", data)) => event.data.push_str(data),
                Some(("retry", ms)) => assert!((1000..2000).contains(&ms.parse::<u32>().unwrap())),
                None if line.is_empty() && event.data.is_empty() => {}
                None if line.is_empty() => return Some(event),
                _ => panic!("not a line of an event: {line:?}"),
            }
        }
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.read()
    }
}
