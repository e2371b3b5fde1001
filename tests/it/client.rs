//! The client against servers that behave in every possible way.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::metrics::{Metrics, Output};
use crate::harness::rows::parse;
use crate::harness::server::{attend, close, each_connection, each_viewer, say};

const HELLO: &str = r#"{"type":"hello","host":"web-1","protocol":1,"server":"x/1","stream":"k3v9q2","oldest":1,"newest":9,"interval":1000,"heartbeat":30000,"metrics":[{"name":"cpu","unit":"%","label":"CPU"}],"alerts":[],"unavailable":[]}"#;

const END: &str = r#"{"type":"end","host":"web-1"}"#;

fn metric(seq: u64) -> String {
    format!(
        r#"{{"type":"metric","host":"web-1","seq":{seq},"data":{{"timestamp":{},"cpu":{seq},"memory":0,"activeUsers":0,"requestsPerSecond":0}}}}"#,
        1_795_529_251_204_u64 + seq * 1000
    )
}

fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/ws")
}

fn record(port: u16) -> Output {
    Metrics::record(&url(port)).run()
}

#[track_caller]
fn seqs(output: &Output) -> Vec<Option<u64>> {
    parse(&output.stdout).iter().map(|row| row.seq()).collect()
}

/// Answers every request with `response`, and counts them.
fn refusing(response: String) -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let port = each_connection(move |_, mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(response.as_bytes());
    });
    (port, count)
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

#[test]
fn a_permanent_refusal_is_final() {
    for status in [
        "302 Found",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "426 Upgrade Required",
        "200 OK",
    ] {
        let (port, count) = refusing(response(status, "", "because of this\n"));
        let output = record(port).code(3).stdout_is("");
        assert!(
            output.stderr.contains("because of this") || output.stderr.contains(&status[..3]),
            "{}",
            output.story()
        );
        assert_eq!(count.load(Ordering::SeqCst), 1, "{status}");
    }
}

#[test]
fn no_refusal_ends_a_session_that_has_begun() {
    for status in [
        "302 Found",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "200 OK",
    ] {
        let refusal = response(status, "", "not you\n");
        let port = each_connection(move |number, mut stream| match number {
            1 | 2 => {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(refusal.as_bytes());
            }
            _ => attend(stream, |_, socket| {
                say(socket, &[HELLO, &metric(1 + number as u64)]);
                if number == 3 {
                    say(socket, &[END]);
                    close(socket, 1000, "over");
                }
            }),
        });
        let output = record(port).success().stderr_has("connection lost");
        assert_eq!(seqs(&output), [Some(1), None, Some(4)], "{status}");
    }
}

#[test]
fn a_connection_without_messages_does_not_count_as_a_start() {
    let port = each_connection(|number, mut stream| {
        if number == 0 {
            attend(stream, |_, _| {});
        } else {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(response("401 Unauthorized", "", "not you\n").as_bytes());
        }
    });
    record(port).code(3).stderr_has("not you");
}

#[test]
fn a_temporary_refusal_is_retried() {
    for status in [
        "408 Request Timeout",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ] {
        let (port, count) = refusing(response(status, "Retry-After: 0\r\n", "not now\n"));
        record(port).code(3).stderr_has("not now");
        assert_eq!(count.load(Ordering::SeqCst), 10, "{status}");
    }
}

#[test]
fn it_waits_as_long_as_the_server_asks() {
    let begin = std::time::Instant::now();
    let (port, _) = refusing(response(
        "503 Service Unavailable",
        "Retry-After: 1\r\n",
        "",
    ));
    let output = Metrics::record(&url(port)).args(["--retries", "1"]).run();
    output.code(3);
    assert!(
        1.0 <= begin.elapsed().as_secs_f64(),
        "less than it was asked"
    );
}

#[test]
fn a_servers_texts_are_harmless() {
    let hostile = "\u{1b}]0;owned\u{7}\u{202e}dlrow\u{1b}[2J\n";
    let (port, _) = refusing(response("403 Forbidden", "", hostile));
    let output = record(port).code(3);
    output
        .stderr_lacks("\u{1b}")
        .stderr_lacks("\u{7}")
        .stderr_lacks("\u{202e}");
    let port = each_viewer(|_, _, socket| close(socket, 1008, "\u{1b}[31mno\u{202e}"));
    let output = record(port).code(3);
    output.stderr_lacks("\u{1b}").stderr_lacks("\u{202e}");
}

