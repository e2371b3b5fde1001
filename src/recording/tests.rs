//! The format as a whole: round trips.

mod errors;
mod output;
mod overwritten;
mod python;
mod replacement;
mod rows;

use std::io::Write;

use proptest::prelude::*;

use super::*;
use rows::{any_file, encode, message, read, sample_row};

#[test]
fn containers_have_a_column_or_a_place_in_extra() {
    let container = |name: &str, cpu| crate::protocol::Container {
        name: name.into(),
        cpu,
        memory: Some(0.5),
    };
    let mut listed = sample_row(1, &[("cpu", 7.0), ("late", 3.0)]);
    let list = vec![container("web", Some(12.5)), container("a.service", None)];
    message(&mut listed).unwrap().sample.containers = Some(list);
    let mut none = sample_row(2, &[("cpu", 8.0)]);
    message(&mut none).unwrap().sample.containers = Some(vec![]);
    let rows = vec![listed, none, sample_row(3, &[("cpu", 9.0)])];
    let json = r#"[{""name"":""web"",""cpu"":12.5,""memory"":0.5},{""name"":""a.service"",""memory"":0.5}]"#;
    for (has_column, expected) in [
        (
            true,
            format!(
                "timestamp,host,stream,seq,event,cpu,containers,top,extra\n\
                 2026-11-24T14:07:31.204Z,web-1,k3v9q2,1,,7,\"{json}\",,\"{{\"\"late\"\":3}}\"\n\
                 2026-11-24T14:07:31.204Z,web-1,k3v9q2,2,,8,[],,\n\
                 2026-11-24T14:07:31.204Z,web-1,k3v9q2,3,,9,,,\n"
            ),
        ),
        (
            false,
            format!(
                "timestamp,host,stream,seq,event,cpu,top,extra\n\
                 2026-11-24T14:07:31.204Z,web-1,k3v9q2,1,,7,,\"{{\"\"late\"\":3,\"\"containers\"\":{json}}}\"\n\
                 2026-11-24T14:07:31.204Z,web-1,k3v9q2,2,,8,,\"{{\"\"containers\"\":[]}}\"\n\
                 2026-11-24T14:07:31.204Z,web-1,k3v9q2,3,,9,,\n"
            ),
        ),
    ] {
        let columns = Columns::new(["cpu"]).with_containers(has_column);
        let text = encode(&columns, &rows);
        assert_eq!(String::from_utf8(text.clone()).unwrap(), expected);
        let (read_columns, read_rows) = read(&text).unwrap();
        assert_eq!((read_columns, &read_rows), (columns, &rows));
    }
}

#[test]
fn a_recording_looks_like_this() {
    let columns = Columns::new(["cpu", "a \"b\", c", "users"]);
    let mut top = sample_row(41, &[("cpu", 7.0), ("users", 0.5)]);
    message(&mut top).unwrap().sample.top = Some(vec![crate::protocol::Process {
        pid: 812,
        name: "it's \"x\",\n".into(),
        cpu: 9.5,
        memory: 1.0,
        ..crate::protocol::Process::default()
    }]);
    let rows = [
        top,
        sample_row(42, &[("a \"b\", c", -1.5), ("late", 7.0), ("seq", 1e20)]),
    ];
    assert_eq!(
        String::from_utf8(encode(&columns, &rows)).unwrap(),
        "timestamp,host,stream,seq,event,cpu,\"a \"\"b\"\", c\",users,top,extra\n\
         2026-11-24T14:07:31.204Z,web-1,k3v9q2,41,,7,,0.5,\"[{\"\"pid\"\":812,\"\"name\"\":\"\"it's \\\"\"x\\\"\",\\n\"\",\
         \"\"cpu\"\":9.5,\"\"memory\"\":1}]\",\n\
         2026-11-24T14:07:31.204Z,web-1,k3v9q2,42,,,-1.5,,,\"{\"\"late\"\":7,\"\"seq\"\":1e+20}\"\n"
    );
}

#[test]
fn the_example_in_the_documentation_is_a_recording() {
    for documentation in [
        include_str!("../recording.rs"),
        include_str!("../../docs/RECORDING.md"),
    ] {
        let example: String = (documentation.split("```").nth(1).unwrap().lines())
            .map(|line| line.trim_start_matches("//! "))
            .filter(|line| line.contains(','))
            .map(|line| format!("{line}\n"))
            .collect();
        let (columns, rows) = read(example.as_bytes()).unwrap();
        assert_eq!(rows.len(), 3);
        let again = encode(&columns, &rows);
        assert_eq!(String::from_utf8(again).unwrap(), example);
    }
}

#[test]
fn a_header_alone_is_a_recording_of_nothing() {
    let (columns, rows) = read(b"timestamp,host,stream,seq,event,cpu,top,extra\n").unwrap();
    assert_eq!((columns, rows.len()), (Columns::new(["cpu"]), 0));
}

