//! All notifiers together, on a thread of their own.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::alert::Recipient;
use crate::alert::change::Change;
use crate::locks;
use crate::protocol::HostName;

use super::counts::NotificationCounts;
use super::delivery::{Delivery, DeliveryTiming, judged};
use super::inbox::Inbox;
use super::kind::Kind;
use super::notice::Notice;
use super::payload::Payload;
use super::post::{self, WebhookClient};
use super::program;
use super::webhook::Webhook;

/// Concurrent name lookups. One with a silent server blocks its thread for half a minute.
const MOST_LOOKUPS: usize = 16;

/// A target of notifications.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A program, by its absolute path.
    Program(PathBuf),
    /// A URL.
    Webhook(Webhook),
}

impl Target {
    fn kind(&self) -> Kind {
        match self {
            Self::Program(_) => Kind::Exec,
            Self::Webhook(webhook) => webhook.kind,
        }
    }
}

/// Its kind, and the program or the host.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(path) => write!(f, "{} ({})", Kind::Exec, name_of(path)),
            Self::Webhook(webhook) => webhook.fmt(f),
        }
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    crate::protocol::shown(&name.to_string_lossy()).to_string()
}

/// Why there are no notifiers.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There are no certificates to trust.
    #[error("cannot notify anybody over https: {0}")]
    Trust(String),
    /// The system has no thread for them.
    #[error("cannot start the notifiers")]
    Thread {
        /// The system's reason.
        source: io::Error,
    },
}

/// Notifies all targets of changes. They work on a thread of their own, and nothing waits for them.
#[derive(Debug)]
pub struct Notifiers {
    inboxes: Vec<Arc<Inbox>>,
    counts: Arc<NotificationCounts>,
    /// The notifications that are waiting or being sent.
    open: Arc<watch::Sender<usize>>,
    /// Ends the thread.
    stop: CancellationToken,
    _guard: DropGuard,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Notifiers {
    /// Starts a notifier for each of `targets`.
    ///
    /// # Errors
    /// When the system lacks what they need.
    pub fn start(targets: Vec<Target>) -> Result<Self, StartError> {
        Self::start_at(DeliveryTiming::default(), targets)
    }

    pub(super) fn start_at(
        tempo: DeliveryTiming,
        targets: Vec<Target>,
    ) -> Result<Self, StartError> {
        let client = client_for(&targets).map_err(StartError::Trust)?;
        let counts = Arc::new(NotificationCounts::of(targets.iter().map(Target::kind)));
        let open = Arc::new(watch::Sender::new(0));
        let inbox = |target: &Target| {
            let label = format!("notifier {target}");
            Arc::new(Inbox::new(
                target.kind(),
                label,
                Arc::clone(&counts),
                Arc::clone(&open),
            ))
        };
        let inboxes: Vec<_> = targets.iter().map(inbox).collect();
        let runtime = runtime().map_err(|source| StartError::Thread { source })?;
        let stop = CancellationToken::new();
        let (stopped, work) = (stop.clone(), inboxes.clone().into_iter().zip(targets));
        let run = move || {
            runtime.block_on(async {
                let mut notifiers = JoinSet::new();
                for (inbox, target) in work {
                    let dropping = Arc::clone(&inbox);
                    notifiers.spawn(async move { dropping.keep_reporting_drops().await });
                    match target {
                        Target::Program(path) => notifiers.spawn(program::run(inbox, path)),
                        Target::Webhook(webhook) => {
                            let client = client.clone();
                            let delivery = Delivery {
                                inbox,
                                webhook,
                                client,
                                tempo,
                                quiet_until: None,
                            };
                            notifiers.spawn(delivery.run())
                        }
                    };
                }
                stopped.cancelled().await;
            });
            // A hanging lookup must not delay the end.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("notifiers".into()).spawn(run);
        Ok(Self {
            inboxes,
            counts,
            open,
            stop: stop.clone(),
            _guard: stop.drop_guard(),
            thread: Mutex::new(Some(
                thread.map_err(|source| StartError::Thread { source })?,
            )),
        })
    }

    /// The results of notifications.
    #[must_use]
    pub fn counts(&self) -> Arc<NotificationCounts> {
        Arc::clone(&self.counts)
    }

    /// Waits until all notifications have been sent, at most for `patience`, and ends. Returns how many were not sent.
    pub async fn finish(&self, patience: Duration) -> usize {
        let mut open = self.open.subscribe();
        let _ = tokio::time::timeout(patience, open.wait_for(|open| *open == 0)).await;
        let left = *open.borrow();
        self.stop.cancel();
        self.inboxes.iter().for_each(|inbox| inbox.report_drops());
        let thread = locks::lock(&self.thread).take();
        if let Some(thread) = thread {
            // It ends at once, together with running programs.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        left
    }
}

/// Notifies all targets.
impl Recipient for Notifiers {
    fn changed(&self, change: Change) {
        let notice = Arc::new(Notice::of(&change));
        for inbox in &self.inboxes {
            inbox.push(Arc::clone(&notice));
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(MOST_LOOKUPS)
        .thread_name("notifiers")
        .build()
}

fn client_for(targets: &[Target]) -> Result<WebhookClient, String> {
    WebhookClient::new(targets.iter().filter_map(|target| match target {
        Target::Webhook(webhook) => Some(webhook),
        Target::Program(_) => None,
    }))
}

/// Sends each of `targets` one notification in the name of `host`. Returns a line for each, with its response or why it
/// failed.
///
/// # Errors
/// When the system has no certificates to trust.
pub async fn test(
    targets: &[Target],
    host: &HostName,
    timestamp: u64,
) -> Result<Vec<(String, Result<String, String>)>, StartError> {
    let client = client_for(targets).map_err(StartError::Trust)?;
    let notice = Notice::test(host, timestamp);
    let tests = targets
        .iter()
        .map(|target| async { (target.to_string(), test_one(target, &client, &notice).await) });
    Ok(join_all(tests).await)
}

/// Whether each of `targets` can be reached: a connection is opened, and nothing is sent. Returns a line for each.
///
/// # Errors
/// When the system has no certificates to trust.
pub async fn reach(
    targets: &[Target],
) -> Result<Vec<(String, Result<String, String>)>, StartError> {
    client_for(targets).map_err(StartError::Trust)?;
    let answers = targets.iter().map(|target| async {
        let answer = match target {
            Target::Program(_) => Ok("can be run".to_owned()),
            Target::Webhook(webhook) => post::reach(webhook).await.map(|()| {
                let unchecked = if webhook.tls {
                    "; its certificate was not checked"
                } else {
                    ""
                };
                format!("accepts connections{unchecked}")
            }),
        };
        (target.to_string(), answer)
    });
    Ok(join_all(answers).await)
}

async fn test_one(
    target: &Target,
    client: &WebhookClient,
    notice: &Notice,
) -> Result<String, String> {
    match target {
        Target::Program(path) => program::notify(path, notice)
            .await
            .map(|()| "exit status: 0".into()),
        Target::Webhook(webhook) => {
            let payload = Payload::new(webhook.kind, notice, std::time::SystemTime::now());
            let answer = client.post(webhook, &payload).await;
            let text = answer.as_ref().map(ToString::to_string);
            let text = text.unwrap_or_default();
            judged(answer)
                .map(|()| text)
                .map_err(|failed| failed.reason)
        }
    }
}