#[test]
fn close_codes_say_whether_to_reconnect() {
    for (code, comes_back) in [
        (1000, false),
        (1001, true),
        (1008, false),
        (1011, true),
        (1013, true),
        (4000, true),
    ] {
        let port = each_viewer(move |number, _, socket| {
            say(socket, &[HELLO, &metric(1 + number as u64)]);
            if number == 0 {
                close(socket, code, "so it is");
            } else {
                say(socket, &[END]);
                close(socket, 1000, "over");
            }
        });
        let output = record(port);
        let expected = if comes_back {
            vec![Some(1), Some(2)]
        } else {
            vec![Some(1)]
        };
        assert_eq!(seqs(&output), expected, "{code}: {}", output.story());
        let status = if code == 1008 { 3 } else { 0 };
        output.code(status);
    }
}

#[test]
fn it_resumes_after_the_last_message_and_keeps_its_query() {
    let port = each_viewer(|number, query, socket| {
        let query: Vec<_> = query.split('&').collect();
        match number {
            0 => {
                assert_eq!(query, ["host=web-*", "last=5"]);
                say(socket, &[HELLO, &metric(4), &metric(5)]);
            }
            1 => {
                assert!(query.contains(&"after=web-1%3Ak3v9q2%3A5"), "{query:?}");
                assert!(query.contains(&"host=web-*"), "{query:?}");
                say(socket, &[HELLO, &metric(6), END]);
                close(socket, 1000, "over");
            }
            _ => panic!("connection {number}"),
        }
    });
    let output = Metrics::record(&url(port))
        .args(["--host", "web-*", "--last", "5"])
        .run()
        .success();
    assert_eq!(seqs(&output), [Some(4), Some(5), Some(6)]);
}

#[test]
fn repeated_messages_are_dropped() {
    let port = each_viewer(|number, _, socket| {
        if number == 0 {
            say(
                socket,
                &[HELLO, &metric(1), &metric(2), &metric(2), &metric(1)],
            );
        } else {
            let texts: Vec<_> = (1..=4).map(metric).collect();
            say(socket, &[HELLO]);
            say(socket, &texts.iter().map(|t| &**t).collect::<Vec<_>>());
            say(socket, &[END]);
            close(socket, 1000, "over");
        }
    });
    let output = record(port).success();
    assert_eq!(seqs(&output), [1, 2, 3, 4].map(Some));
}

#[test]
fn a_hole_that_the_server_does_not_report_is_recorded() {
    let port = each_viewer(|_, _, socket| {
        say(socket, &[HELLO, &metric(1), &metric(5), END]);
        close(socket, 1000, "over");
    });
    let output = record(port).success();
    let rows = parse(&output.stdout);
    assert_eq!(seqs(&output), [Some(1), None, Some(5)]);
    assert_eq!(rows[1].cell("event"), "gap expired 2-4");
    assert_eq!(rows[1].cell("timestamp"), rows[2].cell("timestamp"));
}

#[test]
fn unreadable_messages_are_skipped() {
    let port = each_viewer(|_, _, socket| {
        let texts = [
            HELLO,
            "",
            "{",
            "null",
            r#"{"type":"metric","host":"../../etc","seq":1,"data":{"timestamp":1}}"#,
            r#"{"type":"metric","host":"web-1","seq":1}"#,
            r#"{"type":"metric","host":"web-1","seq":-1,"data":{"timestamp":1}}"#,
            r#"{"type":"party","host":"web-1","when":"now"}"#,
            &metric(1),
            END,
        ];
        say(socket, &texts);
        close(socket, 1000, "over");
    });
    let output = record(port).success();
    assert_eq!(seqs(&output), [Some(1)]);
    let told = output
        .stderr
        .lines()
        .filter(|line| line.contains("message"));
    assert_eq!(told.count(), 1, "reported once: {}", output.story());
}

