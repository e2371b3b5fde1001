//! A program that is run for each notification.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::JoinSet;

use super::inbox::Inbox;
use super::kind::Kind;
use super::notice::Notice;
use super::payload::Payload;
use super::process;
use crate::millis::in_millis;
use crate::wording::cause;

/// How many programs run at once, each for a different rule.
const MOST_AT_ONCE: usize = 8;

/// Runs `program` for notifications until this is dropped: for each rule one at a time, in the order of its changes.
pub(super) async fn run(inbox: Arc<Inbox>, program: PathBuf) {
    let program = Arc::new(program);
    let mut running = JoinSet::<String>::new();
    let mut busy = HashSet::<String>::new();
    loop {
        tokio::select! {
            notice = inbox.queue.next_where(|it| !busy.contains(&it.change.alert.name)), if running.len() < MOST_AT_ONCE => {
                let rule = notice.change.alert.name.clone();
                busy.insert(rule.clone());
                let (inbox, program) = (Arc::clone(&inbox), Arc::clone(&program));
                running.spawn(async move {
                    let result = notify(&program, &notice).await;
                    inbox.finished(&notice, result);
                    rule
                });
            }
            Some(ended) = running.join_next(), if !running.is_empty() => {
                if let Ok(rule) = ended {
                    busy.remove(&rule);
                }
            }
        }
    }
}

/// Runs `program` once, with the facts of `notice` as JSON on its standard input and in its environment.
///
/// # Errors
/// Why it did not end successfully.
pub(super) async fn notify(program: &Path, notice: &Notice) -> Result<(), String> {
    let payload = Payload::new(Kind::Exec, notice, SystemTime::now());
    process::run(program, &variables(notice), payload.body.into_bytes()).await
}

/// `METRICS_ALERT_…`; `None` for a fact that this change lacks.
fn variables(notice: &Notice) -> Vec<(&'static str, Option<String>)> {
    let change = &notice.change;
    let alert = &change.alert;
    let state = if notice.is_firing() {
        "firing"
    } else {
        "resolved"
    };
    let process = change.culprit.as_ref();
    let number = |number: Option<f64>| number.map(|number| number.to_string());
    let set = [
        ("METRICS_ALERT_TEXT", Some(notice.text())),
        ("METRICS_ALERT_TITLE", Some(notice.title())),
        ("METRICS_ALERT_HOST", Some(change.host.to_string())),
        ("METRICS_ALERT_NAME", Some(alert.name.clone())),
        ("METRICS_ALERT_RULE", Some(alert.rule.clone())),
        ("METRICS_ALERT_STATE", Some(state.to_owned())),
        ("METRICS_ALERT_METRIC", Some(alert.metric.clone())),
        ("METRICS_ALERT_LABEL", Some(notice.metric.label.clone())),
        ("METRICS_ALERT_UNIT", Some(notice.metric.unit.clone())),
        ("METRICS_ALERT_VALUE", number(alert.value)),
        ("METRICS_ALERT_THRESHOLD", number(alert.threshold)),
        ("METRICS_ALERT_SINCE", Some(alert.since.to_string())),
        (
            "METRICS_ALERT_TIMESTAMP",
            Some(change.timestamp.to_string()),
        ),
        (
            "METRICS_ALERT_LASTED",
            change.lasted.map(|it| in_millis(it).to_string()),
        ),
        ("METRICS_ALERT_PEAK", number(change.peak)),
        ("METRICS_ALERT_PROCESS", process.map(|it| it.name.clone())),
        (
            "METRICS_ALERT_PROCESS_PID",
            process.map(|it| it.pid.to_string()),
        ),
        (
            "METRICS_ALERT_WITHDRAWN",
            change.is_withdrawn.then(|| "1".to_owned()),
        ),
        (
            "METRICS_ALERT_REPLAYED",
            change.replayed.then(|| "1".to_owned()),
        ),
    ];
    // NUL would end a string in an environment; JSON has the names unchanged.
    let clean = |text: String| text.replace('\0', "\u{fffd}");
    set.map(|(name, value)| (name, value.map(clean))).into()
}

/// The program of `--notify-exec`, as a path from the root.
///
/// # Errors
/// One line that says why it cannot be run.
pub fn program(path: &Path) -> Result<PathBuf, String> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(format!("'{shown}' is not a program")),
        Ok(metadata) if !is_executable(&metadata) => {
            Err(format!("'{shown}' is not executable: chmod +x '{shown}'"))
        }
        Ok(_) => std::path::absolute(path).map_err(|error| format!("'{shown}': {error}")),
        Err(_) if path.to_string_lossy().trim().contains(' ') => Err(format!(
            "there is no program '{shown}': it is run without a shell and without arguments, so write the command \
             into a script and name that"
        )),
        Err(error) => Err(format!(
            "cannot run '{shown}': {}; write the path of a program",
            cause(&error)
        )),
    }
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    true
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
