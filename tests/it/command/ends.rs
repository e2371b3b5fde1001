//! Every way in which COMMAND, or we, can end.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;

use crate::harness::metrics::{Metrics, wait_for_rows};
use crate::harness::recording::{plain, random};
use crate::harness::{PATIENCE, dice::Dice, rows, wait_for};

use super::{METRICS, Scene, lines, wait_until_dead};

/// COMMAND in `$DIR`, the status, and what stderr says.
const OUTCOMES: [(&[&str], i32, &str); 12] = [
    (&["true"], 0, ""),
    (&["sh", "-c", "exit 7"], 7, ""),
    // Its own failure, not one of ours.
    (&["sh", "-c", "exit 3"], 3, ""),
    (&["sh", "-c", "exit 255"], 255, ""),
    (
        &["sh", "-c", "kill -KILL $$"],
        137,
        "'sh' was killed by signal 9.",
    ),
    (
        &["sh", "-c", "kill -TERM $$"],
        143,
        "'sh' was killed by signal 15.",
    ),
    (
        &["no-such-program", "x"],
        127,
        "error: cannot run 'no-such-program': there is no such program\n",
    ),
    (&["$DIR/no-such-file"], 127, "there is no such program\n"),
    (
        &["sleep 10"],
        127,
        "there is no such program; write its arguments as words of their own\n",
    ),
    (
        &[""],
        127,
        "error: cannot run '': there is no such program\n",
    ),
    (&["$DIR/r.csv"], 126, "r.csv': permission denied\n"),
    (
        &["$DIR/script"],
        126,
        "script': the interpreter in its first line does not exist\n",
    ),
];

