//! Keys and changes of size, as a channel that an async loop can wait on.

use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;

/// How often the reader checks whether its receiver still exists.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The most keys that wait; nobody types faster than the screen is drawn.
const WAITING: usize = 64;

/// Input from the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalInput {
    /// Ctrl-C, which in raw mode is a key, not a signal.
    Interrupt,
    /// A printable key.
    Char(char),
    /// The arrow.
    Up,
    /// The arrow.
    Down,
    /// The arrow.
    Left,
    /// The arrow.
    Right,
    /// The arrow with Shift.
    FarLeft,
    /// The arrow with Shift.
    FarRight,
    /// Page Up.
    PageUp,
    /// Page Down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
    /// Enter.
    Enter,
    /// Escape.
    Back,
    /// Backspace.
    Erase,
    /// Any other key.
    Other,
    /// The terminal was resized.
    Resize,
}

/// Starts to read the keyboard. The reader ends soon after the receiver is dropped, and does not keep the process
/// alive. Without a keyboard, it never receives anything.
#[must_use]
pub fn inputs() -> mpsc::Receiver<TerminalInput> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || read(&sender));
    receiver
}

fn read(sender: &mpsc::Sender<TerminalInput>) {
    while !sender.is_closed() {
        match event::poll(LOOK_EVERY) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(_) => return,
        }
        let Ok(event) = event::read() else { return };
        if let Some(input) = meaning(&event)
            && sender.blocking_send(input).is_err()
        {
            return;
        }
    }
}

fn meaning(event: &Event) -> Option<TerminalInput> {
    match event {
        Event::Resize(..) => Some(TerminalInput::Resize),
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(key_meaning(*key)),
        _ => None,
    }
}

fn key_meaning(key: KeyEvent) -> TerminalInput {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return if key.code == KeyCode::Char('c') {
            TerminalInput::Interrupt
        } else {
            TerminalInput::Other
        };
    }
    let shift = key.modifiers.contains(KeyModifiers::SHIFT);
    match key.code {
        KeyCode::Char(c) => TerminalInput::Char(c),
        KeyCode::Up => TerminalInput::Up,
        KeyCode::Down => TerminalInput::Down,
        KeyCode::Left if !shift => TerminalInput::Left,
        KeyCode::Right if !shift => TerminalInput::Right,
        KeyCode::Left => TerminalInput::FarLeft,
        KeyCode::Right => TerminalInput::FarRight,
        KeyCode::PageUp => TerminalInput::PageUp,
        KeyCode::PageDown => TerminalInput::PageDown,
        KeyCode::Home => TerminalInput::Home,
        KeyCode::End => TerminalInput::End,
        KeyCode::Enter => TerminalInput::Enter,
        KeyCode::Esc => TerminalInput::Back,
        KeyCode::Backspace => TerminalInput::Erase,
        _ => TerminalInput::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: KeyCode, modifiers: KeyModifiers, expected: TerminalInput) {
        let key = Event::Key(KeyEvent::new(code, modifiers));
        assert_eq!(meaning(&key), Some(expected), "{key:?}");
    }

    #[test]
    fn keys_have_the_meanings_that_the_help_names() {
        check(
            KeyCode::Char('c'),
            KeyModifiers::CONTROL,
            TerminalInput::Interrupt,
        );
        check(
            KeyCode::Char('c'),
            KeyModifiers::NONE,
            TerminalInput::Char('c'),
        );
        check(
            KeyCode::Char('p'),
            KeyModifiers::CONTROL,
            TerminalInput::Other,
        );
        for (code, expected) in [
            (KeyCode::Char('q'), TerminalInput::Char('q')),
            (KeyCode::Char(' '), TerminalInput::Char(' ')),
            (KeyCode::Up, TerminalInput::Up),
            (KeyCode::Down, TerminalInput::Down),
            (KeyCode::Left, TerminalInput::Left),
            (KeyCode::Right, TerminalInput::Right),
            (KeyCode::PageUp, TerminalInput::PageUp),
            (KeyCode::PageDown, TerminalInput::PageDown),
            (KeyCode::Home, TerminalInput::Home),
            (KeyCode::End, TerminalInput::End),
            (KeyCode::Enter, TerminalInput::Enter),
            (KeyCode::Esc, TerminalInput::Back),
            (KeyCode::Backspace, TerminalInput::Erase),
            (KeyCode::F(5), TerminalInput::Other),
        ] {
            check(code, KeyModifiers::NONE, expected);
        }
        check(
            KeyCode::Char('?'),
            KeyModifiers::SHIFT,
            TerminalInput::Char('?'),
        );
        check(KeyCode::Left, KeyModifiers::SHIFT, TerminalInput::FarLeft);
        check(KeyCode::Right, KeyModifiers::SHIFT, TerminalInput::FarRight);
    }

    #[test]
    fn a_key_counts_once_and_a_new_size_counts() {
        let released = KeyEvent::new_with_kind(
            KeyCode::Char('q'),
            KeyModifiers::NONE,
            KeyEventKind::Release,
        );
        assert_eq!(meaning(&Event::Key(released)), None);
        assert_eq!(meaning(&Event::FocusGained), None);
        assert_eq!(meaning(&Event::Resize(80, 24)), Some(TerminalInput::Resize));
    }
}
