//! The whole matrix. Each row is a request and its result.

use crate::token::Token;

use super::*;

/// Some files of the page.
const PAGE: [&str; 3] = ["/", "/app.js", "/app.css"];

const TOKEN: &str = "0123456789abcdef";

struct Case {
    gate: Gate,
    on_loopback: bool,
}

impl Case {
    /// A server named web-1.example.com that allows the pages of https://dash.example.com.
    fn anonymous() -> Self {
        let gate = Gate::new(
            None,
            &["web-1.example.com".parse().unwrap()],
            OwnName::default(),
            &["https://dash.example.com".parse().unwrap()],
        );
        let on_loopback = false;
        Self { gate, on_loopback }
    }

    fn with_token() -> Self {
        let case = Self::anonymous();
        case.gate
            .change_token(TOKEN.parse::<Token>().unwrap().digest());
        case
    }

    fn on_loopback(mut self) -> Self {
        self.on_loopback = true;
        self
    }

    fn ask(&self, url: &str, lines: &[(&str, &str)]) -> Result<Admission, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let uri = url.parse().unwrap();
        self.gate.admit(&AccessRequest {
            uri: &uri,
            headers: &headers,
            on_loopback: self.on_loopback,
            is_page: PAGE.contains(&head::path(&uri)),
        })
    }

    /// 101 if the request passes, otherwise the status of the refusal.
    fn status(&self, url: &str, lines: &[(&str, &str)]) -> u16 {
        match self.ask(url, lines) {
            Ok(_) => 101,
            Err(refusal) => {
                assert_eq!(refusal.reason.lines().count(), 1, "{}", refusal.reason);
                assert!(!refusal.reason.contains(TOKEN), "{}", refusal.reason);
                let challenged = (refusal.headers.iter()).any(|(name, _)| name == WWW_AUTHENTICATE);
                assert_eq!(challenged, refusal.status == 401);
                refusal.status.as_u16()
            }
        }
    }
}

#[test]
fn the_host_must_be_an_address_or_a_name_that_nobody_else_can_give() {
    let case = Case::anonymous();
    for (host, expected) in [
        ("127.0.0.1:8080", 101),
        ("192.0.2.7", 101),
        ("[::1]:8080", 101),
        ("[2001:db8::7]", 101),
        ("localhost:8080", 101),
        ("LocalHost", 101),
        ("app.localhost:1", 101),
        ("web-1.example.com", 101),
        ("WEB-1.Example.Com.:443", 101),
        ("evil.com", 403),
        ("web-1.example.com.evil.com", 403),
        ("evil-web-1.example.com", 403),
        ("localhost.evil.com", 403),
        ("notlocalhost", 403),
        ("127.0.0.1.evil.com", 403),
        ("127.evil.com", 403),
        ("2130706433", 403),
        ("0x7f.1", 403),
        ("user@localhost", 400),
        ("localhost/", 400),
        ("localhost:80:80", 400),
        ("localhost,evil.com", 400),
        ("::1", 400),
        ("", 400),
        ("localhost\u{e4}", 400),
    ] {
        assert_eq!(case.status("/ws", &[("host", host)]), expected, "{host}");
    }
}

#[test]
fn there_is_exactly_one_host() {
    let case = Case::anonymous();
    assert_eq!(case.status("/ws", &[]), 400);
    let twice = [("host", "localhost"), ("host", "localhost")];
    assert_eq!(case.status("/ws", &twice), 400);
    for (url, expected) in [
        ("http://localhost/ws", 101),
        ("http://evil.com/ws", 400),
        ("http://user@localhost/ws", 400),
    ] {
        assert_eq!(
            case.status(url, &[("host", "localhost")]),
            expected,
            "{url}"
        );
    }
}