#[test]
fn a_header_in_the_middle_may_change_the_columns() {
    let first = encode(&Columns::new(["a", "b"]), &[sample_row(1, &[("a", 1.0)])]);
    let same = encode(&Columns::new(["a", "b"]), &[sample_row(2, &[("b", 2.0)])]);
    let other = encode(
        &Columns::new(["b", "c", "a"]),
        &[sample_row(3, &[("c", 3.0)])],
    );
    let file = [first, same, other].concat();
    let mut reader = Reader::new(&*file, "x.csv").unwrap();
    let at_first = reader.columns().clone();
    assert_eq!(
        reader.next().unwrap().unwrap(),
        sample_row(1, &[("a", 1.0)])
    );
    assert_eq!(
        reader.next().unwrap().unwrap(),
        sample_row(2, &[("b", 2.0)])
    );
    assert_eq!(*reader.columns(), at_first);
    assert_eq!(
        reader.next().unwrap().unwrap(),
        sample_row(3, &[("c", 3.0)])
    );
    assert_eq!(*reader.columns(), Columns::new(["b", "c", "a"]));
    assert!(reader.next().is_none());
    assert_eq!(reader.bytes_read(), file.len() as u64);
}

#[test]
fn columns_may_have_any_order_and_only_four_are_required() {
    let file = "cpu,seq,stream,host,timestamp\n1e3,41,k3v9q2,web-1,2026-11-24T14:07:31.204Z\n";
    let (_, rows) = read(file.as_bytes()).unwrap();
    assert_eq!(rows, [sample_row(41, &[("cpu", 1000.0)])]);
}

#[test]
fn other_line_endings_marks_and_numbers_are_read() {
    let file = "\u{feff}timestamp,host,stream,seq,event,cpu,top,extra\r\n\r\n\
                2026-11-24T14:07:31.204Z,web-1,k3v9q2,41.0,,7.0,,\r\n\n\
                \u{feff}timestamp,host,stream,seq,event,top,extra,cpu\r\n\
                2026-11-24T14:07:31.204Z,web-1,k3v9q2,42,\"\",,,\"8\"\r\n";
    let (_, rows) = read(file.as_bytes()).unwrap();
    let expected = [
        sample_row(41, &[("cpu", 7.0)]),
        sample_row(42, &[("cpu", 8.0)]),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_last_row_without_a_line_break_is_left_out_even_if_it_reads() {
    let file = encode(
        &Columns::new(["cpu"]),
        &[
            sample_row(1, &[("cpu", 123.0)]),
            sample_row(2, &[("cpu", 123.0)]),
        ],
    );
    let header_len = file.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let first_len = header_len + (file.len() - header_len) / 2;
    for len in header_len..file.len() {
        let mut reader = Reader::new(&file[..len], "x.csv").unwrap();
        let rows = reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(rows.len(), usize::from(len >= first_len), "{len} bytes");
        let torn = reader.torn().map(ToString::to_string);
        if len == header_len || len == first_len {
            assert_eq!(torn, None);
        } else {
            let line = 2 + rows.len();
            let expected = format!("x.csv:{line}: the last row is cut off and left out");
            assert_eq!(torn, Some(expected));
        }
    }
}

#[test]
fn the_limit_on_a_row_does_not_limit_the_file() {
    let mut row = sample_row(1, &[("cpu", 1.0)]);
    message(&mut row).unwrap().sample.top = Some(vec![crate::protocol::Process {
        pid: 1,
        name: "x".repeat(3 << 20),
        cpu: 0.0,
        memory: 0.0,
        ..crate::protocol::Process::default()
    }]);
    let rows = vec![row; 7];
    let file = encode(&Columns::new(["cpu"]), &rows);
    assert!(file.len() > 20 << 20);
    assert!(read(&file).unwrap().1 == rows);
}

proptest! {
    #[test]
    fn every_recording_survives_being_read((columns, rows) in any_file()) {
        let file = encode(&columns, &rows);
        let (read_columns, read_rows) = read(&file).unwrap();
        prop_assert_eq!(&read_columns, &columns);
        prop_assert_eq!(&read_rows, &rows);
        prop_assert_eq!(encode(&read_columns, &read_rows), file);
    }

    #[test]
    fn every_line_is_a_row((columns, rows) in any_file()) {
        let file = encode(&columns, &rows);
        let breaks = file.iter().filter(|&&byte| byte == b'\n').count();
        prop_assert_eq!(breaks, 1 + rows.len());
        prop_assert!(!file.contains(&b'\r'));
    }

    #[test]
    fn quoting_matches_the_csv_crate((columns, rows) in any_file()) {
        let file = encode(&columns, &rows);
        let mut theirs = csv::Writer::from_writer(Vec::new());
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*file);
        for record in reader.byte_records() {
            theirs.write_byte_record(&record.unwrap()).unwrap();
        }
        prop_assert_eq!(theirs.into_inner().unwrap(), file);
    }

    #[test]
    fn samples_in_another_order_become_the_same_row((columns, rows) in any_file()) {
        let mut turned = rows.clone();
        for row in &mut turned {
            if let Some(message) = message(row) {
                // A stable sort, so that those without a column keep their order.
                message.sample.values.sort_by_key(|(name, _)| {
                    std::cmp::Reverse(columns.index_of(name, 0))
                });
            }
        }
        prop_assert_eq!(encode(&columns, &turned), encode(&columns, &rows));
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_change_to_a_recording_makes_reading_panic(
        (columns, rows) in any_file(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(b'"'), Just(b','), Just(b'\n')]), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = encode(&columns, &rows);
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let _ = read(&file);
        file.truncate(cut.index(file.len()));
        let _ = read(&file);
        let place = tempfile::NamedTempFile::new().unwrap();
        place.as_file().write_all(&file).unwrap();
        let _ = output::append_to(place.path());
    }
}
