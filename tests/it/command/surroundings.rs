//! COMMAND's environment and its standard input.

use std::path::Path;

use crate::harness::certificates::{Authority, Valid};
use crate::harness::http::get;
use crate::harness::metrics::Metrics;
use crate::harness::recording::plain;

use super::Scene;

/// How a file is named from the folder where the binary runs, while COMMAND may run elsewhere.
fn from_here(path: &Path) -> &Path {
    path.strip_prefix(std::env::temp_dir()).unwrap()
}

/// Prints what COMMAND gets.
const SHOW: &str =
    r#"echo "$METRICS_SERVER $METRICS_URL ${METRICS_TOKEN_FILE-none} ${METRICS_CA_CERT-none}""#;

#[test]
fn a_replay_says_where_it_is_and_nothing_else() {
    let scene = Scene::new();
    let output = scene.replay().sh(SHOW).run().success();
    let line = output.text();
    let port: u16 = line.split([':', '/']).nth(4).unwrap().parse().unwrap();
    assert_ne!(port, 8080);
    let expected = format!("ws://127.0.0.1:{port}/ws http://127.0.0.1:{port}/ none none\n");
    output.stdout_is(&expected);
}

#[test]
fn an_address_for_every_interface_can_be_reached() {
    let scene = Scene::new();
    for (listen, host) in [("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "[::1]")] {
        let replay = scene
            .replay()
            .args(["--allow-anonymous", "--listen", listen]);
        let output = replay
            .sh(&format!(r#"{SHOW}; "$METRICS" watch --json"#))
            .run()
            .success();
        let text = output.text();
        assert!(text.starts_with(&format!("ws://{host}:")), "{text}");
        assert!(text.contains(&format!(" http://{host}:")), "{text}");
        assert_eq!(text.lines().count(), 22, "{text}");
    }
}

#[test]
fn the_page_is_at_the_url() {
    let scene = Scene::new();
    let script = r#"echo "$METRICS_URL"; until [ -e "$DIR/go" ]; do sleep 0.02; done"#;
    let replay = scene.replay().sh(script).spawn();
    let url = replay.stdout_lines(1).remove(0);
    let port = url.rsplit(':').next().unwrap().trim_end_matches('/');
    let (status, page) = get(port.parse().unwrap(), "/");
    assert!(status == 200 && page.contains("<html"), "{url}: {page}");
    scene.make("go");
    replay.wait().success();
}

#[test]
fn a_command_gets_in_wherever_it_runs() {
    let scene = Scene::new();
    let dir = scene.path("");
    let authority = Authority::new();
    let (ca, pair) = (
        authority.write(&dir),
        authority.sign(&dir, &["localhost"], Valid::Now),
    );
    let token = scene.path("token");
    let elsewhere = r#"cd / && exec "$METRICS" watch --json --samples 1"#;
    let secure = |metrics: Metrics| {
        let metrics = metrics
            .arg("--tls-cert")
            .arg(&pair.cert)
            .arg("--tls-key")
            .arg(&pair.key);
        metrics.arg("--token-file").arg(from_here(&token))
    };

    let server = secure(Metrics::serve()).start();
    let record = scene
        .record(&server)
        .arg("--token-file")
        .arg(from_here(&token))
        .arg("--ca-cert")
        .arg(from_here(&ca));
    let output = record.sh(&format!("{SHOW}; {elsewhere}")).run().success();
    let port = server.port();
    let (token_name, ca_name) = (token.display(), ca.display());
    let expected =
        format!("wss://localhost:{port}/ws https://localhost:{port}/ {token_name} {ca_name}\n");
    assert!(output.text().starts_with(&expected), "{}", output.story());
    assert_eq!(output.text().lines().count(), 2);
}

#[test]
fn a_command_trusts_the_certificate_of_its_replay() {
    let scene = Scene::new();
    let dir = scene.path("");
    let pair = crate::harness::certificates::sign_as_ca(&dir, &["localhost"], Valid::Now);
    let replay = scene
        .replay()
        .arg("--tls-cert")
        .arg(from_here(&pair.cert))
        .arg("--tls-key")
        .arg(&pair.key);
    let token = scene.path("token");
    let replay = replay.arg("--token-file").arg(from_here(&token));
    let script = format!(r#"{SHOW}; cd /; "$METRICS" watch --json"#);
    let output = replay.sh(&script).run().success();
    let text = output.text();
    assert!(text.starts_with("wss://localhost:"), "{text}");
    assert!(
        text.contains(&format!(" {} ", scene.path("token").display())),
        "{text}"
    );
    assert!(
        text.contains(&format!(" {}\n", pair.cert.display())),
        "{text}"
    );
    assert_eq!(text.lines().count(), 22, "{text}");
}

#[test]
fn a_command_reads_our_stdin_unless_the_recording_does() {
    let scene = Scene::new();
    let typed = scene
        .replay()
        .args(["--", "cat"])
        .run_with_input(b"typed\n");
    typed.success().stdout_is("typed\n");
    let server = Metrics::serve().start();
    let typed = scene
        .record(&server)
        .args(["--", "cat"])
        .run_with_input(b"typed\n");
    typed.success().stdout_is("typed\n");
    // More than we read ahead.
    let csv = plain("web-1", 10_000, 1000);
    for input in ["-", "/dev/stdin"] {
        let replay = Metrics::new().args(["replay", input, "--speed", "max", "--", "cat"]);
        replay
            .run_with_input(csv.as_bytes())
            .success()
            .stdout_is("");
    }
}

#[test]
fn stdout_and_the_terminal_belong_to_the_command() {
    let scene = Scene::new();
    let output = scene.replay().sh("echo out; echo err >&2").run().success();
    let output = output.stdout_is("out\n");
    let (ours, theirs) = output.stderr.split_once('\n').unwrap();
    assert!(
        ours.starts_with("Replaying web-1 (20 rows) at http://127.0.0.1:"),
        "{ours}"
    );
    assert_eq!(theirs, "err\n");
    let quiet = scene.replay().arg("--quiet").sh("echo out").run().success();
    assert_eq!(quiet.stdout_is("out\n").stderr, "");
}
