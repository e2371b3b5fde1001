//! The marks before and after a moment.

use super::super::marks::marks;
use super::super::moment::Moment;
use super::{HostName, Ui, ViewState};

impl Ui {
    /// The sample of the next mark after `moment`, or before it, among the samples that are kept.
    #[must_use]
    pub fn mark_beside(live: &ViewState, moment: &Moment, is_next: bool) -> Option<Moment> {
        let host = live.hosts.get(&moment.host)?;
        let oldest = host.history.points().front()?.timestamp;
        let marks = marks(host, host.usual_step());
        let kept = marks.iter().filter(|(at, _)| oldest <= *at);
        // The sample of each mark, because several may have one.
        let mut moments = kept.filter_map(|(at, _)| live.moment_at(&moment.host, *at));
        if is_next {
            moments.find(|it| moment.position < it.position)
        } else {
            moments.rfind(|it| it.position < moment.position)
        }
    }

    /// The time of the next mark of `host` after `time`, or before it, among those that are longer ago than samples are kept;
    /// all in milliseconds since the epoch.
    #[must_use]
    pub fn old_mark_beside(
        live: &ViewState,
        host: &HostName,
        time: u64,
        is_next: bool,
    ) -> Option<u64> {
        let host = live.hosts.get(host)?;
        let oldest = host.history.points().front()?.timestamp;
        let marks = marks(host, host.usual_step());
        let mut old = marks.iter().map(|(at, _)| *at).filter(|at| *at < oldest);
        if is_next {
            old.find(|at| time < *at)
        } else {
            old.rfind(|at| *at < time)
        }
    }

    /// When the oldest sample of `host` that its server holds was taken, in milliseconds since the epoch, if that is longer
    /// ago than samples are kept.
    #[must_use]
    pub fn held_before(live: &ViewState, host: &HostName) -> Option<u64> {
        let host = live.hosts.get(host)?;
        let oldest = host.history.points().front()?.timestamp;
        host.held.filter(|held| *held < oldest)
    }
}
