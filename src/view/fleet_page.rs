//! The page of several hosts: one row each, those in trouble first.

use crate::wording;

use super::bins::DotBins;
use super::chart::{ChartLook, blocks};
use super::grid::{self, Cell, Column};
use super::host_screen::{ProcessOrder, in_order};
use super::listing::indented;
use super::metric::Level;
use super::page_parts::{
    Canvas, LinePart, back_parts, level_mark, mark, namesakes, server_text, spread, times,
};
use super::rows::{Choice, FleetRow, RowTrouble, all, of_values, rows};
use super::scale::{ChartScale, tenths};
use super::sentence::{Situation, Trouble, Urgency, headline};
use super::state::{HostState, Status, ViewState};
use super::style::Tone;
use super::styled_line::StyledLine;
use super::units;
use super::zoom::{TimeAxis, dot_length};

/// The time that the charts show, in milliseconds.
const WINDOW: u64 = 300_000;

/// From this width on, a rule is above the titles.
const WIDE: usize = 112;

/// At most `height` lines of the page, without the bottom line, and which rows are visible, such as `1-35 of 40`; nothing
/// if all are.
pub(super) fn page(
    state: &ViewState,
    choice: &Choice,
    selected: Option<usize>,
    height: usize,
    canvas: Canvas,
) -> (Vec<StyledLine>, Option<String>) {
    let rows = rows(state, choice, canvas.now);
    let mut lines = head(state, choice, rows.len(), height, canvas);
    let widths = Widths::new(&rows, canvas);
    lines.push(indented(grid::titles(&widths.columns(), canvas.style)));
    let visible = height.saturating_sub(lines.len());
    lines.extend(table(state, &rows, selected, visible, &widths, canvas));
    if rows.is_empty() && !choice.filter.is_empty() {
        lines.push(StyledLine::new(Tone::Dim, "    no host name matches"));
    }
    lines.truncate(height);
    (lines, counted(rows.len(), selected, visible))
}

/// What is above the titles of the columns.
fn head(
    state: &ViewState,
    choice: &Choice,
    shown: usize,
    height: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let mut lines = vec![header(state, choice, shown, canvas)];
    if canvas.width >= WIDE {
        lines.push(rule(choice, canvas));
    }
    for problem in namesakes(state, canvas).take(height / 6) {
        lines.append(&mut problem.lines(canvas));
    }
    lines
}

/// The row at a line of the page, whose other arguments are those of [`page()`].
pub(super) fn row_at(
    line: usize,
    state: &ViewState,
    choice: &Choice,
    selected: Option<usize>,
    height: usize,
    canvas: Canvas,
) -> Option<usize> {
    let count = rows(state, choice, canvas.now).len();
    let above = head(state, choice, count, height, canvas).len() + 1;
    let visible = height.saturating_sub(above);
    let below = line.checked_sub(above).filter(|row| *row < visible)?;
    Some(first(count, selected, visible) + below).filter(|row| *row < count)
}

fn counted(count: usize, selected: Option<usize>, visible: usize) -> Option<String> {
    let first = first(count, selected, visible);
    (visible < count).then(|| format!("{}-{} of {count}", first + 1, (first + visible).min(count)))
}

fn first(count: usize, selected: Option<usize>, visible: usize) -> usize {
    let last = count.saturating_sub(visible);
    selected.unwrap_or(0).saturating_sub(visible / 2).min(last)
}

