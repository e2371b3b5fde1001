//! The processes: those that use most, what came and went, and all others.

use crate::protocol::Process;
use crate::wording::one_or_more;

use super::super::grid::{self, Cell, Column};
use super::super::scale::tenths;
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units::{grouped, short_size};
use super::order::ProcessOrder;
use super::picture::Picture;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProcessColumn {
    Cpu,
    Memory,
    Size,
    State,
    Threads,
    Number,
    Name,
}

/// The rows that stand for the processes that aren't listed.
struct Remainder {
    /// Of processes that came and went.
    exited: Option<f64>,
    forks: Option<f64>,
    /// Of all others, and how many they are.
    others: Option<f64>,
    count: Option<f64>,
}

/// The processes of the moment in their order.
pub(in crate::view) fn in_order(top: &[Process], order: ProcessOrder) -> Vec<&Process> {
    let mut top: Vec<&Process> = top.iter().collect();
    let key = |process: &Process| match order {
        ProcessOrder::Cpu => (process.cpu, process.memory),
        ProcessOrder::Memory => (process.memory, process.cpu),
    };
    top.sort_by(|a, b| {
        let (a_key, b_key) = (key(a), key(b));
        b_key
            .0
            .total_cmp(&a_key.0)
            .then(b_key.1.total_cmp(&a_key.1))
            .then(a.pid.cmp(&b.pid))
    });
    top
}

/// How many processes a table of so many lines lists, between the titles and the two rows of all others.
fn listed(lines: usize) -> usize {
    lines.saturating_sub(3)
}

/// A title and rows, `height` lines together.
pub(super) fn table(picture: &Picture<'_>, width: usize, height: usize) -> Vec<StyledLine> {
    let Some(rows) = height.checked_sub(1) else {
        return Vec::new();
    };
    let columns = columns(picture, width);
    let listed = listed(height);
    let mut top = in_order(picture.host.top(), picture.order);
    top.truncate(listed);
    let grid_columns: Vec<_> = columns.iter().map(|(_, column)| *column).collect();
    let mut lines = vec![grid::titles(&grid_columns, picture.canvas.style)];
    let mut cells: Vec<Vec<Cell>> = top
        .iter()
        .map(|process| {
            columns
                .iter()
                .map(|(field, _)| cell(process, *field))
                .collect()
        })
        .collect();
    cells.resize_with(listed, || vec![(Tone::Plain, String::new()); columns.len()]);
    let remainder = Remainder::of(picture, &top);
    let name = columns.last().map_or(0, |(_, column)| column.width);
    for (share, text) in remainder.rows(name).into_iter().take(rows - listed) {
        let cell = |field: &ProcessColumn| match field {
            ProcessColumn::Cpu => (Tone::Plain, format!("{share} ")),
            ProcessColumn::Name => (Tone::Dim, text.clone()),
            _ => (Tone::Plain, String::new()),
        };
        cells.push(columns.iter().map(|(field, _)| cell(field)).collect());
    }
    lines.extend(grid::lines(&grid_columns, &cells, picture.canvas.style));
    let chosen = picture
        .process
        .and_then(|pid| top.iter().position(|process| process.pid == pid));
    if let Some(line) = chosen.and_then(|row| lines.get_mut(row + 1)) {
        let mut whole = std::mem::take(line);
        whole.pad(width);
        *line = whole.toned(Tone::Selected);
    }
    lines
}

/// The process in a row of the table of so many lines; the first row is that of the titles.
pub(super) fn listed_at(picture: &Picture<'_>, lines: usize, row: usize) -> Option<u32> {
    let index = row.checked_sub(1).filter(|index| *index < listed(lines))?;
    let top = in_order(picture.host.top(), picture.order);
    top.get(index).map(|process| process.pid)
}

