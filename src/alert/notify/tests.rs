//! Notifiers against servers that behave well and badly.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::alert::Recipient;

use super::delivery::DeliveryTiming;
use super::notice::tests::{firing, resolved};
use super::notifiers::{Notifiers, Target, test};
use super::webhook::Webhook;

/// How long anything successful may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tempo that tests can wait for.
const FAST: DeliveryTiming = DeliveryTiming {
    first_wait: Duration::from_millis(10),
    longest_wait: Duration::from_millis(50),
    give_up_after: Duration::from_secs(600),
    repeat: Duration::from_millis(50),
};

/// What a server does with a connection.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// Reads the request and answers this.
    Answers(&'static str),
    /// Reads the request and closes.
    Closes,
    /// Closes at once.
    HangsUp,
    /// Reads the request and doesn't respond.
    Stalls,
    /// Reads nothing and doesn't respond.
    NeverReads,
    /// Answers 200 and sends a body without end.
    NeverEnds,
}

const OK: Does = Does::Answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

/// A server that handles connections as planned, and all further ones like the last.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Server {
    fn start(plan: &'static [Does]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for (index, socket) in listener.incoming().flatten().enumerate() {
                let does = plan[index.min(plan.len() - 1)];
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || treat(socket, does, &seen));
            }
        });
        Self { port, requests }
    }

    fn target(&self, kind: &str) -> Target {
        let url = format!("{kind}=http://127.0.0.1:{}/hook", self.port);
        Target::Webhook(url.parse().unwrap())
    }

    fn requests(&self) -> Vec<(Instant, String)> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits for `count` requests.
    fn wait_for(&self, count: usize) -> Vec<(Instant, String)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let requests = self.requests();
            if count <= requests.len() {
                return requests;
            }
            assert!(Instant::now() < deadline, "only {requests:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn treat(socket: TcpStream, does: Does, seen: &Mutex<Vec<(Instant, String)>>) {
    match does {
        Does::HangsUp => seen.lock().unwrap().push((Instant::now(), String::new())),
        Does::NeverReads => {
            seen.lock().unwrap().push((Instant::now(), String::new()));
            std::thread::sleep(PATIENCE);
        }
        _ => {
            let request = read_request(&socket);
            seen.lock().unwrap().push((Instant::now(), request));
            respond(socket, does);
        }
    }
}

fn respond(mut socket: TcpStream, does: Does) {
    match does {
        Does::Answers(response) => {
            let _ = socket.write_all(response.as_bytes());
        }
        Does::NeverEnds => {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while socket.write_all(&[b'x'; 4096]).is_ok() {}
        }
        // Until the peer has had enough.
        Does::Stalls => {
            let _ = socket.read(&mut [0; 1]);
        }
        _ => {}
    }
}

