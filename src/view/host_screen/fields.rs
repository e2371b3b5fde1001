//! The names and values at the left of the charts.

use std::borrow::Cow;

use super::super::metric::Level;
use super::super::page_parts::level_mark;
use super::super::scale::{ChartScale, tenths};
use super::super::style::{Style, Tone};
use super::super::styled_line::StyledLine;
use super::super::units::{decimal, grouped};
use super::picture::Picture;

/// A name and a value.
#[derive(Debug, Clone)]
pub(super) struct Field {
    name: Cow<'static, str>,
    value: String,
    level: Level,
}

impl Field {
    pub(super) fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            level: Level::Normal,
        }
    }

    pub(super) fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// The name at the left and the value at the right of `width` columns.
    pub(super) fn line(&self, width: usize, style: Style) -> StyledLine {
        let (mark, tone) = level_mark(self.level);
        let tone = match self.level {
            Level::Normal if self.name.starts_with("  ") => Tone::Plain,
            Level::Normal => Tone::Bold,
            _ => tone,
        };
        let mut line = StyledLine::new(
            if self.name.starts_with("  ") {
                Tone::Dim
            } else {
                Tone::Plain
            },
            format!(" {}", self.name),
        );
        // A value never touches its name; on the narrowest screens, the mark of its level may stand between them.
        let between = usize::from(mark.is_empty() || width >= 15);
        let needed = |text: &str| 1 + self.name.chars().count() + between + text.len();
        let apart = format!("{mark} {}", self.value);
        let marked = if mark.is_empty() || needed(&apart) > width || width < 15 {
            format!("{mark}{}", self.value)
        } else {
            apart
        };
        // `100.0 %` at the critical level has no room on the narrowest screens.
        let marked = if marked.len() + self.name.len() >= width {
            marked.replace(".0 %", " %")
        } else {
            marked
        };
        // The axis says what it is a share of.
        let marked = match marked.strip_suffix(" %") {
            Some(number) if needed(&marked) > width => number.to_owned(),
            _ => marked,
        };
        let value = StyledLine::new(tone, marked).clip(width.saturating_sub(1), style);
        line = line.clip(width.saturating_sub(value.width() + between), style);
        line.pad(width.saturating_sub(value.width()));
        line.append(value);
        line
    }
}

/// A percentage without its unit, or a dash.
pub(super) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), tenths)
}

/// The row of a percentage that has the unit too.
pub(super) fn percent_field(picture: &Picture<'_>, name: &'static str, metric: &str) -> Field {
    let value = picture.value(metric);
    let text = value.map_or_else(|| "-".into(), |value| format!("{} %", tenths(value)));
    Field::new(name, text).at(picture.level(metric))
}

/// What explains the CPU's chart: a name, its metric, and how soon it makes room for others.
const OF_CPU: [(&str, &str, u8); 12] = [
    ("CPU", "cpu", 0),
    ("  user", "cpuUser", 1),
    ("  system", "cpuSystem", 1),
    ("  I/O wait", "iowait", 1),
    ("  stolen", "steal", 2),
    ("load 1 m", "load1", 3),
    ("     5 m", "load5", 4),
    ("    15 m", "load15", 8),
    ("runnable", "tasksRunnable", 5),
    ("blocked", "tasksBlocked", 6),
    ("switches/s", "contextSwitches", 9),
    ("forks/s", "forks", 7),
];

/// Those that the line between charts and the tables below them has.
const IN_LOAD_LINE: [&str; 4] = ["load5", "load15", "tasksRunnable", "tasksBlocked"];

/// What explains the memory's chart.
const OF_MEMORY: [&str; 5] = [
    "memoryUsed",
    "memoryAvailable",
    "memoryDirty",
    "majorFaults",
    "swap",
];

/// The fewest bytes that have yet to reach a disk and are worth a row, in GiB as the others are.
const LEAST_DIRTY: f64 = 0.05 * 1_073_741_824.0;

/// Whether the metric `name` may stand beside a chart.
pub(super) fn has(name: &str) -> bool {
    OF_CPU.iter().any(|(_, known, _)| *known == name) || OF_MEMORY.contains(&name)
}

/// How many rows explain the CPU's chart at most: parts and counters that never were anything but 0 say nothing.
pub(super) fn most_of_cpu(picture: &Picture<'_>) -> usize {
    that_explain_cpu(picture).count()
}

fn that_explain_cpu(
    picture: &Picture<'_>,
) -> impl Iterator<Item = (&'static str, &'static str, u8)> {
    let has_load_line = picture.widths.beside.is_none();
    let is_shown = move |metric: &str| {
        let says_something = metric == "cpu" || picture.has_counted(metric);
        picture.has(metric) && says_something && !(has_load_line && IN_LOAD_LINE.contains(&metric))
    };
    let shown = OF_CPU
        .into_iter()
        .filter(move |(_, metric, _)| is_shown(metric));
    // A short screen has no such line, so one load may stand here.
    shown.map(move |(name, metric, order)| match metric {
        "load1" if has_load_line => (name, metric, u8::MAX),
        _ => (name, metric, order),
    })
}

