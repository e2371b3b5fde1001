//! The charts: each with its names and values at the left, and its scale.

use super::super::chart::{Colouring, DOTS_HIGH, Heights, area, blocks};
use super::super::metric::{Level, Metric};
use super::super::page_parts::level_mark;
use super::super::scale::ChartScale;
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units::decimal;
use super::fields::{Field, of_cpu, of_memory, of_rate, percent, percent_field};
use super::picture::{Picture, is_charted};

/// Below this, a rate is drawn against a scale of its own unit all the same.
const LEAST_RATE: f64 = 1000.0;

/// The parts of the CPU's time, from the bottom up.
const PARTS: [(&str, Tone); 4] = [
    ("cpuUser", Tone::User),
    ("cpuSystem", Tone::System),
    ("iowait", Tone::IoWait),
    ("steal", Tone::Stolen),
];

/// A chart of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChartKind {
    Cpu,
    Memory,
    Pressure,
    Received,
    Sent,
    Read,
    Written,
    Quota,
    Throttled,
    Gpu,
}

impl ChartKind {
    pub(super) const ALL: [Self; 10] = [
        Self::Cpu,
        Self::Memory,
        Self::Pressure,
        Self::Received,
        Self::Sent,
        Self::Read,
        Self::Written,
        Self::Quota,
        Self::Throttled,
        Self::Gpu,
    ];

    /// The metric that it draws.
    pub(super) fn metric(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Pressure => "pressureCpu",
            Self::Received => "networkReceived",
            Self::Sent => "networkSent",
            Self::Read => "diskRead",
            Self::Written => "diskWritten",
            Self::Quota => "cpuQuota",
            Self::Throttled => "cpuThrottled",
            Self::Gpu => "gpu",
        }
    }

    /// Whether the host has something to draw. CPU and memory always have; a chart of any other value has to earn its
    /// rows.
    pub(super) fn is_drawn(self, picture: &Picture<'_>) -> bool {
        match self {
            Self::Cpu | Self::Memory => picture.has(self.metric()),
            Self::Pressure => ["pressureCpu", "pressureMemory", "pressureIo"]
                .iter()
                .any(|name| is_charted(picture.host, name)),
            _ => is_charted(picture.host, self.metric()),
        }
    }

    /// The lines of the chart.
    pub(super) fn lines(self, picture: &Picture<'_>, rows: usize) -> Vec<StyledLine> {
        match self {
            Self::Cpu => cpu(picture, rows),
            Self::Memory => percentage(picture, "memory", of_memory(picture, rows), rows),
            Self::Pressure => percentage(picture, "pressureCpu", pressures(picture, rows), rows),
            Self::Quota => percentage(
                picture,
                "cpuQuota",
                vec![percent_field(picture, "Of quota", "cpuQuota")],
                rows,
            ),
            Self::Throttled => percentage(
                picture,
                "cpuThrottled",
                vec![percent_field(picture, "Throttled", "cpuThrottled")],
                rows,
            ),
            Self::Gpu => percentage(picture, "gpu", gpus(picture), rows),
            Self::Received => rate(picture, self, "Net in", also(picture, self), rows),
            Self::Sent => {
                let name = shortened(picture, "Net out", (Self::Received, "  out"));
                rate(picture, self, name, also(picture, self), rows)
            }
            Self::Read => {
                let name = if picture.widths.is_full() {
                    "Disk read"
                } else {
                    "Disk rd"
                };
                rate(picture, self, name, also(picture, self), rows)
            }
            Self::Written => {
                let name = shortened(picture, "Disk wr", (Self::Read, "  wr"));
                rate(picture, self, name, also(picture, self), rows)
            }
        }
    }
}

/// The name of a rate: where `289.5 kB/s` would touch it, the shorter one, if the chart above has the other direction.
fn shortened(
    picture: &Picture<'_>,
    name: &'static str,
    (other, short): (ChartKind, &'static str),
) -> &'static str {
    if picture.widths.is_full() || !picture.has(other.metric()) {
        name
    } else {
        short
    }
}

