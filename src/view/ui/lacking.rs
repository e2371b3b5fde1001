//! What the charts of the open host lack of what its server holds.

use super::super::host_screen::axis_of;
use super::super::rewind::MOST_KEPT;
use super::super::stepped::StepSpan;
use super::{HostName, Now, Ui, ViewState};

/// The shortest step that servers accept, in milliseconds.
const SHORTEST: u64 = 1000;

/// In how many steps all that is held is read for the list of events, which needs only what is told between them.
const STEPS_OF_EVENTS: u64 = 400;

/// Whether a length of time has more samples than are kept, so that its charts need steps; both in milliseconds.
fn needs_steps(length: u64, step: u64) -> bool {
    length / step > MOST_KEPT as u64
}

impl Ui {
    /// The open host, and how many samples its charts show, if its server holds some of them that aren't here.
    #[must_use]
    pub fn lacking(&self, state: &ViewState) -> Option<(HostName, usize)> {
        let host = self.opened_host(state)?;
        let oldest = host.history.points().front()?.timestamp;
        let (held, newest) = (host.oldest_time(), host.newest_time());
        let step = host.usual_step();
        let length = self.screen.zoom.length(newest - held);
        let wanted = held.max(newest.saturating_sub(length));
        let samples = usize::try_from(length / step).unwrap_or(usize::MAX);
        if needs_steps(length, step) {
            return None;
        }
        let is_lacking =
            wanted.saturating_add(step.saturating_mul(2)) < oldest && host.asked < samples;
        is_lacking.then(|| (host.name.clone(), samples.saturating_add(2)))
    }

    /// The open host, and the time that its charts or the list of events show, if that is too long for samples and isn't
    /// known in steps that are short enough for a screen of this width.
    #[must_use]
    pub fn lacking_steps(
        &self,
        state: &ViewState,
        width: usize,
        now: Now,
    ) -> Option<(HostName, StepSpan)> {
        let host = self.opened_host(state)?;
        let oldest = host.history.points().front()?.timestamp;
        let (held, newest) = (host.oldest_time(), host.newest_time());
        let all = newest - held;
        let length = if self.shows_events() {
            all
        } else {
            self.screen.zoom.length(all)
        };
        if !needs_steps(length, host.usual_step()) {
            return None;
        }
        let (from, step) = if self.shows_events() {
            (held, length / STEPS_OF_EVENTS)
        } else {
            let (axis, _) = axis_of(host, self.screen, width, now);
            let from = held.max(axis.begin().min(newest.saturating_sub(length)));
            (from, axis.dot)
        };
        let span = StepSpan {
            from,
            until: newest,
            step: step.max(SHORTEST),
        };
        let is_known = host.stepped.as_ref().is_some_and(|past| {
            let known = past.span();
            let is_fine = self.shows_events() || known.step <= span.step;
            // Samples that were the newest then may have left meanwhile.
            known.from <= from && is_fine && oldest <= known.until
        });
        let is_lacking = from.saturating_add(2 * span.step) < oldest && !is_known;
        is_lacking.then(|| (host.name.clone(), span))
    }
}
