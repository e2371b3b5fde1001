//! Faults on request: what a bad network, or a server that restarts, does to viewers.

use std::sync::Arc;

use tokio::sync::watch;

/// Has a server misbehave. Cloning it shares it.
#[derive(Debug, Clone)]
pub struct Faults {
    ordered: Arc<watch::Sender<Ordered>>,
    obeyed: Arc<watch::Sender<Obeyed>>,
    /// How many listeners the server has.
    listeners: usize,
}

/// What the server has been told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ordered {
    /// How many times to reset every connection.
    pub(super) cuts: u64,
    /// Whether to send viewers nothing.
    pub(super) is_silent: bool,
    /// Whether to refuse connections.
    pub(super) is_down: bool,
}

/// How far the server has got with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Obeyed {
    cuts: u64,
    is_silent: bool,
    closed_listeners: usize,
}

impl Faults {
    /// For a server with this many listeners.
    #[must_use]
    pub fn new(listeners: usize) -> Self {
        Self {
            ordered: Arc::default(),
            obeyed: Arc::default(),
            listeners,
        }
    }

    /// Resets every connection.
    pub async fn cut(&self) {
        self.ordered.send_modify(|ordered| ordered.cuts += 1);
        let cuts = self.ordered.borrow().cuts;
        self.reached(|obeyed| obeyed.cuts >= cuts).await;
    }

    /// Sends viewers nothing, not even answers to their pings, until this is called again with `false`.
    pub async fn be_silent(&self, is_silent: bool) {
        self.ordered
            .send_modify(|ordered| ordered.is_silent = is_silent);
        self.reached(|obeyed| obeyed.is_silent == is_silent).await;
    }

    /// Refuses new connections and resets those that there are.
    pub async fn go_down(&self) {
        self.ordered.send_modify(|ordered| ordered.is_down = true);
        let all = self.listeners;
        self.reached(|obeyed| obeyed.closed_listeners == all).await;
        self.cut().await;
    }

    /// Accepts connections again.
    pub async fn come_up(&self) {
        self.ordered.send_modify(|ordered| ordered.is_down = false);
        self.reached(|obeyed| obeyed.closed_listeners == 0).await;
    }

    async fn reached(&self, is_reached: impl Fn(&Obeyed) -> bool) {
        // The sender lives as long as this.
        let _ = self.obeyed.subscribe().wait_for(is_reached).await;
    }

    /// What to obey from now on.
    pub(super) fn orders(&self) -> Orders {
        let mut ordered = self.ordered.subscribe();
        // What was ordered before is to be obeyed, too.
        ordered.mark_changed();
        Orders {
            ordered,
            obeyed: Arc::clone(&self.obeyed),
        }
    }
}

/// A part of the server that obeys.
#[derive(Debug)]
pub(super) struct Orders {
    ordered: watch::Receiver<Ordered>,
    obeyed: Arc<watch::Sender<Obeyed>>,
}

impl Orders {
    /// Waits for a change. Cancel safe.
    pub(super) async fn changed(&mut self) {
        if self.ordered.changed().await.is_err() {
            std::future::pending::<()>().await; // nobody orders any more
        }
    }

    /// What is ordered now.
    pub(super) fn now(&mut self) -> Ordered {
        *self.ordered.borrow_and_update()
    }

    /// Waits until it is so. Cancel safe.
    pub(super) async fn until(&mut self, is_so: impl Fn(&Ordered) -> bool) {
        if self.ordered.wait_for(is_so).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the next cut.
    pub(super) async fn cut(mut self) {
        let before = self.now().cuts;
        self.until(|ordered| ordered.cuts != before).await;
    }

    /// The viewers have been cut and are silent, or not, as ordered.
    pub(super) fn viewers_obeyed(&self, ordered: Ordered) {
        self.obeyed.send_modify(|obeyed| {
            obeyed.cuts = ordered.cuts;
            obeyed.is_silent = ordered.is_silent;
        });
    }

    /// A listener was closed.
    pub(super) fn closed(&self) {
        self.obeyed
            .send_modify(|obeyed| obeyed.closed_listeners += 1);
    }

    /// A listener is open again.
    pub(super) fn reopened(&self) {
        self.obeyed
            .send_modify(|obeyed| obeyed.closed_listeners -= 1);
    }
}

/// Waits for the next cut, if there can be one.
pub(super) async fn next_cut(faults: Option<&Faults>) {
    match faults {
        Some(faults) => faults.orders().cut().await,
        None => std::future::pending().await,
    }
}
