//! Graphics cards and other accelerators of their kind: NVIDIA's through their library, AMD's through the kernel.
//!
//! A card may take long to answer, and a lost one for ever, so they are read on a thread of their own, just before a
//! sample is due. Where there is no card, there is no thread. No card is woken up or kept awake: see `manners`.

mod amd;
mod cards;
mod manners;
mod nvidia;
mod nvml;
mod power;
mod reader;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use self::nvidia::Nvidia;
use self::reader::GpuReader;
use super::roots::Roots;
use crate::source::host::reading::Gpu;

/// How often to look for cards: they appear when their driver is loaded.
const LOOK_AGE: Duration = Duration::from_secs(60);

/// How much earlier than necessary a reading begins: a busy machine may let its thread wait for a core.
const MARGIN: Duration = Duration::from_millis(20);

/// How often to ask between two readings whether a card is throttled.
const GLANCE: Duration = Duration::from_millis(250);

/// The cards of this machine.
pub(super) struct Gpus {
    roots: Roots,
    looked: Instant,
    watch: Option<GpuWatch>,
}

/// The thread, with its plans and readings.
struct GpuWatch {
    /// When the sample is due that the next reading is for.
    plans: Sender<Instant>,
    readings: Receiver<Vec<Gpu>>,
    is_under_way: bool,
    /// A reading that nobody has taken yet.
    ready: Option<Vec<Gpu>>,
}

impl Gpus {
    /// If there are cards, takes a first reading, unless that takes longer than the patience of `roots`: without other
    /// programs that use it, a card takes seconds to start.
    pub(super) fn new(roots: Roots) -> Self {
        let mut gpus = Self {
            looked: Instant::now(),
            watch: GpuWatch::begin(&roots),
            roots,
        };
        gpus.settle(gpus.roots.patience);
        gpus
    }

    /// A sample is due at `due`.
    pub(super) fn prepare(&mut self, due: Instant) {
        if let Some(watch) = &mut self.watch {
            watch.plan(due);
        }
    }

    /// The cards, if there has been a reading since the last call.
    pub(super) fn read(&mut self, now: Instant) -> Vec<Gpu> {
        if let Some(watch) = &mut self.watch {
            return watch.take().unwrap_or_default();
        }
        if LOOK_AGE <= now.saturating_duration_since(self.looked) {
            self.looked = now;
            self.watch = GpuWatch::begin(&self.roots);
        }
        Vec::new()
    }

    /// Takes a reading now, which is the next one to be handed out.
    pub(super) fn settle(&mut self, patience: Duration) {
        if let Some(watch) = &mut self.watch {
            watch.plan(Instant::now());
            watch.wait(patience);
        }
    }
}

impl GpuWatch {
    /// `None` if there is no card.
    fn begin(roots: &Roots) -> Option<Self> {
        let libraries = nvml::libraries(roots);
        let nvidia = Nvidia::new(Box::new(move || nvml::open(&libraries)));
        let reader = GpuReader::new(roots, nvidia)?;
        let (plans, planned) = mpsc::channel();
        let (reading, readings) = mpsc::channel();
        let serve = move || serve(reader, &planned, &reading);
        if let Err(error) = thread::Builder::new().name("gpus".into()).spawn(serve) {
            tracing::warn!("cannot start the thread that reads graphics cards: {error}");
        }
        Some(Self {
            plans,
            readings,
            is_under_way: false,
            ready: None,
        })
    }

    fn plan(&mut self, due: Instant) {
        self.note();
        if !self.is_under_way {
            self.is_under_way = self.plans.send(due).is_ok();
        }
    }

    fn take(&mut self) -> Option<Vec<Gpu>> {
        self.note();
        self.ready.take()
    }

    fn note(&mut self) {
        if let Ok(gpus) = self.readings.try_recv() {
            self.is_under_way = false;
            self.ready = Some(gpus);
        }
    }

    fn wait(&mut self, patience: Duration) {
        if let Ok(gpus) = self.readings.recv_timeout(patience) {
            self.is_under_way = false;
            self.ready = Some(gpus);
        }
    }
}

/// Takes readings as planned until the other side is gone.
fn serve(mut reader: GpuReader, plans: &Receiver<Instant>, readings: &Sender<Vec<Gpu>>) {
    let mut took = Duration::ZERO;
    while let Ok(due) = plans.recv() {
        let lead = MARGIN + 2 * took;
        loop {
            let ahead = due.saturating_duration_since(Instant::now() + lead);
            if ahead.is_zero() {
                break;
            }
            let pause = if reader.is_worth_a_glance() {
                ahead.min(GLANCE)
            } else {
                ahead
            };
            // No plan follows before the reading, so only the end of the other side ends the pause early.
            let Err(RecvTimeoutError::Timeout) = plans.recv_timeout(pause) else {
                return;
            };
            reader.glance(Instant::now());
        }
        let begun = Instant::now();
        let gpus = reader.read(begun);
        took = begun.elapsed();
        if readings.send(gpus).is_err() {
            return;
        }
    }
}

#[cfg(test)]
pub(in crate::source::host) use self::tests::make_library;
#[cfg(test)]
mod tests;
