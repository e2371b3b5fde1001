//! What servers still hold, read over separate connections while the live ones continue.

use std::collections::HashMap;
use std::time::Duration;

use crate::client::{Client, Credentials, Endpoint, Received, Retry};
use crate::protocol::{HostName, HostPattern, Query, StreamId, Update};
use crate::view::{Moment, Now, StepSpan, SteppedPast, StreamPosition, ViewState};

use super::EventSource;
use super::apply::apply;

/// What to request of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookbackRequest {
    /// A host and its server; `None` for everything that is watched on all servers.
    pub(super) host: Option<(usize, HostName)>,
    /// How many samples back.
    pub(super) last: usize,
    /// This time in steps instead.
    pub(super) steps: Option<StepSpan>,
    /// The samples around this moment instead.
    pub(super) around: Option<OldMoment>,
}

/// A time that is longer ago than samples are kept, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OldMoment {
    /// Since the epoch.
    pub(super) time: u64,
    /// Before the newest sample.
    pub(super) ago: u64,
}

/// How much of the time before and after an old moment is read, in milliseconds.
const AROUND: u64 = 60_000;

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
        if let Some(span) = ask.steps {
            // A step more, because the server's clock goes on.
            let length = (span.until - span.from).saturating_add(span.step);
            query.last = None;
            query.since = Some(Duration::from_millis(length));
            query.step = Some(Duration::from_millis(span.step));
        }
        if let Some(old) = ask.around {
            query.last = None;
            query.since = Some(Duration::from_millis(old.ago.saturating_add(AROUND)));
        }
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
    /// Instead of samples.
    stepped: Option<SteppedPast>,
    stream: Option<StreamId>,
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
            steps: None,
            around: None,
        };
        Some(Self {
            ask,
            opened: false,
            past: ViewState::new(0, &[]),
            until: lacking
                .into_iter()
                .map(|(_, host, position)| (host, position))
                .collect(),
            stepped: None,
            stream: None,
        })
    }

    /// For what is longer ago than samples are kept, in steps.
    pub(super) fn in_steps(live: &ViewState, host: &HostName, span: StepSpan) -> Option<Self> {
        let (server, _, position) = live.unasked(usize::MAX).find(|(_, name, _)| name == host)?;
        Some(Self {
            ask: LookbackRequest {
                host: Some((server, host.clone())),
                last: 0,
                steps: Some(span),
                around: None,
            },
            opened: false,
            past: ViewState::new(0, &[]),
            until: HashMap::from([(host.clone(), position)]),
            stepped: Some(SteppedPast::new(span)),
            stream: None,
        })
    }

    /// For the samples around an old `time`, in milliseconds since the epoch.
    pub(super) fn around(live: &ViewState, host: &HostName, time: u64) -> Option<Self> {
        let (server, _, position) = live.unasked(usize::MAX).find(|(_, name, _)| name == host)?;
        let newest = live.newest(host)?.time();
        Some(Self {
            ask: LookbackRequest {
                host: Some((server, host.clone())),
                last: 0,
                steps: None,
                around: Some(OldMoment {
                    time,
                    ago: newest.saturating_sub(time),
                }),
            },
            opened: false,
            past: ViewState::new(0, &[]),
            until: HashMap::from([(host.clone(), position)]),
            stepped: None,
            stream: None,
        })
    }

    /// What to request now; once only.
    pub(super) fn begin(&mut self) -> Option<&LookbackRequest> {
        (!std::mem::replace(&mut self.opened, true)).then_some(&self.ask)
    }

    /// Takes a message. Once a host's past reaches what is known, moves it into `live` and returns true.
    pub(super) fn take(&mut self, received: &Received, live: &mut ViewState, now: Now) -> bool {
        if self.stepped.is_some() {
            return self.take_step(received, live);
        }
        apply(&mut self.past, received, now);
        let Update::Numbered(message) = &received.update else {
            return false;
        };
        if let Some(old) = self.ask.around {
            if old.time.saturating_add(AROUND) <= message.sample.timestamp {
                self.until.clear();
            }
            return false;
        }
        let position = (message.stream, message.seq);
        let host = &received.host;
        if self.until.get(host).is_none_or(|until| position < *until) {
            return false;
        }
        self.until.remove(host);
        live.put_before(&mut self.past, host, self.ask.last);
        true
    }

    /// Takes a message between buckets. The first sample ends them: then moves them into `live` and returns true.
    fn take_step(&mut self, received: &Received, live: &mut ViewState) -> bool {
        let Some(past) = &mut self.stepped else {
            return false;
        };
        match &received.update {
            Update::Summary(summary) => past.push(summary),
            Update::Gap(_) => past.gap(),
            Update::Hello(hello) => {
                if self
                    .stream
                    .replace(hello.stream)
                    .is_some_and(|it| it != hello.stream)
                {
                    past.restart();
                }
            }
            Update::Numbered(message) => match &message.alert {
                Some(alert) => past.alert(alert, &message.sample),
                None => {
                    self.put_steps(live);
                    return true;
                }
            },
            Update::Heartbeat { .. } | Update::End => {}
        }
        false
    }

    fn put_steps(&mut self, live: &mut ViewState) {
        if let (Some(past), Some((_, host))) = (self.stepped.take(), &self.ask.host) {
            live.put_steps(host, past);
        }
        self.until.clear();
    }

    /// Whether everything was read.
    pub(super) fn is_done(&self) -> bool {
        self.until.is_empty()
    }

    /// The samples around an old time, and that time, if that is what was read; `live` has the host.
    pub(super) fn stretch(&mut self, live: &ViewState) -> Option<(ViewState, Moment)> {
        let old = self.ask.around?;
        let (_, host) = self.ask.host.as_ref()?;
        let stretch = live.stretch(&mut self.past, host)?;
        let moment = stretch.moment_at(host, old.time)?;
        Some((stretch, moment))
    }

    /// The old time that is read about, in milliseconds since the epoch.
    pub(super) fn old_time(&self) -> Option<u64> {
        self.ask.around.map(|old| old.time)
    }

    /// Whether the samples around this time of `host` are read, in milliseconds since the epoch.
    pub(super) fn is_around(&self, host: &HostName, time: u64) -> bool {
        let is_host = |(_, other): &(usize, HostName)| other == host;
        self.old_time() == Some(time) && self.ask.host.as_ref().is_some_and(is_host)
    }

    /// No more will arrive: keeps what there is.
    pub(super) fn end(mut self, live: &mut ViewState) {
        if self.ask.steps.is_some() {
            return self.put_steps(live);
        }
        for host in self.until.keys() {
            live.put_before(&mut self.past, host, self.ask.last);
        }
    }
}