/// How many hosts are in which state, the worst first.
fn header(state: &ViewState, choice: &Choice, shown: usize, canvas: Canvas) -> StyledLine {
    let rows: Vec<FleetRow<'_>> = all(state).collect();
    let glyphs = canvas.style.glyphs();
    let mut parts: Vec<LinePart> = Vec::new();
    let back = state.back.into_iter();
    parts.extend(back.flat_map(|back| back_parts(back, canvas)));
    if !choice.filter.is_empty() {
        parts.push(LinePart::new(1, Tone::Bold, format!("/{}", choice.filter)));
    }
    let states: Vec<_> = rows.iter().map(|row| kind_of(state, row, canvas)).collect();
    for (kind, shape, tone, word, rank) in [
        (
            RowState::Critical,
            glyphs.alert,
            Tone::Critical,
            "critical",
            2,
        ),
        (RowState::Warning, "!", Tone::Warn, "warning", 3),
        (RowState::Stale, glyphs.stale, Tone::Warn, "stale", 2),
        (RowState::Down, glyphs.down, Tone::Critical, "down", 2),
        (RowState::Over, glyphs.over, Tone::Dim, "over", 3),
        (RowState::Well, glyphs.live, Tone::Good, "well", 3),
    ] {
        let count = states.iter().filter(|it| **it == kind).count();
        if count > 0 {
            parts.push(LinePart::new(rank, tone, format!("{shape} {count} {word}")));
        }
    }
    let all = wording::counted(rows.len(), "host");
    let all = if choice.filter.is_empty() {
        format!("of {all}")
    } else {
        format!("{shown} of {all}")
    };
    parts.push(LinePart::new(4, Tone::Bold, all));
    if canvas.paused {
        parts.push(LinePart::new(
            1,
            Tone::Warn,
            format!("{} PAUSED", glyphs.paused),
        ));
    }
    let is_live = states
        .iter()
        .any(|it| matches!(it, RowState::Critical | RowState::Warning | RowState::Well));
    spread(parts, &newest_times(state, is_live, canvas), canvas)
}

/// The time of the newest sample, in several lengths, and whether it is live.
fn newest_times(state: &ViewState, is_live: bool, canvas: Canvas) -> Vec<String> {
    let newest = (state.hosts.values())
        .filter_map(|host| host.history.newest())
        .max();
    let newest = newest.filter(|_| state.back.is_none());
    let live = if is_live && !canvas.paused {
        format!("{} LIVE  ", canvas.style.glyphs().live)
    } else {
        String::new()
    };
    newest
        .map_or_else(Vec::new, |at| times(at, canvas.now))
        .into_iter()
        .map(|time| format!("{live}{time}"))
        .collect()
}

/// The state of a row, for the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowState {
    Critical,
    Warning,
    Stale,
    Down,
    Over,
    Well,
}

fn kind_of(state: &ViewState, row: &FleetRow<'_>, canvas: Canvas) -> RowState {
    let (status, host) = match row {
        FleetRow::Host(host) => (state.status(host, canvas.now), Some(*host)),
        FleetRow::Server(_, server) => (server.status(), None),
    };
    match (status, host.map(|host| of_values(host, 0))) {
        (Status::Over, _) => RowState::Over,
        (Status::Stale, _) => RowState::Stale,
        (Status::Down, _) => RowState::Down,
        (Status::Live, Some(RowTrouble::Critical)) => RowState::Critical,
        (Status::Live, Some(RowTrouble::Warning)) => RowState::Warning,
        (Status::Live, _) => RowState::Well,
    }
}