/// Head and body.
fn read_request(socket: &TcpStream) -> String {
    let mut reader = BufReader::new(socket);
    let mut request = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return request;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        request += &line;
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

fn start(targets: Vec<Target>) -> Notifiers {
    Notifiers::start_at(FAST, targets).unwrap()
}

fn counts(notifiers: &Notifiers) -> Vec<(&'static str, u64)> {
    let counts = notifiers.counts();
    counts
        .counts()
        .map(|(_, result, count)| (result, count))
        .collect()
}

/// Waits until nothing is left to do, and ends.
async fn finish(notifiers: Notifiers) -> Vec<(&'static str, u64)> {
    let counts = notifiers.counts();
    assert_eq!(notifiers.finish(PATIENCE).await, 0);
    counts
        .counts()
        .map(|(_, result, count)| (result, count))
        .collect()
}

#[tokio::test]
async fn a_request_says_what_it_is() {
    let server = Server::start(&[OK]);
    let notifiers = start(vec![server.target("json"), server.target("ntfy")]);
    notifiers.changed(firing());
    finish(notifiers).await;
    let requests = server.requests();
    let json = requests
        .iter()
        .find(|(_, text)| text.contains("application/json"));
    let json = &json.unwrap().1;
    let address = format!("host: 127.0.0.1:{}\r\n", server.port);
    for part in [
        "POST /hook HTTP/1.1\r\n",
        &address,
        "user-agent: metrics/",
        "\r\n\r\n{\"alert\":{",
    ] {
        assert!(json.contains(part), "{part} not in {json}");
    }
    let ntfy = requests
        .iter()
        .find(|(_, text)| text.contains("text/plain"));
    assert!(
        ntfy.unwrap()
            .1
            .contains("title: Firing: hot cpu on web-1\r\n")
    );
}

#[tokio::test]
async fn what_may_heal_is_tried_again() {
    let server = Server::start(&[
        Does::Answers("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
        Does::Closes,
        Does::HangsUp,
        Does::Answers("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbro"),
        Does::Answers("HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n"),
        Does::Answers("SSH-2.0-OpenSSH_9.2\r\n"),
        OK,
    ]);
    let notifiers = start(vec![server.target("json")]);
    notifiers.changed(firing());
    notifiers.changed(resolved());
    let counts = finish(notifiers).await;
    assert_eq!(counts, [("sent", 2), ("failed", 0), ("dropped", 0)]);
    let requests = server.requests();
    assert_eq!(requests.len(), 8);
    // In the order of the changes, and one for each.
    assert!(requests[6].1.contains(r#""state":"firing""#));
    assert!(requests[7].1.contains(r#""state":"resolved""#));
}

#[tokio::test]
async fn a_server_that_asks_for_a_wait_is_left_alone() {
    let server = Server::start(&[
        Does::Answers("HTTP/1.1 429 Slow down\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"),
        OK,
    ]);
    let notifiers = start(vec![server.target("json")]);
    notifiers.changed(firing());
    finish(notifiers).await;
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    let waited = requests[1].0 - requests[0].0;
    assert!(Duration::from_millis(990) <= waited, "{waited:?}");
}

#[tokio::test]
async fn a_refusal_is_final_and_a_redirect_is_not_followed() {
    let elsewhere = Server::start(&[OK]);
    let location = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n",
        elsewhere.port
    );
    for response in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno_team",
        "HTTP/1.1 400 Bad Request\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n",
        location.leak(),
    ] {
        let server = Server::start(vec![Does::Answers(response)].leak());
        let notifiers = start(vec![server.target("json")]);
        notifiers.changed(firing());
        let counts = finish(notifiers).await;
        assert_eq!(counts, [("sent", 0), ("failed", 1), ("dropped", 0)]);
        assert_eq!(server.requests().len(), 1);
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn an_answer_that_repeats_the_url_is_not_shown() {
    let webhook = |server: &Server| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("webhooks");
        let port = server.port;
        std::fs::write(
            &path,
            format!("slack http://me:Pass@127.0.0.1:{port}/s/To%6ben"),
        )
        .unwrap();
        Target::Webhook(Webhook::read(&path).unwrap().0.remove(0))
    };
    for (response, expected) in [
        (
            "404 None\r\nContent-Length: 14\r\n\r\nPOST /s/To%6be",
            "404 Not Found",
        ),
        (
            "404 None\r\nContent-Length: 8\r\n\r\nno token",
            "404 Not Found",
        ),
        (
            "401 None\r\nContent-Length: 7\r\n\r\nme pass",
            "401 Unauthorized",
        ),
        (
            "404 None\r\nContent-Length: 7\r\n\r\nno_team",
            "404 Not Found: no_team",
        ),
        ("200 Fine\r\nContent-Length: 6\r\n\r\n/token", "200 OK"),
        ("200 Fine\r\nContent-Length: 2\r\n\r\nok", "200 OK: ok"),
    ] {
        let server =
            Server::start(vec![Does::Answers(format!("HTTP/1.1 {response}").leak())].leak());
        let said = test(&[webhook(&server)], &"web-1".parse().unwrap(), 0)
            .await
            .unwrap();
        let said = said[0].1.as_ref().unwrap_or_else(|reason| reason);
        assert_eq!(said, expected);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_an_answer() {
    let server = Server::start(&[Does::NeverEnds]);
    let notifiers = start(vec![server.target("json")]);
    notifiers.changed(firing());
    let counts = finish(notifiers).await;
    assert_eq!(counts, [("sent", 1), ("failed", 0), ("dropped", 0)]);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_without_an_answer_is_tried_again() {
    let server = Server::start(&[Does::Stalls, Does::NeverReads, OK]);
    let notifiers = start(vec![server.target("json")]);
    notifiers.changed(firing());
    let counts = finish(notifiers).await;
    assert_eq!(counts, [("sent", 1), ("failed", 0), ("dropped", 0)]);
    let requests = server.requests();
    let waited = requests[1].0 - requests[0].0;
    // The deadline of five seconds began a little before the server had the first one.
    assert!(Duration::from_secs(4) <= waited, "{waited:?}");
}

#[tokio::test]
async fn nobody_waits_for_a_notifier_and_the_oldest_is_dropped() {
    let stalled = Server::start(&[Does::NeverReads]);
    let well = Server::start(&[OK]);
    let notifiers = start(vec![stalled.target("json"), well.target("ntfy")]);
    notifiers.changed(firing());
    stalled.wait_for(1); // the first one is being sent
    let began = Instant::now();
    for _ in 0..300 {
        notifiers.changed(firing());
    }
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    // The other is not held up.
    well.wait_for(1);
    let counts = counts(&notifiers);
    assert_eq!(counts[2], ("dropped", 44));
    let left = notifiers.finish(Duration::from_millis(10)).await;
    assert!(257 <= left, "{left}");
}

#[tokio::test]
async fn nobody_listening_is_no_end() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let target = Target::Webhook(format!("http://127.0.0.1:{port}/").parse().unwrap());
    let tempo = DeliveryTiming {
        give_up_after: Duration::from_millis(100),
        ..FAST
    };
    let notifiers = Notifiers::start_at(tempo, vec![target]).unwrap();
    notifiers.changed(firing());
    let counts = finish(notifiers).await;
    assert_eq!(counts, [("sent", 0), ("failed", 1), ("dropped", 0)]);
}

#[tokio::test]
async fn an_address_that_leads_nowhere_holds_nothing_up() {
    let server = Server::start(&[OK]);
    // On Linux `localhost` is also ::1, where nothing listens.
    let url = format!("json=http://localhost:{}/", server.port);
    let notifiers = start(vec![Target::Webhook(url.parse().unwrap())]);
    notifiers.changed(firing());
    let counts = finish(notifiers).await;
    assert_eq!(counts[0], ("sent", 1));
}

#[tokio::test]
async fn alertmanager_hears_again_of_what_fires() {
    let server = Server::start(&[OK]);
    let notifiers = start(vec![server.target("alertmanager")]);
    notifiers.changed(firing());
    let mut other = firing();
    other.alert.metric = "cpu:1".into();
    notifiers.changed(other);
    let requests = server.wait_for(5);
    assert!(requests[0].1.contains("POST /hook/api/v2/alerts HTTP/1.1"));
    let both = &requests[4].1;
    assert!(
        both.contains(r#""metric":"cpu""#) && both.contains(r#""metric":"cpu:1""#),
        "{both}"
    );
    notifiers.changed(resolved());
    let is_end = |(_, text): &(Instant, String)| text.contains("Resolved:");
    let deadline = Instant::now() + PATIENCE;
    let end = loop {
        if let Some(at) = server.requests().iter().position(is_end) {
            break at;
        }
        assert!(Instant::now() < deadline);
    };
    let after = server.wait_for(end + 3);
    assert!(
        after[end + 1..]
            .iter()
            .all(|(_, text)| text.contains("cpu:1"))
    );
    assert!(
        after[end + 1..]
            .iter()
            .all(|(_, text)| !text.contains(r#""metric":"cpu""#))
    );
    let counts = finish(notifiers).await;
    assert_eq!(counts[0], ("sent", 3), "repetitions do not count");
}