/// What explains a rate.
fn also(picture: &Picture<'_>, kind: ChartKind) -> Option<Field> {
    let (name, metric) = match kind {
        ChartKind::Received => ("  drops", "networkDrops"),
        ChartKind::Sent => ("  resent", "tcpRetransmits"),
        ChartKind::Read => ("  await", "diskAwait"),
        ChartKind::Written => ("  busy", "diskBusy"),
        _ => return None,
    };
    let index = picture
        .find(metric)
        .filter(|_| picture.has_counted(metric))?;
    let unit = match &*picture.host.metrics[index].unit {
        "1/s" => "/s",
        unit => unit,
    };
    let value = picture.value(metric);
    let text = value.map_or_else(
        || "-".into(),
        |value| format!("{} {unit}", percent(Some(value))),
    );
    Some(Field::new(name, text).at(picture.level(metric)))
}

fn pressures(picture: &Picture<'_>, rows: usize) -> Vec<Field> {
    let mut fields = vec![percent_field(picture, "Pressure", "pressureCpu")];
    let others = match rows {
        0..3 => &[("  I/O", "pressureIo")][..],
        _ => &[("  memory", "pressureMemory"), ("  I/O", "pressureIo")][..],
    };
    let others = others
        .iter()
        .filter(|(_, metric)| picture.has_counted(metric));
    fields.extend(others.map(|(name, metric)| {
        Field::new(name, percent(picture.value(metric))).at(picture.level(metric))
    }));
    fields
}

fn gpus(picture: &Picture<'_>) -> Vec<Field> {
    let mut fields = vec![percent_field(picture, "GPU", "gpu")];
    if picture.has("gpuMemory") {
        fields.push(Field::new("  memory", percent(picture.value("gpuMemory"))));
    }
    if let Some(watts) = picture.value("gpuPower") {
        fields.push(Field::new("  power", format!("{} W", decimal(watts, 0))));
    }
    fields
}

/// The CPU, with its parts on top of each other where colours can tell them apart.
fn cpu(picture: &Picture<'_>, rows: usize) -> Vec<StyledLine> {
    let fields = of_cpu(picture, rows);
    let Some(total) = picture.find("cpu") else {
        return Vec::new();
    };
    let all = rows * DOTS_HIGH;
    let scale = ChartScale::PERCENT;
    let parts = PARTS.map(|(name, _)| picture.find(name));
    let columns: Vec<Heights> = picture
        .bins
        .peaks(total, &parts)
        .into_iter()
        .map(|peak| {
            let Some(peak) = peak else {
                return Heights::new();
            };
            let top = scale.dots(peak.total, all);
            let mut sum = 0.0;
            let mut heights: Heights = peak
                .parts
                .iter()
                .map(|part| {
                    sum += part;
                    scale.rounded_dots(sum, all).min(top)
                })
                .collect();
            fill_up(&mut heights, top);
            heights
        })
        .collect();
    let tones = PARTS.map(|(_, tone)| tone);
    let chart = area(&columns, rows, &Colouring::Layers(&tones), picture.look);
    let metric = &picture.host.metrics[total];
    join(picture, &fields, &scale, Some(metric), chart)
}

/// Lets the highest part reach up to `top`: what no part accounts for, and the dot of an idle host, belong to it.
fn fill_up(heights: &mut Heights, top: usize) {
    let adds = |&index: &usize| {
        let below = index.checked_sub(1).map_or(0, |below| heights[below]);
        below < heights[index]
    };
    let highest = (0..heights.len()).rev().find(adds).unwrap_or(0);
    heights
        .iter_mut()
        .skip(highest)
        .for_each(|height| *height = top);
}

/// A percentage.
fn percentage(
    picture: &Picture<'_>,
    name: &str,
    fields: Vec<Field>,
    rows: usize,
) -> Vec<StyledLine> {
    let scale = ChartScale::PERCENT;
    let Some(index) = picture.find(name) else {
        return join(
            picture,
            &fields,
            &scale,
            None,
            vec![StyledLine::default(); rows],
        );
    };
    let chart = percent_chart(picture, index, rows);
    join(picture, &fields, &scale, None, chart)
}

/// The cells of the chart of a percentage, coloured by height.
pub(super) fn percent_chart(picture: &Picture<'_>, index: usize, rows: usize) -> Vec<StyledLine> {
    let metric = &picture.host.metrics[index];
    let tones: Vec<Tone> = (0..rows)
        .map(|row| {
            let middle = (rows - row) as f64 - 0.5;
            level_tone(metric, middle / rows as f64 * 100.0)
        })
        .collect();
    draw(picture, index, ChartScale::PERCENT, rows, &tones)
}

/// The tone of a value in a chart.
pub(super) fn level_tone(metric: &Metric, value: f64) -> Tone {
    match metric.level(value) {
        Level::Normal => Tone::User,
        level => level_mark(level).1,
    }
}

