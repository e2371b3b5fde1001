//! The flags for notifications.

use std::path::PathBuf;

use clap::Args;

use crate::alert::notify::{Target, Webhook, program};

/// Flags of the two servers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Alerts")]
pub struct NotifyArgs {
    /// Run this program whenever an alert fires or is resolved; repeatable. It gets no arguments, but JSON on its standard input
    #[arg(long, value_name = "PATH")]
    notify_exec: Vec<PathBuf>,

    /// Post alerts to this webhook; repeatable. KIND is json (the default), ntfy or alertmanager
    // Not parsed by clap, whose errors repeat the value: it may be a secret.
    #[arg(long, value_name = "[KIND=]URL")]
    notify_webhook: Vec<String>,

    /// Post alerts to the webhooks in this file, a kind and a URL per line; repeatable. Also takes slack, discord and teams
    #[arg(long, value_name = "FILE")]
    notify_webhook_file: Vec<PathBuf>,

    /// Send each notifier one notification, print the responses and exit
    #[arg(long)]
    pub notify_test: bool,
}

impl NotifyArgs {
    /// The targets, and warnings for the user.
    ///
    /// # Errors
    /// One line that names the flag and says what to write.
    pub fn targets(&self) -> Result<(Vec<Target>, Vec<String>), String> {
        let mut targets = Vec::new();
        let mut warnings = Vec::new();
        for path in &self.notify_exec {
            let program = program(path).map_err(|error| format!("--notify-exec: {error}"))?;
            targets.push(Target::Program(program));
        }
        for text in &self.notify_webhook {
            let webhook = text.parse();
            targets.push(Target::Webhook(
                webhook.map_err(|error: String| format!("--notify-webhook: {error}"))?,
            ));
        }
        for path in &self.notify_webhook_file {
            let read =
                Webhook::read(path).map_err(|error| format!("--notify-webhook-file: {error}"));
            let (webhooks, found) = read?;
            targets.extend(webhooks.into_iter().map(Target::Webhook));
            warnings.extend(found);
        }
        Ok((targets, warnings))
    }
}
