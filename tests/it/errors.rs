//! Every error that a user can run into: its text, its stream, and the exit status.

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use crate::harness::metrics::{Metrics, Output};
use crate::harness::recording::plain;

/// The run fails with the exit status `code`, prints each of `fragments` on standard error, and nothing on standard
/// output.
#[track_caller]
fn check(metrics: Metrics, code: i32, fragments: &[&str]) -> Output {
    let mut output = metrics.run().code(code).stdout_is("");
    for fragment in fragments {
        output = output.stderr_has(fragment);
    }
    output.stderr_lacks("panicked").stderr_lacks("os error")
}

fn serve(args: &[&str]) -> Metrics {
    Metrics::new().arg("serve").args(args)
}

/// A folder with `r.csv` in it.
fn file(csv: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.csv");
    std::fs::write(&path, csv).unwrap();
    (dir, path)
}

/// A port on loopback where nothing listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    check(
        serve(&["--listen", &address]),
        1,
        &[
            &format!("cannot listen on {address}: address already in use"),
            "-l 127.0.0.1:0",
        ],
    );
}

#[test]
fn an_address_without_a_port() {
    check(
        serve(&["--listen", "127.0.0.1"]),
        2,
        &["'127.0.0.1'", "port"],
    );
}

#[test]
fn a_duration_with_an_unknown_unit() {
    check(
        serve(&["--interval", "5parsecs"]),
        2,
        &[
            "--interval",
            "unknown unit 'parsecs'",
            "use ms, s, m, h or d",
        ],
    );
}

#[test]
fn a_duration_without_a_unit() {
    check(serve(&["--interval", "2"]), 2, &["--interval", "write 2s"]);
    check(
        Metrics::watch("127.0.0.1:9").args(["--since", "10"]),
        2,
        &["--since", "write 10s"],
    );
}

#[test]
fn an_interval_out_of_range() {
    check(serve(&["--interval", "50ms"]), 2, &["--interval", "200ms"]);
    check(serve(&["--interval", "2h"]), 2, &["--interval", "1h"]);
}

#[test]
fn an_invalid_host_name() {
    check(
        serve(&["--name", "a/b"]),
        2,
        &["--name", "'a/b' is not a host name"],
    );
}

#[test]
fn an_unknown_host() {
    let (_dir, path) = file(&plain("web-1", 3, 1000));
    let replay = Metrics::replay([&path]).args(["--wait", "1"]).start();
    for command in [Metrics::watch(replay.url()), Metrics::record(replay.url())] {
        check(command.args(["--host", "nope"]), 3, &["nope", "web-1"]);
    }
}

#[test]
fn a_refused_connection_with_once() {
    let port = closed_port();
    check(
        Metrics::watch(&format!("127.0.0.1:{port}")).arg("--once"),
        3,
        &[&format!("127.0.0.1:{port}"), "connection refused"],
    );
}

#[test]
fn no_connection_after_ten_attempts() {
    let port = closed_port();
    let output = check(
        Metrics::record(&format!("127.0.0.1:{port}")),
        3,
        &["connection refused", "10 attempts"],
    );
    assert!(output.stderr.lines().count() < 20, "{}", output.story());
}

#[test]
fn something_other_than_a_server() {
    let page = crate::harness::http::serve_page("<p>hello</p>");
    check(
        Metrics::record(&format!("ws://127.0.0.1:{page}/")),
        3,
        &[&format!("127.0.0.1:{page}")],
    );
}

#[test]
fn an_invalid_address() {
    check(Metrics::watch("ftp://web-1"), 2, &["ftp://web-1", "ws://"]);
}

#[test]
fn a_file_that_is_not_a_recording() {
    for text in ["", "hello\n", "a,b,c\n1,2,3\n", "\u{0}\u{1}\u{2}"] {
        let (_dir, path) = file(text);
        let name = path.display().to_string();
        check(Metrics::replay([&path]), 1, &[&name, "not a recording"]);
    }
}

#[test]
fn a_missing_file() {
    let (dir, _) = file("");
    let path = dir.path().join("missing.csv");
    let name = path.display().to_string();
    check(Metrics::replay([&path]), 1, &[&name, "no such file"]);
}

#[test]
fn a_cell_that_is_not_a_number() {
    let csv = plain("web-1", 4, 1000).replacen(",2,120.25", ",2,abc", 1);
    let (_dir, path) = file(&csv);
    check_malformed(
        &path,
        &format!(
            "{}:2: column 'requestsPerSecond': 'abc' is not a number",
            path.display()
        ),
    );
}

#[test]
fn numbers_that_no_message_can_have() {
    for wrong in ["NaN", "inf", "1e999", "0x10", " 1"] {
        let csv = plain("web-1", 4, 1000).replacen(",41.5,", &format!(",{wrong},"), 1);
        let (_dir, path) = file(&csv);
        check_malformed(
            &path,
            &format!("{}:2: column 'memory': '{wrong}' is not a ", path.display()),
        );
    }
}

#[test]
fn errors_give_the_line_in_the_file() {
    // The cell before it spans two lines of the file.
    let csv = plain("web-1", 5, 1000)
        .replacen(
            ",2,120.25,,\n",
            ",2,120.25,,\"{\"\"a\"\":1,\n\"\"b\"\":2}\"\n",
            1,
        )
        .replacen(",3,,3,41.5", ",3,,x,41.5", 1);
    let (_dir, path) = file(&csv);
    check_malformed(
        &path,
        &format!("{}:5: column 'cpu': 'x' is not a number", path.display()),
    );
}

