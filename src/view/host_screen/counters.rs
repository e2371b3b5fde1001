//! Values without a chart or a table, and the newest events.

use std::time::Duration;

use crate::protocol::{Rank, section};
use crate::wording::span;

use super::super::marks::occurrences;
use super::super::metric::Level;
use super::super::occurrence_text::{who, words};
use super::super::page_parts::level_mark;
use super::super::scale::tenths;
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units::{self, grouped};
use super::blocks::{ChartKind, rate_scale};
use super::picture::Picture;

/// The counters of the catalogue, in their order.
const KNOWN: [(&str, &str); 16] = [
    ("TCP connections", "tcpConnections"),
    ("file descriptors", "fileDescriptors"),
    ("", "requestsPerSecond"),
    ("conntrack", "conntrack"),
    ("listen drops", "listenDrops"),
    ("temperature", "temperature"),
    ("active users", "activeUsers"),
    ("agent CPU", "agentCpu"),
    ("retransmits", "tcpRetransmits"),
    ("agent memory", "agentMemory"),
    ("swap in", "swapIn"),
    ("swap out", "swapOut"),
    ("OOM kills", "oomKills"),
    ("processes", "processCount"),
    ("viewers", "viewers"),
    ("network errors", "networkErrors"),
];

/// The metrics that are shown here: those of the application first, because nothing else shows them.
fn shown<'a>(picture: &'a Picture<'_>) -> Vec<(&'a str, usize)> {
    let own = picture.host.metrics.iter().enumerate();
    let own = own.filter(|(_, metric)| {
        let is_own = metric.section == section::APPLICATION || is_unknown(&metric.section);
        is_own && !metric.key.contains(':') && metric.rank != Rank::Header
    });
    let own = own.filter(|(_, metric)| !KNOWN.iter().any(|(_, name)| *name == &*metric.key));
    let known = KNOWN.iter().filter_map(|(label, name)| {
        let index = picture.find(name).filter(|_| picture.has_counted(name))?;
        let label = if label.is_empty() {
            &picture.host.metrics[index].label
        } else {
            *label
        };
        Some((label, index))
    });
    own.map(|(index, metric)| (&*metric.label, index))
        .chain(known)
        .collect()
}

fn is_unknown(name: &str) -> bool {
    ![
        section::CPU,
        section::MEMORY,
        section::FILESYSTEMS,
        section::DISKS,
        section::NETWORK,
        section::TEMPERATURES,
        section::SYSTEM,
        section::AGENT,
    ]
    .contains(&name)
}

/// Whether the metric `name` has its place here.
pub(super) fn has(name: &str) -> bool {
    KNOWN.iter().any(|(_, known)| *known == name)
}

/// How many there are.
pub(super) fn count(picture: &Picture<'_>) -> usize {
    shown(picture).len()
}

/// The counters in two columns of `height` lines.
pub(super) fn lines(picture: &Picture<'_>, width: usize, height: usize) -> Vec<StyledLine> {
    let counters = shown(picture);
    let half = width / 2;
    (0..height)
        .map(|row| {
            let mut line = StyledLine::default();
            for (column, place) in [row * 2, row * 2 + 1].into_iter().enumerate() {
                if let Some((label, index)) = counters.get(place) {
                    line.pad(column * half);
                    line.append(counter(picture, label, *index, half - 2));
                }
            }
            line
        })
        .collect()
}

/// A name at the left and a value at the right of `width` columns.
fn counter(picture: &Picture<'_>, label: &str, index: usize, width: usize) -> StyledLine {
    let metric = &picture.host.metrics[index];
    let value = picture.value(&metric.key);
    let level = value.map_or(Level::Normal, |value| metric.level(value));
    let text = value.map_or_else(|| "-".into(), |value| counted(value, &metric.unit));
    let (mark, tone) = level_mark(level);
    let text = if mark.is_empty() {
        text
    } else {
        format!("{mark} {text}")
    };
    let value = StyledLine::new(tone, text);
    let room = width.saturating_sub(value.width() + 1);
    let mut line = StyledLine::new(Tone::Dim, label).clip(room, picture.canvas.style);
    line.pad(width.saturating_sub(value.width()));
    line.append(value);
    line
}

fn counted(value: f64, unit: &str) -> String {
    match unit {
        "" | "users" if value.fract() == 0.0 => grouped(value),
        _ => units::value(value, unit),
    }
}

