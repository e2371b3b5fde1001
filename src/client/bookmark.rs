//! Where a client is in the log of one host. The numbers are its own, whatever the server's numbers mean.

use std::collections::VecDeque;

use crate::protocol::{Gap, GapReason, StreamId};

/// How many earlier streams of a host are remembered. One that reappears after more restarts counts as new.
const MOST_PAST: usize = 256;

/// The largest number that every JSON reader keeps exact (2^53 − 1). Larger numbers from a server are not used.
const LARGEST_SEQ: u64 = (1 << 53) - 1;

/// The last message of a host, and what the numbers of the next ones mean.
#[derive(Debug, Default)]
pub(super) struct Bookmark {
    last: Option<(StreamId, u64)>,
    /// Streams before the last one, in their order.
    past: VecDeque<StreamId>,
    /// How far our numbers are ahead of the server's in this stream: 1 if it counts from 0.
    ahead: u64,
    /// The greatest timestamp of the stream among the messages seen here.
    newest: Option<u64>,
    numbering: Numbering,
}

/// Where the numbers of the messages come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Numbering {
    /// From the server or, where it sends none, from here. It announced no stream, so it cannot resume.
    #[default]
    Anonymous,
    /// From the server, in a stream that it announced: it can resume.
    Resumable,
    /// From here, since the server's numbers did not increase; they are ignored for good.
    Own,
}

/// How a stream that a server announces relates to the streams before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamOrder {
    /// The same stream continues, or a later one begins.
    Follows,
    /// A new stream with a lower id than the last one: the clock was set back.
    Earlier,
    /// A stream that another one had already replaced: two sources share the name.
    Reappears,
}

/// A message that has not arrived before, with the client's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NewMessage {
    pub(super) stream: StreamId,
    pub(super) seq: u64,
    /// What is missing before it.
    pub(super) gap: Option<Gap>,
    /// From this message on, the server's numbers are ignored.
    pub(super) distrusts: bool,
}

impl Bookmark {
    /// A bookmark after a message that is already known; `past` are the streams before its own.
    pub(super) fn behind(
        stream: StreamId,
        seq: u64,
        past: impl IntoIterator<Item = StreamId>,
    ) -> Self {
        let mut bookmark = Self {
            last: Some((stream, seq)),
            numbering: Numbering::Resumable,
            ..Self::default()
        };
        past.into_iter().for_each(|past| bookmark.remember(past));
        bookmark
    }

    /// The message to resume after, in the server's numbers.
    pub(super) fn position(&self) -> Option<(StreamId, u64)> {
        let is_resumable = self.numbering == Numbering::Resumable;
        let (stream, seq) = self.last.filter(|_| is_resumable)?;
        Some((stream, seq.saturating_sub(self.ahead)))
    }

    /// Whether no message has arrived yet.
    pub(super) fn is_new(&self) -> bool {
        self.last.is_none()
    }

    /// How the announced `stream` relates to those seen here.
    pub(super) fn order_of(&self, stream: StreamId) -> StreamOrder {
        match self.last {
            _ if self.counts_here() => StreamOrder::Follows,
            Some((last, _)) if last != stream && self.past.contains(&stream) => {
                StreamOrder::Reappears
            }
            Some((last, _)) if stream < last => StreamOrder::Earlier,
            _ => StreamOrder::Follows,
        }
    }

    /// Whether the server's `newest` message of `stream` is older than the last known one.
    pub(super) fn is_past(&self, stream: StreamId, newest: u64) -> bool {
        self.last.is_some_and(|(last, seq)| {
            last == stream && !self.counts_here() && newest.saturating_add(self.ahead) < seq
        })
    }

    /// The stream of a message: the one that its server announced, or the `connection`'s own if there is none or the
    /// server's numbers are ignored.
    pub(super) fn stream(&self, announced: Option<StreamId>, connection: StreamId) -> StreamId {
        announced
            .filter(|_| !self.counts_here())
            .unwrap_or(connection)
    }

    /// Takes the next message, which its server numbered `seq`; `None` if it has arrived before.
    pub(super) fn take(
        &mut self,
        announced: Option<StreamId>,
        connection: StreamId,
        seq: Option<u64>,
        timestamp: u64,
    ) -> Option<NewMessage> {
        let mut stream = self.stream(announced, connection);
        let mut number = None;
        let mut distrusts = false;
        if let Some(seq) = seq.filter(|_| !self.counts_here()) {
            let given = seq.saturating_add(self.ahead_in(stream, seq));
            distrusts = given > LARGEST_SEQ || self.counts_again(stream, given, timestamp);
            if distrusts {
                self.numbering = Numbering::Own;
                stream = connection;
            } else {
                number = Some(given);
            }
        }
        let before = self.seq_in(stream);
        let number = number.unwrap_or_else(|| before.unwrap_or(0).saturating_add(1));
        if before.is_some_and(|before| number <= before) {
            return None;
        }
        let gap = self.gap(stream, number);
        if !self.counts_here() {
            let is_resumable = announced.is_some() && seq.is_some();
            self.numbering = match is_resumable {
                true => Numbering::Resumable,
                false => Numbering::Anonymous,
            };
        }
        self.ahead = self.ahead_in(stream, seq.unwrap_or(1));
        self.advance(stream, number, timestamp);
        Some(NewMessage {
            stream,
            seq: number,
            gap,
            distrusts,
        })
    }

