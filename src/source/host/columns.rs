//! The names of the values: their order never changes, so that no column of a table or recording moves.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::protocol::{
    MetricInfo, describe, describe_reported, parts, round_nonzero, round_rate, well_known,
};

use super::statsd::ReportedValue;

/// The name of a derived value, written `family` or `family:instance`. Families of the catalogue are not allocated;
/// those of an application are owned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum ValueName {
    /// The whole machine.
    Total(Cow<'static, str>),
    /// A core, by its number.
    Core(Cow<'static, str>, u32),
    /// A device, mount point, interface or sensor.
    Device(Cow<'static, str>, Arc<str>),
}

impl ValueName {
    /// The metric `family` of the core `number`.
    pub(super) fn core(family: impl Into<Cow<'static, str>>, number: u32) -> Self {
        Self::Core(family.into(), number)
    }

    /// The metric `family` of `device`.
    pub(super) fn device(family: impl Into<Cow<'static, str>>, device: Arc<str>) -> Self {
        Self::Device(family.into(), device)
    }
}

impl From<&'static str> for ValueName {
    fn from(family: &'static str) -> Self {
        Self::Total(family.into())
    }
}

impl From<String> for ValueName {
    fn from(family: String) -> Self {
        Self::Total(family.into())
    }
}

impl fmt::Display for ValueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total(family) => f.write_str(family),
            Self::Core(family, number) => write!(f, "{family}:{number}"),
            Self::Device(family, device) => write!(f, "{family}:{device}"),
        }
    }
}

/// The values derived from two readings. A name is present whenever the machine has the metric, its value only if it
/// could be read. A value that isn't 0 is never rounded to 0.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct DerivedValues(Vec<(ValueName, Option<f64>)>);

impl DerivedValues {
    /// A share in percent: kept within 0 and 100, rounded to 0.01.
    pub(super) fn percent(&mut self, name: impl Into<ValueName>, value: Option<f64>) {
        self.fine(name, value.map(|percent| percent.clamp(0.0, 100.0)));
    }

    /// A value rounded to 0.01.
    pub(super) fn fine(&mut self, name: impl Into<ValueName>, value: Option<f64>) {
        self.push(name.into(), value, 0.01);
    }

    /// A value rounded to 1.
    pub(super) fn whole(&mut self, name: impl Into<ValueName>, value: Option<f64>) {
        self.push(name.into(), value, 1.0);
    }

    /// Events per second, rounded so that rare ones don't vanish: see [`round_rate`].
    pub(super) fn rate(&mut self, name: impl Into<ValueName>, value: Option<f64>) {
        let value = value.filter(|value| value.is_finite());
        self.0.push((name.into(), value.map(round_rate)));
    }

    /// A value that an application reported, unchanged. It replaces the host's own value, even if it is absent.
    pub(super) fn reported(&mut self, reported: &ReportedValue) {
        let name = ValueName::from(reported.name.to_string());
        // Of two values with the same name, samples carry the second.
        self.0.push((name, reported.value));
    }

    fn push(&mut self, name: ValueName, value: Option<f64>, step: f64) {
        let value = value.filter(|value| value.is_finite());
        let rounded = value.map(|value| round_nonzero(value, step));
        self.0.push((name, rounded));
    }

    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn all(&self) -> std::collections::BTreeMap<String, Option<f64>> {
        let values = self.0.iter();
        values
            .map(|(name, value)| (name.to_string(), *value))
            .collect()
    }

    #[cfg(test)]
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.0
            .iter()
            .find(|(known, _)| known.to_string() == name)
            .and_then(|&(_, value)| value)
    }

    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.to_string()).collect()
    }

    #[cfg(test)]
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.to_string() == name)
    }
}

/// Every name ever seen, in the order in which samples carry them: the catalogue's totals, then instances, then later
/// names.
pub(super) struct SampleColumns {
    places: HashMap<ValueName, usize>,
    names: Vec<Arc<str>>,
    infos: Arc<[MetricInfo]>,
    /// The names that an application has reported.
    reported: HashSet<Arc<str>>,
}

