//! Access: the token, and the two headers that keep a browser's other pages out.
//!
//! Any page can open a WebSocket to any address that its browser can reach, loopback included, and anybody can make a
//! name point to any address. So the `Origin` of a page must be this server's own or an allowed one, and the `Host`
//! must be a name that nobody else can give us. Programs send no `Origin`; those that send the token may use any name
//! for the server.

mod authority;

use std::fmt;
use std::sync::{Arc, RwLock};

use hyper::header::{
    AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL,
    WWW_AUTHENTICATE,
};
use hyper::{StatusCode, Uri};

use crate::locks::unpoisoned;
use crate::protocol::{QueryError, SUBPROTOCOL, names_token, shown};
use crate::token::Digest;

use super::head;
use super::refusal::Refusal;

pub use authority::{AllowedHost, Origin};
use authority::{Authority, UrlHost};

/// The path that says whether the server is healthy.
pub(in crate::server) const HEALTH_PATH: &str = "/healthz";

/// How much of a viewer's own text an error repeats, in characters.
const SHOWN_CHARS: usize = 100;

/// Decides about access. Shared by all connections; only the token and the host's own name can change.
#[derive(Debug, Default)]
pub struct Gate {
    token: RwLock<Option<Digest>>,
    names: Vec<UrlHost>,
    own: OwnName,
    origins: Vec<Origin>,
}

/// The host's own name. It is queried again, because the host may be renamed while the server runs; viewers may
/// continue to use the name that it had at the start.
#[derive(Clone, Default)]
pub struct OwnName {
    first: Vec<UrlHost>,
    ask: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

impl fmt::Debug for OwnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnName").field(&self.first).finish()
    }
}

impl OwnName {
    /// The name that `ask` returns, which must be fast.
    pub fn new(ask: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self {
            first: names_of(&ask()),
            ask: Some(Arc::new(ask)),
        }
    }

    fn is(&self, name: &UrlHost) -> bool {
        let is_now = |ask: &Arc<dyn Fn() -> String + Send + Sync>| names_of(&ask()).contains(name);
        self.first.contains(name) || self.ask.as_ref().is_some_and(is_now)
    }
}

/// The full name and the part before its first dot. A name of one part cannot belong to anybody else.
fn names_of(own: &str) -> Vec<UrlHost> {
    let short = own.split('.').next().unwrap_or_default();
    let parse = |own: &str| own.parse().ok().map(|AllowedHost(own)| own);
    [own, short].into_iter().filter_map(parse).collect()
}

/// What is known about a request before it is answered.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct AccessRequest<'a> {
    pub(in crate::server) uri: &'a Uri,
    pub(in crate::server) headers: &'a HeaderMap,
    /// Whether the listener that accepted the connection is on a loopback address.
    pub(in crate::server) on_loopback: bool,
    /// Whether its path is that of the page or one of its files.
    pub(in crate::server) is_page: bool,
}

impl AccessRequest<'_> {
    /// The path, with one slash before it.
    pub(in crate::server) fn path(&self) -> &str {
        head::path(self.uri)
    }

    /// Whether it is for the page or one of its files, which are the same everywhere and reveal nothing by themselves.
    fn is_for_page(&self) -> bool {
        self.is_page && !head::wants_websocket(self.headers)
    }

    /// Whether it needs no token. Every WebSocket needs one, on any path.
    fn is_open(&self) -> bool {
        let is_health = self.path() == HEALTH_PATH && !head::wants_websocket(self.headers);
        is_health || self.is_for_page()
    }
}

/// An admitted viewer.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Admission {
    /// The subprotocol to select: a browser that offered one gives up if none is selected.
    pub(in crate::server) subprotocol: Option<HeaderValue>,
}

/// The token in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PresentedToken {
    Right,
    Wrong,
    Nothing,
}

