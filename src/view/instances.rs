//! Metrics with several instances, such as one per device, and a table with a row for each instance.

use std::collections::HashMap;

use crate::protocol::{catalogue, entry, parts};

use super::grid::{Cell, Column};
use super::listing::{self, Section, first, flow};
use super::metric::{Level, Metric};
use super::page_parts::{Canvas, level_mark};
use super::sanitize::{clean, text_width};
use super::state::HostState;
use super::style::Tone;
use super::styled_line::StyledLine;
use super::units;

/// If the names have less than this width, a table has only the required columns.
const NAMES: usize = 13;

/// The widest title of a column or section that is not truncated.
const TITLE: usize = 12;

/// The most tables of a section; a peer may announce a thousand metrics.
const MOST_TABLES: usize = 4;

/// The metrics of one section that have instances.
pub(super) struct Group<'a> {
    pub section: &'a str,
    pub families: Vec<Family<'a>>,
}

/// A metric that has instances.
pub(super) struct Family<'a> {
    name: &'a str,
    /// Their positions among the metrics of the host.
    metrics: Vec<usize>,
}

/// An instance with a value: the name to show, the value, and its level.
pub(super) struct Instance {
    pub name: String,
    pub value: f64,
    pub level: Level,
}

/// The titles of a section, and whether its table continues if the width is not enough.
pub(super) struct Look {
    /// Above the names.
    pub head: String,
    /// Before the items, if there is no table.
    pub short: String,
    pub is_whole: bool,
}

/// The sections of `host` that have instances, in announced order. In each, the metrics of the catalogue come first, in
/// its order.
pub(super) fn groups(host: &HostState) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = HashMap::new();
    let mut family_places = HashMap::new();
    for (index, metric) in host.metrics.iter().enumerate() {
        let (name, Some(_)) = parts(&metric.key) else {
            continue;
        };
        let section = &*metric.section;
        let place = *places.entry(section).or_insert_with(|| {
            let families = Vec::new();
            groups.push(Group { section, families });
            groups.len() - 1
        });
        let families = &mut groups[place].families;
        let place = *family_places.entry((place, name)).or_insert_with(|| {
            let metrics = Vec::new();
            families.push(Family { name, metrics });
            families.len() - 1
        });
        families[place].metrics.push(index);
    }
    let rank = |family: &Family<'_>| catalogue().iter().position(|e| e.name == family.name);
    for group in &mut groups {
        group
            .families
            .sort_by_cached_key(|family| rank(family).unwrap_or(usize::MAX));
    }
    groups
}

impl<'a> Group<'a> {
    /// Takes out the metric `name`.
    pub(super) fn take(&mut self, name: &str) -> Option<Family<'a>> {
        let place = self
            .families
            .iter()
            .position(|family| family.name == name)?;
        Some(self.families.remove(place))
    }
}

impl Family<'_> {
    /// The title of its column: that of the catalogue, or the label without the name of the section or instance.
    fn title(&self, host: &HostState) -> String {
        if let Some(each) = entry(self.name).and_then(|entry| entry.instances) {
            return each.column.to_owned();
        }
        let whole = host.find(self.name).map(|index| &host.metrics[index]);
        let Some(metric) = whole.or_else(|| self.first(host)) else {
            return String::new();
        };
        let (_, instance) = parts(&metric.key);
        let instance = instance.map(clean).unwrap_or_default();
        let label = metric.label.strip_suffix(&instance);
        let label = label.unwrap_or(&metric.label).trim_end_matches([' ', ':']);
        let short = label.strip_prefix(&*metric.section).map(str::trim);
        let short = short.filter(|short| !short.is_empty()).unwrap_or(label);
        if short.is_empty() {
            clean(self.name)
        } else {
            short.to_owned()
        }
    }

    fn first<'h>(&self, host: &'h HostState) -> Option<&'h Metric> {
        Some(&host.metrics[*self.metrics.first()?])
    }

    fn width(&self, host: &HostState, title: &str) -> usize {
        let unit = self.first(host).map_or("", |metric| &metric.unit);
        let least = if unit.starts_with('B') { 9 } else { 8 };
        text_width(title).clamp(least, TITLE)
    }

    fn is_percent(&self, host: &HostState) -> bool {
        self.first(host).is_some_and(|metric| metric.unit == "%")
    }
}

/// The instances of `family` that have a value.
pub(super) fn of(host: &HostState, family: &Family<'_>) -> Vec<Instance> {
    let instance = |&index: &usize| {
        let metric = &host.metrics[index];
        let value = host.history.value(index)?;
        Some(Instance {
            name: clean(parts(&metric.key).1?),
            value,
            level: metric.level(value),
        })
    };
    family.metrics.iter().filter_map(instance).collect()
}

