//! A message in its wire form: built once, sent to every viewer over every transport.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::framing::put_header;
use super::{Deflated, Position};

/// The first byte of an unfragmented text frame: FIN and opcode 1 (RFC 6455, section 5.2).
const FINAL_TEXT: u8 = 0x81;

/// What precedes a message in an event stream, after its id.
const EVENT_DATA: &[u8] = b"data: ";

/// What ends an event.
const EVENT_END: &[u8] = b"\n\n";

/// A message, ready for a WebSocket and for an event stream. Cloning it shares the bytes.
///
/// Servers do not mask (RFC 6455, section 5.1), so one WebSocket frame serves all viewers. The event of an event stream
/// holds the same JSON; only the framing around it differs:
///
/// ```text
/// id: web-1:k3v9q2:41\ndata: <frame header>{"type":"metric",…}\n\n
/// ```
#[derive(Debug, Clone)]
pub struct Frame {
    bytes: Bytes,
    /// Where the JSON begins.
    json_at: usize,
    /// The length of the frame header, which ends where the JSON begins.
    header_len: usize,
    /// Its deflated forms, if the viewer wants one of them and they are shared.
    deflated: Option<Arc<Deflated>>,
}

/// Forms of the same message don't count.
impl PartialEq for Frame {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.json_at == other.json_at
    }
}

impl Frame {
    /// The frame that carries `json`. A numbered message has a `position`, from which an event stream resumes.
    #[must_use]
    pub fn text(json: &[u8], position: Option<&Position>) -> Self {
        let mut bytes = BytesMut::with_capacity(96 + json.len());
        if let Some(position) = position {
            bytes.put_slice(format!("id: {position}\n").as_bytes());
        }
        bytes.put_slice(EVENT_DATA);
        let header_at = bytes.len();
        put_header(&mut bytes, FINAL_TEXT, json.len());
        let json_at = bytes.len();
        bytes.put_slice(json);
        bytes.put_slice(EVENT_END);
        Self {
            bytes: bytes.freeze(),
            json_at,
            header_len: json_at - header_at,
            deflated: None,
        }
    }

    /// The same, with its deflated forms.
    #[must_use]
    pub fn with(self, deflated: Arc<Deflated>) -> Self {
        Self {
            deflated: Some(deflated),
            ..self
        }
    }

    /// Its deflated forms, if it has any.
    #[must_use]
    pub fn deflated(&self) -> Option<&Arc<Deflated>> {
        self.deflated.as_ref()
    }

    /// The whole WebSocket frame.
    #[must_use]
    pub fn wire(&self) -> Bytes {
        self.bytes.slice_ref(self.as_wire())
    }

    /// The bytes of the whole WebSocket frame.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.bytes[self.json_at - self.header_len..self.bytes.len() - EVENT_END.len()]
    }

    /// As [`Frame::wire`], without another reference count: this is done for every viewer and every message.
    #[must_use]
    pub fn into_wire(mut self) -> Bytes {
        self.bytes.truncate(self.bytes.len() - EVENT_END.len());
        self.bytes.advance(self.json_at - self.header_len);
        self.bytes
    }

    /// The whole event of an event stream, in two pieces.
    #[must_use]
    pub fn event(&self) -> [Bytes; 2] {
        [
            self.bytes.slice(..self.json_at - self.header_len),
            self.bytes.slice(self.json_at..),
        ]
    }

    /// The JSON in it, sharing its bytes.
    #[must_use]
    pub fn shared_json(&self) -> Bytes {
        self.bytes
            .slice(self.json_at..self.bytes.len() - EVENT_END.len())
    }

    /// The JSON in it.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.bytes[self.json_at..self.bytes.len() - EVENT_END.len()]
    }

    /// Where a viewer that has it resumes; `None` if the message has no number.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let head = self.bytes.strip_prefix(b"id: ")?;
        let end = head.iter().position(|byte| *byte == b'\n')?;
        std::str::from_utf8(&head[..end]).ok()?.parse().ok()
    }

    /// The memory that it takes, in bytes, no matter how often it is shared.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload_len: usize, expected_header: &[u8]) {
        let json = vec![b'x'; payload_len];
        let frame = Frame::text(&json, None);
        assert_eq!(&frame.wire()[..expected_header.len()], expected_header);
        assert_eq!(frame.wire().len(), expected_header.len() + payload_len);
        assert_eq!(frame.json(), json);
        assert_eq!(frame.clone().into_wire(), frame.wire());
        assert_eq!(
            frame.event().concat(),
            [b"data: ", &json[..], b"\n\n"].concat()
        );
    }

    #[test]
    fn the_header_grows_with_the_payload() {
        check(0, &[0x81, 0]);
        check(125, &[0x81, 125]);
        check(126, &[0x81, 126, 0, 126]);
        check(65_535, &[0x81, 126, 0xff, 0xff]);
        check(65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_numbered_event_has_an_id() {
        let position = "web-1:k3v9q2:41".parse().unwrap();
        let frame = Frame::text(b"{}", Some(&position));
        assert_eq!(frame.position(), Some(position));
        assert_eq!(Frame::text(b"id: a:b:1\n", None).position(), None);
        assert_eq!(frame.event().concat(), b"id: web-1:k3v9q2:41\ndata: {}\n\n");
        assert_eq!(&frame.wire()[..], [0x81, 2, b'{', b'}']);
    }
}
