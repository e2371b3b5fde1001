//! The frames in what a viewer sends: whether it is in the middle of something.
//!
//! After compression was negotiated, a message may be compressed, which tungstenite would take for a violation of the
//! protocol. Messages from viewers are ignored, so they needn't be inflated; they only have to pass.

/// The bits of a frame's first byte: whether it is a message's last, RSV1, and the opcode.
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;

/// The opcodes of text and binary messages. Only their first frame may have RSV1 (RFC 7692, section 6).
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// Opcodes from this one on are those of control frames, which may come between the frames of a message.
const FIRST_CONTROL: u8 = 8;

/// The length of a mask.
const MASK_LEN: u8 = 4;

/// Follows the frames in a viewer's bytes, and makes a plain binary message of each compressed one, if it may have some.
#[derive(Debug)]
pub(super) struct InboundFrames {
    may_be_compressed: bool,
    /// More frames of a message have to follow.
    is_unfinished: bool,
    part: InboundPart,
}

/// What the next byte is.
#[derive(Debug, Default, Clone, Copy)]
enum InboundPart {
    #[default]
    First,
    /// The mask bit and the short length.
    Length,
    /// One of so many bytes left of a longer length.
    LongLength { left: u8, mask: u8, len: u64 },
    /// One of so many bytes left of the mask and the payload.
    Rest(u64),
}

impl InboundFrames {
    pub(super) fn new(may_be_compressed: bool) -> Self {
        Self {
            may_be_compressed,
            is_unfinished: false,
            part: InboundPart::First,
        }
    }

    /// Whether all messages and control frames have come to their end.
    pub(super) fn are_whole(&self) -> bool {
        !self.is_unfinished && matches!(self.part, InboundPart::First)
    }

    /// Goes through the next `bytes`.
    pub(super) fn pass(&mut self, mut bytes: &mut [u8]) {
        while let Some((byte, rest)) = bytes.split_first_mut() {
            bytes = match self.part {
                InboundPart::Rest(left) => {
                    let skipped = usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(rest.len() + 1);
                    self.part = Self::rest(left - skipped as u64);
                    rest.split_at_mut(skipped - 1).1
                }
                part => {
                    self.part = self.header_byte(part, byte);
                    rest
                }
            };
        }
    }

    fn header_byte(&mut self, part: InboundPart, byte: &mut u8) -> InboundPart {
        match part {
            InboundPart::First => {
                self.first_byte(byte);
                InboundPart::Length
            }
            InboundPart::Length => {
                let mask = (*byte >> 7) * MASK_LEN;
                match *byte & 0x7f {
                    126 => InboundPart::LongLength {
                        left: 2,
                        len: 0,
                        mask,
                    },
                    127 => InboundPart::LongLength {
                        left: 8,
                        len: 0,
                        mask,
                    },
                    len => Self::rest(u64::from(len + mask)),
                }
            }
            InboundPart::LongLength { left, len, mask } => {
                let len = len << 8 | u64::from(*byte);
                match left - 1 {
                    0 => Self::rest(len.saturating_add(mask.into())),
                    left => InboundPart::LongLength { left, len, mask },
                }
            }
            InboundPart::Rest(left) => Self::rest(left),
        }
    }

    fn first_byte(&mut self, byte: &mut u8) {
        let opcode = *byte & OPCODE;
        if self.may_be_compressed && *byte & RSV1 != 0 && [TEXT, BINARY].contains(&opcode) {
            *byte = *byte & !(RSV1 | OPCODE) | BINARY;
        }
        if opcode < FIRST_CONTROL {
            self.is_unfinished = *byte & FIN == 0;
        }
    }

    fn rest(left: u64) -> InboundPart {
        match left {
            0 => InboundPart::First,
            left => InboundPart::Rest(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame with a mask of zeros.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let len = payload.len();
        let mut frame = vec![first];
        match len {
            ..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
            126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(len).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    }

    /// What is sent, and what becomes of it.
    const FIRST_BYTES: [(u8, u8); 13] = [
        (0xc1, 0x82), // compressed text
        (0xc2, 0x82), // and binary
        (0x41, 0x02), // in pieces
        (0x42, 0x02),
        (0x81, 0x81), // as they are: text,
        (0x00, 0x00), // pieces that follow,
        (0x80, 0x80),
        (0x8a, 0x8a), // a pong;
        (0xca, 0xca), // and what nobody may send: a compressed pong,
        (0xc0, 0xc0), // RSV1 within a message,
        (0xe1, 0xa2), // RSV2
        (0xd1, 0x92), // and RSV3,
        (0xc3, 0xc3), // an unknown opcode
    ];

    proptest! {
        #[test]
        fn only_the_first_byte_of_a_compressed_message_changes(
            frames in prop::collection::vec((0..FIRST_BYTES.len(), prop_oneof![0..300_usize, 65_530..65_540_usize]), 1..6),
            takes in prop::collection::vec(1..200_usize, 1..20),
        ) {
            let (mut sent, mut expected) = (Vec::new(), Vec::new());
            for (kind, len) in frames {
                let (first, becomes) = FIRST_BYTES[kind];
                sent.extend(frame(first, &vec![0xc1; len]));
                expected.extend(frame(becomes, &vec![0xc1; len]));
            }
            let (mut inbound, mut rest) = (InboundFrames::new(true), &mut sent[..]);
            for take in takes.iter().cycle() {
                let (now, later) = rest.split_at_mut((*take).min(rest.len()));
                inbound.pass(now);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert!(sent == expected);
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            InboundFrames::new(true).pass(&mut bytes);
        }
    }

    #[test]
    fn messages_are_whole_with_their_last_frame() {
        let mut inbound = InboundFrames::new(false);
        assert!(inbound.are_whole());
        let frames = [
            (0x01, false),
            (0x89, false), // a ping within the message
            (0x00, false),
            (0x80, true),
            (0x8a, true),
            (0x82, true),
        ];
        for (first, is_whole) in frames {
            for len in [0, 7, 300, 70_000] {
                let mut sent = frame(first, &vec![0xc1; len]);
                let (last, begin) = sent.split_last_mut().unwrap();
                inbound.pass(begin);
                assert!(!inbound.are_whole(), "{first:x}, {len} bytes");
                inbound.pass(std::slice::from_mut(last));
                assert_eq!(inbound.are_whole(), is_whole, "{first:x}, {len} bytes");
            }
        }
    }

    #[test]
    fn nothing_changes_without_compression() {
        let mut sent = frame(0xc1, b"text");
        InboundFrames::new(false).pass(&mut sent);
        assert_eq!(sent, frame(0xc1, b"text"));
    }
}
