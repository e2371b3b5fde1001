//! The order of the processes.

/// What processes are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::view) enum ProcessOrder {
    #[default]
    Cpu,
    Memory,
}
