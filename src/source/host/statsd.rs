//! Metrics of applications on this host, as statsd and DogStatsD clients send them: one of the inputs of the sampler.
//!
//! A thread for each socket reads packets (`listener`), `line` parses them, and `application` adds them up until the sampler
//! takes them out. Everything is bounded: the names, what is kept between two samples, and how long the sampler may wait
//! for the lock (`inbox`).

mod application;
mod counts;
mod inbox;
mod line;
mod listener;
mod members;
mod socket;
#[cfg(unix)]
mod socket_file;
mod spread;

pub use application::ReportedValue;
pub use counts::StatsdCounts;
pub use inbox::StatsdInbox;
pub use listener::StatsdListener;
pub use socket::{StatsdAddress, StatsdError};