impl Gate {
    /// A gate that requires the token of `digest`, if there is one, accepts `names` and the host's `own` name besides
    /// addresses and loopback names, and allows the pages of `origins`.
    #[must_use]
    pub fn new(
        digest: Option<Digest>,
        names: &[AllowedHost],
        own: OwnName,
        origins: &[Origin],
    ) -> Self {
        Self {
            token: RwLock::new(digest),
            names: names.iter().map(|AllowedHost(name)| name.clone()).collect(),
            own,
            origins: origins.to_vec(),
        }
    }

    /// Requires another token from now on. Connected viewers stay.
    pub fn change_token(&self, digest: Digest) {
        *unpoisoned(self.token.write()) = Some(digest);
    }

    /// Whether the request may be answered.
    pub(in crate::server) fn admit(&self, asked: &AccessRequest<'_>) -> Result<Admission, Refusal> {
        if asked.uri.query().is_some_and(names_token) {
            let reason = QueryError::Token.to_string();
            return Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
        }
        let host = host_of(asked)?;
        // Browsers send the origin even when they load scripts from the page's own origin. A proxy may have changed the
        // host by then.
        if !asked.is_for_page() {
            self.check_origin(asked, host.as_ref())?;
        }
        let offers = Offers::of(asked.headers);
        let shown = self.shown(asked.headers, &offers);
        match shown {
            Some(PresentedToken::Right) => {}
            Some(wrong) if !asked.is_open() => return Err(needs_token(wrong)),
            _ => self.check_host(host.as_ref())?,
        }
        Ok(Admission {
            subprotocol: offers.ours.then(|| HeaderValue::from_static(SUBPROTOCOL)),
        })
    }

    /// Whether a page may send more than a plain GET. A preflight carries no token, so any name is accepted if the
    /// actual request needs one. A load balancer that asks so whether anybody is there gives no name and no origin.
    pub(in crate::server) fn admit_preflight(
        &self,
        asked: &AccessRequest<'_>,
    ) -> Result<(), Refusal> {
        if !asked.headers.contains_key(HOST) && !asked.headers.contains_key(ORIGIN) {
            return Ok(());
        }
        let host = host_of(asked)?;
        self.check_origin(asked, host.as_ref())?;
        if self.digest().is_none() {
            self.check_host(host.as_ref())?;
        }
        Ok(())
    }

    /// Whether a page of the request's origin may read the response.
    pub(in crate::server) fn may_read(&self, asked: &AccessRequest<'_>) -> bool {
        host_of(asked).is_ok_and(|host| self.check_origin(asked, host.as_ref()).is_ok())
    }

    fn digest(&self) -> Option<Digest> {
        *unpoisoned(self.token.read())
    }

    /// What the request presents; `None` if no token is required.
    fn shown(&self, headers: &HeaderMap, offers: &Offers<'_>) -> Option<PresentedToken> {
        let digest = self.digest()?;
        let presented = bearer(headers).or_else(|| offers.token.map(str::as_bytes));
        Some(match presented {
            None => PresentedToken::Nothing,
            Some(presented) if digest.is_of(presented) => PresentedToken::Right,
            Some(_) => PresentedToken::Wrong,
        })
    }

    fn check_host(&self, host: Option<&Authority>) -> Result<(), Refusal> {
        let Some(Authority { name, .. }) = host else {
            return Ok(());
        };
        let is_known =
            matches!(name, UrlHost::Ip(_)) || name.is_loopback() || self.names.contains(name);
        if is_known || self.own.is(name) {
            return Ok(());
        }
        let shown = clip(name);
        let reason = format!(
            "'{shown}' is not a name of this server: use its address, or start it with --allow-host {shown}"
        );
        Err(Refusal::new(StatusCode::FORBIDDEN, reason))
    }

