//! The cores: a row for each over time, or for several; and in one line.

use super::super::chart::blocks;
use super::super::scale::ChartScale;
use super::super::style::Tone;
use super::super::styled_line::StyledLine;
use super::super::units::{decimal, grouped, whole_percent};
use super::blocks::level_tone;
use super::picture::Picture;

/// The most cores that are written as numbers in one line.
const MOST_NAMED: usize = 8;

/// How many cores the host has metrics of.
pub(super) fn count(picture: &Picture<'_>) -> usize {
    all(picture).count()
}

/// Their metrics, with their numbers.
fn all<'a>(picture: &'a Picture<'_>) -> impl Iterator<Item = (&'a str, usize)> {
    let metrics = picture.host.metrics.iter().enumerate();
    metrics.filter_map(|(index, metric)| Some((metric.key.strip_prefix("cpu:")?, index)))
}

/// The cores in `rows` rows; where they share one, the hottest counts.
pub(super) fn lines(picture: &Picture<'_>, rows: usize) -> Vec<StyledLine> {
    let cores: Vec<_> = all(picture).collect();
    let each = cores.len().div_ceil(rows.max(1)).max(1);
    cores
        .chunks(each)
        .enumerate()
        .map(|(row, group)| line(picture, row == 0, group))
        .chain(std::iter::repeat_with(StyledLine::default))
        .take(rows)
        .collect()
}

fn line(picture: &Picture<'_>, is_first: bool, group: &[(&str, usize)]) -> StyledLine {
    let name = match group {
        [(only, _)] => (*only).to_owned(),
        [(first, _), .., (last, _)] => format!("{first}-{last}"),
        [] => String::new(),
    };
    let hottest = group
        .iter()
        .filter_map(|(_, index)| picture.host.history.value(*index))
        .reduce(f64::max);
    let value = hottest.map_or_else(|| "-".into(), whole_percent);
    let head = if is_first { "Cores" } else { "" };
    let wide = if picture.widths.is_full() { 4 } else { 5 };
    let mut line = StyledLine::new(Tone::Plain, format!(" {head:<5} {name:>wide$}"));
    line = line.clip(picture.widths.label - 6, picture.canvas.style);
    line.pad(picture.widths.label - 6);
    line.push(Tone::Plain, format!("{value:>4} %"));
    line.pad(picture.widths.label + picture.widths.axis - 1);
    line.push_char(Tone::Dim, picture.canvas.style.glyphs().axis);
    let mut highest: Vec<Option<f64>> = vec![None; picture.axis.dots()];
    for (_, index) in group {
        let values = picture.bins.pool(*index);
        for (dot, value) in std::iter::zip(&mut highest, values) {
            *dot = match (*dot, value) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
        }
    }
    let levels = ChartScale::PERCENT.levels(&highest);
    let metric = group
        .first()
        .map(|(_, index)| &picture.host.metrics[*index]);
    let tone = |level: usize| {
        metric.map_or(Tone::User, |metric| {
            level_tone(metric, (level as f64 - 0.5) * 12.5)
        })
    };
    line.append(blocks(&levels, tone, picture.look));
    line
}

/// ` Load 11.40  8.10  4.02  Cores  99  97  run  14 blk   1`.
pub(super) fn load_line(picture: &Picture<'_>) -> StyledLine {
    let load = |name: &str| {
        let value = picture.value(name);
        value.map_or_else(|| "-".into(), |load| decimal(load, 2))
    };
    let mut line = StyledLine::new(Tone::Plain, " Load");
    for name in ["load1", "load5", "load15"] {
        let tone = super::super::page_parts::level_mark(picture.level(name)).1;
        line.push(tone, format!("{:>6}", load(name)));
    }
    line.pad(25);
    let width = picture.canvas.width;
    let tasks = picture.has("tasksRunnable") && width >= 78;
    let room = width.saturating_sub(if tasks { 48 } else { 32 });
    line.append(core_strip(picture, room));
    if tasks {
        line.pad(width - 16);
        let count = |name| picture.value(name).map_or_else(|| "-".into(), grouped);
        line.push(Tone::Plain, format!("run {:>3}", count("tasksRunnable")));
        if picture.has_counted("tasksBlocked") {
            line.push(Tone::Plain, format!(" blk {:>3}", count("tasksBlocked")));
        }
    }
    line
}

/// The cores as numbers, or as blocks where there are many.
fn core_strip(picture: &Picture<'_>, room: usize) -> StyledLine {
    let cores: Vec<_> = all(picture).collect();
    let mut line = StyledLine::default();
    if cores.is_empty() {
        return line;
    }
    line.push(Tone::Plain, "Cores");
    let value = |index: usize| picture.host.history.value(index);
    if cores.len() <= MOST_NAMED && cores.len() * 4 <= room {
        for (_, index) in &cores {
            let text = value(*index).map_or_else(|| "-".into(), whole_percent);
            let level = value(*index).map(|value| picture.host.metrics[*index].level(value));
            let tone = level.map_or(Tone::Dim, |level| {
                super::super::page_parts::level_mark(level).1
            });
            line.push(tone, format!("{text:>4}"));
        }
        return line;
    }
    line.push(Tone::Plain, " ");
    let each = cores.len().div_ceil(room.max(1)).max(1);
    let shapes = picture.canvas.style.glyphs().blocks;
    for group in cores.chunks(each) {
        let hottest = group.iter().filter_map(|(_, index)| value(*index));
        match hottest.reduce(f64::max) {
            Some(hottest) => {
                let metric = &picture.host.metrics[group[0].1];
                let tone = super::super::page_parts::level_mark(metric.level(hottest)).1;
                line.push_char(tone, shapes[ChartScale::PERCENT.dots(hottest, 8) - 1]);
            }
            None => line.push_char(Tone::Plain, ' '),
        }
    }
    line
}
