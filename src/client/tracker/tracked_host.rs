//! What is known about one host.

use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::protocol::{Gap, Hello, HostName, Numbered, Position, StreamId, Unplaced};

use super::super::Warning;
use super::super::bookmark::{Bookmark, StreamOrder};

/// A host is stale after this many intervals without a sample …
const STALE_INTERVALS: u32 = 3;

/// … but not sooner than this.
const STALE_AT_LEAST: Duration = Duration::from_secs(3);

/// A host, as one link knows it.
#[derive(Debug)]
pub(super) struct TrackedHost {
    /// The stream of the messages that follow, by the last `hello` of this connection.
    pub(super) stream: Option<StreamId>,
    pub(super) bookmark: Bookmark,
    /// The gap that the server announced before the next message.
    pub(super) announced_gap: Option<(Gap, Utf8Bytes)>,
    /// Whether the following messages come from another source with the same name.
    pub(super) is_rejected: bool,
    /// It had no message yet when this client first heard of it, so the client wants it from its first message.
    began_empty: bool,
    /// Its replay was restarted: it is not resumed.
    pub(super) starts_over: bool,
    /// Whether samples up to its next one arrive as summaries: until then, numbers don't show what is missing.
    pub(super) is_summed_up: bool,
    /// What was reported about it and is not reported again.
    pub(super) reported: Reported,
    pub(super) ended: bool,
    pub(super) stale_after: Duration,
    /// When the newest sample arrived; `None` once the host was reported stale.
    pub(super) fresh_since: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Reported {
    pub(super) two_sources: bool,
    pub(super) set_back: bool,
    pub(super) is_ahead: bool,
}

impl TrackedHost {
    pub(super) fn new(bookmark: Bookmark, is_summed_up: bool) -> Self {
        Self {
            stream: None,
            bookmark,
            announced_gap: None,
            is_rejected: false,
            began_empty: false,
            starts_over: false,
            is_summed_up,
            reported: Reported::default(),
            ended: false,
            stale_after: STALE_AT_LEAST,
            fresh_since: None,
        }
    }

    pub(super) fn set_interval(&mut self, ms: u64) {
        self.stale_after = Duration::from_millis(ms)
            .saturating_mul(STALE_INTERVALS)
            .max(STALE_AT_LEAST);
    }

    /// Begins the messages that `hello` announces. Whether its replay was restarted, so that it has to be requested from
    /// its beginning first: that is only for clients that show and keep nothing.
    pub(super) fn begin(&mut self, hello: &Hello, only_shows: bool) -> bool {
        self.stream = Some(hello.stream);
        self.set_interval(hello.interval);
        self.began_empty |= hello.newest == 0 && self.bookmark.is_new();
        if only_shows && hello.replay.is_some() && self.bookmark.is_past(hello.stream, hello.newest)
        {
            if !self.starts_over {
                return true;
            }
            self.bookmark = Bookmark::default();
        }
        self.starts_over = false;
        false
    }

    /// Whether all of its messages are still to come, from the first one on.
    pub(super) fn awaits_its_first(&self) -> bool {
        self.began_empty && self.bookmark.is_new()
    }

    /// Whether this is an alert amid summaries. The first sample ends them.
    pub(super) fn is_amid_summaries(&mut self, message: &Unplaced) -> bool {
        self.is_summed_up &= message.alert.is_some();
        self.is_summed_up
    }

    /// A message amid summaries in its place. It is no place to resume from: the samples around it were not sent.
    pub(super) fn place(&self, name: &HostName, message: Unplaced) -> Option<Numbered> {
        let (stream, seq) = (self.stream?, message.seq?);
        let host = name.clone();
        Some(message.at(Position { host, stream, seq }))
    }

    pub(super) fn position(&self) -> Option<(StreamId, u64)> {
        self.bookmark.position().filter(|_| !self.starts_over)
    }

    /// What to report about a source that announces itself, unless it was reported before.
    pub(super) fn greet(&mut self, name: &HostName, hello: &Hello) -> Option<Warning> {
        let order = self.bookmark.order_of(hello.stream);
        self.is_rejected = order == StreamOrder::Reappears;
        let host = name.clone();
        let (reported, warning) = match order {
            StreamOrder::Reappears => {
                (&mut self.reported.two_sources, Warning::TwoSources { host })
            }
            StreamOrder::Earlier => (&mut self.reported.set_back, Warning::SetBack { host }),
            StreamOrder::Follows if self.bookmark.is_past(hello.stream, hello.newest) => {
                (&mut self.reported.is_ahead, Warning::Ahead { host })
            }
            StreamOrder::Follows => return None,
        };
        (!std::mem::replace(reported, true)).then_some(warning)
    }
}
