//! One packet: lines of `NAME:VALUE[:VALUE…]|TYPE[|@RATE][|#TAGS][|…]`, parsed by hand over bytes.
//!
//! A line is accepted or refused as a whole, whatever the others of its packet are.

use crate::protocol::may_report;

/// Everything that a packet says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Packet<'a> {
    /// The values of its valid lines, in order.
    pub(super) reports: Vec<Report<'a>>,
    /// The refused lines.
    pub(super) refused: Vec<(&'a [u8], LineRefusal)>,
    /// The first valid line with tags or other fields that mean nothing here.
    pub(super) with_unused_fields: Option<&'a [u8]>,
}

/// One value of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Report<'a> {
    /// The line that contains it.
    pub(super) line: &'a [u8],
    /// A name that an application may use.
    pub(super) name: &'a str,
    pub(super) action: Action<'a>,
}

/// What a value does to its metric. All numbers are finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Action<'a> {
    /// A gauge has this value now.
    Set(f64),
    /// A gauge changes by this much.
    Shift(f64),
    /// So many events happened, scaled by the sample rate.
    Count(f64),
    /// Something took this long or was this large.
    Observe {
        value: f64,
        /// How many observations this one stands for, according to the sample rate.
        weight: f64,
        /// `ms` for a timer, empty for a histogram.
        unit: &'static str,
    },
    /// A set has this member.
    Include(&'a [u8]),
}

/// Why a line was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineRefusal {
    /// It isn't of the form above.
    Malformed,
    /// An application may not use its name.
    Name,
    /// A value is infinite or not a number, or would make the metric so.
    NotFinite,
    /// Its name is in use by a metric of another type.
    Type,
    /// There are too many names already.
    TooManyNames,
    /// It is an event or a service check.
    NotMetric,
}

/// Reads a packet. If it was `cut_off` at its end, its last line is not to be trusted.
pub(super) fn read_packet(packet: &[u8], cut_off: bool) -> Packet<'_> {
    let mut read = Packet::default();
    let mut lines = packet.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let is_half = cut_off && lines.peek().is_none();
        if line.is_empty() {
            continue;
        }
        let before = read.reports.len();
        let result = if is_half {
            Err(LineRefusal::Malformed)
        } else {
            read_line(line, &mut read.reports)
        };
        match result {
            Ok(Fields { has_unused, .. }) => {
                let first = read.with_unused_fields.or(has_unused.then_some(line));
                read.with_unused_fields = first;
            }
            Err(refusal) => {
                read.reports.truncate(before);
                read.refused.push((line, refusal));
            }
        }
    }
    read
}

/// Appends what `line` reports. If it is refused, some of it may have been appended.
fn read_line<'a>(line: &'a [u8], reports: &mut Vec<Report<'a>>) -> Result<Fields, LineRefusal> {
    if line.starts_with(b"_e{") || line.starts_with(b"_sc|") {
        return Err(LineRefusal::NotMetric);
    }
    let colon = line.iter().position(|byte| *byte == b':');
    let (name, rest) = line.split_at(colon.ok_or(LineRefusal::Malformed)?);
    let mut parts = rest[1..].split(|byte| *byte == b'|');
    let values = parts.next().unwrap_or_default();
    let kind = parts.next().ok_or(LineRefusal::Malformed)?;
    let fields = Fields::read(parts)?;
    let mut add = |action| {
        let name = str::from_utf8(name).ok().filter(|name| may_report(name));
        let name = name.ok_or(LineRefusal::Name)?;
        reports.push(Report { line, name, action });
        Ok(())
    };
    match kind {
        // A member may be any text, even one with colons.
        b"s" if values.is_empty() => Err(LineRefusal::Malformed),
        b"s" => add(Action::Include(values)),
        b"g" | b"c" | b"ms" | b"h" | b"d" => {
            let mut each = values.split(|byte| *byte == b':');
            each.try_for_each(|value| add(fields.action(kind, value)?))
        }
        _ => Err(LineRefusal::Malformed),
    }?;
    Ok(fields)
}

/// The fields after the type.
struct Fields {
    /// The share of events that are reported: above 0, at most 1.
    rate: f64,
    /// Whether there are fields that mean nothing here.
    has_unused: bool,
}