/// The newest events, `height` lines with their title.
pub(super) fn events(picture: &Picture<'_>, width: usize, height: usize) -> Vec<StyledLine> {
    let mut lines = vec![StyledLine::new(Tone::Dim, "EVENTS (e)")];
    let style = picture.canvas.style;
    let all = occurrences(picture.host, picture.step);
    for it in all.iter().take(height.saturating_sub(1)) {
        let mut line = StyledLine::new(it.kind.tone(), it.kind.shape(style.glyphs()));
        let lasted = span(Duration::from_millis(it.ended.saturating_sub(it.began)));
        let what = words(it, width < 60);
        line.push(
            Tone::Plain,
            format!(
                " {} {lasted:>9}  {what}",
                picture.host.clock(it.began, picture.canvas.now)
            ),
        );
        if let Some(who) = who(it) {
            line.push(Tone::Dim, format!("  {who}"));
        }
        lines.push(line.clip(width, style));
    }
    if all.len() + 1 < height {
        let held = picture
            .host
            .newest_time()
            .saturating_sub(picture.host.oldest_time());
        let other = if all.is_empty() {
            "nothing"
        } else {
            "nothing else"
        };
        let text = format!(
            "  {other} in the {} held",
            span(Duration::from_millis(held))
        );
        lines.push(StyledLine::new(Tone::Dim, text).clip(width, style));
    }
    lines
}

/// One line each for the busiest disk and interface, for connections and for swap.
pub(super) fn in_short(picture: &Picture<'_>) -> Vec<StyledLine> {
    let mut lines = Vec::new();
    let number = |name: &str, format: fn(f64) -> String| {
        picture.value(name).map_or_else(|| "-".into(), format)
    };
    let moved = |names: [&str; 2]| names.iter().any(|name| picture.has_counted(name));
    if moved(["diskWrites", "diskAwait"]) {
        lines.push(pair(
            picture,
            ("disk", format!("{} w/s", number("diskWrites", grouped))),
            ("await", number("diskAwait", tenths), "diskAwait"),
        ));
    }
    if moved(["networkPacketsReceived", "networkDrops"]) {
        lines.push(pair(
            picture,
            (
                "net",
                format!("{} pk/s", number("networkPacketsReceived", grouped)),
            ),
            (
                "drops",
                format!("{}/s", number("networkDrops", tenths)),
                "networkDrops",
            ),
        ));
    }
    if moved(["tcpConnections", "listenDrops"]) {
        lines.push(pair(
            picture,
            ("tcp", number("tcpConnections", grouped)),
            (
                "listen drops",
                format!("{}/s", number("listenDrops", tenths)),
                "listenDrops",
            ),
        ));
    }
    if picture.has_counted("swap") {
        let scale = rate_scale(picture, "swapIn");
        lines.push(pair(
            picture,
            ("swap", format!("{} %", number("swap", tenths))),
            (
                "in",
                picture.value("swapIn").map_or_else(
                    || "-".into(),
                    |value| format!("{} {}", scale.number(value), scale.unit("B/s")),
                ),
                "swapIn",
            ),
        ));
    }
    lines
}

/// `swap 8.1 %     in  1.2 MB/s`, in 28 columns; only the first half if the metric of the second never was anything.
fn pair(
    picture: &Picture<'_>,
    (name, value): (&str, String),
    (other, more, metric): (&str, String, &str),
) -> StyledLine {
    const WIDTH: usize = 28;
    let mut line = StyledLine::new(Tone::Dim, format!("{name:<5}"));
    line.push(Tone::Plain, value);
    if !picture.has_counted(metric) {
        return line;
    }
    let tone = level_mark(picture.level(metric)).1;
    let more = StyledLine::new(tone, more);
    line.pad(WIDTH.saturating_sub(other.len() + 1 + more.width()));
    line.push(Tone::Dim, format!("{other} "));
    line.append(more);
    line
}

/// `0.4` of `0.4 MB/s`, and the unit.
pub(super) fn rate_parts(picture: &Picture<'_>, kind: ChartKind) -> (String, String) {
    let scale = rate_scale(picture, kind.metric());
    let value = picture.value(kind.metric());
    let number = value.map_or_else(|| "-".into(), |value| scale.number(value));
    (number, scale.unit("B/s"))
}
