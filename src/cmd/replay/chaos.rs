//! `--chaos`: the plan, and the server that carries it out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::cmd::Failure;
use crate::server::{Faults, Viewers};
use crate::source::recording::{Chaos, FaultOrder, ServerFault, Speed, Survey};
use crate::wording::exact_span;

use super::flags::ReplayArgs;
use super::play::until;

/// Carries out the faults of a plan, and knows which viewers will be back.
#[derive(Debug)]
pub(super) struct Disturbance {
    faults: Faults,
    orders: mpsc::Receiver<FaultOrder>,
    viewers: Viewers,
    /// At full speed nothing is played before the viewers are back: everything would be over by then.
    awaits_return: Option<Duration>,
}

impl Disturbance {
    /// The faults that `args` ask for, on a server with this many listeners; and what the source needs for them.
    pub(super) fn of(
        args: &ReplayArgs,
        listeners: usize,
        viewers: &Viewers,
    ) -> Option<(Self, Chaos)> {
        let (chaos, orders) = Chaos::new(args.chaos.clone()?);
        let is_max = args.speed() == Speed::Max;
        let disturbance = Self {
            faults: Faults::new(listeners),
            orders,
            viewers: viewers.clone(),
            awaits_return: is_max.then_some(args.wait_timeout),
        };
        Some((disturbance, chaos))
    }

    /// For the server.
    pub(super) fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// Obeys the source, and never ends. `gone`: how many viewers the last fault disconnected.
    pub(super) async fn obey(mut self, gone: &AtomicU64) {
        while let Some(FaultOrder { fault, done }) = self.orders.recv().await {
            let here = self.viewers.now().connected;
            match fault {
                ServerFault::Cut => {
                    gone.store(here, Ordering::Relaxed);
                    self.faults.cut().await;
                    self.back(here).await;
                }
                ServerFault::GoDown => {
                    gone.store(here, Ordering::Relaxed);
                    self.faults.go_down().await;
                }
                ServerFault::ComeUp => {
                    self.faults.come_up().await;
                    self.back(gone.load(Ordering::Relaxed)).await;
                }
                ServerFault::FallSilent => self.faults.be_silent(true).await,
                ServerFault::SpeakAgain => self.faults.be_silent(false).await,
            }
            // An error means that the source has been stopped.
            let _ = done.send(());
        }
        std::future::pending().await
    }

    /// Waits until this many viewers are connected, if the source must not go on without them.
    async fn back(&self, count: u64) {
        if let Some(patience) = self.awaits_return {
            until(&self.viewers, patience, |counts| counts.connected >= count).await;
        }
    }
}

/// Checks that every fault is within the recording, if its length is known.
pub(super) fn check(args: &ReplayArgs, survey: &Survey) -> Result<(), Failure> {
    let length = Duration::from_millis(survey.span);
    let is_known = survey.rows > 0 && !args.again();
    let beyond = args.chaos.as_ref().and_then(|plan| plan.beyond(length));
    match beyond.filter(|_| is_known) {
        Some(fault) => Err(Failure::usage(format!(
            "--chaos {fault} is after the end: what is replayed is {} long",
            exact_span(length)
        ))),
        None => Ok(()),
    }
}

/// Carries out the faults, if there are any. Never ends.
pub(super) async fn obey(disturbance: Option<Disturbance>, gone: &AtomicU64) {
    match disturbance {
        Some(disturbance) => disturbance.obey(gone).await,
        None => std::future::pending().await,
    }
}
