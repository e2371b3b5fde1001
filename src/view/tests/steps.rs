//! How keys change the page.

use super::fixture::{Fixture, PLAIN};
use crate::protocol::{Hello, StreamId, System, describe};
use crate::view::Navigation;

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
        ">▲  web-2",
        ">○  db-1",
        ">✕  db-2",
        ">●  web-1",
        ">●  web-1",
    ] {
        fixture.step(Navigation::Down);
        check(&fixture, expected);
    }
    for expected in [">✕  db-2", ">○  db-1", ">▲  web-2", ">▲  web-2"] {
        fixture.step(Navigation::Up);
        check(&fixture, expected);
    }
}

#[test]
fn the_selection_stays_with_its_host() {
    let mut fixture = Fixture::fleet();
    fixture.step(Navigation::Down);
    fixture.step(Navigation::Down);
    check(&fixture, ">○  db-1");
    fixture.sample(2, "db-1", 29, &[("cpu", 1.0)]);
    check(&fixture, ">●  db-1");
}

#[test]
fn enter_opens_a_host_and_escape_returns() {
    let mut fixture = Fixture::fleet();
    fixture.step(Navigation::Down);
    fixture.step(Navigation::Down);
    fixture.step(Navigation::Enter);
    check(&fixture, " ○  db-1  no data for 12 s");
    assert!(fixture.frame(80, 24, PLAIN)[23].contains("Esc back"));
    fixture.step(Navigation::Enter);
    check(&fixture, " ○  db-1  no data for 12 s");
    fixture.step(Navigation::Back);
    check(&fixture, ">○  db-1");
    fixture.step(Navigation::Down);
    fixture.step(Navigation::Enter);
    check(&fixture, " db-2   ✕ DOWN");
    fixture.step(Navigation::Back);
    check(&fixture, ">✕  db-2");
}

#[test]
fn enter_without_a_selection_opens_the_first() {
    let mut fixture = Fixture::fleet();
    fixture.step(Navigation::Enter);
    check(&fixture, " ▲  web-2  busy: CPU");
}

#[test]
fn a_single_host_is_always_open() {
    let mut fixture = Fixture::one_host();
    fixture.step(Navigation::Back);
    check(&fixture, " !  web-1  disk / 84.0 %");
    assert!(!fixture.frame(80, 24, PLAIN)[23].contains("Esc"));
}

#[test]
fn metrics_scroll_to_the_last_one() {
    let mut fixture = Fixture::one_host();
    fixture.ui.toggle_values();
    check(&fixture, "   ↑↓ 1-13 of 29");
    check(&fixture, "   CPU ");
    fixture.step(Navigation::Down);
    check(&fixture, "   ↑↓ 2-14 of 29");
    assert!(
        !fixture
            .frame(80, 24, PLAIN)
            .iter()
            .any(|line| line.starts_with("   CPU  "))
    );
    for _ in 0..50 {
        fixture.step(Navigation::Down);
    }
    check(&fixture, "   ↑↓ 17-29 of 29");
    fixture.step(Navigation::Up);
    check(&fixture, "   ↑↓ 16-28 of 29");
    for _ in 0..50 {
        fixture.step(Navigation::Up);
    }
    check(&fixture, "   ↑↓ 1-13 of 29");
}

#[test]
fn metrics_scroll_to_the_last_one_on_a_narrow_screen_too() {
    let mut fixture = Fixture::one_host();
    fixture.ui.toggle_values();
    let mut step = |step, times: usize| {
        for _ in 0..times {
            fixture.ui.step(step, &fixture.state, 40, 20, fixture.now);
        }
        fixture.frame(40, 20, PLAIN)
    };
    let end = step(Navigation::Down, 60);
    assert_ne!(
        end,
        step(Navigation::Up, 1),
        "one row up is visible at once"
    );
}

