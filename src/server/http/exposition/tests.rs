use super::*;
use proptest::prelude::*;

fn exposed(values: &[(&str, f64)]) -> Vec<String> {
    let values = values
        .iter()
        .map(|&(name, value)| (name.into(), value))
        .collect();
    let sample = Sample {
        timestamp: 1500,
        values,
        ..Sample::default()
    };
    let samples = [("web-1".parse().unwrap(), sample)];
    let mut text = String::new();
    for entry in catalogue() {
        write_metric(entry, &samples, &mut text);
    }
    write_others(&samples, &mut text);
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn values_are_in_base_units_with_labels() {
    let lines = exposed(&[
        ("cpu", 50.0),
        ("cpu:0", 25.0),
        ("disk:/a\"b", 1.0),
        ("memoryUsed", 7.0),
        ("diskAwait", 12.3),
    ]);
    assert_eq!(
        lines,
        [
            "host_cpu_usage_ratio{host=\"web-1\"} 0.5",
            "host_cpu_core_usage_ratio{host=\"web-1\",core=\"0\"} 0.25",
            "host_memory_used_bytes{host=\"web-1\"} 7",
            "host_filesystem_usage_ratio{host=\"web-1\",mount=\"/a\\\"b\"} 0.01",
            "host_disk_await_seconds{host=\"web-1\"} 0.0123",
        ]
    );
}

#[test]
fn a_label_has_no_character_that_deceives() {
    let lines = exposed(&[
        ("disk:/a\u{1b}[31m\u{202e}b\\\n", 1.0),
        ("late\u{7f}\u{200b}", 2.0),
    ]);
    assert_eq!(
        lines,
        [
            r#"host_filesystem_usage_ratio{host="web-1",mount="/a\\u{1b}[31m\\u{202e}b\\\n"} 0.01"#,
            r#"host_other{host="web-1",name="late\\u{7f}\\u{200b}"} 2"#,
        ]
    );
}

#[test]
fn a_series_is_exposed_once() {
    // Names that somebody might give a mount to make the scrape fail.
    let lines = exposed(&[("disk:/a\u{1b}", 1.0), ("disk:/a\\u{1b}", 2.0)]);
    assert_eq!(
        lines,
        [r#"host_filesystem_usage_ratio{host="web-1",mount="/a\\u{1b}"} 0.01"#]
    );
}

#[test]
fn containers_have_a_label_each() {
    let container = |name: &str, cpu, memory| Container {
        name: name.into(),
        cpu,
        memory,
    };
    let sample = Sample {
        containers: Some(vec![
            container("shop/cart-1/\"app\"", Some(12.5), Some(3.0)),
            container("nginx.service", None, Some(0.5)),
        ]),
        ..Sample::default()
    };
    let mut text = String::new();
    write_containers(&[("web-1".parse().unwrap(), sample)], &mut text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        [
            r#"host_container_cpu_ratio{host="web-1",container="shop/cart-1/\"app\""} 0.125"#,
            r#"host_container_memory_ratio{host="web-1",container="shop/cart-1/\"app\""} 0.03"#,
            r#"host_container_memory_ratio{host="web-1",container="nginx.service"} 0.005"#,
        ]
    );
    write_containers(&[], &mut String::new());
}

/// The significant digits of a decimal number.
fn digits(number: &str) -> usize {
    let (digits, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let _: i32 = exponent.parse().unwrap();
    let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

#[test]
fn ratios_are_short() {
    for (percent, shown) in [
        (97.92, "0.9792"),
        (31.2, "0.312"),
        (0.07, "0.0007"),
        (0.000_28, "0.0000028"),
        (100.0, "1"),
        (0.0, "0"),
        (14.0, "0.14"),
    ] {
        assert_eq!(
            exposed(&[("cpu", percent)]),
            [format!("host_cpu_usage_ratio{{host=\"web-1\"}} {shown}")]
        );
    }
}

proptest! {
    #[test]
    fn a_ratio_has_no_more_digits_than_its_percentage(hundredths in 0_u32..=10_000, any in 1e-9..1e4_f64) {
        for percent in [f64::from(hundredths) / 100.0, any] {
            let line = &exposed(&[("cpu", percent)])[0];
            let shown = line.rsplit(' ').next().unwrap();
            let ratio: f64 = shown.parse().unwrap();
            prop_assert!((ratio - percent / 100.0).abs() <= f64::EPSILON * ratio);
            prop_assert!(digits(shown) <= digits(&percent.to_string()), "{percent}: {shown}");
        }
    }
}

#[test]
fn every_instance_has_a_help_of_its_own() {
    for entry in catalogue() {
        if let Some(each) = entry.instances {
            let Exposed { name, help } = each.exposed;
            assert_ne!(Some(help), entry.exposed.map(|all| all.help), "{name}");
            assert!(
                !help.contains("all") && !help.contains("fullest"),
                "{name}: {help}"
            );
        }
    }
}

#[test]
fn other_names_are_labels() {
    let lines = exposed(&[("queue:mail", 3.0), ("cpuX", 1.0), ("load1:x", 2.0)]);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], "host_other{host=\"web-1\",name=\"queue:mail\"} 3");
}

#[test]
fn every_metric_of_the_catalogue_has_a_family() {
    for name in crate::protocol::well_known() {
        let values = [(name.to_owned(), 1.0), (format!("{name}:x"), 1.0)];
        let values: Vec<_> = values
            .iter()
            .map(|(name, value)| (&**name, *value))
            .collect();
        let lines = exposed(&values);
        assert!(!lines[0].starts_with("host_other"), "{name}: {lines:?}");
    }
}
