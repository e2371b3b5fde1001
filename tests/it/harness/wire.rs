//! The wire once more, written from its description, and strict: an unknown field is an error.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The four values that every `data` carries, besides its timestamp.
pub(crate) const CONTRACT: [&str; 4] = ["cpu", "memory", "activeUsers", "requestsPerSecond"];

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Wire {
    Hello {
        host: String,
        protocol: u32,
        server: String,
        stream: String,
        oldest: u64,
        newest: u64,
        held: Option<u64>,
        interval: u64,
        heartbeat: u64,
        system: Option<System>,
        replay: Option<Replay>,
        metrics: Vec<Metric>,
        #[serde(default)]
        containers: bool,
        alerts: Vec<Alert>,
        unavailable: Vec<String>,
    },
    Metric {
        host: String,
        seq: u64,
        data: Data,
        #[serde(default)]
        absent: Vec<String>,
    },
    Alert {
        host: String,
        seq: u64,
        alert: Alert,
        data: Data,
        #[serde(default)]
        absent: Vec<String>,
    },
    Heartbeat {
        host: String,
        seq: u64,
        data: Data,
        #[serde(default)]
        absent: Vec<String>,
    },
    Summary {
        host: String,
        from: u64,
        to: u64,
        count: u64,
        mean: BTreeMap<String, f64>,
        min: BTreeMap<String, f64>,
        max: BTreeMap<String, f64>,
    },
    Gap {
        host: String,
        from: Option<u64>,
        to: Option<u64>,
        reason: Reason,
    },
    End {
        host: String,
    },
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct System {
    pub(crate) os: String,
    pub(crate) kernel: String,
    pub(crate) cores: u32,
    pub(crate) memory: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replay {
    pub(crate) speed: Option<f64>,
    #[serde(rename = "loop")]
    pub(crate) again: bool,
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<u64>,
    pub(crate) wait: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) label: String,
    pub(crate) section: String,
    pub(crate) warn: Option<f64>,
    pub(crate) critical: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alert {
    pub(crate) name: String,
    pub(crate) rule: String,
    pub(crate) state: AlertState,
    pub(crate) metric: String,
    pub(crate) value: Option<f64>,
    pub(crate) threshold: Option<f64>,
    pub(crate) since: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AlertState {
    Firing,
    Resolved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reason {
    Expired,
    Restarted,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
    pub(crate) rss: Option<u64>,
    pub(crate) state: Option<String>,
    pub(crate) threads: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) cpu: Option<f64>,
    pub(crate) memory: Option<f64>,
}

/// `data`: flat, numbers only, no key twice, and two lists.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Data {
    pub(crate) timestamp: u64,
    pub(crate) values: BTreeMap<String, f64>,
    /// The keys as received.
    pub(crate) order: Vec<String>,
    pub(crate) top: Option<Vec<Process>>,
    pub(crate) containers: Option<Vec<Container>>,
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DataVisitor;
        impl<'de> Visitor<'de> for DataVisitor {
            type Value = Data;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
                let mut data = Data::default();
                let mut timestamp = None;
                while let Some(key) = map.next_key::<String>()? {
                    match &*key {
                        "timestamp" => timestamp = Some(map.next_value()?),
                        "top" => data.top = Some(map.next_value()?),
                        "containers" => data.containers = Some(map.next_value()?),
                        _ => {
                            let value: f64 = map.next_value()?;
                            if data.values.insert(key.clone(), value).is_some() {
                                return Err(A::Error::custom(format!("'{key}' twice")));
                            }
                            data.order.push(key);
                        }
                    }
                }
                data.timestamp = timestamp.ok_or_else(|| A::Error::missing_field("timestamp"))?;
                for name in CONTRACT {
                    if !data.values.contains_key(name) {
                        return Err(A::Error::custom(format!("no '{name}'")));
                    }
                }
                Ok(data)
            }
        }
        deserializer.deserialize_map(DataVisitor)
    }
}

impl Wire {
    /// Reads a message; anything that the description doesn't allow is an error.
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        let message: Self =
            serde_json::from_str(json).map_err(|error| format!("{error} in {json}"))?;
        if let Self::Metric { data, absent, .. }
        | Self::Alert { data, absent, .. }
        | Self::Heartbeat { data, absent, .. } = &message
        {
            for name in absent {
                if !CONTRACT.contains(&&**name) || data.values[name] != 0.0 {
                    return Err(format!("'{name}' is no absent value in {json}"));
                }
            }
        }
        Ok(message)
    }

    /// The number of a numbered message.
    pub(crate) fn seq(&self) -> Option<u64> {
        match self {
            Self::Metric { seq, .. } | Self::Alert { seq, .. } => Some(*seq),
            _ => None,
        }
    }
}
