//! One server, followed through every cut.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message as Frame, Utf8Bytes};

use crate::millis::epoch_millis;
use crate::protocol::{HostName, Inflater, MAX_HEAD_BYTES, Query, ResumePoint, close};
use crate::wording::exact_span;

use super::backoff::{Backoff, Retry};
use super::connect::{ClientSocket, ConnectError, connect};
use super::endpoint::Endpoint;
use super::farewell::{self, code_and_reason};
use super::tracker::{AfterMessage, Tracker};
use super::{ClientEvent, Credentials, Warning};

/// A server that has been silent for this long is pinged, if not sooner.
const PING_AFTER: Duration = Duration::from_secs(10);

/// A server that sends nothing at all for this long after a ping is dead, even if its socket is open.
const DEAD_AFTER: Duration = Duration::from_secs(10);

/// How long a server has to end a connection that it has closed, and how long the sending of a ping may take.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// How long a connection is kept that delivers only another source with the same name: the right one may yet follow.
/// After that, another attempt may reach it.
const REJECTED_FOR: Duration = Duration::from_secs(1);

/// Room in a request's head for what is not the query: the path, the handshake, a token, what a proxy adds.
const HEAD_RESERVE: usize = 8 * 1024;

type Connecting = Pin<Box<dyn Future<Output = Result<ClientSocket, ConnectError>> + Send>>;

/// Follows one server. All its state is here, so that [`Link::next`] is cancel safe.
pub(super) struct Link {
    server: usize,
    endpoint: Endpoint,
    attempts: usize,
    /// Whether ssh may ask the user something in the next attempt.
    asks: bool,
    /// Whether deflated messages are asked for.
    asks_deflated: bool,
    backoff: Backoff,
    tracker: Tracker,
    credentials: Credentials,
    state: LinkState,
    has_reported_malformed: bool,
    /// Whether a message ever arrived: from then on no refusal is final.
    was_heard: bool,
    /// Hosts that did not fit into the last request, until they get a link of their own.
    surplus: Option<Tracker>,
}

enum LinkState {
    /// Waiting for the next attempt.
    Waiting(Instant),
    Connecting(Connecting),
    Open(Box<OpenConnection>),
    Over,
}

struct OpenConnection {
    socket: ClientSocket,
    /// For binary frames, if deflated messages were asked for.
    inflater: Option<Inflater>,
    since: Instant,
    liveness: Liveness,
}

/// What the client last knew of the server at the other end of an open connection.
enum Liveness {
    /// The server was last heard at this time. If it stays silent, it is pinged.
    Heard(Instant),
    /// The server was silent, was pinged at this time, and has not been heard since.
    Pinged(Instant),
    /// The server has closed the connection, which should end by `until`.
    Closing {
        code: u16,
        reason: String,
        until: Instant,
    },
}

/// What happened on an open connection.
enum Happened {
    /// Nothing that the caller needs to know.
    Nothing,
    /// Something unreadable arrived, for this reason.
    Malformed(String),
    /// A replay was restarted: request it from its beginning, at once.
    ReplayRestarted,
    /// The connection is over, for this reason.
    Lost(String),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("server", &self.server)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(
        server: usize,
        endpoint: Endpoint,
        query: Query,
        known: &[ResumePoint],
        retry: Retry,
        credentials: Credentials,
    ) -> Self {
        let nameless = HostName::nearest(endpoint.address(0).host());
        let tracker = Tracker::new(server, nameless, query, known);
        Self {
            server,
            endpoint,
            attempts: 0,
            asks: true,
            asks_deflated: false,
            backoff: Backoff::new(retry),
            tracker,
            credentials,
            state: LinkState::Waiting(Instant::now()),
            has_reported_malformed: false,
            was_heard: false,
            surplus: None,
        }
    }

