//! The kernel's text: bytes, read line by line; an invalid line is skipped without affecting the others.

use std::str::FromStr;

/// The complete, non-empty lines of `text`. The kernel ends every line, so anything after the last line break was cut
/// off, and may end in half a number.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let end = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    text[..end]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
}

/// The fields of `line`, separated by blanks.
pub(super) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    line.split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
}

/// `None` if it isn't a number, or is too large.
pub(super) fn number<T: FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// A number that may have a fraction. `None` if it isn't one, is negative or infinite.
pub(super) fn measure(field: &[u8]) -> Option<f64> {
    let value: f64 = number(field)?;
    (value.is_finite() && 0.0 <= value).then_some(value)
}

/// What was read from `line`; where that is nothing, `skip` reports the line.
pub(super) fn or_skip<T>(found: Option<T>, line: &[u8], skip: &dyn Fn(&[u8])) -> Option<T> {
    if found.is_none() {
        skip(line);
    }
    found
}

/// The parts of `text` before and after the first `separator`.
pub(super) fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == separator)?;
    Some((&text[..place], &text[place + 1..]))
}

/// The parts of `text` before and after the last `separator`.
pub(super) fn rsplit_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().rposition(|byte| *byte == separator)?;
    Some((&text[..place], &text[place + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_or_none() {
        let read = |text: &'static [u8]| lines(text).collect::<Vec<_>>();
        assert_eq!(read(b"a 1\n\n \nb\xff 2\n"), [&b"a 1"[..], b"b\xff 2"]);
        assert_eq!(read(b"a 1\nb 2"), [b"a 1"]);
        assert_eq!(read(b"a 1"), [] as [&[u8]; 0]);
        assert_eq!(read(b""), [] as [&[u8]; 0]);
    }

    #[test]
    fn numbers_are_in_range_or_absent() {
        assert_eq!(number::<u64>(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["18446744073709551616", "-1", "", "1 ", "0x1", "1.5"] {
            assert_eq!(number::<u64>(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(number::<u64>(b"1\xff"), None);
        assert_eq!(measure(b"1.5"), Some(1.5));
        for bad in ["-0.1", "nan", "inf", "-inf", "1e999", "x"] {
            assert_eq!(measure(bad.as_bytes()), None, "{bad}");
        }
    }
}
