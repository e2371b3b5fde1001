//! What kind of line it is, without reading its cells.

/// How every header that the [`Encoder`](super::Encoder) writes begins.
const HEADER_START: &[u8] = b"timestamp,host,stream,seq,event,";

/// Whether a line is a header as we write it.
pub(super) fn is_header(line: &[u8]) -> bool {
    line.starts_with(HEADER_START)
}

/// Whether a file with only this line looks like a recording whose header was cut off.
pub(super) fn is_start_of_header(line: &[u8]) -> bool {
    is_header(line) || HEADER_START.starts_with(line)
}

/// Whether all of a file is the beginning of a header, or nothing, because writing it was interrupted.
#[must_use]
pub fn is_part_of_header(file: &[u8]) -> bool {
    !file.contains(&b'\n') && is_start_of_header(file)
}

/// How many of these bytes, which may end anywhere, are whole rows: up to the last complete one that is neither a
/// header nor a gap, because those mean nothing without the message after them.
pub(super) fn length_of_whole_rows(written: &[u8]) -> usize {
    let (mut end, mut whole) = (0, 0);
    for line in written.split_inclusive(|&byte| byte == b'\n') {
        end += line.len();
        if line.ends_with(b"\n") && !is_header(line) && !is_gap(line) {
            whole = end;
        }
    }
    whole
}

/// Whether a row of ours is a gap: the cells before the event are never quoted.
pub(super) fn is_gap(line: &[u8]) -> bool {
    let event = line.splitn(5, |&byte| byte == b',').nth(4);
    event.is_some_and(|event| event.starts_with(b"gap "))
}
