//! What publishers and relays read.

use std::collections::HashMap;
use std::time::Duration;

use redis::{FromRedisValue, Pipeline, Value};

use crate::millis::in_millis;

use super::entry_id::EntryId;
use super::fault::{RedisFault, RedisFaultKind};
use super::firing::FiringAlerts;
use super::keys::HostKeys;
use super::lane::RedisLane;
use super::origin::PublisherIdentity;
use super::stored::Stored;
use super::writing::{ALERTS, END, HELLO, MESSAGE, ORIGIN};

/// For up to this many hosts, it costs less to ask for the marks of all along with their entries than to ask again for
/// those that have sent something.
const ASKED_ALONG: usize = 32;

/// Where a host stands in Redis, for its publisher.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// The highest id that the stream has ever had; `None` if there is none.
    pub last: Option<EntryId>,
    /// The id of the oldest entry; `None` if there is none.
    pub oldest: Option<EntryId>,
    /// Who wrote last.
    pub origin: Option<PublisherIdentity>,
    /// The fields of hellos.
    pub hellos: Vec<EntryId>,
}

/// An entry as found: nothing is certain about it except that it has an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadEntry {
    /// Its id.
    pub id: EntryId,
    /// The message; `None` if it has no such field.
    pub json: Option<Vec<u8>>,
}

/// The new entries of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntries {
    /// Which of the hosts that were asked for.
    pub host: usize,
    /// The entries, oldest first.
    pub entries: Vec<ReadEntry>,
    /// What its hash named after they were read.
    pub marks: HostMarks,
}

/// What the hash of a host names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostMarks {
    /// The field of its newest hello.
    pub hello: Option<EntryId>,
    /// The id of its last message if it is over.
    pub end: Option<EntryId>,
}

/// The hash of a host, as found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct About {
    /// The field of its newest hello.
    pub hello: Option<EntryId>,
    /// The hellos, by the first message that each is valid for.
    pub hellos: Vec<(EntryId, Vec<u8>)>,
    /// The alerts that fire.
    pub alerts: Option<FiringAlerts>,
    /// Who writes.
    pub origin: Option<PublisherIdentity>,
}

impl RedisLane {
    /// Whether one command may name hosts of several lanes. The nodes of a cluster refuse it, and so do some proxies
    /// that hide a cluster.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn mixes_lanes(&mut self) -> Result<bool, RedisFault> {
        let mut commands = Pipeline::new();
        let read = commands.cmd("XREAD").arg("COUNT").arg(1).arg("STREAMS");
        read.arg(&self.keys().of_two_lanes()[..]).arg(&[0, 0][..]);
        match self.ask::<(Value,)>(&commands).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.kind == RedisFaultKind::CrossSlot => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Where a host stands.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn standing(&mut self, keys: &HostKeys) -> Result<Standing, RedisFault> {
        let mut commands = Pipeline::new();
        commands.cmd("XINFO").arg("STREAM").arg(&keys.stream);
        commands.cmd("HGET").arg(&keys.about).arg(ORIGIN);
        commands.cmd("HKEYS").arg(&keys.about);
        let answer = self.ask(&commands).await;
        let (info, origin, fields): (Value, Option<Vec<u8>>, Vec<Vec<u8>>) = match answer {
            Err(fault) if fault.kind == RedisFaultKind::NoKey => return Ok(Standing::default()),
            other => other?,
        };
        let (last, oldest) = ends_of(info);
        Ok(Standing {
            last,
            oldest,
            origin: origin.as_deref().and_then(PublisherIdentity::decode),
            hellos: fields.iter().filter_map(|it| id_of(it)).collect(),
        })
    }