    /// A new link for the hosts that did not fit into the last request, if there are any.
    pub(super) fn split_off(&mut self) -> Option<Self> {
        let tracker = self.surplus.take()?;
        Some(Self {
            server: self.server,
            endpoint: self.endpoint.clone(),
            attempts: self.attempts.saturating_sub(1),
            asks: false,
            asks_deflated: false,
            backoff: self.backoff.clone(),
            tracker,
            credentials: self.credentials.clone(),
            state: LinkState::Waiting(Instant::now()),
            has_reported_malformed: self.has_reported_malformed,
            was_heard: self.was_heard,
            surplus: None,
        })
    }

    /// The followed server.
    pub(super) fn server(&self) -> usize {
        self.server
    }

    /// Whether it follows only part of its server's hosts; another link follows the rest and reports on the server.
    pub(super) fn is_part(&self) -> bool {
        self.tracker.is_part()
    }

    /// Whether it will not connect again.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, LinkState::Over)
    }

    /// Whether samples of `host` arrive over this link.
    pub(super) fn brings(&self, host: &HostName) -> bool {
        matches!(self.state, LinkState::Open(_)) && self.tracker.is_fresh(host)
    }

    /// The client only displays.
    pub(super) fn only_show(&mut self) {
        self.tracker.only_show();
    }

    /// Whether the server has announced its hosts, or will not be tried again.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.state, LinkState::Over) || self.tracker.has_heard()
    }

    /// The next event; `None` when the server has ended or refused. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<ClientEvent> {
        loop {
            if let Some(warning) = self.tracker.pop_warning() {
                let server = self.server;
                return Some(ClientEvent::Warning { server, warning });
            }
            if let Some(received) = self.tracker.pop() {
                return Some(ClientEvent::Message(received));
            }
            if let Some(host) = self.tracker.pop_stale(Instant::now()) {
                return Some(ClientEvent::Stale { host });
            }
            let stale_at = self.tracker.stale_at();
            match &mut self.state {
                LinkState::Over => return None,
                LinkState::Waiting(until) => {
                    let until = *until;
                    if before(stale_at, tokio::time::sleep_until(until))
                        .await
                        .is_some()
                    {
                        self.connect();
                    }
                }
                LinkState::Connecting(connecting) => {
                    if let Some(result) = before(stale_at, connecting).await {
                        return Some(self.connected(result));
                    }
                }
                LinkState::Open(open) => {
                    let happened = open.next(stale_at, &mut self.tracker).await;
                    if let Some(event) = self.judge(happened) {
                        return Some(event);
                    }
                }
            }
        }
    }

    /// Acts on what happened on the open connection; the event to report, if any.
    fn judge(&mut self, happened: Happened) -> Option<ClientEvent> {
        match happened {
            Happened::Nothing => None,
            Happened::Malformed(reason) => {
                let is_known = std::mem::replace(&mut self.has_reported_malformed, true);
                let (server, warning) = (self.server, Warning::Malformed { reason });
                (!is_known).then_some(ClientEvent::Warning { server, warning })
            }
            Happened::ReplayRestarted => {
                self.state = LinkState::Waiting(Instant::now());
                None
            }
            Happened::Lost(reason) => Some(self.lost(reason)),
        }
    }

    /// Makes the next attempt at once, if it is waiting for it.
    pub(super) fn retry_now(&mut self) {
        if let LinkState::Waiting(until) = &mut self.state {
            *until = Instant::now();
        }
    }

    /// Whether ssh may ask the user something in the next attempt.
    pub(super) fn may_ask(&self) -> bool {
        self.asks && self.endpoint.may_ask()
    }

    /// From now on ssh must not ask anything.
    pub(super) fn never_ask(&mut self) {
        self.asks = false;
    }

    fn connect(&mut self) {
        let address = self.endpoint.address(self.attempts).clone();
        // After the first attempt there may be a screen where the question would appear.
        let may_ask = std::mem::take(&mut self.asks);
        self.attempts += 1;
        let room = MAX_HEAD_BYTES
            .saturating_sub(HEAD_RESERVE)
            .saturating_sub(address.url(&Query::default()).len());
        self.surplus = self.tracker.split(room);
        self.asks_deflated = address.is_far();
        let query = Query {
            deflated: self.asks_deflated,
            ..self.tracker.query()
        };
        let credentials = self.credentials.clone();
        self.state = LinkState::Connecting(Box::pin(connect(address, query, credentials, may_ask)));
    }

    fn connected(&mut self, result: Result<ClientSocket, ConnectError>) -> ClientEvent {
        match result {
            Ok(socket) => {
                self.backoff.connected();
                self.tracker.connected(epoch_millis());
                let now = Instant::now();
                self.state = LinkState::Open(Box::new(OpenConnection {
                    socket,
                    inflater: self.asks_deflated.then(Inflater::default),
                    since: now,
                    liveness: Liveness::Heard(now),
                }));
                ClientEvent::Connected {
                    server: self.server,
                }
            }
            Err(ConnectError::Final { reason })
                if !self.was_heard && !self.tracker.asks_for_all() =>
            {
                self.refused(reason)
            }
            Err(ConnectError::Final { reason }) => {
                self.tracker.asks_for_all();
                self.backoff.lost(Duration::ZERO, false);
                self.retry(reason, Duration::ZERO)
            }
            Err(ConnectError::Retry {
                reason,
                advice,
                after,
            }) => {
                let advice = advice.filter(|_| !self.backoff.has_connected());
                let reason = match advice {
                    Some(advice) => format!("{reason}: {advice}"),
                    None => reason,
                };
                self.backoff.lost(Duration::ZERO, false);
                self.retry(reason, after.unwrap_or_default())
            }
        }
    }

    fn refused(&mut self, reason: String) -> ClientEvent {
        self.state = LinkState::Over;
        ClientEvent::Refused {
            server: self.server,
            reason,
        }
    }

    /// What the end of an open connection means.
    fn lost(&mut self, reason: String) -> ClientEvent {
        let LinkState::Open(open) = &self.state else {
            return self.refused(reason);
        };
        let code = match open.liveness {
            Liveness::Closing { code, .. } => Some(code),
            Liveness::Heard(_) | Liveness::Pinged(_) => None,
        };
        let is_other = self.tracker.rejected().is_some();
        if code == Some(close::OVER) && !is_other || self.tracker.is_over() {
            self.state = LinkState::Over;
            return ClientEvent::Ended {
                server: self.server,
            };
        }
        if code == Some(close::POLICY) {
            return self.refused(reason);
        }
        let delivered = self.tracker.has_accepted();
        self.was_heard |= delivered;
        self.backoff.lost(open.since.elapsed(), delivered);
        self.retry(reason, Duration::ZERO)
    }

    fn retry(&mut self, reason: String, at_least: Duration) -> ClientEvent {
        let Some(attempt) = self.backoff.next_attempt() else {
            return self.refused(format!("{reason}{}", self.backoff.gave_up()));
        };
        let retry_in = self.backoff.wait(rand::random::<f64>()).max(at_least);
        self.state = LinkState::Waiting(Instant::now() + retry_in);
        ClientEvent::Lost {
            server: self.server,
            reason,
            attempt,
            retry_in,
        }
    }
}

