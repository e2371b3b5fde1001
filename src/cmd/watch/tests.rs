//! Watching without a server and without a terminal.

mod as_lines;
mod asserting;
mod at_once;
mod long_ago;
mod looking_back;
mod on_screen;
mod script;
