//! The output of `record`, read with as little code as possible: by header, as text.

use std::collections::BTreeMap;
use std::path::Path;

/// One row of a recording.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    cells: BTreeMap<String, String>,
    /// The row as one text, to compare.
    pub(crate) text: String,
}

impl Row {
    #[track_caller]
    pub(crate) fn cell(&self, column: &str) -> &str {
        self.cells
            .get(column)
            .unwrap_or_else(|| panic!("no column '{column}' in {:?}", self.cells))
    }

    /// The number, where the row has one.
    #[track_caller]
    pub(crate) fn seq(&self) -> Option<u64> {
        let seq = self.cell("seq");
        (!seq.is_empty()).then(|| seq.parse().unwrap())
    }
}

/// The rows of a recording. Anything that is not well-formed CSV with the fixed columns fails, and so does a torn row.
#[track_caller]
pub(crate) fn parse(csv: &[u8]) -> Vec<Row> {
    assert!(
        csv.is_empty() || csv.ends_with(b"\n"),
        "torn: {}",
        String::from_utf8_lossy(csv)
    );
    let mut reader = csv::ReaderBuilder::new().from_reader(csv);
    let header = reader.headers().unwrap().clone();
    if !csv.is_empty() {
        let fixed: Vec<_> = header.iter().take(5).collect();
        assert_eq!(fixed, ["timestamp", "host", "stream", "seq", "event"]);
    }
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            let pair = |(name, cell): (&str, &str)| (name.to_owned(), cell.to_owned());
            Row {
                cells: header.iter().zip(&record).map(pair).collect(),
                text: record.iter().collect::<Vec<_>>().join("\u{1f}"),
            }
        })
        .collect()
}

#[track_caller]
pub(crate) fn read(path: &Path) -> Vec<Row> {
    let csv = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    parse(&csv)
}

/// The whole rows of a file that may end in a torn one.
#[track_caller]
pub(crate) fn parse_whole(csv: &[u8]) -> Vec<Row> {
    let end = csv.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    parse(&csv[..end])
}

/// Fails at the first line that differs.
#[track_caller]
pub(crate) fn assert_same(what: &str, expected: &str, found: &str) {
    for (n, (e, f)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(f, e, "{what}: line {} differs (left: found)", n + 1);
    }
    let (e, f) = (expected.lines().count(), found.lines().count());
    assert_eq!(f, e, "{what}: number of lines (left: found)");
    assert!(expected == found, "{what}: line ends differ");
}

/// Fails unless the numbered rows of each stream follow each other without a hole and without a repetition.
#[track_caller]
pub(crate) fn assert_unbroken(rows: &[Row]) {
    let mut last: Option<(&str, u64)> = None;
    for row in rows {
        let Some(seq) = row.seq() else { continue };
        let stream = row.cell("stream");
        if let Some((before, number)) = last
            && before == stream
        {
            assert_eq!(seq, number + 1, "in stream {stream}");
        }
        last = Some((stream, seq));
    }
}
