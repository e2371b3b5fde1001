//! The deflated forms of a message that many viewers get, each made once, when the first viewer needs it.
//!
//! A viewer's inflate window holds plain text, however that was delivered. So a viewer whose last message was the one
//! before this gets the same bytes as all others like it: this message, deflated against that one. For any other
//! viewer, one that has just connected, or that has skipped messages, or got another host's in between, the message is
//! deflated alone, and those bytes are shared, too.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::deflate::{deflate, stored};
use super::framing::framed;

/// The first byte of an unfragmented text frame that is compressed: FIN, RSV1 and opcode 1 (RFC 7692, section 6).
const COMPRESSED_TEXT: u8 = 0xc1;

/// The first byte of an unfragmented binary frame.
const BINARY: u8 = 0x82;

/// The deflated forms of a message, as WebSocket frames.
#[derive(Debug)]
pub struct Deflated {
    text: Bytes,
    alone: OnceLock<Bytes>,
    after: [Option<After>; 2],
    held: HeldBytes,
}

/// The form for viewers whose last message was this.
#[derive(Debug)]
struct After {
    text: Bytes,
    form: OnceLock<Bytes>,
}

/// Counts the bytes of all forms that share it. Cloning it shares it.
#[derive(Debug, Clone, Default)]
pub struct HeldBytes(Arc<AtomicUsize>);

impl HeldBytes {
    /// How many bytes there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Deflated {
    /// The forms of the message `text`, for viewers that have just had one of `before`, and for all others. None is
    /// made yet.
    #[must_use]
    pub fn new(text: Bytes, before: [Option<Bytes>; 2], held: &HeldBytes) -> Self {
        let after = |text| After {
            text,
            form: OnceLock::new(),
        };
        Self {
            text,
            alone: OnceLock::new(),
            after: before.map(|text| text.map(after)),
            held: held.clone(),
        }
    }

    /// The frame for a viewer whose last compressed message was `last`.
    #[must_use]
    pub fn frame_after(&self, last: Option<&Self>) -> &Bytes {
        // The same bytes in memory, which `last` holds: no other text can be there.
        let is_last = |after: &&After| last.is_some_and(|last| is_same(&after.text, &last.text));
        match self.after.iter().flatten().find(is_last) {
            Some(after) => self.form(&after.form, &after.text),
            None => self.form(&self.alone, b""),
        }
    }

    fn form<'a>(&self, form: &'a OnceLock<Bytes>, before: &[u8]) -> &'a Bytes {
        form.get_or_init(|| {
            let frame = framed(COMPRESSED_TEXT, &deflate(&self.text, before));
            self.held.0.fetch_add(frame.len(), Ordering::Relaxed);
            frame
        })
    }
}

impl Drop for Deflated {
    fn drop(&mut self) {
        let after = self.after.iter().flatten().map(|after| &after.form);
        let made = after.chain([&self.alone]).filter_map(OnceLock::get);
        let bytes = made.map(Bytes::len).sum();
        self.held.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn is_same(one: &Bytes, other: &Bytes) -> bool {
    std::ptr::eq::<[u8]>(&**one, &**other)
}

/// The compressed frame of a message for one viewer. It costs no work: the text is stored as it is.
#[must_use]
pub fn stored_frame(text: &[u8]) -> Bytes {
    framed(COMPRESSED_TEXT, &stored(text))
}

/// A compressed frame as a binary one, for clients that don't know the extension.
#[must_use]
pub fn in_binary(frame: &[u8]) -> Bytes {
    let mut frame = frame.to_vec();
    if let Some(first) = frame.first_mut() {
        *first = BINARY;
    }
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::super::inflate::Inflater;
    use super::*;

    /// The payload of a compressed frame of fewer than 126 bytes.
    fn payload(frame: &Bytes) -> &[u8] {
        assert_eq!((frame[0], usize::from(frame[1])), (0xc1, frame.len() - 2));
        &frame[2..]
    }

    #[test]
    fn a_viewer_in_step_gets_the_short_form_and_any_other_the_long_one() {
        let texts = [1, 2].map(|n| Bytes::from(format!("{{\"seq\":{n},\"data\":{{\"cpu\":1}}}}")));
        let held = HeldBytes::default();
        let [one, two] = texts.clone();
        let first = Deflated::new(one.clone(), [None, None], &held);
        let second = Deflated::new(two, [Some(one), None], &held);
        assert_eq!(held.count(), 0, "nothing is made before it is needed");
        let (long, short) = (second.frame_after(None), second.frame_after(Some(&first)));
        assert!(short.len() < long.len());
        assert_eq!(held.count(), long.len() + short.len());
        let mut inflater = Inflater::default();
        for (form, text) in [(first.frame_after(None), &texts[0]), (short, &texts[1])] {
            assert_eq!(inflater.inflate(payload(form)).unwrap(), *text);
        }
        let alone = Inflater::default().inflate(payload(long));
        assert_eq!(alone.unwrap(), texts[1]);
        drop(second);
        assert_eq!(held.count(), first.frame_after(None).len());
        drop(first);
        assert_eq!(held.count(), 0);
    }

    #[test]
    fn an_equal_text_of_another_message_is_not_the_one_before() {
        let [first, equal, third] = [1, 1, 2].map(|n| Bytes::from(format!("{{\"cpu\":{n}}}")));
        let held = HeldBytes::default();
        let other = Deflated::new(equal, [None, None], &held);
        let third = Deflated::new(third, [Some(first), None], &held);
        assert_eq!(third.frame_after(Some(&other)), third.frame_after(None));
    }

    #[test]
    fn a_binary_frame_differs_in_its_first_byte() {
        let frame = stored_frame(b"{}");
        assert_eq!(frame[..], [0xc1, 8, 0, 2, 0, 0xfd, 0xff, b'{', b'}', 0]);
        assert_eq!(
            in_binary(&frame)[..],
            [0x82, 8, 0, 2, 0, 0xfd, 0xff, b'{', b'}', 0]
        );
    }
}
