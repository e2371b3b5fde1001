//! The page of several hosts.

use super::fixture::{ASCII, Fixture, PLAIN};
use super::frames::check;
use crate::protocol::{Hello, Replay, Sample, StreamId, describe};
use crate::view::Navigation;

#[test]
fn several_hosts_on_a_large_terminal() {
    let mut fixture = Fixture::incident();
    for host in ["db-1", "web-2"] {
        let values = [
            ("cpu", 12.5),
            ("memory", 41.0),
            ("diskRead", 2e5),
            ("diskWritten", 3.1e6),
        ];
        fixture.hello(0, host, &["cpu", "memory", "diskRead", "diskWritten"]);
        for n in 0..30 {
            fixture.sample(0, host, n, &values);
        }
    }
    check(&fixture, (200, 60), PLAIN, "fleet-200x60.txt");
}

/// The rows of a screen that are marked as selected, by their names.
fn selected(fixture: &Fixture) -> String {
    let lines = fixture.frame(120, 24, PLAIN);
    let line = lines.iter().find(|line| line.starts_with('>'));
    line.map_or_else(String::new, |line| {
        line.split_whitespace().nth(1).unwrap().to_owned()
    })
}

#[test]
fn pages_of_rows_are_as_long_as_the_screen_shows() {
    let mut fixture = Fixture::many(60);
    let lines = fixture.frame(120, 24, PLAIN);
    let names: Vec<_> = lines.iter().filter(|line| line.contains("host-")).collect();
    let room = names.len();
    assert!(10 < room && room < 24, "{lines:#?}");
    let mut step = |step| {
        fixture.ui.step(step, &fixture.state, 120, 24, fixture.now);
        selected(&fixture)
    };
    let first = step(Navigation::First);
    assert_eq!(first, "host-000");
    let below = step(Navigation::PageDown);
    for _ in 0..room {
        step(Navigation::Up);
    }
    assert_eq!(step(Navigation::Up), first, "a page is {room} rows");
    assert_eq!(step(Navigation::PageDown), below);
    assert_eq!(step(Navigation::Last), "host-059");
    assert_eq!(step(Navigation::PageDown), "host-059");
    step(Navigation::PageUp);
    for _ in 0..10 {
        step(Navigation::PageUp);
    }
    assert_eq!(selected(&fixture), first);
}

#[test]
fn the_order_has_a_mark_at_its_column() {
    let mut fixture = Fixture::fleet();
    for (unicode, ascii) in [
        ("AND WHO▼", "AND WHOv"),
        ("HOST▲", "HOST^"),
        ("CPU %▼", "CPU %v"),
        ("MEM %▼", "MEM %v"),
        ("DISK %▼", "DISK %v"),
        ("LOAD/C▼", "LOAD/Cv"),
        ("IN MB▼", "IN MBv"),
    ] {
        let titles = |fixture: &Fixture, style| {
            let lines = fixture.frame(120, 24, style);
            lines
                .into_iter()
                .find(|line| line.contains("HOST"))
                .unwrap()
        };
        let shown = titles(&fixture, PLAIN);
        assert!(shown.contains(unicode), "{unicode}: {shown}");
        assert_eq!(shown.matches(['▲', '▼']).count(), 1, "{shown}");
        assert!(titles(&fixture, ASCII).contains(ascii), "{ascii}");
        fixture.ui.reverse();
        let turned = if unicode.ends_with('▼') {
            '▲'
        } else {
            '▼'
        };
        let shown = titles(&fixture, PLAIN);
        let expected = format!("{}{turned}", unicode.trim_end_matches(['▲', '▼']));
        assert!(shown.contains(&expected), "{expected}: {shown}");
        fixture.ui.sort();
    }
}