impl SampleColumns {
    /// The columns of a machine whose first values are `first`, with `cores` logical cores.
    pub(super) fn new(first: &DerivedValues, cores: usize) -> Self {
        let mut columns = Self {
            places: HashMap::new(),
            names: Vec::new(),
            infos: Arc::new([]),
            reported: HashSet::new(),
        };
        let totals = well_known().map(ValueName::from);
        let said = |name: &ValueName| first.0.iter().any(|(known, _)| known == name);
        for name in totals.filter(said) {
            columns.place(&name);
        }
        columns.admit(first, cores);
        columns
    }

    /// Appends the names of `values` that are new.
    pub(super) fn admit(&mut self, values: &DerivedValues, cores: usize) {
        for (name, _) in &values.0 {
            self.place(name);
        }
        if self.infos.len() < self.names.len() {
            let new = &self.names[self.infos.len()..];
            let new = new.iter().map(|name| describe(name, cores));
            self.infos = self.infos.iter().cloned().chain(new).collect();
        }
    }

    /// Appends the names of `reported` that are new, and changes the description of those that an application has just
    /// taken over.
    pub(super) fn admit_reported(&mut self, reported: &[ReportedValue]) {
        let is_known = |it: &&ReportedValue| self.reported.contains(&it.name);
        let new: Vec<_> = reported.iter().filter(|it| !is_known(it)).collect();
        if new.is_empty() {
            return;
        }
        let mut infos = self.infos.to_vec();
        for ReportedValue { name, unit, .. } in new {
            let info = describe_reported(name, unit);
            let value_name = ValueName::from(name.to_string());
            match self.places.get(&value_name) {
                Some(&place) => infos[place] = info,
                None => {
                    self.place(&value_name);
                    infos.push(info);
                }
            }
            self.reported.insert(name.clone());
        }
        self.infos = infos.into();
    }

    fn place(&mut self, name: &ValueName) {
        if !self.places.contains_key(name) {
            self.places.insert(name.clone(), self.names.len());
            self.names.push(name.to_string().into());
        }
    }

    /// The values that could be read, in order. All names must have been admitted before.
    pub(super) fn arrange(&self, values: &DerivedValues) -> Vec<(Arc<str>, f64)> {
        let mut slots = vec![None; self.names.len()];
        for (name, value) in &values.0 {
            if let Some(&place) = self.places.get(name) {
                slots[place] = *value;
            }
        }
        let filled = self.names.iter().zip(slots);
        filled
            .filter_map(|(name, value)| Some((name.clone(), value?)))
            .collect()
    }

    /// What viewers need to know about each name, in order. The same `Arc` until a name is added.
    pub(super) fn infos(&self) -> Arc<[MetricInfo]> {
        Arc::clone(&self.infos)
    }

