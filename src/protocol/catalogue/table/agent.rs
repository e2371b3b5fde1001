//! The cost of being watched.

use crate::protocol::catalogue::{Entry, metric, section};

pub(super) const AGENT: &[Entry] = &[
    metric("agentCpu", "%", "Agent CPU", section::AGENT).exposed(
        "host_agent_cpu_ratio",
        "Share of all cores that the measuring server itself takes.",
    ),
    metric("agentMemory", "B", "Agent memory", section::AGENT).exposed(
        "host_agent_memory_bytes",
        "Resident memory of the measuring server.",
    ),
    metric("viewers", "", "Viewers", section::AGENT).exposed(
        "host_viewers",
        "Viewers connected when the sample was taken.",
    ),
];
