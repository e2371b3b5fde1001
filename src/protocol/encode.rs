//! Messages to text and to frames.

use serde::Serialize;

use super::{
    Alert, Body, Frame, GapReason, Hello, HostName, Message, Numbered, Sample, Summary, Unplaced,
    Values,
};

impl Message {
    /// The message as JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Outgoing::from(self).encode()
    }

    /// The ready frame of a message without a place; see [`Numbered::frame`] for the others.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame::text(&self.encode(), None)
    }
}

impl Numbered {
    /// The message as JSON.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Outgoing::from(self).encode()
    }

    /// The ready frame.
    #[must_use]
    pub fn frame(&self) -> Frame {
        Frame::text(&self.encode(), Some(&self.position()))
    }
}

/// A message on its way out: fields in the order of the wire, borrowed.
#[derive(Serialize)]
struct Outgoing<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a HostName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    hello: Option<&'a Hello>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<&'a Alert>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Sample>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    absent: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<GapReason>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    summary: Option<SummaryFields<'a>>,
}

/// What a summary has besides the bounds of its bucket.
#[derive(Serialize)]
struct SummaryFields<'a> {
    count: u64,
    mean: &'a Values,
    min: &'a Values,
    max: &'a Values,
}

impl<'a> From<&'a Summary> for SummaryFields<'a> {
    fn from(summary: &'a Summary) -> Self {
        Self {
            count: summary.count,
            mean: &summary.mean,
            min: &summary.min,
            max: &summary.max,
        }
    }
}

impl<'a> Outgoing<'a> {
    fn blank(kind: &'static str, host: Option<&'a HostName>) -> Self {
        Self {
            kind,
            host,
            seq: None,
            hello: None,
            alert: None,
            data: None,
            absent: Vec::new(),
            from: None,
            to: None,
            reason: None,
            summary: None,
        }
    }

    fn with(self, seq: Option<u64>, sample: &'a Sample) -> Self {
        Self {
            seq,
            data: Some(sample),
            absent: sample.absent().collect(),
            ..self
        }
    }

    /// A sample, or an alert.
    fn numbered(
        host: Option<&'a HostName>,
        seq: Option<u64>,
        alert: Option<&'a Alert>,
        sample: &'a Sample,
    ) -> Self {
        let kind = if alert.is_some() { "alert" } else { "metric" };
        Self {
            alert,
            ..Self::blank(kind, host).with(seq, sample)
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(1024);
        if serde_json::to_writer(&mut json, self).is_err() {
            debug_assert!(false, "keys are strings, and a Vec takes every byte");
        }
        json
    }
}

impl<'a> From<&'a Numbered> for Outgoing<'a> {
    fn from(message: &'a Numbered) -> Self {
        let alert = message.alert.as_deref();
        Self::numbered(
            Some(&message.host),
            Some(message.seq),
            alert,
            &message.sample,
        )
    }
}

impl<'a> From<&'a Message> for Outgoing<'a> {
    fn from(message: &'a Message) -> Self {
        let host = message.host.as_ref();
        let blank = |kind| Self::blank(kind, host);
        match &message.body {
            Body::Hello(hello) => Self {
                hello: Some(hello),
                ..blank("hello")
            },
            Body::Numbered(Unplaced { seq, alert, sample }) => {
                Self::numbered(host, *seq, alert.as_deref(), sample)
            }
            Body::Heartbeat { seq, sample } => blank("heartbeat").with(*seq, sample),
            Body::Summary(summary) => Self {
                from: Some(summary.from),
                to: Some(summary.to),
                summary: Some((&**summary).into()),
                ..blank("summary")
            },
            Body::Gap(gap) => Self {
                from: gap.from,
                to: gap.to,
                reason: Some(gap.reason),
                ..blank("gap")
            },
            Body::End => blank("end"),
            Body::Unknown => blank("unknown"),
        }
    }
}
