//! What a screen leaves out because it never was anything, and who gets its rows.

use super::fixture::{Fixture, PLAIN};
use super::screens::chart;
use crate::protocol::{Process, Sample};

#[test]
fn a_value_that_never_moved_has_no_chart() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    for ago in (0..300_u64).rev() {
        let values = [
            ("cpu", 3.0),
            ("memory", 50.0),
            ("networkReceived", 2e6),
            ("networkSent", 0.0),
        ];
        fixture.sample_at(fixture.now.wall - ago * 1000, &values);
    }
    let constant = chart(&fixture, " Net in", 1).concat();
    // 2 of 5 MB/s.
    assert!(constant.trim().chars().all(|c| c == '▄'), "{constant}");
    let lines = fixture.frame(80, 24, PLAIN);
    let idle = lines
        .iter()
        .find(|line| line.starts_with("   out"))
        .unwrap();
    assert_eq!(idle.trim_end(), "   out    0.0 kB/s");
}

#[test]
fn a_counter_that_never_counted_is_not_shown() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    let now = fixture.now.wall;
    let values = |drops: f64| {
        [
            ("cpu", 3.0),
            ("memory", 50.0),
            ("networkReceived", 2e6),
            ("networkSent", 1e6),
            ("networkDrops", drops),
            ("networkPacketsReceived", 1000.0),
            ("tcpRetransmits", drops),
            ("tcpConnections", 12.0),
            ("listenDrops", drops),
            ("swap", 0.0),
            ("swapIn", 0.0),
            ("oomKills", 0.0),
        ]
    };
    let said = ["drops", "resent", "retransmits", "swap", "OOM"];
    let shown = |fixture: &Fixture| -> Vec<&str> {
        let lines: Vec<String> = [(80, 24), (120, 40), (200, 60)]
            .into_iter()
            .flat_map(|(width, height)| fixture.frame(width, height, PLAIN))
            .filter(|line| !line.contains("NETWORK"))
            .collect();
        let is_shown = |word: &&&str| lines.iter().any(|line| line.contains(**word));
        said.iter().filter(is_shown).copied().collect()
    };
    for ago in (1..300).rev() {
        fixture.sample_at(now - ago * 1000, &values(0.0));
    }
    assert_eq!(shown(&fixture), [""; 0]);
    fixture.sample_at(now, &values(1.5));
    assert_eq!(shown(&fixture), ["drops", "resent", "retransmits"]);
    fixture.sample_at(now + 1000, &values(0.0));
    assert_eq!(
        shown(&fixture),
        ["drops", "resent", "retransmits"],
        "and it stays"
    );
}

#[test]
fn what_never_was_anything_is_not_named() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    let now = fixture.now.wall;
    let values = |rare: f64| {
        [
            ("cpu", 3.0),
            ("cpuUser", 2.0),
            ("cpuSystem", 1.0),
            ("iowait", rare),
            ("steal", rare),
            ("tasksRunnable", 1.0),
            ("tasksBlocked", rare),
            ("memory", 50.0),
            ("memoryDirty", rare * 1e9),
            ("majorFaults", rare),
            ("pressureCpu", 3.0 + rare),
            ("pressureIo", rare),
            ("diskWrites", rare),
        ]
    };
    let rare = [
        "I/O wait", "stolen", "blocked", "blk", "dirty", "faults", "  I/O  ", "w/s",
    ];
    let shown = |fixture: &Fixture| -> Vec<&str> {
        let sizes = [(80, 24), (120, 40), (200, 60)].into_iter();
        let lines: Vec<String> = sizes
            .flat_map(|(width, height)| fixture.frame(width, height, PLAIN))
            .collect();
        let is_shown = |word: &&&str| lines.iter().any(|line| line.contains(**word));
        rare.iter().filter(is_shown).copied().collect()
    };
    for ago in (1..300).rev() {
        fixture.sample_at(now - ago * 1000, &values(0.0));
    }
    assert_eq!(shown(&fixture), [""; 0]);
    fixture.sample_at(now, &values(3.0));
    assert_eq!(shown(&fixture), rare);
    fixture.sample_at(now + 1000, &values(0.0));
    assert_eq!(shown(&fixture), rare, "and it stays");
}

/// How many lines the first chart has, at 200 columns and 60 lines.
fn lines_of_cpu(fixture: &Fixture) -> usize {
    let lines = fixture.frame(200, 60, PLAIN);
    let place = |label: &str| lines.iter().position(|line| line.starts_with(label));
    place(" Memory").unwrap() - place(" CPU").unwrap() - 1
}

