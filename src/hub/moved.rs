//! Which hosts have something to read, so that a server visits only the viewers of those.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::locks::lock;

use super::news::{HostNews, Newest};
use super::{HostLog, Hub, UNLISTED};

/// What has moved since [`Hub::take_moved`] was last called.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// It may concern any viewer: there is another host, or something was read for a viewer.
    anything: bool,
    logs: Vec<(Arc<HostLog>, Option<HostNews>)>,
}

/// A host that has something to read.
#[derive(Debug)]
pub struct MovedHost {
    /// Its number; see [`Subscription::hosts`](super::Subscription::hosts).
    pub number: usize,
    /// With what it moved first, if that was a message.
    pub news: Option<HostNews>,
}

impl Hub {
    /// Adds the hosts that have something to read to `hosts`, each once. Returns whether any viewer may have something
    /// to read, whatever its hosts. What one caller takes, no other gets.
    pub fn take_moved(&self, hosts: &mut Vec<MovedHost>) -> bool {
        let mut due = lock(&self.shared.due);
        // From now on, a message puts its host on the list again; all earlier ones are seen by whoever reads the log
        // next, or are its news.
        hosts.extend(due.logs.drain(..).map(|(log, news)| {
            log.is_due.swap(false, Ordering::AcqRel);
            let number = log.number.load(Ordering::Acquire);
            MovedHost { number, news }
        }));
        std::mem::take(&mut due.anything)
    }

    /// There is something to read in `log`.
    pub(super) fn note_move(&self, log: &Arc<HostLog>) {
        self.note_newest(log, None);
    }

    /// There is something to read in `log`; if it is its `newest` message, viewers may take that without reading.
    pub(super) fn note_newest(&self, log: &Arc<HostLog>, newest: Option<Newest>) {
        let moves = 1 + log.moves.fetch_add(1, Ordering::Release);
        let host = log.number.load(Ordering::Acquire);
        // Nobody can have a cursor in a log without a number.
        if host != UNLISTED && !log.is_due.swap(true, Ordering::AcqRel) {
            let news = newest.map(|newest| HostNews {
                newest,
                host,
                moves,
            });
            lock(&self.shared.due).logs.push((Arc::clone(log), news));
        }
    }

    /// There may be something to read for any viewer.
    pub(super) fn note_anything(&self) {
        lock(&self.shared.due).anything = true;
    }

    /// Wakes all viewers.
    pub(super) fn wake_all(&self) {
        self.note_anything();
        self.wake();
    }
}
