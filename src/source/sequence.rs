//! The last stage of every source: messages are numbered and published.

use crate::hub::{Announcement, HostPublisher};
use crate::protocol::{Alert, Numbered, Sample, StreamId};

/// Which number a message gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seq {
    /// The next one.
    Next {
        /// How many numbers before it are skipped, because those messages are missing.
        missing: u64,
    },
    /// The one that it already has.
    Kept(u64),
}

/// The stage before [`Numbered`]: a message from a source, with a rule for its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Unnumbered {
    /// The announced stream, which the number will belong to.
    pub stream: StreamId,
    /// Which number it gets.
    pub seq: Seq,
    /// The alert, if it is one.
    pub alert: Option<Box<Alert>>,
    /// The sample, or the one that triggered the alert.
    pub sample: Sample,
}

/// A stream has no numbers left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no numbers left")]
pub struct NumbersRanOut;

/// The numbers of one host.
#[derive(Debug, Default)]
pub struct Numbers {
    /// The last one given.
    last: u64,
}

impl Numbers {
    /// The number that `seq` would get now.
    ///
    /// # Errors
    /// When there are none left.
    pub fn peek(&self, seq: Seq) -> Result<u64, NumbersRanOut> {
        match seq {
            Seq::Kept(seq) => Ok(seq),
            Seq::Next { missing } => {
                let next = self.last.saturating_add(missing).saturating_add(1);
                // No number follows the last one.
                (next < u64::MAX).then_some(next).ok_or(NumbersRanOut)
            }
        }
    }

    /// Gives `seq` its number.
    ///
    /// # Errors
    /// When there are none left.
    pub fn give(&mut self, seq: Seq) -> Result<u64, NumbersRanOut> {
        self.last = self.peek(seq)?;
        Ok(self.last)
    }
}

/// One host's numbered messages on their way to the hub.
#[derive(Debug)]
pub struct Sequence {
    publisher: HostPublisher,
    numbers: Numbers,
}

impl Sequence {
    /// Numbers the messages for `publisher` from 1.
    #[must_use]
    pub fn new(publisher: HostPublisher) -> Self {
        Self {
            publisher,
            numbers: Numbers::default(),
        }
    }

    /// Describes the messages that follow. When its stream changes, a source continues to count.
    pub fn announce(&self, announcement: Announcement) {
        self.publisher.announce(announcement);
    }

    /// Begins another stream, with number 1. What fires goes on firing.
    pub fn begin_stream(&mut self, announcement: Announcement) {
        let firing = self.publisher.firing();
        self.numbers = Numbers::default();
        self.publisher.announce_firing(announcement, firing);
    }

    /// Forgets all messages and numbers, as a server that restarts. An announcement must follow.
    pub fn start_over(&mut self) {
        self.numbers = Numbers::default();
        self.publisher.start_over();
    }

    /// The publisher, for everything except messages.
    #[must_use]
    pub fn publisher(&self) -> &HostPublisher {
        &self.publisher
    }

    /// The number that `seq` would get now.
    ///
    /// # Errors
    /// When there are none left.
    pub fn peek(&self, seq: Seq) -> Result<u64, NumbersRanOut> {
        self.numbers.peek(seq)
    }

    /// Numbers a message and publishes it, without waking viewers. Returns whether the log now exceeds its bounds; see
    /// [`HostPublisher::add`].
    ///
    /// # Errors
    /// When there are no numbers left.
    pub fn add(&mut self, message: Unnumbered) -> Result<bool, NumbersRanOut> {
        let seq = self.numbers.give(message.seq)?;
        Ok(self.publisher.add(Numbered {
            host: self.publisher.host().clone(),
            stream: message.stream,
            seq,
            alert: message.alert,
            sample: message.sample,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::hub::{Batch, Hub, Retention, Timeline};
    use crate::protocol::{AlertState, Query};

    const STREAM: StreamId = StreamId(1);

    /// What a rule that fires for every sample produces, before anything has a number.
    fn with_alert(sample: Sample) -> [Unnumbered; 2] {
        let alert = Alert {
            name: "busy".into(),
            rule: "cpu > 90".into(),
            state: AlertState::Firing,
            metric: "cpu".into(),
            value: Some(97.0),
            threshold: Some(90.0),
            since: 1,
        };
        [None, Some(Box::new(alert))].map(|alert| Unnumbered {
            stream: STREAM,
            seq: Seq::Next { missing: 0 },
            alert,
            sample: sample.clone(),
        })
    }

    #[test]
    fn an_alert_can_be_inserted_between_two_unnumbered_samples() {
        let hub = Hub::new(Retention {
            duration: Duration::from_secs(60),
            lossless: false,
        });
        let publisher = hub.publisher(Timeline::Live).host(&"a".parse().unwrap());
        let mut sequence = Sequence::new(publisher);
        sequence.announce(Announcement {
            stream: STREAM,
            interval: 1000,
            heartbeat: 1000,
            system: None,
            replay: None,
            metrics: [].into(),
            containers: false,
            unavailable: [].into(),
        });
        for _ in 0..2 {
            for message in with_alert(Sample::default()) {
                assert_eq!(sequence.add(message), Ok(false));
            }
        }
        let mut viewer = hub.subscribe(Query::parse("last=9").unwrap()).unwrap();
        let mut frames = Vec::new();
        assert_eq!(viewer.read(&mut frames, 10_000), Batch::Head);
        let numbers = frames[1..].iter().map(|frame| {
            let json = std::str::from_utf8(frame.json()).unwrap();
            let kind = if json.contains("\"alert\"") {
                "alert"
            } else {
                "sample"
            };
            let (_, seq) = json.split_once("\"seq\":").unwrap();
            format!("{kind} {}", &seq[..1])
        });
        let numbers: Vec<_> = numbers.collect();
        assert_eq!(numbers, ["sample 1", "alert 2", "sample 3", "alert 4"]);
    }

    #[test]
    fn numbers_count_leave_out_and_run_out() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.give(Seq::Next { missing: 0 }), Ok(1));
        assert_eq!(numbers.peek(Seq::Next { missing: 2 }), Ok(4));
        assert_eq!(numbers.give(Seq::Next { missing: 2 }), Ok(4));
        assert_eq!(numbers.give(Seq::Kept(9)), Ok(9));
        assert_eq!(
            numbers.give(Seq::Next { missing: u64::MAX }),
            Err(NumbersRanOut)
        );
        assert_eq!(
            numbers.give(Seq::Next { missing: 0 }),
            Ok(10),
            "a message without a number uses none"
        );
        assert_eq!(numbers.give(Seq::Kept(u64::MAX)), Ok(u64::MAX));
    }
}
