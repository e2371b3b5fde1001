//! `--check`: what would come of a server, without starting it.

use std::net::SocketAddr;

use crate::alert::KnownMetrics;
use crate::alert::notify::reach;
use crate::cli::{Finding, GlobalArgs, ServerArgs};
use crate::descriptors;
use crate::millis::epoch_millis;
use crate::protocol::DEFAULT_PORT;
use crate::server::listen::{self, ListenAddr};
use crate::source::host::in_use::{collides, is_listened_on, may_bind};
use crate::wording::{counted, one_or_more};

use super::{Exit, Failure, alerts, data, notify};

/// What was found out, in lines.
#[derive(Debug, Default)]
pub(super) struct CheckReport {
    text: String,
    faults: u64,
}

impl CheckReport {
    /// Begins a part of the report.
    pub(super) fn heading(&mut self, text: &str) {
        self.text += &format!("{text}\n");
    }

    /// Adds a line.
    pub(super) fn add(&mut self, finding: Finding) {
        match finding {
            Finding::Ready(text) => self.line("ok", &text),
            Finding::Notable(text) => self.line("note", &text),
            Finding::Fault(text) => {
                self.faults += 1;
                self.line("FAILS", &text);
            }
        }
    }

    /// Adds a line about something that cannot be read.
    pub(super) fn absent(&mut self, text: &str) {
        self.line("absent", text);
    }

    fn line(&mut self, word: &str, text: &str) {
        self.text += &format!("  {word:<6}  {text}\n");
    }

    /// Prints it, and fails if anything would.
    ///
    /// # Errors
    /// When it cannot be printed.
    pub(super) async fn print(mut self) -> Result<Exit, Failure> {
        let faults = self.faults;
        self.text += &match faults {
            0 => "Nothing would fail.\n".to_owned(),
            _ => format!("{} would fail.\n", counted(faults, "thing")),
        };
        data::print_text(self.text.into_bytes()).await?;
        Ok(if faults == 0 {
            Exit::Done
        } else {
            Exit::Failed
        })
    }
}

/// What the flags of both servers would do, on `listen` with rules about `known` metrics. What they would do with Redis
/// is known already.
pub(super) async fn server(
    args: &ServerArgs,
    listen: &[ListenAddr],
    (known, redis): (&KnownMetrics, Option<Finding>),
    global: &GlobalArgs,
    report: &mut CheckReport,
) {
    let mut ours = Vec::new();
    for (addr, is_optional) in listen::places(listen, DEFAULT_PORT) {
        let is_twice = is_twice(addr, &mut ours);
        let found = match (may_bind(addr), is_listened_on(addr)) {
            (Err(_), _) if is_optional => continue,
            (Err(reason), _) => Finding::Fault(format!("cannot listen on {addr}: {reason}")),
            _ if is_twice => Finding::Fault(format!(
                "cannot listen on {addr}: another --listen already does"
            )),
            (Ok(()), Some(true)) => {
                Finding::Fault(format!("cannot listen on {addr}: address already in use"))
            }
            (Ok(()), Some(false)) if addr.port() == 0 => {
                Finding::Ready(format!("listens on a free port of {}", addr.ip()))
            }
            (Ok(()), Some(false)) => Finding::Ready(format!("listens on {addr}")),
            (Ok(()), None) => Finding::Notable(format!("only a start can tell if {addr} is free")),
        };
        report.add(found);
    }
    let now = epoch_millis() / 1000;
    for found in args.access.findings(listen, now) {
        report.add(found);
    }
    report.add(viewers(args.max_viewers));
    if let Some(found) = redis {
        report.add(found);
    }
    let has_rules = rules(args, known, report);
    notifiers(args, has_rules, global, report).await;
}

/// Whether `addr` collides with what is `ours`, which it then belongs to as well.
pub(super) fn is_twice(addr: SocketAddr, ours: &mut Vec<SocketAddr>) -> bool {
    let is_twice = ours.iter().any(|held| collides(*held, addr));
    ours.push(addr);
    is_twice
}

fn viewers(wanted: u64) -> Finding {
    let fit = descriptors::viewers_that_fit(wanted);
    let viewers = counted(fit, "viewer");
    if fit < wanted {
        let fit = one_or_more(fit, "fits", "fit");
        Finding::Notable(format!(
            "at most {viewers} {fit} under this process's limit of open files (ulimit -n)"
        ))
    } else {
        Finding::Ready(format!("serves at most {viewers} at once"))
    }
}

/// What the rules say; returns whether there are any.
pub(super) fn rules(args: &ServerArgs, known: &KnownMetrics, report: &mut CheckReport) -> bool {
    let read = alerts::written(&args.alerts, known).and_then(|written| {
        let rules = written.map(|it| it.parse(known)).transpose();
        rules.map_err(|error| Failure::usage(error.to_string()))
    });
    match read {
        Ok(None) => false,
        Ok(Some(rules)) => {
            let rules = counted(rules.len() as u64, "rule");
            report.add(Finding::Ready(format!("alerts by {rules}")));
            true
        }
        Err(failure) => {
            report.add(Finding::Fault(failure.to_string()));
            true
        }
    }
}

async fn notifiers(
    args: &ServerArgs,
    has_rules: bool,
    global: &GlobalArgs,
    report: &mut CheckReport,
) {
    let targets = match notify::targets(&args.notify, has_rules, global) {
        Ok(targets) => targets,
        Err(failure) => return report.add(Finding::Fault(failure.to_string())),
    };
    match reach(&targets).await {
        Ok(answers) => {
            for (target, answer) in answers {
                report.add(match answer {
                    Ok(answer) => Finding::Ready(format!("{target} {answer}")),
                    Err(reason) => Finding::Fault(format!("{target} cannot be reached: {reason}")),
                });
            }
        }
        Err(error) => report.add(Finding::Fault(Failure::from(error).to_string())),
    }
}
