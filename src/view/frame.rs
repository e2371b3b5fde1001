//! A whole screen.

use super::fleet_page::{FleetView, WIDE};
use super::head::head;
use super::help::help;
use super::host_screen::{self, ScreenWidths, rule_of};
use super::keys;
use super::moment::HowFarBack;
use super::page_parts::{Canvas, body_height, footer};
use super::state::{HostState, Now, Status, ViewState};
use super::style::Style;
use super::styled_line::StyledLine;
use super::ui::{Page, Ui};
use super::values_page;

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
    } else if ui.shows_events() {
        events(state, ui, body_height(height), canvas)
    } else {
        pages(state, ui, height, canvas)
    };
    lines.truncate(height.saturating_sub(1));
    lines.resize(height.saturating_sub(1), StyledLine::default());
    lines.push(bottom);
    // Where there is a single line, it says what is wrong.
    if height == 1 {
        lines = pages(state, ui, 2, canvas).0;
    }
    lines.truncate(height);
    lines
        .into_iter()
        .map(|line| line.clip(width, style).render(style))
        .collect()
}

/// What a screen shows, in as many lines as it takes: for `--once`; or in `height` lines, to be left in the scrollback.
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
    let lines = match (height, ui.page(state, now)) {
        (None, Page::Host(host)) => values_page::report(state, host, canvas),
        (None, Page::Fleet { rows, selected }) => ui
            .fleet_view(state, &rows, selected)
            .list(usize::MAX / 2, canvas),
        (None, Page::Server(server)) => values_page::server_page(state, server, canvas),
        // The line for keys isn't needed.
        (Some(height), _) => pages(state, ui, height + 1, canvas).0,
    };
    let mut lines: Vec<String> = lines
        .into_iter()
        .map(|line| line.clip(width, style).render(style))
        .collect();
    while lines.pop_if(|line| line.is_empty()).is_some() {}
    lines.truncate(height.unwrap_or(usize::MAX));
    lines
}

/// The lines of a screen of `height` lines but the last, and that one.
fn pages(
    state: &ViewState,
    ui: &Ui,
    height: usize,
    canvas: Canvas,
) -> (Vec<StyledLine>, StyledLine) {
    match ui.page(state, canvas.now) {
        Page::Fleet { rows, selected } => {
            let view = ui.fleet_view(state, &rows, selected);
            fleet(&view, ui, body_height(height), canvas)
        }
        Page::Host(host) => (
            host_lines(state, ui, host, height, canvas),
            host_keys(state, ui, host, canvas),
        ),
        Page::Server(server) => {
            let mut keys = vec![("q", "quit")];
            if ui.is_open(state) {
                keys.push(("Esc", "back"));
            }
            keys.extend([("r", "retry now"), ("?", "help")]);
            let lines = values_page::server_page(state, server, canvas);
            (lines, footer(&keys, None, canvas))
        }
    }
}

/// The screen of a host, without its last line.
fn host_lines(
    state: &ViewState,
    ui: &Ui,
    host: &HostState,
    height: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let room = height.saturating_sub(1);
    let mut lines = head(state, host, ui.wrong_now(), height, canvas);
    let choice = ui.screen_choice();
    let widths = ScreenWidths::of(canvas.width);
    if !widths.is_tiny() {
        let charted = Some(choice).filter(|_| !ui.shows_values(host));
        lines.push(rule_of(host, charted, canvas));
    }
    let left = room.saturating_sub(lines.len());
    let mut body = if ui.shows_values(host) {
        let body = values_page::body(host, ui.scroll(), left, canvas);
        let is_old = matches!(state.status(host, canvas.now), Status::Stale | Status::Down);
        if is_old {
            body.into_iter().map(StyledLine::dimmed).collect()
        } else {
            body
        }
    } else {
        host_screen::body(state, host, choice, left, canvas)
    };
    lines.append(&mut body);
    lines
}

fn host_keys(state: &ViewState, ui: &Ui, host: &HostState, canvas: Canvas) -> StyledLine {
    if ui.shows_values(host) {
        let glyphs = canvas.style.glyphs();
        let mut keys = vec![("q", "quit"), ("v", "back"), (glyphs.up_down, "scroll")];
        if state.back.is_some() {
            keys.push(("End", "live"));
        }
        keys.extend([
            ("?", "help"),
            (glyphs.left_right, "look back"),
            ("e", "events"),
        ]);
        return footer(&keys, None, canvas);
    }
    let held = host.newest_time().saturating_sub(host.oldest_time());
    let length = ui.screen_choice().zoom.length(held);
    keys::of_host(state, host, ui.is_open(state), length, canvas)
}

fn fleet(
    view: &FleetView<'_>,
    ui: &Ui,
    height: usize,
    canvas: Canvas,
) -> (Vec<StyledLine>, StyledLine) {
    let glyphs = canvas.style.glyphs();
    let (lines, visible) = view.page(ui.screen_choice(), height, canvas);
    if let Some(filter) = ui.typing() {
        let typed = format!("/{filter}_");
        let keys = [
            (typed.as_str(), ""),
            ("Enter", "keep"),
            ("Esc", "all hosts"),
        ];
        return (lines, footer(&keys, visible, canvas));
    }
    let mut keys = vec![("q", "quit")];
    if view.state.back.is_some() {
        keys.extend([("End", "live"), (glyphs.left_right, "time")]);
    }
    let select = format!("{} PgUp PgDn", glyphs.up_down);
    let select = if canvas.width < WIDE {
        glyphs.up_down
    } else {
        &select
    };
    let sort = format!(
        "sort: {}{}",
        view.choice.order.word(),
        view.choice.mark(canvas.style)
    );
    keys.extend([("Enter", "open"), (select, "select"), ("s", &sort)]);
    if canvas.width >= WIDE {
        keys.push(("S", "reverse"));
    }
    keys.extend([("/", "filter"), ("?", "help")]);
    if let Some(back) = view.state.back {
        keys.push(("e", "events"));
        return (lines, footer(&keys, Some(counted(back)), canvas));
    }
    keys.extend([(glyphs.left_right, "time"), ("e", "events")]);
    keys.push(("p", if ui.paused { "resume" } else { "pause" }));
    (lines, footer(&keys, visible, canvas))
}

/// What happened, as far back as samples are held.
fn events(
    state: &ViewState,
    ui: &Ui,
    height: usize,
    canvas: Canvas,
) -> (Vec<StyledLine>, StyledLine) {
    let list = ui.event_list(state, canvas.now);
    let glyphs = canvas.style.glyphs();
    let keys = [
        ("q", "quit"),
        ("Esc", "back"),
        ("Enter", "look at that moment"),
        (glyphs.up_down, "select"),
        ("?", "help"),
    ];
    let lines = list.page(ui.event(), height, ui.reading, canvas);
    let notice = ui.notice.map(str::to_owned);
    let right = notice.or_else(|| list.counted(ui.event()));
    (lines, footer(&keys, right, canvas))
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
