//! Receiving the metrics of applications: from flags to the sampler, with everything that people are told about it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::cli::GlobalArgs;
use crate::server::{Countable, CounterFamily};
use crate::source::host::statsd::{StatsdAddress, StatsdCounts, StatsdError, StatsdListener};

use super::alerts::RulesInForce;
use super::announce;

/// Receives at `addresses`, if there are any. The files of sockets are removed at the request to `stop`, so that they are
/// gone even if a second signal ends the program at once.
pub(super) fn listen(
    addresses: &[StatsdAddress],
    rules: Option<&RulesInForce>,
    stop: &CancellationToken,
    global: &GlobalArgs,
) -> Result<Option<Arc<StatsdListener>>, StatsdError> {
    if addresses.is_empty() {
        return Ok(None);
    }
    let listener = Arc::new(StatsdListener::start(addresses)?);
    let places = listener.places().join(", ");
    announce::say(
        global,
        &format!("Receiving metrics of applications (statsd): {places}"),
    );
    for place in listener.exposed_places() {
        announce::say(
            global,
            &format!("warning: anybody who can reach {place} can forge the values of applications"),
        );
    }
    let metrics = rules
        .map(RulesInForce::reported_metrics)
        .unwrap_or_default();
    if !metrics.is_empty() {
        let metrics = metrics.join(", ");
        announce::say(
            global,
            &format!("Rules wait for an application to report: {metrics}"),
        );
    }
    let (stop, stopped) = (stop.clone(), Arc::clone(&listener));
    tokio::spawn(async move {
        stop.cancelled().await;
        stopped.remove_files();
    });
    Ok(Some(listener))
}

/// What `listener` counts, for `/metrics`.
pub(super) fn counted(listener: &Arc<StatsdListener>) -> Arc<dyn Countable> {
    Arc::new(Received(listener.inbox().counts()))
}

#[derive(Debug)]
struct Received(Arc<StatsdCounts>);

impl Countable for Received {
    fn families(&self) -> Vec<CounterFamily> {
        let lines = self.0.lines().into_iter();
        let lines = lines.map(|(result, number)| (Some(("result", result)), number));
        let dropped = self.0.dropped().map(|number| (None, number));
        let family = |name, kind, help, numbers| CounterFamily {
            name,
            kind,
            help,
            numbers,
        };
        vec![
            family(
                "metrics_statsd_packets_total",
                "counter",
                "Packets received from applications.",
                vec![(None, self.0.packets())],
            ),
            family(
                "metrics_statsd_lines_total",
                "counter",
                "Lines in packets from applications, by what became of them.",
                lines.collect(),
            ),
            family(
                "metrics_statsd_dropped_packets_total",
                "counter",
                "Packets from applications that the kernel dropped because they came too fast.",
                dropped.into_iter().collect(),
            ),
            family(
                "metrics_statsd_names",
                "gauge",
                "Names that applications use, of at most 200.",
                vec![(None, self.0.names())],
            ),
        ]
    }
}
