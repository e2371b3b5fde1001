//! How many samples of each host are recorded.

use std::collections::HashMap;

use crate::protocol::{HostName, Update};

/// Counts the samples of each host up to a limit.
pub(super) struct SampleLimit {
    limit: Option<u64>,
    samples: HashMap<HostName, u64>,
}

impl SampleLimit {
    /// `limit` samples of each host; `None` for no limit.
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self {
            limit,
            samples: HashMap::new(),
        }
    }

    /// Counts a message of `host`. Returns whether it is still wanted.
    pub(super) fn admits(&mut self, host: &HostName, update: &Update) -> bool {
        let Some(limit) = self.limit else {
            return true;
        };
        let Update::Numbered(message) = update else {
            if matches!(update, Update::Hello(_)) && !self.samples.contains_key(host) {
                self.samples.insert(host.clone(), 0);
            }
            return true;
        };
        match self.samples.get_mut(host) {
            Some(samples) if *samples >= limit => false,
            Some(samples) => {
                *samples += u64::from(message.alert.is_none());
                true
            }
            // There was no hello before it, so the sink ignores it.
            None => true,
        }
    }

    /// Whether every host has reached the limit.
    pub(super) fn is_reached(&self) -> bool {
        let reached = |limit| {
            !self.samples.is_empty() && self.samples.values().all(|samples| *samples >= limit)
        };
        self.limit.is_some_and(reached)
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::{Numbered, Sample, StreamId};

    use super::*;

    #[test]
    fn each_host_has_its_own_limit_and_alerts_do_not_count() {
        let host = |name: &str| name.parse::<HostName>().unwrap();
        let sample = || {
            Update::Numbered(Numbered {
                host: host("a"),
                stream: StreamId(1),
                seq: 1,
                alert: None,
                sample: Sample::default(),
            })
        };
        let hello = || Update::Hello(Box::default());
        let mut limit = SampleLimit::new(Some(2));
        assert!(!limit.is_reached(), "no host is known");
        for (name, update, is_wanted, is_reached) in [
            ("a", hello(), true, false),
            ("a", sample(), true, false),
            ("b", hello(), true, false),
            ("a", sample(), true, false),
            ("a", sample(), false, false),
            ("b", sample(), true, false),
            ("a", hello(), true, false),
            ("a", sample(), false, false),
            ("b", sample(), true, true),
        ] {
            assert_eq!(limit.admits(&host(name), &update), is_wanted, "{name}");
            assert_eq!(limit.is_reached(), is_reached, "{name}");
        }
        let mut unlimited = SampleLimit::new(None);
        assert!(unlimited.admits(&host("a"), &sample()) && !unlimited.is_reached());
    }
}