#[test]
fn a_page_is_our_own_or_an_allowed_one() {
    let case = Case::anonymous();
    for (host, origin, expected) in [
        // Our own: the same name and port, with the origin's default for a missing port.
        ("192.0.2.7:8080", "http://192.0.2.7:8080", 101),
        ("web-1.example.com", "http://web-1.example.com", 101),
        ("web-1.example.com:80", "http://web-1.example.com", 101),
        ("web-1.example.com", "http://web-1.example.com:80", 101),
        ("web-1.example.com", "https://web-1.example.com:443", 101),
        ("web-1.example.com:443", "https://web-1.example.com", 101),
        ("WEB-1.example.com", "HTTP://web-1.EXAMPLE.com", 101),
        ("[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080", 101),
        // Another port or name is another server.
        ("web-1.example.com:8080", "http://web-1.example.com", 403),
        ("web-1.example.com:443", "http://web-1.example.com", 403),
        ("web-1.example.com", "https://web-1.example.com:80", 403),
        ("192.0.2.7:8080", "http://192.0.2.7:8081", 403),
        ("localhost:8080", "http://127.0.0.1:8080", 403),
        ("localhost:8080", "http://localhost:3000", 403),
        ("[::1]:8080", "http://[::2]:8080", 403),
        // Allowed by its flag, and only exactly that.
        ("192.0.2.7", "https://dash.example.com", 101),
        ("192.0.2.7", "https://Dash.Example.com:443", 101),
        ("192.0.2.7", "http://dash.example.com", 403),
        ("192.0.2.7", "https://dash.example.com:8443", 403),
        ("192.0.2.7", "https://dash.example.com.evil.com", 403),
        ("192.0.2.7", "https://evil-dash.example.com", 403),
        (
            "192.0.2.7",
            "https://evil.com/https://dash.example.com",
            403,
        ),
        ("192.0.2.7", "https://dash.example.com@evil.com", 403),
        // Nobody's.
        ("192.0.2.7", "https://evil.com", 403),
        ("good.com", "http://good.com.evil.com", 403),
        ("192.0.2.7", "null", 403),
        ("192.0.2.7", "NULL", 403),
        ("192.0.2.7", "", 403),
        ("192.0.2.7", "192.0.2.7", 403),
        ("192.0.2.7", "file://", 403),
        ("192.0.2.7", "chrome-extension://192.0.2.7", 403),
        (
            "192.0.2.7",
            "https://dash.example.com https://dash.example.com",
            403,
        ),
        (
            "192.0.2.7",
            "https://dash.example.com, https://evil.com",
            403,
        ),
    ] {
        let lines = [("host", host), ("origin", origin)];
        assert_eq!(case.status("/ws", &lines), expected, "{host} {origin}");
    }
    let twice = [
        ("host", "192.0.2.7"),
        ("origin", "http://192.0.2.7"),
        ("origin", "http://192.0.2.7"),
    ];
    assert_eq!(case.status("/ws", &twice), 403);
}

#[test]
fn a_name_that_was_rebound_is_its_pages_own_and_still_not_ours() {
    let lines = [
        ("host", "evil.com:8080"),
        ("origin", "http://evil.com:8080"),
    ];
    for case in [Case::anonymous(), Case::anonymous().on_loopback()] {
        for url in ["/ws", "/", "/healthz", "/app.js"] {
            assert_eq!(case.status(url, &lines), 403, "{url}");
        }
    }
}

#[test]
fn on_a_loopback_listener_every_loopback_page_passes() {
    let case = Case::anonymous().on_loopback();
    for (origin, expected) in [
        ("http://localhost:3000", 101),
        ("https://localhost", 101),
        ("http://127.0.0.2:3000", 101),
        ("http://[::1]:3000", 101),
        ("http://app.localhost", 101),
        ("http://127.0.0.1.evil.com", 403),
        ("http://localhost.evil.com:3000", 403),
        ("http://192.0.2.7:3000", 403),
        ("chrome-extension://localhost", 403),
        ("null", 403),
    ] {
        let lines = [("host", "127.0.0.1:8080"), ("origin", origin)];
        assert_eq!(case.status("/ws", &lines), expected, "{origin}");
    }
}