#[test]
fn unknown_fields_change_nothing() {
    let more = metric(1).replace(r#""seq":1,"#, r#""seq":1,"quality":{"a":[1,{"b":null}]},"#);
    let more = more.replace(
        r#""memory":0"#,
        r#""memory":0,"mood":"good","list":[1,2],"flag":true"#,
    );
    let port = each_viewer(move |_, _, socket| {
        say(socket, &[HELLO, &more, END]);
        close(socket, 1000, "over");
    });
    let rows = parse(&record(port).success().stdout);
    assert_eq!(rows.len(), 1);
    // The hello announced one column; later numbers are kept, but nothing else.
    assert_eq!(rows[0].cell("cpu"), "1");
    let extra: serde_json::Value = serde_json::from_str(rows[0].cell("extra")).unwrap();
    assert_eq!(
        extra,
        serde_json::json!({"memory": 0, "activeUsers": 0, "requestsPerSecond": 0})
    );
}

#[test]
fn a_message_that_is_too_large_ends_only_the_connection() {
    let port = each_viewer(|number, _, socket| {
        say(socket, &[HELLO, &metric(1 + number as u64)]);
        if number == 0 {
            say(socket, &[&" ".repeat(5 * 1024 * 1024)]);
        } else {
            say(socket, &[END]);
            close(socket, 1000, "over");
        }
    });
    let output = record(port).success();
    assert_eq!(seqs(&output), [Some(1), Some(2)]);
}

#[test]
fn one_server_at_several_addresses() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let port = each_viewer(|_, _, socket| {
        say(socket, &[HELLO, &metric(1), END]);
        close(socket, 1000, "over");
    });
    let output = Metrics::record(&format!("{nowhere},127.0.0.1:{port}"))
        .run()
        .success();
    assert_eq!(seqs(&output), [Some(1)]);
}

#[test]
fn the_environment_names_the_server_and_a_flag_overrides_it() {
    let port = each_viewer(|_, _, socket| {
        say(socket, &[HELLO, &metric(1), END]);
        close(socket, 1000, "over");
    });
    let nowhere = "127.0.0.1:1";
    let from_environment = Metrics::new()
        .arg("record")
        .env("METRICS_SERVER", url(port));
    assert_eq!(seqs(&from_environment.run().success()), [Some(1)]);
    let output = Metrics::record(&url(port))
        .env("METRICS_SERVER", nowhere)
        .run();
    assert_eq!(seqs(&output.success()), [Some(1)]);
}

#[test]
fn json_lines_are_the_messages_byte_for_byte() {
    let alert = metric(3)
        .replace(r#""type":"metric""#, r#""type":"alert""#)
        .replace(
            r#""seq":3,"#,
            r#""seq":3,"alert":{"name":"busy","rule":"cpu > 1","state":"firing","metric":"cpu","value":3,"threshold":1,"since":1},"later":[1, 2],"#,
        );
    let heartbeat = metric(3).replace("metric", "heartbeat");
    let gap = r#"{"type":"gap",  "host":"web-1","from":4,"to":6,"reason":"expired"}"#;
    let sent = [metric(2), alert, gap.to_owned(), metric(7), END.to_owned()];
    let texts = sent.clone();
    let port = each_viewer(move |_, _, socket| {
        say(socket, &[HELLO, &texts[0], &texts[1], &heartbeat]);
        say(socket, &[r#"{"type":"party","host":"web-1"}"#]);
        say(socket, &[&texts[2], &texts[3], &texts[4]]);
        close(socket, 1000, "over");
    });
    let output = Metrics::watch(&url(port)).arg("--json").run().success();
    assert_eq!(output.text().lines().collect::<Vec<_>>(), sent);
}

#[test]
fn hostile_names_reach_no_terminal() {
    let evil = r"\u001b]0;owned\u0007\u001b[2J\u202eevil";
    let hello = HELLO
        .replace(r#""label":"CPU""#, &format!(r#""label":"{evil}""#))
        .replace(r#""unit":"%""#, &format!(r#""unit":"{evil}""#))
        .replace(r#""server":"x/1""#, &format!(r#""server":"{evil}""#));
    let metric = metric(1).replace(
        r#""cpu":1"#,
        &format!(
            r#""cpu":1,"disk:{evil}":50,"top":[{{"pid":1,"name":"{evil}","cpu":99,"memory":9}}]"#
        ),
    );
    let port = each_viewer(move |_, _, socket| {
        say(socket, &[&hello, &metric, END]);
        close(socket, 1000, "over");
    });
    for form in ["--once", "--plain"] {
        let output = Metrics::watch(&url(port)).arg(form).run().success();
        let text = output.text();
        assert!(text.contains("web-1"), "{}", output.story());
        let hostile = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(hostile), "{form}: {text:?}");
        assert!(
            !output.stderr.contains(hostile),
            "{form}: {}",
            output.stderr
        );
    }
    // In its own terminal the only sequences are the program's.
    let mut terminal = Metrics::watch(&url(port)).in_terminal(100, 30);
    terminal.wait_for_text("web-1");
    terminal.send_keys("q");
    let left = terminal.wait();
    let bytes = String::from_utf8_lossy(&left.bytes);
    assert!(
        !bytes.contains("\u{1b}]0;") && !bytes.contains('\u{202e}'),
        "{bytes:?}"
    );
}
