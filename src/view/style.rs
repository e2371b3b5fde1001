//! Shapes and colours: the abilities of a stream, and how it shows each meaning.

/// The abilities of the stream that a frame is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours and attributes are written. Nothing is lost without them: every colour has a matching shape.
    pub colour: bool,
    /// Whether block characters are written; otherwise everything is ASCII.
    pub unicode: bool,
}

impl Style {
    pub(super) fn glyphs(self) -> &'static Glyphs {
        if self.unicode { &UNICODE } else { &ASCII }
    }
}

/// The shapes. Each takes one column.
#[derive(Debug)]
pub(super) struct Glyphs {
    pub live: &'static str,
    pub stale: &'static str,
    pub down: &'static str,
    pub alert: &'static str,
    /// Nothing is wrong.
    pub well: &'static str,
    /// Of an alert that is over.
    pub resolved: &'static str,
    pub note: &'static str,
    pub rising: &'static str,
    pub falling: &'static str,
    pub steady: &'static str,
    pub rule: &'static str,
    pub ellipsis: &'static str,
    pub up_down: &'static str,
    pub left_right: &'static str,
    /// Marks a past state.
    pub back: &'static str,
    /// From the lowest to the highest.
    pub blocks: [char; 8],
    pub full: &'static str,
    pub rest: &'static str,
}

const UNICODE: Glyphs = Glyphs {
    live: "●",
    stale: "○",
    down: "✕",
    alert: "▲",
    well: "✓",
    resolved: "△",
    note: "·",
    rising: "▲",
    falling: "▼",
    steady: "▬",
    rule: "─",
    ellipsis: "…",
    up_down: "↑↓",
    left_right: "←→",
    back: "◀",
    blocks: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    full: "█",
    rest: "░",
};

const ASCII: Glyphs = Glyphs {
    live: "*",
    stale: "o",
    down: "x",
    alert: "A",
    well: "=",
    resolved: "a",
    note: ".",
    rising: "^",
    falling: "v",
    steady: "-",
    rule: "-",
    ellipsis: "~",
    up_down: "j/k",
    left_right: "h/l",
    back: "<",
    blocks: ['_', '.', '.', '-', '-', '=', '=', '#'],
    full: "#",
    rest: ".",
};

/// The meaning of a piece of text; the user's theme determines the shade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Dim,
    Bold,
    Good,
    Warn,
    Critical,
    Selected,
}

impl Tone {
    /// The parameters of its SGR sequence; empty for plain text.
    pub(super) fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Bold => "1",
            Self::Good => "32",
            Self::Warn => "33",
            Self::Critical => "1;31",
            Self::Selected => "7",
        }
    }
}
