//! NVIDIA's cards, which only their maker's library can read.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::source::host::reading::GpuValues;

/// How long to wait before the library is opened again after it has failed: the driver may be in the middle of an
/// update, or a lost card be reset.
const RETRY: Duration = Duration::from_secs(60);

/// The library, open. Cards are named by their PCI addresses. A lost card, and one that isn't ours to read, has no
/// values.
pub(super) trait NvidiaLibrary: Send {
    /// What a card says at the moment, except whether it is throttled.
    fn read(&mut self, card: &str) -> GpuValues;

    /// Whether its clock is lowered because of heat, or by the hardware to protect its power supply.
    fn is_throttled(&mut self, card: &str) -> Option<bool>;
}

/// Opens the library, or says why that's impossible.
pub(super) type OpenNvidia = Box<dyn FnMut() -> Result<Box<dyn NvidiaLibrary>, String> + Send>;

/// All cards of NVIDIA.
pub(super) struct Nvidia {
    open: OpenNvidia,
    library: Option<Box<dyn NvidiaLibrary>>,
    failed: Option<Instant>,
    has_reported: bool,
    glances: HashMap<String, Glances>,
}

/// How often a card was looked at since its last reading, and how often it was throttled.
#[derive(Debug, Clone, Copy, Default)]
struct Glances {
    all: u32,
    throttled: u32,
}

impl Nvidia {
    pub(super) fn new(open: OpenNvidia) -> Self {
        Self {
            open,
            library: None,
            failed: None,
            has_reported: false,
            glances: HashMap::new(),
        }
    }

    /// The values of `cards`, in their order. Opens the library, which wakes up the cards.
    pub(super) fn read(&mut self, now: Instant, cards: &[&str]) -> Vec<GpuValues> {
        self.open(now);
        self.glance(cards);
        let Some(library) = &mut self.library else {
            return vec![GpuValues::default(); cards.len()];
        };
        let values = cards.iter().map(|&card| GpuValues {
            throttled: self.glances.remove(card).and_then(Glances::share),
            ..library.read(card)
        });
        let values: Vec<GpuValues> = values.collect();
        if values.iter().all(|values| *values == GpuValues::default()) {
            self.release();
            self.failed = Some(now);
        }
        values
    }

    /// Looks whether `cards` are throttled.
    pub(super) fn glance(&mut self, cards: &[&str]) {
        let Some(library) = &mut self.library else {
            return;
        };
        for &card in cards {
            if let Some(is_throttled) = library.is_throttled(card) {
                let glances = self.glances.entry(card.to_owned()).or_default();
                glances.all = glances.all.saturating_add(1);
                glances.throttled = glances.throttled.saturating_add(u32::from(is_throttled));
            }
        }
    }

    /// Closes the library, which lets the cards sleep.
    pub(super) fn release(&mut self) {
        self.library = None;
        self.glances.clear();
    }

    pub(super) fn is_open(&self) -> bool {
        self.library.is_some()
    }

    fn open(&mut self, now: Instant) {
        let is_recent = |failed| now.saturating_duration_since(failed) < RETRY;
        if self.library.is_some() || self.failed.is_some_and(is_recent) {
            return;
        }
        match (self.open)() {
            Ok(library) => {
                (self.library, self.failed) = (Some(library), None);
            }
            Err(problem) => {
                self.failed = Some(now);
                if !std::mem::replace(&mut self.has_reported, true) {
                    tracing::warn!("cannot read the graphics cards of NVIDIA: {problem}");
                }
            }
        }
    }
}

impl Glances {
    /// In percent.
    fn share(self) -> Option<f64> {
        (self.all != 0).then(|| 100.0 * f64::from(self.throttled) / f64::from(self.all))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Throttled at every third look.
    struct Throttling(u32);

    impl NvidiaLibrary for Throttling {
        fn read(&mut self, card: &str) -> GpuValues {
            GpuValues {
                temperature: Some(card.len() as f64),
                ..GpuValues::default()
            }
        }

        fn is_throttled(&mut self, _card: &str) -> Option<bool> {
            self.0 += 1;
            Some(self.0.is_multiple_of(3))
        }
    }

    #[test]
    fn throttling_is_a_share_of_the_glances_since_the_last_reading() {
        let mut nvidia = Nvidia::new(Box::new(|| Ok(Box::new(Throttling(0)))));
        let now = Instant::now();
        let mut throttled = |glances: u32| {
            (0..glances).for_each(|_| nvidia.glance(&["a"]));
            nvidia.read(now, &["a"])[0].throttled.unwrap()
        };
        // A reading looks as well.
        assert_eq!(
            [throttled(0), throttled(3), throttled(3)],
            [0.0, 25.0, 50.0]
        );
    }

    #[test]
    fn a_library_that_cannot_be_opened_is_tried_once_a_minute() {
        let tries = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&tries);
        let open = move || {
            if counter.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err("no driver".to_owned());
            }
            let library: Box<dyn NvidiaLibrary> = Box::new(Throttling(0));
            Ok(library)
        };
        let mut nvidia = Nvidia::new(Box::new(open));
        let now = Instant::now();
        for second in 0..60 {
            let values = nvidia.read(now + Duration::from_secs(second), &["a"]);
            assert_eq!(values, [GpuValues::default()]);
        }
        assert_eq!(tries.load(Ordering::SeqCst), 1);
        assert!(nvidia.read(now + RETRY, &["a"])[0].temperature.is_some());
        assert!(nvidia.is_open());
    }
}
