//! What each disk and interface does, and all of them together.

use super::*;

fn busy_disk(name: &str, reads: u64, writes: u64, spent: u64, queued: u64) -> DiskCounters {
    DiskCounters {
        reads,
        writes,
        spent,
        queued,
        ..disk(name, 0, 0, 0)
    }
}

#[test]
fn operations_have_a_rate_a_mean_time_and_a_queue() {
    check(
        |r| r.disks = vec![busy_disk("sda", 10, 20, 5, 9), busy_disk("sdb", 0, 0, 0, 0)],
        |r| {
            r.disks = vec![
                busy_disk("sda", 20, 50, 105, 1009),
                busy_disk("sdb", 10, 0, 300, 5000),
            ];
        },
        &[
            ("diskReads", Some(10.0)),
            ("diskWrites", Some(15.0)),
            ("diskAwait", Some(8.0)),
            ("diskQueue", Some(3.0)),
            ("diskReads:sda", Some(5.0)),
            ("diskWrites:sda", Some(15.0)),
            ("diskAwait:sda", Some(2.5)),
            ("diskQueue:sda", Some(0.5)),
            ("diskAwait:sdb", Some(30.0)),
            ("diskQueue:sdb", Some(2.5)),
        ],
    );
}

#[test]
fn a_disk_with_nothing_to_do_has_no_wait_and_a_stuck_one_an_unknown_one() {
    let idle = |r: &mut Reading| r.disks = vec![busy_disk("sda", 1, 1, 9, 9)];
    let awaits = ["diskAwait", "diskAwait:sda"];
    check(idle, idle, &awaits.map(|name| (name, Some(0.0))));
    let stuck = |r: &mut Reading| {
        idle(r);
        r.disks[0].is_waiting = true;
    };
    check(idle, stuck, &awaits.map(|name| (name, None)));
    // Its counter of milliseconds starts over every 50 days.
    let over = |r: &mut Reading| r.disks = vec![busy_disk("sda", 2, 2, 0, 0)];
    check(idle, over, &awaits.map(|name| (name, None)));
    check(idle, over, &[("diskReads", Some(0.5)), ("diskQueue", None)]);
}

#[test]
fn packets_and_drops_are_counted_where_the_system_counts_them() {
    let at = |count: u64, drops: Option<u64>| Interface {
        packets_received: 10 * count,
        packets_sent: 4 * count,
        drops,
        ..interface("eth0", 0, 0, 0)
    };
    check(
        |r| r.interfaces = vec![at(1, Some(3))],
        |r| r.interfaces = vec![at(2, Some(4))],
        &[
            ("networkPacketsReceived", Some(5.0)),
            ("networkPacketsSent:eth0", Some(2.0)),
            ("networkDrops", Some(0.5)),
            ("networkDrops:eth0", Some(0.5)),
        ],
    );
    let unknown = |r: &mut Reading| r.interfaces = vec![at(1, None)];
    let (prev, next) = pair(2.0, unknown, unknown);
    let values = derive(&prev, &next);
    assert!(values.has("networkPacketsSent"));
    assert!(!values.has("networkDrops") && !values.has("networkDrops:eth0"));
}

#[test]
fn filesystems_have_free_bytes_a_size_and_perhaps_inodes() {
    let with = |inodes| {
        Some(Space {
            used: 50,
            available: 40,
            size: 100,
            inodes,
        })
    };
    let full = Occupancy {
        used: 1024,
        limit: 1024,
    };
    let free = Occupancy { used: 6, ..full };
    let spaces = vec![
        ("/".into(), with(Some(free))),
        ("/data".into(), with(Some(full))),
        ("/btrfs".into(), with(None)),
        ("/hung".into(), None),
    ];
    let (prev, next) = pair(2.0, |_| {}, |r| r.spaces.clone_from(&spaces));
    let values = derive(&prev, &next);
    for (name, expected) in [
        ("diskFree:/", 40.0),
        ("diskSize:/data", 100.0),
        ("inodes:/", 0.59),
        ("inodes:/data", 100.0),
        ("inodes", 100.0),
    ] {
        assert_eq!(values.get(name), Some(expected), "{name}");
    }
    assert!(values.has("diskSize:/hung") && values.get("diskSize:/hung").is_none());
    for name in ["diskFree", "diskSize", "inodes:/btrfs", "inodes:/hung"] {
        assert!(!values.has(name), "{name}");
    }
}
