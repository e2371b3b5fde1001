//! A connection's bytes, whether TLS is around them or not.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most that lies encrypted and unsent for a viewer that does not read, in bytes.
const MAX_UNSENT: usize = 16 * 1024;

/// An accepted connection, which one task may read while another writes.
///
/// Under TLS what was written may still lie here, encrypted: after the last write comes a flush.
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    /// In a box: most servers have none, and it is a kilobyte. The lock is held only while bytes are copied.
    tls: Option<Box<Mutex<ServerConnection>>>,
}

/// The TCP side, as rustls sees it: it takes and gives what it can without waiting.
struct Bytes<'a>(&'a TcpStream);

impl Read for Bytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket {
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Self { tcp, tls: None }
    }

    /// A connection that has shaken hands.
    pub(super) fn tls(tcp: TcpStream, mut tls: ServerConnection) -> Self {
        tls.set_buffer_limit(Some(MAX_UNSENT));
        let tls = Some(Box::new(Mutex::new(tls)));
        Self { tcp, tls }
    }

    fn session(&self) -> Option<MutexGuard<'_, ServerConnection>> {
        let tls = self.tls.as_ref()?;
        Some(tls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads what is there without waiting.
    pub(super) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let Some(mut tls) = self.session() else {
            return self.tcp.try_read(buf);
        };
        loop {
            match tls.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            tls.read_tls(&mut Bytes(&self.tcp))?;
            let processed = tls.process_new_packets();
            // An answer of TLS' own, such as why this ends. What the socket does not take goes before the next write.
            let _ = send(&mut tls, &self.tcp);
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    /// Writes what is taken without waiting.
    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(mut tls) = self.session() else {
            return match slices {
                [only] => self.tcp.try_write(only),
                several => self.tcp.try_write_vectored(several),
            };
        };
        // Nothing new is taken before the old is out: this bounds what lies here.
        if !send(&mut tls, &self.tcp)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = tls.writer().write_vectored(slices)?;
        send(&mut tls, &self.tcp)?;
        Ok(taken)
    }

    /// Sends what lies here as far as that is possible without waiting. Whether all of it is out.
    pub(super) fn try_flush(&self) -> io::Result<bool> {
        match self.session() {
            Some(mut tls) => send(&mut tls, &self.tcp),
            None => Ok(true),
        }
    }

    /// Waits until more can be written.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.tcp.writable().await
    }

    /// Ends our direction: the peer reads up to here, and then an end. What it says can still be read.
    pub(super) fn say_no_more(&self) {
        if let Some(mut tls) = self.session() {
            tls.send_close_notify();
            let _ = send(&mut tls, &self.tcp);
        }
        // A socket whose peer is gone refuses, and needs it no more.
        let _ = socket2::SockRef::from(&self.tcp).shutdown(std::net::Shutdown::Write);
    }

    /// Ends both directions, so that whoever waits for this socket waits no longer. What a peer has not taken is still
    /// sent, unless `at_once`: then the kernel keeps nothing for a peer that reads nothing.
    pub(super) fn hang_up(&self, at_once: bool) {
        let socket = socket2::SockRef::from(&self.tcp);
        // A socket whose peer is gone refuses both, and needs neither.
        if at_once {
            let _ = socket.set_linger(Some(std::time::Duration::ZERO));
        }
        let _ = socket.shutdown(std::net::Shutdown::Both);
    }

    /// Waits until there may be something to read, after [`Socket::try_read`] would have had to wait. One task may wait
    /// so at a time.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_read_ready(cx)
    }

    /// [`AsyncRead::poll_read`] for a socket that is shared. One task may wait so at a time.
    pub(super) fn poll_read_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A peer that always has something to say must not keep the task that listens from ever pausing.
        let turn = ready!(tokio::task::coop::poll_proceed(cx));
        loop {
            match self.try_read(buf.initialize_unfilled()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => {
                    turn.made_progress();
                    return Poll::Ready(read.map(|count| buf.advance(count)));
                }
            }
            ready!(self.poll_readable(cx))?;
        }
    }
}

/// Sends what is encrypted. Whether all of it is out.
fn send(tls: &mut ServerConnection, tcp: &TcpStream) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(&mut Bytes(tcp)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// The peer is told that nothing follows, so that it knows the end from a cut.
impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(mut tls) = self.session() {
            tls.send_close_notify();
            let _ = send(&mut tls, &self.tcp);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.tls {
            Some(_) => self.poll_read_shared(cx, buf),
            None => Pin::new(&mut self.tcp).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
            ready!(self.tcp.poll_write_ready(cx))?;
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.try_flush()? {
            ready!(self.tcp.poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(mut tls) = self.session() {
            tls.send_close_notify(); // once, however often it is called
        }
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio_rustls::client::TlsStream;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    /// Both ends of a connection that has shaken hands.
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
        let (server, client) = tokio::join!(
            TlsAcceptor::from(Arc::new(server)).accept(accepted.unwrap().0),
            TlsConnector::from(Arc::new(client)).connect(name, tcp.unwrap()),
        );
        let (tcp, session) = server.unwrap().into_inner();
        (Socket::tls(tcp, session), client.unwrap())
    }

    #[tokio::test]
    async fn what_a_full_socket_leaves_behind_is_bounded_and_goes_out_later() {
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
}
