//! Looking back: from sample to sample, from mark to mark, and to what is older than the samples that are kept.

use crate::protocol::HostName;
use crate::view::{EventSpan, MOST_KEPT, Moment, Now, Ui};

use super::super::archive::Lookback;
use super::{Display, FAR, HeldPicture, Size, Subject, shown};

/// Why an event can't be looked at.
const NOT_HELD: &str = "its samples are no longer held";
const NO_SAMPLES: &str = "its host has no samples here";

impl Display {
    /// How many dots the charts have.
    pub(super) fn window(&self, size: Size, now: Now) -> isize {
        let (_, dots) = self.ui.dots(&self.live, size.0, now);
        isize::try_from(dots).unwrap_or(FAR)
    }

    /// The sample that is shown.
    fn here(&self, now: Now) -> Option<Moment> {
        if let Some(moment) = self.held.as_ref().and_then(|held| held.subject.moment()) {
            return Some(moment.clone());
        }
        let (state, then) = shown(&self.live, self.held.as_deref(), now);
        state.newest(&self.ui.subject(state, then)?)
    }

    /// Moves by `by` dots from what is shown; beyond the newest sample, the display is live again.
    pub(super) fn travel(&mut self, by: isize, size: Size, now: Now) {
        let Some(here) = self.here(now) else {
            return;
        };
        if !self.is_back() && by > 0 {
            return;
        }
        let (each, _) = self.ui.dots(&self.live, size.0, now);
        let dots = by;
        let by = dots.saturating_mul(isize::try_from(each).unwrap_or(1));
        if let Some(time) = self.old_time() {
            let dot = i64::try_from(self.ui.dot(&self.live, size.0, now)).unwrap_or(i64::MAX);
            let by = dot.saturating_mul(i64::try_from(dots).unwrap_or(0));
            return self.go_to_time(here.host, time.saturating_add_signed(by), size, now);
        }
        match self.live.step(&here, by) {
            Some(there) if there == here && by < 0 && self.is_back() => {
                self.read_past_of(Some(&here.host));
                let dot = self.ui.dot(&self.live, size.0, now);
                let back = dot.saturating_mul(u64::try_from(dots.unsigned_abs()).unwrap_or(1));
                let time = here.time().saturating_sub(back);
                self.go_to_time(here.host, time, size, now);
            }
            Some(there) => self.go_to(there, size, now),
            None => self.go_live(),
        }
    }

    /// The time that is looked at, in milliseconds since the epoch, if that is longer ago than samples are kept.
    fn old_time(&self) -> Option<u64> {
        match self.held.as_ref()?.subject {
            Subject::Old(_, time) => Some(time),
            _ => None,
        }
    }

    /// Goes to a time of `host`, in milliseconds since the epoch, for which older samples than those that are kept may have to
    /// be read.
    fn go_to_time(&mut self, host: HostName, time: u64, size: Size, now: Now) {
        let oldest = self.live.oldest(&host).map(|oldest| oldest.time());
        if oldest.is_none_or(|oldest| oldest <= time) {
            if let Some(there) = self.live.moment_at(&host, time) {
                self.go_to(there, size, now);
            }
            return;
        }
        // Of several hosts, only what is kept is shown.
        if !self.is_at_fleet() {
            self.go_to_old_time(&host, time, size, now);
        }
    }

    /// Goes to a time of `host`, in milliseconds since the epoch, that is longer ago than samples are kept, if its
    /// server holds it.
    fn go_to_old_time(&mut self, host: &HostName, time: u64, size: Size, now: Now) {
        // The first sample that is held.
        let Some(held) = Ui::held_before(&self.live, host) else {
            return;
        };
        let time = time.max(held);
        let stretch = self.stretch.as_ref();
        if let Some(moment) = stretch.and_then(|it| it.moment_within(host, time)) {
            self.show_old(moment, time, size, now);
        } else if self.reading.is_none() {
            self.reading = Lookback::around(&self.live, host, time);
            self.ui.reading = self.is_reading();
        }
    }

    /// Shows the page of a host at an old time, instead of a list of events or of several hosts.
    fn show_old(&mut self, moment: Moment, time: u64, size: Size, now: Now) {
        self.ui.close_events();
        if self.ui.is_at_fleet(&self.live) {
            self.ui.open_host(&moment.host);
        }
        self.look_at(Subject::Old(moment, time), size, now);
    }

    /// Shows the old time that was read about.
    pub(super) fn arrive(&mut self, mut reading: Lookback, now: Now) {
        self.ui.reading = false;
        let found = reading.stretch(&self.live);
        if let (Some((stretch, moment)), Some(time)) = (found, reading.old_time()) {
            self.stretch = Some(Box::new(stretch));
            self.show_old(moment, time, self.size, now);
        } else {
            self.ui.notice = Some(NOT_HELD);
        }
    }

    /// Goes to the mark after what is shown, or before it; after the last one, the display is live again.
    pub(super) fn jump(&mut self, is_next: bool, size: Size, now: Now) {
        let Some(here) = self.here(now) else {
            return;
        };
        let old = self.old_time();
        let beside = Ui::mark_beside(&self.live, &here, is_next);
        if old.is_none() && (is_next || beside.is_some()) {
            return match beside {
                Some(there) => self.go_to(there, size, now),
                None => self.go_live(),
            };
        }
        let time = old.unwrap_or(here.time());
        let old_mark = Ui::old_mark_beside(&self.live, &here.host, time, is_next);
        match old_mark.filter(|_| !self.is_at_fleet()) {
            Some(time) => self.go_to_time(here.host, time, size, now),
            // The first mark among the samples that are kept.
            None if is_next => match beside {
                Some(there) => self.go_to(there, size, now),
                None => self.go_live(),
            },
            // There may be more in what the server holds.
            None => self.read_past_of(Some(&here.host)),
        }
    }

