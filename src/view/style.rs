//! Shapes and colours: what a stream can show, and what each meaning looks like on it.

/// What the stream that a frame goes to can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours and attributes are written. Without them nothing is lost: every colour has a shape beside it.
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
    pub note: &'static str,
    pub rising: &'static str,
    pub falling: &'static str,
    pub steady: &'static str,
    pub rule: &'static str,
    pub ellipsis: &'static str,
    pub up_down: &'static str,
    pub left_right: &'static str,
    /// Of what is not now.
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
    alert: "!",
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

/// What a piece of text means; the user's theme decides on the shade.
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
    /// The parameters of its SGR sequence; empty for text as it is.
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