fn columns(picture: &Picture<'_>, width: usize) -> Vec<(ProcessColumn, Column<'static>)> {
    let has_blocks = picture.canvas.style.unicode;
    let sorted = |title, in_ascii| if has_blocks { title } else { in_ascii };
    let (cpu, memory) = match picture.order {
        ProcessOrder::Cpu => (sorted("CPU %▼", "CPU %v"), "MEM % "),
        ProcessOrder::Memory => ("CPU % ", sorted("MEM %▼", "MEM %v")),
    };
    let is_full = picture.widths.beside.is_none() || picture.widths.is_full();
    let mut columns = vec![
        (ProcessColumn::Cpu, Column::right(cpu, 6)),
        (ProcessColumn::Memory, Column::right(memory, 6)),
    ];
    if width >= 34 {
        columns.push((
            ProcessColumn::Size,
            Column::right("RSS", 6 + usize::from(is_full)),
        ));
    }
    if picture.widths.beside.is_some() {
        columns.extend([
            (
                ProcessColumn::State,
                Column::right("S", 1 + usize::from(is_full)),
            ),
            (ProcessColumn::Threads, Column::right("THR", 4)),
            (
                ProcessColumn::Number,
                Column::right("PID", 7 + usize::from(is_full)),
            ),
        ]);
    }
    let used: usize = columns.iter().map(|(_, column)| column.width + 1).sum();
    let name = width.saturating_sub(used).max(4);
    columns.push((ProcessColumn::Name, Column::left(" PROCESS", name)));
    columns
}

fn cell(process: &Process, field: ProcessColumn) -> Cell {
    let text = match field {
        ProcessColumn::Cpu => format!("{} ", tenths(process.cpu)),
        ProcessColumn::Memory => format!("{} ", tenths(process.memory)),
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        ProcessColumn::Size => process
            .rss
            .map_or_else(|| "-".into(), |rss| short_size(rss as f64)),
        ProcessColumn::State => process.state.as_deref().map_or_else(
            || "-".into(),
            |state| {
                super::super::sanitize::clean(state)
                    .chars()
                    .take(1)
                    .collect()
            },
        ),
        ProcessColumn::Threads => process
            .threads
            .map_or_else(|| "-".into(), |threads| threads.to_string()),
        ProcessColumn::Number => process.pid.to_string(),
        ProcessColumn::Name => format!(" {}", process.name),
    };
    let tone = match (field, process.state.as_deref()) {
        (ProcessColumn::State, Some("D")) => Tone::Warn,
        (ProcessColumn::Number | ProcessColumn::State | ProcessColumn::Threads, _) => Tone::Dim,
        _ => Tone::Plain,
    };
    (tone, text)
}

impl Remainder {
    fn of(picture: &Picture<'_>, listed: &[&Process]) -> Self {
        let exited = picture.value("exitedCpu");
        let used = match (picture.value("cpuUser"), picture.value("cpuSystem")) {
            (Some(user), Some(system)) => Some(user + system),
            _ => picture.value("cpu"),
        };
        let sum: f64 = listed.iter().map(|process| process.cpu).sum();
        Self {
            exited,
            forks: picture.value("forks"),
            others: used.map(|used| (used - sum - exited.unwrap_or(0.0)).max(0.0)),
            count: picture
                .value("processCount")
                .map(|all| (all - listed.len() as f64).max(0.0)),
        }
    }

    /// A share and a text for each row; the text has room in `width` columns.
    fn rows(&self, width: usize) -> [(String, String); 2] {
        let share = |value: Option<f64>| value.map_or_else(|| "-".into(), tenths);
        let fits = |text: &String| text.chars().count() < width;
        let forks = self
            .forks
            .map(|forks| format!(" (came and went: {}/s)", grouped(forks)));
        let came = forks
            .filter(fits)
            .or_else(|| Some(" (came and went)".to_owned()).filter(fits))
            .unwrap_or_else(|| " (exited)".into());
        let [long, short] = match self.count {
            // In a container, all processes may be listed, and the rest is used outside of it.
            Some(0.0) => [" (elsewhere)".to_owned(), " (rest)".into()],
            Some(count) => {
                let (number, noun) = (grouped(count), one_or_more(count, "other", "others"));
                [format!(" ({number} {noun})"), format!(" ({number})")]
            }
            None => [" (others)".to_owned(), " (rest)".into()],
        };
        let others = Some(long).filter(fits).unwrap_or(short);
        [(share(self.exited), came), (share(self.others), others)]
    }
}

/// What isn't listed, for where there is no table.
pub(super) fn remainder(
    picture: &Picture<'_>,
    listed: &[&Process],
    width: usize,
) -> [(String, String); 2] {
    Remainder::of(picture, listed).rows(width)
}
