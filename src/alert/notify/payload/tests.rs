//! What is sent to each kind, word by word.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::alert::change::Change;
use crate::alert::notify::kind::Kind;
use crate::alert::notify::notice::Notice;
use crate::alert::notify::notice::tests::{firing, resolved};

use super::Payload;

/// A minute after the alert began to fire.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_529_441_204)
}

fn payload(kind: Kind, change: &Change) -> Payload {
    Payload::new(kind, &Notice::of(change), now())
}

#[track_caller]
fn check(kind: Kind, change: &Change, expected: &Value) {
    let payload = payload(kind, change);
    let body: Value = serde_json::from_str(&payload.body).unwrap();
    assert_eq!(body, *expected);
    let headers: Vec<_> = payload
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v))
        .collect();
    assert_eq!(headers[0].0, "content-type");
    assert_eq!(headers[0].1, "application/json");
}

const FIRING: &str = "Firing: hot cpu on web-1. CPU is 98.2 %, above 90.0 % for 2 m 10 s. \
                      Busiest process: rustc, 61.0 % of the CPU.";

const RESOLVED: &str = "Resolved: hot cpu on web-1. CPU is 41.0 %. \
                        The alert lasted 12 m 30 s, with a peak of 99.1 % (threshold 90.0 %).";

#[test]
fn json_has_the_alert_and_a_text() {
    for kind in [Kind::Json, Kind::Exec] {
        let alert = json!({
            "name": "hot cpu", "rule": "cpu > 90 for 30s", "state": "firing", "metric": "cpu",
            "value": 98.2, "threshold": 90, "since": 1_795_529_251_204_u64,
        });
        let expected = json!({
            "text": FIRING,
            "title": "Firing: hot cpu on web-1",
            "host": "web-1",
            "alert": alert,
            "timestamp": 1_795_529_381_204_u64,
            "label": "CPU",
            "unit": "%",
            "culprit": { "pid": 812, "name": "rustc", "cpu": 61.04, "memory": 12.5 },
        });
        check(kind, &firing(), &expected);
        let mut replayed = resolved();
        replayed.replayed = true;
        let alert = json!({
            "name": "hot cpu", "rule": "cpu > 90 for 30s", "state": "resolved", "metric": "cpu",
            "value": 41, "threshold": 90, "since": 1_795_529_251_204_u64,
        });
        let expected = json!({
            "text": format!("Replay of 2026-11-24: {RESOLVED}"),
            "title": "Replay of 2026-11-24: Resolved: hot cpu on web-1",
            "host": "web-1",
            "alert": alert,
            "timestamp": 1_795_530_001_204_u64,
            "label": "CPU",
            "unit": "%",
            "culprit": { "pid": 812, "name": "rustc", "cpu": 61.04, "memory": 12.5 },
            "lasted": 750_000,
            "peak": 99.1,
            "replayed": true,
        });
        check(kind, &replayed, &expected);
    }
}

#[test]
fn chats_have_the_text_in_their_own_form() {
    check(
        Kind::Slack,
        &firing(),
        &json!({
            "text": FIRING,
            "mrkdwn": false, "link_names": false, "unfurl_links": false, "unfurl_media": false,
        }),
    );
    check(
        Kind::Discord,
        &firing(),
        &json!({
            "content": FIRING.replace("web-1", r"web\-1"),
            "allowed_mentions": { "parse": [] },
            "flags": 4,
        }),
    );
    let line = |text: &str, weight: &str, color: &str| {
        let run = json!({ "type": "TextRun", "text": text, "weight": weight, "color": color });
        json!({ "type": "RichTextBlock", "inlines": [run] })
    };
    let (title, details) = RESOLVED.split_once(". ").unwrap();
    check(
        Kind::Teams,
        &resolved(),
        &json!({
            "type": "message",
            "attachments": [{
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": null,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "fallbackText": RESOLVED,
                    "body": [line(title, "bolder", "good"), line(details, "default", "default")],
                },
            }],
        }),
    );
}

