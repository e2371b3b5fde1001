//! How patient we are with viewers: how long each may take, and how much it may send.

use std::time::Duration;

use crate::protocol::close;

/// A viewer that takes no byte for this long is closed: it sees nothing, and in a replay the others wait for it.
pub(super) const STALL_DEADLINE: Duration = Duration::from_secs(10);

/// How often deadlines are checked.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a viewer has to answer a ping. The pong queues behind what the viewer hasn't read, so this bounds the age
/// of the data that it reads.
pub(super) const PONG_DEADLINE: Duration = Duration::from_secs(10);

/// How long a viewer has to take its last bytes and answer a close.
pub(super) const GOODBYE_DEADLINE: Duration = Duration::from_secs(5);

/// How long a viewer that is closed with `code` has to take its last bytes and answer. `None`: as long as the server
/// runs. At the end of a recording, a busy viewer may have much to read yet, which a reset would take away from it; the
/// replay decides how long to wait.
pub(super) fn goodbye_deadline(code: u16) -> Option<Duration> {
    (code != close::OVER).then_some(GOODBYE_DEADLINE)
}

/// A viewer may fall behind the log once in this time.
pub(super) const OVERRUN_PARDON: Duration = Duration::from_secs(60);

/// The pause between two batches for a viewer of a live host that is behind. With timers of whole milliseconds, that is
/// some 40 MiB/s, so that requesting everything again and again doesn't load the host. A replay is as fast as its
/// viewers.
pub(super) const CATCH_UP_PAUSE: Duration = Duration::from_millis(1);

/// The most replies that a viewer may cause without reading them, in bytes: about a hundred pongs.
pub(super) const MAX_REPLIES_BYTES: usize = 4096;

/// The most that a viewer may send in a second, in bytes: pongs, and also a message in a thousand pieces.
pub(super) const MAX_BYTES_PER_SECOND: usize = 16 * 1024;

/// The pause between two reads of a viewer whose data is discarded: it may continue for seconds.
pub(super) const DISCARD_PAUSE: Duration = Duration::from_millis(10);

/// How many frames a viewer may send in a second. Viewers only send an occasional pong; a hundred leaves room for
/// measurements.
pub(super) const MAX_FRAMES_PER_SECOND: u32 = 100;
