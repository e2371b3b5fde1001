//! A well-behaved viewer, alongside whatever else a test does to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::viewer::{Seen, Viewer};
use super::wire::Wire;
use super::{PATIENCE, wait_for};

/// The age at which a sample is late. A busy machine may be slow; a server that waits for a viewer takes 10 s.
const LATE: Duration = Duration::from_secs(8);

/// A viewer on a thread of its own.
pub(crate) struct Steady {
    stop: Arc<AtomicBool>,
    seen: Arc<AtomicU64>,
    thread: JoinHandle<Duration>,
}

impl Steady {
    /// Connects, and returns with the first sample.
    #[track_caller]
    pub(crate) fn watch(url: &str) -> Self {
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut viewer = Viewer::connect(url, "");
        let mut last = viewer.numbered(1).last().and_then(Wire::seq).unwrap();
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let mut oldest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                match viewer.next_within(Duration::from_millis(100)) {
                    Some(Seen::Message(Wire::Metric { seq, data, .. }, _)) => {
                        assert_eq!(seq, last + 1, "every number once");
                        last = seq;
                        oldest = oldest.max(age(data.timestamp));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    // A hello comes again when there is another metric.
                    Some(Seen::Message(Wire::Heartbeat { .. } | Wire::Hello { .. }, _)) | None => {}
                    Some(other) => panic!("{other:?}"),
                }
            }
            oldest
        });
        Self { stop, seen, thread }
    }

    /// Waits until `n` more samples have arrived.
    #[track_caller]
    pub(crate) fn wait_for_more(&self, n: u64) {
        let enough = self.seen.load(Ordering::Relaxed) + n;
        wait_for(
            PATIENCE,
            || (enough <= self.seen.load(Ordering::Relaxed)).then_some(()),
            || format!("{enough} samples are more than have come"),
        );
    }

    /// Leaves, and checks that every sample arrived once, and none was late.
    #[track_caller]
    pub(crate) fn finish(self) {
        self.wait_for_more(1);
        self.stop.store(true, Ordering::Relaxed);
        let oldest = self.thread.join().unwrap();
        println!("the oldest sample was {oldest:?} old");
        assert!(oldest < LATE, "a sample came {oldest:?} late");
    }
}

fn age(timestamp: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.saturating_sub(Duration::from_millis(timestamp))
}
