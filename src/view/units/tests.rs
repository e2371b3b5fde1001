use super::*;

#[test]
fn values_carry_their_unit() {
    for (number, unit, expected) in [
        (23.4, "%", "23.4 %"),
        (100.0, "%", "100.0 %"),
        (54.04, "°C", "54.0 °C"),
        (17_179_869_184.0, "B", "16.0 GiB"),
        (1023.0, "B", "1023 B"),
        (1023.9, "B", "1.0 KiB"),
        (1_203_441.0, "B/s", "1.2 MB/s"),
        (310_022.0, "B/s", "310 kB/s"),
        (999_949.0, "B/s", "1.0 MB/s"),
        (99_960.0, "B/s", "100 kB/s"),
        (0.0, "B/s", "0 B/s"),
        (0.5, "B/s", "0.5 B/s"),
        (1.92, "", "1.92"),
        (312.0, "", "312"),
        (1234.0, "", "1234"),
        (1_234_567.0, "", "1.2 M"),
        (2.0, "users", "2"),
        (120.5, "1/s", "120.5 /s"),
        (120.0, "1/s", "120 /s"),
        (250_000.0, "1/s", "250 k/s"),
        (3_553_920.0, "s", "41 d 03:12"),
        (11_565.0, "s", "03:12:45"),
        (-5.25, "", "-5.25"),
        (5.25, "%", "5.3 %"),
        (5.35, "%", "5.3 %"),
        (-5.25, "°C", "-5.3 °C"),
        (0.125, "", "0.13"),
        (100.5, "B/s", "101 B/s"),
        (1e300, "%", "1e300"),
    ] {
        let expected = if number == 1e300 { "1e300 %" } else { expected };
        assert_eq!(value(number, unit), expected);
    }
}

#[test]
fn a_small_value_is_not_shown_as_zero() {
    for (number, unit, shown) in [
        (0.004, "1/s", "0.004 /s"),
        (0.04, "%", "0.04 %"),
        (0.0042, "%", "0.004 %"),
        (0.04, "B/s", "0.04 B/s"),
        (0.000_28, "1/s", "0.0003 /s"),
        (0.000_028, "", "3e-5"),
        (-0.004, "", "-0.004"),
        (0.004_9, "", "0.005"),
        (1e-12, "1/s", "~0 /s"),
        (0.0, "1/s", "0 /s"),
        (0.0, "%", "0.0 %"),
        // Degrees are neither a share nor a rate.
        (0.04, "°C", "0.0 °C"),
    ] {
        assert_eq!(value(number, unit), shown);
    }
    for (number, shown) in [(0.04, "0.04"), (0.0042, "0.004"), (0.000_28, "3e-4")] {
        assert_eq!(percent(number), shown);
    }
    for exponent in -30..=3 {
        for digits in [1.0, 4.999, 5.001, 9.9996] {
            let number = digits * 10_f64.powi(exponent);
            let beside = |unit, other| SharedUnit::of(Some(number), [other], unit).number(number);
            for unit in ["%", "B", "B/s", "1/s", "", "users"] {
                for shown in [beside(unit, 0.0), beside(unit, 7e12), percent(number)] {
                    assert_ne!(shown.parse::<f64>(), Ok(0.0), "{number} {unit}: {shown}");
                    assert!(shown.chars().count() <= NUMBER_WIDTH, "{shown}");
                }
            }
        }
    }
    for (number, shown) in [
        (0.0, "0"),
        (0.2, "<1"),
        (0.6, "1"),
        (31.2, "31"),
        (100.0, "100"),
    ] {
        assert_eq!(whole_percent(number), shown);
    }
}

#[test]
fn values_side_by_side_share_unit_and_precision() {
    for (values, unit, shown, shared) in [
        (
            [455.0, 0.0, 2_900_000.0],
            "B/s",
            ["0.5", "0.0", "2900.0"],
            "kB/s",
        ),
        (
            [2_900_000.0, 455.0, 1_000_000.0],
            "B/s",
            ["2.9", "<0.1", "1.0"],
            "MB/s",
        ),
        (
            [12.0, 0.0, 2_900_000_000.0],
            "B/s",
            ["<0.1", "0.0", "2900.0"],
            "MB/s",
        ),
        (
            [812.0, 0.0, 2_900_000.0],
            "1/s",
            ["0.8", "0.0", "2900.0"],
            "k/s",
        ),
        (
            [20.2, 20.0, 21.0].map(|it| it * 1024.0 * 1024.0 * 1024.0),
            "B",
            ["20.2", "20.0", "21.0"],
            "GiB",
        ),
        ([3.0, 0.0, 4.5], "1/s", ["3.0", "0.0", "4.5"], "/s"),
        ([3.0, 0.0, 4.0], "1/s", ["3", "0", "4"], "/s"),
        ([0.5, 0.25, 1200.0], "", ["1", "<1", "1200"], ""),
        ([9.0, 0.004, 11.5], "", ["9.00", "<0.01", "11.50"], ""),
        ([-0.01, 4.0, 90.0], "%", ["~0", "4.0", "90.0"], "%"),
    ] {
        let row = SharedUnit::of(Some(values[0]), values, unit);
        assert_eq!(values.map(|value| row.number(value)), shown);
        assert_eq!(row.unit, shared);
    }
}

#[test]
fn columns_fit_whatever_a_peer_sends() {
    for exponent in -320..=308 {
        for digits in [1.0, 9.994_999, 9.9996, 1.2345] {
            for sign in [1.0, -1.0] {
                let number: f64 = sign * digits * 10_f64.powi(exponent);
                for unit in ["%", "°C", "B", "B/s", "1/s", "", "users"] {
                    for other in [0.0, 0.5, 1e12] {
                        let shared = SharedUnit::of(Some(number), [other], unit);
                        let shown = shared.number(number);
                        assert!(
                            shown.chars().count() <= NUMBER_WIDTH,
                            "{number} {unit}: {shown}"
                        );
                        let unit = &shared.unit;
                        assert!(unit.chars().count() <= UNIT_WIDTH, "{number}: {unit}");
                    }
                }
            }
        }
    }
}

#[test]
fn sizes_have_three_digits_and_counts_have_commas() {
    for (bytes, shown) in [
        (1.75 * 1024.0 * 1024.0 * 1024.0, "1.75 G"),
        (495.0 * 1024.0 * 1024.0, "495 M"),
        (64.2 * 1024.0, "64.2 K"),
        (0.0, "0 B"),
        (1023.0, "1.00 K"),
    ] {
        assert_eq!(short_size(bytes), shown);
    }
    for (number, shown) in [
        (0.0, "0"),
        (999.4, "999"),
        (41_200.0, "41,200"),
        (-1_234_567.0, "-1,234,567"),
    ] {
        assert_eq!(grouped(number), shown);
    }
    for value in [f64::MAX, -f64::MAX] {
        assert!(grouped(value).len() < 10 && short_size(value).len() < 12);
    }
}

#[test]
fn the_clock_is_utc() {
    assert_eq!(day(1_795_529_251_204), "24 Nov");
    assert_eq!(clock(1_795_529_251_204), "14:07:31");
    assert_eq!(timestamp(1_795_529_251_204), "2026-11-24T14:07:31.204Z");
    assert_eq!(timestamp(u64::MAX), "9999-12-31T23:59:59.999Z");
    assert_eq!(date(0), "1970-01-01");
}
