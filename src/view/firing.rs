//! The firing alerts of a host, and the culprit when each began.

use std::sync::Arc;

use crate::protocol::{Alert, AlertState, Culprits, Hello, MOST_FIRING, Process, StreamId};

use super::moment::StreamPosition;
use super::sanitize::clean;

/// The alerts that fire, in the order of their [`FiringAlert::id`]. Samples share them until one changes.
pub(super) type Alerts = Arc<Vec<Arc<FiringAlert>>>;

/// An alert that fires.
#[derive(Debug, Clone)]
pub(super) struct FiringAlert {
    /// As the wire has it: its texts are not clean.
    pub alert: Alert,
    /// The process that was first when it began to fire, for rules about CPU and memory.
    pub culprit: Option<Culprit>,
    /// Only a hello told of it, so when it began to fire is not known, only since when its rule has been true.
    is_announced: bool,
}

/// A process, and its share of what an alert is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Culprit {
    /// Clean.
    pub name: String,
    /// Of the whole machine, 0 to 100; `None` for one that waits.
    pub percent: Option<f64>,
}

impl Culprit {
    /// The first of `top` by what `metric` measures; `None` for metrics that no process is to blame for.
    pub(super) fn of<'a>(metric: &str, top: impl IntoIterator<Item = &'a Process>) -> Option<Self> {
        let culprits = Culprits::among(top);
        let (process, percent) = culprits.of(metric)?;
        let name = clean(&process.name);
        Some(Self { name, percent })
    }
}

impl FiringAlert {
    fn announced(alert: &Alert) -> Self {
        Self {
            alert: alert.clone(),
            culprit: None,
            is_announced: true,
        }
    }

    pub(super) fn fired(alert: &Alert, top: &[Process]) -> Self {
        Self {
            alert: alert.clone(),
            culprit: Culprit::of(&alert.metric, top),
            is_announced: false,
        }
    }

    /// What tells it from the other alerts of its host.
    pub(super) fn id(&self) -> (&str, &str) {
        id(&self.alert)
    }

    /// Whether it is the same alert, and has been firing since the same time.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.id() == other.id() && self.alert.since == other.alert.since
    }
}

fn id(alert: &Alert) -> (&str, &str) {
    (&alert.name, &alert.metric)
}

fn position(alerts: &[Arc<FiringAlert>], id: (&str, &str)) -> Result<usize, usize> {
    alerts.binary_search_by(|alert| alert.id().cmp(&id))
}

/// The one of `alerts` that is the same as `alert`.
pub(super) fn find_same<'a>(alerts: &'a Alerts, alert: &FiringAlert) -> Option<&'a FiringAlert> {
    let index = position(alerts, alert.id()).ok()?;
    alerts
        .get(index)
        .filter(|found| found.is_same(alert))
        .map(|found| &**found)
}

fn insert(alerts: &mut Alerts, alert: Arc<FiringAlert>) {
    let place = position(alerts, alert.id());
    let alerts = Arc::make_mut(alerts);
    match place {
        Ok(index) => alerts[index] = alert,
        Err(index) if alerts.len() < MOST_FIRING => alerts.insert(index, alert),
        Err(_) => {}
    }
}

fn remove(alerts: &mut Alerts, id: (&str, &str)) {
    if let Ok(index) = position(alerts, id) {
        Arc::make_mut(alerts).remove(index);
    }
}

/// `alerts` without the one that is only known from a hello and is the same as `alert`; `None` if it is not among them.
pub(super) fn without_announced(alerts: &Alerts, alert: &FiringAlert) -> Option<Alerts> {
    find_same(alerts, alert).filter(|found| found.is_announced)?;
    let mut rest = Arc::clone(alerts);
    remove(&mut rest, alert.id());
    Some(rest)
}

/// The alerts of a host that fire: now, and at the last message that arrived. These differ while messages from before the
/// newest hello are on their way.
#[derive(Debug, Clone, Default)]
pub(super) struct Firing {
    now: Alerts,
    at_last: Alerts,
    /// The number of the message that `now` is about, until it has arrived.
    awaited: Option<u64>,
    stream: Option<StreamId>,
}

impl Firing {
    /// These fire, as far as is known.
    pub(super) fn of(alerts: Alerts) -> Self {
        Self {
            at_last: Arc::clone(&alerts),
            now: alerts,
            ..Self::default()
        }
    }

    /// Those that fire now.
    pub(super) fn now(&self) -> &Alerts {
        &self.now
    }

