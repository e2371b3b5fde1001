//! How patient we are with viewers: how long each may take, and how much it may say.

use std::time::Duration;

/// A viewer that takes no byte for so long is closed: it sees nothing, and in a replay everybody waits for it.
pub(super) const STALL_DEADLINE: Duration = Duration::from_secs(10);

/// How often deadlines are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a viewer has to answer a ping. The pong queues behind what the viewer has not read, so this bounds how old
/// the data are that it reads.
pub(super) const PONG_DEADLINE: Duration = Duration::from_secs(10);

/// How long a viewer has to take its last bytes and answer a close.
pub(super) const GOODBYE_DEADLINE: Duration = Duration::from_secs(5);

/// A viewer may lose the log once in this time.
pub(super) const OVERRUN_PARDON: Duration = Duration::from_secs(60);

/// The pause between two batches for a viewer of a live host that is behind: 6 MiB/s, so that asking for everything
/// again and again is no way to make a host work. A replay is as fast as its viewers.
pub(super) const CATCH_UP_PAUSE: Duration = Duration::from_millis(10);

/// The most that a viewer may make us say before it reads any of it, in bytes: some hundred pongs.
pub(super) const MAX_REPLIES_BYTES: usize = 4096;

/// The most that a viewer may say in a second, in bytes. It has pongs to say; a message in a thousand pieces is counted
/// here as well.
pub(super) const MAX_BYTES_PER_SECOND: usize = 16 * 1024;

/// The pause between two reads of what a viewer says that is not listened to any more: it may go on for seconds.
pub(super) const DISCARD_PAUSE: Duration = Duration::from_millis(10);

/// How many frames a viewer may send in a second. Viewers have nothing to say but a pong now and then; a hundred is for
/// those who measure.
pub(super) const MAX_FRAMES_PER_SECOND: u32 = 100;
