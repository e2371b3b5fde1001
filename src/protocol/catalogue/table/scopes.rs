//! The limits of a container.

use crate::protocol::catalogue::{Entry, Levels, metric, section};

pub(super) const SCOPES: &[Entry] = &[
    metric("cpuQuota", "%", "CPU quota used", section::CPU).exposed(
        "host_cpu_quota_usage_ratio",
        "Used share of the CPU time that the container may use.",
    ),
    metric("cpuThrottled", "%", "CPU throttled", section::CPU)
        .exposed(
            "host_cpu_throttled_ratio",
            "Share of periods in which the container had used up its CPU time.",
        )
        .levels(Levels::Percent),
];
