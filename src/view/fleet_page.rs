//! The page of several hosts: one row each, with the problems below.

use crate::wording::{self, span};

use super::alert_lines;
use super::grid::{self, Cell, Column};
use super::page_parts::{
    Canvas, LinePart, Problem, back_parts, countdown, level_mark, mark, namesakes, rule, spread,
};
use super::rows::{Choice, FleetRow, all, rows};
use super::sanitize::text_width;
use super::sparkline::{Scale, sparkline};
use super::state::{Connection, HostState, ServerState, Status, ViewState};
use super::style::Tone;
use super::styled_line::StyledLine;
use super::units;

/// At most `height` lines of the page, without the bottom line.
pub(super) fn page(
    state: &ViewState,
    choice: &Choice,
    selected: Option<usize>,
    height: usize,
    canvas: Canvas,
) -> Vec<StyledLine> {
    let rows = rows(state, choice, canvas.now);
    let mut lines = vec![header(state, choice, rows.len(), canvas), rule(canvas)];
    let hosts = state.hosts.values();
    lines.append(&mut alert_lines::of_hosts(hosts, height, canvas));
    let widths = Widths::new(state, &rows, canvas);
    lines.push(grid::titles(&widths.columns(), canvas.style));
    let room = height.saturating_sub(lines.len());
    let mut said = said(&problems(state, canvas), room, rows.len(), canvas);
    lines.extend(table(
        state,
        &rows,
        selected,
        room.saturating_sub(said.len()),
        &widths,
        canvas,
    ));
    if rows.is_empty() && !choice.filter.is_empty() {
        lines.push(StyledLine::new(Tone::Dim, "    no host name contains this"));
    }
    lines.append(&mut said);
    lines.truncate(height);
    lines
}

/// The problems in words, under a rule. The rows mark every problem by their shape, so the words get a third of the
/// room, or what the rows leave.
fn said(problems: &[Problem], room: usize, rows: usize, canvas: Canvas) -> Vec<StyledLine> {
    let most = (room / 3).max(room.saturating_sub(rows));
    if problems.is_empty() || most < 2 {
        return Vec::new();
    }
    let mut lines = vec![rule(canvas)];
    for (told, problem) in problems.iter().enumerate() {
        let mut more = problem.lines(canvas);
        let kept_free = usize::from(told + 1 < problems.len());
        if lines.len() + more.len() + kept_free > most {
            lines.push(StyledLine::new(
                Tone::Dim,
                format!("   + {} more", problems.len() - told),
            ));
            break;
        }
        lines.append(&mut more);
    }
    lines
}

fn header(state: &ViewState, choice: &Choice, shown: usize, canvas: Canvas) -> StyledLine {
    let rows: Vec<FleetRow<'_>> = all(state).collect();
    let count = |status: Status| {
        rows.iter()
            .filter(|row| match row {
                FleetRow::Host(host) => state.status(host, canvas.now) == status,
                FleetRow::Server(_, server) => server.status() == status,
            })
            .count()
    };
    let states = [
        (Status::Live, "live"),
        (Status::Stale, "stale"),
        (Status::Down, "down"),
        (Status::Over, "ended"),
    ];
    let mut parts = if choice.filter.is_empty() {
        vec![LinePart::new(
            0,
            Tone::Bold,
            wording::counted(rows.len(), "host"),
        )]
    } else {
        let filter = format!("/{}", choice.filter);
        let of = format!("{shown} of {}", wording::counted(rows.len(), "host"));
        vec![
            LinePart::new(1, Tone::Bold, filter),
            LinePart::new(0, Tone::Bold, of),
        ]
    };
    parts.extend(
        state
            .back
            .into_iter()
            .flat_map(|back| back_parts(back, canvas)),
    );
    for (status, word) in states {
        let count = count(status);
        if count > 0 {
            let (shape, _, tone) = mark(status, canvas.style);
            parts.push(LinePart::new(3, tone, format!("{shape} {count} {word}")));
        }
    }
    parts.extend(alert_count(state, canvas));
    if canvas.paused {
        parts.push(LinePart::new(1, Tone::Warn, "PAUSED"));
    }
    if state.back.is_some() {
        return spread(parts, &[], canvas); // which tells the time
    }
    let clock = units::clock(canvas.now.wall);
    spread(parts, &[format!("{clock} UTC"), clock], canvas)
}

/// How many alerts fire on all hosts.
fn alert_count(state: &ViewState, canvas: Canvas) -> Option<LinePart> {
    let alerts: usize = state
        .hosts
        .values()
        .map(|host| host.firing.now().len())
        .sum();
    let text = format!(
        "{} {}",
        canvas.style.glyphs().alert,
        wording::counted(alerts, "alert")
    );
    (alerts > 0).then(|| LinePart::new(2, Tone::Critical, text))
}

