//! A webhook's notifications, one after another, each retried until it arrives or is too old.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::answer::Answer;
use super::inbox::Inbox;
use super::kind::Kind;
use super::notice::Notice;
use super::payload::Payload;
use super::post::WebhookClient;
use super::webhook::Webhook;

/// The longest `Retry-After` that is honoured.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60 * 60);

/// Alerts in one request to Alertmanager.
const MOST_IN_ONE: usize = 256;

/// The timing of retries and repetitions.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeliveryTiming {
    /// The longest wait before the second attempt; it doubles from one to the next.
    pub(super) first_wait: Duration,
    /// The longest wait before any attempt.
    pub(super) longest_wait: Duration,
    /// A notification that has failed for this long is given up.
    pub(super) give_up_after: Duration,
    /// How often firing alerts are sent to Alertmanager.
    pub(super) repeat: Duration,
}

impl Default for DeliveryTiming {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            give_up_after: Duration::from_secs(10 * 60),
            repeat: Duration::from_secs(60),
        }
    }
}

impl DeliveryTiming {
    /// The wait after `failed` attempts: exponential with full jitter. `jitter` is in 0.0..1.0.
    fn wait(self, failed: u32, jitter: f64) -> Duration {
        let doublings = failed.saturating_sub(1).min(31);
        let ceiling = self.first_wait.saturating_mul(1 << doublings);
        ceiling.min(self.longest_wait).mul_f64(jitter)
    }
}

/// One webhook, with its client and inbox.
pub(super) struct Delivery {
    pub(super) inbox: Arc<Inbox>,
    pub(super) webhook: Webhook,
    pub(super) client: WebhookClient,
    pub(super) tempo: DeliveryTiming,
    /// The server asked for no requests until then.
    pub(super) quiet_until: Option<Instant>,
}

impl Delivery {
    /// Delivers notifications until it is dropped.
    pub(super) async fn run(mut self) {
        if self.webhook.kind == Kind::Alertmanager {
            return self.run_with_repeats().await;
        }
        loop {
            let notice = self.inbox.queue.next().await;
            let result = self.deliver(&notice).await;
            self.inbox.finished(&notice, result);
        }
    }

    /// As [`Delivery::run`], and repeats firing alerts, as Alertmanager requires.
    async fn run_with_repeats(mut self) {
        let inbox = Arc::clone(&self.inbox);
        let mut repeats = interval_at(Instant::now() + self.tempo.repeat, self.tempo.repeat);
        repeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut repeat_failed = false;
        loop {
            tokio::select! {
                biased;
                _ = repeats.tick() => {
                    let result = self.repeat().await;
                    if let (Err(reason), false) = (&result, repeat_failed) {
                        inbox.will_retry(reason);
                    }
                    repeat_failed = result.is_err();
                }
                notice = inbox.queue.next() => {
                    let result = self.deliver(&notice).await;
                    inbox.finished(&notice, result);
                }
            }
        }
    }

    /// Posts all firing alerts once, without retries: the next repetition is soon enough.
    async fn repeat(&mut self) -> Result<(), String> {
        let firing = self.inbox.firing_now();
        for some in firing.chunks(MOST_IN_ONE) {
            let some: Vec<&Notice> = some.iter().map(Arc::as_ref).collect();
            let payload = Payload::alerts(&some, SystemTime::now());
            self.attempt(&payload)
                .await
                .map_err(|failed| failed.reason)?;
        }
        Ok(())
    }

    /// Posts until it succeeds, cannot succeed, or has failed for too long.
    async fn deliver(&mut self, notice: &Notice) -> Result<(), String> {
        let began = Instant::now();
        for failed in 1.. {
            let payload = Payload::new(self.webhook.kind, notice, SystemTime::now());
            let Err(Failed { reason, may_heal }) = self.attempt(&payload).await else {
                break;
            };
            if !may_heal || self.tempo.give_up_after <= began.elapsed() {
                return Err(reason);
            }
            if failed == 1 {
                self.inbox.will_retry(&reason);
            }
            tokio::time::sleep(self.tempo.wait(failed, rand::random())).await;
        }
        Ok(())
    }

    /// Posts once, not before the server's `Retry-After` is over.
    async fn attempt(&mut self, payload: &Payload) -> Result<(), Failed> {
        if let Some(quiet_until) = self.quiet_until.take() {
            sleep_until(quiet_until).await;
        }
        let answer = self.client.post(&self.webhook, payload).await;
        if let Ok(Answer {
            status,
            retry_after: Some(wait),
            ..
        }) = &answer
            && !status.is_success()
        {
            let wait = (*wait).min(LONGEST_RETRY_AFTER);
            self.quiet_until = Some(Instant::now() + wait);
        }
        judged(answer)
    }
}

/// Why an attempt failed.
#[derive(Debug, PartialEq)]
pub(super) struct Failed {
    pub(super) reason: String,
    /// Whether the same request may work later.
    may_heal: bool,
}

/// Whether a notification has arrived.
pub(super) fn judged(answer: Result<Answer, String>) -> Result<(), Failed> {
    let answer = answer.map_err(|reason| Failed {
        reason,
        may_heal: true,
    })?;
    let status = answer.status;
    if status.is_success() {
        return Ok(());
    }
    let hint = if status.is_redirection() {
        " (redirects are not followed: give the URL that it leads to)"
    } else {
        ""
    };
    let may_heal = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY
        );
    Err(Failed {
        reason: format!("{answer}{hint}"),
        may_heal,
    })
}

#[cfg(test)]
mod tests;
