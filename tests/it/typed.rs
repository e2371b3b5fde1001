//! What people type: addresses, durations, counts, factors and files. Every refusal is one line that says what to
//! write.

use std::net::{Ipv4Addr, TcpListener};

use crate::harness::metrics::{Metrics, Output};

/// The run is a usage error, with one line that contains `expected`.
#[track_caller]
fn refused(args: &[&str], expected: &str) -> Output {
    let output = Metrics::new().args(args).run().code(2).stdout_is("");
    let line = output.stderr.trim_end().to_owned();
    assert!(
        line.lines().count() == 1 && line.starts_with("error: "),
        "not one line:\n{}",
        output.story()
    );
    output.stderr_has(expected)
}

#[test]
fn an_invalid_duration() {
    for (text, expected) in [
        ("5", "'5' has no unit: write 5s"),
        ("-5s", "'-5s' is negative"),
        ("-5", "'-5' is negative"),
        ("", "'' is not a duration"),
        ("5parsecs", "unknown unit 'parsecs'"),
        ("inf", "'inf' is not a duration"),
        ("nan", "'nan' is not a duration"),
        ("５s", "'５s' is not a duration"),
        ("wéb", "'wéb' is not a duration"),
        ("--plain", "'--plain' is not a duration"),
        ("99999999999999999999s", "is too long: write"),
    ] {
        for flag in ["--interval", "--retain", "--heartbeat", "--drain"] {
            refused(&["serve", flag, text], &format!("{flag}: '{text}'"));
            refused(&["serve", flag, text], expected);
        }
        for flag in ["--since", "--duration", "--retry-base", "--retry-max"] {
            refused(
                &["watch", "127.0.0.1:9", flag, text],
                &format!("{flag}: '{text}'"),
            );
            refused(&["record", "127.0.0.1:9", flag, text], expected);
        }
        refused(&["replay", "x.csv", "--wait-timeout", text], expected);
    }
}

#[test]
fn a_duration_outside_its_bounds() {
    for (flag, text, expected) in [
        (
            "--interval",
            "199ms",
            "'199ms' is too short: write 200ms or more",
        ),
        ("--interval", "1h1ms", "is too long: write 1h or less"),
        ("--retain", "0s", "'0s' is too short: write 1s or more"),
        ("--retain", "3651d", "write 3650d or less"),
        ("--heartbeat", "99ms", "write 100ms or more"),
        ("--drain", "11y", "write 3650d or less"),
    ] {
        refused(&["serve", flag, text], expected);
    }
    refused(
        &["watch", "127.0.0.1:9", "--duration", "0s"],
        "write 1ms or more",
    );
}

#[test]
fn an_invalid_count() {
    for text in [
        "-5",
        "",
        "1.5",
        "1e3",
        "5x",
        "five",
        "٣",
        "99999999999999999999999",
    ] {
        for (args, range) in [
            (&["serve", "--top"][..], "from 0 to 1000"),
            (&["serve", "--max-viewers"], "from 1 to 1000000000"),
            (
                &["watch", "127.0.0.1:9", "--samples"],
                "from 1 to 1000000000",
            ),
            (
                &["record", "127.0.0.1:9", "--samples"],
                "from 1 to 1000000000",
            ),
            (&["watch", "127.0.0.1:9", "--last"], "from 0 to 1000000000"),
            (
                &["record", "127.0.0.1:9", "--retries"],
                "from 0 to 1000000000",
            ),
            (&["replay", "x.csv", "--wait"], "from 0 to 1000000000"),
        ] {
            let args = [args, &[text]].concat();
            refused(&args, &format!("'{text}' is not a whole number {range}"));
        }
    }
    refused(&["serve", "--top", "99999999999"], "from 0 to 1000");
    refused(&["serve", "--top", "1001"], "from 0 to 1000");
    refused(
        &["watch", "127.0.0.1:9", "--samples", "0"],
        "'0' is not a whole number from 1",
    );
    refused(
        &["serve", "--max-viewers", "0"],
        "'0' is not a whole number from 1",
    );
}

#[test]
fn an_invalid_speed() {
    for text in ["0", "-1", "nan", "inf", "1e999", "fast", "", "10y"] {
        refused(
            &["replay", "x.csv", "--speed", text],
            &format!("--speed: '{text}' is not a speed: write a factor from 0.001 to 1000000"),
        );
    }
}

