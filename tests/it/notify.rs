//! Notifications of alerts, from the flags to whoever is told.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::alertmanager::Alertmanager;
use crate::harness::certificates::Authority;
use crate::harness::http::get;
use crate::harness::metrics::{Metrics, Running};
use crate::harness::nginx::Nginx;
use crate::harness::recording::timestamp;
use crate::harness::webhook::{Answers, WebhookServer};
use crate::harness::{PATIENCE, wait_for};

/// 2026-11-24T14:00:00Z
const BEGIN_MS: u64 = 1_795_528_800_000;

/// True from the first sample on.
const UP: [&str; 2] = ["--alert", "up: uptime > 0"];

fn in_file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn script(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = in_file(
        dir,
        name,
        &format!("#!/bin/sh\ncd '{}'\n{text}\n", dir.path().display()),
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A recording of `web-1` with these values of `cpu`, a second apart; behind a `!` is a recorded alert.
fn recording(values: &str) -> String {
    let mut csv = String::from("timestamp,host,stream,seq,event,cpu,top,extra\n");
    let event = r#""alert {""name"":""old"",""rule"":""cpu > 1"",""state"":""firing"",""metric"":""cpu"",""since"":1795528800000}""#;
    let mut seq = 0;
    for (second, word) in (0..).zip(values.split(' ')) {
        let time = timestamp(BEGIN_MS + second * 1000);
        let cpu = word.trim_end_matches('!');
        seq += 1;
        writeln!(csv, "{time},web-1,s1,{seq},,{cpu},,").unwrap();
        if word.ends_with('!') {
            seq += 1;
            writeln!(csv, "{time},web-1,s1,{seq},{event},{cpu},,").unwrap();
        }
    }
    csv
}

/// The value of a series that `/metrics` exposes.
#[track_caller]
fn exposed(server: &Running, series: &str) -> f64 {
    let (_, text) = get(server.port(), "/metrics");
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value
        .unwrap_or_else(|| panic!("no {series} in {text}"))
        .parse()
        .unwrap()
}

/// When the newest sample was taken, in seconds.
#[track_caller]
fn sample_time(server: &Running) -> f64 {
    exposed(server, "host_sample_timestamp_seconds{host=\"web-1\"}")
}

#[track_caller]
fn wait_for_count(server: &Running, kind: &str, result: &str, count: f64) {
    let series = format!("metrics_notifications_total{{kind=\"{kind}\",result=\"{result}\"}}");
    wait_for(
        PATIENCE,
        || (count <= exposed(server, &series)).then_some(()),
        || server.story(),
    );
}

#[test]
fn everybody_is_told_of_a_live_alert_once() {
    let dir = tempfile::tempdir().unwrap();
    let hook = WebhookServer::start(Answers::With("200 OK"));
    let program = script(&dir, "notify", "cat >> told; echo >> told");
    let chats = ["slack", "discord", "teams"].map(|kind| format!("{kind} {}\n", hook.url()));
    let file = in_file(&dir, "hooks", &chats.concat());
    let server = Metrics::serve()
        .args(UP)
        .args(["--notify-webhook", &hook.url()])
        .args(["--notify-webhook", &format!("ntfy={}", hook.url())])
        .arg("--notify-webhook-file")
        .arg(file)
        .arg("--notify-exec")
        .arg(program)
        .start();
    for kind in ["json", "ntfy", "slack", "discord", "teams", "exec"] {
        wait_for_count(&server, kind, "sent", 1.0);
    }
    // It goes on to fire, and nobody is told again.
    let seen = sample_time(&server);
    wait_for(
        PATIENCE,
        || (seen + 1.0 < sample_time(&server)).then_some(()),
        || server.story(),
    );
    let posted = hook.posted();
    assert_eq!(posted.len(), 5, "{posted:?}");
    for request in &posted {
        assert!(
            request.head.starts_with("post /secret http/1.1\n"),
            "{}",
            request.head
        );
        assert!(request.body.contains("Uptime is "), "{}", request.body);
    }
    let ntfy = posted
        .iter()
        .find(|it| it.head.contains("\ntitle: "))
        .unwrap();
    assert!(
        ntfy.head.contains("\ntitle: firing: up on web-1\n"),
        "{}",
        ntfy.head
    );
    let told = std::fs::read_to_string(dir.path().join("told")).unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["alert"]["rule"], "uptime > 0");
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .starts_with("Firing: up on web-1. Uptime is "),
        "{told}"
    );
    server.signal(Signal::TERM);
    server.wait().success();
}

