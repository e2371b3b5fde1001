//! Between the threads that read sockets and the sampler, which must never wait long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::locks::lock;

use super::application::{Application, ReportedValue};
use super::counts::StatsdCounts;
use super::line::read_packet;

/// How many values of a packet are taken in at a time, so that they are in the same sample. The sampler waits for no more
/// than these, about 0.1 ms; most packets have fewer.
const BATCH: usize = 1000;

/// What applications report, shared by readers and the sampler.
#[derive(Debug, Default)]
pub struct StatsdInbox {
    application: Mutex<Application>,
    /// The sampler waits for the lock: readers let it through, however many packets come.
    is_awaited: AtomicBool,
    counts: Arc<StatsdCounts>,
}

impl StatsdInbox {
    /// Takes in a packet that came `now`; if it was `cut_off` at its end, without its last line.
    pub fn deliver(&self, packet: &[u8], cut_off: bool, now: Instant) {
        let packet = read_packet(packet, cut_off);
        for (line, refusal) in packet.refused {
            self.counts.refuse(line, refusal);
        }
        let mut refused = Vec::new();
        let mut names = None;
        for batch in packet.reports.chunks(BATCH) {
            while self.is_awaited.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            let mut application = lock(&self.application);
            for report in batch {
                if let Err(refusal) = application.hear(report, now) {
                    refused.push((report.line, refusal));
                }
            }
            names = Some(application.names());
        }
        // A line with several values is one line.
        refused.dedup_by_key(|(line, _)| line.as_ptr());
        let mut lines: Vec<_> = packet.reports.iter().map(|it| it.line.as_ptr()).collect();
        lines.dedup();
        for (line, refusal) in &refused {
            self.counts.refuse(line, *refusal);
        }
        self.counts.count_packet(lines.len() - refused.len(), names);
        if let Some(line) = packet.with_unused_fields {
            self.counts.report_unused_fields(line);
        }
    }

    /// What was reported since the last sample, `seconds` ago; `None` if that is too short for a rate. Every name that was
    /// ever reported has an entry.
    #[must_use]
    pub fn collect(&self, now: Instant, seconds: Option<f64>) -> Vec<ReportedValue> {
        self.is_awaited.store(true, Ordering::Release);
        let interval = lock(&self.application).take(now, seconds);
        self.is_awaited.store(false, Ordering::Release);
        interval.values()
    }

    /// What came in so far.
    #[must_use]
    pub fn counts(&self) -> Arc<StatsdCounts> {
        Arc::clone(&self.counts)
    }
}