/// The rows of the CPU chart, most of what explains it: as many as `rows`, the most important ones.
pub(super) fn of_cpu(picture: &Picture<'_>, rows: usize) -> Vec<Field> {
    let mut had: Vec<_> = that_explain_cpu(picture).collect();
    while had.len() > rows {
        let least = (0..had.len())
            .max_by_key(|&index| had[index].2)
            .unwrap_or(0);
        had.remove(least);
    }
    had.into_iter()
        .map(|(name, metric, _)| cpu_field(picture, name, metric))
        .collect()
}

fn cpu_field(picture: &Picture<'_>, name: &'static str, metric: &str) -> Field {
    let value = picture.value(metric);
    let plain = |format: fn(f64) -> String| value.map_or_else(|| "-".into(), format);
    match metric {
        "cpu" => percent_field(picture, name, metric),
        "load1" => Field::new(name, plain(|load| decimal(load, 2))).at(picture.level(metric)),
        "load5" | "load15" => Field::new(name, plain(|load| decimal(load, 2))),
        "iowait" | "steal" => Field::new(name, percent(value)).at(picture.level(metric)),
        "cpuUser" | "cpuSystem" => Field::new(name, percent(value)),
        _ => Field::new(name, plain(grouped)),
    }
}

/// The rows of the memory chart.
pub(super) fn of_memory(picture: &Picture<'_>, rows: usize) -> Vec<Field> {
    let memory = percent_field(picture, "Memory", "memory");
    if rows < 2 {
        return vec![memory];
    }
    if picture.widths.beside.is_none() {
        return vec![memory, Field::new("", used_of_all(picture))];
    }
    let gib = |name: &str| {
        let value = picture.value(name);
        value.map_or_else(|| "-".into(), |bytes| format!("{} GiB", gibibytes(bytes)))
    };
    let swap = percent_field(picture, "  swap", "swap");
    let mut fields = vec![memory, Field::new("  used", gib("memoryUsed"))];
    if rows == 3 && picture.has_counted("swap") {
        fields.push(swap);
        return fields;
    }
    fields.push(Field::new("  free", gib("memoryAvailable")));
    for (name, metric) in [("  dirty", "memoryDirty"), ("  faults/s", "majorFaults")] {
        if metric == "majorFaults" && picture.has_counted("swap") {
            fields.push(swap.clone());
        }
        if says_something(picture, metric) {
            let text = match metric {
                "memoryDirty" => gib(metric),
                _ => picture.value(metric).map_or_else(|| "-".into(), grouped),
            };
            fields.push(Field::new(name, text));
        }
    }
    fields.truncate(rows);
    fields
}

/// Whether a row would ever have shown anything but 0.
fn says_something(picture: &Picture<'_>, metric: &str) -> bool {
    let most = picture.host.extent(metric).map_or(0.0, |(_, most)| most);
    match metric {
        "memoryDirty" => LEAST_DIRTY <= most,
        _ => 0.0 < most,
    }
}

/// `9.5/15.6 GiB`.
fn used_of_all(picture: &Picture<'_>) -> String {
    let used = picture.value("memoryUsed").map(gibibytes);
    let used = used.unwrap_or_else(|| "-".into());
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let all = picture.host.system.as_ref().map(|it| it.memory as f64);
    match all.filter(|all| *all > 0.0) {
        Some(all) => format!("{used}/{} GiB", gibibytes(all)),
        None => format!("{used} GiB"),
    }
}

/// Bytes in GiB, to a tenth.
pub(super) fn gibibytes(bytes: f64) -> String {
    tenths(bytes / 1_073_741_824.0)
}

/// The rows of the chart of the rate `metric`: now, the range of the window, and something that explains it.
pub(super) fn of_rate(
    picture: &Picture<'_>,
    (name, metric): (&'static str, &str),
    also: Option<Field>,
    scale: ChartScale,
    rows: usize,
) -> Vec<Field> {
    let unit = scale.unit("B/s");
    let value = picture.value(metric);
    let now = value.map_or_else(
        || "-".into(),
        |value| format!("{} {unit}", scale.number(value)),
    );
    let mut fields = vec![Field::new(name, now)];
    if rows >= 3 || (rows == 2 && also.is_none()) {
        fields.push(range_field(picture, metric, scale));
    }
    fields.extend(also);
    fields.truncate(rows);
    fields
}

/// `0.2 to 6.2`, in the unit of the row above.
fn range_field(picture: &Picture<'_>, metric: &str, scale: ChartScale) -> Field {
    let range = picture
        .find(metric)
        .and_then(|index| picture.bins.range(index));
    // What is shown now is in its own window, also if the window has moved on.
    let range = range.map(|(least, most)| match picture.value(metric) {
        Some(now) => (least.min(now), most.max(now)),
        None => (least, most),
    });
    let Some((least, most)) = range else {
        return Field::new("    - to", "-");
    };
    Field {
        name: format!("{:>6} to", scale.number(least)).into(),
        ..Field::new("", scale.number(most))
    }
}