/// The widths of the columns.
struct Widths {
    name: usize,
    /// How many alerts of a host fire, while any fires.
    firing: bool,
    spark: usize,
    load: bool,
    received: bool,
    more: bool,
    age: bool,
}

impl Widths {
    fn new(state: &ViewState, rows: &[FleetRow<'_>], canvas: Canvas) -> Self {
        let (load, received, more) = match canvas.width {
            0..60 => (false, false, false),
            60..80 => (true, false, false),
            80..104 => (true, true, false),
            _ => (true, true, true),
        };
        let firing = state.hosts.values().any(HostState::is_alerting);
        let mut widths = Self {
            name: 0,
            firing,
            spark: 0,
            load,
            received,
            more,
            // On the narrowest screens, only one of the two has room.
            age: canvas.width >= 60 || !firing,
        };
        let widest = rows
            .iter()
            .map(|row| text_width(row.name()))
            .max()
            .unwrap_or(0)
            .max(8);
        let free = canvas
            .width
            .saturating_sub(grid::table_width(&widths.columns()));
        if canvas.width >= 60 {
            // Two sparklines with a blank each; the name is narrowed first.
            let least = 2 * 7;
            widths.spark = ((free.saturating_sub(widest.min(free.saturating_sub(least)))) / 2)
                .saturating_sub(1)
                .min(20);
        }
        let sparks = if widths.spark > 0 {
            2 * (widths.spark + 1)
        } else {
            0
        };
        widths.name = free.saturating_sub(sparks).min(widest.max(12)).max(1);
        widths
    }

    fn columns(&self) -> Vec<Column<'static>> {
        let mut columns = vec![
            Column::left("", 1),
            Column::left("", 1),
            Column::left("HOST", self.name),
        ];
        if self.firing {
            columns.push(Column::right("ALERTS", 9));
        }
        for title in ["CPU %", "MEM %"] {
            columns.extend([Column::right("", 2), Column::right(title, 5)]);
            if self.spark > 0 {
                columns.push(Column::left("", self.spark));
            }
        }
        if self.more {
            columns.extend([Column::right("", 2), Column::right("DISK", 5)]);
        }
        if self.load {
            columns.push(Column::right("LOAD", 6));
        }
        if self.received {
            columns.push(Column::right("NET IN", 9));
        }
        if self.more {
            columns.push(Column::right("NET OUT", 9));
        }
        if self.age {
            columns.push(Column::right("AGE", 6));
        }
        columns
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
    let hides = rows.len() > visible;
    let visible = if hides {
        visible.saturating_sub(1)
    } else {
        visible
    };
    let last = rows.len().saturating_sub(visible);
    let first = selected.unwrap_or(0).saturating_sub(visible / 2).min(last);
    let shown = &rows[first..rows.len().min(first + visible)];
    let cells: Vec<Vec<Cell>> = shown
        .iter()
        .map(|row| cells(state, row, widths, canvas))
        .collect();
    let mut lines = grid::lines(&widths.columns(), &cells, canvas.style);
    if let Some(line) = selected.and_then(|index| lines.get_mut(index.checked_sub(first)?)) {
        let mut chosen = StyledLine::new(Tone::Plain, ">");
        chosen.append(std::mem::take(line).after(1));
        chosen.pad(canvas.width);
        *line = chosen.toned(Tone::Selected);
    }
    if hides {
        let text = format!(
            "   + {} more: {}-{} of {}",
            rows.len() - shown.len(),
            first + 1,
            first + shown.len(),
            rows.len()
        );
        lines.push(StyledLine::new(Tone::Dim, text));
    }
    lines
}

fn cells(state: &ViewState, row: &FleetRow<'_>, widths: &Widths, canvas: Canvas) -> Vec<Cell> {
    let (status, host) = match row {
        FleetRow::Host(host) => (state.status(host, canvas.now), Some(*host)),
        FleetRow::Server(_, server) => (server.status(), None),
    };
    let (mut shape, _, mut tone) = mark(status, canvas.style);
    if status == Status::Live && host.is_some_and(HostState::is_alerting) {
        (shape, tone) = (canvas.style.glyphs().alert, Tone::Critical);
    }
    let mut cells = vec![
        (Tone::Plain, String::new()),
        (tone, shape.into()),
        (Tone::Plain, row.name().to_owned()),
    ];
    if widths.firing {
        let count = host.map_or(0, |host| host.firing.now().len());
        let text = (count > 0).then(|| format!("{count} firing"));
        cells.push((Tone::Critical, text.unwrap_or_default()));
    }
    // Old values of a host that is down would only mislead.
    let values = host.filter(|_| status != Status::Down);
    for name in ["cpu", "memory"] {
        cells.extend(percent(values, name));
        if widths.spark > 0 {
            cells.push((
                Tone::Plain,
                values
                    .map(|host| window(host, name, widths.spark, canvas))
                    .unwrap_or_default(),
            ));
        }
    }
    let text = |name: &str, unit: &str| {
        let value = values.and_then(|host| host.value(name));
        (
            Tone::Plain,
            value.map_or_else(|| "-".to_owned(), |value| units::brief(value, unit, false)),
        )
    };
    if widths.more {
        cells.extend(percent(values, "disk"));
    }
    if widths.load {
        cells.push(text("load1", ""));
    }
    if widths.received {
        cells.push(text("networkReceived", "B/s"));
    }
    if widths.more {
        cells.push(text("networkSent", "B/s"));
    }
    if widths.age {
        let age = host.and_then(|host| host.age(canvas.now));
        cells.push((Tone::Plain, age.map_or_else(|| "-".to_owned(), units::age)));
    }
    if status != Status::Live {
        let dim = |(index, (tone, text)): (usize, Cell)| {
            (if index == 1 { tone } else { Tone::Dim }, text)
        };
        cells = cells.into_iter().enumerate().map(dim).collect();
    }
    cells
}

/// A percentage with the mark of its level before it.
fn percent(host: Option<&HostState>, name: &str) -> [Cell; 2] {
    let found = host.and_then(|host| Some((host, host.find(name)?)));
    let Some((host, index)) = found else {
        return [(Tone::Plain, String::new()), (Tone::Dim, "-".into())];
    };
    let Some(value) = host.history.value(index) else {
        return [(Tone::Plain, String::new()), (Tone::Dim, "-".into())];
    };
    let (mark, tone) = level_mark(host.metrics[index].level(value));
    [(tone, mark.into()), (tone, units::brief(value, "%", false))]
}

fn window(host: &HostState, name: &str, width: usize, canvas: Canvas) -> String {
    let Some(index) = host.find(name) else {
        return String::new();
    };
    let cells = host.history.cells(index, &host.layout(canvas.now));
    let newest = &cells[cells.len().saturating_sub(width)..];
    sparkline(newest, Scale::of(newest, "%", None), canvas.style)
}

/// All problems but alerts, one line each: lost servers first, then single hosts.
fn problems(state: &ViewState, canvas: Canvas) -> Vec<Problem> {
    let mut problems: Vec<_> = namesakes(state, canvas).collect();
    for (index, server) in state.servers.iter().enumerate() {
        if let Some((status, text)) = server_problem(state, index, server, canvas) {
            let (mark, word, tone) = mark(status, canvas.style);
            problems.push(Problem {
                tone,
                mark,
                text: format!("{word} {text}"),
            });
        }
    }
    for host in state.hosts.values() {
        let status = state.status(host, canvas.now);
        let lost = matches!(
            state
                .servers
                .get(host.server)
                .map(|server| &server.connection),
            Some(Connection::Lost { .. } | Connection::Refused { .. })
        );
        if matches!(status, Status::Live | Status::Over) || lost {
            continue;
        }
        let (mark, word, tone) = mark(status, canvas.style);
        let text = host.age(canvas.now).map_or_else(
            || {
                let when = if state.back.is_some() {
                    "from then"
                } else {
                    "yet"
                };
                format!("{word} {}  no data {when}", host.name)
            },
            |age| {
                format!(
                    "{word} {}  no data for {}. Data shown may be stale.",
                    host.name,
                    span(age)
                )
            },
        );
        problems.push(Problem { tone, mark, text });
    }
    problems
}

/// The problem of a lost server: it affects all its hosts, but is shown once.
fn server_problem(
    state: &ViewState,
    index: usize,
    server: &ServerState,
    canvas: Canvas,
) -> Option<(Status, String)> {
    let happens = match &server.connection {
        Connection::Lost {
            reason,
            attempt,
            retry_at,
        } => {
            let next = countdown(*retry_at, canvas.now, "in ");
            format!("{reason}; attempt {attempt} {next}.")
        }
        Connection::Refused { reason } => format!("{reason}; not retrying."),
        Connection::Connecting | Connection::Up | Connection::Over => return None,
    };
    let hosts: Vec<&HostState> = state
        .hosts
        .values()
        .filter(|host| host.server == index)
        .collect();
    let name = match hosts.as_slice() {
        // Its hosts are shown as another server's.
        [] if server.shares => return None,
        [] => return Some((Status::Down, format!("{}  {happens}", server.name))),
        [host] => host.name.to_string(),
        hosts => format!(
            "{} ({})",
            server.name,
            wording::counted(hosts.len(), "host")
        ),
    };
    let down = hosts
        .iter()
        .all(|host| state.status(host, canvas.now) == Status::Down);
    let status = if down { Status::Down } else { Status::Stale };
    Some((
        status,
        format!("{name}  {happens} Data shown may be stale."),
    ))
}
