//! What servers still hold, read over separate connections while the live ones continue.

use std::collections::HashMap;

use crate::client::{Client, Credentials, Endpoint, Received, Retry};
use crate::protocol::{HostName, HostPattern, Query, Update};
use crate::view::{Now, StreamPosition, ViewState};

use super::EventSource;
use super::apply::apply;

/// What to request of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookbackRequest {
    /// A host and its server; `None` for everything that is watched on all servers.
    pub(super) host: Option<(usize, HostName)>,
    /// How many samples back.
    pub(super) last: usize,
}

/// Where the past is read from.
pub(super) trait Archive {
    /// The events of the past.
    type Events: EventSource;

    /// Starts to read.
    fn open(&self, ask: &LookbackRequest) -> Self::Events;
}

/// The servers that are watched.
#[derive(Debug)]
pub(super) struct ServerArchive {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) query: Query,
    pub(super) retry: Retry,
    pub(super) credentials: Credentials,
}

impl Archive for ServerArchive {
    type Events = Client;

    fn open(&self, ask: &LookbackRequest) -> Client {
        let mut query = Query {
            hosts: self.query.hosts.clone(),
            last: u64::try_from(ask.last).ok(),
            ..Query::default()
        };
        let mut endpoints = self.endpoints.clone();
        if let Some((server, host)) = &ask.host {
            query.hosts = vec![HostPattern::Literal(host.clone())];
            endpoints = endpoints.into_iter().skip(*server).take(1).collect();
        }
        let mut client = Client::new(&endpoints, &query, &[], self.retry, &self.credentials);
        client.never_ask();
        client
    }
}

/// The reading of the past, once it was requested.
#[derive(Debug)]
pub(super) struct Lookback {
    ask: LookbackRequest,
    opened: bool,
    past: ViewState,
    /// The hosts still being read, and the sample from which on they are known.
    until: HashMap<HostName, StreamPosition>,
}

impl Lookback {
    /// For what `live` lacks of `host`, or of all hosts; `None` if it lacks nothing.
    pub(super) fn of(live: &ViewState, host: Option<&HostName>, last: usize) -> Option<Self> {
        let lacking: Vec<_> = live
            .unasked(last)
            .filter(|(_, name, _)| host.is_none_or(|host| host == name))
            .collect();
        let (server, name, _) = lacking.first()?;
        let ask = LookbackRequest {
            host: host.map(|_| (*server, name.clone())),
            last,
        };
        Some(Self {
            ask,
            opened: false,
            past: ViewState::new(0, &[]),
            until: lacking
                .into_iter()
                .map(|(_, host, position)| (host, position))
                .collect(),
        })
    }

    /// What to request now; once only.
    pub(super) fn begin(&mut self) -> Option<&LookbackRequest> {
        (!std::mem::replace(&mut self.opened, true)).then_some(&self.ask)
    }

    /// Takes a message. Once a host's past reaches what is known, moves it into `live` and returns true.
    pub(super) fn take(&mut self, received: &Received, live: &mut ViewState, now: Now) -> bool {
        apply(&mut self.past, received, now);
        let Update::Numbered(message) = &received.update else {
            return false;
        };
        let position = (message.stream, message.seq);
        let host = &received.host;
        if self.until.get(host).is_none_or(|until| position < *until) {
            return false;
        }
        self.until.remove(host);
        live.put_before(&mut self.past, host, self.ask.last);
        true
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        self.until.is_empty()
    }

    /// No more will arrive: keeps what there is.
    pub(super) fn end(mut self, live: &mut ViewState) {
        for host in self.until.keys() {
            live.put_before(&mut self.past, host, self.ask.last);
        }
    }
}
