//! `record`'s files, retries and limits.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::metrics::{Metrics, Running, wait_for_rows};
use crate::harness::proxy::Proxy;
use crate::harness::recording::{plain, write_long};
use crate::harness::rows::{assert_same, assert_unbroken, parse_whole, read};
use crate::harness::server::{each_viewer, say};
use crate::harness::{PATIENCE, wait_for};

/// A replay of `samples` plain samples that starts with its first viewer.
fn replay(dir: &Path, samples: u64, speed: &str) -> (Running, String) {
    let file = dir.join("given.csv");
    let csv = plain("web-1", samples, 1000);
    std::fs::write(&file, &csv).unwrap();
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", speed])
        .start();
    (replay, csv)
}

#[test]
fn recordings_of_several_servers_in_a_folder_are_continued() {
    let servers = ["alpha", "beta"].map(|name| Metrics::serve_as(name).start());
    let dir = tempfile::tempdir().unwrap();
    let out = format!("{}/new/", dir.path().display());
    let files = ["alpha", "beta"].map(|name| dir.path().join(format!("new/{name}.csv")));
    let mut before = 0;
    for more in [3, 6] {
        let recorder = Metrics::record(servers[0].url())
            .arg(servers[1].url())
            .args(["--since", "1h", "--append", "-o", &out])
            .spawn();
        for file in &files {
            wait_for_rows(file, before + more);
        }
        recorder.signal(Signal::INT);
        recorder.wait().success();
        before = read(&files[0]).len().max(read(&files[1]).len());
    }
    for (file, name) in files.iter().zip(["alpha", "beta"]) {
        let rows = read(file);
        assert_unbroken(&rows);
        assert_eq!(rows[0].seq(), Some(1));
        assert!(
            rows.iter()
                .all(|row| row.cell("host") == name && row.seq().is_some())
        );
    }
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 2);
}

#[test]
fn a_restarted_server_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.csv");
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    let recorder = Metrics::record(&proxy.url()).arg("-o").arg(&out).spawn();
    wait_for_rows(&out, 2);
    serve.signal(Signal::TERM);
    serve.wait().success();
    let again = Metrics::serve().start();
    proxy.retarget(again.port());
    let has_both = || {
        let rows = parse_whole(&std::fs::read(&out).unwrap());
        let gap = rows
            .iter()
            .position(|row| row.cell("event") == "gap restarted");
        gap.filter(|at| at + 2 < rows.len())
    };
    wait_for(PATIENCE, has_both, || recorder.story());
    recorder.signal(Signal::INT);
    let output = recorder.wait().success();
    output.stderr_has("1 gap");
    assert_unbroken(&read(&out));
}

#[test]
fn a_full_disk_leaves_whole_rows_and_a_recording_that_can_be_continued() {
    let dir = tempfile::tempdir().unwrap();
    let (replay, csv) = replay(dir.path(), 800, "max");
    let out = dir.path().join("out.csv");
    // 16 KiB; the signal that comes with the limit is ignored, so that the write fails instead.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" record \"$1\" -o \"$2\"";
    let output = Metrics::program("/bin/bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_metrics"), replay.url()])
        .arg(&out)
        .run();
    output
        .code(1)
        .stderr_has(&out.display().to_string())
        .stderr_lacks("panicked");
    let kept = std::fs::read(&out).unwrap();
    let rows = parse_whole(&kept).len();
    let whole: String = csv.split_inclusive('\n').take(rows + 1).collect();
    assert!(
        50 < rows && kept.starts_with(whole.as_bytes()),
        "{rows} rows"
    );
    Metrics::record(replay.url())
        .args(["--append", "-o"])
        .arg(&out)
        .run()
        .success();
    assert_same("continued", &csv, &std::fs::read_to_string(&out).unwrap());
}