    fn check_origin(
        &self,
        asked: &AccessRequest<'_>,
        host: Option<&Authority>,
    ) -> Result<(), Refusal> {
        let refuse = |reason| Err(Refusal::new(StatusCode::FORBIDDEN, reason));
        let text = match only(asked.headers, &ORIGIN) {
            Ok(None) => return Ok(()),
            Ok(Some(text)) => text,
            Err(()) => {
                return refuse("more than one Origin header, or an unreadable one".into());
            }
        };
        let Some(origin) = Origin::parse(text) else {
            let shown = clip(&shown(text));
            return refuse(format!(
                "pages from the origin '{shown}' are not allowed: serve yours from an address, and start this server \
                 with --allow-origin SCHEME://HOST[:PORT]"
            ));
        };
        let admitted = host.is_some_and(|host| origin.is_of(host))
            || asked.on_loopback && origin.is_loopback()
            || self.origins.iter().any(|allowed| allowed.is(&origin));
        if admitted {
            return Ok(());
        }
        let shown = clip(&origin);
        refuse(format!(
            "pages from {shown} are not allowed: start this server with --allow-origin {shown}"
        ))
    }
}

/// The name that the request uses for the server. Only a health check may omit it: load balancers send no `Host`, and
/// browsers, which could be led here by another name, always do.
fn host_of(asked: &AccessRequest<'_>) -> Result<Option<Authority>, Refusal> {
    let refuse = |reason| Err(Refusal::new(StatusCode::BAD_REQUEST, reason));
    let text = match only(asked.headers, &HOST) {
        Ok(Some(text)) => text,
        Ok(None) if asked.path() == HEALTH_PATH => return Ok(None),
        _ => return refuse("a request needs exactly one Host header"),
    };
    let Some(host) = Authority::parse(text) else {
        return refuse("the Host header is not HOST[:PORT]");
    };
    // `GET http://name/ HTTP/1.1` names the server twice.
    let named_again = asked
        .uri
        .authority()
        .map(|again| Authority::parse(again.as_str()));
    if named_again.is_some_and(|again| again.as_ref() != Some(&host)) {
        return refuse("the Host header and the requested URL name different servers");
    }
    Ok(Some(host))
}

/// The name and port that an admitted request uses for the server.
pub(in crate::server) fn called(headers: &HeaderMap) -> Option<impl fmt::Display> {
    Authority::parse(only(headers, &HOST).ok()??)
}

/// The value of a header that may occur once; an error if it occurs more often or isn't text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        (Some(_), Some(_)) => Err(()),
    }
}

/// The token of `Authorization: Bearer`, if there is exactly one such header.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let text = only(headers, &AUTHORIZATION).ok()??;
    let (scheme, token) = text.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim_ascii().as_bytes())
}

/// The subprotocols that a browser offers: ours, and the token, because it cannot send other headers.
struct Offers<'a> {
    ours: bool,
    token: Option<&'a str>,
}

impl<'a> Offers<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let offered: Vec<_> = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim_ascii)
            .collect();
        let ours = offered.contains(&SUBPROTOCOL);
        let mut others = offered.into_iter().filter(|offer| *offer != SUBPROTOCOL);
        let token = match (others.next(), others.next()) {
            (Some(token), None) if ours => Some(token),
            _ => None,
        };
        Self { ours, token }
    }
}

fn needs_token(shown: PresentedToken) -> Refusal {
    let reason = match shown {
        PresentedToken::Wrong => "this is not the server's token",
        _ => {
            "this server requires a token: name its file with --token-file FILE (other programs: send \
             'Authorization: Bearer TOKEN')"
        }
    };
    let mut refusal = Refusal::new(StatusCode::UNAUTHORIZED, reason);
    let challenge = HeaderValue::from_static("Bearer");
    refusal.headers.push((WWW_AUTHENTICATE, challenge));
    refusal
}

/// The beginning of a viewer's text, which has only plain characters by now.
fn clip(text: &impl fmt::Display) -> String {
    text.to_string().chars().take(SHOWN_CHARS).collect()
}

#[cfg(test)]
mod tests;
