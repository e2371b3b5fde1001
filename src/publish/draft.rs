//! One batch of messages: the commands that write it, and what is true once they are carried out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::protocol::{Alert, Body, Frame, Hello, HostName, Message, Position};
use crate::redis::{EntryId, FiringAlerts, LaneWrites, PublisherIdentity};

use super::host::{PublishedHost, WrittenLog};

/// How the JSON of an alert begins.
const ALERT: &[u8] = br#"{"type":"alert""#;

/// A batch.
#[derive(Debug, Default)]
pub(super) struct WriteDraft {
    /// What to write, by lane.
    pub(super) lanes: BTreeMap<usize, LaneWrites>,
    logs: BTreeMap<HostName, HostDraft>,
}

#[derive(Debug, Default)]
struct HostDraft {
    log: WrittenLog,
    ids: Vec<EntryId>,
    hellos: Vec<EntryId>,
}

impl HostDraft {
    /// The draft of a host, which begins with what has been written.
    fn of<'a>(
        drafts: &'a mut BTreeMap<HostName, Self>,
        name: &HostName,
        host: &PublishedHost,
    ) -> &'a mut Self {
        drafts.entry(name.clone()).or_insert_with(|| Self {
            log: host.log.clone(),
            ..Self::default()
        })
    }
}

impl WriteDraft {
    /// What is to be written of `frames` for `hosts`, in the name of `origin`.
    pub(super) fn of(
        frames: &[Frame],
        hosts: &BTreeMap<HostName, PublishedHost>,
        origin: &PublisherIdentity,
    ) -> Self {
        let mut draft = Self::default();
        for frame in frames {
            match frame.position() {
                Some(position) => draft.add(frame.json(), position, hosts, origin),
                None => draft.learn(frame.json(), hosts),
            }
        }
        draft
    }

    /// How many messages it writes.
    pub(super) fn messages(&self) -> u64 {
        self.logs.values().map(|it| it.ids.len() as u64).sum()
    }

    /// Whether it writes messages of `host`.
    pub(super) fn writes(&self, host: &HostName) -> bool {
        self.logs.get(host).is_some_and(|it| !it.ids.is_empty())
    }

    /// Notes that it is written.
    pub(super) fn commit(
        self,
        hosts: &mut BTreeMap<HostName, PublishedHost>,
        (now, retain): (Instant, Duration),
    ) {
        for (name, HostDraft { log, ids, hellos }) in self.logs {
            if let Some(host) = hosts.get_mut(&name) {
                host.wrote(log, (&ids, &hellos), (now, retain));
            }
        }
    }

    /// Adds a numbered message.
    fn add(
        &mut self,
        json: &[u8],
        position: Position,
        hosts: &BTreeMap<HostName, PublishedHost>,
        origin: &PublisherIdentity,
    ) {
        let Some(host) = hosts.get(&position.host).filter(|it| !it.is_stopped) else {
            return;
        };
        let (stream, seq) = (position.stream, position.seq);
        let id = EntryId { stream, seq };
        let writes = self.lanes.entry(host.lane).or_default();
        let HostDraft { log, ids, hellos } = HostDraft::of(&mut self.logs, &position.host, host);
        let alert = alert_in(json);
        let is_alert = alert.is_some();
        if let Some(alert) = alert {
            log.note(alert);
        }
        if Some(id) <= log.last {
            return;
        }
        let is_described = log.is_described(stream);
        if let Some((hello, _)) = log.hello.as_ref().filter(|_| !is_described) {
            let from = host.valid_from(id);
            writes.hello(&host.keys, from, hello, origin);
            log.stored = Some((stream, Arc::clone(hello)));
            hellos.push(from);
        }
        writes.entry(&host.keys, id, json, log.last.is_none());
        if !is_described || is_alert {
            let firing = log.firing.clone();
            writes.alerts(&host.keys, &FiringAlerts { at: id, firing });
        }
        log.last = Some(id);
        ids.push(id);
    }

    /// Takes note of a message without a number.
    fn learn(&mut self, json: &[u8], hosts: &BTreeMap<HostName, PublishedHost>) {
        let message = std::str::from_utf8(json).ok().map(Message::decode);
        let Some(Ok(Message {
            host: Some(name),
            body,
        })) = message
        else {
            return;
        };
        let Some(host) = hosts.get(&name).filter(|it| !it.is_stopped) else {
            return;
        };
        let log = &mut HostDraft::of(&mut self.logs, &name, host).log;
        match body {
            Body::Hello(hello) => {
                log.stream = Some(hello.stream);
                log.firing.clone_from(&hello.alerts);
                let interval = hello.interval;
                log.hello = Some((lasting(name, *hello).into(), interval));
            }
            Body::End => {
                if let Some(last) = log.last {
                    let writes = self.lanes.entry(host.lane).or_default();
                    writes.end(&host.keys, last);
                }
            }
            _ => {}
        }
    }
}

/// The alert in a message, if it is one.
fn alert_in(json: &[u8]) -> Option<Alert> {
    if !json.starts_with(ALERT) {
        return None;
    }
    match Message::decode(std::str::from_utf8(json).ok()?).ok()?.body {
        Body::Numbered(message) => message.alert.map(|alert| *alert),
        _ => None,
    }
}

/// A hello without what changes from message to message.
fn lasting(host: HostName, hello: Hello) -> Vec<u8> {
    let hello = Hello {
        oldest: 0,
        newest: 0,
        held: None,
        alerts: Vec::new(),
        ..hello
    };
    let body = Body::Hello(Box::new(hello));
    Message {
        host: Some(host),
        body,
    }
    .encode()
}
