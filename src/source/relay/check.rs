//! Which entries of Redis are messages.

use crate::protocol::{Body, HostName, Message, Numbered, Position, StreamId};
use crate::redis::{EntryId, ReadEntry};

/// The largest message that is relayed, in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// The highest number of a message that every viewer can count with.
const HIGHEST_SEQ: u64 = 1 << 53;

/// Reads an entry in the stream of `host`.
///
/// # Errors
/// Why it isn't a message of that host with that number.
pub(super) fn message_of(host: &HostName, entry: &ReadEntry) -> Result<Numbered, String> {
    check_id(entry.id)?;
    let json = entry.json.as_deref().ok_or("it has no field 'm'")?;
    let message = decoded(host, json)?;
    let Body::Numbered(message) = message.body else {
        return Err("it is not a sample or an alert".to_owned());
    };
    if message.seq != Some(entry.id.seq) {
        return Err("its number is not that of its id".to_owned());
    }
    Ok(message.at(Position {
        host: host.clone(),
        stream: entry.id.stream,
        seq: entry.id.seq,
    }))
}

/// Refuses numbers that cannot be sent.
///
/// # Errors
/// Why they can't.
pub(super) fn check_id(id: EntryId) -> Result<(), String> {
    if StreamId::MAX < id.stream {
        return Err("its stream has more than 12 digits in base 36".to_owned());
    }
    if !(1..=HIGHEST_SEQ).contains(&id.seq) {
        return Err("its number is not between 1 and 2^53".to_owned());
    }
    Ok(())
}

/// Reads a message that says it is of `host`.
///
/// # Errors
/// Why it isn't.
pub(super) fn decoded(host: &HostName, json: &[u8]) -> Result<Message, String> {
    if MAX_BYTES < json.len() {
        return Err("it is over 1 MiB".to_owned());
    }
    let text = std::str::from_utf8(json).map_err(|_| "it is not UTF-8 text")?;
    if text.contains(['\n', '\r']) {
        // In an event stream, the rest of the text would be read as lines of its own.
        return Err("it is not in one line".to_owned());
    }
    let message = Message::decode(text).map_err(|error| error.to_string())?;
    if message.host.as_ref() != Some(host) {
        return Err("it is of another host".to_owned());
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, json: Option<&[u8]>) -> Result<Numbered, String> {
        let entry = ReadEntry {
            id: id.parse().unwrap(),
            json: json.map(<[u8]>::to_vec),
        };
        message_of(&"web-1".parse().unwrap(), &entry)
    }

    #[test]
    fn only_messages_of_the_host_with_their_number_pass() {
        let good = r#"{"type":"metric","host":"web-1","seq":41,"data":{"timestamp":1,"cpu":2,"memory":3,"activeUsers":4,"requestsPerSecond":5}}"#;
        let message = check("1000-41", Some(good.as_bytes())).unwrap();
        assert_eq!(message.position().to_string(), "web-1:rs:41");
        for (id, json, reason) in [
            ("1000-42", good.to_owned(), "its number"),
            ("1000-41", good.replace("web-1", "web-2"), "another host"),
            (
                "1000-41",
                good.replace(r#""host":"web-1","#, ""),
                "another host",
            ),
            ("1000-41", good.replace("web-1", "a b"), "not a host name"),
            (
                "1000-41",
                good.replace("metric", "heartbeat"),
                "not a sample",
            ),
            ("1000-41", good.replace("metric", "else"), "not a sample"),
            ("1000-41", good.replace(":41,", ":41,\n"), "one line"),
            ("1000-41", good.replace("5}}", "5}"), "not a message"),
            ("1000-41", String::new(), "not a message"),
            ("1000-41", " ".repeat(MAX_BYTES + 1), "over 1 MiB"),
        ] {
            let error = check(id, Some(json.as_bytes())).unwrap_err();
            assert!(error.contains(reason), "{json:.80}: {error}");
        }
        let numbered = |seq: u64| good.replace(":41,", &format!(":{seq},"));
        let highest = format!("{}-{}", 36_u64.pow(12) - 1, 1_u64 << 53);
        check(&highest, Some(numbered(1 << 53).as_bytes())).unwrap();
        for (id, seq, reason) in [
            (format!("{}-41", 36_u64.pow(12)), 41, "12 digits"),
            (format!("{}-41", u64::MAX), 41, "12 digits"),
            ("1000-0".to_owned(), 0, "2^53"),
            (format!("1000-{}", (1_u64 << 53) + 1), (1 << 53) + 1, "2^53"),
            (format!("1000-{}", u64::MAX), u64::MAX, "2^53"),
        ] {
            let error = check(&id, Some(numbered(seq).as_bytes())).unwrap_err();
            assert!(error.contains(reason), "{id}: {error}");
        }
        assert!(check("1-1", None).unwrap_err().contains("no field"));
        assert!(check("1-1", Some(b"\xff")).unwrap_err().contains("UTF-8"));
    }
}
