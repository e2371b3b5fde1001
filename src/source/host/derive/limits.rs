//! How much of its CPU quota a container uses, and how often it has to wait for more.

use super::{ReadingPair, percent};
use crate::source::host::columns::DerivedValues;
use crate::source::host::reading::CpuLimit;

impl ReadingPair<'_> {
    /// If several groups around each other have a limit, the one that is closest to it counts.
    pub(super) fn cpu_limits(&self, values: &mut DerivedValues) {
        let now = &self.next.cpu_limits;
        if now.is_empty() {
            return;
        }
        let largest = |share: &dyn Fn(&CpuLimit, &CpuLimit) -> Option<f64>| {
            let shares = now.iter().filter_map(|now| {
                let mut before = self.prev.cpu_limits.iter();
                share(before.find(|before| before.name == now.name)?, now)
            });
            shares.reduce(f64::max)
        };
        let quota = |before: &CpuLimit, now: &CpuLimit| {
            let microseconds = self.rate(before.used?, now.used?)?;
            Some(microseconds / now.cores / 10_000.0)
        };
        values.percent("cpuQuota", largest(&quota));
        values.percent("cpuThrottled", largest(&throttled));
    }
}

/// The share of periods; none was throttled if there was none.
fn throttled(before: &CpuLimit, now: &CpuLimit) -> Option<f64> {
    let periods = now.periods?.checked_sub(before.periods?)?;
    let throttled = now.throttled?.checked_sub(before.throttled?)?;
    percent(throttled, periods).or(Some(0.0))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::source::host::derive::derive;
    use crate::source::host::reading::{CpuLimit, Reading};

    fn limit(name: &str, cores: f64, counters: [u64; 3]) -> CpuLimit {
        let [used, periods, throttled] = counters.map(Some);
        CpuLimit {
            name: name.into(),
            cores,
            used,
            periods,
            throttled,
        }
    }

    /// Two readings, 3 s apart.
    #[track_caller]
    fn check(before: Vec<CpuLimit>, now: Vec<CpuLimit>, expected: [Option<f64>; 2]) {
        let mut prev = Reading::begin();
        prev.cpu_limits = before;
        let mut next = prev.clone();
        next.at += Duration::from_secs(3);
        next.cpu_limits = now;
        let values = derive(&prev, &next);
        let found = ["cpuQuota", "cpuThrottled"].map(|name| values.get(name));
        assert_eq!(found, expected);
        assert_eq!(values.has("cpuQuota"), !next.cpu_limits.is_empty());
    }

    #[test]
    fn a_loop_limited_to_a_fifth_of_a_core_uses_all_of_it() {
        check(
            vec![limit("/", 0.2, [5_000_000, 100, 40])],
            vec![limit("/", 0.2, [5_594_000, 130, 59])],
            [Some(99.0), Some(63.33)],
        );
    }

    #[test]
    fn an_idle_container_is_not_throttled() {
        let idle = || vec![limit("/", 2.0, [7, 5, 3])];
        check(idle(), idle(), [Some(0.0), Some(0.0)]);
    }

    #[test]
    fn the_tightest_of_several_limits_counts() {
        check(
            vec![limit("/a/b", 2.0, [0, 0, 0]), limit("/a", 1.0, [0, 0, 0])],
            vec![
                limit("/a/b", 2.0, [600_000, 30, 15]),
                limit("/a", 1.0, [1_500_000, 30, 3]),
            ],
            [Some(50.0), Some(50.0)],
        );
    }

    #[test]
    fn counters_of_another_group_or_going_backwards_give_no_value() {
        let now = || vec![limit("/b", 1.0, [9, 9, 9])];
        check(vec![limit("/a", 1.0, [0, 0, 0])], now(), [None, None]);
        check(vec![limit("/b", 1.0, [10, 10, 10])], now(), [None, None]);
        check(vec![], now(), [None, None]);
        check(now(), vec![], [None, None]);
        let mut unread = limit("/b", 1.0, [10, 10, 10]);
        (unread.used, unread.throttled) = (None, None);
        check(now(), vec![unread], [None, None]);
    }
}
