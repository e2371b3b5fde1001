//! The terminal: what it can show, the full screen, its keys, and progress lines on stderr.
//!
//! The only module that uses crossterm and indicatif. It draws lines without knowing their contents.

mod ability;
mod inputs;
mod progress;
mod screen;

pub use ability::{Colour, can_move_cursor, columns, has_unicode, is_coloured, size};
pub use inputs::{TerminalInput, inputs};
pub use progress::{ProgressLine, Recorded};
pub use screen::{Screen, restore};