#[test]
fn an_invalid_listen_address() {
    for (text, expected) in [
        ("127.0.0.1", "write 127.0.0.1:8080"),
        ("::1", "write [::1]:8080"),
        ("::1:0", "write [::1]:0"),
        ("[::1]", "write [::1]:8080"),
        (":8080", "write 8080 for loopback"),
        ("65536", "'65536' is not a port"),
        ("127.0.0.1:65536", "'65536' is not a port"),
        ("-1", "'-1' has no port"),
        ("", "'' is not an address"),
        ("http://127.0.0.1:8080/", "as in '127.0.0.1:8080'"),
    ] {
        refused(&["serve", "-l", text], expected);
        refused(&["replay", "x.csv", "--listen", text], expected);
    }
}

#[test]
fn an_invalid_server_address() {
    for (text, expected) in [
        ("", "'' is not a server address: write host, host:port"),
        ("web 1", "'web 1' is not a server"),
        (
            "bücher.example",
            "'bücher.example' has a name that is not ASCII",
        ),
        ("web-1:0", "port 0 cannot be connected to"),
        (
            "web-1:65536",
            "no valid port: write a number from 1 to 65535",
        ),
        ("web-1:-1", "no valid port"),
        ("::1:8080", "write [::1]:8080"),
        (
            "ada:geheim@web-1",
            "a name or password does not belong in an address",
        ),
        ("gopher://web-1", "'gopher://web-1' is not a server"),
    ] {
        for command in ["watch", "record"] {
            refused(&[command, text], expected).stderr_lacks("geheim");
        }
    }
}

#[test]
fn a_name_is_shown_as_typed() {
    refused(
        &["serve", "--name", "wéb 1"],
        "--name: 'wéb 1' is not a host name",
    );
    let output = refused(
        &["serve", "--name", "\u{1b}[31mred\u{202e}\u{9b}"],
        r"\u{1b}[31mred",
    );
    for c in ['\u{1b}', '\u{202e}', '\u{9b}'] {
        assert!(!output.stderr.contains(c), "{}", output.story());
    }
}

#[test]
fn the_interval_belongs_to_the_server() {
    for command in ["watch", "record"] {
        for flag in [
            &["-i", "1s"][..],
            &["--interval", "1s"],
            &["--interval=1s"],
            &["-i1s"],
        ] {
            let args = [&[command, "127.0.0.1:9"], flag].concat();
            refused(
                &args,
                "belongs to the server, which takes the samples: metrics serve",
            );
        }
    }
}

#[test]
fn a_number_without_a_flag() {
    refused(
        &["watch", "127.0.0.1:9", "-5"],
        "'-5' is neither a flag nor the value of one",
    );
}

#[test]
fn help_and_version_are_not_errors() {
    for args in [
        &["--help"][..],
        &["serve", "--help"],
        &["watch", "-h"],
        &["--version"],
    ] {
        let output = Metrics::new().args(args).run().success();
        assert!(output.text().contains("metrics"), "{}", output.story());
    }
    let output = Metrics::new().args(["watch", "--tokenfile", "x"]).run();
    output.code(2).stderr_has("--token-file");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let serve = Metrics::serve().env("METRICS_TOKEN_FILE", "").start();
    Metrics::watch(serve.url())
        .args(["--once", "--json"])
        .env("METRICS_TOKEN_FILE", "")
        .run()
        .success();
    let output = Metrics::new()
        .args(["watch", "--once"])
        .env("METRICS_SERVER", "")
        .run();
    output.stderr_lacks("is not a server");
}

#[test]
fn a_port_alone_means_loopback() {
    let serve = Metrics::new()
        .args(["serve", "-l", "0", "--name", "web-1"])
        .start();
    assert!(
        serve.url().starts_with("ws://127.0.0.1:"),
        "{}",
        serve.url()
    );
    Metrics::watch(&format!("127.0.0.1:{}", serve.port()))
        .arg("--once")
        .run()
        .success();
}

#[test]
fn the_printed_page_address_works_in_every_form() {
    let serve = Metrics::serve().start();
    let port = serve.port();
    for server in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}"),
        format!("HTTP://LOCALHOST:{port}/#cpu"),
        format!("ws://127.0.0.1:{port}"),
        format!("WS://127.0.0.1:{port}/ws"),
        format!(" 127.0.0.1:{port}/ "),
        format!("127.0.0.1:{port}, 127.0.0.1:9"),
    ] {
        let output = Metrics::watch(&server).args(["--once", "--plain"]).run();
        let output = output.success();
        assert!(output.text().contains("web-1"), "{}", output.story());
    }
}