/// What other programs do to an output while nothing is written to it, and the message about it.
const TAKEN_AWAY: [(&str, &str); 12] = [
    ("rm out/web-1.csv", "was deleted"),
    ("rm -r out", "was deleted"),
    ("mv out/web-1.csv out/web-1.csv.1", "was moved or renamed"),
    ("mv out gone", "was moved or renamed"),
    (
        "mv out/web-1.csv out/web-1.csv.1; : > out/web-1.csv",
        "was moved or renamed",
    ),
    (
        "cp out/web-1.csv new; mv new out/web-1.csv",
        "was replaced by another file",
    ),
    (": > out/web-1.csv", "was truncated by another program"),
    (
        "cp out/web-1.csv out/web-1.csv.1; : > out/web-1.csv",
        "was truncated by another program",
    ),
    (
        "truncate -s -30 out/web-1.csv",
        "was truncated by another program",
    ),
    (
        // Either of the two may be noticed.
        ": > out/web-1.csv; seq 1000 >> out/web-1.csv",
        "by another program while recording",
    ),
    (
        "echo x >> out/web-1.csv",
        "was written to by another program",
    ),
    (
        "tail -1 out/web-1.csv > row; cat row >> out/web-1.csv",
        "was written to by another program",
    ),
];

/// A server that sends three samples of each host, and then nothing.
fn falls_silent(hosts: &'static [&str]) -> u16 {
    each_viewer(move |_, _, socket| {
        for host in hosts {
            let hello = format!(
                r#"{{"type":"hello","host":"{host}","stream":"k3","oldest":1,"newest":3,"interval":60000,"metrics":[{{"name":"cpu","unit":"%","label":"CPU"}}]}}"#
            );
            say(socket, &[&hello]);
            for seq in 1..=3 {
                let at = 1_795_529_251_204_u64 + seq;
                say(
                    socket,
                    &[&format!(
                        r#"{{"type":"metric","host":"{host}","seq":{seq},"data":{{"timestamp":{at},"cpu":1}}}}"#
                    )],
                );
            }
        }
        while socket.read().is_ok() {}
    })
}

/// Runs a shell script in `dir`.
#[track_caller]
fn shell(dir: &Path, script: &str) {
    let status = Command::new("sh")
        .args(["-c", script])
        .current_dir(dir)
        .status();
    assert!(status.unwrap().success(), "{script}");
}

#[test]
fn a_lost_output_is_reported_even_if_nothing_arrives() {
    let url = format!("ws://127.0.0.1:{}/ws", falls_silent(&["web-1", "web-2"]));
    let cases = TAKEN_AWAY.map(|(script, said)| {
        let dir = tempfile::tempdir().unwrap();
        let out = format!("{}/out/", dir.path().display());
        let recorder = Metrics::record(&url).args(["-o", &out]).spawn();
        (dir, recorder, script, said)
    });
    for (dir, recorder, script, said) in cases {
        for host in ["web-1", "web-2"] {
            wait_for_rows(&dir.path().join(format!("out/{host}.csv")), 3);
        }
        let other = dir.path().join("out/web-2.csv");
        let before = std::fs::read(&other).unwrap();
        shell(dir.path(), script);
        let output = recorder.wait().code(1);
        assert!(output.stderr.contains(said), "{script}: {}", output.story());
        assert!(
            output.stderr.contains("out/web-1.csv") || output.stderr.contains("out/web-2.csv"),
            "{script}: {}",
            output.story()
        );
        if let Ok(after) = std::fs::read(&other) {
            assert!(before == after, "{script}: the other file");
        }
    }
}

#[test]
fn an_output_is_checked_before_there_is_anything_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("x.csv");
    let nothing = each_viewer(|_, _, socket| while socket.read().is_ok() {});
    let url = format!("ws://127.0.0.1:{nothing}/ws");
    for (before, script, said) in [
        (None, "rm x.csv", "was deleted"),
        (Some(plain("web-1", 3, 1000)), ": > x.csv", "was truncated"),
    ] {
        if let Some(csv) = before {
            std::fs::write(&out, csv).unwrap();
        }
        let recorder = Metrics::record(&url)
            .args(["--append", "-o"])
            .arg(&out)
            .spawn();
        // A second recorder of the same file gets an error.
        let is_held = || {
            let file = std::fs::File::open(&out).ok()?;
            file.try_lock().is_err().then_some(())
        };
        wait_for(PATIENCE, is_held, || recorder.story());
        shell(dir.path(), script);
        recorder.wait().code(1).stderr_has(said);
    }
}

