//! What came in, counted for `/metrics`, and reported to people once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::line::LineRefusal;

/// How much of a line is shown.
const EXCERPT_BYTES: usize = 80;

/// Every reason to refuse a line, with its label in `/metrics` and what is said about the first line.
const REFUSALS: [(LineRefusal, &str, &str); 6] = [
    (
        LineRefusal::Malformed,
        "malformed",
        "is not NAME:VALUE|TYPE",
    ),
    (
        LineRefusal::Name,
        "name",
        "has a name that an application may not use",
    ),
    (
        LineRefusal::NotFinite,
        "not_finite",
        "has, or leads to, a value that is not finite",
    ),
    (
        LineRefusal::Type,
        "type",
        "has the name of a metric of another type",
    ),
    (
        LineRefusal::TooManyNames,
        "too_many_names",
        "has a new name, but there are 200 already",
    ),
    (
        LineRefusal::NotMetric,
        "not_metric",
        "is an event or a service check",
    ),
];

/// Counters. All but the number of names only grow.
#[derive(Debug, Default)]
pub struct StatsdCounts {
    packets: AtomicU64,
    accepted: AtomicU64,
    refused: [AtomicU64; REFUSALS.len()],
    names: AtomicU64,
    dropped: AtomicU64,
    /// Whether the system counts the packets that it drops.
    counts_drops: AtomicBool,
    has_reported_drops: AtomicBool,
    has_reported_fields: AtomicBool,
}

impl StatsdCounts {
    /// Packets that were read.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Lines by what became of them: `("accepted", 17)`, `("malformed", 1)`.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, u64)> {
        let accepted = ("accepted", self.accepted.load(Ordering::Relaxed));
        let refused = REFUSALS.iter().zip(&self.refused);
        let refused = refused.map(|((_, label, _), count)| (*label, count.load(Ordering::Relaxed)));
        std::iter::once(accepted).chain(refused).collect()
    }

    /// Names that are in use.
    #[must_use]
    pub fn names(&self) -> u64 {
        self.names.load(Ordering::Relaxed)
    }

    /// Packets that the system dropped because they came too fast; `None` if it doesn't say.
    #[must_use]
    pub fn dropped(&self) -> Option<u64> {
        let is_known = self.counts_drops.load(Ordering::Relaxed);
        is_known.then(|| self.dropped.load(Ordering::Relaxed))
    }

    /// Counts a packet and its `accepted` lines. There are so many `names` now, if it changed that.
    pub(super) fn count_packet(&self, accepted: usize, names: Option<usize>) {
        let add = |counter: &AtomicU64, more: usize| {
            counter.fetch_add(u64::try_from(more).unwrap_or(u64::MAX), Ordering::Relaxed)
        };
        add(&self.packets, 1);
        add(&self.accepted, accepted);
        if let Some(names) = names {
            let names = u64::try_from(names).unwrap_or(u64::MAX);
            self.names.store(names, Ordering::Relaxed);
        }
    }

    /// Counts a refused line. The first one for each reason is reported.
    pub(super) fn refuse(&self, line: &[u8], refusal: LineRefusal) {
        let all = REFUSALS.iter().zip(&self.refused);
        for ((reason, label, text), count) in all {
            if *reason == refusal && count.fetch_add(1, Ordering::Relaxed) == 0 {
                let line = excerpt(line);
                tracing::warn!(
                    "statsd: skipped '{line}', which {text}; further ones are only counted, as result=\"{label}\" in /metrics"
                );
            }
        }
    }

    /// Reports once that `line` has fields that are not used.
    pub(super) fn report_unused_fields(&self, line: &[u8]) {
        if !self.has_reported_fields.swap(true, Ordering::Relaxed) {
            let line = excerpt(line);
            tracing::warn!(
                "statsd: tags, containers and timestamps are dropped, here and from now on: '{line}'"
            );
        }
    }

    /// The system counts dropped packets, and has dropped `more`. The first ones are reported.
    pub(super) fn count_dropped(&self, more: u64) {
        self.counts_drops.store(true, Ordering::Relaxed);
        self.dropped.fetch_add(more, Ordering::Relaxed);
        if more != 0 && !self.has_reported_drops.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "statsd: the kernel dropped packets, which came too fast, or its limit net.core.rmem_max is too low; further ones are only counted, in /metrics"
            );
        }
    }
}

/// The beginning of a line, in printable ASCII.
fn excerpt(line: &[u8]) -> impl std::fmt::Display + '_ {
    line[..line.len().min(EXCERPT_BYTES)].escape_ascii()
}
