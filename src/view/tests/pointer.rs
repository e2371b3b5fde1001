//! The mouse.

use super::fixture::{Fixture, PLAIN};
use crate::view::Moment;

const SIZES: [(usize, usize); 3] = [(80, 24), (120, 40), (200, 60)];

fn click(fixture: &mut Fixture, place: (usize, usize), size: (usize, usize)) -> Option<Moment> {
    let state = &fixture.state;
    fixture.ui.click(place, size, (state, state), fixture.now)
}

/// The column and the line of `text`.
fn place(lines: &[String], text: &str) -> (usize, usize) {
    let line = lines.iter().position(|line| line.contains(text));
    let line = line.unwrap_or_else(|| panic!("{text}: {lines:#?}"));
    let column = lines[line].split(text).next().unwrap().chars().count();
    (column, line)
}

#[test]
fn a_click_selects_the_process_that_is_there() {
    for size in SIZES {
        let mut fixture = Fixture::incident();
        let lines = fixture.frame(size.0, size.1, PLAIN);
        let (column, line) = place(&lines, "  postgres");
        assert_eq!(click(&mut fixture, (column + 2, line), size), None);
        let selected = fixture.frame(size.0, size.1, super::fixture::COLOUR);
        let marked: Vec<_> = (0..selected.len())
            .filter(|line| selected[*line].contains("\u{1b}[7m"))
            .collect();
        assert_eq!(marked, [line], "{size:?}");
        // The titles, and the rows that stand for many.
        for text in ["PROCESS", "came and went"] {
            let (column, line) = place(&lines, text);
            let before = fixture.ui.clone();
            click(&mut fixture, (column, line), size);
            assert_eq!(format!("{before:?}"), format!("{:?}", fixture.ui), "{text}");
        }
    }
}

#[test]
fn a_click_in_a_chart_looks_at_that_moment() {
    for (size, first) in [
        ((40, 12), 13),
        ((80, 24), 22),
        ((120, 40), 23),
        ((200, 60), 26),
    ] {
        let mut fixture = Fixture::incident();
        let lines = fixture.frame(size.0, size.1, PLAIN);
        let (_, line) = place(&lines, "┤");
        let there = first + 20;
        let moment = click(&mut fixture, (there, line), size).unwrap();
        let host = Fixture::name("web-1");
        fixture
            .ui
            .keep_in_view(&moment, &fixture.state, size.0, fixture.now);
        let (state, now) = fixture.state.as_it_was(&moment, false, fixture.now);
        assert_eq!(moment.host, host);
        let back = Fixture {
            state,
            now,
            ..fixture
        };
        let lines = back.frame(size.0, size.1, super::fixture::COLOUR);
        let cursor = lines.iter().map(|line| cursor(line)).find(Option::is_some);
        assert_eq!(cursor.flatten(), Some(there), "{size:?}: {lines:#?}");
        // Names and the first lines are no charts.
        let mut fixture = Fixture::incident();
        assert_eq!(click(&mut fixture, (3, line), size), None);
        assert_eq!(click(&mut fixture, (there, 0), size), None);
    }
}

#[test]
fn a_click_below_the_charts_of_a_host_without_a_cpu_means_no_moment() {
    let mut fixture = Fixture::new(&["web-1"]);
    fixture.state.connected(0);
    let now = fixture.now.wall;
    for ago in (0..60).rev() {
        let values = [
            ("memory", 50.0),
            ("networkReceived", 2e6),
            ("networkSent", 1e6),
        ];
        fixture.sample_at(now - ago * 1000, &values);
    }
    let size = (40, 12);
    let lines = fixture.frame(size.0, size.1, PLAIN);
    let (_, memory) = place(&lines, " Mem");
    let (_, rates) = place(&lines, " Net");
    assert!(click(&mut fixture, (35, memory), size).is_some());
    assert_eq!(click(&mut fixture, (35, rates), size), None, "{lines:#?}");
}

/// The column of the cursor in a line of a chart.
fn cursor(line: &str) -> Option<usize> {
    let (before, _) = line.split_once("\u{1b}[7m")?;
    let mut text = String::new();
    for (index, part) in before.split("\u{1b}[").enumerate() {
        let shown = if index == 0 {
            part
        } else {
            part.split_once('m')?.1
        };
        text.push_str(shown);
    }
    Some(text.chars().count())
}

#[test]
fn a_click_selects_a_host_and_the_wheel_goes_on() {
    for size in SIZES {
        let mut fixture = Fixture::many(60);
        let lines = fixture.frame(size.0, size.1, PLAIN);
        let line = place(&lines, "HOST  ").1 + 5;
        click(&mut fixture, (10, line), size);
        let marked = |fixture: &Fixture| {
            let lines = fixture.frame(size.0, size.1, PLAIN);
            let line = lines.iter().find(|line| line.starts_with('>')).cloned();
            line.map(|line| line.chars().skip(1).take(12).collect::<String>())
        };
        let wanted: String = lines[line].chars().skip(1).take(12).collect();
        assert_eq!(marked(&fixture), Some(wanted), "{size:?}");
        let (state, now) = (&fixture.state, fixture.now);
        fixture.ui.wheel(false, state, size, now);
        fixture.ui.wheel(true, state, size, now);
        fixture.ui.wheel(false, state, size, now);
        let wanted: String = lines[line + 3].chars().skip(1).take(12).collect();
        assert_eq!(marked(&fixture), Some(wanted), "{size:?}");
        // The first lines are no rows.
        click(&mut fixture, (10, 0), size);
        assert!(marked(&fixture).is_some());
    }
}
