use std::time::Duration;

use super::*;
use crate::source::host::reading::{
    Cpu, DiskCounters, Interface, Memory, Occupancy, Paging, Pressure, Scheduler, Space, Stalls,
    Swap, Tcp, Ticks,
};

mod devices;
mod extremes;
mod names;
mod pressure;
mod processor;

fn ticks(busy: u64, idle: u64, iowait: u64, steal: u64) -> Cpu {
    Cpu::Counted(Ticks {
        user: busy.saturating_sub(steal),
        idle,
        iowait,
        steal,
        ..Ticks::default()
    })
}

fn disk(name: &str, read: u64, written: u64, busy: u64) -> DiskCounters {
    DiskCounters {
        name: name.into(),
        reads: read,
        read,
        writes: written,
        written,
        spent: busy,
        busy,
        queued: busy,
        is_waiting: false,
    }
}

fn interface(name: &str, received: u64, sent: u64, errors: u64) -> Interface {
    Interface {
        name: name.into(),
        received,
        sent,
        packets_received: received,
        packets_sent: sent,
        errors,
        drops: Some(errors),
    }
}

/// A reading and the one `seconds` later, changed by `first` and `second`.
fn pair(
    seconds: f64,
    first: impl Fn(&mut Reading),
    second: impl Fn(&mut Reading),
) -> (Reading, Reading) {
    let mut prev = Reading::begin();
    let mut next = prev.clone();
    next.at += Duration::from_secs_f64(seconds);
    first(&mut prev);
    second(&mut next);
    (prev, next)
}

/// The values two seconds after `first`, one for each name.
#[track_caller]
fn check(
    first: impl Fn(&mut Reading),
    second: impl Fn(&mut Reading),
    expected: &[(&str, Option<f64>)],
) {
    let (prev, next) = pair(2.0, first, second);
    let values = derive(&prev, &next);
    for &(name, value) in expected {
        assert!(values.has(name), "{name} is not spoken of");
        assert_eq!(values.get(name), value, "{name}");
    }
}

#[test]
fn memory_is_total_less_available() {
    check(
        |_| {},
        |r| {
            r.memory = Some(Memory {
                total: 1000,
                available: 250,
            });
            r.swap = Some(Swap {
                total: 300,
                used: 100,
            });
            r.dirty = Some(4096);
            r.load = Some([0.5, 1.25, 2.0]);
        },
        &[
            ("memory", Some(75.0)),
            ("memoryUsed", Some(750.0)),
            ("memoryAvailable", Some(250.0)),
            ("memoryDirty", Some(4096.0)),
            ("swap", Some(33.33)),
            ("load1", Some(0.5)),
            ("load5", Some(1.25)),
            ("load15", Some(2.0)),
        ],
    );
}

fn space(used: u64, available: u64) -> Option<Space> {
    Some(Space {
        used,
        available,
        ..Space::default()
    })
}

#[test]
fn the_fullest_filesystem_represents_all() {
    check(
        |_| {},
        |r| {
            r.spaces = vec![
                ("/".into(), space(50, 50)),
                ("/data".into(), space(90, 10)),
                ("/hung".into(), None),
                ("/nothing".into(), space(0, 0)),
            ];
        },
        &[
            ("disk", Some(90.0)),
            ("disk:/", Some(50.0)),
            ("disk:/data", Some(90.0)),
            ("disk:/hung", None),
            ("disk:/nothing", None),
        ],
    );
    check(
        |_| {},
        |r| r.spaces = vec![("/hung".into(), None)],
        &[("disk", None), ("diskFree:/hung", None)],
    );
}

#[test]
fn disks_add_up_and_the_busiest_represents_all() {
    check(
        |r| r.disks = vec![disk("sda", 1000, 0, 0), disk("sdb", 0, 500, 100)],
        |r| r.disks = vec![disk("sda", 3000, 10, 500), disk("sdb", 2, 700, 1900)],
        &[
            ("diskRead", Some(1001.0)),
            ("diskWritten", Some(105.0)),
            ("diskBusy", Some(90.0)),
            ("diskRead:sda", Some(1000.0)),
            ("diskWritten:sdb", Some(100.0)),
            ("diskBusy:sda", Some(25.0)),
            ("diskBusy:sdb", Some(90.0)),
        ],
    );
}

