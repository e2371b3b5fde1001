//! All the alerts of a host. Pure: the same rules and samples give the same alerts, live or in a replay of any speed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{Alert, AlertState, Culprits, MOST_FIRING, Process, Sample};

use super::rule::{Condition, Rule, Threshold};
use super::state::{Active, Phase, SampleTime, Turn, advance};
use super::timing::Timing;

/// An alert that a sample made fire, or resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The alert as sent on the wire.
    pub alert: Alert,
    /// The busiest process at that moment, for rules about CPU, the largest one, for rules about memory, or one that
    /// waits for a disk.
    pub culprit: Option<Process>,
    /// For a resolved alert, how long it lasted, from `since` on.
    pub lasted: Option<Duration>,
    /// For a resolved alert, the value that was furthest beyond the threshold.
    pub peak: Option<f64>,
    /// Whether the rule is about low values, so that the peak is the lowest one.
    pub is_downward: bool,
    /// Whether it was resolved because its rule was removed or changed.
    pub is_withdrawn: bool,
}

/// Evaluates the rules for each sample of a host, in order.
#[derive(Debug)]
pub struct Evaluator {
    rules: Arc<[Rule]>,
    timing: Timing,
    /// One per value of the last sample, in its order.
    series: Vec<Series>,
    /// Those with alerts whose metric is currently absent.
    resting: HashMap<Arc<str>, Series>,
    absences: Vec<Absence>,
    /// Firing alerts of removed rules; the next sample resolves them.
    outlived: Vec<Outlived>,
    active: usize,
    culprits: Culprits,
}

/// A metric, and the alerts of the rules about it.
#[derive(Debug)]
struct Series {
    name: Arc<str>,
    watches: Vec<Watch>,
}

/// One rule and one metric.
#[derive(Debug)]
struct Watch {
    /// The rule's level, which decides almost every evaluation.
    level: Threshold,
    rule: u32,
    active: Option<Box<Active>>,
}

/// A rule about the absence of its metric.
#[derive(Debug)]
struct Absence {
    rule: u32,
    metric: Arc<str>,
    is_present: bool,
    active: Option<Box<Active>>,
}

#[derive(Debug)]
struct Outlived {
    rule: Rule,
    metric: Arc<str>,
    active: Box<Active>,
}

impl Evaluator {
    /// Evaluates `rules` for samples that are about `interval` milliseconds apart. Nothing fires yet.
    #[must_use]
    pub fn new(rules: Arc<[Rule]>, interval: u64) -> Self {
        let mut new = Self {
            rules: Arc::new([]),
            timing: Timing::new(interval),
            series: Vec::new(),
            resting: HashMap::new(),
            absences: Vec::new(),
            outlived: Vec::new(),
            active: 0,
            culprits: Culprits::default(),
        };
        new.replace(rules);
        new
    }

    /// Evaluates `rules` from now on. Alerts of unchanged rules continue; the next sample resolves firing alerts of the
    /// others.
    pub fn replace(&mut self, rules: Arc<[Rule]>) {
        let before = std::mem::replace(&mut self.rules, rules);
        let series = std::mem::take(&mut self.series);
        let resting = std::mem::take(&mut self.resting).into_values();
        let absences = std::mem::take(&mut self.absences);
        let watched = series.into_iter().chain(resting).flat_map(|series| {
            let Series { name, watches } = series;
            let active = |watch: Watch| Some((watch.rule, watch.active?));
            let active: Vec<_> = watches.into_iter().filter_map(active).collect();
            active
                .into_iter()
                .map(move |(rule, active)| (rule, name.clone(), active))
        });
        let absent = absences
            .into_iter()
            .filter_map(|it| Some((it.rule, it.metric, it.active?)));
        let mut active: Vec<_> = watched.chain(absent).collect();
        active.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        self.absences = absences_of(&self.rules);
        for (rule, metric, active) in active {
            let rule = &before[rule as usize];
            match self.rules.iter().position(|other| other == rule) {
                Some(same) => self.resume(index(same), metric, active),
                None if active.phase == Phase::Firing => self.outlived.push(Outlived {
                    rule: rule.clone(),
                    metric,
                    active,
                }),
                None => self.active -= 1,
            }
        }
    }