#[test]
fn a_replay_tells_of_its_own_alerts_and_says_that_it_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "r.csv", &recording("50 95! 99 95! 50 95 50!"));
    let hook = WebhookServer::start(Answers::With("204 No Content"));
    let replay = Metrics::replay([file])
        .args(["--alert", "busy: cpu > 90", "--speed", "max"])
        .args(["--notify-webhook", &hook.url()])
        .run()
        .success();
    // It has not ended before everybody was told.
    let texts: Vec<_> = hook
        .posted()
        .iter()
        .map(|request| {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!(body["replayed"], true);
            body["text"].as_str().unwrap().to_owned()
        })
        .collect();
    let expected = [
        "Replay of 2026-11-24: Firing: busy on web-1. CPU is 95.0 %, above 90.0 %.",
        "Replay of 2026-11-24: Resolved: busy on web-1. CPU is 50.0 %. \
         The alert lasted 3 s, with a peak of 99.0 % (threshold 90.0 %).",
        "Replay of 2026-11-24: Firing: busy on web-1. CPU is 95.0 %, above 90.0 %.",
        "Replay of 2026-11-24: Resolved: busy on web-1. CPU is 50.0 %. \
         The alert lasted 1 s, with a peak of 95.0 % (threshold 90.0 %).",
    ];
    assert_eq!(texts, expected, "{}", replay.story());
}

#[test]
fn a_test_reports_what_everybody_responds() {
    let dir = tempfile::tempdir().unwrap();
    let well = WebhookServer::start(Answers::With("202 Accepted"));
    let gone = WebhookServer::start(Answers::With("404 Not Found"));
    let moved = WebhookServer::start(Answers::With("308 Permanent Redirect"));
    let closing = WebhookServer::start(Answers::Closing);
    let endless = WebhookServer::start(Answers::Endless);
    let good = script(&dir, "good", "cat > told");
    let serve = |hook: &WebhookServer| {
        Metrics::serve().args(["--notify-test", "--notify-webhook", &hook.url()])
    };
    serve(&well)
        .arg("--notify-exec")
        .arg(&good)
        .run()
        .success()
        .stdout_is("exec (good): exit status: 0\njson (127.0.0.1): 202 Accepted: no such hook\n");
    let told = std::fs::read_to_string(dir.path().join("told")).unwrap();
    assert!(told.contains("\"text\":\"Test from web-1. "), "{told}");
    for (hook, expected) in [
        (&gone, "failed: 404 Not Found: no such hook"),
        (
            &moved,
            "failed: 308 Permanent Redirect: no such hook (redirects are not followed: give the URL that it leads to)",
        ),
        (
            &closing,
            "failed: the connection was closed without an answer",
        ),
    ] {
        let output = serve(hook).run().code(1);
        output.stdout_is(&format!("json (127.0.0.1): {expected}\n"));
        assert_eq!(hook.connections(), 1);
    }
    let output = serve(&endless).run().success();
    assert!(output.stdout.len() < 1000, "{}", output.story());
    let bad = script(&dir, "bad", "echo 'no mail' >&2; exit 7");
    let recording = in_file(&dir, "r.csv", &recording("1"));
    let replay = Metrics::replay([recording])
        .arg("--notify-test")
        .arg("--notify-exec")
        .arg(bad)
        .run()
        .code(1);
    replay.stdout_is("exec (bad): failed: exit status: 7: no mail\n");
}

