//! What is known of one host that is published.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::millis::in_millis;
use crate::protocol::{Alert, AlertState, HostName, StreamId};
use crate::redis::{EntryId, HostKeys, KeySpace, PublisherIdentity, Refresh, Standing, lane_of};

use super::marks::Marks;

/// How much longer than messages the keys are kept.
pub(super) const LONGER: Duration = Duration::from_secs(3600);

/// A host, from one batch of messages to the next.
#[derive(Debug)]
pub(super) struct PublishedHost {
    pub(super) keys: HostKeys,
    pub(super) lane: usize,
    pub(super) log: WrittenLog,
    /// Who wrote last, when that was last read.
    pub(super) origin: Option<PublisherIdentity>,
    /// Whether it is no longer published.
    pub(super) is_stopped: bool,
    /// The highest id that was written here, and when. Redis may have lost it since.
    written: Option<(EntryId, Instant)>,
    hellos: BTreeSet<EntryId>,
    /// The oldest entry that Redis had when this was last read.
    oldest: Option<EntryId>,
    marks: Marks,
    refreshed: Option<Instant>,
}

/// What has been written, and described. It changes only when a whole batch is written.
#[derive(Debug, Clone, Default)]
pub(super) struct WrittenLog {
    /// The highest id in Redis.
    pub(super) last: Option<EntryId>,
    /// The stream that the hub's messages belong to.
    pub(super) stream: Option<StreamId>,
    /// The hello of the messages that follow, as it is stored, and the milliseconds between two samples.
    pub(super) hello: Option<(Arc<[u8]>, u64)>,
    /// The hello that was stored last, with its stream.
    pub(super) stored: Option<(StreamId, Arc<[u8]>)>,
    /// The alerts that fire.
    pub(super) firing: Vec<Alert>,
}

impl WrittenLog {
    /// Whether the hello that was stored last is that of the next messages, which are in `stream`.
    pub(super) fn is_described(&self, stream: StreamId) -> bool {
        let hello = self.hello.as_ref().map(|(json, _)| (stream, json));
        let stored = self.stored.as_ref().map(|(stream, json)| (*stream, json));
        hello == stored
    }

    /// Notes an alert that began or ceased to fire.
    pub(super) fn note(&mut self, alert: Alert) {
        let is_same = |other: &Alert| other.name == alert.name && other.metric == alert.metric;
        self.firing.retain(|other| !is_same(other));
        if alert.state == AlertState::Firing && self.firing.len() < crate::protocol::MOST_FIRING {
            self.firing.push(alert);
        }
    }
}

impl PublishedHost {
    /// A host of which nothing is known yet.
    pub(super) fn new(host: &HostName, keys: &KeySpace) -> Self {
        Self {
            keys: keys.of(host),
            lane: lane_of(host),
            log: WrittenLog::default(),
            origin: None,
            is_stopped: false,
            written: None,
            hellos: BTreeSet::new(),
            oldest: None,
            marks: Marks::default(),
            refreshed: None,
        }
    }

    /// Takes over what Redis has. Returns whether it lacks something that was written.
    pub(super) fn stands(&mut self, standing: Standing) -> bool {
        let had = self.log.last.max(self.written.map(|(id, _)| id));
        let has_lost = standing.last < had;
        self.log.last = standing.last;
        self.oldest = standing.oldest;
        self.origin = standing.origin;
        let stored = std::mem::replace(&mut self.hellos, standing.hellos.into_iter().collect());
        let is_stored = stored.last().is_some_and(|it| self.hellos.contains(it));
        if has_lost || !is_stored {
            self.log.stored = None;
        }
        self.refreshed = None;
        has_lost
    }

    /// The message after which to continue. If Redis has nothing, that is the last one written, if that was longer than
    /// `retain` ago: readers have it. `None` if Redis is to get whatever is not older than `retain`.
    pub(super) fn place(&self, retain: Duration) -> Option<EntryId> {
        let written = self.written.filter(|(_, at)| retain < at.elapsed());
        self.log.last.or(written.map(|(id, _)| id))
    }

    /// The first message for which a hello is valid that is written before the message `id`. If all hellos of its
    /// stream are lost, it stands in for them, too.
    pub(super) fn valid_from(&self, id: EntryId) -> EntryId {
        let is_of_stream = |other: &EntryId| other.stream == id.stream;
        let oldest = self.oldest.filter(is_of_stream);
        match oldest {
            Some(oldest) if !self.hellos.iter().any(is_of_stream) => oldest.min(id),
            _ => id,
        }
    }

