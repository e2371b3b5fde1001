//! The last line: the keys that work here.

use std::time::Duration;

use crate::wording::exact_span;

use super::page_parts::{Canvas, footer};
use super::state::{HostState, Status, ViewState};
use super::styled_line::StyledLine;

/// Below this width, there is only room for the keys themselves.
const NARROW: usize = 60;

/// The keys of the screen of a host. `length`: the time that the charts show, in milliseconds.
pub(super) fn of_host(
    state: &ViewState,
    host: &HostState,
    is_one_of_several: bool,
    length: u64,
    canvas: Canvas,
) -> StyledLine {
    let glyphs = canvas.style.glyphs();
    let window = exact_span(Duration::from_millis(length)).replace("60 s", "1 m");
    if canvas.width < NARROW {
        let arrows = glyphs.left_right;
        let keys = format!(" q ? + - {arrows} [ ] c m e v");
        let mut line = StyledLine::new(super::style::Tone::Dim, keys);
        line.pad(canvas.width.saturating_sub(window.len()));
        line.push(super::style::Tone::Dim, window);
        return line;
    }
    let mut keys = vec![("q", "quit")];
    if state.back.is_some() {
        keys.extend([
            ("End", "live"),
            (glyphs.left_right, "1 dot"),
            ("Shift", "10"),
        ]);
        keys.extend([("PgUp PgDn", "a window"), ("[ ]", "marks"), ("+ -", "zoom")]);
        keys.extend([("c m", "sort"), ("e", "events")]);
        let counted = state.back.map(|back| {
            let reading = if back.reading { "reading older  " } else { "" };
            format!("{reading}{} of {}", back.number, back.of)
        });
        return footer(&keys, counted, canvas);
    }
    let status = state.status(host, canvas.now);
    if matches!(status, Status::Stale | Status::Down) {
        keys.push(("r", "retry now"));
    }
    if is_one_of_several {
        keys.push(("Esc", "back"));
    }
    let look = if canvas.width < 112 {
        "back"
    } else {
        "look back"
    };
    keys.extend([("?", "help"), ("+ -", "zoom"), (glyphs.left_right, look)]);
    keys.extend([("[ ]", "marks"), ("c m", "sort"), ("e", "events")]);
    keys.extend([
        ("v", "all values"),
        ("p", if canvas.paused { "resume" } else { "pause" }),
    ]);
    let held = host.newest_time().saturating_sub(host.oldest_time());
    let held = exact_span(Duration::from_secs(held / 1000));
    let right = match canvas.width {
        160.. => Some(format!("window {window} of {held:>9} held")),
        112.. => Some(format!("held {held:>9}")),
        _ => None,
    };
    footer(&keys, right, canvas)
}