#[test]
fn the_screen_below_the_rows_is_that_of_the_selected_host() {
    let mut fixture = Fixture::fleet();
    let rule = |fixture: &Fixture| {
        let lines = fixture.frame(80, 24, PLAIN);
        let rule = lines.into_iter().find(|line| line.starts_with("── "));
        rule.map(|line| line.split_whitespace().nth(1).unwrap().to_owned())
    };
    assert_eq!(rule(&fixture).as_deref(), Some("web-2"));
    fixture.step(Navigation::Last);
    assert_eq!(rule(&fixture).as_deref(), Some("web-1"));
    // There is no room for it, or nothing to show.
    assert!(
        !fixture
            .frame(80, 10, PLAIN)
            .iter()
            .any(|line| line.starts_with("── "))
    );
    let empty = Fixture::new(&["a", "b"]);
    assert_eq!(rule(&empty), None);
}

/// A fleet of recordings that are played, ten times as fast, a year ago.
fn replays() -> Fixture {
    let mut fixture = Fixture::new(&["relay"]);
    fixture.state.connected(0);
    let last = fixture.now.wall - 365 * 86_400_000;
    for name in ["db-1", "db-2"] {
        let hello = Hello {
            stream: StreamId(1),
            interval: 1000,
            metrics: ["cpu", "memory"].map(|name| describe(name, 1)).into(),
            replay: Some(Replay {
                speed: Some(10.0),
                first: Some(last - 600_000),
                last: Some(last),
                ..Replay::default()
            }),
            ..Hello::default()
        };
        let host = Fixture::name(name);
        fixture.state.hello(0, &host, &hello);
        for ago in (300..600_u64).rev() {
            let sample = Sample {
                timestamp: last - ago * 1000,
                values: vec![("cpu".into(), 31.0), ("memory".into(), 62.0)],
                ..Sample::default()
            };
            let place = fixture.position();
            fixture.state.sample(0, &host, place, &sample, fixture.now);
        }
    }
    fixture
}

#[test]
fn a_fleet_of_replays_is_not_live_and_says_its_date() {
    for width in [80, 120] {
        let lines = replays().frame(width, 24, PLAIN);
        let expected = "▷ REPLAY ×10  24 Nov 14:02:31 UTC";
        assert!(lines[0].trim_end().ends_with(expected), "{}", lines[0]);
        assert!(!lines[0].contains("LIVE"));
    }
    // Among hosts that are live, it is one of them.
    let mut mixed = replays();
    mixed.hello(0, "web-1", &["cpu"]);
    mixed.sample(0, "web-1", 29, &[("cpu", 3.0)]);
    let lines = mixed.frame(80, 24, PLAIN);
    assert!(lines[0].contains("● LIVE  14:07:31"), "{}", lines[0]);
}

#[test]
fn a_host_that_is_over_has_the_mark_that_the_header_counts() {
    let mut fixture = replays();
    fixture.state.host_ended(&Fixture::name("db-2"));
    let lines = fixture.frame(80, 24, PLAIN);
    assert!(lines[0].contains("■ 1 over"), "{}", lines[0]);
    let row = lines.iter().find(|line| line.contains("db-2")).unwrap();
    assert!(row.starts_with(" ■  db-2"), "{row}");
}

#[test]
fn a_replay_never_shows_a_time_without_its_day() {
    let mut fixture = replays();
    fixture.step(Navigation::Enter);
    let has_time = |word: &str| {
        let digits = word.trim_start_matches(['╵', '▲', '△', '!', '┃']);
        let parts: Vec<_> = digits.split(':').collect();
        let is_number = |part: &&str| part.len() == 2 && part.chars().all(|c| c.is_ascii_digit());
        2 <= parts.len() && parts.iter().all(is_number)
    };
    for size in [(80, 24), (120, 40), (200, 60), (40, 12)] {
        let lines = fixture.frame(size.0, size.1, PLAIN);
        let mut seen = 0;
        for line in lines.iter().filter(|line| !line.starts_with("── ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            for (index, word) in words.iter().enumerate().filter(|(_, word)| has_time(word)) {
                let before = index.checked_sub(1).and_then(|index| words.get(index));
                assert_eq!(before, Some(&"Nov"), "{word} in {line}");
                seen += 1;
            }
        }
        assert!(0 < seen, "{lines:#?}");
    }
}
