//! A server that notifications are posted to, well-behaved or not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use super::server::each_connection;
use super::{PATIENCE, wait_for};

/// What the server does with each request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answers {
    /// Reads it and answers with this status line.
    With(&'static str),
    /// Reads it and never answers.
    Never,
    /// Never even reads it.
    Unread,
    /// Reads it and closes.
    Closing,
    /// Answers 200 with a body without end.
    Endless,
}

/// A request that was read.
#[derive(Debug, Clone)]
pub(crate) struct Posted {
    /// In lower case, with `\n` as ends of lines.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// The server, on a free port of loopback. It lives as long as the process.
pub(crate) struct WebhookServer {
    port: u16,
    posted: Arc<Mutex<Vec<Posted>>>,
    connections: Arc<Mutex<usize>>,
}

impl WebhookServer {
    pub(crate) fn start(answers: Answers) -> Self {
        let posted = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (seen, count) = (Arc::clone(&posted), Arc::clone(&connections));
        let port = each_connection(move |_, socket| {
            *count.lock().unwrap() += 1;
            if let Answers::Unread = answers {
                std::thread::sleep(PATIENCE);
                return;
            }
            if let Some(request) = read(&socket) {
                seen.lock().unwrap().push(request);
                answer(socket, answers);
            }
        });
        Self {
            port,
            posted,
            connections,
        }
    }

    /// Its address with a path that is a secret.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/SECRET", self.port)
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// Waits for so many requests.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Posted> {
        wait_for(
            PATIENCE,
            || Some(self.posted()).filter(|posted| count <= posted.len()),
            || format!("{:?}", self.posted()),
        )
    }
}

fn read(socket: &TcpStream) -> Option<Posted> {
    let mut reader = BufReader::new(socket);
    let mut head = String::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return None,
            Ok(_) if line == "\r\n" => break,
            Ok(_) => head += &line.to_lowercase().replace("\r\n", "\n"),
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Posted {
        head,
        body: String::from_utf8(body).unwrap(),
    })
}

fn answer(mut socket: TcpStream, answers: Answers) {
    match answers {
        Answers::With(status) => {
            let body = "no such hook";
            let _ = write!(
                socket,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nLocation: /SECRET/2\r\n\r\n{body}",
                body.len()
            );
        }
        // Until the peer has had enough.
        Answers::Never => {
            let _ = socket.read(&mut [0; 1]);
        }
        Answers::Endless => {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while socket.write_all(&[b'x'; 4096]).is_ok() {}
        }
        Answers::Closing | Answers::Unread => {}
    }
}