fn rate(
    picture: &Picture<'_>,
    kind: ChartKind,
    name: &'static str,
    also: Option<Field>,
    rows: usize,
) -> Vec<StyledLine> {
    let scale = rate_scale(picture, kind.metric());
    let fields = of_rate(picture, (name, kind.metric()), also, scale, rows);
    let chart = match picture.find(kind.metric()) {
        Some(index) if kind.is_drawn(picture) => {
            draw(picture, index, scale, rows, &vec![Tone::User; rows])
        }
        _ => Vec::new(),
    };
    if chart.is_empty() {
        let plain = |field: &Field| field.line(picture.widths.label, picture.canvas.style);
        return fields.iter().take(rows).map(plain).collect();
    }
    join(picture, &fields, &scale, None, chart)
}

/// The scale of a rate, which falls only after a while.
pub(super) fn rate_scale(picture: &Picture<'_>, name: &str) -> ChartScale {
    let range = picture
        .find(name)
        .and_then(|index| picture.scaled.range(index));
    ChartScale::over(range.map_or(0.0, |(_, most)| most), LEAST_RATE)
}

fn draw(
    picture: &Picture<'_>,
    index: usize,
    scale: ChartScale,
    rows: usize,
    tones: &[Tone],
) -> Vec<StyledLine> {
    let values = picture.bins.pool(index);
    if rows == 1 {
        let levels = scale.levels(&values);
        let metric = &picture.host.metrics[index];
        let tone = |level: usize| match &*metric.unit {
            "%" => level_tone(metric, (level as f64 - 0.5) * 12.5),
            _ => Tone::User,
        };
        return vec![blocks(&levels, tone, picture.look)];
    }
    let height = |value: f64| scale.dots(value, rows * DOTS_HIGH);
    let heights = |values: &[&Option<f64>]| {
        values
            .iter()
            .copied()
            .flatten()
            .copied()
            .map(height)
            .collect()
    };
    if let Some(means) = picture.bins.means(index) {
        let pairs = means.iter().zip(&values);
        let columns: Vec<Heights> = pairs.map(|(mean, most)| heights(&[mean, most])).collect();
        return area(&columns, rows, &Colouring::Means(tones), picture.look);
    }
    let columns: Vec<Heights> = values.iter().map(|value| heights(&[value])).collect();
    area(&columns, rows, &Colouring::Rows(tones), picture.look)
}

/// The names and values, the axis and the chart side by side. If there are `levels`, they are marked at the axis.
fn join(
    picture: &Picture<'_>,
    fields: &[Field],
    scale: &ChartScale,
    levels: Option<&Metric>,
    chart: Vec<StyledLine>,
) -> Vec<StyledLine> {
    let rows = chart.len();
    let mut lines = Vec::with_capacity(rows);
    for (row, cells) in chart.into_iter().enumerate() {
        let mut line = match fields.get(row) {
            Some(field) => field.line(picture.widths.label, picture.canvas.style),
            None => StyledLine::default(),
        };
        line.pad(picture.widths.label);
        line.append(axis(picture, row, rows, scale, levels));
        line.append(cells);
        lines.push(line);
    }
    lines
}

fn axis(
    picture: &Picture<'_>,
    row: usize,
    rows: usize,
    scale: &ChartScale,
    levels: Option<&Metric>,
) -> StyledLine {
    let glyphs = picture.canvas.style.glyphs();
    let room = picture.widths.axis - 1;
    let label = match row {
        _ if room == 0 => String::new(),
        0 => scale.top_label(),
        row if row + 1 == rows => "0".into(),
        _ => String::new(),
    };
    let mut line = StyledLine::new(Tone::Dim, format!("{label:>room$}"));
    let is_end = row == 0 || row + 1 == rows;
    let height = 100.0 / rows as f64;
    let within = |level: Option<f64>| {
        let from = height * (rows - 1 - row) as f64;
        level.is_some_and(|level| from <= level && level < from + height)
    };
    let marked = levels.map_or(Tone::Dim, |metric| match () {
        () if within(metric.critical) => Tone::Critical,
        () if within(metric.warn) => Tone::Warn,
        () => Tone::Dim,
    });
    let is_marked = marked != Tone::Dim && picture.canvas.style.colour;
    line.push_char(
        marked,
        if is_end || is_marked {
            glyphs.tick
        } else {
            glyphs.axis
        },
    );
    line
}
