//! The effects of the keys and the meanings of the shapes.

use super::page_parts::{Canvas, LinePart, rule, spread};
use super::style::Tone;
use super::styled_line::StyledLine;

/// From this width on, the shapes stand beside the keys.
const BESIDE: usize = 76;

/// Where they begin.
const SECOND: usize = 50;

/// The lines of the help.
pub(super) fn help(canvas: Canvas) -> Vec<StyledLine> {
    let mut lines = vec![
        spread(vec![LinePart::new(0, Tone::Bold, "help")], &[], canvas),
        rule(canvas),
    ];
    let shapes = shapes(canvas);
    if canvas.width >= BESIDE {
        let mut shapes = shapes.into_iter();
        for mut line in keys(canvas) {
            if let Some(shape) = shapes.next() {
                line = line.clip(SECOND - 1, canvas.style);
                line.pad(SECOND - 1);
                line.append(shape);
            }
            lines.push(line);
        }
    } else {
        lines.extend(keys(canvas));
        lines.push(StyledLine::default());
        lines.extend(shapes);
    }
    lines.extend(
        [
            "Mouse: hold Shift to select text; --no-mouse turns clicks and the wheel off.",
            "Charts: newest right; blank = no data; the highest of a dot's samples is kept.",
            "Processes: % of the whole machine; (came and went) lived less than a sample.",
            "Load is read against cores; pressure is the share of time that tasks waited.",
            "Looking back, the first line tells of then, the second of now.",
        ]
        .map(|text| StyledLine::new(Tone::Dim, format!(" {text}"))),
    );
    lines
}

fn keys(canvas: Canvas) -> Vec<StyledLine> {
    let glyphs = canvas.style.glyphs();
    [
        ("+  -", "zoom: from 30 s to all that is held"),
        (glyphs.left_right, "a dot back or on (Shift: ten); click"),
        ("PgUp PgDn", "a window back or on; hosts: a page"),
        ("[  ]", "to the mark before or after"),
        ("Home End", "the oldest; live; hosts: first, last"),
        ("c  m", "processes by CPU, by memory"),
        ("v", "all values of the host"),
        ("e", "events of what is held"),
        (glyphs.up_down, "select, scroll; also click and wheel"),
        ("Enter Esc", "open; back"),
        ("s  S", "sort hosts; reverse"),
        ("/", "filter hosts by name"),
        ("p, space", "pause the display only"),
        ("r", "retry now"),
        ("Ctrl-Z", "suspend; fg returns"),
        ("q, Ctrl-C", "quit"),
    ]
    .map(|(key, meaning)| {
        let mut line = StyledLine::new(Tone::Bold, format!(" {key:<10}"));
        line.push(Tone::Plain, format!(" {meaning}"));
        line
    })
    .into()
}

fn shapes(canvas: Canvas) -> Vec<StyledLine> {
    let glyphs = canvas.style.glyphs();
    let marks = [
        (glyphs.live, Tone::Good, "live".to_owned()),
        (glyphs.stale, Tone::Warn, "stale: data is old".into()),
        (glyphs.down, Tone::Critical, "down: no data".into()),
        (glyphs.back, Tone::Past, "looking back".into()),
        (glyphs.replay, Tone::Past, "a replay".into()),
        (glyphs.over, Tone::Dim, "the recording is over".into()),
        ("", Tone::Plain, String::new()),
        (glyphs.alert, Tone::Critical, "an alert fires".into()),
        (glyphs.resolved, Tone::Plain, "an alert is over".into()),
        ("!!", Tone::Critical, "at the critical level".into()),
        ("!", Tone::Warn, "at the warning level".into()),
        (glyphs.well, Tone::Plain, "nothing is wrong".into()),
        (glyphs.gap, Tone::Dim, "a gap;  R a restart".into()),
    ];
    marks
        .map(|(shape, tone, meaning)| {
            let mut line = StyledLine::new(tone, format!(" {shape:<3}"));
            line.push(Tone::Plain, meaning);
            line
        })
        .into()
}
