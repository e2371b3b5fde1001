//! One batch of messages: the commands that write it, and what is true once they are carried out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::protocol::{Alert, Body, Frame, Hello, HostName, Message, Position};
use crate::redis::{EntryId, LaneWrites, PublisherIdentity};

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

/// The alerts that fire, as they are stored.
#[derive(Serialize)]
struct StoredAlerts<'a> {
    at: String,
    firing: &'a [Alert],
}

impl WriteDraft {
    /// What `frames` write for `hosts`, in the name of `origin`.
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

    /// It is written.
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

    fn host<'a>(&'a mut self, name: &HostName, host: &PublishedHost) -> &'a mut HostDraft {
        match self.logs.entry(name.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(HostDraft {
                log: host.log.clone(),
                ..HostDraft::default()
            }),
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
        let mut writes = self.lanes.remove(&host.lane).unwrap_or_default();
        let draft = self.host(&position.host, host);
        let alert = alert_in(json);
        let is_alert = alert.is_some();
        if let Some(alert) = alert {
            draft.log.note(alert);
        }
        if draft.log.last < Some(id) {
            let hello = draft.log.hello.as_ref().map(|(json, _)| (stream, json));
            let stored = draft
                .log
                .stored
                .as_ref()
                .map(|(stream, json)| (*stream, json));
            let is_new = hello != stored;
            if let Some((_, hello)) = hello.filter(|_| is_new) {
                let from = host.valid_from(id);
                writes.hello(&host.keys, from, hello, origin);
                draft.log.stored = Some((stream, hello.clone()));
                draft.hellos.push(from);
            }
            writes.entry(&host.keys, id, json, draft.log.last.is_none());
            if is_new || is_alert {
                writes.alerts(&host.keys, &stored_alerts(id, &draft.log.firing));
            }
            draft.log.last = Some(id);
            draft.ids.push(id);
        }
        self.lanes.insert(host.lane, writes);
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
        match body {
            Body::Hello(hello) => {
                let log = &mut self.host(&name, host).log;
                log.stream = Some(hello.stream);
                log.firing.clone_from(&hello.alerts);
                let interval = hello.interval;
                log.hello = Some((lasting(name, *hello), interval));
                log.is_over = false;
            }
            Body::End => {
                let log = &mut self.host(&name, host).log;
                log.is_over = true;
                let last = log.last;
                if let Some(last) = last {
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

fn stored_alerts(at: EntryId, firing: &[Alert]) -> Vec<u8> {
    let at = at.to_string();
    serde_json::to_vec(&StoredAlerts { at, firing }).unwrap_or_default()
}