    /// The entries of one host behind `after`, at most `most`.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn page(
        &mut self,
        keys: &HostKeys,
        after: EntryId,
        most: usize,
    ) -> Result<Vec<ReadEntry>, RedisFault> {
        if (after.stream.0, after.seq) == (u64::MAX, u64::MAX) {
            // Nothing comes after it, and Redis refuses the question.
            return Ok(Vec::new());
        }
        let mut commands = Pipeline::new();
        let range = commands.cmd("XRANGE").arg(&keys.stream);
        range.arg(format!("({after}")).arg("+");
        range.arg("COUNT").arg(most);
        let (found,): (Value,) = self.ask(&commands).await?;
        Ok(entries_of(found))
    }

    /// Waits up to `block` for entries behind the given ones, and reads at most `most` of each host.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn follow_hosts(
        &mut self,
        hosts: &[(&HostKeys, EntryId)],
        most: usize,
        block: Duration,
    ) -> Result<Vec<HostEntries>, RedisFault> {
        let mut commands = Pipeline::new();
        let read = commands.cmd("XREAD").arg("COUNT").arg(most);
        read.arg("BLOCK").arg(in_millis(block)).arg("STREAMS");
        for (keys, _) in hosts {
            read.arg(&keys.stream);
        }
        for (_, after) in hosts {
            read.arg(after.to_string());
        }
        let asks_along = hosts.len() <= ASKED_ALONG;
        if asks_along {
            // They are carried out once the read is over.
            for (keys, _) in hosts {
                ask_for_marks(&mut commands, keys);
            }
        }
        let mut answers = self.ask::<Vec<Value>>(&commands).await?.into_iter();
        let found = entries_by_host(answers.next().unwrap_or(Value::Nil), hosts);
        let marks = if asks_along {
            let marks: Vec<_> = answers.map(marks_of).collect();
            let of_host = |(at, _): &(usize, _)| marks.get(*at).copied().unwrap_or_default();
            found.iter().map(of_host).collect()
        } else {
            let keys: Vec<_> = found.iter().map(|(at, _)| hosts[*at].0).collect();
            self.marks(&keys).await?
        };
        let together = |((host, entries), marks)| HostEntries {
            host,
            entries,
            marks,
        };
        Ok(found.into_iter().zip(marks).map(together).collect())
    }

    /// What the hash of each host names.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn marks(&mut self, hosts: &[&HostKeys]) -> Result<Vec<HostMarks>, RedisFault> {
        let found: Vec<Value> = self.ask_about(hosts, ask_for_marks).await?;
        Ok(found.into_iter().map(marks_of).collect())
    }

    /// For each host, the id of its newest entry; `None` if there is no entry, or no key.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn newest_entries(
        &mut self,
        hosts: &[&HostKeys],
    ) -> Result<Vec<Option<EntryId>>, RedisFault> {
        let newest_of = |commands: &mut Pipeline, keys: &HostKeys| {
            let range = commands.cmd("XREVRANGE").arg(&keys.stream);
            range.arg("+").arg("-").arg("COUNT").arg(1);
        };
        let found: Vec<Value> = self.ask_about(hosts, newest_of).await?;
        let newest = |found: Value| Some(entries_of(found).first()?.id);
        Ok(found.into_iter().map(newest).collect())
    }

    /// The hash of each host.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn about(&mut self, hosts: &[&HostKeys]) -> Result<Vec<About>, RedisFault> {
        let fields_of = |commands: &mut Pipeline, keys: &HostKeys| {
            commands.cmd("HGETALL").arg(&keys.about);
        };
        let found: Vec<Vec<(Vec<u8>, Vec<u8>)>> = self.ask_about(hosts, fields_of).await?;
        Ok(found.into_iter().map(about_of).collect())
    }

    /// For each host, whether its keys hold what they are for, or nothing.
    ///
    /// # Errors
    /// When Redis cannot be reached.
    pub async fn fit(&mut self, hosts: &[&HostKeys]) -> Result<Vec<bool>, RedisFault> {
        let types_of = |commands: &mut Pipeline, keys: &HostKeys| {
            commands.cmd("TYPE").arg(&keys.stream);
            commands.cmd("TYPE").arg(&keys.about);
        };
        let types: Vec<String> = self.ask_about(hosts, types_of).await?;
        let fits = |found: &str, wanted| found == wanted || found == "none";
        let pairs = types.as_chunks::<2>().0.iter();
        Ok(pairs
            .map(|[stream, about]| fits(stream, "stream") && fits(about, "hash"))
            .collect())
    }

    /// Asks the same about each host, with one request.
    async fn ask_about<T: FromRedisValue>(
        &mut self,
        hosts: &[&HostKeys],
        question: impl Fn(&mut Pipeline, &HostKeys),
    ) -> Result<Vec<T>, RedisFault> {
        if hosts.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = Pipeline::new();
        for keys in hosts {
            question(&mut commands, keys);
        }
        self.ask(&commands).await
    }
}

