//! What is refused, and the wording.

use std::io::{self, Read};
use std::path::Path;

use crate::recording::{ReadError, Reader};

use super::rows::read;

const HEADER: &str = "timestamp,host,stream,seq,event,cpu,top,extra";
const START: &str = "2026-11-24T14:07:31.204Z,web-1,k3v9q2";

/// The error with its cause, as `metrics` prints it.
fn words(error: ReadError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}

#[track_caller]
fn check_row(row: &str, expected: &str) {
    // A cell with a line break and a blank line before it: line numbers are those of an editor.
    let before = format!(
        "{START},1,,5,\"[{{\"\"pid\"\":1,\"\"name\"\":\"\"x\"\",\n\"\"cpu\"\":1,\"\"memory\"\":1}}]\","
    );
    for line_end in ["\n", "\r\n"] {
        let lines = [HEADER, &before, "", row, "not,read"];
        let file: String = lines.map(|line| format!("{line}{line_end}")).concat();
        let mut reader = Reader::new(file.as_bytes(), "x.csv").unwrap();
        assert!(reader.next().unwrap().is_ok());
        let error = reader.next().unwrap().unwrap_err();
        assert_eq!(words(error), format!("x.csv:5: {expected}"));
        assert!(reader.next().is_none(), "an error is the end");
    }
}

#[track_caller]
fn check_file(bytes: &[u8], expected: &str) {
    assert_eq!(words(read(bytes).unwrap_err()), expected);
}

#[test]
fn a_cell_that_cannot_be_read_is_named() {
    let at = |rest: &str| format!("{START},{rest}");
    check_row(&at("2,,abc,,"), "column 'cpu': 'abc' is not a number");
    check_row(&at("2,, 7,,"), "column 'cpu': ' 7' is not a number");
    for number in ["NULL", "null", "NA", "None", "<NA>", "-"] {
        check_row(
            &at(&format!("2,,{number},,")),
            &format!(
                "column 'cpu': '{number}' is not a number; leave the cell empty if there is none"
            ),
        );
    }
    check_row(&at("2,,True,,"), "column 'cpu': 'True' is not a number");
    for number in ["4,87", "1,234.5", "1,234,567"] {
        check_row(
            &at(&format!("2,,\"{number}\",,")),
            &format!(
                "column 'cpu': '{number}' is not a number; write it with a decimal point, and without commas between \
                 thousands"
            ),
        );
    }
    for number in ["NaN", "inf", "-Infinity", "1e999"] {
        check_row(
            &at(&format!("2,,{number},,")),
            &format!(
                "column 'cpu': '{number}' is not a finite number; leave the cell empty if there is none"
            ),
        );
    }
}

#[test]
fn a_cell_that_says_whose_and_which_message_it_is_is_named() {
    check_row(
        "24.11.2026 14:07,web-1,k3v9q2,2,,7,,",
        "column 'timestamp': '24.11.2026 14:07' is not a time in UTC; write it like 2026-11-24T14:07:31.204Z",
    );
    check_row(
        "2026-11-24 14:07:31.204,web-1,k3v9q2,2,,7,,",
        "column 'timestamp': '2026-11-24 14:07:31.204' has no time zone; append Z if it is UTC, as in 2026-11-24T14:07:31.204Z, or an offset such as +01:00",
    );
    check_row(
        "1969-12-31T23:59:59Z,web-1,k3v9q2,2,,7,,",
        "column 'timestamp': '1969-12-31T23:59:59Z' is before 1970 or after 9999; write it like 2026-11-24T14:07:31.204Z",
    );
    check_row(
        "2026-11-24T14:07:31.204Z,-x,k3v9q2,2,,7,,",
        "column 'host': '-x' is not a host name; write 1 to 64 characters from A-Z a-z 0-9 . _ -, starting with a letter or digit",
    );
    check_row(
        "2026-11-24T14:07:31.204Z,web-1,K3,2,,7,,",
        "column 'stream': 'K3' is not a stream; write 1 to 12 characters from 0-9 a-z",
    );
    for seq in ["", "0", "-1", "1.5"] {
        check_row(
            &format!("{START},{seq},,7,,"),
            &format!(
                "column 'seq': '{seq}' is not a message number; write a number from 1 (only a gap has none)"
            ),
        );
    }
}

