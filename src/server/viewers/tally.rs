//! What the server has done since its start.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::server::http::exposition::{family_of, single};

/// Counters of one server. All only grow, but for the timing of the newest sample.
#[derive(Debug, Default)]
pub struct Tally {
    pub(in crate::server) messages: AtomicU64,
    pub(in crate::server) bytes: AtomicU64,
    pub(in crate::server) resumed: AtomicU64,
    pub(in crate::server) not_resumed: AtomicU64,
    pub(in crate::server) gaps: AtomicU64,
    pub(in crate::server) slow_closes: AtomicU64,
    refusals: Mutex<BTreeMap<u16, u64>>,
    sample_us: AtomicU64,
    late_us: AtomicU64,
}

/// Adds to a counter.
pub(in crate::server) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Tally {
    /// A sample took `duration` to take, and was begun `late` after it was due.
    pub fn sampled(&self, duration: Duration, late: Duration) {
        let us = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.sample_us.store(us(duration), Ordering::Relaxed);
        self.late_us.store(us(late), Ordering::Relaxed);
    }

    pub(in crate::server) fn refused(&self, status: u16) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *refusals.entry(status).or_default() += 1;
    }

    /// Appends the counters as Prometheus reads them.
    pub(in crate::server) fn expose(&self, text: &mut String) {
        for (name, help, value) in [
            (
                "metrics_messages_sent_total",
                "Messages handed to viewers.",
                &self.messages,
            ),
            (
                "metrics_sent_bytes_total",
                "Bytes written to viewers.",
                &self.bytes,
            ),
            ("metrics_gaps_total", "Losses told to viewers.", &self.gaps),
            (
                "metrics_slow_closes_total",
                "Viewers let go because they were too slow.",
                &self.slow_closes,
            ),
        ] {
            single(text, (name, "counter", help), number(value));
        }
        let resumes = [("ok", &self.resumed), ("failed", &self.not_resumed)];
        let resumes =
            resumes.map(|(result, value)| (format!("result=\"{result}\""), number(value)));
        let help = "Viewers that came back, by whether the log still had what they lacked.";
        family_of(
            text,
            ("metrics_resumes_total", "counter", help),
            resumes.into_iter(),
        );
        self.expose_refusals(text);
        for (name, help, us) in [
            (
                "metrics_sample_duration_seconds",
                "How long the newest sample took to take.",
                &self.sample_us,
            ),
            (
                "metrics_sample_lateness_seconds",
                "How late the newest sample was begun.",
                &self.late_us,
            ),
        ] {
            single(text, (name, "gauge", help), number(us) / 1e6);
        }
    }

    fn expose_refusals(&self, text: &mut String) {
        let refusals = self
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        #[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
        let refusals = refusals
            .into_iter()
            .map(|(status, count)| (format!("status=\"{status}\""), count as f64));
        let help = "Requests refused, by HTTP status.";
        family_of(text, ("metrics_refusals_total", "counter", help), refusals);
    }
}

fn number(value: &AtomicU64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
    let number = value.load(Ordering::Relaxed) as f64;
    number
}