    /// Shows less time, or more, for which older samples may have to be read.
    pub(super) fn zoom(&mut self, closer: bool, size: Size, now: Now) {
        let (state, _) = shown(&self.live, self.held.as_deref(), now);
        self.ui.zoom(closer, state);
        self.read_for_charts(now);
        if let Some(moment) = self.held.as_ref().and_then(|held| held.subject.moment()) {
            self.ui
                .keep_in_view(&moment.clone(), &self.live, size.0, now);
        }
    }

    /// Goes to the oldest sample that the server holds.
    pub(super) fn go_to_oldest(&mut self, size: Size, now: Now) {
        let Some(here) = self.here(now) else {
            return;
        };
        if let Some(oldest) = self.live.oldest(&here.host) {
            let is_there = self.is_back() && oldest == here;
            self.read_past_of(Some(&oldest.host));
            self.look_at(Subject::Oldest(oldest), size, now);
            if is_there && self.reading.is_none() {
                // All samples that are kept are here, and the server holds more.
                self.go_to_time(here.host, 0, size, now);
            }
        }
    }

    /// Goes to a sample, and requests what the server holds around it.
    pub(super) fn go_to(&mut self, there: Moment, size: Size, now: Now) {
        self.read_past_of(Some(&there.host));
        self.look_at(Subject::Sample(there), size, now);
    }

    /// Shows the time of an event instead of the list, once there is something to show of it.
    pub(super) fn leave_events_for(&mut self, event: Option<EventSpan>, size: Size, now: Now) {
        let Some(EventSpan { host, began, ended }) = event else {
            return;
        };
        let Some(oldest) = self.live.oldest(&host).map(|oldest| oldest.time()) else {
            self.ui.notice = Some(NO_SAMPLES);
            return;
        };
        let held = Ui::held_before(&self.live, &host).filter(|held| *held <= ended);
        if began < oldest
            && let Some(held) = held
        {
            let is_around = |it: &Lookback| it.is_around(&host, began.max(held));
            // The user waits for this, not for what else is being read.
            self.reading = self.reading.take().filter(is_around);
            self.go_to_old_time(&host, began, size, now);
        } else if oldest <= ended
            && let Some(moment) = self.live.moment_at(&host, began)
        {
            self.ui.close_events();
            self.look_at(Subject::Sample(moment), size, now);
        } else {
            self.ui.notice = Some(NOT_HELD);
        }
    }

    /// Stays with what is shown, although an old time is being read about.
    pub(super) fn stay(&mut self) {
        self.reading = self.reading.take().filter(|it| it.old_time().is_none());
    }

    /// Requests what the charts of the open host lack, if its server holds it.
    pub(super) fn read_for_charts(&mut self, now: Now) {
        if self.held.is_some() || self.reading.is_some() {
            return;
        }
        if let Some((host, span)) = self.ui.lacking_steps(&self.live, self.size.0, now) {
            self.reading = Lookback::in_steps(&self.live, &host, span);
            self.ui.reading = self.is_reading();
        } else if let Some((host, samples)) = self.ui.lacking(&self.live) {
            self.reading = Lookback::of(&self.live, Some(&host), samples.min(MOST_KEPT));
            self.ui.reading = self.is_reading();
        }
    }

    /// Returns to live data.
    pub(super) fn go_live(&mut self) {
        self.stay();
        if self.is_back() {
            (self.held, self.reading, self.stretch) = (None, None, None);
            self.ui.follow_live();
        }
    }

    /// Requests the past of what is on the screen, unless that is under way.
    pub(super) fn read_past_of(&mut self, host: Option<&HostName>) {
        if self.reading.is_none() {
            self.reading = if self.is_at_fleet() {
                Lookback::of(&self.live, None, self.live.share())
            } else {
                host.and_then(|host| Lookback::of(&self.live, Some(host), MOST_KEPT))
            };
        }
    }

    /// Shows the state as it was at the sample of `subject`.
    pub(super) fn look_at(&mut self, subject: Subject, size: Size, now: Now) {
        let Some(moment) = subject.moment() else {
            return;
        };
        self.ui.keep_in_view(moment, &self.live, size.0, now);
        self.ui.note_live(&self.live, &moment.host, now);
        let reading = self.is_reading();
        let (state, now) = match (&subject, &self.stretch) {
            (Subject::Old(moment, _), Some(stretch)) => {
                self.live.as_it_was_in(stretch, moment, reading, now)
            }
            _ => self.live.as_it_was(moment, reading, now),
        };
        self.ui.paused = false;
        self.held = Some(Box::new(HeldPicture {
            state,
            now,
            subject,
        }));
    }

    /// With every new sample, the one that is looked back at is further back.
    pub(super) fn mark_back(&mut self, now: Now) {
        let reading = self.is_reading();
        if let Some(held) = &mut self.held
            && let Some(moment) = held.subject.moment()
        {
            held.state.mark_back(&self.live, moment, reading);
            let host = moment.host.clone();
            self.ui.note_live(&self.live, &host, now);
        }
    }
}