#[test]
fn a_cell_that_says_what_happened_is_named() {
    let at = |rest: &str| format!("{START},{rest}");
    check_row(
        &at("2,gap lost,7,,"),
        "column 'event': 'gap lost' is not an event; leave it empty or write 'alert {…}', 'gap expired 13-57' or \
         'gap restarted'",
    );
    check_row(
        &at("2,,7,\"[{\"\"pid\"\":-1}]\","),
        "column 'top': '[{\"pid\":-1}]' is not a JSON array of processes with pid, name, cpu and memory",
    );
    check_row(
        &at("2,,7,\"[\n\n7]\","),
        r"column 'top': '[\n\n7]' is not a JSON array of processes with pid, name, cpu and memory",
    );
    for extra in [
        "[1]",
        "{\"\"a\"\":\"\"b\"\"}",
        "{\"\"a\"\":1e999}",
        "{\"\"a\"\":1}x",
        "{\"\"cpu\"\":1}",
        "{\"\"top\"\":1}",
    ] {
        check_row(
            &at(&format!("2,,7,,\"{extra}\"")),
            &format!(
                "column 'extra': '{}' is not a JSON object of numbers with names that are not columns",
                extra.replace("\"\"", "\"")
            ),
        );
    }
    for (column, rest) in [("seq", "2,gap expired,,,"), ("cpu", ",gap expired,2,,")] {
        check_row(
            &at(rest),
            &format!(
                "column '{column}': '2' is in the row of a gap, which has no number and no values"
            ),
        );
    }
}

#[test]
fn a_cells_text_is_truncated_and_escaped() {
    check_row(
        &format!("{START},2,,\u{1b}[2J{},,", "9".repeat(60)),
        &format!(
            r"column 'cpu': '\u{{1b}}[2J{}…' is not a number",
            "9".repeat(36)
        ),
    );
}

#[test]
fn a_row_of_another_length_is_named() {
    check_row(START, "has 3 cells, the header has 8");
    check_row(&format!("{START},2,,7,,,"), "has 9 cells, the header has 8");
    check_row(
        "timestamp,host,stream,seq,cpu,cpu",
        "the header has two columns 'cpu'",
    );
}

#[test]
fn bytes_that_are_not_text_are_named() {
    let row = format!("{HEADER}\n{START},2,,7,,\n{START},3,,7,,\"");
    let file = [row.as_bytes(), b"{\xff}\"\n"].concat();
    check_file(&file, "x.csv:3: column 'extra': not UTF-8");
}

#[test]
fn another_file_is_not_a_recording() {
    check_file(b"", "x.csv: not a recording: the file is empty");
    // Half of `cpu:0` is a second `cpu`, and a comma is followed by a column without a name.
    for cut in ["cpu", "cpu,cpu", "cpu,"] {
        check_file(
            format!("timestamp,host,stream,seq,{cut}").as_bytes(),
            "x.csv:1: not a recording: its first line is incomplete",
        );
    }
    check_file(
        b"time,cpu\n1,2\n",
        "x.csv:1: not a recording: the header lacks 'timestamp'; a recording has the columns timestamp, host, stream and seq",
    );
    check_file(
        b"timestamp,host,stream,cpu\n",
        "x.csv:1: not a recording: the header lacks 'seq'; a recording has the columns timestamp, host, stream and seq",
    );
    check_file(
        b"\x7fELF\x02\x01\x01\0\0\0\n",
        "x.csv:1: not a recording: its first line is not text",
    );
    check_file(
        b"\x1f\x8b\x08\xff",
        "x.csv: not a recording: it is compressed with gzip; put `zcat` before `metrics replay -`",
    );
    check_file(
        b"timestamp,host,stream,seq,cpu,memory,cpu\n",
        "x.csv:1: not a recording: the header has two columns 'cpu'",
    );
    check_file(
        b",timestamp,host,stream,seq,cpu\n",
        "x.csv:1: not a recording: column 1 of the header has no name; remove it (in pandas: to_csv(…, index=False))",
    );
}

