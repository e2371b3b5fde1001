//! A whole screen.

use crate::wording::exact_span;

use super::fleet_page;
use super::host_page;
use super::moment::HowFarBack;
use super::page_parts::{Canvas, LinePart, body_height, footer, mark, rule, spread};
use super::sentence::{self, Situation};
use super::state::{Now, Status, ViewState};
use super::style::{Style, Tone};
use super::styled_line::StyledLine;
use super::ui::{Page, Ui};

/// The most problems that a report begins with.
const SENTENCES: usize = 3;

/// The screen at `now`: exactly `height` lines, none wider than `width` columns.
#[must_use]
pub fn frame(
    state: &ViewState,
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
    } else if let Some(scroll) = ui.events() {
        events(state, ui, scroll, body_height(height), canvas)
    } else {
        pages(state, ui, body_height(height), canvas)
    };
    lines.truncate(body_height(height));
    lines.resize(height.saturating_sub(1), StyledLine::default());
    lines.push(bottom);
    lines.truncate(height);
    lines
        .into_iter()
        .map(|line| line.clip(width, style).render(style))
        .collect()
}

/// What a screen shows, in as many lines as it takes: for `--once`, and to be left in the scrollback.
#[must_use]
pub fn report(
    state: &ViewState,
    ui: &Ui,
    width: usize,
    height: Option<usize>,
    style: Style,
    now: Now,
) -> Vec<String> {
    let canvas = Canvas::new(width, style, now);
    let sentences = match ui.page(state, now) {
        Page::Host(host) => {
            sentence::lines(&Situation { state, host, now }, SENTENCES, width, style)
        }
        Page::Fleet { .. } | Page::Server(_) => Vec::new(),
    };
    let height = height
        .unwrap_or(usize::MAX / 2)
        .saturating_sub(sentences.len());
    let (lines, _) = pages(state, ui, height, canvas);
    let mut lines: Vec<String> = (sentences.into_iter().chain(lines))
        .map(|line| line.clip(width, style).render(style))
        .collect();
    while lines.pop_if(|line| line.is_empty()).is_some() {}
    lines
}

fn pages(
    state: &ViewState,
    ui: &Ui,
    height: usize,
    canvas: Canvas,
) -> (Vec<StyledLine>, StyledLine) {
    let glyphs = canvas.style.glyphs();
    let mut keys = vec![("q", "quit")];
    if state.back.is_some() {
        keys.extend([("End", "live"), (glyphs.left_right, "time")]);
    } else if ui.is_open(state) {
        keys.push(("Esc", "back"));
    }
    let typed = ui.typing().map(|filter| format!("/{filter}_"));
    let sort = format!("sort: {}", ui.choice().order.word());
    let (lines, right) = match ui.page(state, canvas.now) {
        Page::Fleet { selected } => {
            if let Some(typed) = &typed {
                keys = vec![(typed, ""), ("Enter", "keep"), ("Esc", "all hosts")];
            } else {
                keys.extend([("Enter", "open"), (glyphs.up_down, "select")]);
                keys.extend([("s", sort.as_str()), ("/", "filter")]);
            }
            let lines = fleet_page::page(state, ui.choice(), selected, height, canvas);
            (lines, None)
        }
        Page::Host(host) => {
            if height < usize::MAX / 2 && host_page::scroll_end(state, host, height, canvas) > 0 {
                keys.push((glyphs.up_down, "scroll"));
            }
            let lines = host_page::page(state, host, ui.scroll(), height, canvas);
            (lines, Some(format!("last {}", exact_span(host.reach()))))
        }
        Page::Server(server) => (host_page::server_page(state, server, canvas), None),
    };
    if ui.typing().is_none() {
        keys.push(("?", "help"));
    }
    if let Some(back) = state.back {
        keys.push(("e", "events"));
        return (lines, footer(&keys, Some(counted(back)), canvas));
    }
    if ui.typing().is_none() {
        keys.push((glyphs.left_right, "time"));
        keys.push(("e", "events"));
        keys.push(("p", if ui.paused { "go on" } else { "pause" }));
    }
    (lines, footer(&keys, right, canvas))
}

/// What fired and was resolved.
fn events(
    state: &ViewState,
    ui: &Ui,
    scroll: usize,
    height: usize,
    canvas: Canvas,
) -> (Vec<StyledLine>, StyledLine) {
    let list = ui.event_list(state, canvas.now);
    let mut keys = vec![("q", "quit"), ("e", "back")];
    if list.scroll_end(height) > 0 {
        keys.push((canvas.style.glyphs().up_down, "scroll"));
    }
    keys.push(("?", "help"));
    let lines = list.page(scroll, height, ui.reading, canvas);
    (lines, footer(&keys, list.counted(scroll, height), canvas))
}

/// Which of the kept samples is shown.
fn counted(back: HowFarBack) -> String {
    let HowFarBack { number, of, .. } = back;
    if back.reading {
        format!("reading older  {number} of {of}")
    } else {
        format!("{number} of {of}")
    }
}

/// The effects of the keys and the meanings of the shapes.
fn help(canvas: Canvas) -> Vec<StyledLine> {
    let glyphs = canvas.style.glyphs();
    let mut lines = vec![
        spread(vec![LinePart::new(0, Tone::Bold, "help")], &[], canvas),
        rule(canvas),
    ];
    let (up_down, left_right) = if canvas.style.unicode {
        ("↑↓ j k", "←→ h l")
    } else {
        ("j k", "h l")
    };
    for (key, meaning) in [
        ("q, Ctrl-C", "quit"),
        ("p, space", "pause the display; data is still received"),
        (up_down, "select a host, or scroll its metrics"),
        ("Enter", "open the selected host"),
        ("Esc", "back: to live, to all hosts"),
        (
            left_right,
            "one sample back or forward; PgUp PgDn, Shift: ten",
        ),
        ("Home, End", "the oldest sample; back to live"),
        ("e", "events: what fired and was resolved; Esc, e: back"),
        ("s", "sort hosts by name, cpu, memory, load"),
        ("/", "show only hosts whose name contains this"),
    ] {
        let mut line = StyledLine::new(Tone::Bold, format!(" {key:<10}"));
        line.push(Tone::Plain, format!(" {meaning}"));
        lines.push(line);
    }
    lines.push(StyledLine::default());
    for (status, meaning) in [
        (Status::Live, "samples arrive"),
        (Status::Stale, "old data; reconnecting or waiting"),
        (Status::Down, "no data, or none for longer than the window"),
        (Status::Over, "the recording is over"),
    ] {
        let (shape, word, tone) = mark(status, canvas.style);
        let mut line = StyledLine::new(tone, format!(" {shape} {word:<8}"));
        line.push(Tone::Plain, format!(" {meaning}"));
        lines.push(line);
    }
    for (shape, tone, meaning) in [
        (glyphs.alert, Tone::Critical, "an alert fires"),
        (glyphs.resolved, Tone::Plain, "an alert is over"),
        ("!", Tone::Warn, "at the warning level"),
        ("!!", Tone::Critical, "at the critical level"),
    ] {
        let mut line = StyledLine::new(tone, format!(" {shape:<10}"));
        line.push(Tone::Plain, format!(" {meaning}"));
        lines.push(line);
    }
    let trends = format!(" {} {} {}", glyphs.rising, glyphs.falling, glyphs.steady);
    lines.push(StyledLine::new(
        Tone::Plain,
        format!("{trends:<11} the last 5 samples against the 5 before"),
    ));
    lines
}
