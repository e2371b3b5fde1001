//! `--fail-on-alert`: alerts that should not fire.

use std::collections::HashMap;

use crate::client::Received;
use crate::protocol::{
    Alert, AlertState, Hello, HostName, Numbered, StreamId, Update, rfc3339, shown,
};

use super::super::super::Failure;
use super::circumstances;

/// Which alerts must not fire, and those that fired before anybody watched.
#[derive(Debug)]
pub(super) struct ForbiddenAlerts {
    /// The only name that counts; `None` for all.
    name: Option<String>,
    hosts: HashMap<HostName, FollowedAlerts>,
    /// The name of an alert that fired and doesn't count.
    other: Option<String>,
}

/// The alerts of a host before its first `hello`, and those of later ones.
#[derive(Debug)]
struct FollowedAlerts {
    first: EarlierAlerts,
    /// What a later `hello` says is firing. Whatever has not arrived as a message once everything up to that `hello` has,
    /// fired within a gap.
    unseen: Vec<Alert>,
    /// The stream and newest number of that `hello`.
    until: (StreamId, u64),
}

/// What had already fired on a host when its first `hello` was sent.
#[derive(Debug)]
struct EarlierAlerts {
    stream: StreamId,
    /// The newest number at that time: alerts up to it are part of the past.
    newest: u64,
    firing: Vec<Alert>,
    /// A replay sends everything to viewers that it waited for, however much it has read ahead: nothing is past.
    is_replay: bool,
}

impl EarlierAlerts {
    fn of(received: &Received, hello: &Hello) -> Self {
        Self {
            stream: received.stream,
            newest: hello.newest,
            firing: hello.alerts.clone(),
            is_replay: hello.replay.is_some(),
        }
    }

    fn was_firing(&self, alert: &Alert) -> bool {
        self.firing.iter().any(|known| is_same(known, alert))
    }

    fn has(&self, message: &Numbered, alert: &Alert) -> bool {
        let is_old = self.stream == message.stream && message.seq <= self.newest;
        !self.is_replay && (is_old || self.was_firing(alert))
    }
}

impl ForbiddenAlerts {
    /// All alerts, or those of `name`.
    pub(super) fn named(name: Option<String>) -> Result<Self, Failure> {
        let name = name.map(|name| name.trim().to_owned());
        if name.as_deref() == Some("") {
            return Err(Failure::usage(
                "--fail-on-alert= names no alert: write --fail-on-alert=NAME, or --fail-on-alert for any",
            ));
        }
        Ok(Self {
            name,
            hosts: HashMap::new(),
            other: None,
        })
    }

    /// Judges a message. If it brings an alert that counts, returns it in one line.
    pub(super) fn take(&mut self, received: &Received) -> Option<String> {
        match &received.update {
            Update::Hello(hello) => {
                self.greet(received, hello);
                None
            }
            Update::Numbered(message) => {
                let fired = self.fired(received, message);
                fired.or_else(|| self.fired_unseen(message))
            }
            _ => None,
        }
    }

    /// The first `hello` of a host says what is past. A later one may bring what fired within a gap.
    fn greet(&mut self, received: &Received, hello: &Hello) {
        let Some(host) = self.hosts.get_mut(&received.host) else {
            let host = FollowedAlerts {
                first: EarlierAlerts::of(received, hello),
                unseen: Vec::new(),
                until: (received.stream, 0),
            };
            self.hosts.insert(received.host.clone(), host);
            return;
        };
        let new = |alert: &&Alert| !host.first.was_firing(alert);
        host.unseen = hello.alerts.iter().filter(new).cloned().collect();
        host.until = (received.stream, hello.newest);
    }

    /// The alert of a message, if it counts.
    fn fired(&mut self, received: &Received, message: &Numbered) -> Option<String> {
        let alert = message.alert.as_deref()?;
        let host = self.hosts.get(&received.host);
        let is_past = host.is_some_and(|host| host.first.has(message, alert));
        if alert.state != AlertState::Firing || is_past || !self.counts(alert) {
            return None;
        }
        let rule = if alert.rule == alert.name || alert.rule.is_empty() {
            String::new()
        } else {
            format!(" ({})", shown(&alert.rule))
        };
        let (name, circumstances) = (shown(&alert.name), circumstances(received, message, alert));
        Some(format!("alert '{name}'{rule} fired {circumstances}"))
    }

    /// An alert that fired within a gap, once all that was not lost has arrived.
    fn fired_unseen(&mut self, message: &Numbered) -> Option<String> {
        let host = self.hosts.get_mut(&message.host)?;
        let (stream, newest) = host.until;
        if host.unseen.is_empty() || message.stream != stream || message.seq < newest {
            return None;
        }
        let unseen = std::mem::take(&mut host.unseen);
        let alert = unseen.into_iter().find(|alert| self.counts(alert))?;
        Some(format!(
            "alert '{}' fired on {}, and its message was lost: the rule has been true since {}",
            shown(&alert.name),
            message.host,
            rfc3339(alert.since)
        ))
    }

    /// Whether an alert has the right name. Notes another one.
    fn counts(&mut self, alert: &Alert) -> bool {
        let counts = self.name.as_ref().is_none_or(|name| *name == alert.name);
        if !counts {
            self.other.get_or_insert_with(|| alert.name.clone());
        }
        counts
    }

    /// That an alert fired, but none of the right name.
    pub(super) fn other_than_named(&self) -> Option<String> {
        let (name, other) = (shown(self.name.as_ref()?), shown(self.other.as_ref()?));
        Some(format!("'{other}' fired, but no alert named '{name}' did"))
    }
}

/// Whether both are the same firing of the same alert.
fn is_same(a: &Alert, b: &Alert) -> bool {
    (&a.name, &a.metric, a.since) == (&b.name, &b.metric, b.since)
}
