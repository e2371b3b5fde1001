//! Everything that the parts of the screen are drawn from.

use super::super::bins::DotBins;
use super::super::chart::ChartLook;
use super::super::marks::marks;
use super::super::metric::Level;
use super::super::page_parts::Canvas;
use super::super::scale::linger;
use super::super::state::{HostState, Now, Status};
use super::super::style::MarkKind;
use super::super::zoom::{TimeAxis, dot_length};
use super::ScreenChoice;
use super::order::ProcessOrder;
use super::widths::ScreenWidths;

/// A percentage has a chart once it has moved by so many points.
const MOVES: f64 = 2.0;

/// A host at a moment, and the time around it.
pub(in crate::view) struct Picture<'a> {
    pub host: &'a HostState,
    pub widths: ScreenWidths,
    pub canvas: Canvas,
    pub axis: TimeAxis,
    /// Milliseconds between two samples.
    pub step: u64,
    pub bins: DotBins<'a>,
    /// The samples of the axis, and those that have left it a short while ago.
    pub scaled: DotBins<'a>,
    pub look: ChartLook,
    pub order: ProcessOrder,
    pub process: Option<u32>,
    /// The moment that is looked at, in milliseconds since the epoch.
    pub cursor: Option<u64>,
    /// What happened, and when, in milliseconds since the epoch.
    pub marks: Vec<(u64, MarkKind)>,
    /// Values are too old to be shown.
    is_down: bool,
}

impl<'a> Picture<'a> {
    pub(super) fn new(
        host: &'a HostState,
        status: Status,
        choice: ScreenChoice,
        cursor: Option<u64>,
        canvas: Canvas,
    ) -> Self {
        let widths = ScreenWidths::of(canvas.width);
        let (axis, step) = axis_of(host, choice, canvas.width, canvas.now);
        let history = host.charted();
        let before = TimeAxis::ending(
            axis.end() - 1,
            axis.dot,
            axis.cells + usize::try_from(linger(axis.length()) / axis.cell()).unwrap_or(0),
        );
        let bins = |axis: &TimeAxis| {
            let stepped = host.stepped.as_deref();
            DotBins::new(history, axis, step).with_steps(stepped, &host.metrics, *axis)
        };
        Self {
            bins: bins(&axis),
            scaled: bins(&before),
            look: ChartLook {
                style: canvas.style,
                cursor: cursor.and_then(|at| axis.cell_of(at)),
                is_dim: matches!(status, Status::Stale | Status::Down),
            },
            host,
            widths,
            canvas,
            axis,
            step,
            order: choice.order,
            process: choice.process,
            cursor,
            marks: marks(host, step),
            is_down: status == Status::Down,
        }
    }

    /// The position of a metric, if the host has it.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.host.find(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether a metric has ever been anything but 0: a counter that never counted says nothing.
    pub(super) fn has_counted(&self, name: &str) -> bool {
        let extent = self.host.extent(name);
        extent.is_some_and(|extent| extent != (0.0, 0.0))
    }

    /// The value of a metric at the moment that is shown.
    pub(super) fn value(&self, name: &str) -> Option<f64> {
        self.host.value(name).filter(|_| !self.is_down)
    }

    /// How the value of a metric compares with its levels.
    pub(super) fn level(&self, name: &str) -> Level {
        let level = self
            .find(name)
            .zip(self.value(name))
            .map(|(index, value)| self.host.metrics[index].level(value));
        level.unwrap_or(Level::Normal)
    }
}

/// Whether a metric has ever moved enough to have a chart.
pub(in crate::view) fn is_charted(host: &HostState, name: &str) -> bool {
    let Some((least, most)) = host.extent(name) else {
        return false;
    };
    let unit = host
        .find(name)
        .map_or("", |index| &host.metrics[index].unit);
    match unit {
        "%" => most - least > MOVES,
        // A constant rate is news, and none at all isn't.
        "B/s" | "1/s" => most > 0.0,
        _ => most - least > most.abs() * 0.05,
    }
}

/// The axis of the charts of `host`, and the time between two samples in milliseconds.
pub(in crate::view) fn axis_of(
    host: &HostState,
    choice: ScreenChoice,
    width: usize,
    now: Now,
) -> (TimeAxis, u64) {
    let step = host.usual_step();
    let end = choice.until.unwrap_or_else(|| host.time_now(now));
    let cells = ScreenWidths::of(width).cells.max(1);
    let dot = dot_length(choice.zoom.length(held(host)), step, cells);
    (TimeAxis::ending(end, dot, cells), step)
}

/// How many milliseconds of samples the server holds.
fn held(host: &HostState) -> u64 {
    host.newest_time().saturating_sub(host.oldest_time())
}