#[test]
fn a_new_device_counts_from_its_second_reading() {
    check(
        |r| r.interfaces = vec![interface("eth1", 100, 0, 0)],
        |r| {
            r.interfaces = vec![
                interface("eth0", 1_000_000, 0, 0),
                interface("eth1", 300, 0, 0),
            ];
        },
        &[
            ("networkReceived", Some(100.0)),
            ("networkReceived:eth0", None),
            ("networkReceived:eth1", Some(100.0)),
        ],
    );
    check(
        |r| r.interfaces = vec![],
        |r| r.interfaces = vec![interface("eth0", 9, 9, 9)],
        &[("networkReceived", None), ("networkErrors", None)],
    );
}

#[test]
fn a_removed_device_does_not_affect_the_rest() {
    let (prev, next) = pair(
        2.0,
        |r| {
            r.interfaces = vec![interface("eth0", 0, 0, 0), interface("eth1", 0, 0, 0)];
        },
        |r| r.interfaces = vec![interface("eth1", 10, 20, 3)],
    );
    let values = derive(&prev, &next);
    assert_eq!(values.get("networkReceived"), Some(5.0));
    assert_eq!(values.get("networkSent"), Some(10.0));
    assert_eq!(values.get("networkErrors"), Some(1.5));
    assert!(!values.has("networkReceived:eth0"));
}

#[test]
fn a_counter_that_goes_back_makes_its_sum_absent_once() {
    let fallen = |r: &mut Reading| {
        r.interfaces = vec![interface("eth0", 5, 100, 0), interface("eth1", 200, 0, 0)];
    };
    check(
        |r| {
            r.interfaces = vec![interface("eth0", 1000, 0, 0), interface("eth1", 100, 0, 0)];
        },
        fallen,
        &[
            ("networkReceived", None),
            ("networkReceived:eth0", None),
            ("networkReceived:eth1", Some(50.0)),
            ("networkSent", Some(50.0)),
        ],
    );
    check(
        fallen,
        |r| {
            r.interfaces = vec![interface("eth0", 25, 100, 0), interface("eth1", 200, 0, 0)];
        },
        &[
            ("networkReceived", Some(10.0)),
            ("networkReceived:eth0", Some(10.0)),
        ],
    );
}

fn tcp(retransmits: u64, accepted: u64) -> impl Fn(&mut Reading) {
    move |r| {
        r.tcp = Some(Tcp {
            retransmits,
            accepted,
            established: Some(7),
        });
    }
}

#[test]
fn own_connections_do_not_count_as_requests() {
    check(
        tcp(3, 1000),
        |r| {
            tcp(4, 1050)(r);
            r.agent.accepted = 10;
        },
        &[
            ("requestsPerSecond", Some(20.0)),
            ("tcpRetransmits", Some(0.5)),
        ],
    );
    check(
        tcp(0, 1000),
        |r| {
            tcp(0, 1001)(r);
            r.agent.accepted = 2;
        },
        &[("requestsPerSecond", Some(0.0))],
    );
    check(
        |_| {},
        tcp(0, 1000),
        &[("requestsPerSecond", None), ("tcpRetransmits", None)],
    );
}

#[test]
fn counters_and_measures_are_parsed() {
    check(
        paging(7),
        |r| {
            paging(9)(r);
            r.process_count = Some(101);
            r.uptime = Some(3600);
            r.users = Some(0);
        },
        &[
            ("oomKills", Some(1.0)),
            ("majorFaults", Some(1.0)),
            ("swapIn", Some(1.0)),
            ("swapOut", Some(1.0)),
            ("processCount", Some(101.0)),
            ("uptime", Some(3600.0)),
            ("activeUsers", Some(0.0)),
        ],
    );
}

fn occupied(used: u64, limit: u64) -> Option<Occupancy> {
    Some(Occupancy { used, limit })
}