    /// Whether the server's numbers are ignored.
    fn counts_here(&self) -> bool {
        self.numbering == Numbering::Own
    }

    /// The last number, if it belongs to this stream.
    fn seq_in(&self, stream: StreamId) -> Option<u64> {
        self.last
            .filter(|(last, _)| *last == stream)
            .map(|(_, seq)| seq)
    }

    /// A stream that starts at 0 is counted from 1 here, as in recordings.
    fn ahead_in(&self, stream: StreamId, seq: u64) -> u64 {
        match self.seq_in(stream) {
            Some(_) => self.ahead,
            None => u64::from(seq == 0),
        }
    }

    /// Whether a number that is not above the last one belongs to a later message: the server restarted its count without
    /// a new stream. A repeated message is never later than everything before it.
    fn counts_again(&self, stream: StreamId, seq: u64, timestamp: u64) -> bool {
        self.seq_in(stream).is_some_and(|last| seq <= last)
            && self.newest.is_some_and(|newest| newest < timestamp)
    }

    fn gap(&self, stream: StreamId, seq: u64) -> Option<Gap> {
        let (last, before) = self.last?;
        let (from, to, reason) = if last != stream {
            (None, None, GapReason::Restarted)
        } else if seq - before > 1 {
            (Some(before + 1), Some(seq - 1), GapReason::Expired)
        } else {
            return None;
        };
        Some(Gap { from, to, reason })
    }

    /// A gap, in the server's numbers.
    pub(super) fn as_told(&self, gap: Gap) -> Gap {
        let told = |seq: Option<u64>| seq.map(|seq| seq.saturating_sub(self.ahead));
        Gap {
            from: told(gap.from),
            to: told(gap.to),
            ..gap
        }
    }

    fn advance(&mut self, stream: StreamId, seq: u64, timestamp: u64) {
        if let Some((last, _)) = self.last.filter(|(last, _)| *last != stream) {
            self.remember(last);
            self.newest = None;
        }
        self.last = Some((stream, seq));
        self.newest = self.newest.max(Some(timestamp));
    }

