//! A replay that is restarted while clients know more of it than it has played.

use std::path::Path;

use crate::harness::metrics::{Metrics, Running, wait_for_rows};
use crate::harness::proxy::Proxy;
use crate::harness::recording::plain;
use crate::harness::rows::assert_same;
use crate::harness::{PATIENCE, wait_for};

/// A replay that starts with its first viewer.
fn replay(file: &Path, speed: &str) -> Running {
    Metrics::replay([file])
        .args(["--wait", "1", "--speed", speed])
        .start()
}

/// Replaces `replay` with another replay of `file`.
fn again(replay: Running, file: &Path, speed: &str, proxy: &Proxy) -> Running {
    let again = self::replay(file, speed);
    proxy.retarget(again.port());
    replay.kill9();
    again
}

#[test]
fn watch_starts_over_with_a_restarted_replay() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    let csv = plain("web-1", 60, 1000);
    std::fs::write(&file, &csv).unwrap();
    let first = csv.lines().nth(1).unwrap().split(',').next().unwrap();
    let first_at = &first[..19];
    for form in ["--plain", "--json"] {
        let begin = replay(&file, "20");
        let proxy = Proxy::clear(begin.port());
        let watch = Metrics::watch(&proxy.url()).arg(form).spawn();
        watch.stdout_lines(20);
        let shown = watch.stdout_lines(20)[0].clone();
        // At this speed it would take 20 s to reach the position of the first one.
        let _again = again(begin, &file, "1", &proxy);
        let twice = || {
            (watch
                .stdout()
                .text()
                .lines()
                .filter(|line| **line == shown)
                .count()
                == 2)
                .then_some(())
        };
        wait_for(PATIENCE / 4, twice, || watch.story());
        assert!(form == "--json" || shown.starts_with(first_at), "{shown}");
    }
}

#[test]
fn record_waits_for_a_server_that_is_behind_and_says_so_once() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    let csv = plain("web-1", 60, 1000);
    std::fs::write(&file, &csv).unwrap();
    let begin = replay(&file, "20");
    let proxy = Proxy::clear(begin.port());
    let recorder = Metrics::record(&proxy.url()).arg("-o").arg(&out).spawn();
    wait_for_rows(&out, 20);
    let again = again(begin, &file, "20", &proxy);
    recorder.wait_for_stderr("waiting for what follows");
    proxy.cut_all();
    let output = recorder.wait().success();
    assert_eq!(
        output.stderr.matches("waiting for what follows").count(),
        1,
        "{}",
        output.story()
    );
    assert_same("recorded", &csv, &std::fs::read_to_string(&out).unwrap());
    again.wait().success();
}
