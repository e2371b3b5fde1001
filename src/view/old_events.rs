//! What happened to a host longer ago than its samples are kept.

use std::collections::VecDeque;

use crate::protocol::{Alert, AlertState, Sample};

use super::firing::FiringAlert;
use super::style::MarkKind;

/// The most events that are kept, so that a peer that never stops sending them does not fill the memory.
const MOST_EVENTS: usize = 4000;

/// Something that happened. Times are in milliseconds since the epoch.
#[derive(Debug, Clone)]
pub(super) struct OldEvent {
    pub kind: MarkKind,
    pub began: u64,
    /// How far it is known to have lasted.
    pub ended: u64,
    /// `None` for a gap or a restart.
    pub alert: Option<FiringAlert>,
}

/// The newest events, in the order in which they were told.
#[derive(Debug, Clone, Default)]
pub(super) struct OldEvents(VecDeque<OldEvent>);

impl OldEvents {
    pub(super) fn push(&mut self, event: OldEvent) {
        if self.0.len() >= MOST_EVENTS {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// An alert fires or is resolved, which a message with this sample tells.
    pub(super) fn take_alert(&mut self, alert: &Alert, sample: &Sample) {
        let time = sample.timestamp;
        let fired = FiringAlert::fired(alert, sample.top.as_deref().unwrap_or_default());
        // An alert of this name may have ended, and begun again, where messages are missing.
        let is_same = |it: &&mut OldEvent| it.alert.as_ref().is_some_and(|it| it.is_same(&fired));
        if alert.state == AlertState::Resolved
            && let Some(event) = self.0.iter_mut().rev().find(is_same)
        {
            event.ended = event.ended.max(time);
            return;
        }
        let began = if alert.since == 0 { time } else { alert.since };
        self.push(OldEvent {
            kind: MarkKind::Resolved,
            began,
            ended: began.max(time),
            alert: Some(fired),
        });
    }

    /// Those that began before `time`.
    pub(super) fn before(&self, time: u64) -> impl Iterator<Item = &OldEvent> {
        self.0.iter().filter(move |event| event.began < time)
    }
}
