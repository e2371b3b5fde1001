//! Both ends of a connection with TLS.

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::server::door::lobby::Lobby;

/// Both ends of a connection after the handshake.
async fn pair() -> (Socket, TlsStream<TcpStream>) {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(signed.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, tcp) = tokio::join!(listener.accept(), tcp);
    let name = ServerName::try_from("localhost").unwrap();
    let (accepted, peer) = accepted.unwrap();
    let ticket = Lobby::default().enter(peer.ip()).unwrap();
    let (server, client) = tokio::join!(
        Socket::plain(accepted, ticket).shake_hands(Arc::new(server)),
        TlsConnector::from(Arc::new(client)).connect(name, tcp.unwrap()),
    );
    (server.unwrap(), client.unwrap())
}

#[tokio::test]
async fn unsent_data_is_bounded_and_sent_later() {
    let (server, mut client) = pair().await;
    let chunk = [7; 4096];
    let mut taken = 0;
    let blocked = loop {
        match server.try_write(&[IoSlice::new(&chunk), IoSlice::new(&chunk)]) {
            Ok(count) => taken += count,
            Err(error) => break error.kind(),
        }
    };
    assert_eq!(blocked, io::ErrorKind::WouldBlock);
    assert!(!server.try_flush().unwrap());
    let mut got = vec![0; taken];
    let flushed = async {
        while !server.try_flush().unwrap() {
            server.writable().await.unwrap();
        }
    };
    let (read, ()) = tokio::join!(client.read_exact(&mut got), flushed);
    assert!(read.unwrap() == taken && got.iter().all(|&byte| byte == 7));
    assert!(server.try_flush().unwrap());
    drop(server);
    assert_eq!(
        client.read(&mut got).await.unwrap(),
        0,
        "an end, and no cut"
    );
}
