//! `replay --print-alerts`: what fires in a recording, without a server or a viewer.

use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use crate::alerts::{in_file, recording};
use crate::harness::metrics::{Metrics, Output};
use crate::harness::recording::plain;

fn print_alerts(file: &Path, args: &[&str]) -> Output {
    let replay = Metrics::new().arg("replay").arg(file);
    replay.args(args).arg("--print-alerts").run()
}

/// The alerts that a viewer of the same replay gets.
fn watched(file: &Path, args: &[&str]) -> String {
    let replay = Metrics::replay([file]).args(["--wait", "1", "--speed", "max"]);
    let replay = replay.args(args).start();
    let output = Metrics::watch(replay.url()).arg("--json").run().success();
    let lines = output.text().lines();
    let alerts = lines.filter(|line| line.contains(r#""type":"alert""#));
    alerts.map(|line| format!("{line}\n")).collect()
}

const VALUES: &str = "50 95! 95 95 85 - 85 70! 95 _ 95 /95 95 50";

#[test]
fn the_lines_are_the_messages_that_a_viewer_gets() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording(VALUES));
    let rules = in_file(
        &dir,
        "rules.txt",
        "hot: cpu > 90\nbusy: cpu > 90 for 400ms clear < 80\n",
    );
    let rules = rules.to_str().unwrap();
    for args in [&[][..], &["--alerts", rules], &["--alert", "cpu > 99"]] {
        let expected = watched(&file, args);
        let printed = print_alerts(&file, args).success().stdout_is(&expected);
        assert_eq!(printed.stderr, "", "{}", printed.story());
        for speed in ["1", "10", "max"] {
            let args = [args, &["--speed", speed]].concat();
            print_alerts(&file, &args).success().stdout_is(&expected);
        }
    }
    let output = print_alerts(&file, &["--alerts", rules]);
    assert_eq!(output.text().lines().count(), 8, "{}", output.story());
}

#[test]
fn nothing_is_listened_on_and_nobody_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording("50 95"));
    // An address that could not be bound, or would be refused without a token.
    for listen in ["192.0.2.1:8080", "0.0.0.0:8080"] {
        let args = ["--listen", listen, "--alert", "hot: cpu > 90"];
        let output = print_alerts(&file, &args).success();
        assert!(
            output
                .text()
                .starts_with(r#"{"type":"alert","host":"web-1","seq":3,"#)
        );
    }
}

#[test]
fn the_status_says_whether_all_of_it_was_printed() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording(VALUES));
    let hot = ["--alert", "cpu > 90"];
    print_alerts(&file, &["--alert", "cpuu > 90"])
        .code(2)
        .stderr_has("the nearest is cpu");
    for flag in [&["--wait", "1"][..], &["--loop"], &["--notify-test"]] {
        print_alerts(&file, flag)
            .code(2)
            .stderr_has("cannot be used with");
    }
    print_alerts(&dir.path().join("none.csv"), &hot).code(1);
    let broken = recording("50 95") + "not a row\n50\n";
    print_alerts(&in_file(&dir, "broken.csv", &broken), &hot)
        .code(1)
        .stdout_is("");

    let replay = || {
        Metrics::new()
            .arg("replay")
            .arg(&file)
            .args(hot)
            .arg("--print-alerts")
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    replay().spawn_into(writer, Stdio::piped()).wait().code(0);
    let full = std::fs::File::options().write(true).open("/dev/full");
    replay()
        .spawn_into(full.unwrap(), Stdio::piped())
        .wait()
        .code(1);

    let slow = in_file(&dir, "slow.csv", &plain("web-1", 99, 60_000));
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let args = ["--print-alerts", "--speed", "60", "--alert", "cpu > 0"];
        let running = Metrics::new().arg("replay").arg(&slow).args(args).spawn();
        running.stdout_lines(1);
        running.signal(signal);
        running.wait().code(status);
    }
}