/// The line with the order and the window.
fn rule(choice: &Choice, canvas: Canvas) -> StyledLine {
    let rule = canvas.style.glyphs().rule;
    let order = match choice.order {
        super::rows::SortOrder::Trouble => "trouble first (s)".to_owned(),
        order => format!("by {} (s)", order.word()),
    };
    let order = if choice.is_reversed {
        format!("{order}, reversed (S)")
    } else {
        order
    };
    let left = format!("{} {order}   / filter   Enter open ", rule.repeat(2));
    let right = format!(" 5 m {}", rule.repeat(2));
    let between = canvas
        .width
        .saturating_sub(left.chars().count() + right.chars().count());
    StyledLine::new(Tone::Dim, format!("{left}{}{right}", rule.repeat(between)))
}

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FleetColumn {
    Mark,
    Host,
    What,
    Percent(&'static str),
    Chart,
    LoadPerCore,
    Megabytes(&'static str),
}

/// The columns, by the width of the screen and the longest name.
struct Widths {
    columns: Vec<(FleetColumn, Column<'static>)>,
    chart: usize,
    what: usize,
}

impl Widths {
    fn new(rows: &[FleetRow<'_>], canvas: Canvas) -> Self {
        let widest = rows
            .iter()
            .map(|row| super::sanitize::text_width(row.name()))
            .max()
            .unwrap_or(0);
        let width = canvas.width;
        let (name, chart) = match width {
            160.. => (widest.clamp(9, 30), 40),
            WIDE.. => (widest.clamp(9, 24), 11),
            60.. => (widest.clamp(9, 16), 10),
            _ => (widest.clamp(6, 12), 0),
        };
        let what = (
            FleetColumn::What,
            Column::left(" WHAT IS WRONG, AND WHO", 0),
        );
        let percent = |title, name| (FleetColumn::Percent(name), Column::right(title, 7));
        let mut columns = vec![
            (FleetColumn::Mark, Column::left("", 2)),
            (FleetColumn::Host, Column::left("HOST", name)),
        ];
        if width >= WIDE {
            columns.push(what);
        }
        columns.push(percent("CPU %", "cpu"));
        if chart > 0 {
            columns.push((FleetColumn::Chart, Column::left("", chart)));
        }
        columns.push(percent("MEM %", "memory"));
        if width >= 60 {
            columns.push(percent("DISK %", "disk"));
        }
        if width >= WIDE {
            columns.extend([
                (FleetColumn::LoadPerCore, Column::right("LOAD/C", 6)),
                (
                    FleetColumn::Megabytes("networkReceived"),
                    Column::right("IN MB", 6),
                ),
                (
                    FleetColumn::Megabytes("networkSent"),
                    Column::right("OUT MB", 6),
                ),
            ]);
        } else {
            columns.push(what);
        }
        let taken: usize = columns.iter().map(|(_, column)| column.width + 1).sum();
        // The mark of the selection, and no blank after the last column.
        let what = width.saturating_sub(taken).max(1);
        for (field, column) in &mut columns {
            if *field == FleetColumn::What {
                column.width = what;
            }
        }
        Self {
            columns,
            chart,
            what,
        }
    }

    fn columns(&self) -> Vec<Column<'static>> {
        self.columns.iter().map(|(_, column)| *column).collect()
    }
}

fn table(
    state: &ViewState,
    rows: &[FleetRow<'_>],
    selected: Option<usize>,
    visible: usize,
    widths: &Widths,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let first = first(rows.len(), selected, visible);
    let shown = &rows[first..rows.len().min(first + visible)];
    let cells: Vec<Vec<Cell>> = shown
        .iter()
        .map(|row| cells(state, row, widths, canvas))
        .collect();
    let lines = grid::lines(&widths.columns(), &cells, canvas.style);
    let mut lines: Vec<_> = lines.into_iter().map(indented).collect();
    if let Some(line) = selected.and_then(|index| lines.get_mut(index.checked_sub(first)?)) {
        let mut chosen = StyledLine::new(Tone::Plain, ">");
        chosen.append(std::mem::take(line).after(1));
        chosen.pad(canvas.width);
        *line = chosen.toned(Tone::Selected);
    }
    lines
}

fn cells(state: &ViewState, row: &FleetRow<'_>, widths: &Widths, canvas: Canvas) -> Vec<Cell> {
    let (status, host) = match row {
        FleetRow::Host(host) => (state.status(host, canvas.now), Some(*host)),
        FleetRow::Server(_, server) => (server.status(), None),
    };
    let finding = host.map(|host| {
        headline(&Situation {
            state,
            host,
            now: canvas.now,
        })
    });
    let (shape, tone) = shape(status, finding.as_ref(), canvas);
    // Old values of a host that is down would only mislead.
    let values = host.filter(|_| status != Status::Down);
    let cells = widths.columns.iter().map(|(field, _)| match field {
        FleetColumn::Mark => (tone, shape.to_owned()),
        FleetColumn::Host => (Tone::Plain, row.name().to_owned()),
        FleetColumn::What => what(row, finding.as_ref(), widths.what, canvas),
        FleetColumn::Percent(name) => percent(values, name),
        FleetColumn::Chart => (
            Tone::Plain,
            values
                .map(|host| chart(host, widths.chart, canvas))
                .unwrap_or_default(),
        ),
        FleetColumn::LoadPerCore => load_per_core(values),
        FleetColumn::Megabytes(name) => {
            let value = values.and_then(|host| host.value(name));
            let text = value.map_or_else(|| "-".into(), |value| tenths(value / 1e6));
            (Tone::Plain, text)
        }
    });
    let dim = |(index, (tone, text)): (usize, Cell)| {
        let is_old = status != Status::Live && index > 0;
        (if is_old { Tone::Dim } else { tone }, text)
    };
    cells.enumerate().map(dim).collect()
}

fn shape(status: Status, finding: Option<&Trouble>, canvas: Canvas) -> (&'static str, Tone) {
    let is_worse = |finding: &&Trouble| finding.urgency <= Urgency::Warning;
    match finding.filter(is_worse) {
        Some(finding) if status == Status::Live => finding.mark(canvas.style),
        _ => {
            let (shape, _, tone) = mark(status, canvas.style);
            (shape, tone)
        }
    }
}

/// What is wrong, or what the host does.
fn what(row: &FleetRow<'_>, finding: Option<&Trouble>, width: usize, canvas: Canvas) -> Cell {
    let host = match row {
        FleetRow::Host(host) => host,
        FleetRow::Server(_, server) => {
            return (Tone::Plain, format!(" {}", server_text(server, canvas.now)));
        }
    };
    match finding {
        Some(finding) if finding.urgency != Urgency::Well => {
            let tone = match finding.urgency {
                Urgency::Event | Urgency::Note => Tone::Plain,
                _ => finding.mark(canvas.style).1,
            };
            (tone, format!(" {}", finding.text(width - 1)))
        }
        _ => {
            let top = in_order(host.top(), ProcessOrder::Cpu);
            let busiest = top.first().filter(|process| process.cpu > 0.0);
            let text = busiest.map(|process| format!(" {} {}", process.name, tenths(process.cpu)));
            (Tone::Dim, text.unwrap_or_default())
        }
    }
}

/// A percentage with the mark of its level before it.
fn percent(host: Option<&HostState>, name: &str) -> Cell {
    let found = host.and_then(|host| {
        let index = host.find(name)?;
        let value = host.history.value(index)?;
        Some((value, host.metrics[index].level(value)))
    });
    let Some((value, level)) = found else {
        return (Tone::Dim, "-".into());
    };
    let (mark, tone) = level_mark(level);
    let text = units::brief(value, "%", false);
    match level {
        Level::Normal => (tone, text),
        _ => (tone, format!("{mark}{text}")),
    }
}

fn load_per_core(host: Option<&HostState>) -> Cell {
    let load = host.and_then(|host| {
        let cores = host.system.as_ref().map(|system| system.cores);
        let cores = cores.filter(|cores| *cores > 0)?;
        Some(host.value("load1")? / f64::from(cores))
    });
    let text = load.map_or_else(|| "-".into(), |load| units::decimal(load, 2));
    (Tone::Plain, text)
}

/// The CPU over the last minutes, in blocks.
fn chart(host: &HostState, cells: usize, canvas: Canvas) -> String {
    let Some(index) = host.find("cpu") else {
        return String::new();
    };
    let step = host.usual_step();
    let dot = dot_length(WINDOW, step, cells);
    let axis = TimeAxis::ending(host.time_now(canvas.now), dot, cells);
    let bins = DotBins::new(&host.history, &axis, step);
    let levels: Vec<_> = bins
        .pool(index)
        .iter()
        .map(|value| value.map(|value| ChartScale::PERCENT.dots(value, 8)))
        .collect();
    let look = ChartLook {
        style: canvas.style,
        cursor: None,
        is_dim: false,
    };
    blocks(&levels, |_| Tone::Plain, look).text()
}
