//! The page of one host.

use crate::protocol::System;
use crate::wording::{counted, exact_span, span};

use super::alert_lines;
use super::listing::Section;
use super::metrics;
use super::page_parts::{
    Canvas, LinePart, back_parts, mark, problems, recent_gap, rule, server_text, spread, times,
};
use super::sections;
use super::state::{Connection, HostState, ServerState, Status, ViewState};
use super::style::Tone;
use super::styled_line::StyledLine;
use super::units;

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

/// At most `height` lines of the page, without the bottom line.
pub(super) fn page(
    state: &ViewState,
    host: &HostState,
    scroll: usize,
    height: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let mut lines = head(state, host, height, canvas);
    let plan = BodyPlan::new(host, height.saturating_sub(lines.len()), canvas);
    let mut body = plan.lines(host, scroll);
    if state.status(host, canvas.now) != Status::Live {
        body = body.into_iter().map(|line| line.toned(Tone::Dim)).collect();
    }
    lines.append(&mut body);
    lines.truncate(height);
    lines
}

/// How far the metrics can scroll on a page of this height.
pub(super) fn scroll_end(
    state: &ViewState,
    host: &HostState,
    height: usize,
    canvas: Canvas,
) -> usize {
    let plan = BodyPlan::new(
        host,
        height.saturating_sub(head(state, host, height, canvas).len()),
        canvas,
    );
    plan.rows.len() - plan.visible
}

/// Name and state, a rule, and the problems.
fn head(state: &ViewState, host: &HostState, height: usize, canvas: Canvas) -> Vec<StyledLine> {
    let mut lines = vec![header(state, host, canvas), rule(canvas)];
    for problem in problems(state, host, canvas) {
        lines.append(&mut problem.lines(canvas));
    }
    lines.append(&mut alert_lines::of_host(host, height, canvas));
    if let Some(problem) = recent_gap(host, canvas) {
        lines.append(&mut problem.lines(canvas));
    }
    lines
}

fn header(state: &ViewState, host: &HostState, canvas: Canvas) -> StyledLine {
    let status = state.status(host, canvas.now);
    let (shape, word, tone) = mark(status, canvas.style);
    let age = match (status, host.age(canvas.now)) {
        (Status::Stale | Status::Down, Some(age)) => format!(" {}", span(age)),
        _ => String::new(),
    };
    let mut parts = name_parts(state, host.name.as_str(), canvas);
    // In the past, "live" goes without saying.
    if state.back.is_none() || status != Status::Live {
        parts.push(LinePart::new(0, tone, format!("{shape} {word}{age}")));
    }
    if canvas.paused {
        parts.push(LinePart::new(1, Tone::Warn, "PAUSED"));
    }
    parts.push(LinePart::new(
        5,
        Tone::Plain,
        format!("every {}", exact_span(host.interval)),
    ));
    if let Some(uptime) = host.value("uptime") {
        parts.push(LinePart::new(
            6,
            Tone::Plain,
            format!("up {}", units::uptime(uptime)),
        ));
    }
    if let Some(system) = &host.system {
        let size = size(system);
        if !size.is_empty() {
            parts.push(LinePart::new(7, Tone::Dim, size));
        }
        let os = super::sanitize::clean(&system.os);
        if !os.is_empty() {
            parts.push(LinePart::new(8, Tone::Dim, os));
        }
    }
    let newest = host.history.newest().filter(|_| state.back.is_none());
    let times = newest.map_or_else(Vec::new, |at| times(at, canvas.now));
    spread(parts, &times, canvas)
}

/// `8 cores 16.0 GiB`, without unknown parts.
fn size(system: &System) -> String {
    let cores = (system.cores != 0).then(|| counted(system.cores, "core"));
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let memory = (system.memory != 0).then(|| units::value(system.memory as f64, "B"));
    let known: Vec<String> = cores.into_iter().chain(memory).collect();
    known.join("  ")
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
            return side_by_side(left, right, metrics::width(host, self.table.width) + GUTTER);
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

fn side_by_side(left: Vec<StyledLine>, right: Vec<StyledLine>, at: usize) -> Vec<StyledLine> {
    let count = left.len().max(right.len());
    let mut left = left.into_iter();
    let mut right = right.into_iter();
    (0..count)
        .map(|_| {
            let mut line = left.next().unwrap_or_default();
            if let Some(right) = right.next() {
                line.pad(at);
                line.append(right);
            }
            line
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_cores_and_memory_are_left_out() {
        for (cores, memory, shown) in [
            (8, 1 << 34, "8 cores  16.0 GiB"),
            (0, 1 << 34, "16.0 GiB"),
            (8, 0, "8 cores"),
            (0, 0, ""),
        ] {
            let system = System {
                cores,
                memory,
                ..System::default()
            };
            assert_eq!(size(&system), shown);
            let written = serde_json::to_string(&system).unwrap();
            assert!(!written.contains(":0"), "{written}");
            assert_eq!(serde_json::from_str::<System>(&written).unwrap(), system);
        }
    }
}