#[test]
fn a_refusal_names_the_flag() {
    let case = Case::anonymous();
    let reason = |lines: &[_]| case.ask("/ws", lines).unwrap_err().reason;
    assert!(reason(&[("host", "evil.com")]).ends_with("--allow-host evil.com"));
    let lines = [("host", "192.0.2.7"), ("origin", "http://evil.com:81")];
    assert!(reason(&lines).ends_with("--allow-origin http://evil.com:81"));
    let lines = [("host", "192.0.2.7"), ("origin", "null")];
    assert!(reason(&lines).contains("--allow-origin SCHEME://HOST[:PORT]"));
    let long = "x".repeat(5000);
    assert!(reason(&[("host", &long)]).len() < 500);
}

#[test]
fn the_token_may_be_in_either_of_two_places() {
    let case = Case::with_token();
    for (name, value, expected) in [
        ("authorization", "Bearer 0123456789abcdef", 101),
        ("authorization", "bearer  0123456789abcdef ", 101),
        ("authorization", "Bearer 0123456789abcdeF", 401),
        ("authorization", "Bearer 0123456789abcde", 401),
        ("authorization", "Bearer 0123456789abcdef0", 401),
        ("authorization", "Bearer", 401),
        ("authorization", "0123456789abcdef", 401),
        ("authorization", "Basic 0123456789abcdef", 401),
        (
            "sec-websocket-protocol",
            "metrics.v1, 0123456789abcdef",
            101,
        ),
        ("sec-websocket-protocol", "0123456789abcdef,metrics.v1", 101),
        (
            "sec-websocket-protocol",
            "metrics.v1, 0123456789abcdeF",
            401,
        ),
        ("sec-websocket-protocol", "metrics.v1", 401),
        ("sec-websocket-protocol", "0123456789abcdef", 401),
        (
            "sec-websocket-protocol",
            "metrics.v1, x, 0123456789abcdef",
            401,
        ),
        ("cookie", "token=0123456789abcdef", 401),
        ("x-token", "0123456789abcdef", 401),
    ] {
        for url in ["/ws", "/events", "/recording.csv", "/metrics", "/nope"] {
            let lines = [("host", "192.0.2.7"), (name, value)];
            assert_eq!(case.status(url, &lines), expected, "{url} {name}: {value}");
        }
    }
    let twice = [
        ("host", "192.0.2.7"),
        ("authorization", "Bearer 0123456789abcdef"),
        ("authorization", "Bearer 0123456789abcdef"),
    ];
    assert_eq!(case.status("/ws", &twice), 401);
    let lines = [
        ("host", "192.0.2.7"),
        ("sec-websocket-protocol", "metrics.v1"),
        ("sec-websocket-protocol", "0123456789abcdef"),
    ];
    assert_eq!(case.status("/ws", &lines), 101);
}

#[test]
fn the_page_and_the_health_check_need_no_token_but_every_stream_does() {
    let case = Case::with_token();
    for url in ["/", "/app.js", "/app.css", "/healthz"] {
        let host = ("host", "192.0.2.7");
        assert_eq!(case.status(url, &[host]), 101, "{url}");
        assert_eq!(case.status(url, &[("host", "evil.com")]), 403, "{url}");
        let upgrade = ("upgrade", "websocket");
        assert_eq!(case.status(url, &[host, upgrade]), 401, "{url}");
    }
}

#[test]
fn the_right_token_allows_any_name_but_not_any_page() {
    let case = Case::with_token();
    let token = ("authorization", "Bearer 0123456789abcdef");
    assert_eq!(case.status("/ws", &[("host", "any.example"), token]), 101);
    let wrong = ("authorization", "Bearer fedcba9876543210");
    assert_eq!(case.status("/ws", &[("host", "any.example"), wrong]), 401);
    let lines = [("host", "192.0.2.7"), ("origin", "https://evil.com"), token];
    assert_eq!(case.status("/ws", &lines), 403);
    // A server that requires no token ignores one.
    let anonymous = Case::anonymous();
    assert_eq!(
        anonymous.status("/ws", &[("host", "any.example"), token]),
        403
    );
}

