//! How single cells are written and read: texts, times and the object in `extra`.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::io::{self, Write};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use super::columns::{CONTAINERS, Columns};
use crate::protocol::{Container, escape_unsafe, push_number, rfc3339};

/// Appends `value` as it displays, unquoted.
pub(super) fn push_plain(out: &mut Vec<u8>, value: impl Display) {
    if write!(out, "{value}").is_err() {
        unreachable!("a Vec takes every byte");
    }
}

/// Appends `text`, in quotes only where RFC 4180 requires them. A test compares this with what the csv crate writes.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    if text.contains([',', '"', '\n', '\r']) {
        push_quoted(out, |out| out.push(text.as_bytes()));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Appends a cell in quotes.
pub(super) fn push_quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Quoted<'_>)) {
    out.push(b'"');
    write(&mut Quoted(out));
    out.push(b'"');
}

/// The inside of a quoted cell: doubles the quotes in whatever is written, so that JSON needs no second pass.
pub(super) struct Quoted<'a>(&'a mut Vec<u8>);

impl Quoted<'_> {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for (nth, part) in bytes.split(|&byte| byte == b'"').enumerate() {
            if nth > 0 {
                self.0.extend_from_slice(b"\"\"");
            }
            self.0.extend_from_slice(part);
        }
    }

    /// Appends a value as JSON.
    pub(super) fn push_json<T: serde::Serialize + ?Sized>(&mut self, value: &T) {
        let mut json = serde_json::Serializer::with_formatter(self, Harmless);
        if value.serialize(&mut json).is_err() {
            unreachable!("keys are strings and a Vec takes every byte");
        }
    }

    /// Appends what has no column as a JSON object: values, and the list of containers.
    pub(super) fn push_extra<'a>(
        &mut self,
        values: impl Iterator<Item = &'a (Arc<str>, f64)>,
        containers: Option<&[Container]>,
    ) {
        self.0.push(b'{');
        let mut is_first = true;
        for (name, value) in values {
            self.push_key(name, &mut is_first);
            push_number(self.0, *value);
        }
        if let Some(containers) = containers {
            self.push_key(CONTAINERS, &mut is_first);
            self.push_json(containers);
        }
        self.0.push(b'}');
    }

    fn push_key(&mut self, name: &str, is_first: &mut bool) {
        if !std::mem::take(is_first) {
            self.0.push(b',');
        }
        self.push_json(name);
        self.0.push(b':');
    }
}

/// JSON in its shortest form, without characters that would control the terminal that shows it.
struct Harmless;

impl serde_json::ser::Formatter for Harmless {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        out.write_all(escape_unsafe(fragment).as_bytes())
    }
}

impl Write for Quoted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends a time in milliseconds since the epoch.
pub(super) fn push_timestamp(out: &mut Vec<u8>, ms: u64) {
    push_plain(out, rfc3339(ms));
}

/// Reads a message's number. Data frames add a `.0` to whole numbers in a column with an empty cell.
pub(super) fn parse_seq(text: &str) -> Option<u64> {
    let whole = text.strip_suffix(".0").unwrap_or(text);
    whole.parse().ok().filter(|&seq| seq > 0)
}

/// Whether a value with this name would be mistaken for another field of a message's `data`.
#[must_use]
pub fn is_field_of_data(name: &str) -> bool {
    matches!(name, "timestamp" | "top" | CONTAINERS)
}

/// Reads the object of `extra`, and appends its values to those of the columns.
pub(super) struct ExtraReader<'a> {
    pub(super) columns: &'a Columns,
    /// The names in the last such object: this one usually has the same, so they needn't be allocated again.
    pub(super) known: &'a mut Vec<Arc<str>>,
    pub(super) values: &'a mut Vec<(Arc<str>, f64)>,
    pub(super) containers: &'a mut Option<Vec<Container>>,
}

