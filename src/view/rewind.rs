//! Looking back: the state as it was at an earlier sample.

use std::time::Duration;

use crate::protocol::HostName;

use super::bins::first_after;
use super::firing::{Alerts, Firing};
use super::history::Point;
use super::marks::marks;
use super::moment::{HowFarBack, Moment, StreamPosition};
use super::state::{Connection, Freshness, HostState, Now, ViewState};
use super::stepped::SteppedPast;

/// The most samples kept per host: 15 minutes at the shortest interval.
pub const MOST_KEPT: usize = 4500;

/// The most samples kept of all hosts together without a request: each host gets a share.
const KEPT_OF_ALL: usize = 4 * MOST_KEPT;

/// The shortest silence that makes a host stale, in milliseconds.
const LEAST_SILENCE: u64 = 3000;

/// The sample `point` of `host`.
fn moment_of(host: &HostState, point: &Point) -> Moment {
    Moment {
        host: host.name.clone(),
        position: point.position,
        timestamp: point.timestamp,
    }
}

/// Where `past` has each metric of `host`.
fn places(host: &HostState, past: &HostState) -> Vec<Option<usize>> {
    let metrics = host.metrics.iter();
    metrics.map(|metric| past.find(&metric.key)).collect()
}

impl ViewState {
    /// How many samples of each host are kept without a request.
    #[must_use]
    pub fn share(&self) -> usize {
        let share = KEPT_OF_ALL / self.hosts.len().max(1);
        share.min(MOST_KEPT).max(self.window)
    }

    /// The hosts with samples whose server was never asked for `count` of them; with their servers and the positions of
    /// their newest samples.
    pub fn unasked(&self, count: usize) -> impl Iterator<Item = (usize, HostName, StreamPosition)> {
        let unasked = move |host: &&HostState| host.asked < count;
        self.hosts.values().filter(unasked).filter_map(|host| {
            let newest = host.history.newest_point()?;
            Some((host.server, host.name.clone(), newest.position))
        })
    }

    /// Inserts the samples of `name` from `past` before the existing ones; its server was asked for `asked` samples.
    pub fn put_before(&mut self, past: &mut Self, name: &HostName, asked: usize) {
        let share = self.share();
        let (Some(host), Some(mut past)) = (self.hosts.get_mut(name), past.hosts.remove(name))
        else {
            return;
        };
        host.asked = host.asked.max(asked);
        host.history.keep(share.max(host.asked));
        past.history.reorder(&places(host, &past));
        host.firing.learn(&past.firing);
        host.put_before(past.history);
    }

