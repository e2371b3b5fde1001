//! This machine as a source: one sampler for all viewers, on a thread of its own, because a reading may block.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::alert::change::Change;
use crate::hub::{Announcement, Publisher};
use crate::millis::{epoch_millis, in_millis};
use crate::protocol::{Alert, HostName, MetricInfo, Sample, StreamId};

use super::super::alerts::{Alerting, HostAlerts, message_of, pause_within};
use super::super::{NumbersRanOut, Seq, Sequence, Source, StreamFloor, Unnumbered};
use super::statsd::StatsdInbox;
use super::{Options, Own, Sampler};

/// The time from the baseline to the first sample, if the interval is longer: the first viewer needn't wait for a whole
/// interval.
const FIRST_SAMPLE: Duration = Duration::from_millis(250);

/// The server that the samples are taken for.
pub trait Audience: Send + 'static {
    /// What this program knows about itself now.
    fn own(&self) -> Own;

    /// Called after each sample, with how long it took and how late it began.
    fn sampled(&self, took: Duration, late: Duration);
}

/// This machine, sampled at an interval.
#[derive(Debug)]
pub struct Live<A> {
    /// Its name.
    pub name: HostName,
    /// The stream of this run.
    pub stream: StreamId,
    /// The time between two samples.
    pub interval: Duration,
    /// The time between two heartbeats, for the announcement.
    pub heartbeat: Duration,
    /// What to measure.
    pub options: Options,
    /// What it is sampled for.
    pub audience: A,
    /// The rules about its samples, if there are any.
    pub alerting: Option<Alerting>,
    /// Alerts that an earlier run left firing.
    pub firing: Vec<Alert>,
    /// What the stream has to be above.
    pub floor: Arc<StreamFloor>,
    /// What applications on it report, if they may.
    pub inbox: Option<Arc<StatsdInbox>>,
}

/// Why a live host failed.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The thread could not be started.
    #[error("cannot start the sampler")]
    Thread(#[from] io::Error),
    /// The thread ended unexpectedly.
    #[error("the sampler stopped unexpectedly")]
    Died,
}

impl<A: Audience> Source for Live<A> {
    /// How many samples were taken.
    type Outcome = u64;
    type Error = LiveError;

    async fn run(self, publisher: Publisher, stop: CancellationToken) -> Result<u64, LiveError> {
        let (keep_sampling, stopped) = mpsc::channel();
        let (finish, mut finished) = oneshot::channel();
        std::thread::Builder::new()
            .name("sampler".into())
            .spawn(move || finish.send(self.sample(&publisher, &stopped)))?;
        let early = tokio::select! {
            () = stop.cancelled() => None,
            early = &mut finished => Some(early),
        };
        drop(keep_sampling);
        match early {
            Some(samples) => samples,
            None => finished.await,
        }
        .map_err(|_| LiveError::Died)
    }
}

impl<A: Audience> Live<A> {
    /// Takes samples until `stopped` is disconnected. Returns how many.
    fn sample(mut self, publisher: &Publisher, stopped: &mpsc::Receiver<()>) -> u64 {
        let mut sequence = Sequence::new(publisher.host(&self.name));
        let mut sampler = Sampler::new(self.options).with_applications(self.inbox.clone());
        let mut announced = Announced::of(&sampler);
        let mut alerts = self.host_alerts();
        let fired = std::mem::take(&mut self.firing);
        let firing = alerts.as_mut().map(|it| it.continue_firing(fired));
        let announcement = self.announcement(&sampler);
        sequence
            .publisher()
            .announce_firing(announcement, firing.unwrap_or_default());
        let mut due = Instant::now() + self.interval.min(FIRST_SAMPLE);
        sampler.prepare(due);
        let mut samples = 0;
        while let Err(RecvTimeoutError::Timeout) =
            stopped.recv_timeout(due.saturating_duration_since(Instant::now()))
        {
            let begun = Instant::now();
            let sample = sampler.sample(self.audience.own());
            let late = begun.saturating_duration_since(due);
            self.audience.sampled(begun.elapsed(), late);
            if let Some(stream) = self.floor.next(self.stream, epoch_millis()) {
                self.stream = stream;
                sequence.begin_stream(self.announcement(&sampler));
            }
            if !announced.is_of(&sampler) {
                announced = Announced::of(&sampler);
                sequence.announce(self.announcement(&sampler));
            }
            let found = alerts.as_mut().map(|it| it.judge(&sample, false));
            let found = found.filter(|found| !found.is_empty());
            let found = found.map(|found| (found, sample.clone()));
            let message = Unnumbered {
                stream: self.stream,
                seq: Seq::Next { missing: 0 },
                alert: None,
                sample,
            };
            if sequence.add(message).is_err() {
                break;
            }
            publisher.wake();
            samples += 1;
            due = next_due(due, self.interval, Instant::now());
            sampler.prepare(due);
            if let (Some(alerts), Some((found, sample))) = (&alerts, found) {
                // Who hangs up meanwhile still gets them.
                let left = due.saturating_duration_since(Instant::now());
                let _ = stopped.recv_timeout(pause_within(left));
                if self.publish(found, &sample, alerts, &mut sequence).is_err() {
                    break;
                }
            }
        }
        samples
    }

    fn host_alerts(&self) -> Option<HostAlerts> {
        let alerting = self.alerting.clone()?;
        let interval = whole_ms(self.interval);
        Some(HostAlerts::new(
            alerting,
            self.name.clone(),
            interval,
            false,
        ))
    }

    /// Publishes what was `found` about `sample`.
    fn publish(
        &self,
        found: Vec<Change>,
        sample: &Sample,
        alerts: &HostAlerts,
        sequence: &mut Sequence,
    ) -> Result<(), NumbersRanOut> {
        for change in found {
            sequence.add(message_of(&change, self.stream, sample))?;
            alerts.tell(change);
        }
        sequence.publisher().wake();
        Ok(())
    }

    fn announcement(&self, sampler: &Sampler) -> Announcement {
        Announcement {
            stream: self.stream,
            interval: whole_ms(self.interval),
            heartbeat: whole_ms(self.heartbeat),
            system: Some(sampler.system()),
            replay: None,
            metrics: sampler.metrics(),
            containers: sampler.has_containers(),
            unavailable: sampler.unavailable().into(),
        }
    }
}

/// What a sampler's announcement said.
struct Announced {
    metrics: Arc<[MetricInfo]>,
    containers: bool,
}

impl Announced {
    fn of(sampler: &Sampler) -> Self {
        Self {
            metrics: sampler.metrics(),
            containers: sampler.has_containers(),
        }
    }

    /// Whether it is still true.
    fn is_of(&self, sampler: &Sampler) -> bool {
        Arc::ptr_eq(&self.metrics, &sampler.metrics())
            && self.containers == sampler.has_containers()
    }
}

/// In milliseconds, at least 1.
fn whole_ms(duration: Duration) -> u64 {
    in_millis(duration).max(1)
}

/// The next time to sample, on the grid of `due`. Missed samples, as after a suspend, are not made up for.
fn next_due(due: Instant, interval: Duration, now: Instant) -> Instant {
    let next = due + interval;
    if next > now { next } else { now + interval }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_sample_is_not_made_up_for() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(next_due(start, second, start + second / 2), start + second);
        assert_eq!(
            next_due(start, second, start + second * 60),
            start + second * 61
        );
    }
}
