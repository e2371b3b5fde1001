//! `metrics serve`: this host's metrics to every viewer.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::cli::{GlobalArgs, ServerArgs, count, duration_in};
use crate::hub::{Announcement, Hub, Numbered, Publisher, Retention, Timeline};
use crate::protocol::{DEFAULT_PORT, HostName, StreamId};
use crate::server::{self, Viewers, listen};
use crate::signals;
use crate::source::host::{self, Own, Sampler};

use super::clock::epoch_ms;
use super::{Exit, Failure, announce, trust};

/// Samples closer than this show the clock's grain rather than the host.
const SHORTEST_INTERVAL: &str = "200ms";

/// Beyond this nobody calls it live.
const LONGEST_INTERVAL: &str = "1h";

/// The processes in a sample that still fits a message.
const MOST_TOP: u64 = 1000;

/// The time from the baseline to the first sample, where the interval is longer: the first viewer need not wait for
/// a whole interval.
const FIRST_SAMPLE: Duration = Duration::from_millis(250);

/// Flags of `metrics serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  metrics serve
  metrics serve --interval 500ms --top 0
  metrics serve --listen 127.0.0.1:0 --name web-1")]
pub struct Args {
    /// Take a sample this often, from 200ms to 1h
    #[arg(short, long, value_name = "DURATION", default_value = "2s", value_parser = duration_in(SHORTEST_INTERVAL, LONGEST_INTERVAL))]
    interval: Duration,

    /// Call this host so [default: its host name]
    #[arg(long, value_name = "NAME")]
    name: Option<HostName>,

    /// Name the first N processes by CPU and by memory, at most 1000; 0 reads no processes at all
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(0..=MOST_TOP))]
    top: u64,

    #[command(flatten)]
    server: ServerArgs,
}

impl Args {
    /// Whether there are files that can be read again.
    pub(super) fn can_reload(&self) -> bool {
        self.server.trust.can_reload()
    }
}

/// Serves until `stop`.
///
/// # Errors
/// When the server cannot listen.
pub async fn run(args: Args, global: &GlobalArgs, asked: signals::Asked) -> Result<Exit, Failure> {
    let exposure = args.server.trust.check_exposure(&args.server.listen);
    exposure.map_err(Failure::usage)?;
    let trust = trust::of_server(&args.server, global, asked.reload)?;
    let listeners = listen::bind(&args.server.listen, DEFAULT_PORT)?;
    let name = args.name.unwrap_or_else(host::host_name);
    let hub = Hub::new(Retention {
        duration: args.server.retain,
        lossless: false,
    });
    let viewers = Viewers::default();
    let publisher = hub.publisher(&name, Timeline::Live);
    let sampling = Sampling {
        interval: args.interval,
        heartbeat: args.server.heartbeat,
        top: usize::try_from(args.top).unwrap_or(usize::MAX),
        viewers: viewers.clone(),
        publisher,
    };
    let (keep_sampling, stopped) = mpsc::channel();
    let sampler = std::thread::Builder::new()
        .name("sampler".into())
        .spawn(move || sampling.run(&stopped))?;
    announce::listening(
        &listeners,
        &trust,
        &format!("Serving {name} every {}.", announce::span(args.interval)),
        global,
    )
    .await?;

    let unhealthy_after = (args.interval * 3).max(Duration::from_secs(3));
    let config = announce::server_config(&args.server, trust, Some(unhealthy_after), global);
    let started = Instant::now();
    server::run(listeners, hub, config, viewers.clone(), asked.stop).await?;
    drop(keep_sampling);
    let samples = sampler.join().unwrap_or_default();
    let lived = announce::span(started.elapsed());
    let viewers = announce::at_most(viewers.now().most);
    announce::say(
        global,
        &format!("Stopped after {lived}: {samples} samples, {viewers}."),
    );
    Ok(Exit::Done)
}

/// The one sampler for all viewers.
struct Sampling {
    interval: Duration,
    heartbeat: Duration,
    top: usize,
    viewers: Viewers,
    publisher: Publisher,
}

impl Sampling {
    /// Samples until `stopped` is hung up. Returns how many.
    fn run(self, stopped: &mpsc::Receiver<()>) -> u64 {
        let stream = StreamId(epoch_ms());
        let mut sampler = Sampler::new(host::Options { top: self.top });
        let mut metrics = sampler.metrics();
        self.announce(stream, &sampler);
        let mut due = Instant::now() + self.interval.min(FIRST_SAMPLE);
        let mut seq = 0;
        while let Err(RecvTimeoutError::Timeout) =
            stopped.recv_timeout(due.saturating_duration_since(Instant::now()))
        {
            let own = Own {
                viewers: self.viewers.now().connected,
                accepted: self.viewers.accepted_connections(),
            };
            let begun = Instant::now();
            let sample = sampler.sample(own);
            self.viewers
                .tally()
                .sampled(begun.elapsed(), begun.saturating_duration_since(due));
            if !std::sync::Arc::ptr_eq(&metrics, &sampler.metrics()) {
                metrics = sampler.metrics();
                self.announce(stream, &sampler);
            }
            seq += 1;
            self.publisher.push(Numbered {
                seq,
                alert: None,
                sample,
            });
            due = next_due(due, self.interval, Instant::now());
        }
        seq
    }

    fn announce(&self, stream: StreamId, sampler: &Sampler) {
        let ms = |duration: Duration| {
            u64::try_from(duration.as_millis())
                .unwrap_or(u64::MAX)
                .max(1)
        };
        self.publisher.announce(Announcement {
            stream,
            interval: ms(self.interval),
            heartbeat: ms(self.heartbeat),
            system: Some(sampler.system()),
            replay: None,
            metrics: sampler.metrics(),
            unavailable: sampler.unavailable().into(),
        });
    }
}

/// The next time to sample, on the grid that `due` lies on. What was missed, as in a suspended machine, is not made up
/// for.
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