#[test]
fn once_with_lines_is_one_line_for_each_host() {
    let (one, two) = (
        Metrics::serve_as("web-1").start(),
        Metrics::serve_as("web-2").start(),
    );
    for (flag, mark) in [("--json", "\"type\":\"metric\""), ("--plain", "cpu=")] {
        let output = Metrics::watch(one.url())
            .args(["--once", flag])
            .run()
            .success();
        assert_eq!(output.text().lines().count(), 1, "{}", output.story());
        assert!(output.text().contains(mark), "{}", output.story());
        let both = Metrics::watch(one.url())
            .args([two.url(), "--once", flag])
            .run()
            .success();
        for host in ["web-1", "web-2"] {
            let lines = both
                .text()
                .lines()
                .filter(|line| line.contains(host))
                .count();
            assert_eq!(lines, 1, "{}", both.story());
        }
    }
    let closed = closed_port();
    let nobody = Metrics::watch(&format!("127.0.0.1:{closed}")).args(["--once", "--json"]);
    nobody.run().code(3).stdout_is("").stderr_lacks("attempts");
}

#[test]
fn retries_are_counted_after_the_first_attempt() {
    let port = closed_port();
    for (retries, attempts) in [
        ("0", None),
        (
            "1",
            Some("(gave up after 2 attempts: the first and 1 retry)"),
        ),
        (
            "3",
            Some("(gave up after 4 attempts: the first and 3 retries)"),
        ),
    ] {
        let output = Metrics::record(&format!("127.0.0.1:{port}"))
            .args(["--retries", retries])
            .run();
        let output = output.code(3).stderr_has("connection refused");
        match attempts {
            Some(attempts) => drop(output.stderr_has(attempts)),
            None => drop(output.stderr_lacks("attempts")),
        }
    }
}

#[test]
fn a_refused_viewer_is_told_what_to_write() {
    let port = closed_port();
    let watch = |server: &str| Metrics::watch(server).arg("--once").run().code(3);
    watch(&format!("127.0.0.1:{port}"))
        .stderr_has("connection refused")
        .stderr_has("start `metrics serve`");
    // A non-loopback address of this machine, if there is one.
    let outside = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket
            .connect(("192.0.2.1", 9))
            .and_then(|()| socket.local_addr())
    });
    if let Ok(addr) = outside
        && !addr.ip().is_loopback()
    {
        watch(&format!("{}:{port}", addr.ip()))
            .stderr_has(&format!("try ssh://{}/{port}", addr.ip()))
            .stderr_has(&format!("-l 0.0.0.0:{port} --token-file FILE"));
    }
}

#[test]
fn an_impossible_output() {
    let serve = Metrics::serve().start();
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "x.csv.gz",
        "x.csv.GZ",
        "x.zst",
        "x.csv.xz",
        "x.csv.bz2",
        "x.zip",
    ] {
        let path = dir.path().join(name);
        let path = path.to_str().unwrap();
        let tool = if name.to_lowercase().ends_with("gz") {
            "| gzip > "
        } else {
            "| "
        };
        refused(&["record", serve.url(), "-o", path], tool);
    }
    for name in [
        "CON", "con.csv", "NUL", "Aux.txt", "COM1.csv", "lpt9", "x.csv.", "x.csv ",
    ] {
        let path = dir.path().join(name);
        refused(
            &["record", serve.url(), "-o", path.to_str().unwrap()],
            "choose another name",
        );
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let path = dir.path().join("no/such/out.csv");
    let missing = dir.path().join("no/such");
    Metrics::record(serve.url())
        .arg("-o")
        .arg(&path)
        .run()
        .code(1)
        .stderr_has(&format!("there is no directory '{}'", missing.display()))
        .stderr_has("mkdir -p");
}

#[test]
fn a_host_with_the_name_of_a_device_still_has_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let out = format!("{}/", dir.path().display());
    let (one, two) = (
        Metrics::serve_as("CON").start(),
        Metrics::serve_as("web-1").start(),
    );
    for append in [&[][..], &["--append"]] {
        Metrics::record(one.url())
            .args([two.url(), "-o", &out, "--samples", "1"])
            .args(append)
            .run()
            .success();
    }
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["_CON.csv", "web-1.csv"]);
    let rows = std::fs::read_to_string(dir.path().join("_CON.csv")).unwrap();
    assert_eq!(rows.lines().count(), 3, "{rows}");
}

/// A port on loopback where nothing listens.
fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
