//! A server that puts terminal escape sequences into every text.

use crate::harness::metrics::Metrics;
use crate::harness::pty::Left;
use crate::harness::server::{close, each_viewer, say};

/// Sequences with visible effects: a title, a cleared screen, reversed text, and CSI as one character.
const EVIL: &str = "\\u001b]0;owned\\u0007\\u001b[2J\\u202eevil\u{9b}31m\u{7f}";

/// A server with one host, three samples, two alerts, a gap, and escape sequences in every text.
fn evil_server() -> String {
    let top = format!(r#""top":[{{"pid":1,"name":"{EVIL}","cpu":99,"memory":9}}]"#);
    let data = |seq: u64| {
        format!(
            r#""data":{{"timestamp":{},"cpu":95,"memory":1,"activeUsers":0,"requestsPerSecond":0,"disk:/{EVIL}":97,"x{EVIL}":1,{top}}}"#,
            1_795_529_251_204 + seq * 1000
        )
    };
    let metric = |seq| {
        format!(
            r#"{{"type":"metric","host":"web-1","seq":{seq},{}}}"#,
            data(seq)
        )
    };
    let alert = |seq, state| {
        format!(
            r#"{{"type":"alert","host":"web-1","seq":{seq},"alert":{{"name":"{EVIL}","rule":"{EVIL}","state":"{state}","metric":"{EVIL}","value":1,"threshold":1,"since":1}},{}}}"#,
            data(seq)
        )
    };
    let hello = format!(
        r#"{{"type":"hello","host":"web-1","protocol":1,"server":"{EVIL}","stream":"k3v9q2","oldest":1,"newest":9,"interval":1000,"heartbeat":30000,"system":{{"os":"{EVIL}","kernel":"{EVIL}","cores":1,"memory":1}},"metrics":[{{"name":"cpu","unit":"{EVIL}","label":"{EVIL}"}},{{"name":"x{EVIL}","unit":"{EVIL}","label":"{EVIL}"}}],"alerts":[],"unavailable":["{EVIL}"]}}"#
    );
    let texts = [
        hello,
        format!(r#"{{"type":"metric","host":"{EVIL}","seq":1,{}}}"#, data(1)),
        format!(r#"{{"type":"{EVIL}"}}"#),
        format!(r#"{{"type":"gap","host":"web-1","reason":"{EVIL}"}}"#),
        metric(1),
        alert(2, "firing"),
        metric(3),
        alert(4, "resolved"),
        metric(7),
        r#"{"type":"end","host":"web-1"}"#.into(),
    ];
    let port = each_viewer(move |_, _, socket| {
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        say(socket, &texts);
        close(socket, 1000, "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}");
    });
    format!("ws://127.0.0.1:{port}/ws")
}

#[track_caller]
fn assert_harmless(what: &str, text: &str) {
    let hostile = |c: char| c.is_control() && !"\n\r\u{1b}".contains(c) || c == '\u{202e}';
    assert!(!text.contains(hostile), "{what}: {text:?}");
    for sequence in ["\u{1b}]0;owned", "\u{1b}]", "\u{1b}[31m\u{7f}"] {
        assert!(!text.contains(sequence), "{what}: {text:?}");
    }
}

#[test]
fn printed_text_is_harmless() {
    let url = evil_server();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.csv");
    for run in [
        Metrics::watch(&url).arg("--plain"),
        Metrics::watch(&url).arg("--json"),
        Metrics::watch(&url).arg("--once"),
        Metrics::record(&url).arg("-v").arg("-o").arg(&file),
    ] {
        let line = run.line();
        let output = run.run();
        assert!(output.status.success(), "{}", output.story());
        for text in [output.text(), &output.stderr] {
            assert_harmless(&line, text);
            assert!(!text.contains('\u{1b}'), "{line}: {text:?}");
        }
    }
    let recorded = std::fs::read_to_string(&file).unwrap();
    assert_harmless("the recording", &recorded);
    assert!(!recorded.contains('\u{1b}'), "{recorded:?}");
    // The recording can be played, and is harmless.
    let replay = Metrics::replay([&file])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let watch = Metrics::watch(replay.url()).arg("--plain").run().success();
    assert_harmless("watch of the replay", watch.text());
    assert_harmless("replay", &replay.wait().success().stderr);
}

#[test]
fn output_to_a_terminal_is_harmless() {
    let url = evil_server();
    let dir = tempfile::tempdir().unwrap();
    let mut watch = Metrics::watch(&url).in_terminal(120, 40);
    watch.wait_for_text("web-1");
    watch.send_keys("\r");
    watch.wait_for("a page of the host", |screen| {
        screen.contents().contains("evil")
    });
    watch.send_keys("q");
    let record = Metrics::record(&url)
        .args(["-v", "-o"])
        .arg(dir.path().join("out.csv"))
        .in_terminal(120, 40);
    let json = Metrics::watch(&url).arg("--json").in_terminal(120, 40);
    let rows = Metrics::record(&url).in_terminal(120, 40);
    let path = "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil.csv";
    let missing = Metrics::replay([path]).in_terminal(120, 40);
    for (what, Left { bytes, .. }) in [
        ("watch", watch.wait()),
        ("record", record.wait()),
        ("watch --json", json.wait()),
        ("record to a terminal", rows.wait()),
        ("replay of a file with an evil name", missing.wait()),
    ] {
        assert_harmless(what, &String::from_utf8_lossy(&bytes));
    }
}