    /// Those that fired when the last message was sent, whose sample is of `timestamp`.
    pub(super) fn at_last(&self, timestamp: u64) -> Alerts {
        let is_begun = |alert: &&Arc<FiringAlert>| alert.alert.since <= timestamp;
        let is_later = |alert: &Arc<FiringAlert>| alert.is_announced && !is_begun(&alert);
        if self.at_last.iter().any(is_later) {
            let begun = self.at_last.iter().filter(|alert| !is_later(alert));
            Arc::new(begun.cloned().collect())
        } else {
            Arc::clone(&self.at_last)
        }
    }

    /// Takes what `hello` says; the `newest` message that is here stands where it says.
    pub(super) fn take_hello(&mut self, hello: &Hello, newest: Option<StreamPosition>) {
        let mut now = Alerts::default();
        let firing = |alert: &&Alert| alert.state == AlertState::Firing;
        for alert in hello.alerts.iter().filter(firing) {
            let announced = FiringAlert::announced(alert);
            let known = find_same(&self.now, &announced).cloned();
            insert(&mut now, Arc::new(known.unwrap_or(announced)));
        }
        self.now = now;
        let here = newest.filter(|(stream, _)| *stream == hello.stream);
        if here.is_none_or(|(_, seq)| hello.newest <= seq) {
            self.at_last = Arc::clone(&self.now);
        }
        let here = here.map_or(0, |(_, seq)| seq);
        self.awaited = Some(hello.newest).filter(|newest| here < *newest);
        self.stream = Some(hello.stream);
    }

    /// Messages are missing, and alerts may be among them.
    pub(super) fn take_gap(&mut self) {
        self.at_last = Arc::clone(&self.now);
    }

    /// A message has arrived: a new stream begins with nothing firing unless a hello says otherwise.
    pub(super) fn take_position(&mut self, (stream, seq): StreamPosition) {
        if self.stream.is_some_and(|before| before != stream) {
            *self = Self::default();
        }
        self.stream = Some(stream);
        if self.awaited.is_some_and(|awaited| awaited <= seq) {
            self.take_gap();
            self.awaited = None;
        }
    }

    /// An alert fires or is resolved; `top` is the last list of processes. If only a hello told of it before, returns it:
    /// until now it did not fire.
    pub(super) fn take_alert(
        &mut self,
        alert: &Alert,
        top: &[Process],
    ) -> Option<Arc<FiringAlert>> {
        if alert.state == AlertState::Resolved {
            remove(&mut self.at_last, id(alert));
            if self.awaited.is_none() {
                remove(&mut self.now, id(alert));
            }
            return None;
        }
        let fired = Arc::new(FiringAlert::fired(alert, top));
        if self.awaited.is_none() || find_same(&self.now, &fired).is_some() {
            insert(&mut self.now, Arc::clone(&fired));
        }
        let before = find_same(&self.at_last, &fired).is_some_and(|before| before.is_announced);
        insert(&mut self.at_last, Arc::clone(&fired));
        before.then_some(fired)
    }