    /// The catalogue's names that this machine has never had, nor an instance of them.
    pub(super) fn missing(&self) -> Vec<String> {
        let said: BTreeSet<&str> = self.names.iter().map(|name| parts(name).0).collect();
        let missing = well_known().filter(|name| !said.contains(name));
        missing.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(family: &'static str, device: &str) -> ValueName {
        ValueName::device(family, device.into())
    }

    fn names(columns: &SampleColumns) -> Vec<String> {
        columns
            .infos()
            .iter()
            .map(|info| info.name.clone())
            .collect()
    }

    #[test]
    fn totals_come_first_and_later_names_last() {
        let mut first = DerivedValues::default();
        first.percent(device("disk", "/"), Some(40.0));
        first.percent(ValueName::core("cpu", 0), None);
        first.percent("disk", Some(40.0));
        first.percent("cpu", None);
        let mut columns = SampleColumns::new(&first, 2);
        assert_eq!(names(&columns), ["cpu", "disk", "disk:/", "cpu:0"]);
        let before = columns.infos();

        columns.admit(&first, 2);
        assert!(Arc::ptr_eq(&before, &columns.infos()));

        let mut later = DerivedValues::default();
        later.percent("swap", Some(1.0));
        later.percent(device("disk", "/mnt"), Some(70.0));
        columns.admit(&later, 2);
        assert_eq!(names(&columns)[4..], ["swap", "disk:/mnt"]);

        let arranged = columns.arrange(&later);
        let arranged: Vec<_> = arranged.iter().map(|(name, v)| (&**name, *v)).collect();
        assert_eq!(arranged, [("swap", 1.0), ("disk:/mnt", 70.0)]);
    }

    #[test]
    fn an_applications_name_has_a_column_like_any_other() {
        let mut first = DerivedValues::default();
        first.percent(String::from("cpu"), Some(1.0));
        first.whole(format!("queue.{}", "depth"), Some(3.0));
        first.whole(
            ValueName::device(String::from("queue"), "mail".into()),
            Some(2.0),
        );
        let columns = SampleColumns::new(&first, 1);
        assert_eq!(names(&columns), ["cpu", "queue.depth", "queue:mail"]);

        let mut next = DerivedValues::default();
        next.percent("cpu", Some(5.0));
        next.whole(String::from("queue.depth"), Some(4.0));
        let arranged = columns.arrange(&next);
        let arranged: Vec<_> = arranged.iter().map(|(name, v)| (&**name, *v)).collect();
        assert_eq!(arranged, [("cpu", 5.0), ("queue.depth", 4.0)]);
    }

    #[test]
    fn an_application_may_take_over_a_metric() {
        let mut values = DerivedValues::default();
        values.whole("activeUsers", Some(3.0));
        values.percent("cpu", Some(5.0));
        let mut columns = SampleColumns::new(&values, 1);
        let before = columns.infos();
        let mut reported =
            [("activeUsers", Some(250.5)), ("queue.depth", Some(4.0))].map(|(name, value)| {
                let (name, unit) = (name.into(), "");
                ReportedValue { name, unit, value }
            });
        columns.admit_reported(&[]);
        assert!(Arc::ptr_eq(&before, &columns.infos()));
        columns.admit_reported(&reported);
        assert_eq!(names(&columns), ["cpu", "activeUsers", "queue.depth"]);
        let infos = columns.infos();
        assert_ne!(infos[1].label, before[1].label);
        columns.admit_reported(&reported);
        assert!(Arc::ptr_eq(&infos, &columns.infos()));

        let values_with = |reported: &[ReportedValue]| {
            let mut values = values.clone();
            reported.iter().for_each(|it| values.reported(it));
            let arranged = columns.arrange(&values);
            arranged
                .iter()
                .map(|(name, value)| (name.to_string(), *value))
                .collect::<Vec<_>>()
        };
        let own = |name: &str, value| (name.to_owned(), value);
        let all = [
            own("cpu", 5.0),
            own("activeUsers", 250.5),
            own("queue.depth", 4.0),
        ];
        assert_eq!(values_with(&reported), all);
        // What the host itself knows doesn't come back.
        reported.iter_mut().for_each(|it| it.value = None);
        assert_eq!(values_with(&reported), all[..1]);
    }

    #[test]
    fn a_name_is_unavailable_until_it_appears() {
        let mut columns = SampleColumns::new(&DerivedValues::default(), 1);
        assert_eq!(columns.missing().len(), well_known().count());
        let mut values = DerivedValues::default();
        values.percent("cpu", None);
        columns.admit(&values, 1);
        assert!(!columns.missing().contains(&"cpu".to_owned()));
        assert!(columns.missing().contains(&"memory".to_owned()));
    }

    #[test]
    fn a_value_that_is_not_zero_is_not_rounded_to_zero() {
        let mut values = DerivedValues::default();
        values.percent("diskBusy", Some(0.004));
        values.percent("iowait", Some(0.000_278_9));
        values.whole("networkSent", Some(0.3));
        values.fine("temperature", Some(-0.001));
        values.percent("steal", Some(0.0));
        values.percent("cpu", Some(0.054));
        let get = |name| values.get(name).unwrap();
        assert_eq!((get("diskBusy"), get("iowait")), (0.004, 0.000_28));
        assert_eq!((get("networkSent"), get("temperature")), (0.3, -0.001));
        assert_eq!((get("steal"), get("cpu")), (0.0, 0.05));
    }

    #[test]
    fn values_are_rounded_finite_and_percent_bounded() {
        let mut values = DerivedValues::default();
        values.percent("cpu", Some(100.4));
        values.percent("swap", Some(-0.1));
        values.percent("memory", Some(f64::NAN));
        values.fine("load1", Some(0.123_456));
        values.whole("memoryUsed", Some(1024.6));
        let get = |name| values.get(name);
        assert_eq!(
            (get("cpu"), get("swap"), get("memory")),
            (Some(100.0), Some(0.0), None)
        );
        assert_eq!(
            (get("load1"), get("memoryUsed")),
            (Some(0.12), Some(1025.0))
        );
    }
}