#[test]
fn a_flag_that_is_no_good_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = in_file(&dir, "hooks", "# ours\nslack https://h/SECRET x\n");
    let plain = in_file(&dir, "plain", "");
    let (file, plain) = (file.to_str().unwrap(), plain.to_str().unwrap());
    for (args, expected) in [
        (&["--notify-test"][..], "--notify-test has nobody to notify"),
        (
            &["--notify-webhook", "slack=https://hooks.slack.com/SECRET"],
            "--notify-webhook: a slack URL is a secret, and every user of this machine can read a command line: write \
             'slack URL' into a file and name it with --notify-webhook-file FILE",
        ),
        (
            &["--notify-webhook", "pager=https://h/SECRET"],
            "--notify-webhook: 'pager' is not a kind of webhook",
        ),
        (
            &["--notify-webhook", "h/SECRET"],
            "--notify-webhook: this is not a URL",
        ),
        (
            &["--notify-webhook-file", file],
            "hooks:2: there is more than a kind and a URL on this line",
        ),
        (
            &["--notify-webhook-file", "/none"],
            "--notify-webhook-file: cannot read '/none': no such file",
        ),
        (
            &["--notify-exec", "/none"],
            "--notify-exec: cannot run '/none': no such file",
        ),
        (&["--notify-exec", plain], "is not executable: chmod +x"),
        (
            &["--notify-exec", "mail -s x"],
            "write the command into a script",
        ),
        (
            &["--notify-webhook", "http://h/"],
            "say when to alert, with --alert default",
        ),
    ] {
        let output = Metrics::serve()
            .args(args)
            .run()
            .code(2)
            .stderr_has(expected)
            .stderr_lacks("SECRET");
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.story());
        assert!(output.stderr.starts_with("error: "), "{}", output.story());
    }
}

#[test]
fn no_log_has_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let gone = WebhookServer::start(Answers::With("404 Not Found"));
    let moved = WebhookServer::start(Answers::With("301 Moved Permanently"));
    let broken = WebhookServer::start(Answers::With("500 Internal Server Error"));
    let closing = WebhookServer::start(Answers::Closing);
    let hooks = [
        ("slack", &gone),
        ("discord", &moved),
        ("teams", &broken),
        ("json", &closing),
    ];
    let mut lines = String::from("ntfy http://user:SECRET@127.0.0.1:1/SECRET\n");
    for (kind, hook) in hooks {
        writeln!(lines, "{kind} {}", hook.url()).unwrap();
    }
    let file = in_file(&dir, "hooks", &lines);
    let server = Metrics::serve()
        .args(UP)
        .arg("-vv")
        .arg("--notify-webhook-file")
        .arg(file)
        .start();
    wait_for_count(&server, "slack", "failed", 1.0);
    wait_for_count(&server, "discord", "failed", 1.0);
    for text in [
        "notifier slack (127.0.0.1): gave up 'Firing: up on web-1': 404 Not Found: no such hook",
        "notifier discord (127.0.0.1): gave up 'Firing: up on web-1': 301 Moved Permanently",
        "notifier teams (127.0.0.1): 500 Internal Server Error: no such hook; trying again",
        "notifier json (127.0.0.1): the connection was closed without an answer; trying again",
        "notifier ntfy (127.0.0.1): connection refused; trying again",
    ] {
        server.wait_for_stderr(text);
    }
    broken.wait_for(2);
    server.signal(Signal::TERM);
    server
        .wait()
        .success()
        .stderr_lacks("SECRET")
        .stderr_has("3 notifications were not sent.");
}

#[test]
fn samples_stay_on_time_whatever_notifiers_do() {
    let dir = tempfile::tempdir().unwrap();
    let hooks = [
        Answers::Never,
        Answers::Unread,
        Answers::Closing,
        Answers::Endless,
        Answers::With("429 Too Many Requests\r\nRetry-After: 3600"),
        Answers::With("500 Internal Server Error"),
    ]
    .map(WebhookServer::start);
    let programs = [
        script(&dir, "stalls", "sleep 300"),
        script(&dir, "forks", "sleep 300 & sleep 300 & exit 0"),
        script(&dir, "prints", "yes | head -c 50000000; yes >&2"),
        script(&dir, "fails", "exec <&-; exit 1"),
    ];
    let mut server = Metrics::serve()
        .args(["--alert", "busy: cpu:* >= 0", "--alert", "up: uptime > 0"])
        .args(["--alert", "flaps: uptime >= 0"]);
    for hook in &hooks {
        server = server.args(["--notify-webhook", &hook.url()]);
    }
    for program in &programs {
        server = server.arg("--notify-exec").arg(program);
    }
    let server = server.start();
    wait_for_count(&server, "json", "sent", 1.0);
    wait_for_count(&server, "exec", "failed", 1.0);
    // Some 25 samples while others stall.
    let mut samples = BTreeSet::new();
    let mut latest: f64 = 0.0;
    wait_for(
        PATIENCE,
        || {
            let time = sample_time(&server);
            samples.insert(time.to_bits());
            latest = latest.max(exposed(&server, "metrics_sample_lateness_seconds"));
            (25 <= samples.len()).then_some(())
        },
        || server.story(),
    );
    println!(
        "the latest of {} samples was {:.1} ms late",
        samples.len(),
        latest * 1e3
    );
    // A sample that waited for any of them would be seconds late.
    assert!(latest < 2.5, "{latest} s");
    server.signal(Signal::TERM);
    server.wait().success();
}