    /// Whether what `here` writes continues what Redis has. Once this process has written, it can tell its own from
    /// that of a copy of this machine.
    pub(super) fn is_ours(&self, here: &PublisherIdentity) -> bool {
        self.origin.as_ref().is_none_or(|origin| {
            origin.is_same_run(here) || (self.written.is_none() && origin.is_same_as(here))
        })
    }

    /// Whether anything was ever written.
    pub(super) fn is_written(&self) -> bool {
        self.written.is_some()
    }

    /// Notes what has now been written: `log`, with these ids and hellos.
    pub(super) fn wrote(
        &mut self,
        log: WrittenLog,
        (ids, hellos): (&[EntryId], &[EntryId]),
        (now, retain): (Instant, Duration),
    ) {
        self.log = log;
        self.hellos.extend(hellos);
        self.written = ids.last().map(|id| (*id, now)).or(self.written);
        for id in ids {
            self.marks.note(*id, now, retain);
        }
    }

    /// What keeps its keys from expiring and drops what is old, if it is time for that.
    pub(super) fn refresh(&mut self, now: Instant, retain: Duration) -> Option<Refresh> {
        let every = (retain / 30).clamp(Duration::from_secs(1), Duration::from_secs(60));
        if self.refreshed.is_some_and(|at| now < at + every) {
            return None;
        }
        self.refreshed = Some(now);
        let before = self.marks.before(now, retain);
        let oldest = before.max(self.oldest);
        let needed = oldest.and_then(|oldest| self.hellos.range(..=oldest).next_back().copied());
        let old_hellos = match needed {
            Some(needed) => {
                let kept = self.hellos.split_off(&needed);
                std::mem::replace(&mut self.hellos, kept)
            }
            None => BTreeSet::new(),
        };
        let interval = self.log.hello.as_ref().map_or(1, |(_, interval)| *interval);
        Some(Refresh {
            expire: (retain + LONGER).as_secs(),
            before,
            // Across streams, ids say nothing about time: only this bounds a source that keeps restarting.
            most: in_millis(retain) / interval.max(1) * 2 + 1000,
            old_hellos: old_hellos.into_iter().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(seq: u64) -> EntryId {
        EntryId {
            stream: StreamId(7),
            seq,
        }
    }

    /// A host of which Redis has 1 to 9, and hellos of 1 and 5, written here.
    fn written() -> PublishedHost {
        let name: HostName = "web-1".parse().unwrap();
        let mut host = PublishedHost::new(&name, &KeySpace::new("x").unwrap());
        let log = WrittenLog {
            last: Some(id(9)),
            stored: Some((StreamId(7), b"{}"[..].into())),
            ..WrittenLog::default()
        };
        let now = (Instant::now(), Duration::from_secs(60));
        host.wrote(log, (&[id(9)], &[id(1), id(5)]), now);
        host
    }

    fn standing(last: u64, hellos: &[u64]) -> Standing {
        Standing {
            last: Some(id(last)),
            oldest: Some(id(1)),
            hellos: hellos.iter().copied().map(id).collect(),
            ..Standing::default()
        }
    }

    #[test]
    fn a_hello_is_written_again_unless_the_newest_is_there() {
        for (standing, is_stored) in [
            (standing(9, &[1, 5]), true),
            (standing(9, &[1]), false),
            (standing(9, &[]), false),
            // It may have been changed by what is lost.
            (standing(8, &[1, 5]), false),
        ] {
            let mut host = written();
            host.stands(standing.clone());
            assert_eq!(host.log.stored.is_some(), is_stored, "{standing:?}");
        }
    }

    #[test]
    fn a_hello_stands_for_lost_ones_of_its_stream() {
        let mut host = written();
        host.stands(standing(9, &[1]));
        assert_eq!(host.valid_from(id(10)), id(10));
        host.stands(standing(9, &[]));
        assert_eq!(host.valid_from(id(10)), id(1));
    }

    #[test]
    fn a_copy_of_this_machine_is_another_origin_once_this_one_has_written() {
        let here = || PublisherIdentity::here("db-7", "db-7 (127.0.0.1:8080)".into());
        let (ours, copy) = (here(), here());
        let mut host = written();
        host.origin = Some(ours.clone());
        assert!(host.is_ours(&ours));
        host.origin = Some(copy);
        assert!(!host.is_ours(&ours));
        // An earlier process wrote it.
        host.written = None;
        assert!(host.is_ours(&ours));
    }
}
