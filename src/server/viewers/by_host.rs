//! Which viewers read which host: a message of one host costs nothing for the viewers of all others.

/// Entries of viewers that have left are kept until there are this many, and more of them than of those still there.
const MOST_LEFT: usize = 1024;

/// A viewer of the fan-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListedViewer {
    /// Its key, which another viewer may get after it.
    pub(super) key: usize,
    /// Its serial number, which no other gets.
    pub(super) serial: u64,
}

/// The viewers by the numbers of their hosts.
#[derive(Debug, Default)]
pub(super) struct ViewersByHost {
    readers: Vec<Vec<ListedViewer>>,
    entries: usize,
    left: usize,
    /// Hosts that will never move again, but whose last messages some viewers may not have: noted in this round, and
    /// before it.
    gone: Vec<usize>,
    going: Vec<usize>,
}

impl ViewersByHost {
    /// A viewer reads a host, too.
    pub(super) fn add(&mut self, host: usize, reader: ListedViewer) {
        if self.readers.len() <= host {
            self.readers.resize_with(host + 1, Vec::new);
        }
        self.readers[host].push(reader);
        self.entries += 1;
    }

    /// A host will never move again, and a viewer has everything of it.
    pub(super) fn forget(&mut self, host: usize) {
        if self.gone.last() != Some(&host) {
            self.gone.push(host);
        }
    }

    /// Ends a round. It drops the lists of hosts that were forgotten before it.
    pub(super) fn end_round(&mut self) {
        for host in std::mem::take(&mut self.going) {
            if let Some(readers) = self.readers.get_mut(host) {
                self.entries -= std::mem::take(readers).len();
            }
        }
        self.going = std::mem::take(&mut self.gone);
    }

    /// A viewer with so many hosts has left. Returns whether it is time to [`ViewersByHost::sweep`].
    pub(super) fn lose(&mut self, hosts: usize) -> bool {
        self.left += hosts;
        self.left > MOST_LEFT && self.left > self.entries / 2
    }

    /// Forgets the viewers that have left.
    pub(super) fn sweep(&mut self, is_there: impl Fn(ListedViewer) -> bool) {
        for readers in &mut self.readers {
            readers.retain(|&reader| is_there(reader));
            readers.shrink_to(2 * readers.len());
        }
        self.entries = self.readers.iter().map(Vec::len).sum();
        self.left = 0;
    }

    /// The keys of those who read a host. Some may have left, and their keys may be those of other viewers.
    pub(super) fn keys(&self, host: usize) -> impl Iterator<Item = usize> + '_ {
        let readers = self.readers.get(host).map_or(&[][..], Vec::as_slice);
        readers.iter().map(|reader| reader.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_left_are_forgotten() {
        let mut by_host = ViewersByHost::default();
        let reader = |serial: u64| ListedViewer { key: 7, serial };
        by_host.add(3, reader(0));
        let mut swept = 0;
        for (serial, host) in (1..100_000).zip((0..50).cycle()) {
            by_host.add(host, reader(serial));
            if by_host.lose(1) {
                swept += 1;
                by_host.sweep(|reader| reader.serial == 0);
            }
            assert!(by_host.entries <= 2 * MOST_LEFT + 2);
        }
        assert!(swept > 10);
        by_host.sweep(|reader| reader.serial == 0);
        assert_eq!((by_host.keys(3).count(), by_host.entries), (1, 1));
        assert_eq!(by_host.keys(4).count() + by_host.keys(1000).count(), 0);
        by_host.forget(3);
        by_host.forget(1000);
        by_host.end_round();
        assert_eq!(
            by_host.keys(3).count(),
            1,
            "the next round may still visit it"
        );
        by_host.end_round();
        assert_eq!((by_host.keys(3).count(), by_host.entries), (0, 0));
    }
}
