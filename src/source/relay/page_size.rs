//! How many messages to ask for at once.

use crate::redis::ReadEntry;

/// The most entries of one host at once.
pub(super) const MOST_ENTRIES: usize = 256;

/// About how much one answer may hold, in bytes.
const PAGE_BYTES: usize = 128 * 1024;

/// How many to ask for at first, when nothing is known about the size of messages: each may have 1 MiB.
const FIRST: usize = 4;

/// How many entries an answer may have. It grows step by step, so that no answer is much larger than those before.
#[derive(Debug)]
pub(super) struct PageSize {
    entries: usize,
}

impl PageSize {
    pub(super) fn new() -> Self {
        Self { entries: FIRST }
    }

    /// How many entries of one host to ask for.
    pub(super) fn of_one(&self) -> usize {
        self.entries.min(MOST_ENTRIES)
    }

    /// How many entries of each of this many hosts to ask for. Usually at least two, because a host that gets its full
    /// number has to be asked again.
    pub(super) fn of_each(&self, hosts: usize) -> usize {
        (self.entries / hosts.max(1)).clamp(self.entries.min(2), MOST_ENTRIES)
    }

    /// Takes note of what was returned.
    pub(super) fn note(&mut self, entries: &[ReadEntry]) {
        let bytes = |entry: &ReadEntry| entry.json.as_ref().map_or(0, Vec::len);
        let bytes: usize = entries.iter().map(bytes).sum();
        if !entries.is_empty() {
            let fit = PAGE_BYTES * entries.len() / bytes.max(entries.len() * 64);
            self.entries = fit.clamp(1, self.entries * 4);
        }
    }

    /// An answer did not arrive in time. Returns whether fewer entries might.
    pub(super) fn halve(&mut self) -> bool {
        let before = self.entries;
        self.entries = (before / 2).max(1);
        self.entries < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::EntryId;

    fn entries(count: usize, bytes: usize) -> Vec<ReadEntry> {
        let entry = ReadEntry {
            id: EntryId::START,
            json: Some(vec![b'x'; bytes]),
        };
        vec![entry; count]
    }

    #[test]
    fn small_messages_come_in_large_pages_by_and_by() {
        let mut size = PageSize::new();
        let mut asked = Vec::new();
        for _ in 0..5 {
            asked.push(size.of_one());
            size.note(&entries(size.of_one(), 1000));
        }
        assert_eq!(asked, [4, 16, 64, 131, 131]);
        assert_eq!(size.of_each(1), 131);
        assert_eq!(size.of_each(10), 13);
        assert_eq!(size.of_each(1000), 2);
    }

    #[test]
    fn large_messages_come_one_by_one() {
        let mut size = PageSize::new();
        size.note(&entries(4, 1024 * 1024));
        assert_eq!((size.of_one(), size.of_each(3)), (1, 1));
        size.note(&entries(1, 10_000));
        assert_eq!(size.of_one(), 4);
        size.note(&[]);
        assert_eq!(size.of_one(), 4, "it says nothing");
    }

    #[test]
    fn what_does_not_arrive_in_time_is_halved_down_to_one() {
        let mut size = PageSize::new();
        assert!(size.halve());
        assert!(size.halve());
        assert_eq!(size.of_one(), 1);
        assert!(!size.halve());
    }

    #[test]
    fn what_was_halved_without_need_grows_again() {
        let mut size = PageSize::new();
        for _ in 0..10 {
            size.halve();
        }
        for _ in 0..5 {
            size.note(&entries(size.of_one(), 1000));
        }
        assert_eq!(size.of_one(), 131);
    }
}
