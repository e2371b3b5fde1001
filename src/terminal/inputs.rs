//! Keys and changes of size, as a channel that an async loop can wait on.

use std::time::Duration;

use crossterm::event::{
    self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use tokio::sync::mpsc;

use crate::signals::{JobSignal, JobSignals};

/// How often the reader checks whether its receiver still exists.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The most keys that wait; nobody types faster than the screen is drawn.
const WAITING: usize = 64;

/// Input from the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalInput {
    /// Ctrl-C or Ctrl-\, which in raw mode are keys, or SIGQUIT.
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
    /// Ctrl-Z, which in raw mode is a key, or SIGTSTP.
    Suspend,
    /// The shell has continued us.
    Continue,
    /// The left button at a column and a row, from 0.
    Click(u16, u16),
    /// The wheel, away from the user.
    WheelUp,
    /// The wheel, towards the user.
    WheelDown,
}

/// Starts to read the keyboard and to catch the signals of job control; must be called in a runtime. The reader ends
/// soon after the receiver is dropped, and does not keep the process alive. Without a keyboard, only signals come.
#[must_use]
pub fn inputs() -> mpsc::Receiver<TerminalInput> {
    let (sender, receiver) = mpsc::channel(WAITING);
    if let Ok(signals) = JobSignals::catch() {
        tokio::spawn(pass_on(signals, sender.clone()));
    }
    std::thread::spawn(move || read(&sender));
    receiver
}

async fn pass_on(mut signals: JobSignals, sender: mpsc::Sender<TerminalInput>) {
    loop {
        let input = match signals.next().await {
            JobSignal::Suspend => TerminalInput::Suspend,
            JobSignal::Continue => TerminalInput::Continue,
            JobSignal::Quit => TerminalInput::Interrupt,
        };
        if sender.send(input).await.is_err() {
            return;
        }
    }
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
        // With a modifier, the mouse is the terminal's: Shift selects text.
        Event::Mouse(mouse) if mouse.modifiers.is_empty() => match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                Some(TerminalInput::Click(mouse.column, mouse.row))
            }
            MouseEventKind::ScrollUp => Some(TerminalInput::WheelUp),
            MouseEventKind::ScrollDown => Some(TerminalInput::WheelDown),
            _ => None,
        },
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(key_meaning(*key)),
        _ => None,
    }
}

fn key_meaning(key: KeyEvent) -> TerminalInput {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            // Ctrl-\, which terminals also send as Ctrl-4, ends programs elsewhere, too.
            KeyCode::Char('c' | '\\' | '4') => TerminalInput::Interrupt,
            KeyCode::Char('z') => TerminalInput::Suspend,
            _ => TerminalInput::Other,
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
    use crossterm::event::MouseEvent;

    use super::*;

    fn check(code: KeyCode, modifiers: KeyModifiers, expected: TerminalInput) {
        let key = Event::Key(KeyEvent::new(code, modifiers));
        assert_eq!(meaning(&key), Some(expected), "{key:?}");
    }

    #[test]
    fn keys_have_the_meanings_that_the_help_names() {
        for (letter, expected) in [
            ('c', TerminalInput::Interrupt),
            ('\\', TerminalInput::Interrupt),
            ('z', TerminalInput::Suspend),
        ] {
            check(KeyCode::Char(letter), KeyModifiers::CONTROL, expected);
        }
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
        let control = KeyModifiers::CONTROL;
        check(KeyCode::Char('z'), control, TerminalInput::Suspend);
        check(KeyCode::Char('\\'), control, TerminalInput::Interrupt);
        check(KeyCode::Left, KeyModifiers::SHIFT, TerminalInput::FarLeft);
        check(KeyCode::Right, KeyModifiers::SHIFT, TerminalInput::FarRight);
    }

    #[test]
    fn the_mouse_clicks_and_scrolls_unless_shift_selects_text() {
        let at = |kind, modifiers| {
            meaning(&Event::Mouse(MouseEvent {
                kind,
                column: 3,
                row: 5,
                modifiers,
            }))
        };
        let left = MouseEventKind::Down(MouseButton::Left);
        for (kind, expected) in [
            (left, Some(TerminalInput::Click(3, 5))),
            (MouseEventKind::ScrollUp, Some(TerminalInput::WheelUp)),
            (MouseEventKind::ScrollDown, Some(TerminalInput::WheelDown)),
            (MouseEventKind::Down(MouseButton::Right), None),
            (MouseEventKind::Up(MouseButton::Left), None),
            (MouseEventKind::Moved, None),
        ] {
            assert_eq!(at(kind, KeyModifiers::NONE), expected, "{kind:?}");
        }
        assert_eq!(at(left, KeyModifiers::SHIFT), None);
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
