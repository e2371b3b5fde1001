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
    pub rule: &'static str,
    pub ellipsis: &'static str,
    pub up_down: &'static str,
    pub left_right: &'static str,
    /// Marks a past state.
    pub back: &'static str,
    pub replay: &'static str,
    /// Of a recording that is over.
    pub over: &'static str,
    pub paused: &'static str,
    /// Messages are missing.
    pub gap: &'static str,
    /// Beside a chart: at the ends of its scale, and between them.
    pub tick: char,
    pub axis: char,
    /// Before the time of a cell.
    pub time: &'static str,
    /// The moment that is looked at, in a chart and below it.
    pub cursor: char,
    pub cursor_mark: &'static str,
    /// Time that is held, and the part of it that the charts show.
    pub held: &'static str,
    pub shown: &'static str,
    /// How often as fast.
    pub times: &'static str,
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
    rule: "─",
    ellipsis: "…",
    up_down: "↑↓",
    left_right: "←→",
    back: "◀",
    replay: "▷",
    over: "■",
    paused: "‖",
    gap: "╌",
    tick: '┤',
    axis: '│',
    time: "╵",
    cursor: '┆',
    cursor_mark: "┃",
    held: "┈",
    shown: "━",
    times: "×",
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
    rule: "-",
    ellipsis: "~",
    up_down: "^v",
    left_right: "<>",
    back: "<",
    replay: ">",
    over: "#",
    paused: "|",
    gap: "~",
    tick: '|',
    axis: '|',
    time: "'",
    cursor: ':',
    cursor_mark: "|",
    held: ".",
    shown: "=",
    times: "x",
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
    /// Something of the past: looking back, a replay.
    Past,
    /// The parts of the CPU's time, and charts that have a single colour.
    User,
    System,
    IoWait,
    Stolen,
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
            Self::Past | Self::User => "36",
            Self::System => "34",
            Self::IoWait => "35",
            Self::Stolen => "37",
        }
    }
}

/// The shape of a mark; where several are at one place, the greatest is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MarkKind {
    Warning,
    Resolved,
    Gap,
    Critical,
    Firing,
    Restart,
}

impl MarkKind {
    pub(super) fn shape(self, glyphs: &'static Glyphs) -> &'static str {
        match self {
            Self::Warning | Self::Critical => "!",
            Self::Resolved => glyphs.resolved,
            Self::Gap => glyphs.gap,
            Self::Firing => glyphs.alert,
            Self::Restart => "R",
        }
    }

    pub(super) fn tone(self) -> Tone {
        match self {
            Self::Warning => Tone::Warn,
            Self::Critical | Self::Firing => Tone::Critical,
            Self::Resolved => Tone::Plain,
            Self::Gap | Self::Restart => Tone::Dim,
        }
    }
}
