use std::collections::BTreeMap;

use super::super::line::read_packet;
use super::*;

/// An application and a clock of its own.
struct Scene {
    application: Application,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        Self {
            application: Application::default(),
            now: Instant::now(),
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Reports `lines`; why some of them were refused.
    fn report(&mut self, lines: &str) -> Vec<LineRefusal> {
        let packet = read_packet(lines.as_bytes(), false);
        assert_eq!(packet.refused, []);
        let reports = packet.reports.iter();
        let results = reports.map(|report| self.application.hear(report, self.now));
        results.filter_map(Result::err).collect()
    }

    fn accept(&mut self, lines: &str) {
        assert_eq!(self.report(lines), []);
    }

    fn sample_after(&mut self, seconds: f64) -> BTreeMap<String, Option<f64>> {
        let values = self.application.take(self.now, Some(seconds)).values();
        let values = values.into_iter();
        values.map(|it| (it.name.to_string(), it.value)).collect()
    }
}

fn sample<const N: usize>(values: [(&str, f64); N]) -> BTreeMap<String, Option<f64>> {
    let values = values.into_iter();
    values
        .map(|(name, value)| (name.to_owned(), Some(value)))
        .collect()
}

#[test]
fn each_type_has_its_figures() {
    let mut scene = Scene::new();
    scene.accept("g:3|g\nc:1|c\nc:2|c|@0.5\nt:1:2:3|ms\ns:alice|s\ns:bob|s\ns:alice|s");
    let expected = sample([
        ("g", 3.0),
        ("c", 2.5),
        ("t", 2.0),
        ("t.p95", 3.0),
        ("t.max", 3.0),
        ("s", 2.0),
    ]);
    assert_eq!(scene.sample_after(2.0), expected);
    let units = scene.application.take(scene.now, Some(2.0)).values();
    let units: Vec<_> = units.iter().map(|it| (&*it.name, it.unit)).collect();
    let expected = [
        ("g", ""),
        ("c", "1/s"),
        ("t", "ms"),
        ("t.p95", "ms"),
        ("t.max", "ms"),
        ("s", ""),
    ];
    assert_eq!(units, expected);
}

#[test]
fn a_gauge_with_a_sign_changes() {
    let mut scene = Scene::new();
    scene.accept("g:+5|g");
    assert_eq!(scene.sample_after(2.0), sample([("g", 5.0)]));
    scene.accept("g:-7.5|g\ng:+1|g");
    assert_eq!(scene.sample_after(2.0), sample([("g", -1.5)]));
    scene.accept("g:10:-3|g");
    assert_eq!(scene.sample_after(2.0), sample([("g", 7.0)]));
}

#[test]
fn until_silence_gauges_hold_and_counters_read_0() {
    let mut scene = Scene::new();
    scene.accept("g:3|g\nc:4|c\nt:5|h\ns:x|s");
    scene.sample_after(2.0);
    for wait in [2, 57] {
        scene.wait(wait);
        let sample = scene.sample_after(2.0);
        assert_eq!(
            (sample["g"], sample["c"], sample["s"]),
            (Some(3.0), Some(0.0), Some(0.0))
        );
        assert_eq!((sample["t"], sample["t.max"]), (None, None));
    }
    scene.wait(1);
    let silent = scene.sample_after(2.0);
    assert_eq!(silent.len(), 6);
    assert!(silent.values().all(Option::is_none), "{silent:?}");

    // Any report ends the silence, but nothing comes back that was not reported again.
    scene.wait(100);
    scene.accept("c:1|c");
    let sample = scene.sample_after(2.0);
    assert_eq!(
        (sample["g"], sample["c"], sample["s"]),
        (None, Some(0.5), Some(0.0))
    );
    scene.accept("g:+1|g");
    assert_eq!(scene.sample_after(2.0)["g"], Some(1.0));
}

#[test]
fn a_refused_line_does_not_end_the_silence() {
    let mut scene = Scene::new();
    scene.accept("g:3|g");
    scene.wait(59);
    assert_eq!(scene.report("g:1|c"), [LineRefusal::Type]);
    scene.sample_after(2.0);
    scene.wait(1);
    assert_eq!(scene.sample_after(2.0)["g"], None);
}

#[test]
fn nothing_is_lost_in_an_interval_longer_than_the_silence() {
    let mut scene = Scene::new();
    scene.accept("g:3|g\nc:7200|c");
    scene.wait(3600);
    assert_eq!(scene.sample_after(3600.0), sample([("g", 3.0), ("c", 2.0)]));
    scene.wait(3600);
    assert!(scene.sample_after(3600.0).values().all(Option::is_none));
}

#[test]
fn what_is_too_soon_for_a_rate_counts_later() {
    let mut scene = Scene::new();
    scene.accept("c:4|c");
    let values = scene.application.take(scene.now, None).values();
    assert_eq!(values[0].value, None);
    assert_eq!(scene.sample_after(2.0), sample([("c", 2.0)]));
    assert_eq!(scene.sample_after(2.0), sample([("c", 0.0)]));
}

#[test]
fn a_name_has_one_type() {
    let mut scene = Scene::new();
    scene.accept("g:3|g\nt:1|ms\nt:2|h\nt:3|d");
    assert_eq!(
        scene
            .report("g:1|c\ng:x|s\ng:1|ms\nt:1|g\nt.p95:1|g\nt.max:1|ms")
            .len(),
        6
    );
    scene.accept("a.max:1|g");
    assert_eq!(scene.report("a:1|h"), [LineRefusal::Type]);
    let names: Vec<_> = scene.sample_after(2.0).into_keys().collect();
    assert_eq!(names, ["a.max", "g", "t", "t.max", "t.p95"]);
}

#[test]
fn two_hundred_names_are_accepted() {
    let mut scene = Scene::new();
    for nth in 0..MOST_NAMES {
        scene.accept(&format!("name{nth}:1|g"));
    }
    assert_eq!(
        scene.report("another:1|g\nname0:2|g"),
        [LineRefusal::TooManyNames]
    );
    assert_eq!(scene.application.names(), MOST_NAMES);
    let sample = scene.sample_after(2.0);
    assert_eq!((sample.len(), sample["name0"]), (MOST_NAMES, Some(2.0)));
}

#[test]
fn sums_stay_finite() {
    let mut scene = Scene::new();
    let refused = scene.report("g:1e308|g\ng:+1e308|g\nc:1e308:1e308|c\nt:1e308:1e308|h");
    assert_eq!(refused, [LineRefusal::NotFinite; 3]);
    let sample = scene.sample_after(2.0);
    assert_eq!(
        (sample["g"], sample["c"], sample["t"]),
        (Some(1e308), Some(5e307), Some(1e308))
    );
    scene.accept("c:1e308|c");
    assert_eq!(scene.sample_after(0.01)["c"], None);
}

#[test]
fn memory_is_bounded_between_two_samples() {
    let mut scene = Scene::new();
    let values: Vec<_> = (0..=ROOM).map(|value| value.to_string()).collect();
    scene.accept(&format!("t:{}|ms\nu:1|ms\ns:alice|s", values.join(":")));
    assert_eq!(scene.application.room, 0);
    scene.sample_after(2.0);
    assert_eq!(scene.application.room, ROOM);
}
