//! All values of a host, in a table and by section; and the page of a server that has named no host.

use super::head::head;
use super::host_screen::rule_of;
use super::listing::Section;
use super::metrics;
use super::page_parts::{
    Canvas, LinePart, back_parts, mark, rule, server_text, side_by_side, spread,
};
use super::sections;
use super::sentence::{self, Situation};
use super::state::{Connection, HostState, ServerState, ViewState};
use super::style::Tone;
use super::styled_line::StyledLine;

/// From this width on, the sections are beside the metrics.
const WIDE: usize = 112;

/// Blanks between the metrics and the sections beside them.
const GUTTER: usize = 3;

/// How many rows of metrics stay when there is not enough room.
const FEWEST_ROWS: usize = 6;

/// How the body is divided: if the screen is too short, the rows of metrics scroll.
struct BodyPlan {
    rows: Vec<usize>,
    visible: usize,
    sections: Vec<Vec<StyledLine>>,
    beside: bool,
    table: Canvas,
    air: bool,
}

/// Everything that is known of `host`, after what is wrong: for a terminal or a file without a screen.
pub(super) fn report(state: &ViewState, host: &HostState, canvas: Canvas) -> Vec<StyledLine> {
    let situation = Situation {
        state,
        host,
        now: canvas.now,
    };
    let mut lines = head(state, host, None, 0, canvas);
    lines.truncate(1);
    let all = sentence::lines(&situation, usize::MAX, canvas.width, canvas.style);
    lines.extend(all.into_iter().skip(1));
    lines.push(rule_of(host, None, canvas));
    lines.append(&mut body(host, 0, usize::MAX / 2, canvas));
    lines
}

/// At most `height` lines of the host's values.
pub(super) fn body(
    host: &HostState,
    scroll: usize,
    height: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let mut lines = BodyPlan::new(host, height, canvas).lines(host, scroll);
    lines.truncate(height);
    lines
}

/// How far the metrics can scroll on a page of this height.
pub(super) fn scroll_end(host: &HostState, height: usize, canvas: Canvas) -> usize {
    let plan = BodyPlan::new(host, height, canvas);
    plan.rows.len() - plan.visible
}

impl BodyPlan {
    fn new(host: &HostState, height: usize, canvas: Canvas) -> Self {
        let rows = metrics::rows(host);
        let beside = canvas.width >= WIDE;
        let inner = Canvas {
            width: canvas.width.saturating_sub(1),
            ..canvas
        };
        let table = if beside {
            Canvas {
                width: (canvas.width * 5 / 8).min(90),
                ..canvas
            }
        } else {
            inner
        };
        let side = if beside {
            let left = metrics::width(host, table.width) + 1 + GUTTER;
            Canvas {
                width: canvas.width.saturating_sub(left + 1).min(72),
                ..canvas
            }
        } else {
            inner
        };
        let all = sections::all(host, side);
        let room = height.saturating_sub(1);
        let (sections, air) = if beside {
            beside_within(all, height)
        } else {
            below_within(all, room, rows.len())
        };
        let taken = if beside { 0 } else { lines_of(&sections, air) };
        let visible = rows.len().min(room.saturating_sub(taken));
        Self {
            rows,
            visible,
            sections,
            beside,
            table,
            air,
        }
    }

    fn lines(&self, host: &HostState, scroll: usize) -> Vec<StyledLine> {
        let first = scroll.min(self.rows.len() - self.visible);
        let shown = &self.rows[first..first + self.visible];
        let mut left = vec![metrics::titles(host, self.table.width, self.table.style)];
        left.append(&mut metrics::table(host, shown, self.table));
        if self.rows.is_empty() && !host.metrics.is_empty() {
            let text = "    this host has none of the chosen metrics";
            left.push(StyledLine::new(Tone::Dim, text));
        }
        if let Some(title) = left.first_mut()
            && shown.len() < self.rows.len()
        {
            let arrows = self.table.style.glyphs().up_down;
            let mut counted = StyledLine::new(
                Tone::Dim,
                format!(
                    "   {arrows} {}-{} of {}",
                    first + 1,
                    first + shown.len(),
                    self.rows.len()
                ),
            );
            // The titles of the first two columns are blank, so there is room for the count.
            let titles = std::mem::take(title);
            let rest = titles.after(counted.width());
            counted.append(rest);
            *title = counted;
        }
        let mut right = Vec::new();
        for section in &self.sections {
            if self.air && !(self.beside && right.is_empty()) {
                right.push(StyledLine::default());
            }
            right.extend(section.iter().cloned());
        }
        if self.beside {
            let at = metrics::width(host, self.table.width) + GUTTER;
            let height = left.len().max(right.len());
            return side_by_side(left, right, at, height);
        }
        left.append(&mut right);
        left
    }
}

fn lines_of(sections: &[Vec<StyledLine>], air: bool) -> usize {
    sections
        .iter()
        .map(|section| section.len() + usize::from(air))
        .sum()
}

/// The sections as tables if all fit below `rows` rows of metrics; otherwise short, and only as many as fit.
fn below_within(all: Vec<Section>, room: usize, rows: usize) -> (Vec<Vec<StyledLine>>, bool) {
    let full: Vec<_> = all.iter().map(|section| section.full.clone()).collect();
    for air in [true, false] {
        if rows + lines_of(&full, air) <= room {
            return (full, air);
        }
    }
    let mut short: Vec<_> = all.into_iter().map(|section| section.short).collect();
    let keep = rows.min(FEWEST_ROWS);
    while keep + lines_of(&short, false) > room && short.pop().is_some() {}
    (short, false)
}

/// The sections as tables if all fit into `height`; otherwise short.
fn beside_within(all: Vec<Section>, height: usize) -> (Vec<Vec<StyledLine>>, bool) {
    let full: Vec<_> = all.iter().map(|section| section.full.clone()).collect();
    for air in [true, false] {
        if lines_of(&full, air) <= height + usize::from(air) {
            return (full, air);
        }
    }
    (
        all.into_iter().map(|section| section.short).collect(),
        false,
    )
}

/// The start of every header: the name, and how far back.
fn name_parts(state: &ViewState, name: &str, canvas: Canvas) -> Vec<LinePart> {
    let line = StyledLine::new(Tone::Bold, name).clip(canvas.width / 2, canvas.style);
    let mut parts = vec![LinePart { rank: 0, line }];
    let back = state.back.into_iter();
    parts.extend(back.flat_map(|back| back_parts(back, canvas)));
    parts
}

/// The page of a server without known hosts.
pub(super) fn server_page(
    state: &ViewState,
    server: &ServerState,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let (shape, word, tone) = mark(server.status(), canvas.style);
    let mut parts = name_parts(state, &server.name, canvas);
    if !matches!(server.connection, Connection::Connecting | Connection::Up) {
        parts.push(LinePart::new(0, tone, format!("{shape} {word}")));
    }
    if canvas.paused {
        parts.push(LinePart::new(1, Tone::Warn, "PAUSED"));
    }
    let mut lines = vec![spread(parts, &[], canvas), rule(canvas)];
    let text = match state.back {
        Some(_) => "No data from that time.".to_owned(),
        None => server_text(server, canvas.now),
    };
    let tone = if matches!(server.connection, Connection::Lost { .. }) {
        tone
    } else {
        Tone::Plain
    };
    lines.extend(
        super::styled_line::wrap(&text, canvas.width.saturating_sub(2))
            .into_iter()
            .map(|text| StyledLine::new(tone, format!(" {text}"))),
    );
    lines
}
