//! Frames, character by character.

use std::path::Path;

use super::fixture::{ASCII, COLOUR, Fixture, PLAIN};
use crate::view::{Style, report};

/// Compares with the file `name`, which contains the lines as shown.
#[track_caller]
pub(super) fn check(fixture: &Fixture, (width, height): (usize, usize), style: Style, name: &str) {
    let shown = fixture.frame(width, height, style).join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/view/tests/frames");
    let expected = std::fs::read_to_string(path.join(name)).unwrap_or_default();
    assert!(
        shown == expected,
        "{name}: shown:\n{shown}\nexpected:\n{expected}"
    );
}

#[test]
fn one_host_at_the_usual_size() {
    let fixture = Fixture::one_host();
    check(&fixture, (80, 24), PLAIN, "host-80x24.txt");
}

#[test]
fn one_host_with_everything_side_by_side() {
    let fixture = Fixture::one_host();
    check(&fixture, (120, 40), PLAIN, "host-120x40.txt");
}

#[test]
fn one_host_on_a_narrow_terminal_while_the_connection_is_lost() {
    let mut fixture = Fixture::one_host();
    fixture.lose("connection refused");
    check(&fixture, (40, 20), PLAIN, "stale-40x20.txt");
}

#[test]
fn one_host_in_ascii() {
    let mut fixture = Fixture::one_host();
    fixture.lose("connection refused");
    check(&fixture, (80, 16), ASCII, "stale-ascii-80x16.txt");
}

#[test]
fn several_hosts_at_the_usual_size() {
    let fixture = Fixture::fleet();
    check(&fixture, (80, 24), PLAIN, "fleet-80x24.txt");
}

#[test]
fn several_hosts_on_a_wide_terminal() {
    let fixture = Fixture::fleet();
    check(&fixture, (120, 16), PLAIN, "fleet-120x16.txt");
}

#[test]
fn several_hosts_on_a_narrow_terminal_in_ascii() {
    let fixture = Fixture::fleet();
    check(&fixture, (40, 20), ASCII, "fleet-ascii-40x20.txt");
}

#[test]
fn many_hosts_do_not_hide_problems() {
    let fixture = Fixture::many(300);
    check(&fixture, (80, 14), PLAIN, "many-80x14.txt");
}

#[test]
fn one_host_on_a_narrow_terminal() {
    let fixture = Fixture::one_host();
    check(&fixture, (40, 20), PLAIN, "host-40x20.txt");
}

#[test]
fn one_host_with_an_alert() {
    let mut fixture = Fixture::one_host();
    fixture.fire("web-1");
    check(&fixture, (80, 24), PLAIN, "alert-80x24.txt");
}

#[test]
fn one_host_that_is_down() {
    let mut fixture = Fixture::one_host();
    fixture.lose("connection refused");
    fixture.later(90_000);
    check(&fixture, (80, 24), PLAIN, "down-80x24.txt");
}

#[test]
fn one_host_as_it_was() {
    let fixture = Fixture::one_host().look_back("web-1", -8);
    check(&fixture, (80, 24), PLAIN, "back-80x24.txt");
}

#[test]
fn one_host_as_it_was_on_a_narrow_terminal_in_ascii() {
    let fixture = Fixture::one_host().look_back("web-1", -8);
    check(&fixture, (40, 20), ASCII, "back-ascii-40x20.txt");
}

#[test]
fn several_hosts_as_they_were() {
    let fixture = Fixture::fleet().look_back("web-1", -8);
    check(&fixture, (80, 24), PLAIN, "fleet-back-80x24.txt");
}

#[test]
fn many_hosts_on_a_wide_terminal() {
    let fixture = Fixture::many(300);
    check(&fixture, (120, 40), PLAIN, "many-120x40.txt");
}

#[test]
fn many_hosts_on_a_narrow_terminal_filtered() {
    let mut fixture = Fixture::many(300);
    fixture.ui.begin_filter();
    "T-20".chars().for_each(|c| fixture.ui.type_letter(c));
    check(&fixture, (40, 20), PLAIN, "filter-40x20.txt");
}

