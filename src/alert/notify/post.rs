//! One HTTP request, within a deadline, and its response.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::select_ok;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::authorities;
use crate::protocol::{SERVER, shown};

use super::payload::Payload;
use super::webhook::Webhook;

/// A request without a response by then has failed: name, connection, TLS, request and response together.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long to wait for one address of a host before the next one is tried.
const HEAD_START: Duration = Duration::from_millis(250);

/// The addresses of a host that are tried.
const MOST_ADDRESSES: usize = 8;

/// How much of a response is read, in bytes. Its status is enough.
const MOST_READ: usize = 64 * 1024;

/// How much of a response's head hyper may hold, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// A server's response.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The server's `Retry-After`.
    pub(super) retry_after: Option<Duration>,
    /// The beginning of its body.
    pub(super) said: String,
}

/// `200 OK: ok`
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        let said = self
            .said
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty());
        said.map_or(Ok(()), |said| write!(f, ": {}", shown(said)))
    }
}

/// Posts to webhooks. Cloning it shares the certificates.
#[derive(Clone)]
pub(super) struct WebhookClient(Option<TlsConnector>);

impl WebhookClient {
    /// A client for `webhooks`: it reads the system's certificates only if one of them needs TLS.
    ///
    /// # Errors
    /// When the system has no certificates to trust.
    pub(super) fn new<'a>(webhooks: impl IntoIterator<Item = &'a Webhook>) -> Result<Self, String> {
        let needs_tls = webhooks.into_iter().any(|webhook| webhook.tls);
        Ok(Self(needs_tls.then(connector).transpose()?))
    }

    /// Posts once.
    ///
    /// # Errors
    /// Why there was no response, without the URL.
    pub(super) async fn post(
        &self,
        webhook: &Webhook,
        payload: &Payload,
    ) -> Result<Answer, String> {
        let posting = async {
            let tcp = connect(&webhook.host, webhook.port).await;
            let tcp = tcp.map_err(|error| in_words(&error))?;
            let _ = tcp.set_nodelay(true);
            match &self.0 {
                Some(connector) if webhook.tls => {
                    let stream = secure(connector, webhook, tcp).await?;
                    exchange(stream, webhook, payload).await
                }
                _ if webhook.tls => Err("TLS was not prepared".into()),
                _ => exchange(tcp, webhook, payload).await,
            }
        };
        // hyper's futures are large.
        tokio::time::timeout(DEADLINE, Box::pin(posting))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())))
    }
}

/// Connects to the first of the host's addresses that answers. Each gets a little time before the next is tried as
/// well: if IPv6 leads nowhere, IPv4 is tried within the deadline.
async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = tokio::net::lookup_host((host, port)).await?;
    let attempts = addresses
        .take(MOST_ADDRESSES)
        .zip(0..)
        .map(|(address, before)| {
            Box::pin(async move {
                tokio::time::sleep(HEAD_START * before).await;
                TcpStream::connect(address).await
            })
        });
    let attempts: Vec<_> = attempts.collect();
    if attempts.is_empty() {
        return Err(io::Error::other("the name has no address"));
    }
    select_ok(attempts).await.map(|(stream, _)| stream)
}

fn connector() -> Result<TlsConnector, String> {
    let roots = authorities::of_system();
    if roots.is_empty() {
        return Err("this system has no CA certificates: install ca-certificates, or name a file of them in SSL_CERT_FILE".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot use TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn secure(
    connector: &TlsConnector,
    webhook: &Webhook,
    tcp: TcpStream,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, String> {
    let name = ServerName::try_from(webhook.host.clone())
        .map_err(|_| "no certificate can have this host's name".to_owned())?;
    connector.connect(name, tcp).await.map_err(|error| {
        let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match reason {
            Some(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => "its certificate is by a CA that this system does not trust: SSL_CERT_FILE can name a file of others".into(),
            Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS: write http://".into(),
            Some(reason) => format!("TLS failed: {reason}"),
            None => in_words(&error),
        }
    })
}

/// Sends the request and reads the answer, but never more than [`MOST_READ`] of it.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    webhook: &Webhook,
    payload: &Payload,
) -> Result<Answer, String> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| not_answered(&error))?;
    // It ends with this function, whatever the server does.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let response = sender.send_request(request(webhook, payload)?).await;
    let mut response = response.map_err(|error| not_answered(&error))?;
    let retry_after = retry_after(&response, SystemTime::now());
    let status = response.status();
    let said = beginning(&mut response).await;
    Ok(Answer {
        status,
        retry_after,
        said,
    })
}

fn request(webhook: &Webhook, payload: &Payload) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(webhook.path.as_str())
        .header(HOST, &webhook.authority)
        .header(USER_AGENT, SERVER)
        .header(CONNECTION, "close");
    if let Some(authorization) = &webhook.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    for (name, value) in &payload.headers {
        request = request.header(name, value);
    }
    let body = Full::new(Bytes::from(payload.body.clone()));
    request
        .body(body)
        .map_err(|_| "the request cannot be written".into())
}

/// The beginning of the body. The status has arrived, so a body that breaks off or never ends changes nothing.
async fn beginning(response: &mut Response<Incoming>) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while bytes.len() < MOST_READ {
            let Some(Ok(frame)) = response.body_mut().frame().await else {
                break;
            };
            let data = frame.into_data().unwrap_or_default();
            let fits = data.len().min(MOST_READ - bytes.len());
            bytes.extend_from_slice(&data[..fits]);
        }
    };
    let _ = tokio::time::timeout(BODY_PATIENCE, reading).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How long to wait for the body of a response, once its status is known.
const BODY_PATIENCE: Duration = Duration::from_secs(1);

/// The `Retry-After` of a response: seconds, possibly with a fraction, or a date.
fn retry_after(response: &Response<Incoming>, now: SystemTime) -> Option<Duration> {
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

/// Why a request got no response.
fn not_answered(error: &hyper::Error) -> String {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return in_words(error);
        }
        cause = error.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "the connection was closed without an answer".into()
    } else if error.is_parse() {
        "the answer is not HTTP".into()
    } else {
        error.to_string()
    }
}

/// The system's reason, without its number.
fn in_words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text);
    let plain = text
        .split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase();
    if plain.is_empty() {
        "the connection failed".into()
    } else {
        plain
    }
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
        let answer = |said: &str| Answer {
            status: StatusCode::BAD_REQUEST,
            retry_after: None,
            said: said.into(),
        };
        assert_eq!(answer("").to_string(), "400 Bad Request");
        assert_eq!(
            answer("\r\n no_text\u{1b}[2J \nx").to_string(),
            r"400 Bad Request: no_text\u{1b}[2J"
        );
    }
}
