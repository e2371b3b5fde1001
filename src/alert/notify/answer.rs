//! What a server answers.

use std::fmt;
use std::time::{Duration, SystemTime};

use hyper::body::Incoming;
use hyper::header::RETRY_AFTER;
use hyper::{Response, StatusCode};

use crate::protocol::shown;

/// A server's response.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The server's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// The first line of its body, if it reveals nothing.
    pub(super) said: Option<String>,
}

/// `200 OK: ok`
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        match &self.said {
            Some(said) => write!(f, ": {}", shown(said)),
            None => Ok(()),
        }
    }
}

/// The `Retry-After` of a response: seconds, possibly with a fraction, or a date.
pub(super) fn retry_after(response: &Response<Incoming>, now: SystemTime) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    wait_asked_for(text.trim(), now)
}

fn wait_asked_for(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_ask_for_a_wait() {
        let now = httpdate::parse_http_date("Tue, 24 Nov 2026 14:07:31 GMT").unwrap();
        for (text, expected) in [
            ("7", Some(7000)),
            ("0.25", Some(250)),
            ("0", Some(0)),
            ("Tue, 24 Nov 2026 14:07:41 GMT", Some(10_000)),
            ("Tue, 24 Nov 2026 14:07:01 GMT", Some(0)),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("1e300", None),
            ("soon", None),
            ("", None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(wait_asked_for(text, now), expected, "{text}");
        }
    }

    #[test]
    fn an_answer_is_one_harmless_line() {
        let answer = |said: Option<&str>| Answer {
            status: StatusCode::BAD_REQUEST,
            retry_after: None,
            said: said.map(str::to_owned),
        };
        assert_eq!(answer(None).to_string(), "400 Bad Request");
        assert_eq!(
            answer(Some("no_text\u{1b}[2J")).to_string(),
            r"400 Bad Request: no_text\u{1b}[2J"
        );
    }
}
