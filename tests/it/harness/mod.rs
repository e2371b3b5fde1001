//! What the tests are built on: processes, sockets, terminals, a browser, and recordings as input.
//!
//! Nothing here imports the crate: a test that checks the binary with the binary's own code would share its mistakes.

pub(crate) mod alertmanager;
pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod compressed;
pub(crate) mod cost;
pub(crate) mod dice;
pub(crate) mod events;
pub(crate) mod herd;
pub(crate) mod http;
pub(crate) mod metrics;
pub(crate) mod nginx;
pub(crate) mod postgres;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod pty;
pub(crate) mod pump;
pub(crate) mod python;
pub(crate) mod raw;
pub(crate) mod recipes;
pub(crate) mod recording;
pub(crate) mod redis;
pub(crate) mod rows;
pub(crate) mod secure;
pub(crate) mod server;
pub(crate) mod sshd;
pub(crate) mod statsd;
pub(crate) mod steady;
pub(crate) mod tutorial;
pub(crate) mod unread;
pub(crate) mod viewer;
pub(crate) mod webhook;
pub(crate) mod wire;

use std::net::{Ipv4Addr, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

use pump::Pump;

/// How long anything may take. It bounds a failing test, never a passing one, so it is generous.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Whether a server that was just started listens on `port` of loopback. Otherwise it has ended: another program may have
/// taken the port.
#[track_caller]
fn comes_up(child: &mut Child, port: u16, stderr: &Pump) -> bool {
    let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
    let ask = || match child.try_wait().unwrap() {
        Some(_) => Some(false),
        None => listens().then_some(true),
    };
    wait_for(PATIENCE, ask, || stderr.text())
}

/// Polls until there is an answer, and fails with the text of `otherwise` if there is none within `patience`.
#[track_caller]
pub(crate) fn wait_for<T>(
    patience: Duration,
    mut ask: impl FnMut() -> Option<T>,
    otherwise: impl FnOnce() -> String,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "nothing after {patience:?}: {}",
            otherwise()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Polls until something is so, and fails with the text of `otherwise` if it never is.
#[track_caller]
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool, otherwise: impl FnOnce() -> String) {
    wait_for(PATIENCE, || is_so().then_some(()), otherwise);
}