#[test]
fn the_error_says_what_another_file_is_and_how_to_replay_it() {
    let semicolons =
        "timestamp;host;stream;seq;cpu\n2026-11-24T14:07:31.204Z;web-1;k3v9q2;1;4,87\n";
    let utf16: Vec<u8> = semicolons.bytes().flat_map(|byte| [byte, 0]).collect();
    for (head, expected) in [
        (
            &b"\x28\xb5\x2f\xfdx"[..],
            "it is compressed with zstd; put `zstdcat`",
        ),
        (b"\xfd7zXZ\0x", "it is compressed with xz; put `xzcat`"),
        (b"BZh91AY", "it is compressed with bzip2; put `bzcat`"),
        (
            b"PK\x03\x04\x14\0",
            "it is a zip archive or a spreadsheet; save it as CSV",
        ),
        (b"\xff\xfet\0i\0", "it is in UTF-16; put `iconv"),
        (&utf16, "it is in UTF-16; put `iconv"),
        (b"<!doctype html>\n<p>", "it is HTML or XML;"),
        (b"{\"type\":\"metric\"}\n", "it is JSON;"),
        (b"\n[1,\n2]", "it is JSON;"),
        (
            semicolons.as_bytes(),
            "its cells are separated by semicolons; save it with commas",
        ),
        (
            semicolons.replace(';', "\t").as_bytes(),
            "its cells are separated by tabs;",
        ),
        (
            semicolons.replace(';', "|").as_bytes(),
            "its cells are separated by bars;",
        ),
        (
            b"timestamp,host,stream,seq,cpu\r2026",
            "its lines end in CR alone;",
        ),
        (
            b"2026-11-24T14:07:31.204Z,web-1,k3v9q2,1,,5,,\n",
            "its first line is a row, the header is missing;",
        ),
    ] {
        let error = words(read(head).unwrap_err());
        let expected = format!("x.csv: not a recording: {expected}");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn the_suggested_command_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("it's.csv.gz");
    std::fs::write(&path, b"\x1f\x8b\x08\0").unwrap();
    let error = words(Reader::open(&path).unwrap_err());
    let quoted = format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    assert!(
        error.ends_with(&format!("; write: zcat {quoted} | metrics replay -")),
        "{error}"
    );
}

#[test]
fn unnamed_columns_at_the_end_must_be_empty() {
    let file = |cell: &str| format!("{HEADER},,\n{START},1,,5,,,,\n{START},2,,5,,,,{cell}\n");
    assert_eq!(read(file("").as_bytes()).unwrap().1.len(), 2);
    check_file(
        file("x").as_bytes(),
        "x.csv:3: column 10 has no name in the header, but holds 'x'; name it or empty it",
    );
    check_file(
        format!("timestamp,host,,stream,seq\n{START},1\n").as_bytes(),
        "x.csv:1: not a recording: column 3 of the header has no name; remove it or name it",
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display().to_string();
    assert_eq!(
        words(Reader::open(directory.path()).unwrap_err()),
        format!("'{path}' is a directory: name the recordings in it, such as {path}/*.csv")
    );
    assert_eq!(
        words(Reader::open(Path::new("/nowhere/x.csv")).unwrap_err()),
        "cannot read '/nowhere/x.csv': No such file or directory (os error 2)"
    );
}

#[test]
fn an_endless_input_is_refused_in_bounded_memory() {
    let endless = io::repeat(b'x');
    assert_eq!(
        words(Reader::new(endless, "x.csv").unwrap_err()),
        "x.csv:1: not a recording: its first line is not text"
    );
    let file = format!("{HEADER}\n{START},1,,5,,\n{START},2,,5,\"");
    let mut reader = Reader::new(file.as_bytes().chain(io::repeat(b'\n')), "x.csv").unwrap();
    assert!(reader.next().unwrap().is_ok());
    assert_eq!(
        words(reader.next().unwrap().unwrap_err()),
        "x.csv:3: the row does not end within 16 MiB; is a closing quote missing?"
    );
    assert!(reader.next().is_none());
}

#[test]
fn an_input_that_fails_is_named() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let file = format!("{HEADER}\n{START},1,,5,,\n{START},2,");
    let mut reader = Reader::new(file.as_bytes().chain(Failing), "x.csv").unwrap();
    assert!(reader.next().unwrap().is_ok());
    assert_eq!(
        words(reader.next().unwrap().unwrap_err()),
        "cannot read 'x.csv': unplugged"
    );
}
