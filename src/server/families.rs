//! Counters of other parts of this program, for `/metrics`.

use std::fmt;

/// Something that counts.
pub trait Countable: fmt::Debug + Send + Sync {
    /// What it has counted so far.
    fn families(&self) -> Vec<CounterFamily>;
}

/// A Prometheus family of one or more numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CounterFamily {
    /// Its name.
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// Its help text.
    pub help: &'static str,
    /// Its numbers; each may have a label, as name and value.
    pub numbers: Vec<(Option<(&'static str, &'static str)>, u64)>,
}

impl CounterFamily {
    /// One number without a label.
    #[must_use]
    pub fn single(name: &'static str, kind: &'static str, help: &'static str, number: u64) -> Self {
        Self {
            name,
            kind,
            help,
            numbers: vec![(None, number)],
        }
    }
}
