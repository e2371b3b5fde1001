//! What a host has several of: cores, filesystems, disks, networks, sensors, processes.

use super::grid::{self, Cell, Column};
use super::line::Line;
use super::page::{Canvas, level_mark};
use super::sanitize::{clean, text_width};
use super::sparkline::{Scale, bar};
use super::state::{Host, Level};
use super::style::{Style, Tone};
use super::units;

/// The names whose instances stand in a section instead of in rows.
const SECTIONED: [&str; 9] = [
    "cpu",
    "disk",
    "diskRead",
    "diskWritten",
    "diskBusy",
    "networkReceived",
    "networkSent",
    "networkErrors",
    "temperature",
];

/// How far the items of a short section are indented behind its title.
const INDENT: usize = 8;

/// Whether the metric `key` stands in a section.
pub(super) fn has(key: &str) -> bool {
    key.split_once(':')
        .is_some_and(|(family, _)| SECTIONED.contains(&family))
}

/// A section: as a table, and in as few lines as possible.
pub(super) struct Section {
    pub full: Vec<Line>,
    pub short: Vec<Line>,
}

/// The sections that `host` has something for, the most important first.
pub(super) fn all(host: &Host, canvas: Canvas) -> Vec<Section> {
    [
        cores(host, canvas),
        processes(host, canvas),
        filesystems(host, canvas),
        networks(host, canvas),
        disks(host, canvas),
        sensors(host, canvas),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// An instance of a family: the name to show, the value, and how it stands against its levels.
struct Instance {
    key: String,
    name: String,
    value: f64,
    level: Level,
}

fn instances(host: &Host, family: &str) -> Vec<Instance> {
    let value = |(index, metric): (usize, &super::state::Metric)| {
        let (of, instance) = metric.key.split_once(':')?;
        let value = (of == family)
            .then(|| host.history.value(index))
            .flatten()?;
        Some(Instance {
            key: instance.to_owned(),
            name: clean(instance),
            value,
            level: metric.level(value),
        })
    };
    host.metrics.iter().enumerate().filter_map(value).collect()
}

/// Items one behind the other, in at most `most` lines; what does not fit is counted.
fn flow(title: &str, items: &[Line], most: usize, canvas: Canvas) -> Vec<Line> {
    const SEPARATOR: usize = 2;
    let mut lines = vec![Line::new(Tone::Dim, format!(" {title}"))];
    for (placed, item) in items.iter().enumerate() {
        let more = format!("+{}", items.len() - placed);
        let begun = lines.last().map_or(0, Line::width);
        let at = if begun <= INDENT {
            INDENT
        } else {
            begun + SEPARATOR
        };
        let last = lines.len() == most;
        let reserved = if last && placed + 1 < items.len() {
            SEPARATOR + more.len()
        } else {
            0
        };
        let fits = at + item.width() + reserved <= canvas.width;
        let Some(line) = lines.last_mut() else { break };
        if fits || at == INDENT {
            line.pad(at);
            line.append(
                item.clone()
                    .clip(canvas.width.saturating_sub(at + reserved), canvas.style),
            );
        } else if last {
            line.pad(at);
            line.push(Tone::Dim, more);
            break;
        } else {
            let mut line = Line::new(Tone::Plain, " ".repeat(INDENT));
            line.append(
                item.clone()
                    .clip(canvas.width.saturating_sub(INDENT), canvas.style),
            );
            lines.push(line);
        }
    }
    lines
}

/// A title and a table, the first column as wide as is left.
fn table(columns: &[Column], rows: &[Vec<Cell>], style: Style) -> Vec<Line> {
    let mut lines = vec![grid::titles(columns, style)];
    lines.extend(grid::lines(columns, rows, style));
    lines.into_iter().map(indented).collect()
}

fn indented(line: Line) -> Line {
    let mut indented = Line::new(Tone::Plain, " ");
    indented.append(line);
    indented
}

/// The width of a table's first column, when the others take `others` of the canvas.
fn first(canvas: Canvas, names: impl Iterator<Item = String>, others: usize) -> usize {
    let widest = names.map(|name| text_width(&name)).max().unwrap_or(0);
    let room = canvas.width.saturating_sub(others + 2).max(4);
    widest.clamp(12.min(room), room)
}

fn cores(host: &Host, canvas: Canvas) -> Option<Section> {
    let cores = instances(host, "cpu");
    if cores.is_empty() {
        return None;
    }
    let scale = Scale::of(&[], "%", None);
    let digits = cores.iter().map(|core| core.name.len()).max().unwrap_or(1);
    let items: Vec<Line> = cores
        .iter()
        .map(|core| {
            let (_, tone) = level_mark(core.level);
            let mut item = Line::new(Tone::Dim, format!("{:>digits$} ", core.name));
            item.push(
                tone,
                format!(
                    "{} {:>3}",
                    scale.block(core.value, canvas.style),
                    units::whole_percent(core.value)
                ),
            );
            item
        })
        .collect();
    let strip: Vec<Line> = cores
        .iter()
        .map(|core| {
            Line::new(
                level_mark(core.level).1,
                scale.block(core.value, canvas.style),
            )
        })
        .collect();
    let strip = strip_lines(&strip, canvas);
    let fits = |lines: &[Line], most| lines.len() <= most;
    let detailed = flow("CORES", &items, usize::MAX, canvas);
    Some(Section {
        short: if fits(&detailed, 2) {
            detailed.clone()
        } else {
            strip.clone()
        },
        full: if fits(&detailed, 8) { detailed } else { strip },
    })
}

/// One block for each core, when there are too many to name.
fn strip_lines(blocks: &[Line], canvas: Canvas) -> Vec<Line> {
    let width = canvas.width.saturating_sub(INDENT).max(1);
    blocks
        .chunks(width)
        .enumerate()
        .map(|(index, chunk)| {
            let mut line = Line::new(Tone::Dim, if index == 0 { " CORES" } else { "" });
            line.pad(INDENT);
            chunk.iter().for_each(|block| line.append(block.clone()));
            line
        })
        .collect()
}

fn filesystems(host: &Host, canvas: Canvas) -> Option<Section> {
    let mounts = instances(host, "disk");
    if mounts.is_empty() {
        return None;
    }
    let item = |mount: &Instance| {
        let (mark, tone) = level_mark(mount.level);
        let mut item = Line::new(Tone::Plain, format!("{} ", mount.name));
        item.push(
            tone,
            format!("{mark}{} %", units::whole_percent(mount.value)),
        );
        item
    };
    let items: Vec<Line> = mounts.iter().map(item).collect();
    let bar_width = canvas.width.saturating_sub(32).clamp(8, 24);
    let name = first(
        canvas,
        mounts.iter().map(|mount| mount.name.clone()),
        bar_width + 12,
    );
    let columns = [
        Column::left("FILESYSTEM", name),
        Column::right("", 2),
        Column::right("used", 7),
        Column::left("", bar_width),
    ];
    let rows: Vec<Vec<Cell>> = mounts
        .into_iter()
        .map(|mount| {
            let (mark, tone) = level_mark(mount.level);
            vec![
                (Tone::Plain, mount.name),
                (tone, mark.into()),
                (tone, units::value(mount.value, "%")),
                (tone, bar(mount.value, bar_width, canvas.style)),
            ]
        })
        .collect();
    Some(Section {
        short: flow("DISKS", &items, 2, canvas),
        full: table(&columns, &rows, canvas.style),
    })
}

/// Instances that have rates in two directions, and a third value.
fn two_ways(host: &Host, families: [&str; 3]) -> Vec<(String, [Option<f64>; 3])> {
    let mut found: Vec<(String, String, [Option<f64>; 3])> = Vec::new();
    for (place, family) in families.into_iter().enumerate() {
        for instance in instances(host, family) {
            let at = found
                .iter()
                .position(|(key, ..)| *key == instance.key)
                .unwrap_or_else(|| {
                    found.push((instance.key, instance.name, [None; 3]));
                    found.len() - 1
                });
            found[at].2[place] = Some(instance.value);
        }
    }
    found
        .into_iter()
        .map(|(_, name, values)| (name, values))
        .collect()
}

fn networks(host: &Host, canvas: Canvas) -> Option<Section> {
    let found = two_ways(host, ["networkReceived", "networkSent", "networkErrors"]);
    let titles = ["NETWORK", "in", "out", "errors"];
    section(
        &found,
        "NET",
        titles,
        ["in", "out", "errors"],
        "1/s",
        canvas,
    )
}

fn disks(host: &Host, canvas: Canvas) -> Option<Section> {
    let found = two_ways(host, ["diskRead", "diskWritten", "diskBusy"]);
    let titles = ["DISK", "read", "written", "busy"];
    section(
        &found,
        "I/O",
        titles,
        ["read", "written", "busy"],
        "%",
        canvas,
    )
}

fn section(
    found: &[(String, [Option<f64>; 3])],
    title: &str,
    titles: [&'static str; 4],
    verbs: [&str; 3],
    third_unit: &str,
    canvas: Canvas,
) -> Option<Section> {
    if found.is_empty() {
        return None;
    }
    let units = ["B/s", "B/s", third_unit];
    let shown = |place: usize, value: Option<f64>| {
        value.map_or_else(|| "-".to_owned(), |value| units::value(value, units[place]))
    };
    let items: Vec<Line> = found
        .iter()
        .map(|(name, values)| {
            let mut item = Line::new(Tone::Plain, name.as_str());
            for place in 0..2 {
                item.push(Tone::Dim, format!(" {} ", verbs[place]));
                item.push(Tone::Plain, shown(place, values[place]));
            }
            item
        })
        .collect();
    let shown_columns = if canvas.width < 44 && third_unit != "%" {
        2
    } else {
        3
    };
    let widths = [9, 9, 8];
    let others = &widths[..shown_columns];
    let name = first(
        canvas,
        found.iter().map(|(name, _)| name.clone()),
        others.iter().sum::<usize>() + others.len(),
    );
    let mut columns = vec![Column::left(titles[0], name)];
    columns.extend(
        std::iter::zip(&titles[1..], others).map(|(title, width)| Column::right(title, *width)),
    );
    let rows: Vec<Vec<Cell>> = found
        .iter()
        .map(|(name, values)| {
            let mut row = vec![(Tone::Plain, name.clone())];
            row.extend((0..shown_columns).map(|place| (Tone::Plain, shown(place, values[place]))));
            row
        })
        .collect();
    Some(Section {
        short: flow(title, &items, 2, canvas),
        full: table(&columns, &rows, canvas.style),
    })
}

fn sensors(host: &Host, canvas: Canvas) -> Option<Section> {
    let sensors = instances(host, "temperature");
    let items: Vec<Line> = sensors
        .iter()
        .map(|sensor| {
            Line::new(
                Tone::Plain,
                format!("{} {:.0} °C", sensor.name, sensor.value),
            )
        })
        .collect();
    (!items.is_empty()).then(|| Section {
        short: flow("TEMP", &items, 1, canvas),
        full: flow("TEMP", &items, 3, canvas),
    })
}

fn processes(host: &Host, canvas: Canvas) -> Option<Section> {
    if host.top().is_empty() {
        return None;
    }
    let mut top: Vec<_> = host.top().iter().collect();
    top.sort_by(|a, b| b.cpu.total_cmp(&a.cpu));
    let items: Vec<Line> = top
        .iter()
        .map(|process| {
            let mut item = Line::new(Tone::Plain, process.name.clone());
            item.push(Tone::Dim, format!(" {}", units::value(process.cpu, "%")));
            item
        })
        .collect();
    let name = first(canvas, top.iter().map(|process| process.name.clone()), 23);
    let columns = [
        Column::left("PROCESS", name),
        Column::right("pid", 7),
        Column::right("CPU %", 6),
        Column::right("MEM %", 6),
    ];
    let rows: Vec<Vec<Cell>> = top
        .iter()
        .map(|process| {
            vec![
                (Tone::Plain, process.name.clone()),
                (Tone::Dim, process.pid.to_string()),
                (Tone::Plain, units::brief(process.cpu, "%", false)),
                (Tone::Plain, units::brief(process.memory, "%", false)),
            ]
        })
        .collect();
    Some(Section {
        short: flow("TOP", &items, 2, canvas),
        full: table(&columns, &rows, canvas.style),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Now;

    fn check(width: usize, most: usize, items: &[&str], expected: &[&str]) {
        let style = Style {
            colour: false,
            unicode: true,
        };
        let canvas = Canvas::new(width, style, Now::default());
        let items: Vec<Line> = items
            .iter()
            .map(|item| Line::new(Tone::Plain, *item))
            .collect();
        let lines = flow("TOP", &items, most, canvas);
        let shown: Vec<String> = lines.iter().map(|line| line.render(style)).collect();
        assert_eq!(shown, expected);
        assert!(lines.iter().all(|line| line.width() <= width));
    }

    #[test]
    fn items_flow_over_as_many_lines_as_there_may_be() {
        check(24, 2, &["one", "two"], &[" TOP    one  two"]);
        check(
            24,
            2,
            &["one", "two", "three", "four"],
            &[" TOP    one  two  three", "        four"],
        );
        check(
            24,
            1,
            &["one", "two", "three"],
            &[" TOP    one  two  three"],
        );
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        check(
            24,
            1,
            &["one", "two", "three", "four"],
            &[" TOP    one  two  +2"],
        );
        check(24, 1, &["one", "twotwotwo", "three"], &[" TOP    one  +2"]);
        check(
            20,
            1,
            &["longer than that", "two"],
            &[" TOP    longer …  +1"],
        );
    }
}
