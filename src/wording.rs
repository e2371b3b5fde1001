//! What every sentence needs: numbers with their nouns, lengths of time, and what the system says of an error.

use std::error::Error;
use std::fmt::Display;
use std::io;
use std::time::Duration;

/// A number with its noun: `1 row`, `2 rows`, `0 rows`. The plural of `noun` must be regular.
pub fn counted(number: impl Copy + Display + PartialEq + From<u8>, noun: &str) -> String {
    format!("{number} {noun}{}", one_or_more(number, "", "s"))
}

/// `one` where `number` is 1, otherwise `more`.
pub fn one_or_more<'a>(number: impl PartialEq + From<u8>, one: &'a str, more: &'a str) -> &'a str {
    if number == 1.into() { one } else { more }
}

/// A length of time in its two largest units, in whole seconds: `12 s`, `4 m 10 s`, `3 h 05 m`, `2 d 03 h`.
#[must_use]
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A length of time as short as it can be written, in milliseconds or tenths below a minute: `500 ms`, `2.5 s`, `60 s`,
/// `1 m 30 s`, `10 m`.
#[must_use]
pub fn exact_span(length: Duration) -> String {
    match (length.as_secs(), length.subsec_millis()) {
        (0, milliseconds) => format!("{milliseconds} ms"),
        (seconds @ 1..=120, 0) => format!("{seconds} s"),
        (1..60, _) => format!("{:.1} s", length.as_secs_f64()),
        _ => span(length).replace(" 00 s", "").replace(" 00 m", ""),
    }
}

/// What the system says of `error`, in plain words and without its number: `no such file or directory`.
#[must_use]
pub fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((plain, _)) => plain.to_lowercase(),
        None => text,
    }
}

/// `error` and everything that caused it in one line; the system's errors in plain words.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut chain = vec![];
    let mut next = Some(error);
    while let Some(error) = next {
        chain.push(match error.downcast_ref::<io::Error>() {
            Some(of_system) => cause(of_system),
            None => error.to_string(),
        });
        next = error.source();
    }
    chain.join(": ")
}

/// Why a host name could not be resolved, where that is what `error` says.
#[must_use]
pub fn lookup_cause(error: &io::Error) -> Option<String> {
    let text = cause(error);
    let why = text.strip_prefix("failed to lookup address information: ")?;
    Some(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_agrees_with_its_number() {
        for (number, expected) in [
            (0, "0 gaps"),
            (1, "1 gap"),
            (2, "2 gaps"),
            (101, "101 gaps"),
        ] {
            assert_eq!(counted(number, "gap"), expected);
        }
        assert_eq!(
            (counted(1_usize, "cell"), counted(1_u64, "row")),
            ("1 cell".into(), "1 row".into())
        );
        assert_eq!(
            (one_or_more(1, "is", "are"), one_or_more(0, "is", "are")),
            ("is", "are")
        );
    }

    #[test]
    fn lengths_of_time_keep_two_units() {
        for (milliseconds, rough, exact) in [
            (0, "0 s", "0 ms"),
            (340, "0 s", "340 ms"),
            (2000, "2 s", "2 s"),
            (2500, "2 s", "2.5 s"),
            (12_100, "12 s", "12.1 s"),
            (60_000, "1 m 00 s", "60 s"),
            (360_020, "6 m 00 s", "6 m"),
            (62_345, "1 m 02 s", "1 m 02 s"),
            (250_000, "4 m 10 s", "4 m 10 s"),
            (600_000, "10 m 00 s", "10 m"),
            (11_100_000, "3 h 05 m", "3 h 05 m"),
            (183_600_000, "2 d 03 h", "2 d 03 h"),
        ] {
            let length = Duration::from_millis(milliseconds);
            assert_eq!(
                (span(length), exact_span(length)),
                (rough.into(), exact.into())
            );
        }
    }

    #[test]
    fn a_cause_has_no_number() {
        assert_eq!(
            cause(&io::Error::from_raw_os_error(2)),
            "no such file or directory"
        );
        assert_eq!(cause(&io::Error::other("TLS: No peer")), "TLS: No peer");
        let unknown =
            io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(
            lookup_cause(&unknown).as_deref(),
            Some("Name or service not known")
        );
        assert_eq!(lookup_cause(&io::Error::from_raw_os_error(2)), None);
    }
}
