//! The columns of a recording.

use std::collections::HashMap;
use std::sync::Arc;

pub(super) use crate::protocol::CONTAINERS;
use crate::protocol::{MetricInfo, is_unsafe};

pub(super) const TIMESTAMP: &str = "timestamp";
pub(super) const HOST: &str = "host";
pub(super) const STREAM: &str = "stream";
pub(super) const SEQ: &str = "seq";
pub(super) const EVENT: &str = "event";
pub(super) const TOP: &str = "top";
pub(super) const EXTRA: &str = "extra";

/// The columns before the values, in their order.
pub(super) const LEADING: [&str; 5] = [TIMESTAMP, HOST, STREAM, SEQ, EVENT];

/// The columns after the values, in their order; before them comes [`CONTAINERS`], if there is a column for it.
pub(super) const TRAILING: [&str; 2] = [TOP, EXTRA];

/// The columns of a file: those of the values, in their order, and whether there is one for the containers. Cloning
/// shares them.
#[derive(Debug, Clone)]
pub struct Columns {
    inner: Arc<ColumnNames>,
    has_containers: bool,
}

#[derive(Debug)]
struct ColumnNames {
    names: Vec<Arc<str>>,
    index: HashMap<Arc<str>, usize>,
}

impl Columns {
    /// The columns for these names, usually those of a hello's metrics.
    ///
    /// It omits repeated names and those that cannot be a column: the format's own (`timestamp`, `host`, `stream`,
    /// `seq`, `event`, `containers`, `top`, `extra`), empty ones, those with a control character, because a header is one line, or a
    /// character that sets the direction of text, because people read it, and those that begin with `=`, `+`, `-` or
    /// `@`, because a spreadsheet would run them. Their values go into `extra`.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut inner = ColumnNames {
            names: Vec::new(),
            index: HashMap::new(),
        };
        for name in names {
            let name = name.as_ref();
            if can_be_column(name) && !inner.index.contains_key(name) {
                let name = Arc::<str>::from(name);
                inner.index.insert(name.clone(), inner.names.len());
                inner.names.push(name);
            }
        }
        Self {
            inner: Arc::new(inner),
            has_containers: false,
        }
    }

    /// The columns for what a host announces.
    #[must_use]
    pub fn announced(metrics: &[MetricInfo], has_containers: bool) -> Self {
        let names = metrics.iter().map(|metric| metric.name.as_str());
        Self::new(names).with_containers(has_containers)
    }

    /// The same, with or without a column for [`crate::protocol::Sample::containers`].
    #[must_use]
    pub fn with_containers(mut self, has_containers: bool) -> Self {
        self.has_containers = has_containers;
        self
    }

    /// Whether there is a column for the containers. Without it, they go into `extra`.
    #[must_use]
    pub fn has_containers(&self) -> bool {
        self.has_containers
    }

    /// The columns of a header whose names are known to be unique.
    pub(super) fn of_header(names: Vec<Arc<str>>) -> Self {
        let index = names.iter().cloned().zip(0..).collect();
        Self {
            inner: Arc::new(ColumnNames { names, index }),
            has_containers: false,
        }
    }

    /// The names, in their order.
    #[must_use]
    pub fn names(&self) -> &[Arc<str>] {
        &self.inner.names
    }

    /// The index of `name`; found at once if it is `expected`, because samples nearly always have the order of the
    /// columns.
    #[must_use]
    pub fn index_of(&self, name: &str, expected: usize) -> Option<usize> {
        match self.inner.names.get(expected) {
            Some(next) if **next == *name => Some(expected),
            _ => self.inner.index.get(name).copied(),
        }
    }
}

impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        let are_same = Arc::ptr_eq(&self.inner, &other.inner);
        self.has_containers == other.has_containers
            && (are_same || self.inner.names == other.inner.names)
    }
}

impl Eq for Columns {}

/// Whether the format itself uses this name.
pub(super) fn is_reserved(name: &str) -> bool {
    LEADING.contains(&name) || TRAILING.contains(&name) || name == CONTAINERS
}

fn can_be_column(name: &str) -> bool {
    !name.is_empty()
        && !is_reserved(name)
        && !name.starts_with(['=', '+', '-', '@'])
        && !name.contains(is_unsafe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_a_column_are_omitted() {
        let columns = Columns::new([
            "cpu",
            "seq",
            "top",
            "",
            "a\nb",
            "a\u{9b}",
            "a\u{202e}b",
            "=1+1",
            "@x",
            "cpu",
            "a,\"b\"",
        ]);
        let names: Vec<_> = columns.names().iter().map(|name| &**name).collect();
        assert_eq!(names, ["cpu", "a,\"b\""]);
    }

    #[test]
    fn no_application_may_use_a_name_of_the_format() {
        for name in LEADING.into_iter().chain(TRAILING) {
            assert!(!crate::protocol::may_report(name), "{name}");
        }
    }

    #[test]
    fn a_name_is_found_wherever_it_is_expected() {
        let columns = Columns::new(["a", "b", "c"]);
        assert_eq!(columns.index_of("b", 1), Some(1));
        assert_eq!(columns.index_of("c", 0), Some(2));
        assert_eq!(columns.index_of("c", 9), Some(2));
        assert_eq!(columns.index_of("d", 3), None);
    }
}
