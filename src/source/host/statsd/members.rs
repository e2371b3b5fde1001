//! The number of different members of a set, in bounded memory.

use std::collections::BTreeSet;

/// Every set counts exactly up to this many members, whatever other sets hold.
pub(super) const FEWEST_EXACT: usize = 1024;

/// The different members that a set has had since it was last emptied, by their hashes.
///
/// When there is no room for all of them, it keeps the smallest hashes and estimates: if `k` evenly spread hashes reach up
/// to a fraction `f` of their range, there are about `(k - 1) / f` of them (Bar-Yossef et al. 2002), with a standard error
/// of `1 / sqrt(k - 2)`, at most 3.2 %.
#[derive(Debug, Default)]
pub(super) struct Members {
    hashes: BTreeSet<u64>,
    is_full: bool,
}

impl Members {
    /// Adds the member with this `hash`. Uses up some of `room`, the number of members that all sets and timers may still
    /// keep.
    pub(super) fn add(&mut self, hash: u64, room: &mut usize) {
        if self.hashes.contains(&hash) {
            return;
        }
        let is_free = self.hashes.len() < FEWEST_EXACT;
        self.is_full |= !is_free && *room == 0;
        if self.is_full {
            if self.hashes.last().is_some_and(|largest| hash < *largest) {
                self.hashes.pop_last();
                self.hashes.insert(hash);
            }
            return;
        }
        if !is_free {
            *room -= 1;
        }
        self.hashes.insert(hash);
    }

    /// How many there are; an estimate if it is not exact.
    #[expect(clippy::cast_precision_loss, reason = "an estimate, or far below 2^53")]
    pub(super) fn count(&self) -> f64 {
        let kept = self.hashes.len() as f64;
        match self.hashes.last() {
            Some(largest) if self.is_full => {
                let fraction = *largest as f64 / u64::MAX as f64;
                ((kept - 1.0) / fraction).round()
            }
            _ => kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    /// The same hashes in every run.
    fn hash(member: usize) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(member)
    }

    #[test]
    fn it_is_exact_while_there_is_room() {
        let (mut members, mut room) = (Members::default(), 5000 - FEWEST_EXACT);
        assert!(members.count().abs() < f64::EPSILON);
        for member in (0..5000).chain(0..5000) {
            members.add(hash(member), &mut room);
        }
        assert_eq!((members.count(), room), (5000.0, 0));
    }

    #[test]
    fn without_room_it_estimates() {
        for room in [0, 20_000] {
            let (mut members, mut left) = (Members::default(), room);
            for member in (0..200_000).chain(0..1000) {
                members.add(hash(member), &mut left);
            }
            assert_eq!((members.hashes.len(), left), (FEWEST_EXACT + room, 0));
            let off = (members.count() / 200_000.0 - 1.0).abs();
            assert!(off < 0.1, "{off} with room for {room}");
        }
    }
}
