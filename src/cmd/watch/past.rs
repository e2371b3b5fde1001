//! What servers still hold, read over connections of their own: the live ones go on meanwhile.

use std::collections::HashMap;

use crate::client::{Client, Credentials, Endpoint, Received, Retry};
use crate::protocol::{Body, HostName, HostPattern, Query};
use crate::view::{Now, Place, State};

use super::Events;
use super::apply::apply;

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ask {
    /// A host and its server; of all servers all that is watched without.
    pub(super) host: Option<(usize, HostName)>,
    /// So many samples back.
    pub(super) last: usize,
}

/// Where the past is read.
pub(super) trait Archive {
    /// How it comes.
    type Events: Events;

    /// Begins to read.
    fn open(&self, ask: &Ask) -> Self::Events;
}

/// The servers that are watched.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) query: Query,
    pub(super) retry: Retry,
    pub(super) credentials: Credentials,
}

impl Archive for Servers {
    type Events = Client;

    fn open(&self, ask: &Ask) -> Client {
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

/// A reading that has begun.
#[derive(Debug)]
pub(super) struct Reading {
    ask: Ask,
    opened: bool,
    past: State,
    /// The hosts that are read, and the sample from which on they are known.
    until: HashMap<HostName, Place>,
}

impl Reading {
    /// Of what `live` lacks, if it lacks anything; of `host`, or of all.
    pub(super) fn of(live: &State, host: Option<&HostName>, last: usize) -> Option<Self> {
        let lacking: Vec<_> = live
            .unasked(last)
            .filter(|(_, name, _)| host.is_none_or(|host| host == name))
            .collect();
        let (server, name, _) = lacking.first()?;
        let ask = Ask {
            host: host.map(|_| (*server, name.clone())),
            last,
        };
        Some(Self {
            ask,
            opened: false,
            past: State::new(0, &[]),
            until: lacking
                .into_iter()
                .map(|(_, host, place)| (host, place))
                .collect(),
        })
    }

    /// What is to be opened now.
    pub(super) fn begin(&mut self) -> Option<&Ask> {
        (!std::mem::replace(&mut self.opened, true)).then_some(&self.ask)
    }

    /// Takes a message; moves a host's past into `live` when it has reached what is known. Whether it did.
    pub(super) fn take(&mut self, received: &Received, live: &mut State, now: Now) -> bool {
        apply(&mut self.past, received, now);
        let (Body::Metric { seq, .. } | Body::Alert { seq, .. }) = received.message.body else {
            return false;
        };
        let place = (received.stream, seq.unwrap_or_default());
        let host = &received.host;
        if self.until.get(host).is_none_or(|until| place < *until) {
            return false;
        }
        self.until.remove(host);
        live.put_before(&mut self.past, host, self.ask.last);
        true
    }

    /// Whether all is read.
    pub(super) fn is_done(&self) -> bool {
        self.until.is_empty()
    }

    /// No more will come: what came is what there is.
    pub(super) fn end(mut self, live: &mut State) {
        for host in self.until.keys() {
            live.put_before(&mut self.past, host, self.ask.last);
        }
    }
}
