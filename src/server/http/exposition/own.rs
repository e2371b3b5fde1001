//! The server's own counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::alert::notify;
use crate::hub::PastStatus;
use crate::server::families::Countable;
use crate::server::viewers::counts::Viewers;
use crate::server::viewers::tally::Tally;

use super::format::{family_of, single};

/// Appends the server's own counters.
pub(super) fn write(viewers: &Viewers, text: &mut String) {
    let now = viewers.now();
    let accepted = viewers.accepted_connections();
    for (name, kind, help, value) in [
        (
            "metrics_viewers",
            "gauge",
            "Viewers connected now.",
            now.connected,
        ),
        (
            "metrics_viewers_peak",
            "gauge",
            "Maximum number of viewers connected at once.",
            now.most,
        ),
        (
            "metrics_connections_accepted_total",
            "counter",
            "TCP connections accepted.",
            accepted,
        ),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
        single(text, (name, kind, help), value as f64);
    }
    write_tally(viewers.tally(), text);
}

fn write_tally(tally: &Tally, text: &mut String) {
    for (name, help, value) in [
        (
            "metrics_messages_sent_total",
            "Messages handed to viewers.",
            &tally.messages,
        ),
        (
            "metrics_sent_bytes_total",
            "Bytes written to viewers.",
            &tally.bytes,
        ),
        (
            "metrics_gaps_total",
            "Gaps reported to viewers.",
            &tally.gaps,
        ),
        (
            "metrics_slow_closes_total",
            "Viewers disconnected because they were too slow.",
            &tally.slow_closes,
        ),
    ] {
        single(text, (name, "counter", help), number(value));
    }
    let resumes = [("ok", &tally.resumed), ("failed", &tally.not_resumed)];
    let resumes = resumes.map(|(result, value)| (format!("result=\"{result}\""), number(value)));
    let help = "Viewers that resumed, by whether the log still had what they lacked.";
    family_of(
        text,
        ("metrics_resumes_total", "counter", help),
        resumes.into_iter(),
    );
    write_refusals(tally, text);
    for (name, help, us) in [
        (
            "metrics_sample_duration_seconds",
            "Time that the newest sample took.",
            &tally.sample_us,
        ),
        (
            "metrics_sample_lateness_seconds",
            "Delay with which the newest sample began.",
            &tally.late_us,
        ),
    ] {
        single(text, (name, "gauge", help), number(us) / 1e6);
    }
}

/// Appends what became of notifications; nothing if there are no notifiers.
pub(super) fn write_notifications(notifications: &notify::NotificationCounts, text: &mut String) {
    #[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
    let counts = notifications.counts().map(|(kind, result, count)| {
        (format!("kind=\"{kind}\",result=\"{result}\""), count as f64)
    });
    let help = "Notifications of alerts, by kind of notifier and by what became of them.";
    family_of(
        text,
        ("metrics_notifications_total", "counter", help),
        counts,
    );
}

/// Appends what other parts of the program have counted.
pub(super) fn write_counted(counted: &[Arc<dyn Countable>], text: &mut String) {
    for family in counted.iter().flat_map(|it| it.families()) {
        #[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
        let numbers = family.numbers.iter().map(|(label, number)| {
            let label = label.map(|(name, value)| format!("{name}=\"{value}\""));
            (label.unwrap_or_default(), *number as f64)
        });
        family_of(text, (family.name, family.kind, family.help), numbers);
    }
}

/// Appends the state of the spool.
pub(super) fn write_spool(spool: &PastStatus, text: &mut String) {
    let is_paused = u64::from(spool.paused.is_some());
    for (name, kind, help, value) in [
        (
            "metrics_spool_paused",
            "gauge",
            "Whether the spool is paused, because its disk is full or fails.",
            is_paused,
        ),
        (
            "metrics_spool_bytes",
            "gauge",
            "Bytes that the spool takes on the disk.",
            spool.bytes,
        ),
        (
            "metrics_spool_messages_total",
            "counter",
            "Messages written to the spool.",
            spool.written,
        ),
        (
            "metrics_spool_lost_total",
            "counter",
            "Messages missing from the spool.",
            spool.lost,
        ),
    ] {
        #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
        single(text, (name, kind, help), value as f64);
    }
}

fn write_refusals(tally: &Tally, text: &mut String) {
    #[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
    let refusals = tally
        .refusals()
        .into_iter()
        .map(|(status, count)| (format!("status=\"{status}\""), count as f64));
    let help = "Requests refused, by HTTP status.";
    family_of(text, ("metrics_refusals_total", "counter", help), refusals);
}

fn number(value: &AtomicU64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53")]
    let number = value.load(Ordering::Relaxed) as f64;
    number
}
