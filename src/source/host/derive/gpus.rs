//! Graphics cards: each of them, and all together.

use std::ops::RangeInclusive;

use super::devices::{FINE, PERCENT, WHOLE, Write};
use super::{PLAUSIBLE_CELSIUS, percent};
use crate::source::host::columns::{DerivedValues, ValueName};
use crate::source::host::reading::{Gpu, GpuValues};

/// The plausible range of the power of a card, in W. Drivers report all ones for what they don't know.
const PLAUSIBLE_WATTS: RangeInclusive<f64> = 0.0..=10_000.0;

/// The plausible range of its clock, in MHz.
const PLAUSIBLE_MEGAHERTZ: RangeInclusive<f64> = 0.0..=20_000.0;

/// The plausible range of a share that was not computed here, in percent.
const PLAUSIBLE_PERCENT: RangeInclusive<f64> = 0.0..=100.0;

/// A value of one card.
type Part = fn(&GpuValues) -> Option<f64>;

/// What stands for all cards together.
#[derive(Clone, Copy)]
enum Total {
    /// A mean would hide one busy or hot card among many.
    Largest,
    Sum,
}

pub(super) fn gpus(gpus: &[Gpu], values: &mut DerivedValues) {
    use Total::{Largest, Sum};
    let families: [(&str, Part, Total, Write); 7] = [
        (
            "gpu",
            |it| within(it.busy, PLAUSIBLE_PERCENT),
            Largest,
            PERCENT,
        ),
        ("gpuMemory", memory, Largest, PERCENT),
        ("gpuMemoryUsed", memory_used, Sum, WHOLE),
        (
            "gpuPower",
            |it| within(it.power, PLAUSIBLE_WATTS),
            Sum,
            FINE,
        ),
        (
            "gpuTemperature",
            |it| within(it.temperature, PLAUSIBLE_CELSIUS),
            Largest,
            FINE,
        ),
        (
            "gpuClock",
            |it| within(it.clock, PLAUSIBLE_MEGAHERTZ),
            Largest,
            WHOLE,
        ),
        ("gpuThrottled", |it| it.throttled, Largest, PERCENT),
    ];
    for (name, part, total, write) in families {
        // A card that has never had it lacks it.
        let cards: Vec<&Gpu> = gpus
            .iter()
            .filter(|gpu| part(&gpu.last).is_some())
            .collect();
        if !cards.is_empty() {
            write(values, name.into(), total.of(&cards, part));
        }
        for card in cards {
            let name = ValueName::device(name, card.name.clone());
            write(values, name, part(&card.now));
        }
    }
}

impl Total {
    fn of(self, cards: &[&Gpu], part: Part) -> Option<f64> {
        match self {
            Self::Largest => cards
                .iter()
                .filter_map(|card| part(&card.now))
                .reduce(f64::max),
            // One that is awake and cannot be read makes the sum unknown, rather than too low.
            Self::Sum => {
                let mut awake = cards.iter().filter(|card| !card.is_asleep).peekable();
                awake.peek()?;
                awake.map(|card| part(&card.now)).sum()
            }
        }
    }
}

fn within(value: Option<f64>, plausible: RangeInclusive<f64>) -> Option<f64> {
    value.filter(|value| plausible.contains(value))
}

fn memory(values: &GpuValues) -> Option<f64> {
    let memory = values.memory?;
    percent(memory.used, memory.limit).filter(|share| PLAUSIBLE_PERCENT.contains(share))
}

fn memory_used(values: &GpuValues) -> Option<f64> {
    memory(values)
        .and(values.memory)
        .map(|memory| memory.used as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::host::derive::derive;
    use crate::source::host::reading::{Occupancy, Reading};

    fn values(busy: f64, used: u64, power: f64) -> GpuValues {
        GpuValues {
            busy: Some(busy),
            memory: Some(Occupancy { used, limit: 400 }),
            power: Some(power),
            temperature: Some(power / 10.0),
            clock: Some(1000.4),
            throttled: Some(25.0),
        }
    }

    fn card(name: &str, now: GpuValues) -> Gpu {
        Gpu {
            name: name.into(),
            is_asleep: false,
            now,
            last: now,
        }
    }

    fn derived(gpus: Vec<Gpu>) -> DerivedValues {
        let mut reading = Reading::begin();
        reading.gpus = gpus;
        derive(&reading, &reading)
    }

    #[track_caller]
    fn check(values: &DerivedValues, expected: &[(&str, Option<f64>)]) {
        for &(name, value) in expected {
            assert_eq!(values.get(name), value, "{name}");
            assert!(values.has(name), "{name}");
        }
    }

    #[test]
    fn the_whole_is_the_busiest_the_hottest_or_the_sum() {
        let cards = vec![
            card("0", values(90.0, 100, 300.0)),
            card("1", values(10.0, 300, 700.5)),
        ];
        let expected = [
            ("gpu", Some(90.0)),
            ("gpu:0", Some(90.0)),
            ("gpu:1", Some(10.0)),
            ("gpuMemory", Some(75.0)),
            ("gpuMemory:0", Some(25.0)),
            ("gpuMemoryUsed", Some(400.0)),
            ("gpuMemoryUsed:1", Some(300.0)),
            ("gpuPower", Some(1000.5)),
            ("gpuTemperature", Some(70.05)),
            ("gpuTemperature:0", Some(30.0)),
            ("gpuClock", Some(1000.0)),
            ("gpuThrottled", Some(25.0)),
        ];
        check(&derived(cards), &expected);
    }

    #[test]
    fn a_sleeping_card_is_not_missed_and_a_lost_one_is() {
        let awake = card("0", values(5.0, 100, 50.0));
        let gone = |is_asleep| Gpu {
            is_asleep,
            now: GpuValues::default(),
            ..card("1", values(1.0, 300, 10.0))
        };
        let asleep = derived(vec![awake.clone(), gone(true)]);
        let expected = [
            ("gpu", Some(5.0)),
            ("gpu:1", None),
            ("gpuPower", Some(50.0)),
        ];
        check(&asleep, &expected);
        let lost = derived(vec![awake, gone(false)]);
        let expected = [
            ("gpu", Some(5.0)),
            ("gpuPower:0", Some(50.0)),
            ("gpuPower", None),
        ];
        check(&lost, &expected);
        check(
            &derived(vec![gone(true)]),
            &[("gpu", None), ("gpuPower", None)],
        );
    }

    #[test]
    fn what_a_card_never_had_is_not_expected_of_it() {
        let divided = GpuValues {
            busy: None,
            throttled: None,
            ..values(0.0, 100, 50.0)
        };
        let values = derived(vec![card("0", divided)]);
        assert!(!values.has("gpu") && !values.has("gpu:0") && !values.has("gpuThrottled"));
        check(&values, &[("gpuPower:0", Some(50.0))]);
        assert!(
            !derived(Vec::new())
                .names()
                .iter()
                .any(|name| name.starts_with("gpu"))
        );
    }

    #[test]
    fn implausible_values_are_absent() {
        let mut wrong = values(65_535.0, 500, 4_294_967.295);
        (wrong.temperature, wrong.clock) = (Some(511.0), Some(4_294_967_295.0));
        let card = Gpu {
            now: wrong,
            ..card("0", values(1.0, 1, 1.0))
        };
        let values = derived(vec![card]);
        for name in [
            "gpu",
            "gpuMemory",
            "gpuMemoryUsed",
            "gpuPower",
            "gpuTemperature",
            "gpuClock",
        ] {
            check(&values, &[(name, None)]);
        }
    }
}
