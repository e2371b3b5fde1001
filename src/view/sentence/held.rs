//! Since when a value is at a level. It must be there for three samples before it counts, and gone for three before it no
//! longer does, so that the sentence doesn't flicker.

use super::situation::Situation;

/// How many samples in a row decide.
const ENOUGH: usize = 3;

/// Since when something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Since {
    /// In milliseconds since the epoch.
    pub at: u64,
    /// Whether that is merely the oldest sample that is known.
    pub is_earlier: bool,
}

/// Samples in a row that are on the same side, looking back.
#[derive(Default)]
struct Run {
    is_there: bool,
    length: usize,
}

impl Run {
    fn add(&mut self, is_there: bool) {
        if self.is_there != is_there {
            *self = Self {
                is_there,
                length: 0,
            };
        }
        self.length += 1;
    }

    fn decides(&self) -> bool {
        ENOUGH <= self.length
    }
}

/// Since when the metric `index` is at `level` or above; `None` if it isn't.
pub(super) fn held(situation: &Situation<'_>, index: usize, level: f64) -> Option<Since> {
    let mut run = Run::default();
    let mut since = None;
    let mut oldest = None;
    for point in situation.points().iter().rev() {
        let Some(value) = point.value(index) else {
            continue;
        };
        run.add(value >= level);
        oldest = Some(point.timestamp);
        match (run.decides(), run.is_there) {
            (true, true) => since = oldest,
            (true, false) => break,
            (false, _) => {}
        }
    }
    let at = since?;
    let is_earlier = oldest == since && run.is_there;
    Some(Since { at, is_earlier })
}
