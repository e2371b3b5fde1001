//! The screen of a narrow terminal: what matters most.

use super::super::page_parts::level_mark;
use super::super::scale::tenths;
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units::whole_percent;
use super::blocks::{ChartKind, percent_chart};
use super::counters::rate_parts;
use super::fields::{Field, percent, percent_field};
use super::picture::Picture;
use super::processes::{in_order, remainder};

/// How the lines are divided.
struct SmallShares {
    cpu: usize,
    memory: usize,
    rates: usize,
    processes: usize,
}

fn shares(height: usize) -> SmallShares {
    let mut left = height;
    let mut give = |most: usize| {
        let given = most.min(left);
        left -= given;
        given
    };
    // What a short screen keeps longest comes first.
    let mut cpu = give(1);
    let memory = give(1);
    let mut processes = give(2);
    cpu += give(2);
    let rates = give(2);
    processes += give(1);
    cpu += give(3);
    processes += give(3);
    SmallShares {
        cpu,
        memory,
        rates,
        processes,
    }
}

/// How many lines have charts.
pub(super) fn chart_lines(picture: &Picture<'_>, height: usize) -> usize {
    let shares = shares(height);
    let charts = [
        (ChartKind::Cpu, shares.cpu),
        (ChartKind::Memory, shares.memory),
    ];
    let known = charts.iter().filter(|(kind, _)| picture.has(kind.metric()));
    known.map(|(_, lines)| lines).sum()
}

/// The lines of the body.
pub(super) fn lines(picture: &Picture<'_>, height: usize) -> Vec<StyledLine> {
    let SmallShares {
        cpu,
        memory,
        rates,
        processes,
    } = shares(height);
    let mut lines = ChartKind::Cpu.lines_if_known(picture, cpu);
    if memory > 0 {
        lines.extend(memory_line(picture));
    }
    lines.extend(rate_lines(picture).into_iter().take(rates));
    let rest = height.saturating_sub(lines.len()).min(processes.max(1));
    lines.extend(process_lines(picture, rest));
    lines.resize(height, StyledLine::default());
    lines
}

impl ChartKind {
    fn lines_if_known(self, picture: &Picture<'_>, rows: usize) -> Vec<StyledLine> {
        match picture.find(self.metric()) {
            Some(index) if rows > 0 => cpu_lines(picture, index, rows),
            _ => Vec::new(),
        }
    }
}

fn cpu_lines(picture: &Picture<'_>, index: usize, rows: usize) -> Vec<StyledLine> {
    let fields = [
        Some(percent_field(picture, "CPU", "cpu")),
        picture
            .has("cpuUser")
            .then(|| Field::new("  usr", percent(picture.value("cpuUser")))),
        picture
            .has("cpuSystem")
            .then(|| Field::new("  sys", percent(picture.value("cpuSystem")))),
    ];
    let fields: Vec<_> = fields.into_iter().flatten().collect();
    let chart = percent_chart(picture, index, rows);
    chart
        .into_iter()
        .enumerate()
        .map(|(row, cells)| beside_axis(picture, fields.get(row), cells))
        .collect()
}

fn beside_axis(picture: &Picture<'_>, field: Option<&Field>, cells: StyledLine) -> StyledLine {
    let mut line = field.map_or_else(StyledLine::default, |field| {
        field.line(picture.widths.label, picture.canvas.style)
    });
    line.pad(picture.widths.label);
    line.push_char(Tone::Dim, picture.canvas.style.glyphs().tick);
    line.append(cells);
    line
}

fn memory_line(picture: &Picture<'_>) -> Option<StyledLine> {
    let index = picture.find("memory")?;
    let cells = percent_chart(picture, index, 1).pop()?;
    Some(beside_axis(
        picture,
        Some(&percent_field(picture, "Mem", "memory")),
        cells,
    ))
}

/// `Net  in   1.1  out  2.8 MB/s`, and the same for disks.
fn rate_lines(picture: &Picture<'_>) -> Vec<StyledLine> {
    let pair = |name: &str, (a, kind_a): (&str, ChartKind), (b, kind_b): (&str, ChartKind)| {
        if !picture.has(kind_a.metric()) {
            return None;
        }
        let (first, first_unit) = rate_parts(picture, kind_a);
        let (second, unit) = rate_parts(picture, kind_b);
        // A unit of its own only where it differs.
        let own = if first_unit == unit {
            String::new()
        } else {
            format!(" {first_unit}")
        };
        // `out` and `289.5` would touch.
        let between = if b.len() + second.len() > 7 { " " } else { "" };
        Some(StyledLine::new(
            Tone::Plain,
            format!(" {name:<4} {a:<3}{first:>5}{own}  {b:<3}{between}{second:>5} {unit}"),
        ))
    };
    let net = pair("Net", ("in", ChartKind::Received), ("out", ChartKind::Sent));
    let mut disk = pair("Disk", ("rd", ChartKind::Read), ("wr", ChartKind::Written));
    if let Some(line) = &mut disk
        && let Some(fullest) = picture.value("disk")
    {
        let (mark, tone) = level_mark(picture.level("disk"));
        let percent = whole_percent(fullest);
        let full = StyledLine::new(tone, format!(" full{mark:>2}{percent:>3}%"));
        line.pad(29);
        // Beside two long rates it would be cut off in the middle.
        if line.width() + full.width() <= picture.canvas.width {
            line.append(full);
        }
    }
    net.into_iter().chain(disk).collect()
}

/// Two processes in each of `rows` lines, the last of which is for all others.
fn process_lines(picture: &Picture<'_>, rows: usize) -> Vec<StyledLine> {
    if rows == 0 || picture.host.most_listed == 0 {
        return Vec::new();
    }
    let half = picture.canvas.width / 2;
    let listed = (rows - 1) * 2;
    let mut top = in_order(picture.host.top(), picture.order);
    top.truncate(listed);
    let share = |process: &crate::protocol::Process| match picture.order {
        super::ProcessOrder::Cpu => process.cpu,
        super::ProcessOrder::Memory => process.memory,
    };
    let mut cells: Vec<(String, String)> = top
        .iter()
        .map(|process| (tenths(share(process)), format!(" {}", process.name)))
        .collect();
    cells.resize(listed, (String::new(), String::new()));
    cells.extend(remainder(picture, &top, half.saturating_sub(5)));
    cells
        .chunks(2)
        .map(|pair| {
            let mut line = StyledLine::default();
            for (column, (share, name)) in pair.iter().enumerate() {
                let mut cell = StyledLine::new(Tone::Plain, format!("{share:>5}"));
                cell.push(Tone::Plain, name.clone());
                line.pad(column * half);
                line.append(cell.clip(half.saturating_sub(1), picture.canvas.style));
            }
            line
        })
        .collect()
}
