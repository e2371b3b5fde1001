//! Which hosts have something to read, so that a server visits only the viewers of those.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::locks::lock;

use super::{HostLog, Hub, UNLISTED};

/// What has moved since [`Hub::take_moved`] was last called.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// It may concern any viewer: there is another host, or something was read for a viewer.
    anything: bool,
    logs: Vec<Arc<HostLog>>,
}

impl Hub {
    /// Adds the numbers of the hosts that have something to read to `hosts`, each once; see
    /// [`Subscription::hosts`](super::Subscription::hosts). Returns whether any viewer may have something to read,
    /// whatever its hosts. What one caller takes, no other gets.
    pub fn take_moved(&self, hosts: &mut Vec<usize>) -> bool {
        let mut due = lock(&self.shared.due);
        // From now on, a message puts its host on the list again; all earlier ones are seen by whoever reads the log
        // next.
        hosts.extend(due.logs.drain(..).map(|log| {
            log.is_due.swap(false, Ordering::AcqRel);
            log.number.load(Ordering::Acquire)
        }));
        std::mem::take(&mut due.anything)
    }

    /// There is something to read in `log`.
    pub(super) fn note_move(&self, log: &Arc<HostLog>) {
        log.moves.fetch_add(1, Ordering::Release);
        // Nobody can have a cursor in a log without a number.
        let is_listed = log.number.load(Ordering::Acquire) != UNLISTED;
        if is_listed && !log.is_due.swap(true, Ordering::AcqRel) {
            lock(&self.shared.due).logs.push(Arc::clone(log));
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