#[test]
fn connections_and_tables_are_measured() {
    check(
        |r| r.listen_drops = Some(10),
        |r| {
            tcp(1, 1)(r);
            r.listen_drops = Some(184);
            r.descriptors = occupied(3, 400);
            r.conntrack = occupied(10, 8);
        },
        &[
            ("tcpConnections", Some(7.0)),
            ("listenDrops", Some(87.0)),
            ("fileDescriptors", Some(0.75)),
            ("conntrack", Some(100.0)),
        ],
    );
    check(
        |_| {},
        |r| r.descriptors = occupied(0, 0),
        &[("fileDescriptors", None)],
    );
}

fn paging(count: u64) -> impl Fn(&mut Reading) {
    move |r| {
        r.paging = Paging {
            swapped_in: Some(count),
            swapped_out: Some(count),
            major_faults: Some(count),
            oom_kills: Some(count),
        };
    }
}

/// Each total is `count` more than the one before it.
fn pressure(count: u64) -> impl Fn(&mut Reading) {
    move |r| {
        let at = r.at;
        let stalls = |some: u64| {
            Some(Stalls {
                at,
                some: Some(some),
                all: Some(some),
            })
        };
        r.pressure = Pressure {
            cpu: stalls(count),
            memory: stalls(count.saturating_mul(2)),
            io: stalls(count.saturating_mul(3)),
        };
    }
}

#[test]
fn the_hottest_sensor_represents_all() {
    check(
        |_| {},
        |r| {
            r.temperatures = vec![
                ("cpu".into(), Some(51.5)),
                ("nvme".into(), Some(-3.0)),
                ("board".into(), None),
            ];
        },
        &[
            ("temperature", Some(51.5)),
            ("temperature:nvme", Some(-3.0)),
            ("temperature:board", None),
        ],
    );
}

#[test]
fn implausible_temperatures_are_absent() {
    let readings = [
        65_261.85,
        -273.15,
        f64::MAX,
        f64::NAN,
        150.001,
        -60.001,
        150.0,
        -60.0,
        41.5,
    ];
    let name = |place: usize| format!("temperature:{place}");
    for (place, celsius) in readings.into_iter().enumerate() {
        let expected = (6 <= place).then_some(celsius);
        let sensors = vec![
            (place.to_string().into(), Some(celsius)),
            ("none".into(), None),
        ];
        check(
            |_| {},
            |r| r.temperatures.clone_from(&sensors),
            &[("temperature", expected), (&name(place), expected)],
        );
    }
}

#[test]
fn the_agent_is_a_share_of_the_machine() {
    check(
        |r| r.agent.cpu = Some(Duration::from_millis(100)),
        |r| {
            r.agent.cpu = Some(Duration::from_millis(140));
            r.agent.memory = Some(4096);
            r.agent.viewers = 3;
            r.cores = vec![(0, ticks(0, 0, 0, 0)), (1, ticks(0, 0, 0, 0))];
        },
        &[
            ("agentCpu", Some(1.0)),
            ("agentMemory", Some(4096.0)),
            ("viewers", Some(3.0)),
        ],
    );
}

/// A reading in which everything counts.
fn full(count: u64) -> impl Fn(&mut Reading) {
    move |r| {
        r.cpu = Some(ticks(count, count, count, count));
        r.cores = vec![(0, ticks(count, count, count, count))];
        r.disks = vec![disk("sda", count, count, count)];
        r.interfaces = vec![interface("eth0", count, count, count)];
        r.listen_drops = Some(count);
        r.descriptors = occupied(count, count);
        r.conntrack = occupied(count, count);
        paging(count)(r);
        pressure(count)(r);
        r.scheduler = Scheduler {
            runnable: Some(count),
            blocked: Some(count),
            switches: Some(count),
            forks: Some(count),
        };
        r.agent.cpu = Some(Duration::from_millis(count));
        tcp(count, count)(r);
    }
}

#[test]
fn without_a_number_of_cores_there_are_no_shares() {
    check(
        |r| r.agent.cpu = Some(Duration::from_millis(100)),
        |r| r.agent.cpu = Some(Duration::from_millis(140)),
        &[("agentCpu", None)],
    );
}
