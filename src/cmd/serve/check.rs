//! `metrics serve --check`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use crate::alert::KnownMetrics;
use crate::cli::{Finding, GlobalArgs};
use crate::cmd::check::{self, CheckReport};
use crate::cmd::{Exit, Failure};
use crate::disk::{directory_of, may_create_in};
use crate::protocol::HostName;
use crate::source::host::in_use::{is_received_on, may_bind};
use crate::source::host::statsd::StatsdAddress;
use crate::source::host::{Inspection, inspect};
use crate::wording::{cause, counted};

use super::ServeArgs;

/// Says what this host lets us read, and what the flags would do.
///
/// # Errors
/// When the report cannot be printed.
pub(super) async fn run(
    args: &ServeArgs,
    known: &KnownMetrics,
    name: &HostName,
    global: &GlobalArgs,
) -> Result<Exit, Failure> {
    let options = args.options();
    let inspection = tokio::task::spawn_blocking(move || inspect(options)).await?;
    let mut report = CheckReport::default();
    host(&inspection, name, &mut report);
    report.heading("What these flags would do");
    check::server(
        &args.server,
        &args.server.listen,
        known,
        global,
        &mut report,
    )
    .await;
    for address in &args.statsd {
        report.add(statsd(address));
    }
    for found in args.spool.findings(name) {
        report.add(found);
    }
    report.print().await
}

fn host(inspection: &Inspection, name: &HostName, report: &mut CheckReport) {
    let system = &inspection.system;
    let (os, kernel) = (&system.os, &system.kernel);
    let cores = counted(system.cores, "core");
    report.heading(&format!("{name}: {os}, kernel {kernel}, {cores}"));
    let mut sections: Vec<&str> = Vec::new();
    for metric in &*inspection.metrics {
        if !sections.contains(&metric.section.as_str()) {
            sections.push(&metric.section);
        }
    }
    let metrics = counted(inspection.metrics.len() as u64, "metric");
    let sections = sections.join(", ");
    report.add(Finding::Ready(format!("reads {metrics}: {sections}")));
    if let Some(reason) = &inspection.processes_hidden {
        report.absent(&format!("top: {reason}"));
    }
    for absence in &inspection.absent {
        report.absent(&format!("{}: {}", absence.names.join(", "), absence.reason));
    }
}

fn statsd(address: &StatsdAddress) -> Finding {
    let udp = |addr: SocketAddr| match (may_bind(addr), is_received_on(addr)) {
        (Err(reason), _) => Finding::Fault(format!(
            "cannot receive statsd packets on UDP {addr}: {reason}"
        )),
        (_, Some(true)) => Finding::Fault(format!(
            "cannot receive statsd packets on UDP {addr}: address already in use"
        )),
        _ => Finding::Ready(format!("receives statsd packets on UDP {addr}")),
    };
    match address {
        StatsdAddress::Loopback(port) => udp(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))),
        StatsdAddress::Udp(addrs) => {
            let found = addrs.iter().map(|addr| udp(*addr));
            let mut found: Vec<Finding> = found.collect();
            found.sort_by_key(|it| !matches!(it, Finding::Fault(_)));
            let none = || Finding::Fault("the statsd address stands for no address".to_owned());
            found.into_iter().next().unwrap_or_else(none)
        }
        StatsdAddress::Path(path) => socket(path),
    }
}

fn socket(path: &Path) -> Finding {
    let shown = path.display();
    match may_create_in(directory_of(path)) {
        Ok(()) => Finding::Ready(format!("receives statsd packets in '{shown}'")),
        Err(error) => Finding::Fault(format!(
            "cannot create the statsd socket '{shown}': {}",
            cause(&error)
        )),
    }
}
