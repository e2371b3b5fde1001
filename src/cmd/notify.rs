//! The notifiers of a server: from flags to the threads that send notifications.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Recipient;
use crate::alert::notify::{self, Notifiers, Target};
use crate::cli::{GlobalArgs, NotifyArgs};
use crate::millis::epoch_millis;
use crate::protocol::HostName;

use super::{Exit, Failure, announce, data};

/// Who is to be notified; `has_rules` if there is anything to notify of.
pub(super) fn targets(
    args: &NotifyArgs,
    has_rules: bool,
    global: &GlobalArgs,
) -> Result<Vec<Target>, Failure> {
    let (targets, warnings) = args.targets().map_err(Failure::usage)?;
    for warning in warnings {
        announce::say(global, &warning);
    }
    if args.notify_test && targets.is_empty() {
        return Err(Failure::usage(
            "--notify-test has nobody to notify: add --notify-exec PATH, --notify-webhook URL or \
             --notify-webhook-file FILE",
        ));
    }
    if !args.notify_test && !targets.is_empty() && !has_rules {
        return Err(Failure::usage(
            "nobody would ever be notified: say when to alert, with --alert default, --alert RULE or --alerts FILE",
        ));
    }
    Ok(targets)
}

/// Notifies each of `targets` once in the name of `host`, and prints what each responded.
pub(super) async fn test(targets: &[Target], host: &HostName) -> Result<Exit, Failure> {
    let responses = notify::test(targets, host, epoch_millis()).await?;
    let all_good = responses.iter().all(|(_, response)| response.is_ok());
    let line = |(target, response): &(String, Result<String, String>)| match response {
        Ok(response) => format!("{target}: {response}\n"),
        Err(reason) => format!("{target}: failed: {reason}\n"),
    };
    let lines: String = responses.iter().map(line).collect();
    data::print(lines.into_bytes()).await?;
    Ok(if all_good { Exit::Done } else { Exit::Failed })
}

/// Starts the notifiers; `None` if there are none.
pub(super) fn start(targets: Vec<Target>) -> Result<Option<Arc<Notifiers>>, Failure> {
    if targets.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Notifiers::start(targets)?)))
}

/// What becomes of notifications.
pub(super) fn counts(notifiers: Option<&Arc<Notifiers>>) -> Arc<notify::NotificationCounts> {
    notifiers
        .map(|notifiers| notifiers.counts())
        .unwrap_or_default()
}

/// A receiver of changes of alerts.
pub(super) fn recipient(notifiers: Option<&Arc<Notifiers>>) -> Arc<dyn Recipient> {
    match notifiers {
        Some(notifiers) => Arc::<Notifiers>::clone(notifiers),
        None => Arc::new(()),
    }
}

/// Lets the notifiers finish within `patience`, and says what they left undone.
pub(super) async fn finish(
    notifiers: Option<&Arc<Notifiers>>,
    patience: Duration,
    global: &GlobalArgs,
) {
    let Some(notifiers) = notifiers else { return };
    match notifiers.finish(patience).await {
        0 => {}
        1 => announce::say(global, "1 notification was not sent."),
        left => announce::say(global, &format!("{left} notifications were not sent.")),
    }
}
