//! Connections and packets that are lost. They come in bursts, so they are counted over a while.

use super::draft::{Draft, Suspect};
use super::levels::is_said;
use super::situation::Situation;
use super::trouble::Urgency;
use crate::view::history::Point;
use crate::view::units;
use crate::view::units::grouped;

/// The while, in milliseconds.
const REACH: u64 = 30_000;

/// Fewer connections are lost now and then.
const FEWEST_DROPS: f64 = 3.0;

/// Fewer packets are lost now and then: one a second.
const FEWEST_PACKETS: f64 = 30.0;

/// The shares of packets that matter, in percent.
const SOME: f64 = 1.0;
const MANY: f64 = 5.0;

/// What is lost, except what the `alerts` say already.
pub(super) fn drafts(situation: &Situation<'_>, alerts: &[Draft]) -> Vec<Draft> {
    let packets = [
        ("tcpRetransmits", "networkPacketsSent", "TCP retransmits"),
        ("networkDrops", "networkPacketsReceived", "network drops"),
    ];
    let packets = packets.map(|(name, of, subject)| packets_lost(situation, name, of, subject));
    let all = packets.into_iter().chain([connections_dropped(situation)]);
    all.flatten()
        .filter(|draft| !is_said(alerts, &draft.metric))
        .collect()
}

/// `listen drops 174 in 30 s on 2,048 connections`.
fn connections_dropped(situation: &Situation<'_>) -> Option<Draft> {
    let drops = situation.count("listenDrops", REACH);
    if drops < FEWEST_DROPS {
        return None;
    }
    let what = format!("listen drops {} in 30 s", grouped(drops));
    let mut draft = draft(situation, "listenDrops", what, Urgency::Warning);
    if let Some(open) = situation.host.value("tcpConnections") {
        let noun = if open == 1.0 {
            "connection"
        } else {
            "connections"
        };
        draft.limit = format!(" on {} {noun}", grouped(open));
    }
    Some(draft)
}

/// `TCP retransmits 5.1 % of packets: 312 in 30 s`.
fn packets_lost(situation: &Situation<'_>, name: &str, of: &str, subject: &str) -> Option<Draft> {
    let lost = situation.count(name, REACH);
    let share = 100.0 * lost / situation.count(of, REACH);
    // Without a number of packets, the share is infinite or not a number.
    let is_known = share <= 100.0;
    if lost < FEWEST_PACKETS || is_known && share < SOME {
        return None;
    }
    let urgency = if is_known && MANY <= share {
        Urgency::Critical
    } else {
        Urgency::Warning
    };
    let count = format!("{} in 30 s", grouped(lost));
    if !is_known {
        let what = format!("{subject} {count}");
        return Some(draft(situation, name, what, urgency));
    }
    let what = format!("{subject} {}", units::value(share, "%"));
    let mut draft = draft(situation, name, what, urgency);
    draft.limit = " of packets".into();
    draft.suspects = vec![Suspect::nobody(count)];
    Some(draft)
}

/// A draft that begins with the first loss of the while.
fn draft(situation: &Situation<'_>, name: &str, what: String, urgency: Urgency) -> Draft {
    let mut draft = Draft::new(urgency, name, what);
    let index = situation.host.find(name);
    let is_lossy = |point: &Point| {
        index
            .and_then(|index| point.value(index))
            .is_some_and(|rate| 0.0 < rate)
    };
    let lossy = situation.recent(REACH).filter(|(point, _)| is_lossy(point));
    draft.since = lossy.last().map(|(point, _)| point.timestamp);
    draft
}
