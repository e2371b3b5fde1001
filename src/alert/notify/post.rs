//! One HTTP request, within a deadline, and its response.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::select_ok;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::authorities;
use crate::protocol::SERVER;
use crate::wording::{cause, lookup_cause};

use super::answer::{Answer, retry_after};
use super::payload::Payload;
use super::webhook::Webhook;

/// A request without a status by then has failed: name, connection, TLS, request and the response's head together.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long to wait for one address of a host before the next one is tried.
const HEAD_START: Duration = Duration::from_millis(250);

/// The addresses of a host that are tried.
const MOST_ADDRESSES: usize = 8;

/// How much of a response is read, in bytes. Its status is enough.
const MOST_READ: usize = 64 * 1024;

/// How much of a response's head hyper may hold, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

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
        let asking = async {
            let tcp = connect(&webhook.host, webhook.port).await;
            let tcp = tcp.map_err(|error| in_words(&error))?;
            let _ = tcp.set_nodelay(true);
            match &self.0 {
                Some(connector) if webhook.tls => {
                    let stream = secure(connector, webhook, tcp).await?;
                    ask(stream, webhook, payload).await
                }
                _ if webhook.tls => Err("TLS was not prepared".into()),
                _ => ask(tcp, webhook, payload).await,
            }
        };
        answered(asking, webhook).await
    }
}

/// The answer that `asking` leads to. Once it has a status, the rest of the deadline is for the body.
async fn answered(
    asking: impl Future<Output = Result<Asked, String>>,
    webhook: &Webhook,
) -> Result<Answer, String> {
    let deadline = Instant::now() + DEADLINE;
    // hyper's futures are large.
    let asked = timeout_at(deadline, Box::pin(asking)).await;
    let mut asked = asked.map_err(|_| format!("no answer within {} s", DEADLINE.as_secs()))??;
    let retry_after = retry_after(&asked.response, SystemTime::now());
    let status = asked.response.status();
    let body = timeout_at(deadline, beginning(&mut asked.response)).await;
    let said = webhook.unrevealing(&body.unwrap_or_default());
    Ok(Answer {
        status,
        retry_after,
        said,
    })
}

/// Connects to the server of `webhook`, and sends it nothing.
///
/// # Errors
/// Why there is no connection.
pub(super) async fn reach(webhook: &Webhook) -> Result<(), String> {
    match timeout(DEADLINE, connect(&webhook.host, webhook.port)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(in_words(&error)),
        Err(_) => Err(format!("no connection within {} s", DEADLINE.as_secs())),
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

/// A response whose body has not been read.
struct Asked {
    response: Response<Incoming>,
    /// It ends with the answer, whatever the server does.
    _connection: AbortOnDropHandle<Result<(), hyper::Error>>,
}

/// Sends the request and waits for the head of the response.
async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    webhook: &Webhook,
    payload: &Payload,
) -> Result<Asked, String> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| not_answered(&error))?;
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let response = sender.send_request(request(webhook, payload)?).await;
    Ok(Asked {
        response: response.map_err(|error| not_answered(&error))?,
        _connection: connection,
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

/// The beginning of the body, at most [`MOST_READ`]. A body that breaks off or never ends changes nothing.
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
    let _ = timeout(BODY_PATIENCE, reading).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How long to wait for the body of a response, if the deadline leaves so much.
const BODY_PATIENCE: Duration = Duration::from_secs(1);

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
    let plain = lookup_cause(error).unwrap_or_else(|| cause(error));
    if plain.is_empty() {
        "the connection failed".into()
    } else {
        plain.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// The answer of a server that sends `head` after `late`, and then nothing more.
    async fn answer_of(head: &'static str, late: Duration) -> Result<Answer, String> {
        let webhook: Webhook = "http://127.0.0.1/".parse().unwrap();
        let payload = Payload {
            headers: Vec::new(),
            body: "{}".into(),
        };
        let (here, mut there) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let _ = there.read(&mut [0; 1024]).await;
            tokio::time::sleep(late).await;
            let _ = there.write_all(head.as_bytes()).await;
            std::future::pending::<()>().await;
        });
        answered(ask(here, &webhook, &payload), &webhook).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_decides_even_if_the_body_does_not_come() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n";
        for late in [0, 4500, 4999] {
            let began = Instant::now();
            let answer = answer_of(head, Duration::from_millis(late)).await.unwrap();
            assert_eq!(answer.to_string(), "200 OK", "{late}");
            assert!(began.elapsed() <= DEADLINE, "{:?}", began.elapsed());
        }
        let none = answer_of(head, Duration::from_millis(5001)).await;
        assert_eq!(none, Err("no answer within 5 s".into()));
    }
}
