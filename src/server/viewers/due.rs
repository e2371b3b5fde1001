//! Whom a round visits.

use crate::hub::{HostNews, MovedHost};

use super::by_host::ViewersByHost;

/// A viewer to visit.
#[derive(Debug, Clone, Copy)]
pub(super) struct DueViewer {
    pub(super) key: usize,
    /// Which of the hosts that have moved makes it due; `None` if all viewers are due.
    moved: Option<usize>,
}

impl DueViewer {
    /// A viewer that is due whatever has moved: the news of a host may not be all that it needs.
    pub(super) fn anyway(key: usize) -> Self {
        Self { key, moved: None }
    }

    /// The viewers of the hosts that have moved, in order.
    pub(super) fn of_moved<'a>(
        moved: &'a [MovedHost],
        by_host: &'a ViewersByHost,
    ) -> impl Iterator<Item = Self> + 'a {
        moved.iter().enumerate().flat_map(|(nth, host)| {
            let moved = Some(nth);
            let keys = by_host.keys(host.number);
            keys.map(move |key| Self { key, moved })
        })
    }

    /// The news of the host that makes it due.
    pub(super) fn news(self, moved: &[MovedHost]) -> Option<&HostNews> {
        moved.get(self.moved?)?.news.as_ref()
    }
}
