//! The dashboard: a page, a script and a style sheet, without what only people need, gzipped if the client accepts that.
//!
//! They reveal nothing by themselves, so they need no token. The headers allow the page only its own scripts, styles
//! and connections.

mod compact;
mod encoding;

use std::sync::OnceLock;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};

use crate::server::door::{gate, head};

/// A file of the page.
#[derive(Debug)]
struct PagePart {
    path: &'static str,
    content_type: &'static str,
    sources: &'static [&'static str],
    /// How the sources become what is sent.
    make: fn(&[&str]) -> String,
    /// The part as it is sent. Created at the first request, so that nothing is compressed at the start.
    forms: OnceLock<PartForms>,
}

impl PagePart {
    const fn new(
        (path, content_type): (&'static str, &'static str),
        sources: &'static [&'static str],
        make: fn(&[&str]) -> String,
    ) -> Self {
        Self {
            path,
            content_type,
            sources,
            make,
            forms: OnceLock::new(),
        }
    }

    fn forms(&self) -> &PartForms {
        self.forms
            .get_or_init(|| PartForms::of((self.make)(self.sources).into()))
    }
}

/// The two forms of a part: plain and gzipped.
#[derive(Debug)]
struct PartForms {
    plain: PartForm,
    gzipped: Option<PartForm>,
}

impl PartForms {
    fn of(text: Bytes) -> Self {
        let gzipped = encoding::gzip(&text);
        Self {
            plain: PartForm::new(text),
            gzipped: gzipped.ok().map(|bytes| PartForm::new(bytes.into())),
        }
    }
}

#[derive(Debug)]
struct PartForm {
    body: Bytes,
    /// The entity tag of exactly these bytes: each form has its own.
    tag: String,
}

impl PartForm {
    fn new(body: Bytes) -> Self {
        let tag = entity_tag(&body);
        Self { body, tag }
    }
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($file:literal) => {
        include_str!(concat!("../../assets/", $file))
    };
}

/// The modules of the script, each after those that it imports. In this order, they compress best.
const MODULES: &[&str] = &[
    asset!("format.js"),
    asset!("history.js"),
    asset!("state.js"),
    asset!("evidence.js"),
    asset!("sentence.js"),
    asset!("page.js"),
    asset!("dom.js"),
    asset!("events.js"),
    asset!("chart.js"),
    asset!("cards.js"),
    asset!("tables.js"),
    asset!("status.js"),
    asset!("charts.js"),
    asset!("connection.js"),
    asset!("past.js"),
    asset!("fleet.js"),
    asset!("keys.js"),
    asset!("app.js"),
];

static PARTS: [PagePart; 3] = [
    PagePart::new(("/", HTML), &[asset!("index.html")], |sources| {
        compact::document(&sources.concat())
    }),
    PagePart::new(
        ("/app.css", CSS),
        &[asset!("app.css"), asset!("parts.css")],
        |sheets| compact::style(&sheets.concat()),
    ),
    PagePart::new(("/app.js", SCRIPT), MODULES, compact::script),
];