#[test]
fn cells_of_the_fixed_columns() {
    for (good, bad, column) in [
        ("2026-11-24T14:00:02.000Z", "yesterday", "timestamp"),
        ("web-1,k3v9q2,2,", "web 1,k3v9q2,2,", "host"),
        ("k3v9q2,2,", "K3V9Q2,2,", "stream"),
        ("k3v9q2,2,", "k3v9q2,-2,", "seq"),
        ("k3v9q2,2,,", "k3v9q2,2,party,", "event"),
        ("k3v9q2,2,,", "k3v9q2,2,alert {,", "event"),
    ] {
        let csv = plain("web-1", 4, 1000).replacen(good, bad, 1);
        assert!(csv.contains(bad));
        let (_dir, path) = file(&csv);
        check_malformed(&path, &format!("{}:3: column '{column}'", path.display()));
    }
}

#[test]
fn a_row_of_the_wrong_length() {
    let csv = plain("web-1", 4, 1000).replacen(",2,120.25,,\n", ",2,120.25\n", 1);
    let (_dir, path) = file(&csv);
    check_malformed(&path, &format!("{}:2:", path.display()));
}

/// The file may be refused at once or when the replay reaches the row, but never partly accepted.
#[track_caller]
fn check_malformed(path: &std::path::Path, expected: &str) {
    let output = Metrics::replay([path]).args(["--speed", "max"]).run();
    output.code(1).stderr_has(expected).stderr_lacks("panicked");
}

#[test]
fn standard_input_cannot_be_looped() {
    check(
        Metrics::replay(["-"]).arg("--loop"),
        2,
        &["standard input cannot be looped"],
    );
}

#[test]
fn an_existing_output() {
    let (dir, path) = file(&plain("web-1", 3, 1000));
    let replay = Metrics::replay([&path]).args(["--wait", "1"]).start();
    let out = dir.path().join("out.csv");
    std::fs::write(&out, "precious").unwrap();
    let name = out.display().to_string();
    check(
        Metrics::record(replay.url()).arg("-o").arg(&out),
        2,
        &[&name, "--force", "--append"],
    );
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "precious");
    Metrics::record(replay.url())
        .arg("-o")
        .arg(&out)
        .arg("--force")
        .run()
        .success();
    let recorded = std::fs::read_to_string(&out).unwrap();
    assert_eq!(recorded, std::fs::read_to_string(&path).unwrap());
}

#[test]
fn an_output_that_is_not_a_recording_is_not_appended_to() {
    let (dir, path) = file(&plain("web-1", 3, 1000));
    let replay = Metrics::replay([&path]).args(["--wait", "1"]).start();
    let out = dir.path().join("notes.txt");
    std::fs::write(&out, "precious\n").unwrap();
    let output = Metrics::record(replay.url())
        .arg("-o")
        .arg(&out)
        .arg("--append")
        .run();
    output.code(1).stderr_has("not a recording");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "precious\n");
}

#[test]
fn a_missing_folder() {
    let (dir, path) = file(&plain("web-1", 3, 1000));
    let replay = Metrics::replay([&path]).args(["--wait", "1"]).start();
    let out = dir.path().join("no/such/out.csv");
    let name = out.display().to_string();
    check(
        Metrics::record(replay.url()).arg("-o").arg(&out),
        1,
        &[&name, "there is no directory", "mkdir -p"],
    );
}

#[test]
fn a_full_disk_ends_a_recording() {
    let (_dir, path) = file(&plain("web-1", 500, 1000));
    let replay = Metrics::replay([&path])
        .args(["--wait", "1", "--speed", "max"])
        .start();
    check(
        Metrics::record(replay.url()).args(["-o", "/dev/full", "--force"]),
        1,
        &["/dev/full", "no space left"],
    );
}

#[test]
fn several_hosts_need_a_folder() {
    let (dir, first) = file(&plain("web-1", 3, 1000));
    let second = dir.path().join("second.csv");
    std::fs::write(&second, plain("web-2", 3, 1000)).unwrap();
    let replay = Metrics::replay([&first, &second])
        .args(["--wait", "1"])
        .start();
    let out = dir.path().join("out.csv");
    let output = Metrics::record(replay.url()).arg("-o").arg(&out).run();
    output
        .code(2)
        .stderr_has("web-1")
        .stderr_has("web-2")
        .stderr_has("-o DIR/");
}

#[test]
fn flags_that_contradict() {
    for (args, named) in [
        (
            &[
                "record",
                "127.0.0.1:9",
                "-o",
                "x.csv",
                "--force",
                "--append",
            ][..],
            "--append",
        ),
        (&["watch", "127.0.0.1:9", "--json", "--plain"], "--plain"),
        (
            &["watch", "127.0.0.1:9", "--json", "--columns", "cpu"],
            "--columns",
        ),
        (&["watch", "127.0.0.1:9", "--columns", "cpu,"], "--columns"),
        (
            &["watch", "127.0.0.1:9", "--last", "3", "--since", "1m"],
            "--last",
        ),
        (&["replay", "x.csv", "--speed", "0"], "--speed"),
        (&["replay", "x.csv", "--speed", "fast"], "--speed"),
        (&["watch", "127.0.0.1:9", "--samples", "0"], "--samples"),
        (&["record", "127.0.0.1:9", "--append"], "--append"),
    ] {
        check(Metrics::new().args(args), 2, &[named]);
    }
}

#[test]
fn hostile_text_is_shown_harmless() {
    let csv =
        plain("web-1", 3, 1000).replacen("web-1,k3v9q2,2", "\u{1b}[31mred\u{202e},k3v9q2,2", 1);
    let (_dir, path) = file(&csv);
    let output = Metrics::replay([&path])
        .args(["--speed", "max"])
        .run()
        .code(1);
    output.stderr_lacks("\u{1b}").stderr_lacks("\u{202e}");
}