    /// Takes the culprits from earlier messages.
    pub(super) fn learn(&mut self, past: &Self) {
        for alerts in [&mut self.now, &mut self.at_last] {
            let known = |alert: &Arc<FiringAlert>| {
                let known = find_same(&past.at_last, alert);
                known.filter(|_| alert.is_announced).cloned()
            };
            let known: Vec<_> = alerts.iter().filter_map(known).collect();
            for alert in known {
                insert(alerts, Arc::new(alert));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamId = StreamId(7);

    fn alert(name: &str, state: AlertState, since: u64) -> Alert {
        Alert {
            name: name.into(),
            rule: "cpu > 90".into(),
            state,
            metric: "cpu".into(),
            value: Some(99.0),
            threshold: Some(90.0),
            since,
        }
    }

    fn hello(newest: u64, alerts: &[(&str, u64)]) -> Hello {
        let firing = |&(name, since): &(&str, u64)| alert(name, AlertState::Firing, since);
        Hello {
            stream: STREAM,
            newest,
            alerts: alerts.iter().map(firing).collect(),
            ..Hello::default()
        }
    }

    fn names(alerts: &Alerts) -> Vec<&str> {
        alerts
            .iter()
            .map(|alert| alert.alert.name.as_str())
            .collect()
    }

    /// Takes messages: a number alone is a sample, `+a` fires and `-a` is resolved. A sample's time is its number.
    fn take(firing: &mut Firing, messages: &[(u64, &str)]) -> Vec<String> {
        let mut at = Vec::new();
        for &(seq, what) in messages {
            firing.take_position((STREAM, seq));
            if let Some(name) = what.strip_prefix('+') {
                firing.take_alert(&alert(name, AlertState::Firing, seq), &[]);
            } else if let Some(name) = what.strip_prefix('-') {
                firing.take_alert(&alert(name, AlertState::Resolved, 0), &[]);
            }
            at.push(names(&firing.at_last(seq)).join(" "));
        }
        at
    }

    #[test]
    fn a_hello_is_ahead_of_the_messages_that_were_asked_for() {
        let mut firing = Firing::default();
        firing.take_hello(&hello(6, &[("a", 5)]), None);
        assert_eq!(names(firing.now()), ["a"]);
        let at = take(
            &mut firing,
            &[(2, ""), (3, "+b"), (4, "-b"), (5, "+a"), (6, "")],
        );
        assert_eq!(at, ["", "b", "", "a", "a"]);
        assert_eq!(names(firing.now()), ["a"], "b was over before");
        assert_eq!(take(&mut firing, &[(7, "+b"), (8, "-a")]), ["a b", "b"]);
        assert_eq!(names(firing.now()), ["b"]);
    }

    #[test]
    fn after_a_cut_the_missed_messages_say_what_fired_when() {
        let mut firing = Firing::default();
        firing.take_hello(&hello(0, &[]), None);
        take(&mut firing, &[(1, "+a"), (2, "")]);
        firing.take_hello(&hello(5, &[("b", 5)]), Some((STREAM, 2)));
        assert_eq!(
            names(firing.now()),
            ["b"],
            "a later hello replaces what fires"
        );
        assert_eq!(
            take(&mut firing, &[(3, ""), (4, "-a"), (5, "+b")]),
            ["a", "", "b"]
        );
        assert_eq!(names(firing.now()), ["b"]);
        // Nothing was missed this time, or it is lost.
        firing.take_hello(&hello(5, &[]), Some((STREAM, 5)));
        assert_eq!(take(&mut firing, &[(6, "")]), [""]);
        take(&mut firing, &[(7, "+c")]);
        firing.take_hello(&hello(90, &[("d", 8)]), Some((STREAM, 7)));
        firing.take_gap();
        assert_eq!(take(&mut firing, &[(80, "")]), ["d"]);
    }

    #[test]
    fn a_new_stream_begins_with_none() {
        let mut firing = Firing::default();
        firing.take_hello(&hello(1, &[("a", 1)]), None);
        firing.take_position((StreamId(8), 1));
        assert!(firing.now().is_empty() && firing.at_last(9).is_empty());
        let next = Hello {
            stream: StreamId(9),
            ..hello(0, &[("b", 1)])
        };
        firing.take_hello(&next, Some((StreamId(8), 1)));
        assert_eq!(names(&firing.at_last(9)), ["b"]);
    }

    #[test]
    fn no_more_are_kept_than_a_server_lets_fire() {
        let mut firing = Firing::default();
        for n in 0..2 * MOST_FIRING {
            let alert = alert(&n.to_string(), AlertState::Firing, 1);
            firing.take_alert(&alert, &[]);
        }
        assert_eq!(firing.now().len(), MOST_FIRING);
    }

    #[test]
    fn processes_are_to_blame_for_cpu_and_memory_only() {
        let process = |name: &str, cpu, memory| Process {
            pid: 1,
            name: name.into(),
            cpu,
            memory,
            ..Process::default()
        };
        let top = [
            process("rustc", 61.2, 3.0),
            process("ja\u{1b}va", 5.0, 40.0),
        ];
        for (metric, expected) in [
            ("cpu", Some(("rustc", Some(61.2)))),
            ("cpu:3", Some(("rustc", Some(61.2)))),
            ("load1", Some(("rustc", Some(61.2)))),
            ("memoryUsed", Some(("java", Some(40.0)))),
            ("swap", Some(("java", Some(40.0)))),
            ("disk:/", None),
            ("oomKills", None),
            ("queueDepth", None),
        ] {
            let culprit = Culprit::of(metric, &top);
            let found = culprit.as_ref().map(|it| (it.name.as_str(), it.percent));
            assert_eq!(found, expected, "{metric}");
        }
        assert_eq!(Culprit::of("cpu", &[process("idle", 0.0, 0.0)]), None);
    }
}
