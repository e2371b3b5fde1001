//! How old messages are: what is needed to convert a length of time into an id.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::redis::EntryId;

/// How many marks there are within the time for which messages are kept.
const RESOLUTION: u32 = 64;

/// How many messages are kept, however old: the least that a ring keeps, with alerts among them.
const LEAST: u64 = 60;

/// Some of the past messages, with the time at which each was published.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: VecDeque<(Instant, EntryId, u64)>,
    messages: u64,
}

impl Marks {
    /// Notes that the message `id` is published `now`; messages are kept for `retain`.
    pub(super) fn note(&mut self, id: EntryId, now: Instant, retain: Duration) {
        self.messages += 1;
        let is_due = |(last, ..): &(Instant, EntryId, u64)| *last + retain / RESOLUTION <= now;
        if self.marks.back().is_none_or(is_due) {
            self.marks.push_back((now, id, self.messages));
        }
    }

    /// The message before which everything is older than `retain`, if there is one. Ids of earlier streams are lower,
    /// so they age like all others.
    pub(super) fn before(&mut self, now: Instant, retain: Duration) -> Option<EntryId> {
        let is_old = |(at, _, count): &(Instant, EntryId, u64)| {
            *at + retain <= now && count + LEAST <= self.messages
        };
        let old = self.marks.iter().take_while(|mark| is_old(mark)).count();
        self.marks.drain(..old.saturating_sub(1));
        (0 < old).then(|| self.marks[0].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::StreamId;

    #[test]
    fn an_old_stream_ages_by_its_own_ids() {
        let (retain, start) = (Duration::from_secs(640), Instant::now());
        let at = |second| start + Duration::from_secs(second);
        let id = |stream, seq| EntryId {
            stream: StreamId(stream),
            seq,
        };
        let mut marks = Marks::default();
        for second in 0..600 {
            marks.note(id(1000, second + 1), at(second), retain);
        }
        // The clock was set back or forth, and another stream began.
        for second in 600..1280 {
            marks.note(id(9000, second - 599), at(second), retain);
        }
        assert_eq!(marks.before(at(639), retain), None);
        assert_eq!(marks.before(at(640), retain), Some(id(1000, 1)));
        assert_eq!(marks.before(at(1000), retain), Some(id(1000, 361)));
        assert_eq!(marks.before(at(1245), retain), Some(id(9000, 1)));
        assert!(marks.marks.len() <= 70, "{}", marks.marks.len());
    }

    #[test]
    fn the_newest_messages_stay() {
        let (retain, start) = (Duration::from_secs(1), Instant::now());
        let mut marks = Marks::default();
        let id = |seq| EntryId {
            stream: StreamId(1),
            seq,
        };
        let hour = |hours: u64| start + Duration::from_secs(hours * 3600);
        for seq in 1..=100 {
            marks.note(id(seq), hour(seq), retain);
        }
        assert_eq!(marks.before(hour(200), retain), Some(id(40)));
    }
}
