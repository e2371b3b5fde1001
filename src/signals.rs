//! SIGINT, SIGTERM and SIGHUP: the first one asks, the second one leaves.

use std::sync::mpsc;

use tokio_util::sync::CancellationToken;

/// A token that the first signal cancels. The second calls `leave` with its number, on a thread of its own, so that it
/// works even where the program is stuck in a write to a pipe that nobody reads.
///
/// Returns after the signals are caught: one that comes later never kills the program unprepared.
pub fn stop_on_signal(leave: impl FnOnce(i32) + Send + 'static) -> CancellationToken {
    let stop = CancellationToken::new();
    let (ready, caught) = mpsc::channel();
    let first = stop.clone();
    let listen = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
        else {
            return;
        };
        let second = runtime.block_on(async {
            let mut signals = Signals::catch()?;
            let _ = ready.send(());
            signals.next().await;
            first.cancel();
            std::io::Result::Ok(signals.next().await)
        });
        if let Ok(signal) = second {
            leave(signal);
        }
    };
    if std::thread::Builder::new()
        .name("signals".into())
        .spawn(listen)
        .is_ok()
    {
        // An error means that signals cannot be caught: then they do what they do by default.
        let _ = caught.recv();
    }
    stop
}

#[cfg(unix)]
struct Signals([(i32, tokio::signal::unix::Signal); 3]);

#[cfg(unix)]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let catch = |kind: SignalKind| signal(kind).map(|signal| (kind.as_raw_value(), signal));
        Ok(Self([
            catch(SignalKind::interrupt())?,
            catch(SignalKind::terminate())?,
            catch(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) -> i32 {
        let [
            (interrupt, on_interrupt),
            (terminate, on_terminate),
            (hangup, on_hangup),
        ] = &mut self.0;
        tokio::select! {
            _ = on_interrupt.recv() => *interrupt,
            _ = on_terminate.recv() => *terminate,
            _ = on_hangup.recv() => *hangup,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        let _ = tokio::signal::ctrl_c().await;
        2
    }
}
