//! The dashboard: a page and its parts, as they are in the binary.
//!
//! They show nothing by themselves, so they need no token. The headers leave the page no script, no style and no
//! connection but its own.

use std::sync::LazyLock;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, LINK, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use super::{gate, head};

/// A part of the page, as it is sent.
#[derive(Debug)]
struct Part {
    path: &'static str,
    content_type: &'static str,
    body: Bytes,
    tag: String,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! source {
    ($path:literal, $content_type:expr) => {
        source!($path, $content_type, $path)
    };
    ($path:literal, $content_type:expr, $file:literal) => {
        (
            $path,
            $content_type,
            include_str!(concat!("../assets/", $file)),
        )
    };
}

/// Paths, types and texts.
const SOURCES: [(&str, &str, &str); 10] = [
    source!("/", HTML, "index.html"),
    source!("/app.css", CSS),
    source!("/app.js", SCRIPT),
    source!("/cards.js", SCRIPT),
    source!("/chart.js", SCRIPT),
    source!("/connection.js", SCRIPT),
    source!("/format.js", SCRIPT),
    source!("/state.js", SCRIPT),
    source!("/tables.js", SCRIPT),
    source!("/favicon.svg", SVG),
];

static PARTS: LazyLock<Vec<Part>> = LazyLock::new(|| {
    let part = |&(path, content_type, source)| {
        let body = lean(source, content_type);
        let tag = entity_tag(&body);
        let body = body.into();
        Part {
            path,
            content_type,
            body,
            tag,
        }
    };
    SOURCES.iter().map(part).collect()
});

/// The text without what only its authors need: indentation, idle blanks, and lines that are nothing but a comment.
/// Statements keep their lines, so that they can be read in a browser.
fn lean(source: &str, content_type: &str) -> String {
    let is_comment =
        |line: &str| line.starts_with("//") || line.starts_with("/*") && line.ends_with("*/");
    let lines: Vec<_> = source
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_comment(line))
        .collect();
    let text = lines.join("\n") + "\n";
    let idle: &[(&str, &str)] = match content_type {
        CSS => &[
            (": ", ":"),
            ("; ", ";"),
            (" {", "{"),
            ("{ ", "{"),
            (", ", ","),
            (";}", "}"),
            ("\n", ""),
        ],
        SCRIPT => &[
            (" {\n", "{\n"),
            ("{\n", "{"),
            ("(\n", "("),
            ("[\n", "["),
            (",\n", ","),
            ("\n}", "}"),
            ("\n)", ")"),
            ("\n]", "]"),
            (";}", "}"),
            (" => ", "=>"),
            (" && ", "&&"),
            (" === ", "==="),
            (" !== ", "!=="),
            (" = ", "="),
            (" || ", "||"),
            (" ?? ", "??"),
            ("if (", "if("),
            ("for (", "for("),
        ],
        _ => &[],
    };
    idle.iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}

/// Lets the browser fetch all scripts at once, rather than each when another one asks for it.
static PRELOAD: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let scripts = SOURCES.iter().filter(|source| source.1 == SCRIPT);
    let links: Vec<_> = scripts
        .map(|(path, ..)| format!("<{}>; rel=modulepreload", path.trim_start_matches('/')))
        .collect();
    HeaderValue::try_from(links.join(", ")).ok()
});

/// Headers that every part has. `no-cache` lets a browser keep it, but ask each time: the page and the server that it
/// speaks to are of one version.
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

/// Whether `path` is a part of the page.
pub(super) fn has(path: &str) -> bool {
    find(path).is_some()
}

fn find(path: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.path == path)
}

/// The answer to a request for a part of the page that the gate has admitted; `None` for other paths.
pub(super) fn answer(request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
    find(head::path(request.uri())).map(|part| respond(part, request.method(), request.headers()))
}