/// Headers of every part. With `no-cache`, a browser keeps a copy but revalidates it each time, so that page and server
/// always have the same version.
const HEADERS: [(HeaderName, &str); 5] = [
    (CACHE_CONTROL, "no-cache"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Whether `path` belongs to the page.
pub(in crate::server) fn has(path: &str) -> bool {
    find(path).is_some()
}

fn find(path: &str) -> Option<&'static PagePart> {
    PARTS.iter().find(|part| part.path == path)
}

/// The answer to a GET or HEAD of a part of the page that the gate has admitted; `None` for other paths.
pub(in crate::server) fn answer(request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    find(head::path(request.uri())).map(|part| respond(part, request.headers()))
}

fn respond(part: &PagePart, asked: &HeaderMap) -> Response<Full<Bytes>> {
    let mut response = part_as_asked(part, asked);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::try_from(policy(asked)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The form that the client wants, or 304 if it already has it.
fn part_as_asked(part: &PagePart, asked: &HeaderMap) -> Response<Full<Bytes>> {
    let forms = part.forms();
    let gzipped = forms.gzipped.as_ref();
    let gzipped = gzipped.filter(|_| encoding::wants_gzip(asked));
    let form = gzipped.unwrap_or(&forms.plain);
    let is_known = is_known(asked, &form.tag);
    let (status, body) = match is_known {
        true => (StatusCode::NOT_MODIFIED, Bytes::new()),
        false => (StatusCode::OK, form.body.clone()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(part.content_type));
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if gzipped.is_some() && !is_known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Ok(tag) = HeaderValue::try_from(&form.tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// The hash of the only inline script: change both together. If a proxy serves the page at a path without a trailing slash,
/// relative URLs would be wrong, so this script has to run before anything else is fetched.
const SLASH_SCRIPT: &str = "sha256-KwEougHeeTyzDxriNJUTr8rQFEvnZwwhTjzjIu9La/I=";

/// What the page may do. Not every browser includes WebSockets of the same host in `'self'`, so they are named, with
/// the host as parsed by the gate, never with a header's raw text.
fn policy(asked: &HeaderMap) -> String {
    let sockets = gate::called(asked)
        .map(|host| format!(" ws://{host} wss://{host}"))
        .unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self' '{SLASH_SCRIPT}'; style-src 'self'; img-src 'self' data:; connect-src 'self'{sockets}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Whether the browser already has this version.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let values = asked.get_all(IF_NONE_MATCH).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*")
}

/// Different bytes have different tags (64-bit FNV-1a; collisions are no attack, because the texts are ours).
fn entity_tag(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit for the whole page, which is loaded over tunnels and phones.
    const MAX_BYTES_SENT: usize = 30 * 1000;

    #[test]
    fn it_is_small() {
        let sent: usize = PARTS.iter().map(gzipped_bytes).sum();
        assert!(sent < MAX_BYTES_SENT, "{sent} bytes");
    }

    fn gzipped_bytes(part: &PagePart) -> usize {
        let form = part.forms().gzipped.as_ref();
        form.map_or(usize::MAX, |form| form.body.len())
    }

    /// Sent as one script, they share one scope, and of two constants of one name one would have the other's value.
    #[test]
    fn no_two_modules_declare_the_same_name() {
        let mut names: Vec<&str> = MODULES.iter().flat_map(|module| declared(module)).collect();
        let count = names.len();
        assert!(count > 200, "{names:?}");
        names.sort_unstable();
        let twice: Vec<&[&str]> = names
            .chunk_by(|one, other| one == other)
            .filter(|alike| alike.len() > 1)
            .collect();
        assert_eq!(twice, Vec::<&[&str]>::new());
    }

    /// What a module declares outside functions.
    fn declared(module: &str) -> impl Iterator<Item = &str> {
        module.lines().filter_map(|line| {
            let line = line.strip_prefix("export ").unwrap_or(line);
            let line = line.strip_prefix("async ").unwrap_or(line);
            let (keyword, rest) = line.split_once(' ')?;
            let is_named = ["const", "let", "function", "class"].contains(&keyword);
            let name = rest
                .split(|char: char| !char.is_alphanumeric() && char != '_')
                .next();
            name.filter(|_| is_named)
        })
    }

    #[test]
    fn it_asks_no_other_host() {
        for part in &PARTS {
            // The SVG namespace is a URL that is never fetched.
            let source = part.sources.concat();
            let source = source.replace("http://www.w3.org/2000/svg", "");
            for forbidden in [
                "http:",
                "https:",
                "innerHTML",
                "eval(",
                "style=\"",
                "@import",
            ] {
                assert!(!source.contains(forbidden), "{}: {forbidden}", part.path);
            }
            let inline = ["<style", "onclick=", "onload="];
            let is_inline = inline.iter().any(|forbidden| source.contains(forbidden));
            assert!(part.content_type != HTML || !is_inline);
            // The one that the policy allows by its hash.
            let scripts = usize::from(part.content_type == HTML);
            assert_eq!(source.matches("<script>").count(), scripts, "{}", part.path);
            assert!(!source.contains("=\"/"), "{}: not relative", part.path);
        }
    }

    #[test]
    fn the_policy_names_the_parsed_host() {
        let policy_for = |host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static(host));
            policy(&headers)
        };
        let named = policy_for("Web-1:8080");
        assert!(named.contains("connect-src 'self' ws://web-1:8080 wss://web-1:8080;"));
        assert!(policy_for("[::1]:8080").contains("ws://[::1]:8080"));
        assert!(policy_for("x; script-src *").contains("connect-src 'self';"));
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let known = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(value));
            is_known(&headers, "\"1\"")
        };
        assert!(known("\"1\"") && known("\"0\", W/\"1\"") && known("*"));
        assert!(!known("\"0\"") && !known("1"));
        assert_ne!(entity_tag(b"a"), entity_tag(b"b"));
    }
}
