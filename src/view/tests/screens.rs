//! The screen of one host at four sizes, character by character, and what stays where it is.

use std::collections::BTreeSet;

use super::fixture::{ASCII, COLOUR, Fixture, PLAIN};
use super::frames::check;
use crate::view::{Style, Ui};

const SIZES: [(usize, usize); 4] = [(40, 12), (80, 24), (120, 40), (200, 60)];

#[test]
fn an_incident_on_a_small_screen() {
    let fixture = Fixture::incident();
    check(&fixture, (40, 12), PLAIN, "incident-40x12.txt");
}

#[test]
fn an_incident_at_the_usual_size() {
    let fixture = Fixture::incident();
    check(&fixture, (80, 24), PLAIN, "incident-80x24.txt");
}

#[test]
fn an_incident_on_a_wide_screen() {
    let fixture = Fixture::incident();
    check(&fixture, (120, 40), PLAIN, "incident-120x40.txt");
}

#[test]
fn an_incident_on_a_large_screen() {
    let fixture = Fixture::incident();
    check(&fixture, (200, 60), PLAIN, "incident-200x60.txt");
}

#[test]
fn an_incident_in_ascii() {
    let fixture = Fixture::incident();
    check(&fixture, (80, 24), ASCII, "incident-ascii-80x24.txt");
}

#[test]
fn an_incident_in_colour() {
    let fixture = Fixture::incident();
    check(&fixture, (80, 24), COLOUR, "incident-colour-80x24.txt");
}

#[test]
fn an_incident_whose_server_is_gone() {
    let mut fixture = Fixture::incident();
    fixture.lose("connection refused");
    check(&fixture, (80, 24), PLAIN, "incident-stale-80x24.txt");
}

#[test]
fn an_incident_that_is_looked_back_at() {
    let mut fixture = Fixture::incident();
    let moment = fixture.moment("web-1", -320);
    let host = Fixture::name("web-1");
    fixture
        .ui
        .keep_in_view(&moment, &fixture.state, 120, fixture.now);
    fixture.ui.note_live(&fixture.state, &host, fixture.now);
    let back = fixture.look_back("web-1", -320);
    check(&back, (120, 40), PLAIN, "incident-back-120x40.txt");
}

#[test]
fn processes_by_memory() {
    let mut fixture = Fixture::incident();
    fixture.ui.sort_processes(true);
    check(&fixture, (80, 24), PLAIN, "incident-memory-80x24.txt");
}

/// The words of a frame that aren't values, and where they are. The first two lines and the names of processes change with
/// what happens.
fn places(fixture: &Fixture, (width, height): (usize, usize)) -> BTreeSet<(usize, usize, String)> {
    const NAMES: [&str; 12] = [
        "node",
        "postgres",
        "nginx",
        "redis-server",
        "redis",
        "server",
        "metrics",
        "containerd",
        "rustc",
        "ld",
        "lld",
        "web",
    ];
    let mut places = BTreeSet::new();
    for (row, line) in fixture
        .frame(width, height, PLAIN)
        .iter()
        .enumerate()
        .skip(2)
    {
        let cells: Vec<char> = line.chars().collect();
        let mut column = 0;
        for word in cells.split(|c| !c.is_ascii_alphabetic()) {
            let text: String = word.iter().collect();
            let is_label = text.len() > 2 && !NAMES.iter().any(|name| name.starts_with(&text));
            if is_label {
                places.insert((row, column, text));
            }
            column += word.len() + 1;
        }
    }
    places
}

#[test]
fn nothing_moves_from_sample_to_sample() {
    for size in SIZES {
        let mut fixture = Fixture::incident();
        let before = places(&fixture, size);
        assert!(before.len() > 5, "{before:?}");
        for second in 0..60 {
            fixture.next_second();
            let after = places(&fixture, size);
            let changed: Vec<_> = before.symmetric_difference(&after).collect();
            assert!(changed.is_empty(), "{size:?} after {second} s: {changed:?}");
        }
    }
}