fn respond(part: &Part, method: &Method, asked: &HeaderMap) -> Response<Full<Bytes>> {
    let (status, body) = match *method {
        Method::GET | Method::HEAD if is_known(asked, &part.tag) => {
            (StatusCode::NOT_MODIFIED, Bytes::new())
        }
        Method::GET | Method::HEAD => (StatusCode::OK, part.body.clone()),
        _ => (
            StatusCode::METHOD_NOT_ALLOWED,
            Bytes::from_static(b"only GET and HEAD are answered here\n"),
        ),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::try_from(policy(asked)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        return response;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(part.content_type));
    if let Some(links) = PRELOAD.as_ref().filter(|_| part.content_type == HTML) {
        headers.insert(LINK, links.clone());
    }
    if let Ok(tag) = HeaderValue::try_from(&part.tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// The hash of the one script that is in the page itself. Where a proxy has the page at a path that does not end in a
/// slash, relative URLs would miss it, so this has to run before any other is fetched.
const SLASH_SCRIPT: &str = "sha256-KwEougHeeTyzDxriNJUTr8rQFEvnZwwhTjzjIu9La/I=";

/// What the page may do. `'self'` is no WebSocket of the same host to every browser, so those are named by the host
/// that the gate has read; a header's text goes nowhere.
fn policy(asked: &HeaderMap) -> String {
    let sockets = gate::called(asked)
        .map(|host| format!(" ws://{host} wss://{host}"))
        .unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self' '{SLASH_SCRIPT}'; style-src 'self'; img-src 'self' data:; connect-src 'self'{sockets}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Whether the browser has this version already.
fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let values = asked.get_all(IF_NONE_MATCH).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*")
}

/// Another text has another tag (64-bit FNV-1a; nobody gains by making two alike, the texts are ours).
fn entity_tag(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("\"{hash:016x}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole page is loaded over tunnels and telephones.
    const MAX_BYTES: usize = 42 * 1000;

    #[test]
    fn it_is_small_and_speaks_to_nobody_else() {
        let total: usize = PARTS.iter().map(|part| part.body.len()).sum();
        assert!(total < MAX_BYTES, "{total} bytes");
        for part in PARTS.iter() {
            let body = std::str::from_utf8(&part.body).unwrap_or_default();
            // The name of SVG is a URL that nobody fetches.
            let body = body.replace("http://www.w3.org/2000/svg", "");
            for forbidden in [
                "http:",
                "https:",
                "innerHTML",
                "eval(",
                "style=\"",
                "@import",
            ] {
                assert!(!body.contains(forbidden), "{}: {forbidden}", part.path);
            }
            let inline = ["<style", "onclick=", "onload="];
            let is_inline = inline.iter().any(|forbidden| body.contains(forbidden));
            assert!(part.content_type != HTML || !is_inline);
            // The one that the policy names by its hash; a browser test runs it.
            let scripts = usize::from(part.content_type == HTML);
            assert_eq!(body.matches("<script>").count(), scripts, "{}", part.path);
            assert!(!body.contains("=\"/"), "{}: not relative", part.path);
        }
    }

    #[test]
    fn what_is_left_out_means_nothing() {
        let script = "// why\nif (a) {\n  /** what */\n  b(\"// c\");\n\n  d(\n    [e,\n    (f) => g],\n  );\n}\n";
        let expected = "if(a){b(\"// c\");\nd([e,(f)=>g],)}\n";
        assert_eq!(lean(script, SCRIPT), expected);
        assert_eq!(lean("a b, c { d: e; f: g; }\n", CSS), "a b,c{d:e;f:g}");
        // A string over lines would lose its indentation, and a comment behind a statement swallow what follows.
        for (path, content_type, source) in SOURCES {
            let is_whole = |line: &str| {
                line.matches('`').count().is_multiple_of(2)
                    && (!line.contains("// ") || line.trim().starts_with("// "))
            };
            assert!(
                content_type != SCRIPT || source.lines().all(is_whole),
                "{path}"
            );
        }
    }

    #[test]
    fn the_policy_names_the_host_as_it_was_read() {
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
    fn a_version_that_is_known_is_not_sent_again() {
        let known = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(value));
            is_known(&headers, "\"1\"")
        };
        assert!(known("\"1\"") && known("\"0\", W/\"1\"") && known("*"));
        assert!(!known("\"0\"") && !known("1"));
        assert_ne!(entity_tag("a"), entity_tag("b"));
    }
}
