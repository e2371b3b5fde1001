//! Which reader has which host.

use crate::protocol::HostName;
use crate::redis::{LANES, lane_of};

/// How many hosts a reader takes before the next one gets any, where it may have hosts of several lanes. A read costs
/// Redis about 1.5 µs for each host that it names, and nothing else is done meanwhile.
const READ_TOGETHER: usize = 1000;

/// How many hosts each reader has.
pub(super) struct ReaderShares {
    mixes_lanes: bool,
    hosts: [usize; LANES],
}

impl ReaderShares {
    /// Readers without hosts. If one may not have hosts of several lanes, each lane has its own.
    pub(super) fn new(mixes_lanes: bool) -> Self {
        Self {
            mixes_lanes,
            hosts: [0; LANES],
        }
    }

    /// The reader for a new host: few readers take all hosts, because what many hosts send is then read at once.
    pub(super) fn take(&mut self, host: &HostName) -> usize {
        let has_room = |&hosts: &usize| hosts < READ_TOGETHER;
        let fewest = || (0..LANES).min_by_key(|&reader| self.hosts[reader]);
        let reader = match self.hosts.iter().position(has_room) {
            _ if !self.mixes_lanes => lane_of(host),
            Some(reader) => reader,
            None => fewest().unwrap_or_default(),
        };
        self.hosts[reader] += 1;
        reader
    }

    /// A reader has one host less.
    pub(super) fn leave(&mut self, reader: usize) {
        self.hosts[reader] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: usize) -> HostName {
        format!("web-{number}").parse().unwrap()
    }

    #[test]
    fn readers_fill_up_one_after_the_other() {
        let mut shares = ReaderShares::new(true);
        let readers: Vec<_> = (0..2500).map(|number| shares.take(&host(number))).collect();
        assert_eq!(shares.hosts[..4], [1000, 1000, 500, 0]);
        // Whoever comes takes the place of whoever goes.
        for (number, &reader) in readers.iter().enumerate() {
            shares.leave(reader);
            assert_eq!(shares.take(&host(2500 + number)), reader);
        }
        for number in 5000..18_524 {
            shares.take(&host(number));
        }
        let most = shares.hosts.iter().max();
        assert_eq!(
            (most, shares.hosts.iter().sum()),
            (Some(&1002), 16_024),
            "{:?}",
            shares.hosts
        );
    }

    #[test]
    fn each_lane_has_its_own_where_they_must_not_mix() {
        let mut shares = ReaderShares::new(false);
        for number in 0..100 {
            let host = host(number);
            assert_eq!(shares.take(&host), lane_of(&host));
        }
    }
}
