//! Metrics with instances: cores, filesystems, disks, networks, sensors, processes, and anything else that a host
//! announces. The known ones have their own layout; each other section gets a table.

use std::collections::HashMap;

use crate::protocol::{catalogue, section};

use super::grid::{Cell, Column};
use super::instances::{self, Family, Group, Instance, Look};
use super::listing::{INDENT, Section, first, flow, table};
use super::page_parts::{Canvas, level_mark};
use super::sparkline::{Scale, bar};
use super::state::HostState;
use super::style::Tone;
use super::styled_line::StyledLine;
use super::units;

/// The sections of `host` that aren't empty, the most important first.
pub(super) fn all(host: &HostState, canvas: Canvas) -> Vec<Section> {
    if host.columns.is_made() {
        return Vec::new(); // What was chosen has rows.
    }
    let mut groups = instances::groups(host);
    let mut sections: Vec<Section> = [
        cores(&mut groups, host, canvas),
        processes(host, canvas),
        filesystems(&mut groups, host, canvas),
        two_ways(
            &mut groups,
            host,
            [section::NETWORK, "NETWORK", "NET"],
            canvas,
        ),
        two_ways(&mut groups, host, [section::DISKS, "DISK", "I/O"], canvas),
        sensors(&mut groups, host, canvas),
    ]
    .into_iter()
    .flatten()
    .collect();
    sections.extend(
        groups
            .iter()
            .filter_map(|group| others(group, host, canvas)),
    );
    sections
}

/// The tables of sections without a layout of their own.
pub(super) fn unknown(host: &HostState, canvas: Canvas) -> Vec<Vec<StyledLine>> {
    let known = [
        section::CPU,
        section::FILESYSTEMS,
        section::NETWORK,
        section::DISKS,
        section::TEMPERATURES,
    ];
    instances::groups(host)
        .iter()
        .filter(|group| !known.contains(&group.section))
        .filter_map(|group| others(group, host, canvas))
        .map(|section| section.full)
        .collect()
}

