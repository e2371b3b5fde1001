//! What a client says on stderr about its servers and hosts, changes only; and the exit status that follows.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use crate::client::{ClientEvent, Warning};
use crate::protocol::HostName;
use crate::view::clean;
use crate::wording::span;

use super::{Exit, Failure};

/// The state of the servers and hosts, as reported so far.
#[derive(Debug)]
pub(super) struct News {
    servers: Vec<ServerNews>,
    stale: HashMap<HostName, Instant>,
    /// The hosts already reported as having two servers of their name.
    shared: HashSet<HostName>,
    /// The pairs of servers that were reported to have hosts in common.
    alike: HashSet<[usize; 2]>,
    outcome: Outcome,
}

/// What it has all come to so far.
#[derive(Debug)]
enum Outcome {
    NothingObserved,
    /// A sample arrived, or the user chose to leave.
    Observed,
    /// A server refused, for this reason; the first one counts.
    Refused(String),
}

#[derive(Debug)]
struct ServerNews {
    url: String,
    /// The URL as people would write it.
    name: String,
    was_connected: bool,
    outage: Option<Outage>,
    /// Whether another server answered instead.
    rejected: bool,
}

/// A server that is out of reach.
#[derive(Debug)]
struct Outage {
    since: Instant,
    /// Why the last attempt failed.
    reason: String,
}

impl News {
    /// For the servers at `urls`.
    pub(super) fn new(urls: Vec<String>) -> Self {
        let server = |url: String| ServerNews {
            name: short_name(&url),
            url,
            was_connected: false,
            outage: None,
            rejected: false,
        };
        Self {
            servers: urls.into_iter().map(server).collect(),
            stale: HashMap::new(),
            shared: HashSet::new(),
            alike: HashSet::new(),
            outcome: Outcome::NothingObserved,
        }
    }

    /// Takes note of `event`; returns what there is to say about it, in one line.
    pub(super) fn line(&mut self, event: &ClientEvent) -> Option<String> {
        match event {
            ClientEvent::Connected { server } => self.servers.get_mut(*server)?.connected(),
            ClientEvent::Ended { .. } => None,
            ClientEvent::Lost { server, reason, .. } => self.servers.get_mut(*server)?.lost(reason),
            ClientEvent::Refused { server, reason } => {
                let (server, several) = (self.servers.get(*server)?, 1 < self.servers.len());
                let text = server.cannot_connect(&clean(reason));
                if !matches!(self.outcome, Outcome::Refused(_)) {
                    self.outcome = Outcome::Refused(text.clone());
                }
                // With a single server, the exit says so.
                several.then_some(text)
            }
            ClientEvent::Warning { server, warning } => self.warning(*server, warning),
            ClientEvent::Stale { host } => {
                self.stale.insert(host.clone(), Instant::now());
                Some(format!("{host}: no sample for three intervals"))
            }
            ClientEvent::Message(received) => {
                let again = self.servers.get_mut(received.server)?.is_right();
                if !received.update.is_sample() {
                    return again;
                }
                if matches!(self.outcome, Outcome::NothingObserved) {
                    self.outcome = Outcome::Observed;
                }
                let samples_again = self.stale.remove(&received.host).map(|since| {
                    let host = &received.host;
                    format!(
                        "{host}: samples arrive again after {}",
                        span(since.elapsed())
                    )
                });
                again.or(samples_again)
            }
        }
    }

    fn warning(&mut self, server: usize, warning: &Warning) -> Option<String> {
        if let Warning::TwoSources { host } = warning {
            self.servers.get_mut(server)?.is_wrong();
            if !self.shared.insert(host.clone()) {
                return None;
            }
        }
        let name = &self.servers.get(server)?.name;
        Some(match warning {
            Warning::Malformed { reason } => format!("{name}: skipped {}", clean(reason)),
            Warning::TwoSources { host } => {
                format!(
                    "{name}: two servers are called '{host}': start one with --name; the older one is ignored"
                )
            }
            Warning::SameName { host, other } => {
                let url = &self.servers.get(server)?.url;
                let other = &self.servers.get(*other)?.url;
                format!(
                    "two servers are called '{host}': start one with --name; {other} is used, {url} is ignored"
                )
            }
            Warning::SameSources { other } => {
                let [first, second] = [server.min(*other), server.max(*other)];
                if !self.alike.insert([first, second]) {
                    return None;
                }
                let [first, second] = [first, second].map(|it| self.servers.get(it));
                same_sources(&first?.name, &second?.name)
            }
            Warning::SetBack { host } => format!(
                "{host}: restarted with an earlier start time: its clock was set back, or two servers have this name"
            ),
            Warning::CountsAgain { host } => {
                format!("{host}: the server's numbers do not increase; its messages are renumbered")
            }
            Warning::Ahead { host } => format!(
                "{host}: the server is behind the last message received; waiting for what follows it"
            ),
        })
    }

