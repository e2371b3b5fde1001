//! What a publisher writes.

use redis::{Pipeline, Value};

use super::entry_id::EntryId;
use super::fault::RedisFault;
use super::firing::FiringAlerts;
use super::keys::HostKeys;
use super::lane::RedisLane;
use super::origin::PublisherIdentity;
use super::stored::Stored;

/// The field of an entry that holds the message.
pub(super) const MESSAGE: &str = "m";

/// The field that names the newest hello.
pub(super) const HELLO: &str = "hello";

/// The field with the alerts that fire.
pub(super) const ALERTS: &str = "alerts";

/// The field of a recording that is over: the id of its last message.
pub(super) const END: &str = "end";

/// The field that says who writes.
pub(super) const ORIGIN: &str = "origin";

/// Commands for hosts of one lane. Either all of them are carried out, or none, unless an id is refused.
///
/// The hash of a host has these fields:
///
/// | field | value |
/// |---|---|
/// | `<stream>-<seq>` | the `hello` of the messages from this one on |
/// | `hello` | the newest of those fields |
/// | `alerts` | the alerts that fire: `{"at":"<stream>-<seq>","firing":[…]}` |
/// | `end` | the id of a recording's last message, once it is over |
/// | `origin` | who writes |
#[derive(Debug, Default)]
pub struct LaneWrites {
    commands: Pipeline,
}

/// How long what is written is kept.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// In how many seconds the keys expire, unless they are refreshed again.
    pub expire: u64,
    /// Messages before this one are no longer wanted.
    pub before: Option<EntryId>,
    /// About how many messages are kept at most.
    pub most: u64,
    /// Fields of hellos that no message needs any more.
    pub old_hellos: Vec<EntryId>,
}

impl LaneWrites {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Adds a message. If it is not the `first`, there must be others.
    pub fn entry(&mut self, keys: &HostKeys, id: EntryId, json: &[u8], first: bool) {
        let add = self.commands.cmd("XADD").arg(&keys.stream);
        if !first {
            add.arg("NOMKSTREAM");
        }
        add.arg(id.to_string()).arg(MESSAGE).arg(json);
    }

    /// Describes the messages from `from` on, and says who writes them. They are not over.
    pub fn hello(
        &mut self,
        keys: &HostKeys,
        from: EntryId,
        json: &[u8],
        origin: &PublisherIdentity,
    ) {
        let from = from.to_string();
        let set = self.commands.cmd("HSET").arg(&keys.about);
        set.arg(&from).arg(json).arg(HELLO).arg(&from);
        set.arg(ORIGIN).arg(origin.encode()).ignore();
        let over = self.commands.cmd("HDEL").arg(&keys.about);
        over.arg(END).ignore();
    }

    /// Sets the alerts that fire.
    pub fn alerts(&mut self, keys: &HostKeys, alerts: &FiringAlerts) {
        let set = self.commands.cmd("HSET").arg(&keys.about);
        set.arg(ALERTS).arg(alerts.encode()).ignore();
    }

    /// The recording is over.
    pub fn end(&mut self, keys: &HostKeys, last: EntryId) {
        let set = self.commands.cmd("HSET").arg(&keys.about);
        set.arg(END).arg(last.to_string()).ignore();
    }

    /// Keeps the keys alive, and drops what is old.
    pub fn refresh(&mut self, keys: &HostKeys, refresh: &Refresh) {
        let Refresh {
            expire,
            before,
            most,
            old_hellos,
        } = refresh;
        if let Some(before) = before {
            let trim = self.commands.cmd("XTRIM").arg(&keys.stream);
            trim.arg("MINID").arg("~").arg(before.to_string()).ignore();
        }
        let trim = self.commands.cmd("XTRIM").arg(&keys.stream);
        trim.arg("MAXLEN").arg("~").arg(*most).ignore();
        if !old_hellos.is_empty() {
            let old: Vec<_> = old_hellos.iter().map(ToString::to_string).collect();
            let remove = self.commands.cmd("HDEL").arg(&keys.about);
            remove.arg(&old).ignore();
        }
        for key in [&keys.stream, &keys.about] {
            self.commands.cmd("EXPIRE").arg(key).arg(*expire);
        }
    }
}

impl RedisLane {
    /// Carries out `writes`.
    ///
    /// # Errors
    /// When it is in doubt whether they were carried out, when one was refused, or when a key is gone that was there.
    pub async fn write(&mut self, mut writes: LaneWrites) -> Result<(), RedisFault> {
        if 1 < writes.commands.len() {
            // A server that lacks memory could otherwise refuse the first, and accept the next once memory is free.
            writes.commands.atomic();
        }
        // Where the keys have moved, what is there has to be read first.
        let answers: Vec<Value> = self.ask_once(&writes.commands).await?;
        // What XADD and EXPIRE return for a key that does not exist: it expired, was deleted or evicted.
        if answers
            .iter()
            .any(|it| matches!(it, Value::Nil | Value::Int(0)))
        {
            return Err(self.lost_key());
        }
        Ok(())
    }
}
