//! Faults at moments of the recording, so that a dashboard can be tested.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::protocol::{parse_duration, shown};
use crate::wording::exact_span;

/// How long a server that restarts is away, unless the plan says so.
const AWAY: Duration = Duration::from_secs(2);

/// A plan, for the error about another one.
const EXAMPLE: &str = "cut@10s stall@20s/5s restart@40s";

/// Which faults happen and when, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChaosPlan(Vec<PlannedFault>);

/// A fault, and the recorded time at which it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFault {
    /// The time since the first message that is played.
    pub offset: Duration,
    /// What happens.
    pub disruption: Disruption,
    written: String,
}

/// What happens to the viewers. The durations are not of recorded time, so the speed doesn't change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disruption {
    /// Every connection is reset.
    Cut,
    /// Viewers receive nothing for this long.
    Stall(Duration),
    /// Every connection is reset, none is accepted for this long, and the server has forgotten everything.
    Restart(Duration),
}

/// What the server has to do for a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerFault {
    /// Reset every connection.
    Cut,
    /// Send viewers nothing.
    FallSilent,
    /// Send again.
    SpeakAgain,
    /// Reset every connection and refuse new ones.
    GoDown,
    /// Accept connections again.
    ComeUp,
}

/// A fault for the server.
#[derive(Debug)]
pub struct FaultOrder {
    /// What to do.
    pub fault: ServerFault,
    /// To be told when it is done.
    pub done: oneshot::Sender<()>,
}

/// The rest of a plan, and the server that carries it out.
#[derive(Debug)]
pub struct Chaos {
    /// In reverse order.
    rest: Vec<PlannedFault>,
    orders: mpsc::Sender<FaultOrder>,
}

impl Chaos {
    /// Carries out `plan`; the other end has to obey the orders.
    #[must_use]
    pub fn new(plan: ChaosPlan) -> (Self, mpsc::Receiver<FaultOrder>) {
        let (orders, obeying) = mpsc::channel(1);
        let mut rest = plan.0;
        rest.reverse();
        (Self { rest, orders }, obeying)
    }

    /// The next fault, if it happens before a message that is due at `due` milliseconds of recorded time.
    pub(super) fn before(&mut self, due: u64) -> Option<PlannedFault> {
        let next = self.rest.last()?;
        let is_due = next.offset <= Duration::from_millis(due);
        is_due.then(|| self.rest.pop()).flatten()
    }

    /// The next fault that has not happened, as it was written.
    pub(super) fn left_over(&self) -> Option<&str> {
        self.rest.last().map(|fault| &*fault.written)
    }

    /// Has the server do its part, and waits until it is done.
    pub(super) async fn order(&self, fault: ServerFault) {
        let (done, is_done) = oneshot::channel();
        if self.orders.send(FaultOrder { fault, done }).await.is_ok() {
            // An error means that the server is gone.
            let _ = is_done.await;
        }
    }
}

impl ChaosPlan {
    /// Whether the server restarts, and numbers its messages afresh.
    #[must_use]
    pub fn has_restart(&self) -> bool {
        let is_restart =
            |planned: &PlannedFault| matches!(planned.disruption, Disruption::Restart(_));
        self.0.iter().any(is_restart)
    }

    /// The first fault after the end of a recording of this length, as it was written.
    #[must_use]
    pub fn beyond(&self, length: Duration) -> Option<&str> {
        let beyond = self.0.iter().find(|planned| planned.offset > length)?;
        Some(&beyond.written)
    }
}

impl FromStr for ChaosPlan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split(|c: char| c.is_whitespace() || c == ',');
        let words = words.filter(|word| !word.is_empty());
        let mut faults = words
            .map(str::parse)
            .collect::<Result<Vec<PlannedFault>, _>>()?;
        if faults.is_empty() {
            return Err(format!(
                "the plan is empty: write '{EXAMPLE}', or a part of it"
            ));
        }
        // Faults at the same time happen as they were written.
        faults.sort_by_key(|planned| planned.offset);
        Ok(Self(faults))
    }
}