    /// How the command ends.
    pub(super) fn exit(self) -> Result<Exit, Failure> {
        match self.outcome {
            Outcome::Observed => return Ok(Exit::Done),
            Outcome::Refused(reason) => return Err(Failure::no_connection(reason)),
            Outcome::NothingObserved => {}
        }
        let failed =
            |server: &ServerNews| Some(server.cannot_connect(&server.outage.as_ref()?.reason));
        let why = self.servers.iter().find_map(failed);
        Err(Failure::no_connection(why.unwrap_or_else(|| {
            "nothing was observed: no sample arrived".to_owned()
        })))
    }

    /// The user chose to leave: then whatever was observed is what was wanted.
    pub(super) fn leave(&mut self) {
        self.outcome = Outcome::Observed;
    }
}

impl ServerNews {
    fn cannot_connect(&self, reason: &str) -> String {
        format!("cannot connect to {}: {reason}", self.url)
    }

    /// Another server answers than the one that was followed: its connections and losses are not reported.
    fn is_wrong(&mut self) {
        self.rejected = true;
    }

    /// The server that was followed answers again.
    fn is_right(&mut self) -> Option<String> {
        std::mem::take(&mut self.rejected).then(|| self.connected())?
    }

    fn connected(&mut self) -> Option<String> {
        if self.rejected {
            return None;
        }
        let again = std::mem::replace(&mut self.was_connected, true);
        let lost_for = span(self.outage.take()?.since.elapsed());
        Some(if again {
            format!("{}: reconnected after {lost_for}", self.name)
        } else {
            format!("{}: connected after {lost_for}", self.name)
        })
    }

    fn lost(&mut self, reason: &str) -> Option<String> {
        let reason = clean(reason);
        let line = if self.was_connected {
            format!("{}: connection lost ({reason}); reconnecting", self.name)
        } else {
            format!("{}: cannot connect ({reason}); retrying", self.name)
        };
        let earlier = self.outage.take().map(|outage| outage.since);
        let since = earlier.unwrap_or_else(Instant::now);
        self.outage = Some(Outage { since, reason });
        (earlier.is_none() && !self.rejected).then_some(line)
    }
}

/// Two servers have the same sources.
fn same_sources(first: &str, second: &str) -> String {
    if first == second {
        return format!("{first} is given twice, and used once");
    }
    format!(
        "{first} and {second} have hosts in common, which are used once; if all are the same, write {first},{second} to let \
         either stand in for the other"
    )
}

/// A server as people would write it: `ws://web-1:8080/ws` is `web-1`.
pub(super) fn short_name(url: &str) -> String {
    let names = url.split(',').map(|url| {
        let name = url.strip_prefix("ws://").unwrap_or(url);
        let name = name
            .strip_suffix(crate::protocol::WEBSOCKET_PATH)
            .unwrap_or(name);
        let before_port = if name.starts_with("ssh://") { '/' } else { ':' };
        let port = format!("{before_port}{}", crate::protocol::DEFAULT_PORT);
        name.strip_suffix(port.as_str()).unwrap_or(name).to_owned()
    });
    names.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_short_names() {
        for (url, expected) in [
            ("ws://web-1:8080/ws", "web-1"),
            ("ws://127.0.0.1:9000/ws", "127.0.0.1:9000"),
            ("ws://[::1]:8080/ws", "[::1]"),
            ("ws://web-1:80/live", "web-1:80/live"),
            ("wss://web-1:443/ws", "wss://web-1:443"),
            ("ssh://ada@web-1:22/8080", "ssh://ada@web-1:22"),
            ("ssh://web-1/9000", "ssh://web-1/9000"),
            ("ws://a:8080/ws,ws://b:8080/ws", "a,b"),
        ] {
            assert_eq!(short_name(url), expected);
        }
    }
}