#[test]
fn a_truncated_redirected_stdout_is_reported() {
    let url = format!("ws://127.0.0.1:{}/ws", falls_silent(&["web-1"]));
    for (script, said) in [(": > x.csv", "was truncated"), ("rm x.csv", "was deleted")] {
        for redirect in [">", ">>"] {
            let dir = tempfile::tempdir().unwrap();
            let out = dir.path().join("x.csv");
            let line = format!("exec \"$0\" record \"$1\" {redirect} \"$2\"");
            let recorder = Metrics::program("/bin/sh")
                .args(["-c", &line, env!("CARGO_BIN_EXE_metrics"), &url])
                .arg(&out)
                .spawn();
            wait_for_rows(&out, 3);
            shell(dir.path(), script);
            let output = recorder.wait().code(1);
            assert!(
                output.stderr.contains(said),
                "{redirect} {script}: {}",
                output.story()
            );
        }
    }
}

#[test]
fn a_file_that_is_being_recorded_into_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.csv");
    let serve = Metrics::serve().start();
    let recorder = Metrics::record(serve.url()).arg("-o").arg(&out).spawn();
    wait_for_rows(&out, 2);
    for flag in ["--append", "--force"] {
        let second = Metrics::record(serve.url()).args([flag, "-o"]).arg(&out);
        second
            .run()
            .code(1)
            .stderr_has("is being recorded into by another process");
    }
    // Nothing may write to it, except programs that have it open.
    shell(dir.path(), "chmod 444 out.csv");
    let before = read(&out).len();
    wait_for_rows(&out, before + 3);
    recorder.signal(Signal::INT);
    recorder.wait().success();
    assert_unbroken(&read(&out));
}

#[test]
fn a_second_signal_ends_a_recorder_whose_output_nobody_reads() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("r.csv");
    write_long(&file, 5_000, 40);
    let replay = Metrics::replay([&file])
        .args(["--wait", "1", "--speed", "max"])
        .start();
    let mut recorder = Command::new(env!("CARGO_BIN_EXE_metrics"))
        .args(["record", replay.url()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pipe = recorder.stdout.take().unwrap();
    // A pipe holds 64 KiB; when it is nearly full, and no fuller at the next check, a row is waiting.
    let mut before = 0;
    wait_for(
        PATIENCE,
        || {
            let held = rustix::io::ioctl_fionread(&pipe).unwrap();
            let is_full = 60_000 < held && before == held;
            before = held;
            is_full.then_some(())
        },
        || "the pipe does not fill".into(),
    );
    let status = wait_for(
        PATIENCE,
        || {
            // The kernel merges two that arrive at once.
            let _ = kill_process(Pid::from_child(&recorder), Signal::INT);
            recorder.try_wait().unwrap()
        },
        || "it does not end".into(),
    );
    assert_eq!(status.code(), Some(130));
}

#[test]
fn changes_of_the_connection_are_reported_once() {
    let serve = Metrics::serve().start();
    let proxy = Proxy::clear(serve.port());
    for command in [
        Metrics::record(&proxy.url()),
        Metrics::watch(&proxy.url()).arg("--plain"),
    ] {
        let watch = command.spawn();
        watch.stdout_lines(3);
        let nowhere = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr();
        proxy.retarget(nowhere.unwrap().port());
        proxy.cut_all();
        let lost = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .contains("lost")
                .then_some(())
        };
        watch
            .stderr()
            .wait(PATIENCE, lost)
            .unwrap_or_else(|| panic!("{}", watch.story()));
        // A few failed attempts.
        wait_for_refusals(&proxy, 5);
        proxy.retarget(serve.port());
        let lines = watch.stdout_lines(3).len();
        watch.stdout_lines(lines + 3);
        watch.signal(Signal::INT);
        let output = watch.wait().success();
        let told = |word: &str| output.stderr.lines().filter(|l| l.contains(word)).count();
        assert_eq!(told("lost"), 1, "{}", output.story());
        assert_eq!(told("reconnected"), 1, "{}", output.story());
    }
}

/// Waits until the proxy has refused `n` more connections, because nothing listens behind it.
#[track_caller]
fn wait_for_refusals(proxy: &Proxy, n: u64) {
    let begin = proxy.refusals();
    wait_for(
        PATIENCE,
        || (begin + n <= proxy.refusals()).then_some(()),
        || format!("{} refusals", proxy.refusals()),
    );
}
