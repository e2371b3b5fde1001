use std::time::Duration;

use super::full;
use crate::protocol::{catalogue, entry, parts};
use crate::source::host::derive::derive;
use crate::source::host::reading::{
    CpuLimit, Gpu, GpuValues, Memory, Occupancy, Reading, Space, Swap,
};

/// A reading in which everything is present.
fn filled(count: u64) -> Reading {
    let mut reading = Reading::begin();
    full(count)(&mut reading);
    reading.memory = Some(Memory {
        total: 1000,
        available: 250,
    });
    reading.cpu_limits = vec![CpuLimit {
        name: "/".into(),
        cores: 0.5,
        used: Some(1),
        periods: Some(2),
        throttled: Some(3),
    }];
    reading.swap = Some(Swap {
        total: 300,
        used: 100,
    });
    reading.load = Some([1.0, 2.0, 3.0]);
    let space = Space {
        used: 1,
        available: 1,
        size: 2,
        inodes: Some(Occupancy { used: 1, limit: 2 }),
    };
    reading.spaces = vec![("/".into(), Some(space))];
    reading.temperatures = vec![("Tctl".into(), Some(40.0))];
    let card = GpuValues {
        busy: Some(1.0),
        memory: Some(Occupancy { used: 1, limit: 2 }),
        power: Some(2.0),
        temperature: Some(3.0),
        clock: Some(4.0),
        throttled: Some(5.0),
    };
    reading.gpus = vec![Gpu {
        name: "0".into(),
        is_asleep: false,
        now: card,
        last: card,
    }];
    reading.dirty = Some(1);
    (reading.process_count, reading.uptime, reading.users) = (Some(1), Some(2), Some(3));
    reading.agent.memory = Some(4096);
    reading
}

/// [`filled`], checked: the pattern names every field, so that a new one cannot be forgotten.
fn everything(count: u64) -> Reading {
    let reading = filled(count);
    let Reading {
        at: _,
        timestamp: _,
        cpu: Some(_),
        cores,
        scheduler: _,
        cpu_limits,
        memory: Some(_),
        physical: _,
        dirty: Some(_),
        swap: Some(_),
        load: Some(_),
        spaces,
        disks,
        interfaces,
        tcp: Some(_),
        listen_drops: Some(_),
        descriptors: Some(_),
        conntrack: Some(_),
        paging: _,
        temperatures,
        gpus,
        pressure: _,
        process_count: Some(_),
        uptime: Some(_),
        users: Some(_),
        agent: _,
    } = &reading
    else {
        panic!("{reading:?}");
    };
    let found = [
        cores.len(),
        cpu_limits.len(),
        spaces.len(),
        disks.len(),
        interfaces.len(),
        temperatures.len(),
        gpus.len(),
    ];
    assert!(!found.contains(&0), "{found:?}");
    reading
}

#[test]
fn the_catalogue_has_every_derived_name_and_every_row_is_derived() {
    let prev = everything(1000);
    let mut next = everything(2000);
    next.at = prev.at + Duration::from_secs(2);
    let mut names = derive(&prev, &next).names();
    // From the list of processes.
    names.push("exitedCpu".into());
    for name in &names {
        let (family, instance) = parts(name);
        let entry = entry(family).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        let has_instances = entry.instances.is_some();
        assert!(
            instance.is_none() || has_instances,
            "the catalogue has no instances of {name}"
        );
    }
    for entry in catalogue() {
        let is_derived = names.iter().any(|name| name == entry.name);
        let has_total = entry.exposed.is_some();
        assert_eq!(is_derived, has_total, "{} for the machine", entry.name);
        let of = |name: &String| name.split_once(':').is_some_and(|(of, _)| of == entry.name);
        assert_eq!(
            names.iter().any(of),
            entry.instances.is_some(),
            "{}",
            entry.name
        );
    }
}
