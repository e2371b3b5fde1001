//! What is said on stderr: changes, not repetitions; and what it all came to.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;

use crate::client::{ClientEvent, Warning};
use crate::protocol::{Body, HostName};
use crate::view::{clean, span};

use super::{Exit, Failure};

/// How the servers and hosts stand, as far as it was said.
#[derive(Debug)]
pub(super) struct News {
    servers: Vec<ServerNews>,
    stale: HashMap<HostName, Instant>,
    /// The hosts of which it was said that two servers share their name.
    shared: HashSet<HostName>,
    refused: Option<String>,
    observed: bool,
}

#[derive(Debug)]
struct ServerNews {
    url: String,
    /// The URL as a person would write it.
    name: String,
    connected: bool,
    lost_at: Option<Instant>,
    /// Why the last attempt failed.
    reason: Option<String>,
    /// Another server answered in its place.
    rejected: bool,
}

impl News {
    /// Of the servers at `urls`.
    pub(super) fn new(urls: Vec<String>) -> Self {
        let server = |url: String| ServerNews {
            name: short_name(&url),
            url,
            connected: false,
            lost_at: None,
            reason: None,
            rejected: false,
        };
        Self {
            servers: urls.into_iter().map(server).collect(),
            stale: HashMap::new(),
            shared: HashSet::new(),
            refused: None,
            observed: false,
        }
    }

    /// Takes note of `event`; what there is to say about it, in one line.
    pub(super) fn line(&mut self, event: &ClientEvent) -> Option<String> {
        match event {
            ClientEvent::Connected { server } => self.servers.get_mut(*server)?.connected(),
            ClientEvent::Ended { .. } => None,
            ClientEvent::Lost { server, reason, .. } => self.servers.get_mut(*server)?.lost(reason),
            ClientEvent::Refused { server, reason } => {
                let (server, several) = (self.servers.get(*server)?, 1 < self.servers.len());
                let text = server.cannot_connect(&clean(reason));
                self.refused.get_or_insert_with(|| text.clone());
                // The only one is told by the exit.
                several.then_some(text)
            }
            ClientEvent::Warning { server, warning } => self.warning(*server, warning),
            ClientEvent::Stale { host } => {
                self.stale.insert(host.clone(), Instant::now());
                Some(format!("{host}: no sample for three intervals"))
            }
            ClientEvent::Message(received) => {
                let again = self.servers.get_mut(received.server)?.is_right();
                if !matches!(received.message.body, Body::Metric { .. }) {
                    return again;
                }
                self.observed = true;
                let samples_again = self.stale.remove(&received.host).map(|since| {
                    let host = &received.host;
                    format!("{host}: samples again after {}", span(since.elapsed()))
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
            Warning::Malformed { reason } => format!("{name}: skipping what is {}", clean(reason)),
            Warning::TwoSources { host } => {
                format!(
                    "{name}: two servers call themselves '{host}': start one with --name; the older is left out"
                )
            }
            Warning::SameName { host, other } => {
                let url = &self.servers.get(server)?.url;
                let other = &self.servers.get(*other)?.url;
                format!(
                    "two servers call themselves '{host}': start one with --name; {other} is followed, {url} is left out"
                )
            }
            Warning::SameSource { host, other } => {
                let other = &self.servers.get(*other)?.name;
                format!("{name} is the same server as {other}: '{host}' is taken once")
            }
            Warning::SetBack { host } => format!(
                "{host}: began again with an earlier start time: its clock was set back, or two servers call themselves so"
            ),
            Warning::CountsAgain { host } => {
                format!("{host}: the server's numbers do not rise; its messages are numbered here")
            }
            Warning::Ahead { host } => format!(
                "{host}: the server has not come to the last message known here; waiting for what follows it"
            ),
        })
    }

    /// What it all came to.
    pub(super) fn exit(self) -> Result<Exit, Failure> {
        if let Some(refused) = self.refused {
            return Err(Failure::no_connection(refused));
        }
        if self.observed {
            return Ok(Exit::Done);
        }
        let failed = |server: &ServerNews| Some(server.cannot_connect(server.reason.as_ref()?));
        let why = self.servers.iter().find_map(failed);
        Err(Failure::no_connection(why.unwrap_or_else(|| {
            "nothing was observed: no sample came".to_owned()
        })))
    }

    /// A person chose to leave: then whatever it came to is what was wanted.
    pub(super) fn leave(&mut self) {
        self.refused = None;
        self.observed = true;
    }
}

impl ServerNews {
    fn cannot_connect(&self, reason: &str) -> String {
        format!("cannot connect to {}: {reason}", self.url)
    }

    /// Whoever answers is another server than the one that was followed: how its connections come and go tells nothing.
    fn is_wrong(&mut self) {
        self.rejected = true;
    }

    /// The server that was followed speaks.
    fn is_right(&mut self) -> Option<String> {
        std::mem::take(&mut self.rejected).then(|| self.connected())?
    }

    fn connected(&mut self) -> Option<String> {
        if self.rejected {
            return None;
        }
        let again = std::mem::replace(&mut self.connected, true);
        self.reason = None;
        let lost_for = span(self.lost_at.take()?.elapsed());
        Some(if again {
            format!("{}: connected again after {lost_for}", self.name)
        } else {
            format!("{}: connected after {lost_for}", self.name)
        })
    }

    fn lost(&mut self, reason: &str) -> Option<String> {
        let reason = clean(reason);
        let first = self.lost_at.is_none();
        self.lost_at.get_or_insert_with(Instant::now);
        let line = if self.connected {
            format!("{}: connection lost ({reason}); reconnecting", self.name)
        } else {
            format!("{}: cannot connect ({reason}); trying again", self.name)
        };
        self.reason = Some(reason);
        (first && !self.rejected).then_some(line)
    }
}

/// A server as a person would write it: `ws://web-1:8080/ws` is `web-1`.
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
