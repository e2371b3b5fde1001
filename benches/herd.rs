//! A herd of viewers at a server: `cargo bench --bench herd -- PORT [VIEWERS] [SECONDS] [CA.pem]`.
//!
//! Two of three use WebSocket, the others the event stream; all use TLS if a certificate authority is given. Each one
//! is cut or stops reading now and then, reconnects and resumes. Fails if any has lost a message of `web-1` without a
//! gap, or got one twice. `scripts/soak.sh` runs it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and a failing unwrap is a failure"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[path = "../tests/it/harness/herd.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod herd;

use herd::{Habits, Herd, Life, Mischief};

/// A viewer is cut or freezes about this often.
const EVERY: Duration = Duration::from_secs(60);

/// Long enough that some are disconnected, short enough that the log still has what they missed.
const FREEZE: Duration = Duration::from_secs(40);

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let (port, count, seconds) = match numbers[..] {
        [port] => (port, 2000, 60),
        [port, count] => (port, count, 60),
        [port, count, seconds] => (port, count, seconds),
        _ => {
            println!("no PORT of a server was given: cargo bench --bench herd -- PORT");
            return ExitCode::SUCCESS;
        }
    };
    let ca = std::env::args().map(PathBuf::from);
    let ca = ca
        .skip(1)
        .find(|arg| arg.extension().is_some_and(|pem| pem == "pem"));
    let mischief = Some(Mischief {
        every: EVERY,
        freeze: FREEZE,
    });
    let habits = Habits {
        mischief,
        mixed: true,
        ca: ca.as_deref(),
    };
    let (count, port) = (
        usize::try_from(count).unwrap(),
        u16::try_from(port).unwrap(),
    );
    let herd = Herd::of(count, port, habits);
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        std::thread::sleep(Duration::from_secs(1));
    }
    let sum = |count: fn(&Life) -> u64| herd.lives().map(|life| count(&life)).sum::<u64>();
    let messages = sum(|life| life.messages);
    let connections = sum(|life| life.connections);
    let let_go = sum(|life| life.closes.len() as u64);
    let lost = sum(|life| life.expired + life.restarted);
    let wrong = sum(|life| life.wrong);
    let silent = herd.lives().filter(|life| life.messages == 0).count();
    println!(
        "{count} viewers: {messages} messages over {connections} connections, {let_go} let go by the server, \
         {lost} gaps, {wrong} wrong, {silent} without a message"
    );
    if wrong + lost == 0 && silent == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
