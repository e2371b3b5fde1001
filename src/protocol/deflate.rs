//! Text in the compressed form of RFC 7692: raw deflate, without the end that every message would share.

use std::sync::{LazyLock, Mutex, PoisonError};

use flate2::{Compress, Compression, FlushCompress};

/// What a sync flush ends with: an empty block, without the three bits before it. A sender leaves it out, and a
/// receiver puts it back (RFC 7692, section 7.2.1).
pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The longest stored block.
const MAX_STORED: usize = 0xffff;

/// 17 to 22 µs for a message of 1,000 bytes. Higher levels take twice as long and gain 1 %.
const LEVEL: Compression = Compression::new(6);

/// One for the whole process, because it takes 380 KB. It keeps nothing from one text to the next.
static DEFLATER: LazyLock<Mutex<Compress>> =
    LazyLock::new(|| Mutex::new(Compress::new(LEVEL, false)));

/// Deflates `text` for a receiver whose window ends with `before`, if it isn't empty.
pub(super) fn deflate(text: &[u8], before: &[u8]) -> Vec<u8> {
    let mut deflater = DEFLATER.lock().unwrap_or_else(PoisonError::into_inner);
    // Stored blocks can always be read, and nothing here can fail as long as the deflater is sound.
    try_deflate(&mut deflater, text, before).unwrap_or_else(|| stored(text))
}

fn try_deflate(deflater: &mut Compress, text: &[u8], before: &[u8]) -> Option<Vec<u8>> {
    deflater.reset();
    if !before.is_empty() {
        deflater.set_dictionary(before).ok()?;
    }
    let mut out = Vec::with_capacity(text.len() / 2 + 64);
    loop {
        let read = usize::try_from(deflater.total_in()).ok()?;
        deflater
            .compress_vec(text.get(read..)?, &mut out, FlushCompress::Sync)
            .ok()?;
        // Room that is left over says that everything has been written.
        if out.len() < out.capacity() {
            break;
        }
        out.reserve(out.len());
    }
    out.truncate(out.strip_suffix(&TAIL)?.len());
    Some(out)
}

/// `text` in stored blocks: six bytes more, and no work.
pub(super) fn stored(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 6 + text.len() / MAX_STORED * 5);
    for block in text.chunks(MAX_STORED) {
        let len = u16::try_from(block.len()).unwrap_or_default();
        out.push(0);
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
    }
    // The first bits of the empty block whose rest is the tail. Without them, the tail would be read as the beginning.
    out.push(0);
    out
}

#[cfg(test)]
mod tests {
    use super::super::inflate::Inflater;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_stored_text_has_six_bytes_more() {
        assert_eq!(
            stored(b"{}"),
            [0, 2, 0, 0xfd, 0xff, b'{', b'}', 0],
            "00 LEN ~LEN text 00"
        );
        for len in [0, 1, 65_535, 65_536, 200_000] {
            let text = "x".repeat(len);
            let read = Inflater::default().inflate(&stored(text.as_bytes()));
            assert!(read.unwrap() == text, "{len}");
        }
    }

    #[test]
    fn a_text_like_the_one_before_takes_a_tenth() {
        let text = |n: u32| {
            let values: Vec<_> = (0..60)
                .map(|i| format!("\"value{i}\":{}", i * 7919))
                .collect();
            format!("{{\"seq\":{n},{}}}", values.join(","))
        };
        let (first, second) = (text(1), text(2));
        let alone = deflate(second.as_bytes(), b"");
        let after = deflate(second.as_bytes(), first.as_bytes());
        assert!(
            after.len() * 10 < second.len() && alone.len() < second.len(),
            "{after:?}"
        );
    }

    proptest! {
        /// Whatever came before, in whatever form, and however long: the window ends with it.
        #[test]
        fn every_form_reads_back(
            texts in prop::collection::vec(("[a-z]{0,9}", 1..4000_usize, 0..3_usize), 1..12),
        ) {
            let (mut inflater, mut before) = (Inflater::default(), String::new());
            for (word, repeated, form) in texts {
                let text = format!("{word}{}", word.repeat(repeated));
                let payload = match form {
                    0 => stored(text.as_bytes()),
                    1 => deflate(text.as_bytes(), b""),
                    _ => deflate(text.as_bytes(), before.as_bytes()),
                };
                prop_assert_eq!(&inflater.inflate(&payload).unwrap(), &text);
                before = text;
            }
        }
    }
}
