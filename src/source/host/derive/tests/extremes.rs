//! Counters and clocks at their extremes: no time, no change, one event, a leap, a step back.

use super::*;

/// The result of each subtraction of two kernel values if the second is above the first, or far below it.
#[test]
fn no_subtraction_wraps_and_no_counter_jumps() {
    const HUGE: u64 = u64::MAX;
    type Case = (u64, u64, &'static [&'static str]);
    let cases: [Case; 4] = [
        (10, 9, RATES),
        (HUGE, 0, RATES),
        (0, HUGE, RATES),
        (1, HUGE - 1, RATES),
    ];
    for (before, now, names) in cases {
        let (mut prev, mut next) = pair(2.0, full(before), full(now));
        // Our own connections are not a kernel counter.
        (prev.agent.cpu, next.agent.cpu) = (None, None);
        let values = derive(&prev, &next);
        for name in names.iter().filter(|name| **name != "agentCpu") {
            assert_eq!(values.get(name), None, "{before} {now} {name}");
        }
    }
    for (before, now) in [(10, 9), (HUGE, 0), (0, HUGE)] {
        let (prev, next) = pair(2.0, full(before), full(now));
        let values = derive(&prev, &next);
        for name in ["cpu", "cpu:0", "iowait", "steal", "cpuUser", "cpuSystem"] {
            assert_eq!(values.get(name), None, "{before} {now} {name}");
        }
    }
    let (prev, next) = pair(2.0, |r| r.agent.accepted = HUGE, tcp(0, 5));
    assert_eq!(derive(&prev, &next).get("requestsPerSecond"), None);
    check(
        |_| {},
        |r| {
            r.memory = Some(Memory {
                total: 10,
                available: HUGE,
            });
            r.swap = Some(Swap {
                total: 10,
                used: HUGE,
            });
            r.spaces = vec![("/".into(), space(HUGE, HUGE))];
        },
        &[
            ("memory", Some(0.0)),
            ("memoryUsed", Some(0.0)),
            ("swap", Some(100.0)),
            ("disk:/", Some(100.0)),
        ],
    );
}

const RATES: &[&str] = &[
    "diskRead",
    "diskWritten",
    "diskBusy",
    "diskRead:sda",
    "diskWritten:sda",
    "diskBusy:sda",
    "diskReads",
    "diskWrites",
    "diskQueue",
    "diskReads:sda",
    "diskWrites:sda",
    "diskQueue:sda",
    "networkReceived",
    "networkSent",
    "networkErrors",
    "networkReceived:eth0",
    "networkSent:eth0",
    "networkErrors:eth0",
    "networkPacketsReceived",
    "networkPacketsSent",
    "networkDrops",
    "networkPacketsReceived:eth0",
    "networkPacketsSent:eth0",
    "networkDrops:eth0",
    "tcpRetransmits",
    "listenDrops",
    "requestsPerSecond",
    "swapIn",
    "swapOut",
    "majorFaults",
    "oomKills",
    "pressureCpu",
    "pressureMemory",
    "pressureIo",
    "pressureMemoryFull",
    "pressureIoFull",
    "contextSwitches",
    "forks",
    "agentCpu",
];

#[test]
fn a_baseline_names_everything_and_rates_nothing() {
    let (baseline, _) = pair(0.0, full(1_000_000), |_| {});
    let values = derive(&baseline, &baseline);
    for name in ["cpu", "iowait", "steal", "cpu:0", "cpuUser", "cpuSystem"]
        .iter()
        .chain(RATES)
    {
        assert!(values.has(name), "{name}");
        assert_eq!(values.get(name), None, "{name}");
    }
}

#[test]
fn no_time_gives_no_rate() {
    let (prev, next) = pair(0.000_5, full(10), full(20));
    let values = derive(&prev, &next);
    for name in RATES {
        assert_eq!(values.get(name), None, "{name}");
    }
    // Ticks measure their own time.
    assert_eq!(values.get("cpu"), Some(33.33));
}

#[test]
fn the_wall_clock_has_no_part_in_rates() {
    let (prev, mut next) = pair(2.0, full(10), full(30));
    for timestamp in [prev.timestamp + 9 * 3_600_000, prev.timestamp - 60_000] {
        next.timestamp = timestamp;
        let values = derive(&prev, &next);
        assert_eq!(values.get("diskRead"), Some(10.0));
        assert_eq!(values.get("tcpRetransmits"), Some(10.0));
    }
}

/// One event in a step of any length is visible, and adds up to about one again.
#[test]
fn a_rare_event_is_visible_in_every_rate() {
    for seconds in [1.0, 7.0, 180.0, 250.0, 3600.0, 86_400.0] {
        let (prev, next) = pair(seconds, full(1_000), full(1_001));
        let values = derive(&prev, &next);
        for name in RATES {
            let value = values.get(name).unwrap();
            assert!(0.0 < value, "{name} is {value} after {seconds} s");
        }
        for name in ["oomKills", "tcpRetransmits", "requestsPerSecond"] {
            let events = values.get(name).unwrap() * seconds;
            assert!(
                (0.95..1.05).contains(&events),
                "{name}: {events} in {seconds} s"
            );
        }
    }
    let (prev, next) = pair(250.0, paging(3), paging(4));
    assert_eq!(derive(&prev, &next).get("oomKills"), Some(0.004));
}

/// Every share with a tiny part.
#[test]
fn a_small_share_is_not_zero() {
    check(
        |r| {
            r.cpu = Some(ticks(0, 0, 0, 0));
            r.cores = vec![(0, ticks(0, 0, 0, 0))];
        },
        |r| {
            r.cpu = Some(ticks(2, 100_000, 1, 1));
            r.cores = vec![(0, ticks(1, 99_999, 0, 0))];
            r.swap = Some(Swap {
                total: 1 << 30,
                used: 4096,
            });
            let space = Space {
                used: 1,
                available: 1_000_000,
                ..Space::default()
            };
            r.spaces = vec![("/".into(), Some(space))];
        },
        &[
            ("cpu", Some(0.002)),
            ("iowait", Some(0.001)),
            ("steal", Some(0.001)),
            ("cpu:0", Some(0.001)),
            ("swap", Some(0.000_38)),
            ("disk", Some(0.0001)),
            ("disk:/", Some(0.0001)),
        ],
    );
}
