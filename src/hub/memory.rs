//! How a relay keeps its logs within a bound on memory: it keeps all messages for less time. Where timestamps hardly
//! advance, that drops nothing, and messages are dropped by size instead.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use crate::locks::lock;
use crate::millis::in_millis;

use super::relayed::{KeptByRelay, Relaying, SHORTEST};
use super::{HostLog, Hub};

impl Hub {
    /// Keeps less of every log if all of them together take more than `most` bytes, and more again once there is room.
    /// Returns how much is kept now, if that has changed.
    pub fn keep_within(&self, most: usize) -> Option<KeptByRelay> {
        let relaying = self.shared.relaying.as_ref()?;
        let logs = self.all_logs();
        let before = relaying.kept();
        let mut used = memory_of(&logs);
        let is_over = most < used;
        if is_over || 0 < before.crowded {
            let crowded = thin_out(&logs, (used, most), before.crowded);
            relaying.crowded.store(crowded, Ordering::Relaxed);
            used = memory_of(&logs);
        }
        used = self.adapt_retention(relaying, &logs, (used, most));
        if is_over && most < used {
            cut_all(&logs, most);
        }
        let now = relaying.kept();
        (now != before).then_some(now)
    }

    /// Keeps messages for less time if the logs have `used` more than `most`, or for more time. Returns what they use
    /// then, if that was too much.
    fn adapt_retention(
        &self,
        relaying: &Relaying,
        logs: &[Arc<HostLog>],
        (mut used, most): (usize, usize),
    ) -> usize {
        let wanted = in_millis(self.shared.retention.duration);
        loop {
            let retain = relaying.retain.load(Ordering::Relaxed);
            let next = next_retention((retain, wanted), (used, most));
            relaying.retain.store(next, Ordering::Relaxed);
            if next < wanted || next != retain {
                logs.iter().for_each(|log| relaying.bound(log));
            }
            if used <= most || next == retain {
                return used;
            }
            // As long as the logs don't reach back that far, a step drops nothing.
            used = memory_of(logs);
            if used <= most {
                return used;
            }
        }
    }

    /// The memory that the logs take, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        memory_of(&self.all_logs())
    }

    /// All logs, also those that viewers cannot find.
    fn all_logs(&self) -> Vec<Arc<HostLog>> {
        let mut logs = self.logs();
        if let Some(relaying) = &self.shared.relaying {
            let unlisted = lock(&relaying.unlisted);
            logs.extend(unlisted.iter().filter_map(Weak::upgrade));
        }
        logs
    }
}

fn memory_of(logs: &[Arc<HostLog>]) -> usize {
    logs.iter().map(|log| lock(&log.ring).memory()).sum()
}

/// For how long messages are kept next, in milliseconds.
fn next_retention((retain, wanted): (u64, u64), (used, most): (usize, usize)) -> u64 {
    let next = if most < used {
        // A little less than would fit, so that it isn't reached again at once.
        let share = u128::from(retain) * most as u128 * 9 / (used as u128 * 10);
        u64::try_from(share).unwrap_or(retain)
    } else if retain < wanted && used < most / 4 * 3 {
        retain + retain / 10 + 1
    } else {
        retain
    };
    let shortest = in_millis(SHORTEST);
    next.clamp(shortest, wanted.max(shortest))
}

/// Drops messages if those that no duration is short enough for take more than half of the memory: the other hosts would
/// be left with nothing. Returns of how many hosts less is kept than of others; that was `crowded` before.
fn thin_out(logs: &[Arc<HostLog>], (used, most): (usize, usize), crowded: usize) -> usize {
    let recent = |log: &Arc<HostLog>| lock(&log.ring).recent_memory(SHORTEST);
    let recent: Vec<_> = logs.iter().map(recent).collect();
    let total: usize = recent.iter().sum();
    if most < used && most / 2 < total {
        return cut(logs, &recent, most / 2).max(crowded);
    }
    // They are what is left of those that were cut, unless they are few.
    if total < most / 8 { 0 } else { crowded }
}

/// Drops messages until all logs together take no more than `most`, or have only one message each.
fn cut_all(logs: &[Arc<HostLog>], most: usize) {
    let spare = |log: &Arc<HostLog>| lock(&log.ring).spare_memory();
    let spare: Vec<_> = logs.iter().map(spare).collect();
    let total: usize = spare.iter().sum();
    let fixed = memory_of(logs).saturating_sub(total);
    cut(logs, &spare, most.saturating_sub(fixed));
}

/// Drops the oldest messages of the logs whose `sizes` are the largest, so that all sizes together become `most`. Returns
/// how many logs these are.
fn cut(logs: &[Arc<HostLog>], sizes: &[usize], most: usize) -> usize {
    let share = largest_share(sizes, most);
    let larger = logs.iter().zip(sizes).filter(|(_, size)| share < **size);
    larger.map(|(log, _)| lock(&log.ring).cut(share)).count()
}

/// What each may take at most so that all together take `most`: nobody has to give for one that takes more.
fn largest_share(sizes: &[usize], most: usize) -> usize {
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    let mut left = most;
    for (index, size) in sizes.iter().enumerate() {
        let share = left / (sizes.len() - index);
        if share < *size {
            return share;
        }
        left -= size;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_takes_most_gives() {
        for (sizes, most, share) in [
            (&[][..], 10, usize::MAX),
            (&[3, 7], 10, usize::MAX),
            (&[7, 4], 10, 6),
            (&[1, 50, 2, 70], 23, 10),
            (&[5, 5, 5, 5], 8, 2),
            (&[9, 9], 0, 0),
        ] {
            assert_eq!(largest_share(sizes, most), share, "{sizes:?}");
        }
    }
}
