//! The share of the interval in which tasks waited.

use super::*;

#[test]
fn pressure_is_the_share_of_the_time_between_its_own_readings() {
    let shares = [
        ("pressureCpu", Some(25.0)),
        ("pressureMemory", Some(50.0)),
        ("pressureIo", Some(75.0)),
        ("pressureMemoryFull", Some(50.0)),
        ("pressureIoFull", Some(75.0)),
    ];
    check(pressure(1_000_000), pressure(1_500_000), &shares);
    let late = |r: &mut Reading| {
        r.at += Duration::from_secs(2);
        pressure(2_000_000)(r);
        r.at -= Duration::from_secs(2);
    };
    check(pressure(1_000_000), late, &shares);
    // The two clocks are read one after the other.
    let (before, after) = (pressure(0), pressure(1_010_000));
    check(before, after, &[("pressureMemory", Some(100.0))]);
    check(pressure(9), pressure(8), &[("pressureMemory", None)]);
    let (prev, next) = pair(
        2.0,
        |_| {},
        |r| {
            pressure(1)(r);
            r.pressure.memory.as_mut().unwrap().all = None;
            r.pressure.io = None;
        },
    );
    let values = derive(&prev, &next);
    assert!(values.has("pressureCpu") && values.get("pressureCpu").is_none());
    assert!(values.has("pressureMemory") && !values.has("pressureMemoryFull"));
    assert!(!values.has("pressureIo") && !values.has("pressureIoFull"));
}
