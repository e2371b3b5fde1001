//! Viewers in step: those that have had the same get the same next.
//!
//! The first of them in a round reads the log. The others get what it got, and end up where it ended up. That touches
//! little of their memory: with thousands of viewers, fetching memory costs more than computing. A viewer that needs
//! anything else falls out of step, is served by itself, and joins the others again once it has everything.
//!
//! The only viewer of a host has nobody to read for it, but mostly needs no more than the news of the host.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::hub::{HostNews, Hub, ReadMark};
use crate::protocol::Frame;

use super::footing::Footing;
use super::line::ViewerLine;
use super::tally::{self, Tally};
use super::viewer::{FeedProgress, Viewer};

/// How many strides are remembered: those of a host's viewers in all encodings, and of some that have just joined.
const MOST_STRIDES: usize = 6;

/// What viewers that stand at one place get, and where that leads.
struct Stride {
    from: Arc<Footing>,
    /// Empty if there is nothing to send.
    wire: Bytes,
    to: Arc<Footing>,
    /// How many viewers have taken it and aren't counted yet, and the bytes that they took.
    taken: u64,
    bytes: u64,
}

impl Stride {
    /// Counts the viewers that have taken it.
    fn settle(&mut self, tally: &Tally) {
        if !self.wire.is_empty() {
            tally::add(&tally.messages, self.taken);
            tally::add(&tally.bytes, self.bytes);
        }
        (self.taken, self.bytes) = (0, 0);
    }
}

/// The newest strides.
pub(super) struct Strides {
    hub: Hub,
    tally: Arc<Tally>,
    newest: VecDeque<Stride>,
    /// Where the viewer stands that joined last, since the last round.
    joined: Option<Arc<Footing>>,
    /// Where the viewer stands that took the news of its host last, in this round.
    informed: Option<Arc<Footing>>,
    /// How many viewers have taken news and aren't counted yet, and the bytes that they took.
    taken: u64,
    bytes: u64,
}

impl Strides {
    pub(super) fn new(hub: Hub, tally: Arc<Tally>) -> Self {
        let newest = VecDeque::with_capacity(MOST_STRIDES);
        Self {
            hub,
            tally,
            newest,
            joined: None,
            informed: None,
            taken: 0,
            bytes: 0,
        }
    }

    /// Begins a round, in which earlier strides are of no use.
    pub(super) fn begin_round(&mut self) {
        self.settle();
        self.newest.clear();
        (self.joined, self.informed) = (None, None);
    }

    /// Counts what has been sent, and tells sources that wait for viewers.
    pub(super) fn settle(&mut self) {
        for stride in &mut self.newest {
            stride.settle(&self.tally);
        }
        tally::add(&self.tally.messages, std::mem::take(&mut self.taken));
        tally::add(&self.tally.bytes, std::mem::take(&mut self.bytes));
        self.hub.tell_sources();
    }

    fn add(&mut self, from: Arc<Footing>, wire: Bytes, to: Arc<Footing>) {
        if self.newest.len() == MOST_STRIDES
            && let Some(mut oldest) = self.newest.pop_front()
        {
            oldest.settle(&self.tally);
        }
        self.newest.push_back(Stride {
            from,
            wire,
            to,
            taken: 0,
            bytes: 0,
        });
    }

    fn find(&mut self, footing: &Arc<Footing>) -> Option<&mut Stride> {
        let mut strides = self.newest.iter_mut().rev();
        strides.find(|stride| Arc::ptr_eq(&stride.from, footing))
    }

    /// A footing equal to this one that other viewers have, so that it is the same one in memory.
    fn shared(&mut self, footing: Footing) -> Arc<Footing> {
        let ends = self.newest.iter().rev().map(|stride| &stride.to);
        let equal = ends.chain(&self.joined).find(|end| ***end == footing);
        let shared = equal.cloned().unwrap_or_else(|| Arc::new(footing));
        self.joined = Some(Arc::clone(&shared));
        shared
    }

    /// Counts a viewer that has taken so many bytes of the news of its host.
    fn count_news(&mut self, bytes: usize) {
        self.taken += 1;
        self.bytes += bytes as u64;
    }

    /// The footing of a viewer that has taken news; if the one before it stands there too, the same one in memory, so
    /// that they are in step.
    fn shared_by_informed(&mut self, footing: Arc<Footing>) -> Arc<Footing> {
        let equal = self.informed.take().filter(|before| *before == footing);
        let shared = equal.unwrap_or(footing);
        self.informed = Some(Arc::clone(&shared));
        shared
    }
}

/// How much of the news of its host a viewer has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewsTaken {
    Nothing,
    /// The rest is in its outbox, and must be sent before anything else.
    Part,
    Whole,
}

/// A footing that no other viewer shares. For those in step, reading the count is cheaper than `Arc::get_mut`, which
/// locks.
fn own_footing(footing: &mut Arc<Footing>) -> Option<&mut Footing> {
    match Arc::strong_count(footing) {
        1 => Arc::get_mut(footing),
        _ => None,
    }
}