/// The chart's rows of the line with `label` and of those below it, at 80 columns.
pub(super) fn chart(fixture: &Fixture, label: &str, rows: usize) -> Vec<String> {
    let lines = fixture.frame(80, 24, PLAIN);
    let first = lines
        .iter()
        .position(|line| line.starts_with(label))
        .unwrap();
    lines[first..first + rows]
        .iter()
        .map(|line| line.chars().skip(22).collect())
        .collect()
}

#[test]
fn a_peak_of_one_sample_stays_visible_at_any_zoom() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    for ago in (0..1200_u64).rev() {
        let cpu = if ago == 200 { 99.0 } else { 3.0 };
        fixture.sample_at(
            fixture.now.wall - ago * 1000,
            &[("cpu", cpu), ("memory", 50.0)],
        );
    }
    for longer in 0..3 {
        let top = chart(&fixture, " CPU", 1).concat();
        assert!(!top.trim().is_empty(), "{longer}: {top}");
        let ui: &mut Ui = &mut fixture.ui;
        ui.zoom(false, &fixture.state);
    }
}

#[test]
fn an_idle_host_has_a_baseline_and_a_gap_has_none() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    for ago in (0..300_u64).rev().filter(|ago| !(100..118).contains(ago)) {
        fixture.sample_at(
            fixture.now.wall - ago * 1000,
            &[("cpu", 0.0), ("memory", 50.0)],
        );
    }
    let lines = fixture.frame(80, 24, PLAIN);
    let bottom = lines.iter().find(|line| line.contains("  0┤")).unwrap();
    let bottom: String = bottom.chars().skip(22).collect();
    let trimmed = bottom.trim();
    assert!(trimmed.chars().all(|c| "⣀⡀⢀ ".contains(c)), "{bottom}");
    assert_eq!(trimmed.split_whitespace().count(), 2, "{bottom}");
}

#[test]
fn a_disk_that_fills_says_when_it_will_be_full() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    let now = fixture.now.wall;
    for ago in (0..300_u32).rev() {
        let grown = 90.0 - f64::from(ago) / 60.0;
        let values = [
            ("cpu", 3.0),
            ("memory", 50.0),
            ("disk:/", 40.0),
            ("disk:/var", grown),
        ];
        fixture.sample_at(now - u64::from(ago) * 1000, &values);
    }
    let lines = fixture.frame(200, 60, PLAIN);
    let title = lines.iter().find(|line| line.contains("FULL IN")).unwrap();
    let end = title.split("FULL IN").next().unwrap().chars().count() + "FULL IN".len();
    let cell = |mount: &str| -> String {
        let row = lines.iter().find(|line| line.contains(mount)).unwrap();
        let text: String = row.chars().take(end).collect();
        text.chars()
            .skip(end - 10)
            .collect::<String>()
            .trim()
            .to_owned()
    };
    assert_eq!(cell("  /var "), "10 m 00 s");
    assert_eq!(cell("  /  "), "-");
}

/// The most lines of the tables beside the charts that are empty together.
fn most_empty(lines: &[String]) -> usize {
    let is_empty = |line: &String| line.chars().skip(125).all(|c| c == ' ');
    let runs = lines.split(|line| !is_empty(line));
    runs.map(<[String]>::len).max().unwrap_or(0)
}

#[test]
fn no_part_of_a_large_screen_is_empty() {
    let fixture = Fixture::incident();
    let lines = fixture.frame(200, 60, PLAIN);
    // The last four lines belong to the charts and the keys.
    assert!(most_empty(&lines[4..56]) <= 3, "{lines:#?}");
}

#[test]
fn a_long_rate_never_touches_its_name() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    let values = [
        ("cpu", 3.0),
        ("memory", 50.0),
        ("networkReceived", 289_500.0),
        ("networkSent", 289_500.0),
        ("diskRead", 289_500.0),
        ("diskWritten", 289_500.0),
    ];
    fixture.sample_at(fixture.now.wall, &values);
    for (width, height) in SIZES {
        let lines = fixture.frame(width, height, PLAIN);
        let rates = lines.iter().filter(|line| line.contains("289.5 kB/s"));
        let rates: Vec<_> = rates.collect();
        assert!(rates.len() >= 2, "{lines:#?}");
        assert!(
            rates.iter().all(|line| line.contains(" 289.5 kB/s")),
            "{rates:#?}"
        );
    }
}

