//! The cell that says what kind of row it is.

use super::cell::{push_plain, push_quoted};
use super::row::Row;
use crate::protocol::{Alert, Gap, GapReason, Numbered};

/// The contents of the cell `event`.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    Sample,
    Alert(Box<Alert>),
    Gap(Gap),
}

impl Event {
    /// Reads the cell; `None` if it is unknown.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            Some(Self::Sample)
        } else if let Some(alert) = text.strip_prefix("alert ") {
            serde_json::from_str(alert).ok().map(Self::Alert)
        } else {
            text.strip_prefix("gap ").and_then(parse_gap).map(Self::Gap)
        }
    }
}

/// Appends the cell of `row`.
pub(super) fn push_event(out: &mut Vec<u8>, row: &Row) {
    match row {
        Row::Numbered(Numbered { alert: None, .. }) => {}
        Row::Numbered(Numbered {
            alert: Some(alert), ..
        }) => push_quoted(out, |out| {
            out.push(b"alert ");
            out.push_json(alert);
        }),
        Row::Gap { gap, .. } => push_gap(out, *gap),
    }
}

fn push_gap(out: &mut Vec<u8>, gap: Gap) {
    out.extend_from_slice(match gap.reason {
        GapReason::Expired => b"gap expired",
        GapReason::Restarted => b"gap restarted",
    });
    match (gap.from, gap.to) {
        (None, None) => {}
        (Some(from), Some(to)) => push_plain(out, format_args!(" {from}-{to}")),
        (Some(from), None) => push_plain(out, format_args!(" {from}-")),
        (None, Some(to)) => push_plain(out, format_args!(" -{to}")),
    }
}

fn parse_gap(text: &str) -> Option<Gap> {
    let (reason, numbers) = match text.split_once(' ') {
        Some((reason, numbers)) => (reason, Some(numbers)),
        None => (text, None),
    };
    let reason = match reason {
        "expired" => GapReason::Expired,
        "restarted" => GapReason::Restarted,
        _ => return None,
    };
    let (from, to) = match numbers {
        None => (None, None),
        Some("-") => return None,
        Some(numbers) => {
            let (from, to) = numbers.split_once('-')?;
            (parse_end(from)?, parse_end(to)?)
        }
    };
    Some(Gap { from, to, reason })
}

#[expect(
    clippy::option_option,
    reason = "the outer is whether it can be read, the inner whether it is known"
)]
fn parse_end(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        Some(None)
    } else {
        text.parse().ok().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reason: GapReason, from: Option<u64>, to: Option<u64>, expected: &str) {
        let gap = Gap { from, to, reason };
        let mut text = Vec::new();
        push_gap(&mut text, gap);
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert_eq!(Event::parse(expected), Some(Event::Gap(gap)));
    }

    #[test]
    fn gaps_contain_the_known_numbers() {
        check(GapReason::Expired, Some(13), Some(57), "gap expired 13-57");
        check(GapReason::Expired, None, None, "gap expired");
        check(GapReason::Expired, Some(13), None, "gap expired 13-");
        check(GapReason::Expired, None, Some(57), "gap expired -57");
        check(GapReason::Restarted, None, None, "gap restarted");
    }

    #[test]
    fn anything_else_is_not_an_event() {
        for bad in [
            "gap",
            "gap ",
            "gap lost",
            "gap expired ",
            "gap expired -",
            "gap expired 13",
            "gap expired 1-2-3",
            "alert",
            "alert {}",
            "sample",
            " ",
        ] {
            assert_eq!(Event::parse(bad), None, "{bad}");
        }
    }
}
