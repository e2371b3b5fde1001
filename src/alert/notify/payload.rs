//! What is posted to each kind of webhook.

use std::time::{Duration, SystemTime};

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::millis::in_millis;
use crate::protocol::push_number;
use crate::view::timestamp;

use super::escape;
use super::kind::Kind;
use super::notice::Notice;

/// Alertmanager considers a firing alert resolved after this long without another post.
const FIRING_LASTS: Duration = Duration::from_secs(4 * 60);

/// The body of a request, with its headers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Payload {
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: String,
}

impl Payload {
    /// The payload about one change for a webhook of `kind`.
    pub(super) fn new(kind: Kind, notice: &Notice, now: SystemTime) -> Self {
        let text = notice.text();
        let body = match kind {
            Kind::Ntfy => return ntfy(notice),
            Kind::Alertmanager => return Self::alerts(&[notice], now),
            Kind::Exec => facts(notice, text),
            Kind::Json => facts(notice, escape::for_json(&text)),
            Kind::Slack => slack(&text),
            Kind::Discord => discord(&text),
            Kind::Teams => teams(notice),
        };
        Self::json(&body)
    }

    /// The payload for Alertmanager about all firing alerts, and possibly a resolved one.
    pub(super) fn alerts(notices: &[&Notice], now: SystemTime) -> Self {
        let alerts: Vec<_> = notices.iter().map(|it| for_alertmanager(it, now)).collect();
        Self::json(&Value::Array(alerts))
    }

    fn json(body: &Value) -> Self {
        let json = HeaderValue::from_static("application/json");
        Self {
            headers: vec![(CONTENT_TYPE, json)],
            body: body.to_string(),
        }
    }
}

/// The facts, and a text with them.
fn facts(notice: &Notice, text: String) -> Value {
    let change = &notice.change;
    let mut facts = json!({
        "text": text,
        "title": notice.title(),
        "host": change.host.as_str(),
        "alert": change.alert,
        "timestamp": change.timestamp,
        "label": notice.metric.label,
        "unit": notice.metric.unit,
    });
    if let Some(process) = &change.culprit {
        facts["culprit"] = json!({
            "pid": process.pid,
            "name": process.name,
            "cpu": number(process.cpu),
            "memory": number(process.memory),
        });
    }
    if let Some(lasted) = change.lasted {
        facts["lasted"] = in_millis(lasted).into();
    }
    if let Some(peak) = change.peak {
        facts["peak"] = number(peak);
    }
    if change.is_withdrawn {
        facts["withdrawn"] = true.into();
    }
    if change.replayed {
        facts["replayed"] = true.into();
    }
    facts
}

/// A finite number in its one written form.
fn number(value: f64) -> Value {
    let mut digits = Vec::new();
    push_number(&mut digits, value);
    serde_json::from_slice(&digits).unwrap_or_default()
}

/// A text, with headers for the highlights.
fn ntfy(notice: &Notice) -> Payload {
    let title = escape::for_header(&notice.title());
    let (priority, tag) = if notice.is_firing() {
        ("high", "warning")
    } else {
        ("default", "white_check_mark")
    };
    let mut headers = vec![
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (
            HeaderName::from_static("priority"),
            HeaderValue::from_static(priority),
        ),
        (
            HeaderName::from_static("tags"),
            HeaderValue::from_static(tag),
        ),
    ];
    // Anything but control characters may be in a header; ntfy reads UTF-8.
    if let Ok(title) = HeaderValue::from_bytes(title.as_bytes()) {
        headers.push((HeaderName::from_static("title"), title));
    }
    Payload {
        headers,
        body: escape::for_ntfy(&notice.body()),
    }
}

/// Without Markdown, mentions and previews.
fn slack(text: &str) -> Value {
    json!({
        "text": escape::for_slack(text),
        "mrkdwn": false,
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// No mentions, whatever the text; flag 4 means no previews.
fn discord(text: &str) -> Value {
    json!({
        "content": escape::for_discord(text),
        "allowed_mentions": { "parse": [] },
        "flags": 4,
    })
}

/// An Adaptive Card, as workflows expect it. Its text runs have no Markdown.
fn teams(notice: &Notice) -> Value {
    let line = |text: &str, weight: &str, color: &str| {
        let run = json!({
            "type": "TextRun",
            "text": escape::for_teams(text),
            "weight": weight,
            "color": color,
        });
        json!({ "type": "RichTextBlock", "inlines": [run] })
    };
    let color = if notice.is_firing() {
        "attention"
    } else {
        "good"
    };
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": escape::for_teams(&notice.text()),
                "body": [
                    line(&notice.title(), "bolder", color),
                    line(&notice.details, "default", "default"),
                ],
            },
        }],
    })
}

/// Labels identify an alert, so they stay the same from its start to its end. An alert of a replay differs from that of
/// the host itself.
fn for_alertmanager(notice: &Notice, now: SystemTime) -> Value {
    let change = &notice.change;
    let alert = &change.alert;
    let mut labels = json!({
        "alertname": alert.name,
        "host": change.host.as_str(),
        "metric": alert.metric,
    });
    if change.replayed {
        labels["replay"] = "true".into();
    }
    let ends = if notice.is_firing() {
        let until = now + FIRING_LASTS;
        let until = until.duration_since(SystemTime::UNIX_EPOCH);
        in_millis(until.unwrap_or_default())
    } else {
        // Alertmanager refuses an alert that ends before it starts.
        change.timestamp.max(alert.since.saturating_add(1))
    };
    json!({
        "labels": labels,
        "annotations": {
            "summary": notice.title(),
            "description": notice.body(),
            "rule": alert.rule,
        },
        "startsAt": timestamp(alert.since),
        "endsAt": timestamp(ends),
    })
}

#[cfg(test)]
mod tests;