#[test]
fn alertmanager_has_what_fires_until_it_is_resolved() {
    let dir = tempfile::tempdir().unwrap();
    let rules = in_file(&dir, "rules", "long up: uptime > 0\n");
    let alertmanager = Alertmanager::start();
    let server = Metrics::serve()
        .arg("--alerts")
        .arg(&rules)
        .args([
            "--notify-webhook",
            &format!("alertmanager={}", alertmanager.url()),
        ])
        .start();
    let alert = wait_for(PATIENCE, || alertmanager.alerts().pop(), || server.story());
    assert_eq!(alert["labels"]["alertname"], "long up");
    assert_eq!(alert["labels"]["host"], "web-1");
    assert_eq!(alert["labels"]["metric"], "uptime");
    assert_eq!(alert["annotations"]["rule"], "uptime > 0");
    let description = alert["annotations"]["description"].as_str().unwrap();
    assert!(description.starts_with("Uptime is "), "{description}");
    let ends = humantime::parse_rfc3339(alert["endsAt"].as_str().unwrap()).unwrap();
    let left = ends.duration_since(SystemTime::now()).unwrap();
    assert!(
        Duration::from_secs(120) < left && left <= Duration::from_secs(240),
        "{left:?}"
    );
    assert!(UNIX_EPOCH < ends);

    let target = format!("alertmanager={}", alertmanager.url());
    let test = Metrics::serve()
        .args(["--notify-test", "--notify-webhook", &target])
        .run();
    test.success()
        .stdout_is("alertmanager (127.0.0.1): 200 OK\n");
    let names = || -> Vec<_> {
        let alerts = alertmanager.alerts();
        alerts
            .iter()
            .map(|alert| alert["labels"]["alertname"].clone())
            .collect()
    };
    assert_eq!(names().len(), 2, "{:?}", names());

    std::fs::write(&rules, "").unwrap();
    server.signal(Signal::HUP);
    wait_for(
        PATIENCE,
        || (names() == ["test"]).then_some(()),
        || server.story(),
    );
    wait_for_count(&server, "alertmanager", "sent", 2.0);
    server.signal(Signal::TERM);
    server.wait().success();
}

#[test]
fn https_trusts_the_authorities_of_the_system() {
    let nginx = Nginx::start_tls("localhost", "location / { return 200 thanks; }");
    let dir = tempfile::tempdir().unwrap();
    let other = Authority::named("Other").write(dir.path());
    let test = |host: &str, authorities: &std::path::Path| {
        let url = format!("https://{host}:{}/", nginx.port());
        Metrics::serve()
            .args(["--notify-test", "--notify-webhook", &url])
            .env("SSL_CERT_FILE", authorities)
            .run()
    };
    let output = test("localhost", &nginx.authority()).success();
    output.stdout_is("json (localhost): 200 OK: thanks\n");
    let output = test("localhost", &other).code(1);
    assert!(
        output
            .text()
            .contains("by a CA that this system does not trust"),
        "{}",
        output.story()
    );
    let output = test("127.0.0.1", &nginx.authority()).code(1);
    assert!(
        output
            .text()
            .contains("json (127.0.0.1): failed: TLS failed: "),
        "{}",
        output.story()
    );
}
