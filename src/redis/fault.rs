//! What goes wrong with Redis, sorted by what to do about it.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::protocol::shown;

/// What to do about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisFaultKind {
    /// Redis cannot be reached, is full, or is not ready: try again.
    Temporary,
    /// An entry's id is not above those in the stream.
    RefusedId,
    /// There is no such key.
    NoKey,
    /// A key holds something else.
    WrongType,
    /// A key that was written is gone.
    LostKey,
    /// Another server has the keys now. It is asked next.
    Moved,
    /// One command cannot name keys of several lanes.
    CrossSlot,
}

/// Redis failed, or refused something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Redis at {place}: {reason}")]
pub struct RedisFault {
    /// What to do about it.
    pub kind: RedisFaultKind,
    /// Which server.
    place: String,
    /// What it said.
    reason: String,
}

impl RedisFault {
    /// What `error` means, which the server at `place` gave.
    pub(super) fn of(error: RedisError, place: &str) -> Self {
        let text = said(&error);
        let kind = if text.contains("ID specified in XADD") {
            RedisFaultKind::RefusedId
        } else if text.contains("no such key") {
            RedisFaultKind::NoKey
        } else if text.starts_with("WRONGTYPE") {
            RedisFaultKind::WrongType
        } else if text.starts_with("CROSSSLOT") {
            RedisFaultKind::CrossSlot
        } else {
            RedisFaultKind::Temporary
        };
        Self {
            kind,
            place: place.to_owned(),
            reason: text,
        }
    }

    /// A key that was written is gone.
    pub(super) fn lost_key(place: &str) -> Self {
        Self {
            kind: RedisFaultKind::LostKey,
            place: place.to_owned(),
            reason: "what was written is gone".to_owned(),
        }
    }

    /// The server at `place` no longer has the keys.
    pub(super) fn moved(place: &str) -> Self {
        Self {
            kind: RedisFaultKind::Moved,
            place: place.to_owned(),
            reason: "another server has the keys now".to_owned(),
        }
    }

    /// A server gave an answer that makes no sense.
    pub(super) fn odd(place: &str, reason: &str) -> Self {
        Self {
            kind: RedisFaultKind::Temporary,
            place: place.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// What the server said, in one line; for a transaction, what stopped it.
fn said(error: &RedisError) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let servers = error.clone().into_server_errors();
    let first = servers.as_ref().and_then(|errors| errors.first());
    let text = match first {
        Some((_, error)) => [error.code(), error.details().unwrap_or_default()].join(" "),
        None => match error.kind() {
            ErrorKind::AuthenticationFailed => {
                "it refused the user or the password in --redis-password-file".to_owned()
            }
            _ => error.to_string(),
        },
    };
    let text = match text.split_once(" (os error") {
        Some((plain, _)) => plain.to_lowercase(),
        None => text,
    };
    shown(text.trim()).to_string()
}

/// Where the cluster says that the keys are now, as host and port. The host is empty if it hasn't changed.
pub(super) fn moved_to(error: &RedisError) -> Option<(String, u16)> {
    let servers = error.clone().into_server_errors()?;
    let (_, moved) = servers
        .iter()
        .find(|(_, error)| error.kind() == Some(ServerErrorKind::Moved))?;
    let place = moved.details()?.split_ascii_whitespace().nth(1)?;
    let (host, port) = place.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
}