#[test]
fn on_a_small_screen_nothing_is_cut_from_a_line_of_rates() {
    for (read, disk, expected) in [
        (1.2e6, 71.0, " Disk rd   1.2  wr  14.2 MB/s full   71%"),
        (1.2e6, 97.0, " Disk rd   1.2  wr  14.2 MB/s full!! 97%"),
        (4e5, 71.0, " Disk rd 400.0 kB/s  wr  14.2 MB/s"),
    ] {
        let mut fixture = Fixture::new(&["web-1"]);
        fixture.state.connected(0);
        for ago in (0..300).rev() {
            let values = [
                ("cpu", 3.0),
                ("memory", 50.0),
                ("diskRead", read),
                ("diskWritten", 14_200_000.0),
                ("disk", disk),
            ];
            fixture.sample_at(fixture.now.wall - ago * 1000, &values);
        }
        let lines = fixture.frame(40, 12, PLAIN);
        assert!(
            lines.iter().any(|line| line.trim_end() == expected),
            "{expected}: {lines:#?}"
        );
    }
}

#[test]
fn containers_of_the_past_keep_their_rows() {
    let mut past = Fixture::incident();
    let host = Fixture::name("web-1");
    let has_containers = |fixture: &Fixture| {
        let lines = fixture.frame(120, 40, PLAIN);
        lines.iter().any(|line| line.contains("CONTAINER"))
    };
    assert!(has_containers(&past));
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    fixture.hello(0, "web-1", &["cpu", "memory"]);
    fixture.messages = past.messages;
    fixture.sample_at(fixture.now.wall + 1000, &[("cpu", 3.0)]);
    assert!(!has_containers(&fixture));
    fixture.state.put_before(&mut past.state, &host, 900);
    assert!(has_containers(&fixture));
}

#[test]
fn parts_add_up() {
    let fixture = Fixture::incident();
    let lines = fixture.frame(120, 40, PLAIN);
    let number = |label: &str| -> f64 {
        let line = lines.iter().find(|line| line.starts_with(label)).unwrap();
        let text = line[label.len()..].trim_start_matches([' ', '!']);
        text.split(' ').next().unwrap().parse().unwrap()
    };
    let parts = ["   user", "   system", "   I/O wait", "   stolen"].map(number);
    assert!(
        (parts.iter().sum::<f64>() - number(" CPU")).abs() < 0.3,
        "{parts:?}"
    );
    let column = |line: &String| -> Option<f64> {
        let text: String = line.chars().skip(73).take(6).collect();
        text.trim().parse().ok()
    };
    let table = lines.iter().skip_while(|line| !line.contains("PROCESS"));
    let table: Vec<f64> = table.take(13).filter_map(column).collect();
    let used = parts[0] + parts[1];
    assert!(
        (table.iter().sum::<f64>() - used).abs() < 0.5,
        "{table:?} {used}"
    );
}

#[test]
fn without_colour_and_in_ascii_everything_has_the_same_place() {
    let fixture = Fixture::incident();
    for (width, height) in SIZES {
        let letters = |style: Style| -> Vec<String> {
            let lines = fixture.frame(width, height, style);
            let only = |c: char| if c.is_ascii_alphanumeric() { c } else { ' ' };
            lines
                .iter()
                .map(|line| {
                    line.chars()
                        .map(only)
                        .collect::<String>()
                        .trim_end()
                        .to_owned()
                })
                .collect()
        };
        let (plain, ascii) = (letters(PLAIN), letters(ASCII));
        for (plain, ascii) in plain.iter().zip(&ascii) {
            let differ = plain
                .chars()
                .zip(ascii.chars())
                .filter(|(a, b)| a != b && *a != ' ');
            assert_eq!(differ.count(), 0, "{plain}\n{ascii}");
        }
    }
}