fn scene() -> Scene {
    let scene = Scene::new();
    let script = scene.path("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    scene
}

#[track_caller]
fn ends_as_expected(scene: &Scene, run: &Metrics, (command, status, says): (&[&str], i32, &str)) {
    let dir = scene.path("").display().to_string();
    let words = command.iter().map(|word| word.replace("$DIR/", &dir));
    let output = run.clone().arg("--").args(words).run().code(status);
    output.stdout_is("").stderr_has(says);
}

#[test]
fn replay_ends_as_its_command() {
    let scene = scene();
    for outcome in OUTCOMES {
        ends_as_expected(&scene, &scene.replay(), outcome);
    }
}

#[test]
fn record_ends_as_its_command() {
    let scene = scene();
    let server = Metrics::serve().start();
    let record = scene.record(&server).arg("--force");
    for outcome in OUTCOMES {
        ends_as_expected(&scene, &record, outcome);
    }
}

#[test]
fn watch_sees_exactly_the_recording_each_time() {
    let scene = Scene::new();
    let recording = random(&mut Dice::seeded(11), "web-1", 300);
    std::fs::write(scene.path("r.csv"), &recording.csv).unwrap();
    let seen = || {
        let watch = scene.replay().args(["--", METRICS, "watch", "--json"]);
        watch.run().success().text().to_owned()
    };
    let first = seen();
    rows::assert_same("the second replay", &first, &seen());
    let count = |what: &str| first.lines().filter(|line| line.contains(what)).count();
    assert_eq!(count(r#""seq":"#), recording.numbered.len());
    assert_eq!(count(r#"{"type":"alert""#), recording.alerts);
    assert!(first.lines().last().unwrap().contains(r#""type":"end""#));
    assert_eq!(count(r#"{"type":"hello""#), 0);
}

#[test]
fn what_a_nested_record_writes_is_the_recording() {
    let scene = Scene::new();
    let recording = random(&mut Dice::seeded(12), "web-1", 300);
    std::fs::write(scene.path("r.csv"), &recording.csv).unwrap();
    let record = [METRICS, "record", "-o"].map(String::from).to_vec();
    let output = scene.path("s.csv").display().to_string();
    let watch = [METRICS, "watch", "--json"].map(String::from);
    let words = [record, vec![output, "--".into()], watch.to_vec()].concat();
    scene.replay().arg("--").args(words).run().success();
    let written = std::fs::read_to_string(scene.path("s.csv")).unwrap();
    rows::assert_same("the recording of its replay", &recording.csv, &written);
}

#[test]
fn a_command_that_outlives_the_replay_finds_everything_again() {
    let scene = Scene::new();
    let twice = r#""$METRICS" watch --json > "$DIR/1"; "$METRICS" watch --json --last 100 > "$DIR/2"; exit 9"#;
    scene.replay().sh(twice).run().code(9);
    assert_eq!(lines(&scene.path("1")).len(), 21);
    assert_eq!(lines(&scene.path("1")), lines(&scene.path("2")));
}

#[test]
fn a_command_that_outlives_the_recording_finds_it_complete() {
    let scene = Scene::new();
    let replay = Metrics::replay([scene.path("r.csv")]).args(["--speed", "max", "--wait", "1"]);
    let replay = replay.start();
    let wait = r#"until [ -e "$DIR/go" ]; do sleep 0.02; done; cat "$DIR/s.csv"; exit 5"#;
    let record = scene.record(&replay).sh(wait).spawn();
    record.wait_for_stderr("Wrote ");
    scene.make("go");
    let expected = std::fs::read_to_string(scene.path("r.csv")).unwrap();
    record.wait().code(5).stdout_is(&expected);
    replay.wait().success();
}

#[test]
fn a_recording_ends_with_its_command() {
    let scene = Scene::new();
    let server = Metrics::serve().start();
    let wait = r#"until [ -e "$DIR/go" ]; do sleep 0.02; done"#;
    let record = scene.record(&server).sh(wait).spawn();
    wait_for_rows(&scene.path("s.csv"), 3);
    scene.make("go");
    record.wait().success().stderr_has("Wrote ");
    rows::assert_unbroken(&rows::read(&scene.path("s.csv")));
}

#[test]
fn an_endless_replay_ends_with_its_command() {
    let scene = Scene::new();
    let watch = [
        "--loop",
        "--",
        METRICS,
        "watch",
        "--json",
        "--samples",
        "50",
    ];
    let output = scene.replay().args(watch).run().success();
    assert_eq!(output.text().lines().count(), 50);
}

#[test]
fn a_program_left_behind_holds_nobody_up() {
    let scene = Scene::new();
    // It keeps our stdout open.
    let mut replay = scene.replay().sh("sleep 1000 & echo $!; exit 4").spawn();
    let left = replay.stdout_lines(1).remove(0);
    wait_for(
        PATIENCE,
        || (!replay.is_running()).then_some(()),
        || "still running".into(),
    );
    let left_pid = rustix::process::Pid::from_raw(left.parse().unwrap()).unwrap();
    rustix::process::kill_process(left_pid, rustix::process::Signal::KILL).unwrap();
    replay.wait().code(4);
}

#[test]
fn a_replay_that_cannot_begin_starts_no_command() {
    let scene = Scene::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    std::fs::write(scene.path("bad.csv"), "timestamp,host\nyesterday,web-1\n").unwrap();
    let bad = Metrics::new().arg("replay").arg(scene.path("bad.csv"));
    for (replay, status) in [
        (scene.replay().args(["--listen", &address]), 1),
        (scene.replay().args(["--listen", "0.0.0.0:0"]), 2),
        (scene.replay().args(["--start", "1h"]), 1),
        (scene.with_names(bad), 1),
    ] {
        let output = replay.sh(r#"touch "$DIR/begun""#).run().code(status);
        output.stderr_has("error: ").stdout_is("");
        assert!(!scene.has("begun"));
    }
}

#[test]
fn a_command_stops_if_its_replay_fails() {
    let scene = Scene::new();
    let late = scene
        .replay()
        .args(["--wait", "2", "--wait-timeout", "100ms"]);
    let stays = r#"echo $$; exec sleep 1000"#;
    let output = late.sh(stays).run().code(3);
    let output = output.stderr_has("error: 0 of 2 viewers connected within 100 ms\n");
    wait_until_dead(output.text().trim());

    // The error is far behind the rows that are read ahead, and COMMAND watches.
    let csv =
        plain("web-1", 2000, 1000) + "2026-11-24T15:00:00.000Z,web-1,k3v9q2,9999,,x,1,1,1,,\n";
    let pipe = scene.with_names(Metrics::new().args(["replay", "-", "--speed", "max"]));
    let stays = r#"echo $$; exec "$METRICS" watch --json > "$DIR/seen""#;
    let output = pipe.sh(stays).run_with_input(csv.as_bytes()).code(1);
    let output = output.stderr_has("'x' is not a number");
    wait_until_dead(output.text().trim());
}

#[test]
fn a_recording_that_cannot_begin_starts_no_command() {
    let scene = Scene::new();
    let begun = r#"touch "$DIR/begun""#;
    let server = Metrics::serve().start();
    let to_stdout = scene.with_names(Metrics::record(server.url()));
    let output = to_stdout.sh(begun).run().code(2);
    output.stderr_has(
        "error: stdout belongs to COMMAND: name a file for the recording with -o FILE\n",
    );
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let gone = Metrics::record(&gone.to_string())
        .args(["--retries", "0", "-o"])
        .arg(scene.path("t.csv"));
    scene.with_names(gone).sh(begun).run().code(3);
    assert!(!scene.has("begun"));
}

#[test]
fn a_command_goes_on_if_its_recording_fails() {
    let scene = Scene::new();
    let server = Metrics::serve().start();
    let wait = r#"until [ -e "$DIR/go" ]; do sleep 0.02; done; echo done"#;
    let record = scene.record(&server).sh(wait).spawn();
    wait_for_rows(&scene.path("s.csv"), 1);
    std::fs::remove_file(scene.path("s.csv")).unwrap();
    record.wait_for_stderr("error: ");
    scene.make("go");
    let output = record.wait().code(1).stdout_is("done\n");
    assert_eq!(
        output.stderr.matches("error: ").count(),
        1,
        "{}",
        output.story()
    );
}

#[test]
fn no_command_after_the_dashes_is_a_usage_error() {
    let scene = Scene::new();
    let says = "error: -- needs a COMMAND after it: a program, and its arguments\n";
    scene.replay().arg("--").run().code(2).stderr_has(says);
    let record = Metrics::new().args(["record", "-o", "s.csv", "--"]);
    record.run().code(2).stderr_has(says);
}
