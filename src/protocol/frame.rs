//! A message as it lies on the wire: built once, sent to every viewer.

use bytes::{BufMut, Bytes, BytesMut};

/// The first byte of an unfragmented text frame: FIN and opcode 1 (RFC 6455, section 5.2).
const FINAL_TEXT: u8 = 0x81;

/// An unmasked WebSocket text frame, header included. Cloning it shares the bytes.
///
/// Servers do not mask (RFC 6455, section 5.1), so one frame serves all viewers, and the JSON in it serves every other
/// transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    header_len: u8,
}

impl Frame {
    /// The frame that carries `json`.
    #[must_use]
    pub fn text(json: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(10 + json.len());
        bytes.put_u8(FINAL_TEXT);
        match (u8::try_from(json.len()), u16::try_from(json.len())) {
            (Ok(len @ ..126), _) => bytes.put_u8(len),
            (_, Ok(len)) => {
                bytes.put_u8(126);
                bytes.put_u16(len);
            }
            _ => {
                bytes.put_u8(127);
                bytes.put_u64(json.len() as u64);
            }
        }
        let header_len = if json.len() < 126 {
            2
        } else if json.len() <= 0xffff {
            4
        } else {
            10
        };
        bytes.put_slice(json);
        Self {
            bytes: bytes.freeze(),
            header_len,
        }
    }

    /// The whole frame, for a socket.
    #[must_use]
    pub fn wire(&self) -> &Bytes {
        &self.bytes
    }

    /// As [`Frame::wire`], without counting one more reference.
    #[must_use]
    pub fn into_wire(self) -> Bytes {
        self.bytes
    }

    /// The JSON in it.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.bytes[usize::from(self.header_len)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload_len: usize, expected_header: &[u8]) {
        let json = vec![b'x'; payload_len];
        let frame = Frame::text(&json);
        assert_eq!(&frame.wire()[..expected_header.len()], expected_header);
        assert_eq!(frame.wire().len(), expected_header.len() + payload_len);
        assert_eq!(frame.json(), json);
    }

    #[test]
    fn the_header_grows_with_the_payload() {
        check(0, &[0x81, 0]);
        check(125, &[0x81, 125]);
        check(126, &[0x81, 126, 0, 126]);
        check(65_535, &[0x81, 126, 0xff, 0xff]);
        check(65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