impl FromStr for PlannedFault {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let written = shown(word);
        let (kind, when) = word.split_once('@').unwrap_or((word, ""));
        let kind = kind.to_ascii_lowercase();
        if !["cut", "stall", "restart"].contains(&&*kind) {
            let kind = shown(&kind);
            return Err(format!(
                "in '{written}', '{kind}' is no fault: write cut, stall or restart, as in '{EXAMPLE}'"
            ));
        }
        let (offset, duration) = match when.split_once('/') {
            Some((offset, duration)) => (offset, Some(duration)),
            None => (when, None),
        };
        if offset.is_empty() {
            return Err(format!(
                "'{written}' does not say when: write {}",
                example(&kind)
            ));
        }
        let parse = |text| parse_duration(text).map_err(|error| format!("in '{written}', {error}"));
        let (offset, duration) = (parse(offset)?, duration.map(parse).transpose()?);
        if duration == Some(Duration::ZERO) {
            return Err(format!(
                "'{written}' lasts no time: write {}",
                example(&kind)
            ));
        }
        let disruption = match (&*kind, duration) {
            ("cut", None) => Disruption::Cut,
            ("cut", Some(_)) => {
                return Err(format!(
                    "in '{written}', a cut has no duration: write {}, or stall or restart",
                    word.split('/').next().unwrap_or_default()
                ));
            }
            ("stall", None) => {
                return Err(format!(
                    "'{written}' does not say how long: write {written}/5s"
                ));
            }
            ("stall", Some(duration)) => Disruption::Stall(duration),
            (_, duration) => Disruption::Restart(duration.unwrap_or(AWAY)),
        };
        let written = word.to_owned();
        Ok(Self {
            offset,
            disruption,
            written,
        })
    }
}

/// A fault of this kind.
fn example(kind: &str) -> &'static str {
    match kind {
        "cut" => "cut@10s",
        "stall" => "stall@20s/5s",
        _ => "restart@40s",
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.disruption {
            Disruption::Cut => f.write_str("cut: every connection is reset"),
            Disruption::Stall(time) => {
                write!(f, "stall: viewers receive nothing for {}", exact_span(time))
            }
            Disruption::Restart(time) => write!(
                f,
                "restart: every connection is reset and none is accepted for {}; a new stream begins",
                exact_span(time)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_list_of_faults_in_the_order_of_their_times() {
        let plan: ChaosPlan = "restart@40s stall@20s/5s, CUT@10s cut@1m restart@40s/300ms"
            .parse()
            .unwrap();
        let secs = Duration::from_secs;
        let faults: Vec<_> = plan.0.iter().map(|it| (it.offset, it.disruption)).collect();
        let expected = [
            (secs(10), Disruption::Cut),
            (secs(20), Disruption::Stall(secs(5))),
            (secs(40), Disruption::Restart(secs(2))),
            (secs(40), Disruption::Restart(Duration::from_millis(300))),
            (secs(60), Disruption::Cut),
        ];
        assert_eq!(faults, expected);
        assert!(plan.has_restart());
        assert_eq!(
            (plan.beyond(secs(60)), plan.beyond(secs(59))),
            (None, Some("cut@1m"))
        );
        assert!(!"cut@0s".parse::<ChaosPlan>().unwrap().has_restart());

        let (mut chaos, _orders) = Chaos::new(plan);
        assert_eq!(chaos.before(9_999), None);
        assert_eq!(chaos.before(10_000).unwrap().disruption, Disruption::Cut);
        assert_eq!(chaos.before(10_000), None);
        assert_eq!(
            chaos.before(45_000).unwrap().disruption,
            Disruption::Stall(secs(5))
        );
        assert_eq!(chaos.left_over(), Some("restart@40s"));
    }

    #[test]
    fn a_bad_plan_is_refused_with_what_to_write() {
        for (text, expected) in [
            (
                "",
                "the plan is empty: write 'cut@10s stall@20s/5s restart@40s'",
            ),
            (" , ", "the plan is empty"),
            (
                "boom@10s",
                "in 'boom@10s', 'boom' is no fault: write cut, stall or restart",
            ),
            ("cut@1s @5s", "in '@5s', '' is no fault"),
            ("cut", "'cut' does not say when: write cut@10s"),
            (
                "stall@/5s",
                "'stall@/5s' does not say when: write stall@20s/5s",
            ),
            ("cut@10", "in 'cut@10', '10' has no unit"),
            ("cut@-5s", "in 'cut@-5s', '-5s' is negative"),
            (
                "cut@10s/5s",
                "in 'cut@10s/5s', a cut has no duration: write cut@10s",
            ),
            (
                "stall@20s",
                "'stall@20s' does not say how long: write stall@20s/5s",
            ),
            (
                "stall@20s/0s",
                "'stall@20s/0s' lasts no time: write stall@20s/5s",
            ),
            ("restart@40s/", "in 'restart@40s/', "),
            ("restart@40s/2s/2s", "in 'restart@40s/2s/2s', "),
        ] {
            let error = text.parse::<ChaosPlan>().unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }
}
