//! What fires now, for those who join late.

use crate::protocol::{Alert, AlertState, MOST_FIRING};

/// The most that a `hello` has of them, in bytes: half of a message.
const MOST_BYTES: usize = crate::protocol::MAX_MESSAGE_BYTES / 2;

/// The firing alerts of a stream, which may come from a recording. What exceeds the bounds is left out.
#[derive(Debug, Default)]
pub(super) struct NowFiring {
    alerts: Vec<Alert>,
    /// Their size as JSON.
    bytes: usize,
}

impl NowFiring {
    /// One of them is resolved, or another fires.
    pub(super) fn note(&mut self, alert: Alert) {
        let is_same = |other: &Alert| other.name == alert.name && other.metric == alert.metric;
        if let Some(at) = self.alerts.iter().position(is_same) {
            self.bytes -= size(&self.alerts.remove(at));
        }
        let bytes = self.bytes + size(&alert);
        let has_room = self.alerts.len() < MOST_FIRING && bytes <= MOST_BYTES;
        if alert.state == AlertState::Firing && has_room {
            self.alerts.push(alert);
            self.bytes = bytes;
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn alerts(&self) -> &[Alert] {
        &self.alerts
    }
}

fn size(alert: &Alert) -> usize {
    serde_json::to_vec(alert).map_or(MOST_BYTES, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Body, Hello, MAX_MESSAGE_BYTES, Message};

    fn alert(name: String, state: AlertState) -> Alert {
        Alert {
            name,
            rule: "cpu > 9".into(),
            state,
            metric: "cpu".into(),
            value: Some(50.0),
            threshold: Some(9.0),
            since: 1,
        }
    }

    /// The size of a hello with them.
    fn message(firing: &NowFiring) -> usize {
        let hello = Hello {
            alerts: firing.alerts().to_vec(),
            ..Hello::default()
        };
        let body = Body::Hello(Box::new(hello));
        Message { host: None, body }.frame().size()
    }

    #[test]
    fn a_hello_has_room_for_all_of_them() {
        for padding in ["", &"\u{1}".repeat(3000)] {
            let mut firing = NowFiring::default();
            for number in 0..3000 {
                firing.note(alert(format!("{number}{padding}"), AlertState::Firing));
            }
            let most = firing.alerts().len();
            assert!(most <= MOST_FIRING && (most == MOST_FIRING || !padding.is_empty()));
            assert!(message(&firing) < MAX_MESSAGE_BYTES, "{}", message(&firing));
            // One is over, and makes room; one fires again.
            firing.note(alert(format!("0{padding}"), AlertState::Resolved));
            firing.note(alert("new".into(), AlertState::Firing));
            firing.note(alert(format!("1{padding}"), AlertState::Firing));
            assert_eq!(firing.alerts().len(), most);
            assert!(firing.alerts().iter().any(|alert| alert.name == "new"));
            for number in 0..3000 {
                firing.note(alert(format!("{number}{padding}"), AlertState::Resolved));
            }
            assert_eq!(firing.alerts().len(), 1);
            assert_eq!(firing.bytes, size(&firing.alerts()[0]));
        }
    }
}