#[test]
fn a_token_in_a_url_is_refused_even_where_it_is_right_or_not_needed() {
    for case in [Case::anonymous(), Case::with_token()] {
        for url in [
            "/ws?token=0123456789abcdef",
            "/?access_token=0123456789abcdef",
            "/healthz?x=1&to%6ben=0123456789abcdef",
        ] {
            let lines = [
                ("host", "192.0.2.7"),
                ("authorization", "Bearer 0123456789abcdef"),
            ];
            assert_eq!(case.status(url, &lines), 400, "{url}");
        }
    }
}

#[test]
fn a_preflight_may_allow_a_token() {
    let status = |case: &Case, host, origin| {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        let asked = AccessRequest {
            uri: &"/events".parse().unwrap(),
            headers: &headers,
            on_loopback: case.on_loopback,
            is_page: false,
        };
        let refused = case.gate.admit_preflight(&asked).err();
        refused.map_or(204, |refusal| refusal.status.as_u16())
    };
    let (ours, theirs) = ("https://dash.example.com", "https://evil.com");
    let (asking, anonymous) = (Case::with_token(), Case::anonymous());
    // The actual request carries the token, which counts more than a name.
    assert_eq!(status(&asking, "any.example", ours), 204);
    assert_eq!(status(&asking, "any.example", theirs), 403);
    assert_eq!(status(&anonymous, "any.example", ours), 403);
    assert_eq!(status(&anonymous, "web-1.example.com", ours), 204);
}

#[test]
fn only_our_subprotocol_is_echoed_and_only_when_it_was_offered() {
    let case = Case::with_token();
    let echoed = |lines: &[_]| case.ask("/ws", lines).unwrap().subprotocol;
    let host = ("host", "192.0.2.7");
    let offered = ("sec-websocket-protocol", "metrics.v1, 0123456789abcdef");
    assert_eq!(echoed(&[host, offered]).unwrap(), "metrics.v1");
    let token = ("authorization", "Bearer 0123456789abcdef");
    assert_eq!(echoed(&[host, token]), None);
    let other = ("sec-websocket-protocol", "graphql-ws");
    assert_eq!(echoed(&[host, token, other]), None);
}

#[test]
fn a_changed_token_is_required_at_once() {
    let case = Case::with_token();
    let new = "fedcba9876543210".parse::<Token>().unwrap();
    case.gate.change_token(new.digest());
    let host = ("host", "192.0.2.7");
    for (token, expected) in [
        ("Bearer 0123456789abcdef", 401),
        ("Bearer fedcba9876543210", 101),
    ] {
        let lines = [host, ("authorization", token)];
        assert_eq!(case.status("/ws", &lines), expected);
    }
}

#[test]
fn a_renamed_host_accepts_its_new_name() {
    let now = Arc::new(RwLock::new("db-1.example.com".to_owned()));
    let asked = Arc::clone(&now);
    let own = OwnName::new(move || asked.read().unwrap().clone());
    let (gate, on_loopback) = (Gate::new(None, &[], own, &[]), false);
    let case = Case { gate, on_loopback };
    let status = |host: &str| case.status("/ws", &[("Host", host)]);
    for (name, short, other) in [
        ("db-1.example.com", "db-1", "web-7"),
        ("web-7", "web-7", "web-8"),
        ("Web-8.Example.com", "web-8:8080", "web-7"),
        ("web-9", "db-1", "db-1.evil.com"),
    ] {
        *now.write().unwrap() = name.into();
        assert_eq!(
            (status(name), status(short), status(other)),
            (101, 101, 403)
        );
    }
    // Whatever a machine's own name is, an empty or invalid one admits nobody.
    for name in ["", ".", "a b", ".example.com"] {
        *now.write().unwrap() = name.into();
        assert_eq!((status("web-8"), status("evil.com")), (403, 403), "{name}");
    }
}

#[test]
fn a_zone_in_the_host_header_is_ignored() {
    for host in [
        "[fe80::1]:8080",
        "[fe80::1%eth0]:8080",
        "[fe80::1%25eth0]:8080",
        "[fe80::1%2]",
    ] {
        assert_eq!(
            Case::anonymous().status("/ws", &[("Host", host)]),
            101,
            "{host}"
        );
    }
}
