//! Which chart gets how many rows: by the height of the screen and by what the host has.

use super::super::styled_line::StyledLine;
use super::blocks::ChartKind;
use super::cores;
use super::fields::most_of_cpu;
use super::picture::Picture;
use super::tables;

/// From this height of the body on, the timeline is shown.
const TIMELINE: usize = 26;

/// From this height of the body on, a blank line sets it apart.
const AIRY: usize = 50;

/// Below this percentage, a chart of a percentage is calm: most of its rows are blank.
const CALM: f64 = 30.0;

/// A rate fills more rows if it has been lower than this share of its maximum.
const MOVES: f64 = 0.8;

/// The most rows of a chart that gets some of the CPU's.
const TALL: usize = 12;

/// The fewest rows of a calm chart of the CPU that has rows to give.
const LOW: usize = 6;

/// The rows of the charts.
#[derive(Debug, Clone)]
pub(super) struct ChartPlan {
    parts: Vec<ChartPart>,
    /// Lines at the bottom for the timeline.
    pub foot: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChartPart {
    Chart(ChartKind, usize),
    /// One row each, or each for several.
    Cores(usize),
    Blank,
}

impl ChartPart {
    fn rows(self) -> usize {
        match self {
            Self::Chart(_, rows) | Self::Cores(rows) => rows,
            Self::Blank => 1,
        }
    }
}

/// How many rows charts get, from the most to the fewest.
#[derive(Debug, Clone, Copy)]
struct Grade {
    /// Whether blank lines set charts apart.
    air: bool,
    cores: usize,
    memory: usize,
    pressure: usize,
    rate: usize,
    /// The fewest rows of the CPU's chart; it gets what is left.
    cpu: usize,
}

const GRADES: [Grade; 6] = [
    grade(true, [8, 6, 3, 3], 12),
    grade(true, [4, 3, 2, 2], 8),
    grade(false, [4, 3, 2, 2], 5),
    grade(false, [2, 2, 1, 1], 4),
    grade(false, [0, 2, 0, 1], 3),
    grade(false, [0, 1, 0, 1], 2),
];

const fn grade(air: bool, [cores, memory, pressure, rate]: [usize; 4], cpu: usize) -> Grade {
    Grade {
        air,
        cores,
        memory,
        pressure,
        rate,
        cpu,
    }
}

impl ChartKind {
    /// Whether more rows show more: those of a rate that moves, because its scale fits, and those of a percentage that has
    /// been high.
    fn fills_rows(self, picture: &Picture<'_>) -> bool {
        let extent = picture.host.extent(self.metric());
        let moves = extent.is_some_and(|(least, most)| least < MOVES * most);
        let fills = if self.is_rate() {
            moves
        } else {
            !is_calm(picture, self.metric())
        };
        self.is_drawn(picture) && fills
    }

