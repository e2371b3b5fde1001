//! Rules about a live host, and a file of rules that changes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::alerts::{in_file, sign};
use crate::harness::metrics::Metrics;
use crate::harness::recording::plain;
use crate::harness::viewer::Viewer;
use crate::harness::wire::Wire;

/// Reads until `wanted` alerts have come; `+name/metric` of each.
fn alerts(viewer: &mut Viewer, wanted: usize) -> Vec<String> {
    let mut alerts = Vec::new();
    while alerts.len() < wanted {
        if let Wire::Alert { alert, .. } = viewer.message() {
            alerts.push(sign(&alert));
        }
    }
    alerts
}

#[test]
fn a_live_host_alerts_directly_after_the_sample() {
    let server = Metrics::serve()
        .args([
            "--alert",
            "up: uptime > 0",
            "--alert",
            "long: uptime > 0 for 1s",
        ])
        .args([
            "--alert",
            "never: uptime < 0",
            "--alert",
            "cores: cpu:* >= 0",
            "--alert",
            "default",
        ])
        .start();
    let mut viewer = Viewer::connect(server.url(), "last=1000");
    let mut seqs = Vec::new();
    let mut times = BTreeMap::new();
    let mut sample = None;
    let long = loop {
        let message = viewer.message();
        seqs.extend(message.seq());
        match message {
            Wire::Metric { data, .. } => sample = Some(data),
            Wire::Alert { alert, data, .. } => {
                // What a viewer has of the sample it has already.
                assert_eq!(sample.as_ref(), Some(&data));
                times.insert(sign(&alert), data.timestamp);
                if alert.name == "long" {
                    break (alert, data);
                }
            }
            _ => {}
        }
    };
    let numbers: Vec<_> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, numbers);
    let (alert, data) = long;
    // Later only where the machine was too busy to take samples for a second.
    assert!(times["+up/uptime"] <= alert.since);
    assert!(times.contains_key("+cores/cpu:0"), "{times:?}");
    assert!(!times.contains_key("+never/uptime"));
    let waited = data.timestamp - alert.since;
    assert!(1000 <= waited, "{waited} ms");

    // Who joins late sees what fires.
    let Wire::Hello { alerts, .. } = Viewer::connect(server.url(), "").message() else {
        panic!("no hello");
    };
    let firing: Vec<_> = alerts.iter().map(sign).collect();
    assert!(firing.contains(&"+up/uptime".into()), "{firing:?}");
    assert!(firing.contains(&"+long/uptime".into()), "{firing:?}");
    assert!(firing.contains(&"+cores/cpu:0".into()), "{firing:?}");
}

#[test]
fn a_file_of_rules_is_read_again_on_sighup() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(
        &dir,
        "rules.txt",
        "# ours\nup: uptime > 0 # always\nold: uptime > 1\n",
    );
    let server = Metrics::serve().arg("--alerts").arg(&file).start();
    let mut viewer = Viewer::connect(server.url(), "last=1000");
    assert_eq!(alerts(&mut viewer, 2), ["+up/uptime", "+old/uptime"]);

    std::fs::write(&file, "up: uptime > 0\n\n  new: cpuu > 5\n").unwrap();
    server.signal(Signal::HUP);
    server.wait_for_stderr(&format!(
        "error: the old rules stay in use: {}:3:8: no metric 'cpuu' is known; the nearest is cpu",
        file.display()
    ));
    std::fs::remove_file(&file).unwrap();
    server.signal(Signal::HUP);
    server.wait_for_stderr("the old rules stay in use: cannot read the rules in");

    // What changed is resolved and fires anew, the rest goes on.
    std::fs::write(
        &file,
        "new: uptime > 0\nold: uptime > 0.5\nup: uptime > 0\n",
    )
    .unwrap();
    server.signal(Signal::HUP);
    server.wait_for_stderr("Reload: read the rules in");
    assert_eq!(
        alerts(&mut viewer, 3),
        ["-old/uptime", "+new/uptime", "+old/uptime"]
    );
    std::fs::write(&file, "").unwrap();
    server.signal(Signal::HUP);
    assert_eq!(
        alerts(&mut viewer, 3),
        ["-new/uptime", "-old/uptime", "-up/uptime"]
    );
    server.signal(Signal::TERM);
    server.wait().success();
}

#[test]
fn sighup_stops_a_server_whose_rules_are_all_on_the_command_line() {
    let server = Metrics::serve().args(["--alert", "default"]).start();
    server.signal(Signal::HUP);
    server.wait().success();
}

#[test]
fn a_replay_reads_its_rules_again_too() {
    let dir = tempfile::tempdir().unwrap();
    let [file, rules] = ["r.csv", "rules.txt"].map(|name| dir.path().join(name));
    std::fs::write(&file, plain("web-1", 3000, 100)).unwrap();
    std::fs::write(&rules, "").unwrap();
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--alerts"])
        .arg(&rules)
        .start();
    let mut viewer = Viewer::connect(replay.url(), "");
    viewer.numbered(2);
    std::fs::write(&rules, "hot: memory > 40").unwrap();
    replay.signal(Signal::HUP);
    assert_eq!(alerts(&mut viewer, 1), ["+hot/memory"]);
}

#[test]
fn a_page_has_time_to_draw_the_sample_before_the_alert() {
    let rules = (0..6).map(|nth| format!("--alert=r{nth}: uptime > 0 for {}ms", nth * 400));
    let server = Metrics::serve().args(rules.collect::<Vec<_>>()).start();
    let mut viewer = Viewer::connect(server.url(), "");
    let mut last = Instant::now();
    let mut pauses = Vec::new();
    while pauses.len() < 6 {
        let message = viewer.message();
        let pause = last.elapsed();
        last = Instant::now();
        if let Wire::Alert { .. } = message {
            pauses.push(pause);
        }
    }
    // One that is read late looks shorter than it was.
    let longest = pauses.iter().max().unwrap();
    assert!(Duration::from_millis(30) < *longest, "{pauses:?}");
}
