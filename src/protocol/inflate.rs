//! The reading side of compressed messages, within bounds.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};

use super::deflate::TAIL;

/// The longest text that is inflated, in bytes. A server sends longer ones as they are.
pub const MAX_INFLATED_BYTES: usize = 1024 * 1024;

/// The first room for a text, in bytes.
const FIRST_ROOM: usize = 4 * 1024;

/// Why a compressed message could not be read. The connection is then of no more use: the window is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// It isn't a deflated text.
    #[error("the compressed data is broken")]
    Broken,
    /// It is longer than [`MAX_INFLATED_BYTES`].
    #[error("a compressed message has more than 1 MiB")]
    TooLong,
}

/// Inflates the messages of one connection, in order. Takes about 47 KB, and for a moment the text.
pub struct Inflater(Decompress);

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompress::new(false))
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

impl Inflater {
    /// The text of the next message.
    ///
    /// # Errors
    /// When it is broken or too long; this must not be used any more then.
    pub fn inflate(&mut self, payload: &[u8]) -> Result<String, InflateError> {
        let mut text = Vec::with_capacity(FIRST_ROOM);
        self.add(payload, &mut text)?;
        self.add(&TAIL, &mut text)?;
        String::from_utf8(text).map_err(|_| InflateError::Broken)
    }

    fn add(&mut self, mut part: &[u8], text: &mut Vec<u8>) -> Result<(), InflateError> {
        loop {
            let before = self.0.total_in();
            let status = self
                .0
                .decompress_vec(part, text, FlushDecompress::Sync)
                .map_err(|_| InflateError::Broken)?;
            let read = usize::try_from(self.0.total_in() - before).unwrap_or(usize::MAX);
            part = part.get(read..).ok_or(InflateError::Broken)?;
            let is_full = text.len() == text.capacity();
            match status {
                // A stream never ends: no block may say that it is the last.
                Status::StreamEnd => return Err(InflateError::Broken),
                _ if text.len() > MAX_INFLATED_BYTES => return Err(InflateError::TooLong),
                _ if is_full => text.reserve_exact(text.len().min(MAX_INFLATED_BYTES)),
                _ if part.is_empty() => return Ok(()),
                _ if read == 0 => return Err(InflateError::Broken),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::deflate::{deflate, stored};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bomb_is_cut_short() {
        let most = "x".repeat(MAX_INFLATED_BYTES);
        let read = Inflater::default().inflate(&deflate(most.as_bytes(), b""));
        assert!(read.unwrap() == most);
        let bomb = deflate(&vec![b'x'; 64 * MAX_INFLATED_BYTES], b"");
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let read = Inflater::default().inflate(&bomb);
        assert_eq!(read, Err(InflateError::TooLong));
        let read = Inflater::default().inflate(&stored(format!("{most}x").as_bytes()));
        assert_eq!(read, Err(InflateError::TooLong));
    }

    #[test]
    fn what_is_no_text_is_broken() {
        let text = deflate(b"{\"type\":\"end\"}", b"");
        let mut last = text.clone();
        last[0] |= 1; // BFINAL
        let before_the_window = deflate(b"the text before", b"the text before");
        for (what, payload) in [
            ("the last block", last),
            ("a reserved kind of block", vec![0b110, 1, 2, 3]),
            ("a distance before the beginning", before_the_window),
            (
                "a length that contradicts itself",
                vec![0, 1, 0, 1, 0, b'x', 0],
            ),
            ("no UTF-8", stored(b"\xc3\x28")),
        ] {
            let read = Inflater::default().inflate(&payload);
            assert_eq!(read, Err(InflateError::Broken), "{what}");
        }
    }

    proptest! {
        #[test]
        fn no_payload_makes_inflating_panic(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4),
        ) {
            let mut inflater = Inflater::default();
            for payload in payloads {
                let text = inflater.inflate(&payload);
                prop_assert!(text.is_err() || text.unwrap().len() <= MAX_INFLATED_BYTES);
            }
        }

        #[test]
        fn a_damaged_message_makes_nothing_panic(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
            let text = (0..50).map(|n| format!("\"value{n}\":{},", n * 37)).collect::<String>();
            let mut payload = deflate(text.as_bytes(), b"");
            let at = at.index(payload.len());
            payload[at] ^= flip;
            let mut inflater = Inflater::default();
            for _ in 0..2 {
                let text = inflater.inflate(&payload);
                prop_assert!(text.is_err() || text.unwrap().len() <= MAX_INFLATED_BYTES);
            }
        }
    }
}
