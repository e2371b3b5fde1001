//! Notifications that wait for a notifier. Adding one never waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::locks;

use super::notice::Notice;

/// The most notifications that wait for one notifier: what a person reads in a night, and 1 MiB at most.
const LONGEST: usize = 256;

/// A queue that drops its oldest entry instead of growing.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Arc<Notice>>>,
    arrived: Notify,
}

impl Queue {
    /// Appends a notice. True when the oldest was dropped for it.
    pub(super) fn push(&self, notice: Arc<Notice>) -> bool {
        let mut waiting = self.lock();
        let is_full = waiting.len() >= LONGEST;
        if is_full {
            waiting.pop_front();
        }
        waiting.push_back(notice);
        drop(waiting);
        self.arrived.notify_one();
        is_full
    }

    /// Waits for the oldest notice.
    pub(super) async fn next(&self) -> Arc<Notice> {
        self.next_where(|_| true).await
    }

    /// Waits for the oldest notice that `may_go`.
    pub(super) async fn next_where(&self, may_go: impl Fn(&Notice) -> bool) -> Arc<Notice> {
        loop {
            if let Some(notice) = self.take(&may_go) {
                return notice;
            }
            self.arrived.notified().await;
        }
    }

    fn take(&self, may_go: impl Fn(&Notice) -> bool) -> Option<Arc<Notice>> {
        let mut waiting = self.lock();
        let at = waiting.iter().position(|notice| may_go(notice))?;
        waiting.remove(at)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Notice>>> {
        locks::lock(&self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::super::notice::tests::firing;
    use super::*;

    fn notice(number: usize) -> Arc<Notice> {
        let mut change = firing();
        change.alert.name = number.to_string();
        Arc::new(Notice::of(&change))
    }

    #[tokio::test]
    async fn a_full_queue_drops_its_oldest() {
        let queue = Queue::default();
        let dropped = (0..LONGEST + 3)
            .filter(|number| queue.push(notice(*number)))
            .count();
        assert_eq!(dropped, 3);
        assert_eq!(queue.next().await.change.alert.name, "3");
        let last = queue.next_where(|it| it.change.alert.name == "258").await;
        assert_eq!(last, notice(258));
        assert_eq!(queue.next().await.change.alert.name, "4");
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_not_go_waits() {
        let queue = Queue::default();
        queue.push(notice(1));
        let none = queue.next_where(|_| false);
        let timeout = tokio::time::timeout(std::time::Duration::from_secs(1), none).await;
        assert!(timeout.is_err());
        assert_eq!(queue.next().await, notice(1));
    }
}
