//! Processes are listed at most once a second: samples in between have no list, and nothing else changes for them.

use std::time::Duration;

use crate::harness::metrics::Metrics;
use crate::harness::rows;
use crate::harness::viewer::Viewer;
use crate::harness::wire::{Data, Wire};

/// Enough samples for several lists.
const SAMPLES: usize = 30;

fn samples(url: &str) -> Vec<Data> {
    let mut viewer = Viewer::connect(url, "");
    let mut samples = Vec::new();
    while samples.len() < SAMPLES {
        if let Wire::Metric { data, .. } = viewer.message() {
            samples.push(data);
        }
    }
    samples
}

#[test]
fn lists_come_once_a_second_and_the_other_values_with_every_sample() {
    let serve = Metrics::serve().args(["--top", "3"]).start();
    let samples = samples(serve.url());
    let lists: Vec<_> = samples
        .iter()
        .filter_map(|data| data.top.as_ref())
        .collect();
    let first = samples.first().unwrap().timestamp;
    let last = samples.last().unwrap().timestamp;
    let most = Duration::from_millis(last - first).as_secs() + 2;
    assert!((2..=most).contains(&(lists.len() as u64)), "{lists:?}");
    for list in lists {
        assert!((3..=6).contains(&list.len()), "{list:?}");
    }
    for data in samples {
        let count = data.values.get("processCount");
        assert!(count.is_some_and(|count| 3.0 <= *count), "{data:?}");
    }
}

#[test]
fn without_lists_the_number_of_processes_is_known() {
    let serve = Metrics::serve().args(["--top", "0"]).start();
    for data in samples(serve.url()) {
        assert_eq!(data.top, None);
        assert!(3.0 <= data.values["processCount"]);
    }
}

#[test]
fn a_recording_has_empty_cells_between_lists_and_replays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (file, copy) = (dir.path().join("r.csv"), dir.path().join("copy.csv"));
    let serve = Metrics::serve().args(["--top", "3"]).start();
    let count = SAMPLES.to_string();
    Metrics::record(serve.url())
        .args(["--samples", &count, "-o"])
        .arg(&file)
        .run()
        .success();
    let rows = rows::read(&file);
    let lists = rows.iter().filter(|row| row.cell("top").starts_with("[{"));
    let empty = rows.iter().filter(|row| row.cell("top").is_empty());
    let (lists, empty) = (lists.count(), empty.count());
    assert!(2 <= lists && lists < empty, "{lists} and {empty}");
    assert_eq!(lists + empty, SAMPLES);

    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    Metrics::record(replay.url())
        .arg("-o")
        .arg(&copy)
        .run()
        .success();
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(&copy).unwrap());
}
