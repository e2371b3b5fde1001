//! One server, followed through every cut.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{self, Message as Frame};

use crate::protocol::{HostName, MAX_HEAD_BYTES, Query, ResumePoint, close};

use super::backoff::{Backoff, Retry};
use super::connect::{ClientSocket, ConnectError, connect, describe_io};
use super::endpoint::Endpoint;
use super::tracker::{AfterMessage, Tracker};
use super::{ClientEvent, Credentials, Warning};

/// A silent server is asked for a sign of life at the latest after this.
const PING_AFTER: Duration = Duration::from_secs(10);

/// A server from which nothing at all comes for so long after a ping is dead, whatever its socket says.
const DEAD_AFTER: Duration = Duration::from_secs(10);

/// How long a server has to end a connection that it or we have closed.
const CLOSE_DEADLINE: Duration = Duration::from_secs(1);

/// A connection that brings only what another source with the same name says is kept for so long: the right one may yet
/// speak. Then another attempt may reach it.
const REJECTED_FOR: Duration = Duration::from_secs(1);

/// What a request's head holds beside the query: the path, the handshake, a token, what a proxy adds.
const HEAD_RESERVE: usize = 8 * 1024;

type Connecting = Pin<Box<dyn Future<Output = Result<ClientSocket, ConnectError>> + Send>>;

/// Follows one server. Its whole state is here, so that [`Link::next`] is cancel safe.
pub(super) struct Link {
    server: usize,
    endpoint: Endpoint,
    attempts: usize,
    never_asks: bool,
    backoff: Backoff,
    tracker: Tracker,
    credentials: Credentials,
    state: State,
    malformed: u64,
    /// Whether a message ever came: from then on no refusal is final.
    was_heard: bool,
    /// Hosts that do not fit in one request, until they have a link of their own.
    surplus: Option<Tracker>,
}

enum State {
    /// Waits for its next attempt.
    Waiting(Instant),
    Connecting(Connecting),
    Open(Box<Open>),
    Over,
}

struct Open {
    socket: ClientSocket,
    since: Instant,
    heard: Instant,
    pinged: Option<Instant>,
    delivered: bool,
    /// The server's close: its code, its reason, and until when the end of the connection is awaited.
    closed: Option<(u16, String, Instant)>,
}

