//! `/metrics`: the newest sample of each host and the server's own counters, for Prometheus.
//!
//! The text format, version 0.0.4, with base units: ratios instead of percent, seconds, bytes.

mod format;
mod own;

use crate::hub::Hub;
use crate::protocol::{Container, Entry, Exposed, HostName, Sample, catalogue, entry, parts};
use crate::server::shared::Config;
use crate::server::viewers::counts::Viewers;

use format::{gauge, labels};

/// The media type of the text format.
pub(in crate::server) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The whole exposition.
pub(in crate::server) fn text(hub: &Hub, viewers: &Viewers, config: &Config) -> String {
    let samples = hub.newest();
    let mut text = String::with_capacity(8 * 1024);
    for entry in catalogue() {
        write_metric(entry, &samples, &mut text);
    }
    write_others(&samples, &mut text);
    write_containers(&samples, &mut text);
    let taken = samples.iter().map(|(host, sample)| {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
        let seconds = sample.timestamp as f64 / 1000.0;
        (labels(host, None), seconds)
    });
    gauge(
        &mut text,
        "host_sample_timestamp_seconds",
        "When the sample was taken.",
        taken,
    );
    own::write(viewers, &mut text);
    own::write_notifications(&config.notifications, &mut text);
    if let Some(spool) = hub.past_status() {
        own::write_spool(&spool, &mut text);
    }
    own::write_counted(&config.counted, &mut text);
    text
}

/// The families of one metric: for the whole machine, and for its instances.
fn write_metric(entry: &Entry, samples: &[(HostName, Sample)], text: &mut String) {
    let base = |value| match entry.unit {
        "%" => divided(value, 2),
        "ms" => divided(value, 3),
        "MHz" => value * 1e6,
        _ => value,
    };
    if let Some(Exposed { name, help }) = entry.exposed {
        let whole = samples
            .iter()
            .filter_map(|(host, sample)| Some((labels(host, None), base(sample.get(entry.name)?))));
        gauge(text, name, help, whole);
    }
    let Some(each) = entry.instances else {
        return;
    };
    let instances = samples.iter().flat_map(|(host, sample)| {
        sample.values.iter().filter_map(move |(key, value)| {
            let (name, instance) = parts(key);
            let label = (each.label, instance.filter(|_| name == entry.name)?);
            Some((labels(host, Some(label)), base(*value)))
        })
    });
    gauge(text, each.exposed.name, each.exposed.help, instances);
}

/// Values without a family in the catalogue, as an application reports them.
fn write_others(samples: &[(HostName, Sample)], text: &mut String) {
    let is_known =
        |key: &str| entry(key).is_some_and(|entry| entry.name == key || entry.instances.is_some());
    let others = samples.iter().flat_map(|(host, sample)| {
        let others = sample.values.iter().filter(|(key, _)| !is_known(key));
        others.map(move |(key, value)| (labels(host, Some(("name", key))), *value))
    });
    gauge(
        text,
        "host_other",
        "Values of metrics without a family of their own.",
        others,
    );
}

/// The top containers, of which there are at most twice as many as `--top` says.
fn write_containers(samples: &[(HostName, Sample)], text: &mut String) {
    type Share = fn(&Container) -> Option<f64>;
    let families: [(&str, &str, Share); 2] = [
        (
            "host_container_cpu_ratio",
            "Share of the whole machine that each of the top containers and services takes.",
            |container| container.cpu,
        ),
        (
            "host_container_memory_ratio",
            "Share of the memory that each of the top containers and services takes.",
            |container| container.memory,
        ),
    ];
    for (name, help, share) in families {
        let values = samples.iter().flat_map(|(host, sample)| {
            let containers = sample.containers.iter().flatten();
            containers.filter_map(move |container| {
                let label = ("container", container.name.as_str());
                Some((labels(host, Some(label)), divided(share(container)?, 2)))
            })
        });
        gauge(text, name, help, values);
    }
}

/// `value` divided by a power of ten, as a decimal: dividing the double 97.92 by 100 would give 0.9792000000000001.
fn divided(value: f64, digits: i32) -> f64 {
    let shortest = format!("{value:e}");
    let (decimal, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent = exponent.parse::<i32>().unwrap_or(0) - digits;
    let divided = format!("{decimal}e{exponent}").parse();
    divided.unwrap_or(value / 10_f64.powi(digits))
}

#[cfg(test)]
mod tests;
