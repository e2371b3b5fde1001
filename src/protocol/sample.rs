//! A sample: one reading of a host.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::CONTRACT;
use super::number::Number;

/// The last millisecond that a recording can write: 9999-12-31T23:59:59.999Z.
pub const LAST_TIMESTAMP: u64 = 253_402_300_799_999;

/// A time in milliseconds since the epoch as RFC 3339 writes it, in UTC; a later one than [`LAST_TIMESTAMP`] as that.
#[must_use]
pub fn rfc3339(timestamp: u64) -> impl fmt::Display {
    let since = Duration::from_millis(timestamp.min(LAST_TIMESTAMP));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since)
}

/// The key of [`Sample::containers`].
pub const CONTAINERS: &str = "containers";

/// One reading of a host. In a message it is `data`: a flat object of numbers, `containers` and `top`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// When the reading was taken, in milliseconds since 1970-01-01T00:00:00Z; at most the end of the year 9999.
    pub timestamp: u64,
    /// The values that could be read, in the order of [`super::Hello::metrics`], then later names. All are finite.
    pub values: Vec<(Arc<str>, f64)>,
    /// The top processes by CPU and by memory, and those that wait for a disk; `None` if there is no new list, which a
    /// source makes at most once a second.
    pub top: Option<Vec<Process>>,
    /// The top containers and services by CPU and by memory, likewise.
    pub containers: Option<Vec<Container>>,
}

/// One process of [`Sample::top`]. Its arguments are never read: they may contain secrets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Process {
    /// The process number.
    pub pid: u32,
    /// The name of its executable, as the system truncates it (to 15 bytes on Linux).
    pub name: String,
    /// Its share of the whole machine, 0 to 100; with that of its children that have ended.
    pub cpu: f64,
    /// Its resident share of the same memory as the metric `memory`, 0 to 100.
    pub memory: f64,
    /// Its resident memory in bytes, where it was read.
    pub rss: Option<u64>,
    /// What it does: the letter that `ps` shows, such as `R` (running) or `D` (waiting for I/O), where it was read.
    pub state: Option<String>,
    /// The number of its threads, where it was read.
    pub threads: Option<u64>,
}

/// One of [`Sample::containers`]: a container, or a service of the system.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Container {
    /// Its name, as people know it.
    pub name: String,
    /// Its share of the whole machine, 0 to 100, if known.
    pub cpu: Option<f64>,
    /// Its share of the same memory as the metric `memory`, 0 to 100, if known.
    pub memory: Option<f64>,
}

impl Sample {
    /// The value of `name`, if it could be read.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values
            .iter()
            .find(|(key, _)| &**key == name)
            .map(|&(_, value)| value)
    }

    /// Those of [`CONTRACT`] that this sample lacks.
    pub(super) fn absent(&self) -> impl Iterator<Item = &'static str> + '_ {
        CONTRACT.into_iter().filter(|name| self.get(name).is_none())
    }

    /// Removes the values that a server sent as 0 because it had none.
    pub(super) fn remove_absent(&mut self, absent: &[impl AsRef<str>]) {
        if !absent.is_empty() {
            self.values
                .retain(|(key, _)| !absent.iter().any(|name| name.as_ref() == &**key));
        }
    }
}

/// Writes every value, 0 for the absent ones of [`CONTRACT`], and the arrays.
impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        for (name, value) in &self.values {
            map.serialize_entry(&**name, &Number(*value))?;
        }
        for name in self.absent() {
            map.serialize_entry(name, &0)?;
        }
        if let Some(containers) = &self.containers {
            map.serialize_entry(CONTAINERS, containers)?;
        }
        if let Some(top) = &self.top {
            map.serialize_entry("top", top)?;
        }
        map.end()
    }
}

/// Reads numbers and the arrays; anything else that a later version may send is skipped.
impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SampleVisitor)
    }
}

struct SampleVisitor;