    fn remember(&mut self, stream: StreamId) {
        if self.past.len() == MOST_PAST {
            self.past.pop_front();
        }
        self.past.push_back(stream);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONNECTION: StreamId = StreamId(5000);

    /// The results for numbers of one stream, each a second after the previous one, as `gap? stream:seq`.
    fn taken(bookmark: &mut Bookmark, seqs: &[u64]) -> Vec<String> {
        let begin = bookmark.newest.map_or(0, |newest| newest + 1);
        let take = |(timestamp, seq): (u64, &u64)| {
            let next = bookmark.take(Some(StreamId(1)), CONNECTION, Some(*seq), timestamp)?;
            let gap = match next.gap {
                Some(Gap {
                    from: Some(from),
                    to: Some(to),
                    ..
                }) => format!("{from}-{to} "),
                Some(_) => "restarted ".into(),
                None => String::new(),
            };
            Some(format!("{gap}{}:{}", next.stream, next.seq))
        };
        (begin..).zip(seqs).filter_map(take).collect()
    }

    #[test]
    fn whatever_a_server_counts_a_recording_counts_up_from_one() {
        const LARGE: u64 = LARGEST_SEQ;
        let connection = CONNECTION.to_string();
        let here = |numbers: &[&str]| -> Vec<String> {
            numbers
                .iter()
                .map(|text| text.replace('C', &connection))
                .collect()
        };
        for (seqs, expected) in [
            (&[1, 2, 3][..], here(&["1:1", "1:2", "1:3"])),
            (&[41, 42], here(&["1:41", "1:42"])),
            (&[0, 1, 2], here(&["1:1", "1:2", "1:3"])),
            (&[0, 1, 4], here(&["1:1", "1:2", "3-4 1:5"])),
            (&[0, 0, 0], here(&["1:1", "restarted C:1", "C:2"])),
            (&[7, 7, 7], here(&["1:7", "restarted C:1", "C:2"])),
            (&[5, 6, 1, 2], here(&["1:5", "1:6", "restarted C:1", "C:2"])),
            (&[5, 6, 0, 1], here(&["1:5", "1:6", "restarted C:1", "C:2"])),
            (
                &[LARGE - 1, LARGE, LARGE + 1],
                here(&["1:9007199254740990", "1:9007199254740991", "restarted C:1"]),
            ),
            (&[u64::MAX - 1, u64::MAX, 0], here(&["C:1", "C:2", "C:3"])),
            (&[1, u64::MAX, 2], here(&["1:1", "restarted C:1", "C:2"])),
        ] {
            assert_eq!(taken(&mut Bookmark::default(), seqs), expected, "{seqs:?}");
        }
    }

    #[test]
    fn a_repeated_message_is_not_later_than_all_before_it() {
        let mut bookmark = Bookmark::default();
        for (seq, timestamp, is_new) in [
            (1, 10, true),
            (2, 20, true),
            (1, 10, false),
            (2, 20, false),
            // The clock was set back.
            (3, 5, true),
            (2, 20, false),
            (4, 15, true),
            (4, 15, false),
        ] {
            let next = bookmark.take(Some(StreamId(1)), CONNECTION, Some(seq), timestamp);
            assert_eq!(next.is_some(), is_new, "{seq} at {timestamp}");
        }
    }

    #[test]
    fn a_server_that_counts_from_0_is_resumed_in_its_own_numbers() {
        let mut bookmark = Bookmark::default();
        taken(&mut bookmark, &[0, 1, 2]);
        assert_eq!(bookmark.position(), Some((StreamId(1), 2)));
        assert!(bookmark.is_past(StreamId(1), 1) && !bookmark.is_past(StreamId(1), 2));
        assert_eq!(taken(&mut bookmark, &[3, 5]), ["1:4", "5-5 1:6"]);
        taken(&mut bookmark, &[2]);
        assert_eq!(bookmark.position(), None, "its numbers are worth nothing");
    }

    #[test]
    fn a_stream_continues_begins_or_reappears() {
        let mut bookmark = Bookmark::behind(StreamId(50), 3, [StreamId(10), StreamId(20)]);
        for (stream, expected) in [
            (50, StreamOrder::Follows),
            (60, StreamOrder::Follows),
            (40, StreamOrder::Earlier),
            (20, StreamOrder::Reappears),
            (10, StreamOrder::Reappears),
        ] {
            assert_eq!(bookmark.order_of(StreamId(stream)), expected, "{stream}");
        }
        bookmark.take(Some(StreamId(40)), CONNECTION, Some(1), 0);
        assert_eq!(bookmark.order_of(StreamId(40)), StreamOrder::Follows);
        assert_eq!(bookmark.order_of(StreamId(50)), StreamOrder::Reappears);
    }

    #[test]
    fn the_streams_that_are_remembered_are_bounded() {
        let mut bookmark = Bookmark::default();
        for stream in 1..10_000 {
            bookmark.take(Some(StreamId(stream)), CONNECTION, Some(1), 0);
        }
        assert_eq!(bookmark.past.len(), MOST_PAST);
        assert_eq!(
            bookmark.order_of(StreamId(9_000 + 900)),
            StreamOrder::Reappears
        );
    }

    proptest! {
        /// Everything accepted can be replayed: numbers from 1, increasing within a stream, streams that never
        /// reappear, and a gap exactly where the numbers show one.
        #[test]
        fn accepted_messages_form_a_recording(
            messages in prop::collection::vec((1..4_u64, prop_oneof![0..6_u64, any::<u64>()], 0..9_u64), 0..40),
        ) {
            let mut bookmark = Bookmark::default();
            let mut last: Option<(StreamId, u64)> = None;
            let mut over = Vec::new();
            for (connection, (stream, seq, timestamp)) in (1000..).zip(messages) {
                if bookmark.order_of(StreamId(stream)) == StreamOrder::Reappears {
                    continue;
                }
                let connection = StreamId(connection);
                let Some(next) = bookmark.take(Some(StreamId(stream)), connection, Some(seq), timestamp) else {
                    continue;
                };
                prop_assert!(0 < next.seq && next.seq <= LARGEST_SEQ);
                match last {
                    None => prop_assert_eq!(next.gap, None),
                    Some((stream, before)) if stream == next.stream => {
                        prop_assert!(before < next.seq);
                        let hole = next.gap.map(|gap| (gap.from.unwrap(), gap.to.unwrap()));
                        let expected = (before + 1 < next.seq).then(|| (before + 1, next.seq - 1));
                        prop_assert_eq!(hole, expected);
                    }
                    Some((stream, _)) => {
                        over.push(stream);
                        prop_assert!(!over.contains(&next.stream), "{} came back", next.stream);
                        prop_assert_eq!(next.gap.map(|gap| gap.reason), Some(GapReason::Restarted));
                    }
                }
                last = Some((next.stream, next.seq));
            }
        }
    }
}
