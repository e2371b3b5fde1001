//! What keys make of the page.

use super::fixture::{Fixture, PLAIN};
use crate::view::Step;

#[track_caller]
fn check(fixture: &Fixture, expected: &str) {
    let lines = fixture.frame(80, 24, PLAIN);
    assert!(
        lines.iter().any(|line| line.starts_with(expected)),
        "{}",
        lines.join("\n")
    );
}

#[test]
fn the_selection_goes_down_and_up_and_stops_at_the_ends() {
    let mut fixture = Fixture::fleet();
    assert!(
        !fixture
            .frame(80, 24, PLAIN)
            .iter()
            .any(|line| line.starts_with('>'))
    );
    for expected in [
        "> ▲ web-2",
        "> ○ db-1",
        "> ✕ db-2",
        "> ● web-1",
        "> ● web-1",
    ] {
        fixture.step(Step::Down);
        check(&fixture, expected);
    }
    for expected in ["> ✕ db-2", "> ○ db-1", "> ▲ web-2", "> ▲ web-2"] {
        fixture.step(Step::Up);
        check(&fixture, expected);
    }
}

#[test]
fn the_selection_stays_with_its_host() {
    let mut fixture = Fixture::fleet();
    fixture.step(Step::Down);
    fixture.step(Step::Down);
    check(&fixture, "> ○ db-1");
    fixture.sample(2, "db-1", 29, &[("cpu", 1.0)]);
    check(&fixture, "> ● db-1");
}

#[test]
fn enter_opens_a_host_and_escape_leads_back() {
    let mut fixture = Fixture::fleet();
    fixture.step(Step::Down);
    fixture.step(Step::Down);
    fixture.step(Step::Enter);
    check(&fixture, " db-1   ○ STALE");
    assert!(fixture.frame(80, 24, PLAIN)[23].contains("Esc back"));
    fixture.step(Step::Enter);
    check(&fixture, " db-1   ○ STALE");
    fixture.step(Step::Back);
    check(&fixture, "> ○ db-1");
    fixture.step(Step::Down);
    fixture.step(Step::Enter);
    check(&fixture, " db-2   ✕ DOWN");
    fixture.step(Step::Back);
    check(&fixture, "> ✕ db-2");
}

#[test]
fn enter_without_a_selection_opens_the_first() {
    let mut fixture = Fixture::fleet();
    fixture.step(Step::Enter);
    check(&fixture, " web-2");
}

#[test]
fn a_single_host_needs_no_opening() {
    let mut fixture = Fixture::one_host();
    fixture.step(Step::Back);
    check(&fixture, " web-1   ● live");
    assert!(!fixture.frame(80, 24, PLAIN)[23].contains("Esc"));
}

#[test]
fn metrics_scroll_as_far_as_there_are_some() {
    let mut fixture = Fixture::one_host();
    check(&fixture, "   ↑↓ 1-13 of 29");
    check(&fixture, "   CPU ");
    fixture.step(Step::Down);
    check(&fixture, "   ↑↓ 2-14 of 29");
    assert!(
        !fixture
            .frame(80, 24, PLAIN)
            .iter()
            .any(|line| line.starts_with("   CPU  "))
    );
    for _ in 0..50 {
        fixture.step(Step::Down);
    }
    check(&fixture, "   ↑↓ 17-29 of 29");
    fixture.step(Step::Up);
    check(&fixture, "   ↑↓ 16-28 of 29");
    for _ in 0..50 {
        fixture.step(Step::Up);
    }
    check(&fixture, "   ↑↓ 1-13 of 29");
}

#[test]
fn the_selected_of_many_is_on_the_screen() {
    let mut fixture = Fixture::many(300);
    for _ in 0..200 {
        fixture.step(Step::Down);
        assert!(
            fixture
                .frame(80, 14, PLAIN)
                .iter()
                .any(|line| line.starts_with('>'))
        );
    }
}

#[test]
fn a_step_closes_the_help_and_does_nothing_else() {
    let mut fixture = Fixture::fleet();
    fixture.ui.help = true;
    check(&fixture, " help");
    fixture.step(Step::Down);
    assert!(
        !fixture
            .frame(80, 24, PLAIN)
            .iter()
            .any(|line| line.starts_with('>'))
    );
    check(&fixture, " 4 hosts");
}