impl<'de> Visitor<'de> for SampleVisitor {
    type Value = Sample;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a timestamp in milliseconds and numbers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sample, A::Error> {
        let mut timestamp = None;
        let mut sample = Sample {
            values: Vec::with_capacity(48),
            ..Sample::default()
        };
        while let Some(Key(key)) = map.next_key::<Key>()? {
            match &*key {
                "timestamp" => timestamp = Some(map.next_value::<Timestamp>()?.0),
                "top" => sample.top = Some(map.next_value()?),
                CONTAINERS => sample.containers = Some(map.next_value()?),
                _ => {
                    if let Some(value) = map.next_value::<MaybeNumber>()?.0 {
                        sample.values.push((key, value));
                    }
                }
            }
        }
        sample.timestamp = timestamp.ok_or_else(|| serde::de::Error::missing_field("timestamp"))?;
        Ok(sample)
    }
}

/// A key, allocated only once.
pub(super) struct Key(pub(super) Arc<str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(Key(name.into()))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct Timestamp(u64);

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ms = f64::deserialize(deserializer)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked against the range"
        )]
        #[expect(clippy::cast_precision_loss, reason = "the bound is below 2^53")]
        if (0.0..=LAST_TIMESTAMP as f64).contains(&ms) {
            Ok(Self(ms as u64))
        } else {
            Err(serde::de::Error::custom(format_args!(
                "timestamp {ms} is not in milliseconds since 1970"
            )))
        }
    }
}

/// A number, or something else, which is skipped.
pub(super) struct MaybeNumber(pub(super) Option<f64>);

impl<'de> Deserialize<'de> for MaybeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        #[expect(clippy::cast_precision_loss, reason = "JSON numbers are doubles")]
        impl<'de> Visitor<'de> for NumberVisitor {
            type Value = MaybeNumber;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_f64<E>(self, value: f64) -> Result<MaybeNumber, E> {
                Ok(MaybeNumber(Some(value).filter(|v| v.is_finite())))
            }
            fn visit_i64<E>(self, value: i64) -> Result<MaybeNumber, E> {
                Ok(MaybeNumber(Some(value as f64)))
            }
            fn visit_u64<E>(self, value: u64) -> Result<MaybeNumber, E> {
                Ok(MaybeNumber(Some(value as f64)))
            }
            fn visit_bool<E>(self, _: bool) -> Result<MaybeNumber, E> {
                Ok(MaybeNumber(None))
            }
            fn visit_str<E>(self, _: &str) -> Result<MaybeNumber, E> {
                Ok(MaybeNumber(None))
            }
            fn visit_unit<E>(self) -> Result<MaybeNumber, E> {
                Ok(MaybeNumber(None))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<MaybeNumber, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(MaybeNumber(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MaybeNumber, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(MaybeNumber(None))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pid", &self.pid)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("cpu", &Number(self.cpu))?;
        map.serialize_entry("memory", &Number(self.memory))?;
        if let Some(rss) = &self.rss {
            map.serialize_entry("rss", rss)?;
        }
        if let Some(state) = &self.state {
            map.serialize_entry("state", state)?;
        }
        if let Some(threads) = &self.threads {
            map.serialize_entry("threads", threads)?;
        }
        map.end()
    }
}

impl Serialize for Container {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        for (key, share) in [("cpu", self.cpu), ("memory", self.memory)] {
            if let Some(share) = share {
                map.serialize_entry(key, &Number(share))?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Wire {
            pid: u32,
            name: String,
            cpu: f64,
            memory: f64,
            rss: Option<u64>,
            state: Option<String>,
            threads: Option<u64>,
        }
        let wire = Wire::deserialize(deserializer)?;
        Ok(Self {
            pid: wire.pid,
            name: wire.name,
            cpu: wire.cpu,
            memory: wire.memory,
            rss: wire.rss,
            state: wire.state,
            threads: wire.threads,
        })
    }
}