#[test]
fn ntfy_has_a_text_and_headers() {
    let headers = |payload: &Payload| -> Vec<(String, String)> {
        let text = |value: &hyper::header::HeaderValue| {
            String::from_utf8(value.as_bytes().to_vec()).unwrap()
        };
        let headers = payload.headers.iter();
        headers
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    };
    let sent = payload(Kind::Ntfy, &firing());
    assert_eq!(sent.body, FIRING.split_once(". ").unwrap().1);
    let expected = [
        ("content-type", "text/plain; charset=utf-8"),
        ("priority", "high"),
        ("tags", "warning"),
        ("title", "Firing: hot cpu on web-1"),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    assert_eq!(headers(&sent), expected.map(owned));

    let mut odd = resolved();
    odd.alert.name = "übel\r\nX-Evil: 1\u{7f}".into();
    let sent = headers(&payload(Kind::Ntfy, &odd));
    assert_eq!(sent[1].1, "default");
    assert_eq!(sent[3].1, r"Resolved: übel\r\nX-Evil: 1\u{7f} on web-1");
}

#[test]
fn alertmanager_knows_an_alert_again_by_its_labels() {
    let alert = |change: &Change| -> Value {
        let body: Value = serde_json::from_str(&payload(Kind::Alertmanager, change).body).unwrap();
        body[0].clone()
    };
    let (title, details) = FIRING.split_once(". ").unwrap();
    let expected = json!({
        "labels": { "alertname": "hot cpu", "host": "web-1", "metric": "cpu" },
        "annotations": { "summary": title, "description": details, "rule": "cpu > 90 for 30s" },
        "startsAt": "2026-11-24T14:07:31.204Z",
        // Four minutes from now, however old the sample is.
        "endsAt": "2026-11-24T14:14:41.204Z",
    });
    assert_eq!(alert(&firing()), expected);
    let ended = alert(&resolved());
    assert_eq!(ended["labels"], expected["labels"]);
    assert_eq!(ended["startsAt"], expected["startsAt"]);
    assert_eq!(ended["endsAt"], "2026-11-24T14:20:01.204Z");

    let mut brief = resolved();
    (brief.replayed, brief.timestamp) = (true, brief.alert.since);
    let brief = alert(&brief);
    assert_eq!(brief["labels"]["replay"], "true");
    assert_eq!(brief["endsAt"], "2026-11-24T14:07:31.205Z");
}

#[test]
fn what_others_named_mentions_nobody() {
    let mut change = firing();
    change.alert.name = "<!channel> @everyone".into();
    change.alert.metric = "queue:<@U1>".into();
    change.culprit.as_mut().unwrap().name = "![x](http://evil.co)".into();
    for kind in Kind::OF_WEBHOOKS {
        let body = payload(kind, &change).body;
        let text = match serde_json::from_str::<Value>(&body) {
            Ok(body) if kind == Kind::Slack => body["text"].to_string(),
            Ok(body) if kind == Kind::Json => body["text"].to_string(),
            // Alertmanager has the facts; what it notifies escapes them.
            Ok(_) if kind == Kind::Alertmanager => continue,
            _ => body,
        };
        for trap in [
            "@everyone",
            "<!channel>",
            "<@U1>",
            "](http",
            "http://evil",
            "evil.co",
        ] {
            let may_stand = match kind {
                // ntfy only finds addresses.
                Kind::Ntfy => !trap.contains("evil"),
                // A TextRun knows no Markdown and no mention in a text.
                Kind::Teams => !trap.contains("evil") && trap != "@everyone",
                // Links look different there.
                Kind::Slack => trap == "](http",
                _ => false,
            };
            assert!(
                may_stand || !text.contains(trap),
                "{kind}: {trap} in {text}"
            );
        }
    }
}

#[test]
fn the_longest_names_fit_a_message() {
    let mut change = firing();
    let long = "\u{1f600}@_*[".repeat(10_000);
    change.alert.name.clone_from(&long);
    change.alert.rule.clone_from(&long);
    change.alert.metric.clone_from(&long);
    change.culprit.as_mut().unwrap().name = long;
    for kind in Kind::OF_WEBHOOKS {
        let body = payload(kind, &change).body;
        assert!(body.len() < 32 * 1024, "{kind}: {} bytes", body.len());
        if kind == Kind::Discord {
            let body: Value = serde_json::from_str(&body).unwrap();
            let length = body["content"].as_str().unwrap().encode_utf16().count();
            assert!(length <= 2000, "{length}");
        }
        if kind == Kind::Ntfy {
            assert!(body.len() <= 4096, "{}", body.len());
        }
    }
}