/// Removes the instances of the leading metric of `section` from `groups`: what remains has no layout of its own.
fn take_leading(groups: &mut [Group<'_>], host: &HostState, section: &str) -> Vec<Instance> {
    let leads =
        |entry: &&crate::protocol::Entry| entry.section == section && entry.instances.is_some();
    let Some(leading) = catalogue().iter().find(leads) else {
        return Vec::new();
    };
    let group = groups.iter_mut().find(|group| group.section == section);
    let family = group.and_then(|group| group.take(leading.name));
    family.map_or_else(Vec::new, |family| instances::of(host, &family))
}

/// The metrics of `section` that have instances, usually rates in two directions and a third value.
fn two_ways(
    groups: &mut [Group<'_>],
    host: &HostState,
    [section, head, short]: [&str; 3],
    canvas: Canvas,
) -> Option<Section> {
    let group = groups.iter_mut().find(|group| group.section == section)?;
    let families: Vec<Family<'_>> = std::mem::take(&mut group.families);
    let look = Look {
        head: head.into(),
        short: short.into(),
        is_whole: false,
    };
    instances::table(host, &families, &look, canvas)
}

/// A section without a layout of its own.
fn others(group: &Group<'_>, host: &HostState, canvas: Canvas) -> Option<Section> {
    let title = group.section.to_uppercase();
    let look = Look {
        head: title.clone(),
        short: title,
        is_whole: true,
    };
    instances::table(host, &group.families, &look, canvas)
}

fn cores(groups: &mut [Group<'_>], host: &HostState, canvas: Canvas) -> Option<Section> {
    let cores = take_leading(groups, host, section::CPU);
    if cores.is_empty() {
        return None;
    }
    let scale = Scale::of(&[], "%", None);
    let digits = cores.iter().map(|core| core.name.len()).max().unwrap_or(1);
    let items: Vec<StyledLine> = cores
        .iter()
        .map(|core| {
            let (_, tone) = level_mark(core.level);
            let mut item = StyledLine::new(Tone::Dim, format!("{:>digits$} ", core.name));
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
    let strip: Vec<StyledLine> = cores
        .iter()
        .map(|core| {
            StyledLine::new(
                level_mark(core.level).1,
                scale.block(core.value, canvas.style),
            )
        })
        .collect();
    let strip = strip_lines(&strip, canvas);
    let fits = |lines: &[StyledLine], most| lines.len() <= most;
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

/// One block per core, if there are too many to name.
fn strip_lines(blocks: &[StyledLine], canvas: Canvas) -> Vec<StyledLine> {
    let width = canvas.width.saturating_sub(INDENT).max(1);
    blocks
        .chunks(width)
        .enumerate()
        .map(|(index, chunk)| {
            let mut line = StyledLine::new(Tone::Dim, if index == 0 { " CORES" } else { "" });
            line.pad(INDENT);
            chunk.iter().for_each(|block| line.append(block.clone()));
            line
        })
        .collect()
}

fn filesystems(groups: &mut [Group<'_>], host: &HostState, canvas: Canvas) -> Option<Section> {
    let mounts = take_leading(groups, host, section::FILESYSTEMS);
    if mounts.is_empty() {
        return None;
    }
    let item = |mount: &Instance| {
        let (mark, tone) = level_mark(mount.level);
        let mut item = StyledLine::new(Tone::Plain, format!("{} ", mount.name));
        item.push(
            tone,
            format!("{mark}{} %", units::whole_percent(mount.value)),
        );
        item
    };
    let items: Vec<StyledLine> = mounts.iter().map(item).collect();
    let more = more_of_filesystems(groups, host, canvas.width.saturating_sub(32));
    let taken: usize = more.iter().map(|more| more.width + 1).sum();
    let bar_width = canvas.width.saturating_sub(32 + taken).clamp(8, 24);
    let name = first(
        canvas,
        mounts.iter().map(|mount| mount.name.clone()),
        bar_width + taken + 12,
    );
    let mut columns = vec![
        Column::left("FILESYSTEM", name),
        Column::right("", 2),
        Column::right("used", 7),
    ];
    columns.extend(
        more.iter()
            .map(|more| Column::right(more.title, more.width)),
    );
    columns.push(Column::left("", bar_width));
    let rows: Vec<Vec<Cell>> = mounts
        .into_iter()
        .map(|mount| {
            let (mark, tone) = level_mark(mount.level);
            let more: Vec<Cell> = more.iter().map(|more| more.cell(&mount.name)).collect();
            let mut cells = vec![
                (Tone::Plain, mount.name),
                (tone, mark.into()),
                (tone, units::value(mount.value, "%")),
            ];
            cells.extend(more);
            cells.push((tone, bar(mount.value, bar_width, canvas.style)));
            cells
        })
        .collect();
    Some(Section {
        short: flow("DISKS", &items, 2, canvas),
        full: table(&columns, &rows, canvas.style),
    })
}

/// A further column of the table of filesystems.
struct MountColumn {
    title: &'static str,
    unit: &'static str,
    width: usize,
    values: HashMap<String, Instance>,
}

impl MountColumn {
    fn cell(&self, mount: &str) -> Cell {
        match self.values.get(mount) {
            Some(found) => (
                level_mark(found.level).1,
                units::value(found.value, self.unit),
            ),
            None => (Tone::Dim, "-".into()),
        }
    }
}

/// Takes the other metrics of filesystems out of `groups`, and returns as many columns as fit into `room`.
fn more_of_filesystems(
    groups: &mut [Group<'_>],
    host: &HostState,
    mut room: usize,
) -> Vec<MountColumn> {
    let mut columns = Vec::new();
    for (name, title, unit, width) in [
        ("diskFree", "free", "B", 9),
        ("inodes", "inodes", "%", 7),
        ("diskSize", "size", "B", 9),
    ] {
        let group = groups
            .iter_mut()
            .find(|group| group.section == section::FILESYSTEMS);
        let Some(family) = group.and_then(|group| group.take(name)) else {
            continue;
        };
        if width < room {
            room -= width + 1;
            let each = instances::of(host, &family).into_iter();
            columns.push(MountColumn {
                title,
                unit,
                width,
                values: each.map(|mount| (mount.name.clone(), mount)).collect(),
            });
        }
    }
    columns
}

fn sensors(groups: &mut [Group<'_>], host: &HostState, canvas: Canvas) -> Option<Section> {
    let sensors = take_leading(groups, host, section::TEMPERATURES);
    let items: Vec<StyledLine> = sensors
        .iter()
        .map(|sensor| {
            StyledLine::new(
                Tone::Plain,
                format!("{} {} °C", sensor.name, units::decimal(sensor.value, 0)),
            )
        })
        .collect();
    (!items.is_empty()).then(|| Section {
        short: flow("TEMP", &items, 1, canvas),
        full: flow("TEMP", &items, 3, canvas),
    })
}

fn processes(host: &HostState, canvas: Canvas) -> Option<Section> {
    if host.top().is_empty() {
        return None;
    }
    let mut top: Vec<_> = host.top().iter().collect();
    top.sort_by(|a, b| b.cpu.total_cmp(&a.cpu));
    let items: Vec<StyledLine> = top
        .iter()
        .map(|process| {
            let mut item = StyledLine::new(Tone::Plain, process.name.clone());
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
                (Tone::Plain, units::percent(process.cpu)),
                (Tone::Plain, units::percent(process.memory)),
            ]
        })
        .collect();
    Some(Section {
        short: flow("TOP", &items, 2, canvas),
        full: table(&columns, &rows, canvas.style),
    })
}
