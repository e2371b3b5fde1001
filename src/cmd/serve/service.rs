//! What a service manager such as systemd is told: that the server is ready, that it is well, and that it stops.
//!
//! It is well as long as samples are taken in time and the thread of the viewers reacts: that thread sends the news. A
//! server that falls silent is stopped and started again, if the unit has a `WatchdogSec=`.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::millis::in_millis;

/// When the last sample was taken.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    start: Instant,
    /// Milliseconds since the start.
    last: Arc<AtomicU64>,
}

impl Pulse {
    /// That of a source that has just started.
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
            last: Arc::default(),
        }
    }

    /// A sample has been taken.
    pub(super) fn beat(&self) {
        self.last
            .store(in_millis(self.start.elapsed()), Ordering::Relaxed);
    }

    fn is_younger_than(&self, age: Duration) -> bool {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last) < age
    }
}

/// Tells the service manager, if there is one, that the server listens. Then lets it know twice in each of its
/// intervals that all is well, while samples are not older than `unhealthy_after`. Never ends.
pub(super) async fn report(pulse: Pulse, unhealthy_after: Duration) {
    tell(News::Ready);
    match interval() {
        Some(interval) => {
            keep_reporting(&pulse, unhealthy_after, interval / 2, || tell(News::Well)).await;
        }
        None => future::pending().await,
    }
}

/// Tells the service manager that the server stops.
pub(super) fn report_stop() {
    tell(News::Stopping);
}

async fn keep_reporting(
    pulse: &Pulse,
    unhealthy_after: Duration,
    every: Duration,
    mut tell: impl FnMut(),
) {
    loop {
        if pulse.is_younger_than(unhealthy_after) {
            tell();
        }
        tokio::time::sleep(every).await;
    }
}

#[derive(Debug, Clone, Copy)]
enum News {
    Ready,
    Well,
    Stopping,
}

#[cfg(target_os = "linux")]
fn tell(news: News) {
    use sd_notify::NotifyState;
    let state = match news {
        News::Ready => NotifyState::Ready,
        News::Well => NotifyState::Watchdog,
        News::Stopping => NotifyState::Stopping,
    };
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager does not listen");
    }
}

/// How often the service manager wants to hear that all is well.
#[cfg(target_os = "linux")]
fn interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

#[cfg(not(target_os = "linux"))]
fn tell(_: News) {}

#[cfg(not(target_os = "linux"))]
fn interval() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stalled_sampler_is_reported_by_silence() {
        let pulse = Pulse::start();
        let told = Cell::new(0);
        let (unhealthy, every) = (Duration::from_secs(6), Duration::from_secs(1));
        let reporting = keep_reporting(&pulse, unhealthy, every, || told.set(told.get() + 1));
        let sampling = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(2)).await;
                pulse.beat();
            }
            let while_well = told.get();
            tokio::time::sleep(Duration::from_secs(7)).await;
            let at_the_end = told.get();
            tokio::time::sleep(Duration::from_secs(60)).await;
            (while_well, at_the_end)
        };
        let (while_well, at_the_end) = tokio::select! {
            seen = sampling => seen,
            () = reporting => unreachable!(),
        };
        assert!((20..=21).contains(&while_well), "{while_well}");
        assert!(at_the_end <= while_well + 6, "{at_the_end}");
        assert_eq!(told.get(), at_the_end, "silence for a minute");
        pulse.beat();
        assert!(pulse.is_younger_than(unhealthy));
    }
}
