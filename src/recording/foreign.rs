//! What kind of file it is, if it isn't a recording, judging by its first bytes, and how to turn it into one.

use super::columns::{HOST, TIMESTAMP};
use super::time::parse_timestamp;

/// How many bytes at the start are examined.
pub(super) const LOOKED_AT: usize = 512;

/// Compressed files: how they begin, what they are called, and what unpacks them.
const COMPRESSED: [(&[u8], &str, &str); 7] = [
    (b"\x1f\x8b", "gzip", "zcat"),
    (b"\x1f\x9d", "compress", "zcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
    (b"\xfd7zXZ\0", "xz", "xzcat"),
    (b"BZh", "bzip2", "bzcat"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4cat"),
    (b"LZIP", "lzip", "lzip -cd"),
];

/// Other binary files: how they begin, and what they are.
const BINARY: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "a zip archive or a spreadsheet"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3", "a SQLite database"),
    (b"%PDF", "a PDF"),
];

/// What the file `name`, which begins with `head`, is, and what to do about it; `None` if unknown.
pub(super) fn describe(head: &[u8], name: &str) -> Option<String> {
    let starts = |magic: &[u8]| head.starts_with(magic);
    if let Some((_, format, tool)) = COMPRESSED.iter().find(|(magic, ..)| starts(magic)) {
        let pipe = piped(tool, name);
        return Some(format!("it is compressed with {format}; {pipe}"));
    }
    if let Some((_, what)) = BINARY.iter().find(|(magic, _)| starts(magic)) {
        return Some(format!("it is {what}; save it as CSV and replay that"));
    }
    if starts(b"\xff\xfe") || starts(b"\xfe\xff") || is_utf16(head) {
        let pipe = piped("iconv -f UTF-16 -t UTF-8", name);
        return Some(format!("it is in UTF-16; {pipe}"));
    }
    describe_text(&String::from_utf8_lossy(head))
}

/// The same for a text file.
fn describe_text(head: &str) -> Option<String> {
    let head = head.trim_start_matches('\u{feff}');
    match head.trim_start().chars().next()? {
        '<' => {
            return Some(
                "it is HTML or XML; a recording is CSV as `metrics record` writes it".into(),
            );
        }
        '{' | '[' => {
            return Some("it is JSON; a recording is CSV as `metrics record` writes it".into());
        }
        _ => {}
    }
    let line = head.split(['\n', '\r']).next()?;
    for (separator, called) in [(';', "semicolons"), ('\t', "tabs"), ('|', "bars")] {
        let mut cells = line.split(separator).map(|cell| cell.trim_matches('"'));
        if cells.clone().any(|cell| cell == TIMESTAMP) && cells.any(|cell| cell == HOST) {
            return Some(format!(
                "its cells are separated by {called}; save it with commas between the cells and points in the numbers"
            ));
        }
    }
    if head.contains('\r') && !head.contains('\n') {
        return Some("its lines end in CR alone; save it with LF or CRLF line endings".into());
    }
    let first = line.split([',', ';', '\t']).next()?.trim_matches('"');
    parse_timestamp(first).is_ok().then(|| {
        "its first line is a row, the header is missing; put the header of the original file before it".into()
    })
}

/// Every other byte of plain text is 0 there.
fn is_utf16(head: &[u8]) -> bool {
    let nul = |first: usize| {
        head.iter()
            .skip(first)
            .step_by(2)
            .take(8)
            .all(|&byte| byte == 0)
    };
    head.len() >= 16 && (nul(0) != nul(1))
}

/// How to replay the output of a tool for the file.
fn piped(tool: &str, name: &str) -> String {
    let is_path = std::path::Path::new(name).is_file();
    if is_path {
        format!("write: {tool} {} | metrics replay -", quoted(name))
    } else {
        format!("put `{tool}` before `metrics replay -`")
    }
}

/// A name quoted for a shell.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._/-+:@%,=".contains(c);
    if name.chars().all(plain) {
        name.into()
    } else {
        format!("'{}'", name.replace('\'', r"'\''"))
    }
}
