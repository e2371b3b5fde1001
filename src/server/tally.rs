//! What the server has done since its start.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::exposition::family_of;

/// Counters of one server. All only grow, but for the timing of the newest sample.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) messages: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) resumed: AtomicU64,
    pub(super) not_resumed: AtomicU64,
    pub(super) gaps: AtomicU64,
    pub(super) slow_closes: AtomicU64,
    refusals: Mutex<BTreeMap<u16, u64>>,
    sample_us: AtomicU64,
    late_us: AtomicU64,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Tally {
    /// A sample took `duration` to take, and was begun `late` after it was due.
    pub fn sampled(&self, duration: Duration, late: Duration) {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.sample_us.store(us(duration), Ordering::Relaxed);
        self.late_us.store(us(late), Ordering::Relaxed);
    }

    pub(super) fn refused(&self, status: u16) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *refusals.entry(status).or_default() += 1;
    }

    /// Appends the counters as Prometheus reads them.
    pub(super) fn expose(&self, text: &mut String) {
        let mut counter = |name: &str, help: &str, value: &AtomicU64| {
            family_of(
                text,
                (name, "counter", help),
                std::iter::once((String::new(), number(value))),
            );
        };
        counter(
            "metrics_messages_sent_total",
            "Messages handed to viewers.",
            &self.messages,
        );
        counter(
            "metrics_sent_bytes_total",
            "Bytes written to viewers.",
            &self.bytes,
        );
        counter("metrics_gaps_total", "Losses told to viewers.", &self.gaps);
        counter(
            "metrics_slow_closes_total",
            "Viewers let go because they were too slow.",
            &self.slow_closes,
        );
        let resumes = [("ok", &self.resumed), ("failed", &self.not_resumed)];
        let resumes =
            resumes.map(|(result, value)| (format!("result=\"{result}\""), number(value)));
        let help = "Viewers that came back, by whether the log still had what they lacked.";
        family_of(
            text,
            ("metrics_resumes_total", "counter", help),
            resumes.into_iter(),
        );
        let refusals = self
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        #[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
        let refusals = refusals
            .into_iter()
            .map(|(status, count)| (format!("status=\"{status}\""), count as f64));
        family_of(
            text,
            (
                "metrics_refusals_total",
                "counter",
                "Requests refused, by HTTP status.",
            ),
            refusals,
        );
        let mut seconds = |name: &str, help: &str, value: &AtomicU64| {
            family_of(
                text,
                (name, "gauge", help),
                std::iter::once((String::new(), number(value) / 1e6)),
            );
        };
        seconds(
            "metrics_sample_duration_seconds",
            "How long the newest sample took to take.",
            &self.sample_us,
        );
        seconds(
            "metrics_sample_lateness_seconds",
            "How late the newest sample was begun.",
            &self.late_us,
        );
    }
}

fn number(value: &AtomicU64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
    let number = value.load(Ordering::Relaxed) as f64;
    number
}