    fn is_rate(self) -> bool {
        matches!(
            self,
            Self::Received | Self::Sent | Self::Read | Self::Written
        )
    }
}

impl ChartPlan {
    pub(super) fn lines(&self, picture: &Picture<'_>) -> Vec<StyledLine> {
        let mut lines = Vec::new();
        for part in &self.parts {
            match *part {
                ChartPart::Chart(kind, rows) => lines.append(&mut kind.lines(picture, rows)),
                ChartPart::Cores(rows) => lines.append(&mut cores::lines(picture, rows)),
                ChartPart::Blank => lines.push(foot_of_cursor(picture)),
            }
        }
        lines
    }
}

/// A blank line, with the cursor where it is.
fn foot_of_cursor(picture: &Picture<'_>) -> StyledLine {
    let mut line = StyledLine::default();
    if let Some(cursor) = picture.look.cursor {
        line.pad(picture.widths.label + picture.widths.axis + cursor);
        line.push_char(
            super::super::style::Tone::Plain,
            picture.canvas.style.glyphs().cursor,
        );
    }
    line
}

/// The charts beside tables, in `height` lines with the row of times below them.
pub(super) fn beside(picture: &Picture<'_>, height: usize) -> ChartPlan {
    let foot = match height {
        AIRY.. => 2,
        TIMELINE.. => 1,
        _ => 0,
    };
    let room = height.saturating_sub(foot + 1);
    let said = tables::rates_beside(picture, height - foot);
    let parts = GRADES
        .iter()
        .find_map(|grade| fitted(picture, *grade, room, &said))
        .unwrap_or_else(|| last_resort(picture, room));
    ChartPlan { parts, foot }
}

/// The charts in `room` rows, if the CPU has enough of them. Rates that are `said` elsewhere need no row to say that there
/// never was any.
fn fitted(
    picture: &Picture<'_>,
    grade: Grade,
    room: usize,
    said: &[ChartKind],
) -> Option<Vec<ChartPart>> {
    let mut below = Vec::new();
    let cores = cores::count(picture).min(grade.cores);
    if cores > 0 {
        if grade.air && picture.widths.is_full() {
            below.push(ChartPart::Blank);
        }
        below.push(ChartPart::Cores(cores));
    }
    let mut has_drawn = true;
    for (kind, rows) in others(picture, grade, said) {
        // Lines that have no chart stand together.
        let is_drawn = kind.is_drawn(picture);
        if grade.air && (is_drawn || has_drawn) {
            below.push(ChartPart::Blank);
        }
        has_drawn = is_drawn;
        below.push(ChartPart::Chart(kind, rows));
    }
    let taken: usize = below.iter().map(|part| part.rows()).sum();
    let mut cpu = room.checked_sub(taken).filter(|cpu| grade.cpu <= *cpu)?;
    if grade.air && is_calm(picture, "cpu") {
        let needed = most_of_cpu(picture).max(LOW).min(cpu);
        cpu = needed + share_out(picture, &mut below, cpu - needed);
    }
    below.insert(0, ChartPart::Chart(ChartKind::Cpu, cpu));
    Some(below)
}

/// Whether a percentage has stayed at the foot of its scale, as far as is known: so a chart that has become high stays
/// high.
fn is_calm(picture: &Picture<'_>, metric: &str) -> bool {
    let extent = picture.host.extent(metric);
    extent.is_some_and(|(_, most)| most < CALM)
}

/// Gives `rows` in turn to the charts that make use of them; returns those that are left.
fn share_out(picture: &Picture<'_>, parts: &mut [ChartPart], mut rows: usize) -> usize {
    let mut charts: Vec<&mut usize> = parts
        .iter_mut()
        .filter_map(|part| match part {
            ChartPart::Chart(kind, height) if kind.fills_rows(picture) => Some(height),
            _ => None,
        })
        .collect();
    while rows > 0 && charts.iter().any(|height| **height < TALL) {
        for height in charts.iter_mut().filter(|height| ***height < TALL) {
            let given = rows.min(1);
            **height += given;
            rows -= given;
        }
    }
    rows
}

/// All charts but the CPU's, from cause to effect, with their rows.
fn others(picture: &Picture<'_>, grade: Grade, said: &[ChartKind]) -> Vec<(ChartKind, usize)> {
    let rows = |kind: ChartKind| match kind {
        ChartKind::Memory => grade.memory,
        ChartKind::Pressure | ChartKind::Quota | ChartKind::Throttled | ChartKind::Gpu => {
            grade.pressure
        }
        ChartKind::Read if grade.rate == 3 => 2,
        _ => grade.rate,
    };
    [
        ChartKind::Quota,
        ChartKind::Throttled,
        ChartKind::Gpu,
        ChartKind::Memory,
        ChartKind::Pressure,
        ChartKind::Received,
        ChartKind::Sent,
        ChartKind::Read,
        ChartKind::Written,
    ]
    .into_iter()
    .filter(|kind| picture.has(kind.metric()))
    .map(|kind| {
        let drawn = kind.is_drawn(picture);
        // A rate that never was anything keeps the row that says so, if nothing else does.
        (
            kind,
            if drawn {
                rows(kind)
            } else {
                usize::from(kind.is_rate() && !said.contains(&kind))
            },
        )
    })
    .filter(|(_, rows)| *rows > 0)
    .collect()
}

/// The CPU alone, or nothing.
fn last_resort(picture: &Picture<'_>, room: usize) -> Vec<ChartPart> {
    let cpu = ChartKind::Cpu;
    if room == 0 || !picture.has(cpu.metric()) {
        return Vec::new();
    }
    vec![ChartPart::Chart(cpu, room)]
}

/// The rows of a screen whose tables are below its charts.
#[derive(Debug, Clone)]
pub(super) struct StackedPlan {
    charts: ChartPlan,
    pub has_times: bool,
    pub has_loads: bool,
    /// The lines of the tables, with their titles.
    pub tables: usize,
    pub foot: usize,
}

impl StackedPlan {
    pub(super) fn lines(&self, picture: &Picture<'_>) -> Vec<StyledLine> {
        self.charts.lines(picture)
    }
}

/// The charts above tables, in `height` lines.
pub(super) fn above(picture: &Picture<'_>, height: usize) -> StackedPlan {
    let foot = usize::from(height >= TIMELINE);
    let rates = [
        ChartKind::Received,
        ChartKind::Sent,
        ChartKind::Read,
        ChartKind::Written,
    ];
    let rates: Vec<_> = rates
        .into_iter()
        .filter(|kind| picture.has(kind.metric()))
        .collect();
    let mut rows = StackedRows::of(height.saturating_sub(foot), rates.len());
    let mut parts = vec![ChartPart::Chart(ChartKind::Cpu, rows.cpu)];
    if rows.cores > 0 && cores::count(picture) > 0 {
        parts.push(ChartPart::Cores(rows.cores.min(cores::count(picture))));
    } else {
        rows.tables += rows.cores;
    }
    parts.push(ChartPart::Chart(ChartKind::Memory, rows.memory));
    for kind in rates.into_iter().take(rows.rates / rows.rate.max(1)) {
        parts.push(ChartPart::Chart(kind, rows.rate));
    }
    parts.retain(|part| match part {
        ChartPart::Chart(kind, rows) => *rows > 0 && picture.has(kind.metric()),
        ChartPart::Cores(rows) => *rows > 0,
        ChartPart::Blank => true,
    });
    StackedPlan {
        charts: ChartPlan { parts, foot },
        has_times: rows.times > 0,
        has_loads: rows.loads > 0,
        tables: rows.tables,
        foot,
    }
}

/// How the lines are divided.
#[derive(Debug, Clone, Copy, Default)]
struct StackedRows {
    cpu: usize,
    cores: usize,
    memory: usize,
    rates: usize,
    /// Of each rate.
    rate: usize,
    times: usize,
    loads: usize,
    tables: usize,
}

impl StackedRows {
    /// The shares of `height` lines, where the host has so many rates.
    fn of(height: usize, rates: usize) -> Self {
        let mut rows = Self {
            cpu: 2.min(height),
            ..Self::default()
        };
        let mut left = height - rows.cpu;
        let mut give = |to: &mut usize, most: usize| {
            let given = most.min(left);
            *to += given;
            left -= given;
        };
        // What a short screen keeps longest comes first.
        give(&mut rows.memory, 1);
        give(&mut rows.tables, 4);
        give(&mut rows.rates, rates);
        give(&mut rows.cpu, 1);
        give(&mut rows.times, 1);
        give(&mut rows.loads, 1);
        give(&mut rows.memory, 1);
        give(&mut rows.tables, 4);
        give(&mut rows.cpu, 1);
        // A taller one adds to the charts, then to the processes.
        give(&mut rows.cpu, 4);
        give(&mut rows.memory, 1);
        rows.rate = 1;
        if left >= rates && rates > 0 {
            left -= rates;
            rows.rates += rates;
            rows.rate = 2;
        }
        let mut give = |to: &mut usize, most: usize| {
            let given = most.min(left);
            *to += given;
            left -= given;
        };
        give(&mut rows.tables, 5);
        give(&mut rows.cores, 4);
        give(&mut rows.cpu, 4);
        give(&mut rows.tables, 12);
        rows.cpu += left;
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_use() {
        for height in 0..100 {
            for rates in [0, 2, 4] {
                let rows = StackedRows::of(height, rates);
                let sum = rows.cpu
                    + rows.cores
                    + rows.memory
                    + rows.rates
                    + rows.times
                    + rows.loads
                    + rows.tables;
                assert_eq!(sum, height, "{rows:?}");
            }
        }
        let usual = StackedRows::of(20, 4);
        assert_eq!(
            (usual.cpu, usual.memory, usual.rates, usual.tables),
            (4, 2, 4, 8)
        );
    }
}
