//! Graphics cards. What is meant to be used has no levels.

use crate::protocol::catalogue::{Entry, Levels, metric, section};

pub(super) const GPUS: &[Entry] = &[
    metric("gpu", "%", "GPU", section::GPU)
        .exposed(
            "host_gpu_usage_ratio",
            "Share of time in which the busiest graphics card had something to do.",
        )
        .each(
            "busy",
            "gpu",
            "host_gpu_card_usage_ratio",
            "Share of time in which each graphics card had something to do.",
        ),
    metric("gpuMemory", "%", "GPU memory", section::GPU)
        .exposed(
            "host_gpu_memory_usage_ratio",
            "Used share of the memory of the graphics card that has the smallest share left.",
        )
        .each(
            "memory",
            "gpu",
            "host_gpu_card_memory_usage_ratio",
            "Used share of the memory of each graphics card.",
        ),
    metric("gpuMemoryUsed", "B", "GPU memory used", section::GPU)
        .exposed(
            "host_gpu_memory_used_bytes",
            "Used memory of all graphics cards.",
        )
        .each(
            "used",
            "gpu",
            "host_gpu_card_memory_used_bytes",
            "Used memory of each graphics card.",
        ),
    metric("gpuPower", "W", "GPU power", section::GPU)
        .exposed("host_gpu_power_watts", "Power of all graphics cards.")
        .each(
            "power",
            "gpu",
            "host_gpu_card_power_watts",
            "Power of each graphics card.",
        ),
    metric("gpuTemperature", "°C", "GPU temperature", section::GPU)
        .exposed(
            "host_gpu_temperature_celsius",
            "Temperature of the hottest graphics card.",
        )
        .levels(Levels::Heat)
        .each(
            "temperature",
            "gpu",
            "host_gpu_card_temperature_celsius",
            "Temperature of each graphics card.",
        ),
    metric("gpuClock", "MHz", "GPU clock", section::GPU)
        .exposed(
            "host_gpu_clock_hertz",
            "Clock of the fastest graphics card at the moment.",
        )
        .each(
            "clock",
            "gpu",
            "host_gpu_card_clock_hertz",
            "Clock of each graphics card.",
        ),
    metric("gpuThrottled", "%", "GPU throttled", section::GPU)
        .exposed(
            "host_gpu_throttled_ratio",
            "Share of time in which the most affected graphics card was slowed down by heat or to protect its power supply.",
        )
        .levels(Levels::Percent)
        .each(
            "throttled",
            "gpu",
            "host_gpu_card_throttled_ratio",
            "Share of time in which each graphics card was slowed down by heat or to protect its power supply.",
        ),
];
