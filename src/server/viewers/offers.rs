//! Which compression a viewer offers, and which of its offers is taken: permessage-deflate (RFC 7692), as far as one
//! compressed message can serve all viewers.

use std::fmt;

/// The name of the extension.
const EXTENSION: &str = "permessage-deflate";

/// The only window that messages are deflated for; it is also the largest.
const WINDOW_BITS: &str = "15";

/// What was agreed. Its text is the response's `Sec-WebSocket-Extensions`.
///
/// It never has more than what was offered, except `client_no_context_takeover`: nothing that a viewer sends is
/// inflated here, so it needn't keep anything for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Agreement {
    /// Each message is deflated alone: the viewer keeps no window.
    pub(super) alone: bool,
    /// The viewer wants to be told how large the window is.
    names_window: bool,
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EXTENSION}; client_no_context_takeover")?;
        if self.alone {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.names_window {
            write!(f, "; server_max_window_bits={WINDOW_BITS}")?;
        }
        Ok(())
    }
}

/// The first acceptable offer among the values of `Sec-WebSocket-Extensions`, in the viewer's order.
pub(super) fn agree<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Agreement> {
    let offers = values.into_iter().flat_map(|value| split(value, ','));
    offers.into_iter().find_map(take)
}

/// What an offer leads to, if it is acceptable. One that RFC 7692, section 7.1 doesn't allow is not.
fn take(offer: &str) -> Option<Agreement> {
    let mut parts = split(offer, ';').into_iter();
    if parts.next() != Some(EXTENSION) {
        return None;
    }
    let (mut agreement, mut seen) = (Agreement::default(), Vec::new());
    for part in parts {
        let (name, value) = parameter(part)?;
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        match (name, value.as_deref()) {
            ("client_no_context_takeover" | "client_max_window_bits", None) => {}
            ("client_max_window_bits", Some(bits)) if is_window(bits) => {}
            ("server_no_context_takeover", None) => agreement.alone = true,
            ("server_max_window_bits", Some(WINDOW_BITS)) => agreement.names_window = true,
            _ => return None,
        }
    }
    Some(agreement)
}

/// From 8 to 15, without a leading zero.
fn is_window(bits: &str) -> bool {
    matches!(bits, "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

/// Splits `text`, but not within quotes, and trims the parts.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_end = |char: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        is_escaped = is_quoted && char == '\\' && !was_escaped;
        is_quoted ^= char == '"' && !was_escaped;
        char == at && !is_quoted
    };
    text.split(is_end).map(trim).collect()
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// A parameter's name and value, which may be quoted (RFC 6455, section 9.1).
fn parameter(text: &str) -> Option<(&str, Option<String>)> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (trim(name), Some(unquoted(trim(value))?)),
        None => (text, None),
    };
    let is_well_formed = is_token(name) && value.as_deref().is_none_or(is_token);
    is_well_formed.then_some((name, value))
}

fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else {
        return Some(value.to_owned());
    };
    let (mut plain, mut chars) = (String::new(), rest.chars());
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(plain),
            '\\' => plain.push(chars.next()?),
            char => plain.push(char),
        }
    }
}

