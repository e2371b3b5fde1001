//! `metrics serve --check`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use crate::alert::KnownMetrics;
use crate::cli::{Finding, GlobalArgs};
use crate::cmd::check::{self, CheckReport};
use crate::cmd::{Exit, Failure, publish};
use crate::disk::{directory_of, may_create_in};
use crate::protocol::HostName;
#[cfg(unix)]
use crate::source::host::in_use::has_socket;
use crate::source::host::in_use::{is_received_on, may_bind};
use crate::source::host::statsd::StatsdAddress;
use crate::source::host::{Inspection, inspect};
use crate::wording::{cause, counted};

use super::ServeArgs;
use super::relay::NO_RULES;

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
    let mut report = CheckReport::default();
    if args.relay.from.is_none() {
        let options = args.options();
        let inspection = tokio::task::spawn_blocking(move || inspect(options)).await?;
        host(&inspection, name, &mut report);
    }
    report.heading("What these flags would do");
    let redis = &args.server.redis;
    let relayed = args.relay.finding(redis);
    check::server(
        &args.server,
        &args.server.listen,
        (known, relayed.or_else(|| publish::finding(redis))),
        global,
        &mut report,
    )
    .await;
    let mut taken = Taken::default();
    for address in &args.statsd {
        report.add(taken.check(address));
    }
    if args.relay.from.is_some() && args.server.alerts.is_given() {
        report.add(Finding::Fault(NO_RULES.to_owned()));
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

/// What the addresses of statsd before this one take.
#[derive(Debug, Default)]
struct Taken<'a> {
    udp: Vec<SocketAddr>,
    paths: Vec<&'a Path>,
}

impl<'a> Taken<'a> {
    fn check(&mut self, address: &'a StatsdAddress) -> Finding {
        match address {
            StatsdAddress::Loopback(port) => {
                let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, *port));
                let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
                // Without IPv6, it does without.
                let v6 = may_bind(v6).is_ok().then_some(v6);
                self.check_all(std::iter::once(v4).chain(v6))
            }
            StatsdAddress::Udp(addrs) => self.check_all(addrs.iter().copied()),
            StatsdAddress::Path(path) => self.check_path(path),
        }
    }

    fn check_all(&mut self, addrs: impl Iterator<Item = SocketAddr>) -> Finding {
        let found = addrs.map(|addr| self.check_udp(addr));
        let mut found: Vec<Finding> = found.collect();
        found.sort_by_key(|it| !matches!(it, Finding::Fault(_)));
        let none = || Finding::Fault("the statsd address stands for no address".to_owned());
        found.into_iter().next().unwrap_or_else(none)
    }

    fn check_udp(&mut self, addr: SocketAddr) -> Finding {
        let is_twice = check::is_twice(addr, &mut self.udp);
        let reason = match (may_bind(addr), is_received_on(addr)) {
            (Err(reason), _) => reason,
            _ if is_twice => "another --statsd already does".to_owned(),
            (_, Some(true)) => "address already in use".to_owned(),
            _ => return Finding::Ready(format!("receives statsd packets on UDP {addr}")),
        };
        Finding::Fault(format!(
            "cannot receive statsd packets on UDP {addr}: {reason}"
        ))
    }

    fn check_path(&mut self, path: &'a Path) -> Finding {
        let shown = path.display();
        let is_twice = self.paths.contains(&path);
        self.paths.push(path);
        let reason = match (may_create_in(directory_of(path)), in_the_way(path)) {
            (Err(error), _) => cause(&error),
            (Ok(()), Some(reason)) => reason.to_owned(),
            _ if is_twice => "another --statsd already does".to_owned(),
            _ => return Finding::Ready(format!("receives statsd packets in '{shown}'")),
        };
        Finding::Fault(format!(
            "cannot create the statsd socket '{shown}': {reason}"
        ))
    }
}

/// What keeps a socket from being created at `path`. One that nobody receives from any more is replaced.
#[cfg(unix)]
fn in_the_way(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let found = std::fs::symlink_metadata(path).ok()?;
    if !found.file_type().is_socket() {
        Some("a file that is not a socket is in the way")
    } else if has_socket(path) == Some(true) {
        Some("another process receives there")
    } else {
        None
    }
}

#[cfg(not(unix))]
fn in_the_way(_: &Path) -> Option<&'static str> {
    None
}
