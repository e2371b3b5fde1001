//! Samples to text: everything that `watch` shows, as a pure function of what it was told.
//!
//! There is no clock, no terminal and no socket in this room. [`State`] is fed with a client's events, [`Ui`] with the
//! steps of the person at the screen, and [`frame()`] makes lines of both. Texts of peers are stripped of control and bidi
//! characters where they enter.

mod fleet;
mod frame;
mod grid;
mod history;
mod host;
mod instances;
mod line;
mod listing;
mod metric;
mod metrics;
mod moment;
mod page;
mod past;
mod plain;
mod rows;
mod sanitize;
mod sections;
mod sparkline;
mod state;
mod style;
mod trend;
mod ui;
mod units;

#[cfg(test)]
mod tests;

pub use frame::{frame, report};
pub use moment::{Moment, Place};
pub use past::MOST_KEPT;
pub use plain::plain_line;
pub use sanitize::{clean, is_visible};
pub use state::{Now, State};
pub use style::Style;
pub use ui::{Step, Ui};
pub use units::{span, value};

use page::Canvas;

/// The samples of each metric that a screen keeps, unless told otherwise: a minute at the usual interval.
pub const WINDOW: usize = 30;