/// The result of `future`, or `None` if `deadline` passes first.
async fn before<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

impl OpenConnection {
    /// Waits for the next thing that happens on the connection, but not beyond `stale_at`.
    async fn next(&mut self, stale_at: Option<Instant>, tracker: &mut Tracker) -> Happened {
        let deadline = self.deadline(tracker);
        let deadline = stale_at.map_or(deadline, |stale_at| stale_at.min(deadline));
        // No timer is set while messages are ready.
        let frame = match self.socket.next().now_or_never() {
            Some(frame) => Some(frame),
            None => tokio::time::timeout_at(deadline, self.socket.next())
                .await
                .ok(),
        };
        match frame {
            Some(Some(Ok(frame))) => self.heard(frame, tracker),
            Some(Some(Err(error))) => Happened::Lost(self.why(&error)),
            Some(None) => Happened::Lost(self.why(&tungstenite::Error::ConnectionClosed)),
            None => self.silence(tracker).await,
        }
    }

    /// When the silence will have lasted too long.
    fn deadline(&self, tracker: &Tracker) -> Instant {
        match self.liveness {
            Liveness::Heard(at) => {
                let patience = tracker.shortest_patience().unwrap_or(PING_AFTER);
                at + patience.min(PING_AFTER)
            }
            Liveness::Pinged(at) => at + DEAD_AFTER,
            Liveness::Closing { until, .. } => until,
        }
    }

