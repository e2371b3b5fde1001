//! One sample in one line, for `grep` and `awk`.

use std::collections::HashMap;

use crate::protocol::{HostName, Sample, push_number};

use super::sanitize::clean;
use super::units;

/// `timestamp host cpu=23.4 memory=61.2 …`, in the order of `columns`. An absent value keeps its place: `swap=`.
#[must_use]
pub fn plain_line(host: &HostName, sample: &Sample, columns: &[String]) -> String {
    let mut line = format!("{} {host}", units::timestamp(sample.timestamp));
    let values: HashMap<&str, f64> = sample
        .values
        .iter()
        .map(|(name, value)| (&**name, *value))
        .collect();
    for name in columns {
        push(&mut line, name, values.get(name.as_str()).copied());
    }
    line
}

fn push(line: &mut String, name: &str, value: Option<f64>) {
    // A mount point may contain a blank; a field may not.
    let name = clean(name).replace(char::is_whitespace, "_");
    let mut digits = Vec::new();
    if let Some(value) = value {
        push_number(&mut digits, value);
    }
    line.push_str(&format!(" {name}={}", String::from_utf8_lossy(&digits)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_columns() {
        let columns = ["cpu", "memory", "disk:/my disk", "late\n"].map(str::to_owned);
        let sample = Sample {
            timestamp: 1_795_529_251_204,
            values: vec![
                ("late\n".into(), 7.0),
                ("disk:/my disk".into(), 38.25),
                ("cpu".into(), 23.4),
            ],
            ..Sample::default()
        };
        assert_eq!(
            plain_line(&"web-1".parse().unwrap(), &sample, &columns),
            "2026-11-24T14:07:31.204Z web-1 cpu=23.4 memory= disk:/my_disk=38.25 late=7"
        );
    }
}
