//! Through ssh, with a real sshd.

use std::net::{Ipv4Addr, TcpListener};

use crate::harness::PATIENCE;
use crate::harness::metrics::{Metrics, wait_for_rows};
use crate::harness::recording::plain;
use crate::harness::rows::{assert_unbroken, read};
use crate::harness::sshd::Sshd;
use crate::harness::wait_for;

const ENTER_ALTERNATE: &[u8] = b"\x1b[?1049h";

fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_recording_is_the_same_byte_for_byte() {
    let sshd = Sshd::start();
    let dir = tempfile::tempdir().unwrap();
    let (csv, out) = (dir.path().join("r.csv"), dir.path().join("out.csv"));
    std::fs::write(&csv, plain("web-1", 2000, 100)).unwrap();
    let replay = Metrics::replay([&csv])
        .args(["--speed", "max", "--wait", "1"])
        .start();
    let record = Metrics::record(&format!("ssh://web/{}", replay.port()));
    sshd.client(record.arg("-o").arg(&out)).run().success();
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&csv).unwrap());
    let calls = sshd.calls();
    assert_eq!(calls, [format!("-W 127.0.0.1:{} -- web", replay.port())]);
    replay.wait().success();
}

#[test]
fn a_cut_loses_nothing_and_ssh_asks_nothing_afterwards() {
    let sshd = Sshd::start();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.csv");
    let serve = Metrics::serve().start();
    let record = Metrics::record(&format!("ssh://web/{}", serve.port()));
    let record = sshd
        .client(record.args(["--samples", "12", "-o"]).arg(&out))
        .spawn();
    wait_for_rows(&out, 3);
    sshd.cut_all();
    let output = record.wait().success();
    output
        .stderr_has("connection lost (")
        .stderr_has("reconnected");
    let rows = read(&out);
    assert_unbroken(&rows);
    assert_eq!(rows.len(), 12);
    let calls = sshd.calls();
    assert!(!calls[0].contains("BatchMode"), "{calls:?}");
    assert!(
        1 < calls.len() && calls[1..].iter().all(|call| call.contains("BatchMode=yes")),
        "{calls:?}"
    );
}

#[test]
fn ssh_says_why_there_is_no_connection() {
    let sshd = Sshd::start();
    let watch = |server: &str| {
        let watch = Metrics::watch(server).args(["--plain", "--retries", "0"]);
        sshd.client(watch).run().code(3).stdout_is("")
    };
    let nobody = closed_port();
    let expected = format!("nothing listens on port {nobody} of that host's loopback");
    watch(&format!("ssh://web/{nobody}")).stderr_has(&expected);
    let refused = format!("ssh://127.0.0.1:{}", closed_port());
    watch(&refused)
        .stderr_has("ssh: connect to host 127.0.0.1")
        .stderr_has("Connection refused");
    sshd.forget_user();
    watch("ssh://web")
        .stderr_has("ssh: ")
        .stderr_has("Permission denied");
    let watch = Metrics::watch("ssh://web").args(["--plain", "--retries", "0"]);
    watch
        .env("PATH", "/nonexistent")
        .run()
        .code(3)
        .stderr_has("ssh is not installed");
}

#[test]
fn a_host_is_never_an_option() {
    let sshd = Sshd::start();
    for server in [
        "ssh://-oProxyCommand=touch",
        "ssh://-v/8080",
        "ssh://-lroot@web",
        "ssh://web:22/8080/-v",
        "ssh://a%20b",
    ] {
        sshd.client(Metrics::watch(server).arg("--plain"))
            .run()
            .code(2);
    }
    assert_eq!(sshd.calls(), Vec::<String>::new());
}

#[test]
fn ssh_asks_before_the_screen_opens_and_never_later() {
    let sshd = Sshd::start();
    // Like ssh when it wants a password: it asks on the terminal, whatever its pipes are.
    sshd.write_ssh(
        "case \"$*\" in *BatchMode=yes*) ;; *) printf 'password: ' > /dev/tty; read answer < /dev/tty; esac",
    );
    let serve = Metrics::serve().start();
    let watch = Metrics::watch(&format!("ssh://web/{}", serve.port()));
    let mut terminal = sshd.client(watch).in_terminal(100, 40);
    let asked = terminal.wait_for_text("password: ");
    assert!(!asked.alternate_screen() && terminal.is_cooked());
    terminal.send_keys("secret\r");
    terminal.wait_for("live view", |screen| {
        screen.alternate_screen() && screen.contents().contains("● LIVE")
    });
    sshd.cut_all();
    wait_for(
        PATIENCE,
        || (1 < sshd.calls().len()).then_some(()),
        || format!("{:?}", sshd.calls()),
    );
    terminal.wait_for("live view again", |screen| {
        screen.contents().contains("● LIVE")
    });
    // The history is read over a connection of its own, to which the same applies.
    let before = sshd.calls().len();
    terminal.send_keys("\u{1b}[D");
    terminal.wait_for("an older sample", |screen| {
        let text = screen.contents();
        before < sshd.calls().len() && text.contains("◀") && !text.contains("reading older")
    });
    terminal.send_keys("q");
    let left = terminal.wait();
    let text = String::from_utf8_lossy(&left.bytes);
    assert_eq!((left.code, text.matches("password: ").count()), (0, 1));
    let opened = left
        .bytes
        .windows(ENTER_ALTERNATE.len())
        .position(|bytes| bytes == ENTER_ALTERNATE);
    assert!(text.find("password: ") < opened);
    assert!(left.cooked);
}