fn about_of(fields: Vec<(Vec<u8>, Vec<u8>)>) -> About {
    let mut about = About::default();
    for (field, value) in fields {
        match std::str::from_utf8(&field) {
            Ok(ALERTS) => about.alerts = FiringAlerts::decode(&value),
            Ok(HELLO) => about.hello = id_of(&value),
            Ok(ORIGIN) => about.origin = PublisherIdentity::decode(&value),
            _ => about.hellos.extend(id_of(&field).map(|id| (id, value))),
        }
    }
    about
}

fn ask_for_marks(commands: &mut Pipeline, keys: &HostKeys) {
    let get = commands.cmd("HMGET").arg(&keys.about);
    get.arg(HELLO).arg(END);
}

fn marks_of(found: Value) -> HostMarks {
    let mut fields = members_of(found).into_iter();
    let mut id = || id_of(&bytes_of(fields.next()?)?);
    HostMarks {
        hello: id(),
        end: id(),
    }
}

/// What a read has found of `hosts`, with the place of each.
fn entries_by_host(found: Value, hosts: &[(&HostKeys, EntryId)]) -> Vec<(usize, Vec<ReadEntry>)> {
    let places = hosts.iter().enumerate();
    let places: HashMap<_, _> = places
        .map(|(at, (keys, _))| (keys.stream.as_bytes(), at))
        .collect();
    let of_host = |it: Value| {
        let mut pair = members_of(it).into_iter();
        let key = bytes_of(pair.next()?)?;
        Some((*places.get(key.as_slice())?, entries_of(pair.next()?)))
    };
    members_of(found).into_iter().filter_map(of_host).collect()
}

/// The id in `text`.
fn id_of(text: &[u8]) -> Option<EntryId> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The members of an array; none of anything else.
fn members_of(value: Value) -> Vec<Value> {
    match value {
        Value::Array(members) => members,
        _ => Vec::new(),
    }
}

fn bytes_of(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// The entries that a range or a read has found. The crate doesn't read them, because it would refuse all of them for
/// one with a strange field.
fn entries_of(value: Value) -> Vec<ReadEntry> {
    members_of(value).into_iter().filter_map(entry_of).collect()
}

fn entry_of(value: Value) -> Option<ReadEntry> {
    let mut parts = members_of(value).into_iter();
    let id = bytes_of(parts.next()?)?;
    let mut fields = members_of(parts.next()?).into_iter();
    let mut json = None;
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if bytes_of(name)? == MESSAGE.as_bytes() {
            json = bytes_of(value);
        }
    }
    Some(ReadEntry {
        id: id_of(&id)?,
        json,
    })
}

/// The highest id that a stream has ever had, and that of its oldest entry.
fn ends_of(info: Value) -> (Option<EntryId>, Option<EntryId>) {
    let (mut last, mut oldest) = (None, None);
    let mut parts = members_of(info).into_iter();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        match bytes_of(name).as_deref() {
            Some(b"last-generated-id") => last = bytes_of(value).and_then(|it| id_of(&it)),
            Some(b"first-entry") => oldest = entry_of(value).map(|it| it.id),
            _ => {}
        }
    }
    (last, oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_strange_entry_does_not_hide_the_others() {
        let entry = |id: &str, fields| Value::Array(vec![text(id), Value::Array(fields)]);
        let strange = Value::BulkString(vec![0xff, 0xfe]);
        let found = entries_of(Value::Array(vec![
            entry("5-1", vec![strange, text("x")]),
            entry("5-2", vec![text("m"), text("{}")]),
            Value::Nil,
            entry("5-3", Vec::new()),
            entry("5-x", Vec::new()),
        ]));
        let ids: Vec<_> = found.iter().map(|it| it.id.to_string()).collect();
        assert_eq!(ids, ["5-1", "5-2", "5-3"]);
        assert_eq!(found[1].json.as_deref(), Some(&b"{}"[..]));
        assert_eq!((&found[0].json, &found[2].json), (&None, &None));
        assert_eq!(entries_of(Value::Nil), []);
    }
}
