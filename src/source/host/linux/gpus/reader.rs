//! Reads all cards, each as its power management allows.

use std::time::{Duration, Instant};

use super::amd::AmdGpu;
use super::cards::{FoundGpu, GpuMaker, GpuNumbers};
use super::manners::GpuManners;
use super::nvidia::Nvidia;
use super::power::GpuPower;
use crate::source::host::linux::roots::Roots;
use crate::source::host::reading::{Gpu, GpuValues};

/// How long the list of cards, and whether they may sleep, stays valid.
const LIST_AGE: Duration = Duration::from_secs(60);

/// The cards, and what is known of each.
pub(super) struct GpuReader {
    roots: Roots,
    numbers: GpuNumbers,
    listed: Instant,
    cards: Vec<WatchedGpu>,
    nvidia: Nvidia,
    /// The library keeps all of NVIDIA's cards awake.
    nvidia_manners: GpuManners,
}

struct WatchedGpu {
    found: FoundGpu,
    power: GpuPower,
    /// Its files, if it is AMD's.
    amd: Option<AmdGpu>,
    manners: GpuManners,
    last: GpuValues,
}

impl GpuReader {
    /// `None` if there is no card.
    pub(super) fn new(roots: &Roots, nvidia: Nvidia) -> Option<Self> {
        let now = Instant::now();
        let mut reader = Self {
            roots: roots.clone(),
            numbers: GpuNumbers::default(),
            listed: now,
            cards: Vec::new(),
            nvidia,
            nvidia_manners: GpuManners::new(now),
        };
        reader.list(now);
        (!reader.cards.is_empty()).then_some(reader)
    }

    pub(super) fn read(&mut self, now: Instant) -> Vec<Gpu> {
        if LIST_AGE <= now.saturating_duration_since(self.listed) {
            self.list(now);
        }
        let is_asleep: Vec<bool> = self
            .cards
            .iter()
            .map(|card| card.power.is_asleep())
            .collect();
        let mut values = self.read_nvidia(now, &is_asleep).into_iter();
        let cards = self.cards.iter_mut().zip(is_asleep);
        let gpus = cards.map(|(card, is_asleep)| {
            let values = match card.found.maker {
                GpuMaker::Nvidia => values.next().unwrap_or_default(),
                GpuMaker::Amd => card.read_amd(now, is_asleep),
            };
            card.last = values.or(card.last);
            Gpu {
                name: card.found.name.clone(),
                is_asleep,
                now: values,
                last: card.last,
            }
        });
        gpus.collect()
    }

    /// Whether [`Self::glance`] has anything to do.
    pub(super) fn is_worth_a_glance(&self) -> bool {
        self.nvidia.is_open()
    }

    /// What is to be done between two readings: looks whether cards are throttled, and leaves those alone that could
    /// sleep.
    pub(super) fn glance(&mut self, now: Instant) {
        let may_sleep = self.of_nvidia().any(|card| card.power.may_sleep());
        if may_sleep && self.nvidia_manners.is_over(now) {
            self.nvidia.release();
            return;
        }
        let cards = addresses(&self.cards);
        self.nvidia.glance(&cards);
    }

    fn list(&mut self, now: Instant) {
        self.listed = now;
        let found = self.numbers.find(&self.roots);
        let mut before = std::mem::take(&mut self.cards);
        let cards = found.into_iter().map(|found| {
            let known = before.iter().position(|card| card.found == found);
            let (manners, last) = match known.map(|place| before.swap_remove(place)) {
                Some(card) => (card.manners, card.last),
                None => (GpuManners::new(now), GpuValues::default()),
            };
            WatchedGpu {
                power: GpuPower::of(&found, &self.roots),
                amd: (found.maker == GpuMaker::Amd).then(|| AmdGpu::open(&found.dir)),
                found,
                manners,
                last,
            }
        });
        self.cards = cards.collect();
    }

    fn of_nvidia(&self) -> impl Iterator<Item = &WatchedGpu> {
        let cards = self.cards.iter();
        cards.filter(|card| card.found.maker == GpuMaker::Nvidia)
    }

    /// The values of NVIDIA's cards, in their order. One of them that sleeps would be woken up by reading any other.
    fn read_nvidia(&mut self, now: Instant, is_asleep: &[bool]) -> Vec<GpuValues> {
        let cards = self.cards.iter().zip(is_asleep);
        let mut cards = cards.filter(|(card, _)| card.found.maker == GpuMaker::Nvidia);
        let any_asleep = cards.any(|(_, is_asleep)| *is_asleep);
        let may_sleep = self.of_nvidia().any(|card| card.power.may_sleep());
        if !self.nvidia_manners.allow(now, any_asleep, may_sleep) {
            self.nvidia.release();
            return Vec::new();
        }
        let cards = addresses(&self.cards);
        if cards.is_empty() {
            return Vec::new();
        }
        let values = self.nvidia.read(now, &cards);
        let is_at_work = self
            .of_nvidia()
            .zip(&values)
            .any(|(card, values)| card.power.may_sleep() && values.is_at_work());
        if is_at_work {
            self.nvidia_manners.note_work(now);
        }
        values
    }
}

impl WatchedGpu {
    fn read_amd(&mut self, now: Instant, is_asleep: bool) -> GpuValues {
        let may_read = self.manners.allow(now, is_asleep, self.power.may_sleep());
        let Some(files) = self.amd.as_ref().filter(|_| may_read) else {
            return GpuValues::default();
        };
        let values = files.read();
        if values.is_at_work() {
            self.manners.note_work(now);
        }
        values
    }
}

/// Those of NVIDIA's cards.
fn addresses(cards: &[WatchedGpu]) -> Vec<&str> {
    let cards = cards
        .iter()
        .filter(|card| card.found.maker == GpuMaker::Nvidia);
    cards.map(|card| card.found.address.as_str()).collect()
}

#[cfg(test)]
mod tests;
