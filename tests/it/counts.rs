//! A number and its noun agree in every sentence, and a length of time is written in one way.

use crate::harness::metrics::Metrics;
use crate::harness::recording::plain;
use crate::harness::viewer::Viewer;
use crate::layering::{code, sources};

/// What the program counts for people.
const COUNTED: [&str; 15] = [
    "alerts",
    "attempts",
    "cells",
    "columns",
    "cores",
    "files",
    "gaps",
    "hosts",
    "lines",
    "messages",
    "processes",
    "rows",
    "samples",
    "streams",
    "viewers",
];

#[test]
fn every_sentence_about_a_count_is_right_for_one_and_for_two() {
    for (number, rows, messages, viewers, short, are) in [
        (1, "1 row", "1 message", "1 viewer", "1 cell", "is"),
        (2, "2 rows", "2 messages", "2 viewers", "2 cells", "are"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("in.csv");
        std::fs::write(&file, plain("web-1", number, 1000)).unwrap();
        let waits = ["--wait".into(), number.to_string()];
        let replay = Metrics::replay([&file])
            .args(["--speed", "max"])
            .args(waits.clone())
            .start();
        let record = |name: String| {
            let out = folder.path().join(name);
            Metrics::record(replay.url()).arg("-o").arg(out).spawn()
        };
        let recorders: Vec<_> = (0..number)
            .map(|n| record(format!("out-{n}.csv")))
            .collect();
        for recorder in recorders {
            recorder.wait().success().stderr_has(&format!(": {rows}, "));
        }
        replay
            .wait()
            .success()
            .stderr_has(&format!("Replaying web-1 ({rows})."))
            .stderr_has(&format!(
                "Replayed {messages} to at most {viewers} at a time."
            ));

        Metrics::replay([&file])
            .args(waits)
            .args(["--wait-timeout", "90ms"])
            .run()
            .code(3)
            .stderr_has(&format!("0 of {viewers} connected within 90 ms"));

        let cells = vec!["x"; usize::try_from(number).unwrap()].join(",");
        let torn = plain("web-1", 1, 1000) + &cells + "\n";
        std::fs::write(&file, torn).unwrap();
        let output = Metrics::replay([&file]).run();
        output
            .code(1)
            .stderr_has(&format!("has {short}, the header has 11"));

        let serve = Metrics::serve()
            .args(["--max-viewers".into(), number.to_string()])
            .start();
        let _inside: Vec<_> = (0..number)
            .map(|_| Viewer::connect(serve.url(), ""))
            .collect();
        let (status, reason) = Viewer::refused(serve.url(), "");
        assert_eq!(
            (status, reason.trim_end()),
            (503, &*format!("full: {viewers} {are} here"))
        );
    }
}

#[test]
fn no_sentence_counts_by_itself() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src")
        .into_iter()
        .filter(|(path, _)| !path.contains("tests"))
    {
        for line in code(&text).lines().filter(|line| counts(line)) {
            wrong.push(format!("{path}: {}", line.trim()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "use wording::counted");
    for line in [
        "\"{} rows\"",
        "\"{many} hosts here\"",
        "(\"Replayed {n} messages\")",
        "\"{n:>3} gaps\"",
    ] {
        assert!(counts(line), "{line}");
    }
    for line in [
        "\"{} rowspan\"",
        "\"{rows}\"",
        "{ hosts: 1 }",
        "\"{seq} samples_\"",
    ] {
        assert!(!counts(line), "{line}");
    }
}

/// Whether a text in `line` has a placeholder before the plural of something that is counted.
fn counts(line: &str) -> bool {
    line.match_indices("} ").any(|(at, _)| {
        let (before, behind) = (&line[..at], &line[at + 2..]);
        let word: String = behind
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        before.contains('"') && COUNTED.contains(&word.as_str())
    })
}