/// One instance: its name, and the metrics that have a value, by the index of their family.
struct InstanceRow {
    name: String,
    values: HashMap<usize, usize>,
}

fn rows(host: &HostState, families: &[Family<'_>]) -> Vec<InstanceRow> {
    let mut rows: Vec<InstanceRow> = Vec::new();
    let mut places = HashMap::new();
    for (place, family) in families.iter().enumerate() {
        for &index in &family.metrics {
            let (_, Some(instance)) = parts(&host.metrics[index].key) else {
                continue;
            };
            if host.history.value(index).is_none() {
                continue;
            }
            let row = *places.entry(instance).or_insert_with(|| {
                let name = clean(instance);
                let values = HashMap::new();
                rows.push(InstanceRow { name, values });
                rows.len() - 1
            });
            rows[row].values.insert(place, index);
        }
    }
    rows
}

impl InstanceRow {
    /// The value of the family at `place`, or a dash, with its level.
    fn value(&self, place: usize, host: &HostState) -> (Level, String) {
        let value = self.values.get(&place).and_then(|&index| {
            let value = host.history.value(index)?;
            let metric = &host.metrics[index];
            Some((metric.level(value), units::value(value, &metric.unit)))
        });
        value.unwrap_or_else(|| (Level::Normal, "-".into()))
    }
}

/// A row for each instance and a column for each of `families`.
pub(super) fn table(
    host: &HostState,
    families: &[Family<'_>],
    look: &Look,
    canvas: Canvas,
) -> Option<Section> {
    let rows = rows(host, families);
    if rows.is_empty() {
        return None;
    }
    let titles: Vec<String> = families.iter().map(|family| family.title(host)).collect();
    let items: Vec<StyledLine> = rows.iter().map(|row| row.item(host, &titles)).collect();
    let short: String = look.short.chars().take(TITLE).collect();
    let mut full = Vec::new();
    let mut begin = 0;
    for _ in 0..if look.is_whole { MOST_TABLES } else { 1 } {
        let count = fitting(host, &families[begin..], &titles[begin..], canvas);
        if count == 0 {
            break;
        }
        let shown = begin..begin + count;
        begin += count;
        let widths = shown
            .clone()
            .map(|place| families[place].width(host, &titles[place]));
        let widths: Vec<usize> = widths.collect();
        let others = widths.iter().sum::<usize>() + widths.len();
        let name = first(canvas, rows.iter().map(|row| row.name.clone()), others);
        let mut columns = vec![Column::left(&look.head, name)];
        let values = std::iter::zip(&titles[shown.clone()], &widths);
        columns.extend(values.map(|(title, width)| Column::right(title, *width)));
        let some = |row: &&InstanceRow| shown.clone().any(|place| row.values.contains_key(&place));
        let cells: Vec<Vec<Cell>> = rows
            .iter()
            .filter(some)
            .map(|row| row.cells(host, shown.clone(), look))
            .collect();
        full.append(&mut listing::table(&columns, &cells, canvas.style));
    }
    Some(Section {
        short: flow(&short, &items, 2, canvas),
        full,
    })
}

impl InstanceRow {
    /// The instance in short form: its values of the first two metrics.
    fn item(&self, host: &HostState, titles: &[String]) -> StyledLine {
        let mut item = StyledLine::new(Tone::Plain, self.name.as_str());
        for (place, title) in titles.iter().enumerate().take(2) {
            item.push(Tone::Dim, format!(" {title} "));
            item.push(Tone::Plain, self.value(place, host).1);
        }
        item
    }

    fn cells(&self, host: &HostState, shown: std::ops::Range<usize>, look: &Look) -> Vec<Cell> {
        let mut cells = vec![(Tone::Plain, self.name.clone())];
        cells.extend(shown.map(|place| {
            let (level, text) = self.value(place, host);
            let tone = if look.is_whole {
                level_mark(level).1
            } else {
                Tone::Plain
            };
            (tone, text)
        }));
        cells
    }
}

/// How many of the first `families` a table has room for: always two, and a third one if it is a short percentage.
fn fitting(host: &HostState, families: &[Family<'_>], titles: &[String], canvas: Canvas) -> usize {
    let mut used = 2;
    let fits = |(place, (family, title)): &(usize, (&Family<'_>, &String))| {
        used += family.width(host, title) + 1;
        let must = *place < 2 || *place == 2 && family.is_percent(host);
        must || used + NAMES <= canvas.width
    };
    std::iter::zip(families, titles)
        .enumerate()
        .take_while(fits)
        .count()
}
