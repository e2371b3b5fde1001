//! When something will be full, if it goes on as it did.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::protocol::parts;
use crate::wording::span;

use crate::view::history::History;
use crate::view::state::HostState;

/// What fills up, in percent.
const FILLING: &[&str] = &["memory", "swap", "disk", "inodes"];

/// What is shown as 100.0 % is full.
const FULL: f64 = 99.95;

/// How many of the newest samples may form a straight line; the most first.
const WINDOWS: [usize; 3] = [300, 60, 30];

/// A shorter line may be chance, in milliseconds.
const SHORTEST: f64 = 25_000.0;

/// How much of the variation a straight line must explain.
const STRAIGHT: f64 = 0.9;

/// Sooner than this is now, and later than a day is too far away to say; in milliseconds.
const TELLING: RangeInclusive<f64> = 1000.0..=86_400_000.0;

/// The end of a rise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outlook {
    /// The time from the newest sample until 100 %, in milliseconds; from a second to a day.
    pub full_in: u64,
    /// By how many points the line rose.
    pub risen: f64,
}

/// When `metric`, which has this `index`, reaches 100 %; `None` unless it can fill up, isn't full yet, rises in a straight
/// line and gets there within a day.
pub(super) fn outlook(host: &HostState, index: usize, metric: &str) -> Option<Outlook> {
    let newest = host.history.value(index)?;
    if FULL <= newest || !FILLING.contains(&parts(metric).0) {
        return None;
    }
    let straight = |window: &usize| {
        let line = Line::through(&host.history, index, *window)?;
        let full_in = (100.0 - newest) / line.slope;
        let is_sure = SHORTEST <= line.length && STRAIGHT < line.r_squared;
        let is_near = TELLING.contains(&full_in);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most a day"
        )]
        let outlook = Outlook {
            full_in: full_in as u64,
            risen: line.slope * line.length,
        };
        (is_sure && is_near).then_some(outlook)
    };
    WINDOWS.iter().find_map(straight)
}

/// When the metric with this `index`, which has this name, will be full, if that can be told.
pub(in crate::view) fn full_in(host: &HostState, index: usize, metric: &str) -> Option<Duration> {
    outlook(host, index, metric).map(|outlook| Duration::from_millis(outlook.full_in))
}

/// The straight line that fits values best.
struct Line {
    /// Per millisecond.
    slope: f64,
    /// The share of the variation that it explains.
    r_squared: f64,
    /// In milliseconds.
    length: f64,
}

impl Line {
    /// Through the newest `window` values of the metric `index`.
    fn through(history: &History, index: usize, window: usize) -> Option<Self> {
        let newest = history.newest()?;
        let (mut n, mut t, mut v, mut tt, mut tv, mut vv) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        let mut length = 0.0;
        for point in history.points().iter().rev().take(window) {
            let Some(value) = point.value(index) else {
                continue;
            };
            #[expect(clippy::cast_precision_loss, reason = "the length of a window")]
            let age = newest.saturating_sub(point.timestamp) as f64;
            length = age;
            n += 1.0;
            t -= age;
            v += value;
            tt += age * age;
            tv -= age * value;
            vv += value * value;
        }
        let (over, across, up) = (n * tv - t * v, n * tt - t * t, n * vv - v * v);
        (0.0 < across).then(|| Self {
            slope: over / across,
            r_squared: over * over / (across * up),
            length,
        })
    }
}

/// `, full in 38 m 12 s`.
pub(super) fn outlook_text(outlook: Option<Outlook>) -> String {
    outlook.map_or_else(String::new, |outlook| {
        format!(", full in {}", span(Duration::from_millis(outlook.full_in)))
    })
}