/// What an open connection came to.
enum Turn {
    Event(ClientEvent),
    /// Look again.
    Again,
    /// A replay was started again: it is asked from its beginning, at once.
    StartOver,
    /// The connection is over.
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
        let state = State::Waiting(Instant::now());
        Self {
            server,
            endpoint,
            attempts: 0,
            never_asks: false,
            backoff: Backoff::new(retry),
            tracker,
            credentials,
            state,
            malformed: 0,
            was_heard: false,
            surplus: None,
        }
    }

    /// A link of its own for the hosts that did not fit in the last request, if there are any.
    pub(super) fn split_off(&mut self) -> Option<Self> {
        let tracker = self.surplus.take()?;
        Some(Self {
            server: self.server,
            endpoint: self.endpoint.clone(),
            attempts: self.attempts.saturating_sub(1),
            never_asks: true,
            backoff: self.backoff.clone(),
            tracker,
            credentials: self.credentials.clone(),
            state: State::Waiting(Instant::now()),
            malformed: self.malformed,
            was_heard: self.was_heard,
            surplus: None,
        })
    }

    /// The server that is followed.
    pub(super) fn server(&self) -> usize {
        self.server
    }

    /// Whether it has a part of its server's hosts only; another link has the others, and speaks for the server.
    pub(super) fn is_part(&self) -> bool {
        self.tracker.is_part()
    }

    /// Whether it will not connect again.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether samples of `host` arrive over it.
    pub(super) fn brings(&self, host: &HostName) -> bool {
        matches!(self.state, State::Open(_)) && self.tracker.is_fresh(host)
    }

    /// Nothing of what comes is kept.
    pub(super) fn only_show(&mut self) {
        self.tracker.only_show();
    }

    /// Whether the server has reported which hosts it has, or will not be asked again.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.state, State::Over) || self.tracker.has_heard()
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
                State::Over => return None,
                State::Waiting(until) => {
                    let until = *until;
                    if before(stale_at, tokio::time::sleep_until(until))
                        .await
                        .is_some()
                    {
                        self.connect();
                    }
                }
                State::Connecting(connecting) => {
                    if let Some(result) = before(stale_at, connecting).await {
                        return Some(self.connected(result));
                    }
                }
                State::Open(open) => match open
                    .turn(
                        stale_at,
                        &mut self.tracker,
                        &mut self.malformed,
                        self.server,
                    )
                    .await
                {
                    Turn::Event(event) => return Some(event),
                    Turn::Again => {}
                    Turn::StartOver => self.state = State::Waiting(Instant::now()),
                    Turn::Lost(reason) => return Some(self.lost(reason)),
                },
            }
        }
    }

    /// Whether the first attempt may ask something of the person at the terminal.
    pub(super) fn may_ask(&self) -> bool {
        self.attempts == 0 && !self.never_asks && self.endpoint.may_ask()
    }

    /// From now on no attempt may ask anything.
    pub(super) fn never_ask(&mut self) {
        self.never_asks = true;
    }

    fn connect(&mut self) {
        let address = self.endpoint.address(self.attempts).clone();
        // Later there may be a screen where the question would stand.
        let may_ask = self.attempts == 0 && !self.never_asks;
        self.attempts += 1;
        let room = MAX_HEAD_BYTES
            .saturating_sub(HEAD_RESERVE)
            .saturating_sub(address.url(&Query::default()).len());
        self.surplus = self.tracker.split(room);
        let (query, credentials) = (self.tracker.query(), self.credentials.clone());
        self.state = State::Connecting(Box::pin(connect(address, query, credentials, may_ask)));
    }

    fn connected(&mut self, result: Result<ClientSocket, ConnectError>) -> ClientEvent {
        match result {
            Ok(socket) => {
                self.backoff.connected();
                let wall = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                self.tracker
                    .connected(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX));
                let now = Instant::now();
                let open = Open {
                    socket,
                    since: now,
                    heard: now,
                    pinged: None,
                    delivered: false,
                    closed: None,
                };
                self.state = State::Open(Box::new(open));
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
        self.state = State::Over;
        ClientEvent::Refused {
            server: self.server,
            reason,
        }
    }

    /// What the end of an open connection means.
    fn lost(&mut self, reason: String) -> ClientEvent {
        let State::Open(open) = &self.state else {
            return self.refused(reason);
        };
        let code = open.closed.as_ref().map(|(code, ..)| *code);
        let is_other = self.tracker.rejected().is_some();
        if code == Some(close::OVER) && !is_other || self.tracker.is_over() {
            self.state = State::Over;
            return ClientEvent::Ended {
                server: self.server,
            };
        }
        if code == Some(close::POLICY) {
            return self.refused(reason);
        }
        self.was_heard |= open.delivered;
        self.backoff.lost(open.since.elapsed(), open.delivered);
        self.retry(reason, Duration::ZERO)
    }

    fn retry(&mut self, reason: String, at_least: Duration) -> ClientEvent {
        let Some(attempt) = self.backoff.next_attempt() else {
            let tries = if self.attempts == 1 {
                String::new()
            } else {
                format!(" ({} attempts)", self.attempts)
            };
            return self.refused(format!("{reason}{tries}"));
        };
        let retry_in = self.backoff.wait(rand::random::<f64>()).max(at_least);
        self.state = State::Waiting(Instant::now() + retry_in);
        ClientEvent::Lost {
            server: self.server,
            reason,
            attempt,
            retry_in,
        }
    }
}

/// The result of `future`, or `None` when `deadline` comes first.
async fn before<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

