//! The two forms of a part of the page, plain and gzipped, and which one a client wants (RFC 9110, section 12.5.3).

use std::num::NonZeroU64;

use hyper::header::{ACCEPT_ENCODING, HeaderMap};
use zopfli::{Format, Options, compress};

/// More rounds take longer and save nothing.
const ROUNDS: NonZeroU64 = NonZeroU64::MIN.saturating_add(2);

/// `text` as a gzip file without name and time, so that the same text always produces the same bytes.
pub(super) fn gzip(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let options = Options {
        iteration_count: ROUNDS,
        ..Options::default()
    };
    compress(options, Format::Gzip, text, &mut file)?;
    Ok(file)
}

/// Whether a client wants gzip: it accepts it, and doesn't prefer plain text. A client that names no encoding gets
/// plain text, which everybody understands, and so does one with a malformed header.
pub(super) fn wants_gzip(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT_ENCODING).iter();
    let wishes: Vec<(String, f32)> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(wish)
        .collect();
    let weight = |names: &[&str]| {
        let named = |&(coding, _): &&(String, f32)| names.contains(&coding.as_str());
        wishes.iter().find(named).map(|&(_, weight)| weight)
    };
    let others = weight(&["*"]);
    let gzip = weight(&["gzip", "x-gzip"]).or(others).unwrap_or(0.0);
    let plain = weight(&["identity"]).or(others).unwrap_or(0.0);
    gzip > 0.0 && gzip >= plain
}

/// The coding in lower case, and its weight from 0 to 1: `gzip;q=0.5`. An invalid weight counts as 0.
fn wish(text: &str) -> (String, f32) {
    let mut fields = text.split(';').map(str::trim);
    let coding = fields.next().unwrap_or_default().to_ascii_lowercase();
    let weight = fields.find_map(|field| {
        let (name, value) = field.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    (
        coding,
        weight.map_or(1.0, |text| parse_weight(text).unwrap_or(0.0)),
    )
}

fn parse_weight(text: &str) -> Option<f32> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let weight: f32 = text.parse().ok().filter(|_| is_plain)?;
    (weight <= 1.0).then_some(weight)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn wants(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(line));
        }
        wants_gzip(&headers)
    }

    #[test]
    fn gzip_is_sent_to_clients_that_want_it() {
        for line in [
            "gzip",
            "GZIP",
            "x-gzip",
            "gzip, deflate, br, zstd",
            "br;q=1.0, gzip;q=0.8, *;q=0.1",
            "deflate,gzip;q=0.001",
            "gzip ; Q = 1.000",
            "*",
            "*;q=0.5",
            "gzip;q=0.5",
            "gzip, identity",
            "identity;q=0.5, gzip;q=0.5",
            "identity;q=0, *",
            "gzip, *;q=0",
            ",, gzip ,",
        ] {
            assert!(wants(&[line]), "{line}");
        }
        assert!(wants(&["br", "gzip"]), "two lines are one list");
    }

    #[test]
    fn all_other_clients_get_plain_text() {
        for line in [
            "",
            "identity",
            "br",
            "deflate, br",
            "gzip;q=0",
            "gzip; q=0.000",
            "gzip;q=0, *",
            "*;q=0",
            "br, *;q=0",
            "identity, gzip;q=0.5",
            "gzip;q=0.5, *;q=1",
            "gzip;q=nan",
            "gzip;q=",
            "gzip;q=-1",
            "gzip;q=2",
            "gzip;q=1e-1",
            "gzipped",
            "gz ip",
        ] {
            assert!(!wants(&[line]), "{line}");
        }
        assert!(!wants(&[]));
    }

    #[test]
    fn the_same_text_gives_the_same_bytes() {
        let text = "let it be\n".repeat(100);
        let zipped = gzip(text.as_bytes()).unwrap_or_default();
        assert!(zipped.starts_with(&[0x1f, 0x8b]) && zipped.len() < 100);
        assert_eq!(zipped[4..8], [0; 4], "the time would change the tag");
        assert_eq!(gzip(text.as_bytes()).unwrap_or_default(), zipped);
    }
}