#[test]
fn a_calm_cpu_leaves_its_rows_to_others_until_it_is_busy_once() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    let now = fixture.now.wall;
    for (at, cpu, expected) in [(1, 12.0, 11), (2, 61.0, 35), (3, 1.0, 35)] {
        for ago in (0..100).rev() {
            let values = [
                ("cpu", if ago == 0 { cpu } else { 1.0 }),
                ("memory", 50.0),
                ("networkReceived", if ago % 9 == 0 { 2e6 } else { 1e6 }),
                ("networkSent", if ago % 7 == 0 { 1e6 } else { 2e5 }),
                ("diskRead", 0.0),
            ];
            fixture.sample_at(now + at * 100_000 - ago * 1000, &values);
        }
        assert_eq!(lines_of_cpu(&fixture), expected, "{cpu}");
    }
}

#[test]
fn a_rate_that_never_was_is_said_once() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    let names = [
        "cpu",
        "memory",
        "networkReceived",
        "diskRead",
        "networkReceived:eth0",
    ];
    for ago in (0..100).rev() {
        let values = names.map(|name| (name, if name == "cpu" { 3.0 } else { 0.0 }));
        fixture.sample_at(fixture.now.wall - ago * 1000, &values);
    }
    let shown = |(width, height): (usize, usize)| {
        let lines = fixture.frame(width, height, PLAIN);
        let is_shown = |name: &&str| lines.iter().any(|line| line.contains(*name));
        let named = [" Net in", " Disk r", "NETWORK"];
        named
            .into_iter()
            .filter(|name| is_shown(name))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown((80, 24)), [" Net in", " Disk r"]);
    assert_eq!(shown((120, 40)), [" Disk r", "NETWORK"]);
    assert_eq!(shown((200, 60)), [" Disk r", "NETWORK"]);
}

#[test]
fn that_nothing_happened_is_said_in_whole_words() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    for ago in (0..100).rev() {
        let values = [("cpu", 3.0), ("memory", 50.0)];
        fixture.sample_at(fixture.now.wall - ago * 1000, &values);
    }
    for (width, expected) in [
        (80, "nothing happened in the 1 m 39 s held"),
        (45, "nothing happened in 1 m 39 s"),
        (32, "nothing happened"),
    ] {
        let line = fixture.frame(width, 24, PLAIN).swap_remove(1);
        let (said, _) = line.trim().split_once("  ").unwrap_or((line.trim(), ""));
        assert_eq!(said, expected, "{width}");
    }
}

#[test]
fn a_level_never_cuts_a_name_short() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    for ago in (0..100).rev() {
        let busy = if ago < 20 { 96.7 } else { 1.0 };
        let values = [
            ("cpu", 3.0),
            ("memory", 50.0),
            ("cpuThrottled", busy),
            ("pressureCpu", busy),
        ];
        fixture.sample_at(fixture.now.wall - ago * 1000, &values);
    }
    let lines = fixture.frame(120, 40, PLAIN);
    let has = |text: &str| lines.iter().any(|line| line.starts_with(text));
    assert!(has(" Throttled  !!96.7 "), "{lines:#?}");
    assert!(has(" Pressure !!96.7 %"), "{lines:#?}");
}

#[test]
fn what_no_listed_process_uses_in_a_container_is_used_elsewhere() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    let values = |count: f64| [("cpu", 90.0), ("memory", 50.0), ("processCount", count)];
    fixture.sample_at(fixture.now.wall - 1000, &values(1.0));
    let mut shown = |count: f64, (width, height): (usize, usize)| {
        let sample = Sample {
            timestamp: fixture.now.wall,
            values: values(count)
                .map(|(name, value)| (name.into(), value))
                .into(),
            top: Some(vec![Process {
                pid: 1,
                name: "python3".into(),
                cpu: 10.0,
                ..Process::default()
            }]),
            ..Sample::default()
        };
        let place = fixture.position();
        let host = Fixture::name("web-1");
        fixture.state.sample(0, &host, place, &sample, fixture.now);
        let lines = fixture.frame(width, height, PLAIN);
        lines.into_iter().find(|line| line.contains(" 80.0 "))
    };
    for (count, size, expected) in [
        (1.0, (200, 60), "(elsewhere)"),
        (1.0, (120, 40), "(rest)"),
        (2.0, (200, 60), "(1 other)"),
        (12.0, (200, 60), "(11 others)"),
        (12.0, (120, 40), "(11)"),
    ] {
        assert!(shown(count, size).unwrap().contains(expected), "{expected}");
    }
}
