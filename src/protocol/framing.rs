//! The header of a WebSocket frame (RFC 6455, section 5.2). Servers do not mask, so it is the same for every viewer.

use bytes::{BufMut, Bytes, BytesMut};

/// The longest header, in bytes.
const MAX_HEADER: usize = 10;

/// Appends the header of a frame with `len` bytes of payload; `first` has its FIN, RSV and opcode.
pub(super) fn put_header(bytes: &mut BytesMut, first: u8, len: usize) {
    bytes.put_u8(first);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..126), _) => bytes.put_u8(len),
        (_, Ok(len)) => {
            bytes.put_u8(126);
            bytes.put_u16(len);
        }
        _ => {
            bytes.put_u8(127);
            bytes.put_u64(len as u64);
        }
    }
}

/// A whole frame.
pub(super) fn framed(first: u8, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(MAX_HEADER + payload.len());
    put_header(&mut bytes, first, payload.len());
    bytes.put_slice(payload);
    bytes.freeze()
}