    /// Takes what is known of the time before the samples of `host`.
    pub fn put_steps(&mut self, host: &HostName, past: SteppedPast) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.put_steps(past);
        }
    }

    /// The newest sample of `host`.
    #[must_use]
    pub fn newest(&self, host: &HostName) -> Option<Moment> {
        let host = self.hosts.get(host)?;
        Some(moment_of(host, host.history.newest_point()?))
    }

    /// The oldest sample of `host`.
    #[must_use]
    pub fn oldest(&self, host: &HostName) -> Option<Moment> {
        let host = self.hosts.get(host)?;
        Some(moment_of(host, host.history.points().front()?))
    }

    /// The first sample of `host` that isn't older than `time`, in milliseconds since the epoch; otherwise the newest.
    #[must_use]
    pub fn moment_at(&self, host: &HostName, time: u64) -> Option<Moment> {
        let host = self.hosts.get(host)?;
        let points = host.history.points();
        let index = first_after(points, time).min(points.len().checked_sub(1)?);
        Some(moment_of(host, points.get(index)?))
    }

    /// The sample `by` steps from `moment`, or the oldest if there are fewer; `None` beyond the newest.
    #[must_use]
    pub fn step(&self, moment: &Moment, by: isize) -> Option<Moment> {
        let host = self.hosts.get(&moment.host)?;
        let points = host.history.points();
        let here = points.partition_point(|point| point.position <= moment.position);
        let there = here.saturating_sub(1).saturating_add_signed(by);
        Some(moment_of(host, points.get(there)?))
    }

    /// Everything as it was at `moment`, and the time then. Connections are not part of it, and other hosts show their
    /// last sample before it.
    #[must_use]
    pub fn as_it_was(&self, moment: &Moment, reading: bool, now: Now) -> (Self, Now) {
        let mut then = self.snapshot_by(|host| {
            let points = host.history.points();
            let count = if host.name == moment.host {
                points.partition_point(|point| point.position <= moment.position)
            } else {
                let before = |point: &Point| point.timestamp <= moment.timestamp;
                points.iter().rposition(before).map_or(0, |index| index + 1)
            };
            let mut then = host.as_it_was(count, moment.timestamp);
            // The charts of the others aren't shown.
            if host.name == moment.host {
                then.around = Some(host.history.clone());
                then.marks = Some(marks(host, host.usual_step()).into());
            }
            then
        });
        for server in &mut then.servers {
            (server.connection, server.reached) = (Connection::Up, true);
        }
        then.back = self.back(moment, reading);
        // Ages at that time are measured by the hosts' clocks.
        let elapsed = Duration::from_millis(moment.timestamp);
        (then, Now { elapsed, ..now })
    }

    /// The samples of `name` that `past` has, from before those here; the host is otherwise the one that is here.
    #[must_use]
    pub fn stretch(&self, past: &mut Self, name: &HostName) -> Option<Self> {
        let mut host = self.hosts.get(name)?.without_history();
        let mut past = past.hosts.remove(name)?;
        past.history.reorder(&places(&host, &past));
        host.history = past.history;
        let mut stretch = Self::new(self.window, &[]);
        stretch.columns = self.columns.clone();
        stretch.hosts.insert(name.clone(), host);
        Some(stretch)
    }

    /// The first sample of `host` that isn't older than `time`, in milliseconds since the epoch, if the samples here reach
    /// from before that time until after it.
    #[must_use]
    pub fn moment_within(&self, host: &HostName, time: u64) -> Option<Moment> {
        let points = self.hosts.get(host)?.history.points();
        let is_within = points.front()?.timestamp <= time && time <= points.back()?.timestamp;
        if is_within {
            self.moment_at(host, time)
        } else {
            None
        }
    }

    /// Everything as it was at `moment`, which a `stretch` of older samples has. Charts show what is known here.
    #[must_use]
    pub fn as_it_was_in(
        &self,
        stretch: &Self,
        moment: &Moment,
        reading: bool,
        now: Now,
    ) -> (Self, Now) {
        let (mut then, now) = stretch.as_it_was(moment, reading, now);
        let live = self.hosts.get(&moment.host);
        if let (Some(host), Some(live)) = (then.hosts.get_mut(&moment.host), live) {
            host.around = Some(live.history.clone());
            host.marks = Some(marks(live, live.usual_step()).into());
            host.stepped.clone_from(&live.stepped);
        }
        then.back = self.back(moment, reading);
        (then, now)
    }

    /// What is visible now, without anything older.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        self.snapshot_by(|host| host.with_first(host.history.points().len()))
    }

    fn snapshot_by(&self, of: impl Fn(&HostState) -> HostState) -> Self {
        Self {
            window: self.window,
            columns: self.columns.clone(),
            back: self.back,
            servers: self.servers.clone(),
            namesakes: self.namesakes.clone(),
            hosts: self
                .hosts
                .iter()
                .map(|(name, host)| (name.clone(), of(host)))
                .collect(),
        }
    }

    /// Updates how far back this state, made from `live`, is by now.
    pub fn mark_back(&mut self, live: &Self, moment: &Moment, reading: bool) {
        self.back = live.back(moment, reading);
    }

    fn back(&self, moment: &Moment, reading: bool) -> Option<HowFarBack> {
        let history = &self.hosts.get(&moment.host)?.history;
        let points = history.points();
        let newest = history.newest()?;
        Some(HowFarBack {
            timestamp: moment.timestamp,
            ago: Duration::from_millis(newest.saturating_sub(moment.timestamp)),
            number: points
                .partition_point(|point| point.position <= moment.position)
                .max(1),
            of: points.len(),
            reading,
            alert_now: self.hosts.values().any(HostState::is_alerting),
            stale_now: self.is_counting(),
        })
    }
}

impl HostState {
    /// The host with the window that ended at its first `count` samples.
    fn with_first(&self, count: usize) -> Self {
        let mut host = self.without_history();
        host.history = self.history.first(count);
        host
    }

    fn as_it_was(&self, count: usize, timestamp: u64) -> Self {
        let mut host = self.with_first(count);
        let point = host.history.newest_point();
        let arrived = point.map(|point| point.timestamp);
        let silence = arrived.map_or(0, |at| timestamp.saturating_sub(at));
        let step = host.history.step().unwrap_or_default();
        let alerts = point.map_or_else(Alerts::default, |point| point.alerts.clone());
        host.firing = Firing::of(alerts);
        host.arrived = arrived.map(Duration::from_millis);
        host.freshness = if silence > step.saturating_mul(3).max(LEAST_SILENCE) {
            Freshness::Stale
        } else {
            Freshness::Fresh
        };
        host.gap = None;
        host
    }
}
