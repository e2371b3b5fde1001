//! A whole screen.

use super::fleet;
use super::host;
use super::line::Line;
use super::page::{Canvas, Part, footer, mark, rule, spread};
use super::state::{Now, Standing, State};
use super::style::{Style, Tone};
use super::ui::{Page, Ui};

/// Below this height the screen has no blank line above the keys.
const ROOMY: usize = 12;

/// The screen at `now`: exactly `height` lines, none wider than `width` columns.
#[must_use]
pub fn frame(
    state: &State,
    ui: &Ui,
    width: usize,
    height: usize,
    style: Style,
    now: Now,
) -> Vec<String> {
    let canvas = Canvas {
        paused: ui.paused,
        ..Canvas::new(width, style, now)
    };
    let (mut lines, bottom) = if ui.help {
        (help(canvas), footer(&[("any key", "back")], None, canvas))
    } else {
        pages(state, ui, body_height(height), canvas)
    };
    lines.truncate(body_height(height));
    lines.resize(height.saturating_sub(1), Line::default());
    lines.push(bottom);
    lines.truncate(height);
    lines
        .into_iter()
        .map(|line| line.clip(width, style).render(style))
        .collect()
}

/// What a screen shows, in as many lines as it takes: for `--once`, and to be left behind.
#[must_use]
pub fn report(
    state: &State,
    ui: &Ui,
    width: usize,
    height: Option<usize>,
    style: Style,
    now: Now,
) -> Vec<String> {
    let canvas = Canvas::new(width, style, now);
    let (lines, _) = pages(state, ui, height.unwrap_or(usize::MAX / 2), canvas);
    let mut lines: Vec<String> = lines
        .into_iter()
        .map(|line| line.clip(width, style).render(style))
        .collect();
    while lines.pop_if(|line| line.is_empty()).is_some() {}
    lines
}

/// The lines above the bottom one.
pub(super) fn body_height(height: usize) -> usize {
    height.saturating_sub(if height < ROOMY { 1 } else { 2 })
}

fn pages(state: &State, ui: &Ui, height: usize, canvas: Canvas) -> (Vec<Line>, Line) {
    let arrows = canvas.style.glyphs().up_down;
    let mut keys = vec![("q", "quit")];
    let back = ui.is_open(state, canvas.now);
    if back {
        keys.push(("Esc", "back"));
    }
    let (lines, reach) = match ui.page(state, canvas.now) {
        Page::Fleet { selected } => {
            keys.extend([("Enter", "open"), (arrows, "select")]);
            (fleet::page(state, selected, height, canvas), None)
        }
        Page::Host(host) => {
            if height < usize::MAX / 2 && host::scroll_end(state, host, height, canvas) > 0 {
                keys.push((arrows, "scroll"));
            }
            (
                host::page(state, host, ui.scroll(), height, canvas),
                Some(host.reach()),
            )
        }
        Page::Server(server) => (host::server_page(server, canvas), None),
    };
    keys.extend([("?", "help"), ("p", "pause")]);
    if ui.paused {
        keys.pop();
        keys.push(("p", "go on"));
    }
    (lines, footer(&keys, reach, canvas))
}

/// What the keys do and the shapes mean.
fn help(canvas: Canvas) -> Vec<Line> {
    let glyphs = canvas.style.glyphs();
    let mut lines = vec![
        spread(vec![Part::new(0, Tone::Bold, "help")], &[], canvas),
        rule(canvas),
    ];
    let arrows = format!("{} j k", glyphs.up_down);
    let arrows = if canvas.style.unicode {
        arrows.as_str()
    } else {
        "j k"
    };
    for (key, meaning) in [
        ("q, Ctrl-C", "quit"),
        ("p, space", "pause the display; data go on being taken"),
        (arrows, "select a host, or scroll its metrics"),
        ("Enter", "open the selected host"),
        ("Esc", "back to all hosts"),
    ] {
        let mut line = Line::new(Tone::Bold, format!(" {key:<10}"));
        line.push(Tone::Plain, format!(" {meaning}"));
        lines.push(line);
    }
    lines.push(Line::default());
    for (standing, meaning) in [
        (Standing::Live, "samples arrive"),
        (Standing::Stale, "old data; reconnecting or waiting"),
        (
            Standing::Down,
            "no data, or none for longer than the window",
        ),
        (Standing::Over, "the recording is over"),
    ] {
        let (shape, word, tone) = mark(standing, canvas.style);
        let mut line = Line::new(tone, format!(" {shape} {word:<8}"));
        line.push(Tone::Plain, format!(" {meaning}"));
        lines.push(line);
    }
    for (shape, tone, meaning) in [
        ("!", Tone::Warn, "at the warning level"),
        ("!!", Tone::Critical, "at the critical level"),
    ] {
        let mut line = Line::new(tone, format!(" {shape:<10}"));
        line.push(Tone::Plain, format!(" {meaning}"));
        lines.push(line);
    }
    let trends = format!(" {} {} {}", glyphs.rising, glyphs.falling, glyphs.steady);
    lines.push(Line::new(
        Tone::Plain,
        format!("{trends:<11} the last 5 samples against the 5 before"),
    ));
    lines
}