#[test]
fn the_rows_that_are_visible_are_counted_below_what_is_above_them() {
    let mut fixture = Fixture::many(40);
    let counted = |fixture: &Fixture| {
        let lines = fixture.frame(120, 24, PLAIN);
        let shown = lines.iter().filter(|line| line.contains("host-")).count();
        (shown, lines.last().unwrap().clone())
    };
    let (before, line) = counted(&fixture);
    assert!(line.contains(&format!("1-{before} of 40")), "{line}");
    let warning = "Two servers have the same name.";
    fixture.state.namesakes.push(warning.to_owned());
    let (after, line) = counted(&fixture);
    assert!(line.contains(&format!("1-{after} of 40")), "{line}");
    assert!(after < before, "{after} {before}");
}

#[test]
fn the_help() {
    let mut fixture = Fixture::one_host();
    fixture.ui.help = true;
    check(&fixture, (80, 24), PLAIN, "help-80x24.txt");
}

#[test]
fn a_server_that_was_never_connected() {
    let mut fixture = Fixture::new(&["web-1"]);
    let shown = fixture.frame(60, 6, PLAIN);
    assert_eq!(shown[0], " web-1");
    assert_eq!(shown[2], " Connecting...");
    fixture.lose_server(0, "connection refused");
    let shown = fixture.frame(60, 6, PLAIN);
    assert_eq!(shown[0], " web-1  ✕ DOWN".replace("  ", "   "));
    assert_eq!(
        shown[2],
        " Cannot connect (connection refused). Attempt 4 in 17 s."
    );
    fixture.state.connected(0);
    assert_eq!(fixture.frame(60, 6, PLAIN)[2], " Connected. No host yet.");
    fixture.state.refused(0, "404 no such host");
    assert_eq!(
        fixture.frame(60, 6, PLAIN)[2],
        " Not retrying: 404 no such host."
    );
}

#[test]
fn colours_are_beside_shapes_and_words() {
    let mut fixture = Fixture::one_host();
    let shown = fixture.frame(80, 24, COLOUR);
    assert!(shown[0].contains("\x1b[32m● LIVE\x1b[0m"), "{}", shown[0]);
    let disk = shown.iter().find(|line| line.contains(" /  ")).unwrap();
    assert!(disk.contains("\x1b[33m ! 84.0"), "{disk}");
    fixture.lose("connection refused");
    let shown = fixture.frame(80, 24, COLOUR);
    assert!(shown[0].contains("\x1b[33m○ STALE\x1b[0m"), "{}", shown[0]);
    let disk = shown.iter().find(|line| line.contains(" /  ")).unwrap();
    assert!(!disk.contains("\x1b[33m"), "old values are dim: {disk}");
}

#[test]
fn the_selected_host_is_marked_without_colour_too() {
    let mut fixture = Fixture::fleet();
    fixture.step(crate::view::Navigation::Down);
    let shown = fixture.frame(80, 24, PLAIN);
    assert!(shown[2].starts_with(">▲  web-2"), "{}", shown[2]);
    let shown = fixture.frame(80, 24, COLOUR);
    assert!(shown[2].starts_with("\x1b[7m>▲  web-2"), "{}", shown[2]);
}

#[test]
fn a_report_has_all_metrics_and_no_keys() {
    let fixture = Fixture::one_host();
    let shown = report(&fixture.state, &fixture.ui, 80, None, PLAIN, fixture.now);
    for expected in [
        "CPU",
        "Viewers",
        "PROCESS",
        "FILESYSTEM",
        "NETWORK",
        "DISK",
        "TEMP",
    ] {
        assert!(
            shown
                .iter()
                .any(|line| line.trim_start().starts_with(expected)),
            "{expected}"
        );
    }
    assert!(!shown.iter().any(|line| line.contains("quit")));
    assert!(!shown.last().unwrap().is_empty());
}

#[test]
fn the_last_frame_is_no_longer_than_the_screen() {
    let fixture = Fixture::one_host();
    let shown = report(
        &fixture.state,
        &fixture.ui,
        80,
        Some(12),
        PLAIN,
        fixture.now,
    );
    assert_eq!(shown.len(), 12);
}

#[test]
fn a_pause_is_shown() {
    let mut fixture = Fixture::one_host();
    fixture.ui.paused = true;
    let shown = fixture.frame(40, 20, PLAIN);
    assert!(shown[0].contains("PAUSED"), "{}", shown[0]);
    assert!(fixture.frame(120, 24, PLAIN)[23].contains("p resume"));
    let mut fixture = Fixture::fleet();
    fixture.ui.paused = true;
    assert!(fixture.frame(40, 20, PLAIN)[0].contains("PAUSED"));
}