    /// Nothing arrived in time.
    async fn silence(&mut self, tracker: &Tracker) -> Happened {
        let now = Instant::now();
        if now < self.deadline(tracker) {
            return Happened::Nothing; // a host is stale
        }
        match &self.liveness {
            Liveness::Heard(_) => self.ping(now).await,
            Liveness::Pinged(_) => {
                Happened::Lost(format!("no response for {}", exact_span(DEAD_AFTER)))
            }
            Liveness::Closing { reason, .. } => Happened::Lost(reason.clone()),
        }
    }

    async fn ping(&mut self, now: Instant) -> Happened {
        self.liveness = Liveness::Pinged(now);
        let ping = self.socket.send(Frame::Ping(Vec::new().into()));
        // The send buffer towards a dead peer may be full. That must not block the client: the deadline decides.
        match tokio::time::timeout(CLOSE_DEADLINE, ping).await {
            Ok(Err(error)) => Happened::Lost(self.why(&error)),
            Ok(Ok(())) | Err(_) => Happened::Nothing,
        }
    }

    fn heard(&mut self, frame: Frame, tracker: &mut Tracker) -> Happened {
        let now = Instant::now();
        if !matches!(self.liveness, Liveness::Closing { .. }) {
            self.liveness = Liveness::Heard(now);
        }
        match frame {
            Frame::Text(text) => self.take(text, tracker, now),
            Frame::Binary(payload) => match self.inflater.as_mut().map(|it| it.inflate(&payload)) {
                Some(Ok(text)) => self.take(text.into(), tracker, now),
                Some(Err(error)) => Happened::Lost(error.to_string()),
                None => Happened::Malformed("a binary message".into()),
            },
            Frame::Close(frame) => {
                let until = now + CLOSE_DEADLINE;
                let (code, reason) = code_and_reason(frame);
                self.liveness = Liveness::Closing {
                    code,
                    reason,
                    until,
                };
                Happened::Nothing
            }
            Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => Happened::Nothing,
        }
    }

    fn take(&self, text: Utf8Bytes, tracker: &mut Tracker, now: Instant) -> Happened {
        match tracker.take(text, now) {
            Ok(AfterMessage::GoOn) => self.check_source(tracker),
            Ok(AfterMessage::StartOver) => Happened::ReplayRestarted,
            Err(error) => Happened::Malformed(error.to_string()),
        }
    }

    /// Gives the connection up if it delivers only a rejected source.
    fn check_source(&self, tracker: &Tracker) -> Happened {
        match tracker.rejected() {
            Some(host) if self.since.elapsed() >= REJECTED_FOR => Happened::Lost(format!(
                "two servers are called '{host}': start one with --name"
            )),
            _ => Happened::Nothing,
        }
    }

    /// Why the connection ended: the server's own reason, if it gave one.
    fn why(&self, error: &tungstenite::Error) -> String {
        if let Liveness::Closing { reason, .. } = &self.liveness {
            return reason.clone();
        }
        farewell::describe(error)
    }
}