impl ExtraReader<'_> {
    pub(super) fn read(self, text: &str) -> Result<(), serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        self.deserialize(&mut json)?;
        json.end()
    }

    fn shared(&mut self, nth: usize, name: &str) -> Arc<str> {
        match self.known.get(nth) {
            Some(known) if **known == *name => known.clone(),
            _ => {
                let name = Arc::<str>::from(name);
                self.known.truncate(nth);
                self.known.push(name.clone());
                name
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for ExtraReader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ExtraReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of numbers, and containers")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        #[derive(Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

        let mut nth = 0;
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            if name == CONTAINERS && !self.columns.has_containers() {
                *self.containers = Some(map.next_value()?);
                continue;
            }
            let value = map.next_value::<f64>()?;
            if is_field_of_data(&name) || self.columns.index_of(&name, usize::MAX).is_some() {
                return Err(A::Error::custom("a name that is not for extra"));
            }
            let name = self.shared(nth, &name);
            self.values.push((name, value));
            nth += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::time::parse_timestamp;
    use super::*;
    use crate::protocol::LAST_TIMESTAMP;
    use proptest::prelude::*;

    #[test]
    fn times_have_exactly_three_decimals() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_529_251_204, "2026-11-24T14:07:31.204Z"),
            (1_709_164_799_999, "2024-02-28T23:59:59.999Z"),
            (LAST_TIMESTAMP, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            let mut text = Vec::new();
            push_timestamp(&mut text, ms);
            assert_eq!(text, expected.as_bytes());
            assert_eq!(
                parse_timestamp(expected),
                Ok(ms.min(LAST_TIMESTAMP)),
                "{expected}"
            );
        }
    }

    #[test]
    fn json_in_a_cell_cannot_control_a_terminal() {
        let (mut text, mut object) = (Vec::new(), Vec::new());
        let evil = "a\u{9b}\u{7f}\u{202e}é\u{1b}";
        push_quoted(&mut text, |out| out.push_json(evil));
        push_quoted(&mut object, |out| {
            out.push_extra([(evil.into(), 1.0)].iter(), None)
        });
        let escaped = r#"""a\u009b\u007f\u202eé\u001b"""#;
        assert_eq!(String::from_utf8(text).unwrap(), format!("\"{escaped}\""));
        let object = String::from_utf8(object).unwrap();
        assert_eq!(object, format!("\"{{{escaped}:1}}\""));
    }

    #[test]
    fn names_in_extra_are_shared_with_the_row_before_and_not_collected() {
        let columns = Columns::new(["cpu"]);
        let mut known = Vec::new();
        for text in [
            "{\"a\":1,\"b\":2}",
            "{\"b\":3}",
            "{\"c\":4,\"d\":5}",
            "{\"c\":6}",
        ] {
            let mut values = Vec::new();
            let extra = ExtraReader {
                columns: &columns,
                known: &mut known,
                values: &mut values,
                containers: &mut None,
            };
            extra.read(text).unwrap();
            assert!(Arc::ptr_eq(&known[0], &values[0].0));
            assert!(known.len() <= 2);
        }
    }

    proptest! {
        #[test]
        fn texts_are_quoted_as_the_csv_crate_does(text in prop_oneof![any::<String>(), "[a\",\n\r ;=]{0,9}"]) {
            let mut ours = b"x,".to_vec();
            push_text(&mut ours, &text);
            ours.push(b'\n');
            let mut theirs = csv::Writer::from_writer(Vec::new());
            theirs.write_record(["x", &text]).unwrap();
            prop_assert_eq!(ours, theirs.into_inner().unwrap());
        }

        #[test]
        fn every_time_survives(ms in 0..=LAST_TIMESTAMP) {
            let mut text = Vec::new();
            push_timestamp(&mut text, ms);
            prop_assert_eq!(parse_timestamp(std::str::from_utf8(&text).unwrap()), Ok(ms));
        }
    }
}