#[test]
fn the_selected_of_many_hosts_is_visible() {
    let mut fixture = Fixture::many(300);
    for _ in 0..200 {
        fixture.step(Navigation::Down);
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
    fixture.step(Navigation::Down);
    assert!(
        !fixture
            .frame(80, 24, PLAIN)
            .iter()
            .any(|line| line.starts_with('>'))
    );
    check(&fixture, " ▲ 1 critical");
}

/// Below the rows is the screen of one of them, or nothing.
fn is_row(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('─')
}

/// The hosts in the order of their rows.
fn hosts(fixture: &Fixture) -> Vec<String> {
    let lines = fixture.frame(80, 24, PLAIN);
    let rows = lines
        .iter()
        .skip_while(|line| !line.contains("HOST"))
        .skip(1)
        .take_while(|line| is_row(line) && !line.starts_with('>') && !line.contains("no host"));
    rows.map(|line| line.split_whitespace().nth(1).unwrap().to_owned())
        .collect()
}

/// Live hosts with `cpu`, `memory` and `load1`.
fn busy(values: &[(&str, [f64; 3])]) -> Fixture {
    let mut fixture = Fixture::new(&["relay"]);
    fixture.state.connected(0);
    let names = ["cpu", "memory", "load1"];
    for (host, values) in values {
        let values: Vec<_> = names.into_iter().zip(*values).collect();
        fixture.hello(0, host, &names);
        fixture.sample(0, host, 29, &values);
    }
    fixture
}

#[test]
fn hosts_are_sorted_by_the_chosen_order() {
    let mut fixture = busy(&[
        ("a", [10.0, 50.0, 3.0]),
        ("b", [30.0, 40.0, 1.0]),
        ("c", [20.0, 60.0, 9.5]),
        ("d", [30.0, 50.0, 10.0]),
    ]);
    for (footer, expected) in [
        ("s sort: trouble▼", ["a", "b", "c", "d"]),
        ("s sort: name▲", ["a", "b", "c", "d"]),
        ("s sort: cpu▼", ["b", "d", "c", "a"]),
        ("s sort: memory▼", ["c", "a", "d", "b"]),
        ("s sort: disk▼", ["a", "b", "c", "d"]),
        ("s sort: load▼", ["d", "c", "a", "b"]),
        ("s sort: network▼", ["a", "b", "c", "d"]),
        ("s sort: trouble▼", ["a", "b", "c", "d"]),
    ] {
        assert_eq!(hosts(&fixture), expected, "{footer}");
        let keys = &fixture.frame(80, 24, PLAIN)[23];
        assert!(keys.contains(footer), "{keys}");
        fixture.ui.sort();
    }
}

/// A recording doesn't say how many cores there were, but has a metric of each.
#[test]
fn hosts_are_sorted_by_their_load_for_each_core() {
    let mut fixture = Fixture::new(&["relay"]);
    fixture.state.connected(0);
    for (host, load, cores) in [("large", 10.0, 64), ("recorded", 3.0, 2), ("small", 1.0, 1)] {
        let each: Vec<_> = (0..cores).map(|core| format!("cpu:{core}")).collect();
        let names = each.iter().map(String::as_str).chain(["load1"]);
        let hello = Hello {
            stream: StreamId(1),
            interval: 2000,
            system: (host != "recorded").then(|| System {
                cores,
                ..System::default()
            }),
            metrics: names.map(|name| describe(name, 1)).collect(),
            ..Hello::default()
        };
        fixture.state.hello(0, &Fixture::name(host), &hello);
        fixture.sample(0, host, 29, &[("load1", load)]);
    }
    (0..5).for_each(|_| fixture.ui.sort());
    assert_eq!(hosts(&fixture), ["recorded", "small", "large"]);
    let row = |host| {
        let lines = fixture.frame(120, 24, PLAIN);
        lines.into_iter().find(|line| line.contains(host)).unwrap()
    };
    for (host, load) in [("recorded", "1.50"), ("small", "1.00"), ("large", "0.16")] {
        let row = row(host);
        assert!(row.contains(load), "{row}");
    }
}

#[test]
fn trouble_comes_first_until_another_order_is_chosen() {
    let mut fixture = Fixture::fleet();
    assert_eq!(hosts(&fixture), ["web-2", "db-1", "db-2", "web-1"]);
    fixture.ui.sort();
    assert_eq!(hosts(&fixture), ["db-1", "db-2", "web-1", "web-2"]);
    fixture.ui.reverse();
    assert_eq!(hosts(&fixture), ["web-2", "web-1", "db-2", "db-1"]);
}

#[test]
fn a_host_that_is_well_again_keeps_its_place_for_half_a_minute() {
    let mut fixture = busy(&[("a", [1.0; 3]), ("b", [1.0; 3])]);
    fixture.fire("b");
    assert_eq!(hosts(&fixture), ["b", "a"]);
    fixture.later(1000);
    fixture.sample(0, "b", 29, &[("cpu", 1.0)]);
    fixture.resolve("b");
    for seconds in 2..60_u64 {
        fixture.later(1000);
        for host in ["a", "b"] {
            fixture.sample(0, host, 29, &[("cpu", 1.0)]);
        }
        let expected = if seconds <= 30 {
            ["b", "a"]
        } else {
            ["a", "b"]
        };
        assert_eq!(hosts(&fixture), expected, "{seconds}");
    }
}

#[test]
fn a_filter_keeps_the_hosts_whose_names_contain_it() {
    let mut fixture = busy(&[("web-1", [1.0; 3]), ("db-1", [1.0; 3]), ("WEB-2", [1.0; 3])]);
    fixture.ui.begin_filter();
    assert!(fixture.ui.is_typing());
    "wEb-".chars().for_each(|c| fixture.ui.type_letter(c));
    assert_eq!(hosts(&fixture), ["web-1", "WEB-2"]);
    check(&fixture, " /wEb-   ● 3 well   2 of 3 hosts");
    check(&fixture, " /wEb-_    Enter keep");
    fixture.ui.type_letter('1');
    assert_eq!(hosts(&fixture), ["web-1"], "and it is not opened unasked");
    fixture.ui.type_letter('x');
    assert_eq!(hosts(&fixture), [""; 0]);
    check(&fixture, "    no host name matches");
    fixture.ui.erase_letter();
    fixture.ui.end_filter(true);
    fixture.step(Navigation::Enter);
    check(&fixture, " ✓  web-1  nothing is wrong");
    fixture.step(Navigation::Back);
    assert_eq!(hosts(&fixture), [""; 0], "the row is selected");
    check(&fixture, ">●  web-1");
    fixture.step(Navigation::Back);
    assert_eq!(hosts(&fixture).len(), 3);
}

#[test]
fn erasing_the_whole_filter_ends_it() {
    let mut fixture = busy(&[("a", [1.0; 3]), ("b", [1.0; 3])]);
    fixture.ui.begin_filter();
    fixture.ui.type_letter('b');
    fixture.ui.erase_letter();
    assert!(fixture.ui.is_typing());
    fixture.ui.erase_letter();
    assert!(!fixture.ui.is_typing());
    fixture.ui.begin_filter();
    fixture.ui.type_letter('b');
    fixture.ui.end_filter(false);
    assert_eq!(hosts(&fixture), ["a", "b"]);
}

#[test]
fn steps_in_time_follow_the_host_on_the_screen() {
    let mut fixture = Fixture::fleet();
    let subject = |fixture: &Fixture| fixture.ui.subject(&fixture.state, fixture.now);
    assert_eq!(subject(&fixture), Some(Fixture::name("web-2")));
    fixture.step(Navigation::Down);
    fixture.step(Navigation::Down);
    assert_eq!(subject(&fixture), Some(Fixture::name("db-1")));
    fixture.step(Navigation::Down);
    assert_eq!(
        subject(&fixture),
        Some(Fixture::name("web-1")),
        "db-2 has none"
    );
    fixture.step(Navigation::Down);
    fixture.step(Navigation::Enter);
    assert_eq!(subject(&fixture), Some(Fixture::name("web-1")));
    let empty = Fixture::new(&["a", "b"]);
    assert_eq!(subject(&empty), None);
}

/// The name in the selected row.
fn selected(fixture: &Fixture) -> Option<String> {
    let lines = fixture.frame(80, 24, PLAIN);
    let line = lines.iter().find(|line| line.starts_with('>'))?;
    Some(line.split_whitespace().nth(1).unwrap().to_owned())
}

/// The names of all rows, the selected one too.
fn all_rows(fixture: &Fixture) -> Vec<String> {
    let lines = fixture.frame(80, 24, PLAIN);
    let rows = lines[2..].iter().take_while(|line| is_row(line));
    rows.map(|line| line.split_whitespace().nth(1).unwrap().to_owned())
        .collect()
}

#[test]
fn rows_keep_their_places_while_hosts_connect() {
    let mut fixture = Fixture::new(&["alpha", "beta", "gamma"]);
    let expected = ["alpha", "beta", "gamma"];
    assert_eq!(all_rows(&fixture), expected);
    fixture.step(Navigation::Down);
    fixture.step(Navigation::Down);
    // The last one is the fastest; the first one gets its sample long after its name.
    for (server, host) in [(2, "gamma"), (0, "alpha"), (1, "beta")] {
        fixture.state.connected(server);
        fixture.hello(server, host, &["cpu"]);
        fixture.ui.follow(&fixture.state);
        assert_eq!(all_rows(&fixture), expected, "{host} has a name");
        assert_eq!(selected(&fixture).as_deref(), Some("beta"));
    }
    for (server, host) in [(1, "beta"), (2, "gamma"), (0, "alpha")] {
        fixture.sample(server, host, 1, &[("cpu", 50.0)]);
        assert_eq!(all_rows(&fixture), expected, "{host} has a sample");
        assert_eq!(selected(&fixture).as_deref(), Some("beta"));
    }
    // A failed connection is different.
    fixture.lose_server(2, "connection reset");
    assert_eq!(all_rows(&fixture), ["gamma", "alpha", "beta"]);
    assert_eq!(selected(&fixture).as_deref(), Some("beta"));
}

#[test]
fn a_selected_server_becomes_the_host_that_it_announces() {
    for opens in [false, true] {
        let mut fixture = Fixture::new(&["10.0.0.1", "10.0.0.2"]);
        fixture.step(Navigation::Down);
        fixture.step(Navigation::Down);
        if opens {
            fixture.step(Navigation::Enter);
        }
        fixture.state.connected(1);
        fixture.hello(1, "web-7", &["cpu"]);
        fixture.ui.follow(&fixture.state);
        fixture.sample(1, "web-7", 1, &[("cpu", 50.0)]);
        // A second host of the same server, and an earlier name, change nothing.
        fixture.sample(1, "web-1", 1, &[("cpu", 50.0)]);
        fixture.ui.follow(&fixture.state);
        if opens {
            check(&fixture, " ✓  web-7  nothing is wrong");
            fixture.step(Navigation::Back);
        }
        assert_eq!(selected(&fixture).as_deref(), Some("web-7"));
        assert_eq!(all_rows(&fixture), ["10.0.0.1", "web-1", "web-7"]);
    }
}

#[test]
fn the_selection_follows_its_host_to_any_row() {
    let mut fixture = busy(&[("a", [10.0; 3]), ("b", [20.0; 3]), ("c", [30.0; 3])]);
    fixture.step(Navigation::Down);
    fixture.step(Navigation::Down);
    let check = |fixture: &Fixture, rows: &[&str]| {
        assert_eq!(all_rows(fixture), rows);
        assert_eq!(selected(fixture).as_deref(), Some("b"));
    };
    check(&fixture, &["a", "b", "c"]);
    fixture.ui.sort();
    fixture.ui.sort();
    check(&fixture, &["c", "b", "a"]);
    fixture.sample(0, "b", 30, &[("cpu", 90.0)]);
    check(&fixture, &["b", "c", "a"]);
    fixture.sample(0, "b", 31, &[("cpu", 5.0)]);
    check(&fixture, &["c", "a", "b"]);
    fixture.sample(0, "aa", 31, &[("cpu", 7.0)]);
    check(&fixture, &["c", "a", "aa", "b"]);
}

#[test]
fn a_filter_hides_the_selected_host_until_it_is_removed() {
    let mut fixture = busy(&[("web-1", [1.0; 3]), ("db-1", [1.0; 3]), ("web-2", [1.0; 3])]);
    fixture.step(Navigation::Down);
    assert_eq!(selected(&fixture).as_deref(), Some("db-1"));
    fixture.ui.begin_filter();
    "web".chars().for_each(|c| fixture.ui.type_letter(c));
    assert_eq!(all_rows(&fixture), ["web-1", "web-2"]);
    assert_eq!(selected(&fixture), None, "no other takes its place");
    fixture.ui.end_filter(false);
    assert_eq!(selected(&fixture).as_deref(), Some("db-1"));
    // Enter opens a visible row.
    fixture.ui.begin_filter();
    "web".chars().for_each(|c| fixture.ui.type_letter(c));
    fixture.ui.end_filter(true);
    fixture.step(Navigation::Enter);
    self::check(&fixture, " ✓  web-1  nothing is wrong");
}
