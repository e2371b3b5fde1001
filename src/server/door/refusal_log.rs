//! A log of refused connections, for people and for programs that control the firewall, such as fail2ban.
//!
//! The lines per address are limited, and so is the number of remembered addresses, so nobody can fill a disk with
//! them.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::locks::lock;

use super::lobby::Neighbour;

/// An address gets one line in this time.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// The most addresses that are remembered, and therefore the most lines in that time.
const MOST: usize = 1024;

/// The longest reason that is logged, in characters.
const REASON_CHARS: usize = 200;

/// Why a peer was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum RefusalCause {
    /// A request, with this HTTP status.
    Status(u16),
    /// A TLS handshake.
    Tls,
    /// A connection that didn't send its request in time, or had to make room.
    Connection,
}

impl RefusalCause {
    /// Attempts to guess the token have lines of their own, so that other errors can't hide them.
    fn is_about_trust(self) -> bool {
        matches!(self, Self::Status(401 | 403))
    }
}

impl fmt::Display for RefusalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => status.fmt(f),
            Self::Tls => f.write_str("TLS"),
            Self::Connection => f.write_str("connection"),
        }
    }
}

/// Which lines have been written recently.
#[derive(Debug, Default)]
pub(in crate::server) struct RefusalLog(Mutex<LoggedRefusals>);

#[derive(Debug, Default)]
struct LoggedRefusals {
    of: HashMap<(Neighbour, bool), LastLine>,
    /// Refusals since the last line that were not logged, because there were too many addresses.
    untold: u64,
}

#[derive(Debug)]
struct LastLine {
    at: Instant,
    /// Refusals since then.
    more: u64,
}

impl RefusalLog {
    /// Writes a line for a refusal, unless the address has just had one.
    pub(in crate::server) fn note(
        &self,
        ip: IpAddr,
        cause: RefusalCause,
        reason: &dyn fmt::Display,
    ) {
        if let Some(more) = self.is_due(ip, cause) {
            let (ip, reason) = (ip.to_canonical(), plain(reason));
            match more {
                0 => tracing::warn!("refused {ip}: {cause} {reason}"),
                more => tracing::warn!("refused {ip}: {cause} {reason} (and {more} more before)"),
            }
        }
    }

    /// How many further refusals a line stands for; `None` if no line is due.
    fn is_due(&self, ip: IpAddr, cause: RefusalCause) -> Option<u64> {
        let (key, now) = ((ip.into(), cause.is_about_trust()), Instant::now());
        let mut said = lock(&self.0);
        if let Some(line) = said.of.get_mut(&key) {
            if now < line.at + SAY_AGAIN {
                line.more += 1;
                return None;
            }
            line.at = now;
            return Some(std::mem::take(&mut line.more));
        }
        if MOST <= said.of.len() {
            said.of.retain(|_, line| now < line.at + SAY_AGAIN);
        }
        if MOST <= said.of.len() {
            said.untold += 1;
            return None;
        }
        said.of.insert(key, LastLine { at: now, more: 0 });
        Some(std::mem::take(&mut said.untold))
    }
}

/// A reason in plain characters: it may contain text from the peer, which must not end the line or control a terminal.
fn plain(reason: &dyn fmt::Display) -> String {
    let shown = reason.to_string();
    let plain = shown.chars().flat_map(|c| {
        let is_plain = c == ' ' || c.is_ascii_graphic();
        (is_plain.then_some(c).into_iter()).chain(
            (!is_plain)
                .then(|| c.escape_default())
                .into_iter()
                .flatten(),
        )
    });
    plain.take(REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_a_line_now_and_then() {
        let refusals = RefusalLog::default();
        let due = |n, status| refusals.is_due(ip(n), RefusalCause::Status(status));
        assert_eq!(due(1, 401), Some(0));
        for _ in 0..5 {
            assert_eq!(due(1, 401), None);
        }
        assert_eq!(due(2, 401), Some(0), "another one has its own");
        assert_eq!(
            due(1, 404),
            Some(0),
            "what is not about trust hides nothing"
        );
        assert_eq!(due(1, 403), None);
        tokio::time::sleep(SAY_AGAIN).await;
        assert_eq!(due(1, 401), Some(6));
        assert_eq!(due(1, 401), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_addresses_are_remembered() {
        let refusals = RefusalLog::default();
        let due = |n| refusals.is_due(ip(n), RefusalCause::Tls);
        let lines = (0..10_240).filter_map(due).count();
        assert_eq!(lines, MOST);
        assert!(refusals.0.lock().unwrap().of.len() <= MOST);
        tokio::time::sleep(SAY_AGAIN).await;
        assert_eq!(due(u32::MAX), Some(9 * MOST as u64), "what was not told is");
    }

    #[test]
    fn a_reason_is_one_plain_line() {
        let long = "x".repeat(1000);
        for (reason, shown) in [
            ("that is all", "that is all"),
            (
                "a\nWARN refused 192.0.2.1: 401",
                "a\\nWARN refused 192.0.2.1: 401",
            ),
            ("\u{1b}[31mred\u{9b}é", "\\u{1b}[31mred\\u{9b}\\u{e9}"),
            (&long, &long[..REASON_CHARS]),
        ] {
            assert_eq!(plain(&reason), shown);
        }
    }
}
