//! A request that is refused.

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

/// Why a request is refused, and the response to it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Refusal {
    pub(in crate::server) status: StatusCode,
    /// One line without a full stop. It names the flag that would admit the viewer, and never contains the token.
    pub(in crate::server) reason: String,
    /// Headers that belong to the status.
    pub(in crate::server) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(in crate::server) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self {
            status,
            reason: reason.into(),
            headers: Vec::new(),
        }
    }

    pub(in crate::server) fn with(mut self, header: (HeaderName, HeaderValue)) -> Self {
        self.headers.push(header);
        self
    }
}
