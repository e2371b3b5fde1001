//! What a viewer sends after it has negotiated compression. It may be compressed, which tungstenite would take for a
//! violation of the protocol. Messages from viewers are ignored, so they needn't be inflated; they only have to pass.

/// The bits of a frame's first byte: RSV1, and the opcode.
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;

/// The opcodes of text and binary messages. Only their first frame may have RSV1 (RFC 7692, section 6).
const TEXT: u8 = 1;
const BINARY: u8 = 2;

/// The length of a mask.
const MASK_LEN: u64 = 4;

/// Follows the frames in a viewer's bytes, and makes a plain binary message of each compressed one.
#[derive(Debug, Default)]
pub(super) struct InboundFrames(InboundPart);

/// What the next byte is.
#[derive(Debug, Default, Clone, Copy)]
enum InboundPart {
    #[default]
    First,
    /// The mask bit and the short length.
    Length,
    /// One of so many bytes left of a longer length.
    LongLength { left: u8, len: u64, mask: u64 },
    /// One of so many bytes left of the mask and the payload.
    Rest(u64),
}

impl InboundFrames {
    /// Goes through the next `bytes`.
    pub(super) fn pass(&mut self, mut bytes: &mut [u8]) {
        while let Some((byte, rest)) = bytes.split_first_mut() {
            bytes = match self.0 {
                InboundPart::Rest(left) => {
                    let skipped = usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(rest.len() + 1);
                    self.0 = Self::rest(left - skipped as u64);
                    rest.split_at_mut(skipped - 1).1
                }
                part => {
                    self.0 = Self::header_byte(part, byte);
                    rest
                }
            };
        }
    }

    fn header_byte(part: InboundPart, byte: &mut u8) -> InboundPart {
        match part {
            InboundPart::First => {
                if *byte & RSV1 != 0 && [TEXT, BINARY].contains(&(*byte & OPCODE)) {
                    *byte = *byte & !(RSV1 | OPCODE) | BINARY;
                }
                InboundPart::Length
            }
            InboundPart::Length => {
                let mask = u64::from(*byte >> 7) * MASK_LEN;
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
                    len => Self::rest(u64::from(len) + mask),
                }
            }
            InboundPart::LongLength { left, len, mask } => {
                let len = len << 8 | u64::from(*byte);
                match left - 1 {
                    0 => Self::rest(len.saturating_add(mask)),
                    left => InboundPart::LongLength { left, len, mask },
                }
            }
            InboundPart::Rest(left) => Self::rest(left),
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
            let (mut inbound, mut rest) = (InboundFrames::default(), &mut sent[..]);
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
            InboundFrames::default().pass(&mut bytes);
        }
    }
}
