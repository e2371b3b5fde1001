//! Text without special meaning, wherever it is shown.
//!
//! Names of processes, filesystems and metrics may be anything. Text that a chat would treat as a mention, a link or an
//! emphasis is escaped in each chat's own way. Control characters have already been replaced
//! ([`plain`](super::notice::plain)).

/// Invisible and without meaning; separates its neighbours.
const APART: char = '\u{200b}';

/// For a `text` that Mattermost may show: it knows `@channel`, Slack's `<!channel>`, and Markdown's links and images.
pub(super) fn for_json(text: &str) -> String {
    let apart = defused_mentions(text).replace("](", &format!("]{APART}("));
    let mut escaped = String::with_capacity(apart.len());
    let mut rest = apart.chars().peekable();
    while let Some(c) = rest.next() {
        escaped.push(c);
        let opens = |next: &char| next.is_alphabetic() || "!@#".contains(*next);
        if c == '<' && rest.peek().is_some_and(opens) {
            escaped.push(APART);
        }
    }
    escaped
}

/// For Slack, whose mentions and links all need three special characters: `<!channel>`, `<@U1>`, `<https://x|y>`.
pub(super) fn for_slack(text: &str) -> String {
    defused_mentions(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// For Discord, which knows `@everyone`, `<@1>` and Markdown.
pub(super) fn for_discord(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in defused_mentions(text).chars() {
        if r"\*_~|`#>-<[]()".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// For the plain text of an Adaptive Card, in which only `{{DATE(…)}}` is a command.
pub(super) fn for_teams(text: &str) -> String {
    defused_mentions(text).replace("{{", &format!("{{{APART}{{"))
}

/// For a header, which ntfy decodes where it looks like an encoded word (`=?UTF-8?B?…?=`). It has one line.
pub(super) fn for_header(text: &str) -> String {
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    line.replace("=?", &format!("={APART}?"))
}

fn defused_mentions(text: &str) -> String {
    text.replace('@', &format!("@{APART}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_chat_obeys_is_left() {
        let text = "<!channel> @everyone <@U1> [a](http://x) *b* {{DATE(1)}} =?UTF-8?B?Cg==?= 1 < 2 & 3\r\nBcc: x";
        for (escape, expected) in [
            (
                for_json as fn(&str) -> String,
                "<\u{200b}!channel> @\u{200b}everyone <\u{200b}@\u{200b}U1> [a]\u{200b}(http://x) *b* {{DATE(1)}} \
                 =?UTF-8?B?Cg==?= 1 < 2 & 3\r\nBcc: x",
            ),
            (
                for_slack,
                "&lt;!channel&gt; @\u{200b}everyone &lt;@\u{200b}U1&gt; [a](http://x) *b* {{DATE(1)}} \
                 =?UTF-8?B?Cg==?= 1 &lt; 2 &amp; 3\r\nBcc: x",
            ),
            (
                for_discord,
                "\\<!channel\\> @\u{200b}everyone \\<@\u{200b}U1\\> \\[a\\]\\(http://x\\) \\*b\\* {{DATE\\(1\\)}} \
                 =?UTF\\-8?B?Cg==?= 1 \\< 2 & 3\r\nBcc: x",
            ),
            (
                for_teams,
                "<!channel> @\u{200b}everyone <@\u{200b}U1> [a](http://x) *b* {\u{200b}{DATE(1)}} \
                 =?UTF-8?B?Cg==?= 1 < 2 & 3\r\nBcc: x",
            ),
            (
                for_header,
                "<!channel> @everyone <@U1> [a](http://x) *b* {{DATE(1)}} =\u{200b}?UTF-8?B?Cg==\u{200b}?= 1 < 2 & 3Bcc: x",
            ),
        ] {
            assert_eq!(escape(text), expected);
        }
    }
}