/// Whether it is a token (RFC 9110, section 5.6.2).
fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Option<&str> = Some("permessage-deflate; client_no_context_takeover");

    const ALONE: Option<&str> =
        Some("permessage-deflate; client_no_context_takeover; server_no_context_takeover");

    const WINDOW: Option<&str> =
        Some("permessage-deflate; client_no_context_takeover; server_max_window_bits=15");

    const BOTH: Option<&str> = Some(
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover; server_max_window_bits=15",
    );

    /// What follows `permessage-deflate` in an offer, and the response to it.
    const OFFERS: [(&str, Option<&str>); 46] = [
        // As seen: Firefox, Chromium and Node's ws, gorilla.
        ("", PLAIN),
        ("; client_max_window_bits", PLAIN),
        (
            "; server_no_context_takeover; client_no_context_takeover",
            ALONE,
        ),
        // Only what was offered comes back.
        ("; client_no_context_takeover", PLAIN),
        ("; server_no_context_takeover", ALONE),
        ("; server_max_window_bits=15", WINDOW),
        (
            "; server_max_window_bits=15; server_no_context_takeover",
            BOTH,
        ),
        (
            "; client_max_window_bits; server_max_window_bits=15",
            WINDOW,
        ),
        // The client's window is its own affair, with any valid value.
        ("; client_max_window_bits=8", PLAIN),
        ("; client_max_window_bits=9", PLAIN),
        ("; client_max_window_bits=10", PLAIN),
        ("; client_max_window_bits=15", PLAIN),
        ("; client_max_window_bits=7", None),
        ("; client_max_window_bits=16", None),
        ("; client_max_window_bits=08", None),
        ("; client_max_window_bits=", None),
        ("; client_max_window_bits=x", None),
        // Smaller windows are declined.
        ("; server_max_window_bits=14", None),
        ("; server_max_window_bits=10", None),
        ("; server_max_window_bits=8", None),
        // Nor are these windows.
        ("; server_max_window_bits", None),
        ("; server_max_window_bits=", None),
        ("; server_max_window_bits=7", None),
        ("; server_max_window_bits=16", None),
        ("; server_max_window_bits=015", None),
        ("; server_max_window_bits=+15", None),
        ("; server_max_window_bits=15.0", None),
        // Unknown, repeated, or with a value where there is none.
        ("; unknown", None),
        ("; unknown=1", None),
        ("; Server_no_context_takeover", None),
        ("; server_no_context_takeover=1", None),
        ("; server_no_context_takeover=true", None),
        ("; client_no_context_takeover=", None),
        (
            "; client_no_context_takeover; client_no_context_takeover",
            None,
        ),
        (
            "; server_no_context_takeover; server_no_context_takeover",
            None,
        ),
        ("; client_max_window_bits; client_max_window_bits", None),
        (
            "; client_max_window_bits=10; client_max_window_bits=10",
            None,
        ),
        (
            "; server_max_window_bits=15; server_max_window_bits=15",
            None,
        ),
        // Quotes, and blanks in odd places.
        ("; server_max_window_bits=\"15\"", WINDOW),
        ("; server_max_window_bits=\"1\\5\"", WINDOW),
        ("; client_max_window_bits=\"010\"", None),
        ("; server_max_window_bits=\"15", None),
        ("; server_max_window_bits=\"\"", None),
        ("\t;\tserver_no_context_takeover  ", ALONE),
        // Not an offer at all.
        (";", None),
        ("=1", None),
    ];

    fn answer(values: &[&str]) -> Option<String> {
        agree(values.iter().copied()).map(|agreement| agreement.to_string())
    }

    #[test]
    fn each_offer_has_its_answer() {
        for (rest, expected) in OFFERS {
            let offer = format!("permessage-deflate{rest}");
            assert_eq!(answer(&[&offer]).as_deref(), expected, "{offer}");
        }
    }

    #[test]
    fn the_first_acceptable_offer_is_taken() {
        let declined = "permessage-deflate; server_max_window_bits=10";
        let quoted = "permessage-deflate; unknown=\"a, permessage-deflate\"";
        for (values, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["x-webkit-deflate-frame"], None),
            (&["Permessage-Deflate"], None),
            (&["permessage-deflate2, permessage-bzip2"], None),
            (
                &["permessage-deflate,permessage-deflate; server_no_context_takeover"],
                PLAIN,
            ),
            (
                &["permessage-deflate; server_no_context_takeover, permessage-deflate"],
                ALONE,
            ),
            (&[declined, "permessage-deflate"], PLAIN),
            (
                &[&format!(
                    "{declined}, permessage-deflate; server_max_window_bits=15"
                )],
                WINDOW,
            ),
            (
                &["permessage-bzip2; level=\"9,1\", , permessage-deflate"],
                PLAIN,
            ),
            // A comma within quotes separates nothing, an odd quote swallows the rest.
            (&[quoted], None),
            (&[&format!("{quoted}, permessage-deflate")], PLAIN),
            (
                &["permessage-deflate; unknown=\"a, permessage-deflate"],
                None,
            ),
        ] {
            assert_eq!(answer(values).as_deref(), expected, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn no_offer_makes_agreeing_panic(text in ".{0,200}") {
            let _ = agree([&*text]);
            let _ = agree([&*format!("permessage-deflate;{text}")]);
        }
    }
}
