//! Alerts: what rules say about samples, and the people who are notified of it.

pub mod change;