    /// Continues alerts of an earlier run that fire at the time `now`, in milliseconds since the epoch, before the first
    /// sample. Returns those whose rule is still the same.
    pub fn continue_firing(&mut self, mut alerts: Vec<Alert>, now: u64) -> Vec<Alert> {
        alerts.truncate(MOST_FIRING);
        alerts.retain(|alert| {
            let is_same = |rule: &Rule| rule.name == alert.name && rule.text == alert.rule;
            let Some(same) = self.rules.iter().position(is_same) else {
                return false;
            };
            let earlier = now.saturating_sub(alert.since);
            let active = Active::continued(alert.since, alert.value, earlier);
            self.active += 1;
            self.resume(index(same), alert.metric.as_str().into(), Box::new(active));
            true
        });
        alerts
    }

    /// Resumes an alert of the same rule.
    fn resume(&mut self, rule: u32, metric: Arc<str>, active: Box<Active>) {
        if let Some(absence) = self
            .absences
            .iter_mut()
            .find(|absence| absence.rule == rule)
        {
            absence.active = Some(active);
            return;
        }
        let rules = &self.rules;
        let resting = self.resting.entry(metric.clone());
        let series = resting.or_insert_with(|| Series::new(metric, rules));
        if let Some(watch) = series.watches.iter_mut().find(|watch| watch.rule == rule) {
            watch.active = Some(active);
        }
    }

    /// The alerts that `sample` fires and resolves, in the order of the rules and, within a rule, of the sample.
    /// `is_after_gap`: messages before it are missing.
    pub fn judge(&mut self, sample: &Sample, is_after_gap: bool) -> Vec<Verdict> {
        let now = self.timing.tick(sample.timestamp, is_after_gap);
        self.note_processes(sample, now);
        self.align(sample, now);
        let mut verdicts = self.resolve_outlived(sample, now);
        let mut turns = self.turns(sample, now);
        turns.sort_unstable_by_key(|turn| (turn.rule, turn.place));
        for turn in turns {
            verdicts.push(self.verdict(turn, now));
        }
        verdicts
    }

    fn turns(&mut self, sample: &Sample, now: SampleTime) -> Vec<Turned> {
        let mut turns = Vec::new();
        let rules = &self.rules;
        for (place, (series, (_, value))) in self.series.iter_mut().zip(&sample.values).enumerate()
        {
            for watch in &mut series.watches {
                // What is not true and was not, or would be one too many, takes no more time than this.
                let is_new = watch.active.is_none();
                if is_new && (!watch.level.holds(*value) || self.active >= MOST_FIRING) {
                    continue;
                }
                let rule = &rules[watch.rule as usize];
                let value = Some(*value);
                if let Some((turn, active)) =
                    step(&mut watch.active, &mut self.active, rule, value, now)
                {
                    turns.push(Turned {
                        rule: watch.rule,
                        place,
                        metric: series.name.clone(),
                        value,
                        turn,
                        active,
                    });
                }
            }
        }
        for absence in &mut self.absences {
            let value = absence.is_present.then_some(0.0);
            let rule = &rules[absence.rule as usize];
            if let Some((turn, active)) =
                step(&mut absence.active, &mut self.active, rule, value, now)
            {
                turns.push(Turned {
                    rule: absence.rule,
                    place: 0,
                    metric: absence.metric.clone(),
                    value: sample.get(&absence.metric),
                    turn,
                    active,
                });
            }
        }
        turns
    }

    fn verdict(&self, turned: Turned, now: SampleTime) -> Verdict {
        let rule = &self.rules[turned.rule as usize];
        let Turned {
            metric,
            value,
            turn,
            active,
            ..
        } = turned;
        self.explained(rule, &metric, value, turn, &active, now)
    }

    fn explained(
        &self,
        rule: &Rule,
        metric: &str,
        value: Option<f64>,
        turn: Turn,
        active: &Active,
        now: SampleTime,
    ) -> Verdict {
        let is_resolved = turn == Turn::Resolved;
        let state = if is_resolved {
            AlertState::Resolved
        } else {
            AlertState::Firing
        };
        let alert = Alert {
            name: rule.name.clone(),
            rule: rule.text.clone(),
            state,
            metric: metric.to_owned(),
            value,
            threshold: rule.threshold(),
            since: active.since,
        };
        let culprit = self.culprits.of(metric).map(|(process, _)| process.clone());
        let has_peak = is_resolved && rule.condition != Condition::Absent;
        Verdict {
            alert,
            culprit,
            lasted: is_resolved.then(|| Duration::from_millis(active.lasted(now))),
            peak: active.peak.filter(|_| has_peak),
            is_downward: rule.is_downward(),
            is_withdrawn: false,
        }
    }

