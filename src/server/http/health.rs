//! `/healthz`: whether samples arrive, and how many viewers are here.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};

use super::{plain, typed};
use crate::millis::in_millis;
use crate::server::shared::Shared;

/// 200 while samples arrive, 503 while they do not.
pub(super) fn answer(shared: &Shared) -> Response<Full<Bytes>> {
    let silence = shared.hub.silence();
    let healthy = shared
        .config
        .unhealthy_after
        .is_none_or(|limit| silence < limit)
        && shared.config.parts.iter().all(|part| part.is_well());
    let (status, word) = if healthy {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stale")
    };
    let viewers = shared.viewers.now().connected;
    let mut body =
        serde_json::json!({ "status": word, "silence": in_millis(silence), "viewers": viewers });
    if let Some(spool) = shared.hub.past_status() {
        let state = if spool.paused.is_some() {
            "paused"
        } else {
            "ok"
        };
        body["spool"] = serde_json::json!({
            "status": state,
            "reason": spool.paused,
            "lost": spool.lost,
            "bytes": spool.bytes,
            "oldest": spool.oldest,
        });
    }
    for part in &shared.config.parts {
        body[part.name()] = part.report();
    }
    typed(plain(status, format!("{body}\n")), "application/json")
}