impl Open {
    /// Takes the next thing that happens on the connection.
    async fn turn(
        &mut self,
        stale_at: Option<Instant>,
        tracker: &mut Tracker,
        malformed: &mut u64,
        server: usize,
    ) -> Turn {
        let (deadline, _) = self.deadline(tracker);
        let deadline = stale_at.map_or(deadline, |stale_at| stale_at.min(deadline));
        // While messages lie ready no timer is set.
        let frame = match self.socket.next().now_or_never() {
            Some(frame) => Some(frame),
            None => tokio::time::timeout_at(deadline, self.socket.next())
                .await
                .ok(),
        };
        match frame {
            Some(Some(Ok(frame))) => self.heard(frame, tracker, malformed, server),
            Some(Some(Err(error))) => Turn::Lost(self.why(&error)),
            Some(None) => Turn::Lost(self.why(&tungstenite::Error::ConnectionClosed)),
            None => self.silence(tracker).await,
        }
    }

    /// When the silence has lasted too long for the state that the connection is in; and whether that is the last word.
    fn deadline(&self, tracker: &Tracker) -> (Instant, bool) {
        match (&self.closed, self.pinged) {
            (Some((.., until)), _) => (*until, true),
            (None, Some(pinged)) => (pinged + DEAD_AFTER, true),
            (None, None) => (
                self.heard
                    + tracker
                        .shortest_patience()
                        .unwrap_or(PING_AFTER)
                        .min(PING_AFTER),
                false,
            ),
        }
    }

    async fn silence(&mut self, tracker: &Tracker) -> Turn {
        let now = Instant::now();
        let (deadline, last_word) = self.deadline(tracker);
        if now < deadline {
            return Turn::Again; // a host is stale
        }
        if last_word {
            let dead = format!("no answer for {} s", DEAD_AFTER.as_secs());
            return Turn::Lost(
                self.closed
                    .as_ref()
                    .map_or(dead, |(_, reason, _)| reason.clone()),
            );
        }
        self.pinged = Some(now);
        // A full send buffer towards a dead peer must not hold us up: the deadline decides.
        match tokio::time::timeout(
            CLOSE_DEADLINE,
            self.socket.send(Frame::Ping(Vec::new().into())),
        )
        .await
        {
            Ok(Err(error)) => Turn::Lost(self.why(&error)),
            Ok(Ok(())) | Err(_) => Turn::Again,
        }
    }

    fn heard(
        &mut self,
        frame: Frame,
        tracker: &mut Tracker,
        malformed: &mut u64,
        server: usize,
    ) -> Turn {
        self.heard = Instant::now();
        self.pinged = None;
        let error = match frame {
            Frame::Text(text) => match tracker.take(text, self.heard) {
                Ok(AfterMessage::GoOn) => return self.well(tracker),
                Ok(AfterMessage::StartOver) => return Turn::StartOver,
                Err(error) => error.to_string(),
            },
            Frame::Binary(_) => "a binary message".into(),
            Frame::Close(frame) => {
                let (code, reason) = frame.map_or((1005, String::new()), |f| {
                    (f.code.into(), f.reason.to_string())
                });
                let reason: String = reason.chars().filter(|c| !c.is_control()).collect();
                let reason = if reason.is_empty() {
                    format!("closed with code {code}")
                } else {
                    reason
                };
                self.closed = Some((code, reason, self.heard + CLOSE_DEADLINE));
                return Turn::Again;
            }
            Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_) => return Turn::Again,
        };
        *malformed += 1;
        if *malformed == 1 {
            let warning = Warning::Malformed { reason: error };
            Turn::Event(ClientEvent::Warning { server, warning })
        } else {
            Turn::Again
        }
    }

    /// A message was taken in; whether it is worth to wait for the next one.
    fn well(&mut self, tracker: &Tracker) -> Turn {
        self.delivered = tracker.has_accepted();
        match tracker.rejected() {
            Some(host) if self.since.elapsed() >= REJECTED_FOR => Turn::Lost(format!(
                "two servers call themselves '{host}': start one with --name"
            )),
            _ => Turn::Again,
        }
    }

    fn why(&self, error: &tungstenite::Error) -> String {
        if let Some((_, reason, _)) = &self.closed {
            return reason.clone();
        }
        match error {
            tungstenite::Error::Io(error) => describe_io(error),
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => "connection closed".into(),
            other => other.to_string().to_lowercase(),
        }
    }
}