    fn resolve_outlived(&mut self, sample: &Sample, now: SampleTime) -> Vec<Verdict> {
        let outlived = std::mem::take(&mut self.outlived);
        self.active -= outlived.len();
        let resolved = outlived.into_iter().map(|it| {
            let value = sample.get(&it.metric);
            Verdict {
                is_withdrawn: true,
                ..self.explained(&it.rule, &it.metric, value, Turn::Resolved, &it.active, now)
            }
        });
        resolved.collect()
    }

    /// Samples needn't list processes each time; until one does again, the last list is used.
    fn note_processes(&mut self, sample: &Sample, now: SampleTime) {
        if let Some(top) = &sample.top {
            self.culprits = Culprits::among(top);
        } else if now.is_after_hole {
            self.culprits = Culprits::default();
        }
    }

    /// Brings the series into the order of the sample's values, which hardly ever changes.
    fn align(&mut self, sample: &Sample, now: SampleTime) {
        let values = &sample.values;
        let is_same = |(series, (name, _)): (&Series, &(Arc<str>, f64))| {
            Arc::ptr_eq(&series.name, name) || series.name == *name
        };
        if self.series.len() == values.len() && self.series.iter().zip(values).all(is_same) {
            return;
        }
        let series = std::mem::take(&mut self.series);
        let series = series
            .into_iter()
            .map(|series| (series.name.clone(), series));
        let resting = std::mem::take(&mut self.resting);
        let known = series.chain(resting);
        let mut known: HashMap<_, _> = known.map(|(name, series)| (name, Some(series))).collect();
        for (name, _) in values {
            let place = known.entry(name.clone());
            let place = place.or_insert_with(|| Some(Series::new(name.clone(), &self.rules)));
            // A repeated name in a sample is ignored.
            self.series
                .push(place.take().unwrap_or_else(Series::nameless));
        }
        for (name, series) in known {
            let Some(mut series) = series else { continue };
            self.active -= series.forget_broken(&self.rules, now);
            if series.watches.iter().any(|watch| watch.active.is_some()) {
                self.resting.insert(name, series);
            }
        }
        for absence in &mut self.absences {
            absence.is_present = self
                .series
                .iter()
                .any(|series| series.name == absence.metric);
        }
    }
}

/// An alert that has just begun to fire or was resolved.
struct Turned {
    rule: u32,
    /// The index of its metric in the sample.
    place: usize,
    metric: Arc<str>,
    value: Option<f64>,
    turn: Turn,
    active: Active,
}

/// Advances an alert by a sample, unless it would be one too many; returns the alert if that fired or resolved it.
/// `count`: the number of active alerts.
fn step(
    active: &mut Option<Box<Active>>,
    count: &mut usize,
    rule: &Rule,
    value: Option<f64>,
    now: SampleTime,
) -> Option<(Turn, Active)> {
    let was_active = active.is_some();
    if !was_active && *count >= MOST_FIRING {
        return None;
    }
    let turn = advance(active, rule, value, now);
    let turned = turn.zip(active.as_deref().cloned());
    if turn == Some(Turn::Resolved) {
        *active = None;
    }
    *count += usize::from(active.is_some());
    *count -= usize::from(was_active);
    turned
}

impl Series {
    fn new(name: Arc<str>, rules: &[Rule]) -> Self {
        let watches = (0..).zip(rules).filter_map(|(rule, it)| {
            let Condition::Beyond { level, .. } = it.condition else {
                return None;
            };
            let active = None;
            it.metric.fits(&name).then_some(Watch {
                level,
                rule,
                active,
            })
        });
        let watches = watches.collect();
        Self { name, watches }
    }

    fn nameless() -> Self {
        Self {
            name: "".into(),
            watches: Vec::new(),
        }
    }

    /// Drops the alerts without information for too long; returns how many.
    fn forget_broken(&mut self, rules: &[Rule], now: SampleTime) -> usize {
        let mut forgotten = 0;
        for watch in &mut self.watches {
            let rule = &rules[watch.rule as usize];
            if watch
                .active
                .as_ref()
                .is_some_and(|it| it.is_broken(rule, now))
            {
                watch.active = None;
                forgotten += 1;
            }
        }
        forgotten
    }
}

fn absences_of(rules: &[Rule]) -> Vec<Absence> {
    let absent = (0..)
        .zip(rules)
        .filter(|(_, rule)| rule.condition == Condition::Absent);
    absent
        .map(|(rule, it)| Absence {
            rule,
            metric: it.metric.as_str().into(),
            is_present: false,
            active: None,
        })
        .collect()
}

fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
