//! Which metrics are causes and which are their effects.

use crate::protocol::parts;

/// The families of metrics, causes before their effects. `gpu` stands for all that begin with it.
const CAUSES: &[&[&str]] = &[
    &["oomKills"],
    &["disk", "diskFree", "inodes"],
    &["memory", "memoryUsed", "memoryAvailable"],
    &["swap", "swapIn", "swapOut", "majorFaults"],
    &["cpuThrottled", "cpuQuota"],
    &["gpu", "temperature"],
    &["diskAwait", "iowait", "diskBusy", "diskQueue"],
    &["listenDrops"],
    &[
        "tcpRetransmits",
        "networkDrops",
        "networkErrors",
        "conntrack",
        "fileDescriptors",
    ],
    &["cpu", "steal", "cpuUser", "cpuSystem", "exitedCpu"],
    &[
        "pressureCpu",
        "pressureMemory",
        "pressureMemoryFull",
        "pressureIo",
        "pressureIoFull",
    ],
    &["load1", "load5", "load15"],
];

/// The place of `metric` among the causes: the smaller, the earlier.
pub(super) fn cause(metric: &str) -> usize {
    let (family, _) = parts(metric);
    let family = if family.starts_with("gpu") {
        "gpu"
    } else {
        family
    };
    let place = CAUSES.iter().position(|names| names.contains(&family));
    place.unwrap_or(CAUSES.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_come_before_their_effects() {
        let order = [
            "oomKills",
            "inodes:/var",
            "memory",
            "swapIn",
            "cpuThrottled",
            "gpuThrottled:3",
            "diskAwait",
            "listenDrops",
            "tcpRetransmits",
            "cpu",
            "pressureCpu",
            "load1",
            "queueDepth",
        ];
        assert!(order.map(cause).is_sorted_by(|a, b| a < b));
    }
}
