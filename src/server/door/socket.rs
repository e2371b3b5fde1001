//! A connection's bytes, with or without TLS.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use rustls::{ServerConfig, ServerConnection};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::locks::lock;

use super::lobby::{ReadTurn, Ticket};

/// The most encrypted and unsent data for a viewer that doesn't read, in bytes.
const MAX_UNSENT: usize = 16 * 1024;

/// An accepted connection, which one task may read while another writes.
///
/// Under TLS, written data may still be buffered here, encrypted, so the last write must be followed by a flush.
#[derive(Debug)]
pub(in crate::server) struct Socket {
    /// `None` only while it moves to another runtime.
    tcp: Option<TcpStream>,
    /// Boxed, because most servers have none, and it takes a kilobyte. The lock is held only while bytes are copied.
    tls: Option<Box<Mutex<ServerConnection>>>,
    /// Until it is a viewer's: received bytes are counted, and reading waits if too many are held.
    ticket: Option<Ticket>,
    has_just_moved: AtomicBool,
}

/// What rustls reads at once, in bytes, and roughly what it holds of an unfinished handshake.
const READ_AT_ONCE: usize = 4096;

/// What a handshake waits for.
enum HandshakeNeed {
    Nothing,
    /// Nothing: the received data was processed, and there may be more.
    Another,
    ToRead,
    ToWrite,
}

/// The TCP side for rustls: reads and writes what is possible without waiting.
struct Bytes<'a> {
    tcp: &'a TcpStream,
    socket: &'a Socket,
}

impl Bytes<'_> {
    /// Writes with `tokio`, which refuses until it knows that a socket is writable; a socket that has just moved here
    /// is tried `directly`, once.
    fn write_with(
        &self,
        tokio: impl FnOnce(&TcpStream) -> io::Result<usize>,
        directly: impl FnOnce(SockRef<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        match tokio(self.tcp) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if self.socket.has_just_moved.swap(false, Ordering::Relaxed) {
                    return directly(SockRef::from(self.tcp));
                }
                Err(error)
            }
            written => written,
        }
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.tcp.try_read(buf)?;
        if let Some(ticket) = &self.socket.ticket {
            ticket.received(read);
        }
        Ok(read)
    }
}

