//! Samples to text: everything that `watch` shows, as a pure function of its input.
//!
//! This module has no clock, no terminal and no socket. [`ViewState`] is fed with a client's events, [`Ui`] with the
//! user's navigation, and [`frame()`] makes lines of both. Control and bidi
//! characters are stripped from the text of peers on entry.

mod alert_lines;
mod bins;
mod causes;
mod chart;
mod columns;
mod episodes;
mod events_page;
mod firing;
mod fleet_page;
mod frame;
mod grid;
mod head;
mod help;
mod history;
mod host_screen;
mod host_state;
mod instances;
mod keys;
mod listing;
mod marks;
mod metric;
mod metrics;
mod moment;
mod natural;
mod occurrence_text;
mod old_events;
mod page_parts;
mod plain;
mod rewind;
mod rows;
mod sanitize;
mod scale;
mod sections;
mod sentence;
mod sparkline;
mod state;
mod stepped;
mod style;
mod styled_line;
mod trend;
mod ui;
mod units;
mod values_page;
mod zoom;

#[cfg(test)]
mod tests;

pub use columns::ColumnChoice;
pub use events_page::EventSpan;
pub use frame::{frame, report};
pub use moment::{Moment, StreamPosition};
pub use plain::plain_line;
pub use rewind::MOST_KEPT;
pub use sanitize::{clean, is_visible};
pub use state::{Now, ViewState};
pub use stepped::{StepSpan, SteppedPast};
pub use style::Style;
pub use ui::{Navigation, Ui};
pub use units::{date, timestamp, value};
pub use zoom::Zoom;

use host_screen::ScreenWidths;
use page_parts::Canvas;

/// How many samples of each metric a screen keeps by default: a minute at the usual interval.
pub const WINDOW: usize = 30;

/// How many samples the charts of a screen of `width` columns show, if each has a dot of its own.
#[must_use]
pub fn samples_shown(width: usize) -> usize {
    (2 * ScreenWidths::of(width).cells).max(WINDOW)
}
