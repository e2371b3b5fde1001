//! No line is ever wider than the terminal.

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::fixture::{ASCII, COLOUR, Fixture, PLAIN};
use crate::view::{Navigation, Style};

const SCENES: usize = 16;

/// All kinds of contents.
fn scene(number: usize) -> Fixture {
    match number {
        0 => Fixture::one_host(),
        1 => {
            let mut fixture = Fixture::one_host();
            fixture.fire("web-1");
            fixture.lose("a reason that is much longer than any terminal is wide, データベース and so on, without an end");
            fixture
        }
        2 => Fixture::fleet(),
        3 => Fixture::many(300),
        4 => Fixture::new(&[]),
        5 => {
            let mut fixture = Fixture::new(&[
                "データベース・データベース・データベース・データベース.example.com",
                &"x".repeat(200),
            ]);
            fixture.lose_server(0, "データベース");
            fixture
        }
        6 => Fixture::hostile(),
        7 => Fixture::one_host().look_back("web-1", -12),
        8 => {
            let mut fixture = Fixture::fleet().look_back("web-2", -3);
            fixture.ui.begin_filter();
            "a-long-filter-that-no-host-has"
                .chars()
                .for_each(|c| fixture.ui.type_letter(c));
            fixture
        }
        9 => Fixture::eight_alerts(),
        10..=14 => {
            let mut fixture = match number {
                10 => Fixture::eventful(),
                11 => Fixture::eventful_fleet(),
                12 => Fixture::hostile(),
                13 => Fixture::many(300),
                _ => Fixture::new(&["web-1"]),
            };
            fixture.ui.open_events();
            fixture.ui.reading = number == 11;
            fixture
        }
        _ => Fixture::hostile().look_back(&"x".repeat(64), -3),
    }
}

/// The width of `line` without its colours; fails on any other sequence.
fn columns(line: &str) -> usize {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        text.push_str(before);
        let (parameters, after) = after.split_once('m').unwrap();
        assert!(
            parameters.chars().all(|c| c.is_ascii_digit() || c == ';'),
            "{line:?}"
        );
        rest = after;
    }
    text.push_str(rest);
    assert!(!text.chars().any(char::is_control), "{line:?}");
    text.width()
}

#[track_caller]
fn check(fixture: &Fixture, width: usize, height: usize, style: Style) {
    let lines = fixture.frame(width, height, style);
    assert_eq!(lines.len(), height);
    for line in &lines {
        assert!(columns(line) <= width, "{width}x{height}: {line:?}");
        assert!(style.colour || !line.contains('\x1b'), "{line:?}");
        assert!(style.unicode || line.is_ascii(), "{line:?}");
    }
}

#[test]
fn every_width_fits() {
    for number in 0..SCENES {
        let fixture = scene(number);
        // Each scene uses some of the widths, the large ones fewer; together they use all.
        let every = if matches!(number, 3 | 6 | 12 | 13 | 15) {
            11
        } else {
            5
        };
        for width in (40 + number % every..=300).step_by(every) {
            let style = [COLOUR, PLAIN, ASCII][width % 3];
            check(&fixture, width, 5 + (width * 7) % 96, style);
        }
    }
}

#[test]
fn every_height_fits() {
    for number in 0..SCENES {
        let fixture = scene(number);
        for height in (5 + number % 4..=100).step_by(4) {
            check(&fixture, 40 + (height * 11) % 100, height, COLOUR);
        }
    }
}

#[test]
fn a_terminal_of_size_zero_does_not_fail() {
    for number in 0..SCENES {
        let fixture = scene(number);
        for (width, height) in [(0, 0), (1, 1), (2, 5), (5, 2), (12, 4), (39, 3)] {
            check(&fixture, width, height, COLOUR);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_size_fits_on_every_page(
        number in 0..SCENES,
        width in 40..=300_usize,
        height in 5..=100_usize,
        steps in prop::collection::vec(0..4_u8, 0..6),
        help: bool,
        sorts in 0..4,
    ) {
        let mut fixture = scene(number);
        for step in steps {
            fixture.step([Navigation::Up, Navigation::Down, Navigation::Enter, Navigation::Back][usize::from(step)]);
        }
        fixture.ui.help = help;
        (0..sorts).for_each(|_| fixture.ui.sort());
        check(&fixture, width, height, COLOUR);
    }
}
