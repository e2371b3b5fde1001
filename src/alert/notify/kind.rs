//! The kinds of notifier.

use std::fmt;

/// The receivers of notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A program on this machine.
    Exec,
    /// Anything that takes JSON; Mattermost does.
    Json,
    /// A topic of ntfy.
    Ntfy,
    /// Prometheus' Alertmanager, version 2 of its API.
    Alertmanager,
    /// An incoming webhook of Slack.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A workflow of Microsoft Teams.
    Teams,
}

impl Kind {
    /// The kinds that have a URL.
    pub(super) const OF_WEBHOOKS: [Self; 6] = [
        Self::Json,
        Self::Ntfy,
        Self::Alertmanager,
        Self::Slack,
        Self::Discord,
        Self::Teams,
    ];

    /// Its name on the command line, in files and in counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Json => "json",
            Self::Ntfy => "ntfy",
            Self::Alertmanager => "alertmanager",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
        }
    }

    /// Whether anybody who knows the URL can post there, so that it must not be on a command line.
    pub(super) fn has_secret_url(self) -> bool {
        matches!(self, Self::Slack | Self::Discord | Self::Teams)
    }

    /// The kind of a webhook that is called `name`.
    pub(super) fn of_webhook(name: &str) -> Option<Self> {
        let mut kinds = Self::OF_WEBHOOKS.into_iter();
        kinds.find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