impl Write for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_with(|tcp| tcp.try_write(bytes), |tcp| tcp.send(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write_with(
            |tcp| tcp.try_write_vectored(slices),
            |tcp| tcp.send_vectored(slices),
        )
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket {
    /// A connection that isn't a viewer's yet.
    pub(in crate::server) fn plain(tcp: TcpStream, ticket: Ticket) -> Self {
        Self {
            tcp: Some(tcp),
            tls: None,
            ticket: Some(ticket),
            has_just_moved: AtomicBool::new(false),
        }
    }

    /// Waits for the turn of a long request, see [`Ticket::turn`]. The result doesn't borrow the socket.
    pub(in crate::server) async fn turn(&self) -> Option<ReadTurn> {
        self.ticket.clone()?.turn().await
    }

    /// Performs the handshake. A refused peer has received the reason, as a TLS alert.
    pub(in crate::server) async fn shake_hands(
        mut self,
        config: Arc<ServerConfig>,
    ) -> io::Result<Self> {
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(MAX_UNSENT));
        self.tls = Some(Box::new(Mutex::new(tls)));
        while self.take_step().await? {}
        Ok(self)
    }

    /// Continues the handshake as far as its turn allows. Returns whether it has to continue after that.
    async fn take_step(&self) -> io::Result<bool> {
        let mut bytes = self.bytes()?;
        let turn = self.turn().await;
        poll_fn(|cx| self.poll_room(cx, READ_AT_ONCE)).await;
        // The lock isn't held while this waits.
        let wanted = match self.session() {
            Some(mut tls) => step(&mut bytes, &mut tls)?,
            None => return Ok(false),
        };
        drop(turn);
        match wanted {
            HandshakeNeed::Nothing => return Ok(false),
            HandshakeNeed::Another => {}
            HandshakeNeed::ToWrite => bytes.tcp.writable().await?,
            HandshakeNeed::ToRead => bytes.tcp.readable().await?,
        }
        Ok(true)
    }

    /// Moves the connection to the caller's runtime. From now on it is a viewer's, and counted elsewhere.
    pub(in crate::server) fn move_here(mut self) -> io::Result<Self> {
        self.ticket = None;
        let tcp = self.tcp.take().ok_or(io::ErrorKind::NotConnected)?;
        self.tcp = Some(TcpStream::from_std(tcp.into_std()?)?);
        self.has_just_moved = AtomicBool::new(true);
        Ok(self)
    }

    /// Waits until there is something to read, and returns its first byte without consuming it; `None` at the end.
    pub(in crate::server) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let peeked = self.tcp()?.peek(&mut first).await?;
        Ok((peeked == 1).then_some(first[0]))
    }

    /// The data read has been discarded.
    pub(in crate::server) fn forget_received(&self) {
        if let Some(ticket) = &self.ticket {
            ticket.forget();
        }
    }

    fn tcp(&self) -> io::Result<&TcpStream> {
        let moved = || io::ErrorKind::NotConnected.into();
        self.tcp.as_ref().ok_or_else(moved)
    }

    fn bytes(&self) -> io::Result<Bytes<'_>> {
        let tcp = self.tcp()?;
        Ok(Bytes { tcp, socket: self })
    }

    fn poll_room(&self, cx: &mut Context<'_>, more: usize) -> Poll<()> {
        match &self.ticket {
            Some(ticket) => ticket.poll_room(cx, more),
            None => Poll::Ready(()),
        }
    }

    fn session(&self) -> Option<MutexGuard<'_, ServerConnection>> {
        let tls = self.tls.as_ref()?;
        Some(lock(tls))
    }

    /// Reads what is available, without waiting.
    pub(in crate::server) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.bytes()?;
        let Some(mut tls) = self.session() else {
            return bytes.read(buf);
        };
        loop {
            match tls.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            tls.read_tls(&mut bytes)?;
            let processed = tls.process_new_packets();
            // TLS's own response, such as an alert. What the socket doesn't take is sent before the next write.
            let _ = send(&mut tls, &mut bytes);
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    /// Writes what the socket takes, without waiting.
    pub(in crate::server) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bytes = self.bytes()?;
        let Some(mut tls) = self.session() else {
            return match slices {
                [only] => bytes.write(only),
                several => bytes.write_vectored(several),
            };
        };
        // Accepts nothing new before the old data is sent, which bounds the buffer.
        if !send(&mut tls, &mut bytes)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = tls.writer().write_vectored(slices)?;
        send(&mut tls, &mut bytes)?;
        Ok(taken)
    }

    /// Whether there is no TLS.
    pub(in crate::server) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Passes bytes to the kernel without waiting, and without asking the runtime first whether the socket takes them:
    /// what it knows of each of many sockets is not at hand. Only without TLS.
    pub(in crate::server) fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        let tcp = self.tcp()?;
        // Not with the C library: it makes this a point where a thread can be cancelled, which takes 2 % of a frame.
        #[cfg(unix)]
        let sent = rustix::net::send(tcp, bytes, rustix::net::SendFlags::empty())?;
        #[cfg(not(unix))]
        let sent = SockRef::from(tcp).send(bytes)?;
        Ok(sent)
    }

    /// Reads the descriptor, which [`Socket::try_send`] will need. Returns something that depends on it.
    pub(in crate::server) fn fetch(&self) -> bool {
        // This asserts that it isn't negative.
        self.tcp.as_ref().map(SockRef::from).is_some()
    }

    /// Sends buffered data as far as possible without waiting. Returns whether all of it was sent.
    pub(in crate::server) fn try_flush(&self) -> io::Result<bool> {
        match self.session() {
            Some(mut tls) => send(&mut tls, &mut self.bytes()?),
            None => Ok(true),
        }
    }

    /// Waits until more can be written.
    pub(in crate::server) async fn writable(&self) -> io::Result<()> {
        self.tcp()?.writable().await
    }

    /// Shuts down our direction: the peer reads up to here, and then the end. Its data can still be read.
    pub(in crate::server) fn say_no_more(&self) {
        if let Some(mut tls) = self.session() {
            tls.send_close_notify();
            if let Ok(mut bytes) = self.bytes() {
                let _ = send(&mut tls, &mut bytes);
            }
        }
        // A socket whose peer is gone refuses this, and no longer needs it.
        if let Some(tcp) = &self.tcp {
            let _ = SockRef::from(tcp).shutdown(std::net::Shutdown::Write);
        }
    }

    /// Shuts down both directions, so that nothing waits for this socket any longer. Unsent data is still sent, unless
    /// `at_once`: then the kernel keeps nothing for a peer that reads nothing.
    pub(in crate::server) fn hang_up(&self, at_once: bool) {
        let Some(tcp) = &self.tcp else { return };
        let socket = SockRef::from(tcp);
        // A socket whose peer is gone refuses both, and needs neither.
        if at_once {
            let _ = socket.set_linger(Some(std::time::Duration::ZERO));
        }
        let _ = socket.shutdown(std::net::Shutdown::Both);
    }

    /// Once this is dropped, the peer gets a reset instead of an orderly end.
    pub(in crate::server) fn reset_when_dropped(&self) {
        if let Some(tcp) = &self.tcp {
            // A socket whose peer is gone refuses this, and doesn't need it.
            let _ = SockRef::from(tcp).set_linger(Some(std::time::Duration::ZERO));
        }
    }

    /// Waits until there may be something to read, after [`Socket::try_read`] would have blocked. Only one task may
    /// wait at a time.
    pub(in crate::server) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp()?.poll_read_ready(cx)
    }

    /// [`AsyncRead::poll_read`] for a shared socket. Only one task may wait at a time.
    pub(in crate::server) fn poll_read_shared(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A peer that sends all the time must not keep the reading task from ever yielding.
        let turn = ready!(tokio::task::coop::poll_proceed(cx));
        loop {
            ready!(self.poll_room(cx, buf.remaining()));
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

/// Continues a handshake as far as possible without waiting.
fn step(bytes: &mut Bytes<'_>, tls: &mut ServerConnection) -> io::Result<HandshakeNeed> {
    if !send(tls, bytes)? {
        return Ok(HandshakeNeed::ToWrite);
    }
    if !tls.is_handshaking() {
        return Ok(HandshakeNeed::Nothing);
    }
    match tls.read_tls(bytes) {
        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Ok(HandshakeNeed::ToRead);
        }
        Err(error) => return Err(error),
    }
    let processed = tls.process_new_packets();
    processed.map_err(|error| {
        // The alert with the reason; it doesn't matter if the peer doesn't take it.
        let _ = send(tls, bytes);
        io::Error::new(io::ErrorKind::InvalidData, error)
    })?;
    Ok(HandshakeNeed::Another)
}

/// Sends encrypted data. Returns whether all of it was sent.
fn send(tls: &mut ServerConnection, bytes: &mut Bytes<'_>) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Tells the peer that nothing follows, so that it can tell the end from a cut.
impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(mut tls) = self.session() {
            tls.send_close_notify();
            if let Ok(mut bytes) = self.bytes() {
                let _ = send(&mut tls, &mut bytes);
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_shared(cx, buf)
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
            ready!(self.tcp()?.poll_write_ready(cx))?;
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.try_flush()? {
            ready!(self.tcp()?.poll_write_ready(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(mut tls) = self.session() {
            tls.send_close_notify(); // sent only sent only once, however often it is called
        }
        ready!(self.as_mut().poll_flush(cx))?;
        match &mut self.tcp {
            Some(tcp) => Pin::new(tcp).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