impl Fields {
    fn read<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Result<Self, LineRefusal> {
        let mut fields = Self {
            rate: 1.0,
            has_unused: false,
        };
        for part in parts {
            if let Some(rate) = part.strip_prefix(b"@") {
                fields.rate = number(rate)?;
                if !(0.0 < fields.rate && fields.rate <= 1.0) {
                    return Err(LineRefusal::Malformed);
                }
            } else if is_unused(part) {
                fields.has_unused = true;
            } else {
                return Err(LineRefusal::Malformed);
            }
        }
        Ok(fields)
    }

    /// What the number `value` of a metric of this `kind` does.
    fn action(&self, kind: &[u8], value: &[u8]) -> Result<Action<'static>, LineRefusal> {
        let number = number(value)?;
        let weight = finite(1.0 / self.rate)?;
        Ok(match kind {
            b"g" if value.starts_with(b"+") || value.starts_with(b"-") => Action::Shift(number),
            b"g" => Action::Set(number),
            b"c" => Action::Count(finite(number / self.rate)?),
            _ => Action::Observe {
                value: number,
                weight,
                unit: if kind == b"ms" { "ms" } else { "" },
            },
        })
    }
}

/// Whether a field is one that DogStatsD defines and that means nothing here: tags (`#…`), a timestamp (`T…`), a container
/// (`c:…`), or one that a later version defines in this form (`card:…`).
fn is_unused(field: &[u8]) -> bool {
    match field {
        [b'#', ..] => true,
        [b'T', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => {
            let colon = field.iter().position(|byte| *byte == b':');
            colon.is_some_and(|at| 0 < at && field[..at].iter().all(u8::is_ascii_lowercase))
        }
    }
}

/// A decimal number.
fn number(text: &[u8]) -> Result<f64, LineRefusal> {
    let number = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    // Adding 0 turns -0 into 0.
    finite(number.ok_or(LineRefusal::Malformed)?).map(|number| number + 0.0)
}

fn finite(number: f64) -> Result<f64, LineRefusal> {
    if number.is_finite() {
        Ok(number)
    } else {
        Err(LineRefusal::NotFinite)
    }
}

#[cfg(test)]
mod tests {
    use super::Action::{Count, Include, Observe, Set, Shift};
    use super::LineRefusal::{Malformed, Name, NotFinite, NotMetric};
    use super::*;

    fn timer(value: f64, weight: f64) -> Action<'static> {
        let unit = "ms";
        Observe {
            value,
            weight,
            unit,
        }
    }

    fn size(value: f64) -> Action<'static> {
        let (weight, unit) = (1.0, "");
        Observe {
            value,
            weight,
            unit,
        }
    }

    #[test]
    fn lines_that_are_understood() {
        for (line, expected) in [
            ("a:1|g", &[Set(1.0)][..]),
            ("a:1.5e3|g", &[Set(1500.0)]),
            ("a:+5|g", &[Shift(5.0)]),
            ("a:-5|g", &[Shift(-5.0)]),
            ("a:1:2:+3|g", &[Set(1.0), Set(2.0), Shift(3.0)]),
            ("a:1|c", &[Count(1.0)]),
            ("a:-3|c", &[Count(-3.0)]),
            ("a:+3|c", &[Count(3.0)]),
            ("a:2|c|@0.1", &[Count(20.0)]),
            ("a:1|c|@1", &[Count(1.0)]),
            ("a:320|ms", &[timer(320.0, 1.0)]),
            ("a:320|ms|@0.5", &[timer(320.0, 2.0)]),
            ("a:-0|ms", &[timer(0.0, 1.0)]),
            ("a:1:2:3|h", &[size(1.0), size(2.0), size(3.0)]),
            ("a:.5|d", &[size(0.5)]),
            ("a:alice|s", &[Include(b"alice")]),
            ("a:::1|s", &[Include(b"::1")]),
            ("a:\u{1f600}|s", &[Include("\u{1f600}".as_bytes())]),
            ("a:1|c\r", &[Count(1.0)]),
            ("checkout.latency:1|g", &[Set(1.0)]),
        ] {
            let packet = read_packet(line.as_bytes(), false);
            let actions: Vec<_> = packet.reports.iter().map(|report| report.action).collect();
            assert_eq!((&*actions, &*packet.refused), (expected, &[][..]), "{line}");
            assert_eq!(packet.with_unused_fields, None, "{line}");
        }
    }

    #[test]
    fn fields_of_dogstatsd_are_dropped() {
        for line in [
            "a:1|c|#env:prod,role:web",
            "a:1|c|#",
            "a:1|c|@0.5|#x|c:83c0a99c0a54|T1656581400|e:it-false|card:low",
            "a:1:2|c|#x|@0.5",
            "a:1|c|T0",
        ] {
            let packet = read_packet(line.as_bytes(), false);
            assert!(
                packet.refused.is_empty() && !packet.reports.is_empty(),
                "{line}"
            );
            assert_eq!(packet.with_unused_fields, Some(line.as_bytes()));
        }
    }

    #[test]
    fn lines_that_are_refused() {
        for (line, expected) in [
            ("a", Malformed),
            ("a:", Malformed),
            ("a:1", Malformed),
            ("a:1|", Malformed),
            ("a:1|x", Malformed),
            ("a:1|m", Malformed),
            ("a:1|G", Malformed),
            ("a|c", Malformed),
            ("a:|c", Malformed),
            ("a:|s", Malformed),
            ("a:1:|h", Malformed),
            ("a::1|h", Malformed),
            ("a:1:x:3|h", Malformed),
            ("a:1|c|", Malformed),
            ("a:1|c||#x", Malformed),
            ("a:1|c|@", Malformed),
            ("a:1|c|@0", Malformed),
            ("a:1|c|@0.", Malformed),
            ("a:1|c|@-0.5", Malformed),
            ("a:1|c|@1.5", Malformed),
            ("a:1|c|@x", Malformed),
            ("a:1|c|@nan", NotFinite),
            ("a:1|c|0.5", Malformed),
            ("a:1|c|T", Malformed),
            ("a:1|c|Tx", Malformed),
            ("a:1|c|:x", Malformed),
            ("a: 1|c", Malformed),
            ("a:1 |c", Malformed),
            ("a:0x10|c", Malformed),
            ("a:1,5|c", Malformed),
            ("a:one|c", Malformed),
            ("a:\u{661}|c", Malformed),
            ("a:NaN|g", NotFinite),
            ("a:nan|h", NotFinite),
            ("a:inf|c", NotFinite),
            ("a:-Infinity|g", NotFinite),
            ("a:+inf|g", NotFinite),
            ("a:1e999|g", NotFinite),
            ("a:1e300|c|@1e-300", NotFinite),
            ("a:1|ms|@1e-320", NotFinite),
            (":1|c", Name),
            (" :1|c", Name),
            (" a:1|c", Name),
            ("a b:1|c", Name),
            ("\u{fc}n\u{ef}:1|c", Name),
            ("__proto__:1|g", Name),
            ("cpu:1|g", Name),
            ("timestamp:1|g", Name),
            ("extra:1|g", Name),
            ("a/b:alice|s", Name),
            (" ", Malformed),
            ("_e{5,4}:title|text", NotMetric),
            ("_sc|Redis|2", NotMetric),
        ] {
            let packet = read_packet(line.as_bytes(), false);
            assert_eq!(packet.refused, [(line.as_bytes(), expected)], "{line}");
            assert_eq!(packet.reports, [], "{line}");
        }
    }

    #[test]
    fn a_line_that_is_not_text_is_refused() {
        let bytes = read_packet(b"\xff\xfe:1|c", false);
        assert_eq!(bytes.refused.len(), 1);
    }

    #[test]
    fn a_bad_line_costs_nothing_but_itself() {
        let packet = read_packet(b"a:1|c\n\nb:x|c\r\nc:2:x|h\nd:3|g\ne:4|", false);
        let names: Vec<_> = packet.reports.iter().map(|report| report.name).collect();
        assert_eq!(names, ["a", "d"]);
        let refused: Vec<_> = packet.refused.iter().map(|(line, _)| *line).collect();
        assert_eq!(refused, [&b"b:x|c"[..], b"c:2:x|h", b"e:4|"]);
        assert_eq!(read_packet(b"", false), Packet::default());
        assert_eq!(read_packet(b"\n\n\r\n", false), Packet::default());
    }

    #[test]
    fn the_last_line_of_a_packet_that_was_cut_off_is_refused() {
        let packet = read_packet(b"a:1|c\nb:12|c", true);
        assert_eq!(packet.reports.len(), 1);
        assert_eq!(packet.refused, [(&b"b:12|c"[..], Malformed)]);
    }
}