/// A viewer in the list of the fan-out, with what a stride needs.
pub(super) struct Member {
    line: Arc<ViewerLine>,
    /// Where it stands, if it is in step.
    footing: Option<Arc<Footing>>,
    read_mark: Option<ReadMark>,
    /// The round in which it was last visited.
    visited: u64,
    /// The rest is elsewhere in memory, because most visits don't need it.
    pub(super) viewer: Box<Viewer>,
}

impl Member {
    pub(super) fn new(viewer: Viewer) -> Self {
        Self {
            line: Arc::clone(&viewer.line),
            footing: None,
            read_mark: None,
            visited: 0,
            viewer: Box::new(viewer),
        }
    }

    /// Notes that it is visited in `round`. Returns whether it hadn't been yet.
    pub(super) fn is_due(&mut self, round: u64) -> bool {
        std::mem::replace(&mut self.visited, round) != round
    }

    /// Reads what a stride or `news` need and is elsewhere in memory. Returns something that depends on all of it.
    pub(super) fn fetch(&self, news: Option<&HostNews>) -> u64 {
        let next = self.read_mark.as_ref().map_or(0, ReadMark::next);
        let own = next.wrapping_add(self.line.fetch().into());
        let (Some(news), Some(footing)) = (news, &self.footing) else {
            return own;
        };
        let first = news.frame().as_wire().first().copied();
        let of_news =
            u64::from(footing.place.lacks_only(news)) + u64::from(first.unwrap_or_default());
        own.wrapping_add(of_news)
    }

    /// Takes `news` of its host, if that is all that it needs, and nobody is in step with it.
    pub(super) fn take_news(&mut self, news: &HostNews, strides: &mut Strides) -> NewsTaken {
        let own = self.footing.as_mut().and_then(own_footing);
        let is_enough = |own: &Footing| own.deflating.is_none() && own.place.lacks_only(news);
        let Some(own) = own.filter(|own| is_enough(own) && self.line.is_quiet()) else {
            return NewsTaken::Nothing;
        };
        let wire = news.frame().as_wire();
        // If the socket is full or broken, that shows again when the viewer is served by itself.
        let Ok(sent @ 1..) = self.line.try_send(wire) else {
            return NewsTaken::Nothing;
        };
        own.place.take(news);
        if let Some(mark) = &self.read_mark {
            mark.set(&own.place);
        }
        strides.count_news(sent);
        if sent < wire.len() {
            self.viewer.has_begun(news.frame().wire(), sent);
            return NewsTaken::Part;
        }
        self.footing = self
            .footing
            .take()
            .map(|own| strides.shared_by_informed(own));
        NewsTaken::Whole
    }

    /// Takes the stride of those that stand where it does, if it needs nothing else. Returns whether that served it.
    pub(super) fn take_stride(&mut self, strides: &mut Strides) -> bool {
        let Some(footing) = &mut self.footing else {
            return false;
        };
        let Some(stride) = strides.find(footing).filter(|_| self.line.is_quiet()) else {
            return false;
        };
        let sent = match stride.wire.len() {
            0 => 0,
            // If the socket is full or broken, that shows again when the viewer is served by itself.
            _ => match self.line.try_send(&stride.wire) {
                Ok(sent @ 1..) => sent,
                Ok(0) | Err(_) => return false,
            },
        };
        stride.taken += 1;
        stride.bytes += sent as u64;
        footing.clone_from(&stride.to);
        if let Some(mark) = &self.read_mark {
            mark.set(&footing.place);
        }
        if sent < stride.wire.len() {
            self.viewer.has_begun(stride.wire.clone(), sent);
            return false;
        }
        true
    }

    /// Serves it by itself.
    pub(super) fn feed(
        &mut self,
        frames: &mut Vec<Frame>,
        live: bool,
        strides: &mut Strides,
    ) -> io::Result<FeedProgress> {
        let from = self.footing.take();
        if let Some(footing) = &from {
            self.viewer.stand_at(footing);
        }
        let mut fed = self.viewer.feed(frames, live)?;
        if let FeedProgress::Up(wire) = &mut fed {
            self.fall_in(from, wire.take(), strides);
        }
        Ok(fed)
    }

    /// Joins those in step, if it can. If `wire` is all that it got, others that stand where it stood get the same.
    fn fall_in(&mut self, from: Option<Arc<Footing>>, wire: Option<Bytes>, strides: &mut Strides) {
        let Some(footing) = self.viewer.footing() else {
            return;
        };
        let to = match &from {
            Some(from) if **from == footing => Arc::clone(from),
            _ => strides.shared(footing),
        };
        if let (Some(from), Some(wire)) = (from, wire)
            && from.place.has_hosts_of(&to.place)
        {
            strides.add(from, wire, Arc::clone(&to));
        }
        self.read_mark = self.viewer.read_mark();
        self.footing = Some(to);
    }
}

#[cfg(test)]
mod tests;
