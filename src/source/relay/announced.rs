//! What was announced of a host's messages, and from where on it is valid.

use std::collections::BTreeMap;

use crate::hub::Announcement;
use crate::protocol::{Body, Hello, HostName, Numbered, describe};
use crate::redis::{About, EntryId, FiringAlerts, PublisherIdentity};

use super::RelayShared;
use super::check::{check_id, decoded};

/// The announcements of one host.
#[derive(Debug, Default)]
pub(super) struct RelayedHellos {
    /// By the first message that each is valid for.
    by_first: BTreeMap<EntryId, Announcement>,
    /// The alerts that fire, as of a message.
    pub(super) firing: Option<FiringAlerts>,
    /// Who writes.
    pub(super) origin: Option<PublisherIdentity>,
}

impl RelayedHellos {
    /// Takes note of what Redis has about `host`.
    pub(super) fn learn(&mut self, host: &HostName, about: About, shared: &RelayShared) {
        for (first, json) in about.hellos {
            match hello(host, first, &json) {
                Ok(hello) => {
                    let announcement = announcement_of(hello, shared.heartbeat);
                    self.by_first.insert(first, announcement);
                }
                Err(reason) => shared.status.skip(&format!("a hello of {host}"), &reason),
            }
        }
        self.firing = about.alerts;
        self.origin = about.origin;
    }

    /// The announcement of a message. Where there is no hello, the message's own values have to do.
    pub(super) fn of(&mut self, id: EntryId, message: &Numbered, heartbeat: u64) -> Announcement {
        let valid = self.by_first.range(..=id).next_back();
        let valid = valid.filter(|(first, _)| first.stream == id.stream);
        if let Some((_, announcement)) = valid {
            return announcement.clone();
        }
        let names = message.sample.values.iter().map(|(name, _)| name);
        let hello = Hello {
            stream: id.stream,
            metrics: names.map(|name| describe(name, 0)).collect(),
            ..Hello::default()
        };
        let announcement = announcement_of(hello, heartbeat);
        self.by_first.insert(id, announcement.clone());
        announcement
    }

    /// Forgets the announcements that no message from `id` on needs.
    pub(super) fn forget_before(&mut self, id: EntryId) {
        if let Some((&first, _)) = self.by_first.range(..=id).next_back() {
            self.by_first = self.by_first.split_off(&first);
        }
    }
}

fn hello(host: &HostName, first: EntryId, json: &[u8]) -> Result<Hello, String> {
    check_id(first)?;
    let Body::Hello(hello) = decoded(host, json)?.body else {
        return Err("it is not a hello".to_owned());
    };
    if hello.stream != first.stream {
        return Err("it is of another stream".to_owned());
    }
    Ok(*hello)
}

fn announcement_of(hello: Hello, heartbeat: u64) -> Announcement {
    Announcement {
        stream: hello.stream,
        interval: hello.interval,
        heartbeat,
        system: hello.system,
        replay: hello.replay,
        metrics: hello.metrics,
        containers: hello.containers,
        unavailable: hello.unavailable.into(),
    }
}
