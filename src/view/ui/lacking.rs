//! What the charts of the open host lack of what its server holds.

use super::super::host_screen::axis_of;
use super::super::rewind::MOST_KEPT;
use super::super::stepped::StepSpan;
use super::{HostName, Now, Page, Ui, ViewState};

/// The shortest step that servers accept, in milliseconds.
const SHORTEST: u64 = 1000;

impl Ui {
    /// The open host, and how many samples its charts show, if its server holds some of them that aren't here.
    #[must_use]
    pub fn lacking(&self, state: &ViewState, now: Now) -> Option<(HostName, usize)> {
        let Page::Host(host) = self.page(state, now) else {
            return None;
        };
        let oldest = host.history.points().front()?.timestamp;
        let (held, newest) = (host.oldest_time(), host.newest_time());
        let step = host.usual_step();
        let length = self.screen.zoom.length(newest - held);
        let wanted = held.max(newest.saturating_sub(length));
        let samples = usize::try_from(length / step).unwrap_or(usize::MAX);
        if samples > MOST_KEPT {
            return None; // in steps
        }
        let is_lacking =
            wanted.saturating_add(step.saturating_mul(2)) < oldest && host.asked < samples;
        is_lacking.then(|| (host.name.clone(), samples.saturating_add(2)))
    }

    /// The open host, and the time that its charts show, if that is too long for samples and isn't known in steps that are
    /// short enough for a screen of this width.
    #[must_use]
    pub fn lacking_steps(
        &self,
        state: &ViewState,
        width: usize,
        now: Now,
    ) -> Option<(HostName, StepSpan)> {
        let Page::Host(host) = self.page(state, now) else {
            return None;
        };
        let oldest = host.history.points().front()?.timestamp;
        let (held, newest) = (host.oldest_time(), host.newest_time());
        let length = self.screen.zoom.length(newest - held);
        if length / host.usual_step() <= MOST_KEPT as u64 {
            return None;
        }
        let (axis, _) = axis_of(host, self.screen, width, now);
        let from = held.max(axis.begin().min(newest.saturating_sub(length)));
        let span = StepSpan {
            from,
            until: newest,
            step: axis.dot.max(SHORTEST),
        };
        let is_known = host.stepped.as_ref().is_some_and(|past| {
            let known = past.span();
            // Samples that were the newest then may have left meanwhile.
            known.from <= from && known.step <= span.step && oldest <= known.until
        });
        let is_lacking = from.saturating_add(2 * span.step) < oldest && !is_known;
        is_lacking.then(|| (host.name.clone(), span))
    }
}
