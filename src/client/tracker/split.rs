//! Dividing a server's hosts between several connections, when one request cannot name them all.

use crate::protocol::{HostName, HostPattern, Query};

use super::{Part, Tracker};

/// The most positions of one request.
pub(super) const MOST_POSITIONS: usize = 1000;

/// The longest stream and sequence number of a position in a request, in bytes.
const LONGEST_POSITION: usize = 33;

impl Tracker {
    /// Keeps as many hosts as one request of `room` bytes can resume, and returns the others, if there are any, for a
    /// separate connection.
    pub(in crate::client) fn split(&mut self, room: usize) -> Option<Self> {
        if let Some(part) = self.split_names(room) {
            return Some(part);
        }
        let patterns =
            |hosts: &[HostPattern]| hosts.iter().map(|it| it.to_string().len() + 6).sum();
        let mut taken: usize = match self.part {
            Some(Part::ByName) => 0,
            _ => patterns(&self.query.hosts),
        };
        let mut count = 0;
        let surplus: Vec<HostName> = (self.hosts.iter())
            .filter(|(name, host)| {
                let Some((stream, seq)) = host.position() else {
                    return false;
                };
                // `after=NAME%3ASTREAM%3ASEQ&`, and `host=NAME&` if hosts are requested by name.
                taken += 13 + name.as_str().len() + format!("{stream}{seq}").len();
                if !self.requests_as_the_user() {
                    taken += 6 + name.as_str().len();
                }
                count += 1;
                count > 1 && (count > MOST_POSITIONS || taken > room)
            })
            .map(|(name, _)| name.clone())
            .collect();
        if surplus.is_empty() {
            return None;
        }
        let mut part = Self::new(self.server, self.nameless.clone(), self.query.clone(), &[]);
        (part.part, part.only_shows) = (Some(Part::ByName), self.only_shows);
        part.hosts = (surplus.iter())
            .filter_map(|name| self.hosts.remove_entry(name))
            .collect();
        self.elsewhere.extend(surplus);
        Some(part)
    }

    /// Does the same for the hosts that the user named: one request may not have room for all their names and positions.
    fn split_names(&mut self, room: usize) -> Option<Self> {
        if !self.requests_as_the_user() {
            return None;
        }
        let (mut taken, mut count) = (0, 0);
        let (kept, surplus) = std::mem::take(&mut self.query.hosts)
            .into_iter()
            .partition::<Vec<_>, _>(|host| {
                taken += 19 + 2 * host.to_string().len() + LONGEST_POSITION;
                count += 1;
                let fits = count == 1 || count <= MOST_POSITIONS && taken <= room;
                fits || !matches!(host, HostPattern::Literal(_))
            });
        self.query.hosts = kept;
        if surplus.is_empty() {
            return None;
        }
        let names = surplus.iter().filter_map(|host| match host {
            HostPattern::Literal(name) => Some(name.clone()),
            _ => None,
        });
        self.elsewhere.extend(names);
        let query = Query {
            hosts: surplus,
            ..self.query.clone()
        };
        let mut part = Self::new(self.server, self.nameless.clone(), query, &[]);
        (part.part, part.only_shows) = (Some(Part::Named), self.only_shows);
        part.hosts = self
            .hosts
            .extract_if(|name, _| self.elsewhere.contains(name))
            .collect();
        Some(part)
    }

    /// Whether the request names the hosts that the user named, or a part of them.
    fn requests_as_the_user(&self) -> bool {
        matches!(self.part, None | Some(Part::Named))
    }

    /// Whether this connection accepts a host that it does not know yet.
    pub(super) fn takes_new(&self, name: &HostName) -> bool {
        match self.part {
            None => true,
            Some(Part::Named) => {
                let is_named =
                    |host: &HostPattern| matches!(host, HostPattern::Literal(it) if it == name);
                self.query.hosts.iter().any(is_named)
            }
            Some(Part::ByName | Part::OfAll) => false,
        }
    }
}
