//! Text without special meaning, wherever it is shown.
//!
//! Names of processes, filesystems and metrics may be anything. Text that a chat would treat as a mention, a link or an
//! emphasis is escaped in each chat's own way. Control characters have already been replaced
//! ([`plain`](super::notice::plain)).

/// Invisible and without meaning; separates its neighbours.
const APART: char = '\u{200b}';

/// For a `text` that Mattermost may show: it knows `@channel`, Slack's `<!channel>`, and Markdown's links and images.
pub(super) fn for_json(text: &str) -> String {
    let apart = defused(text).replace("](", &format!("]{APART}("));
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
    defused(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// For Discord, which knows `@everyone`, `<@1>` and Markdown.
pub(super) fn for_discord(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in defused(text).chars() {
        if r"\*_~|`#>-<[]()".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// For the plain text of an Adaptive Card, in which only `{{DATE(…)}}` is a command.
pub(super) fn for_teams(text: &str) -> String {
    defused(text).replace("{{", &format!("{{{APART}{{"))
}

/// For the text of ntfy, whose apps know no Markdown in it.
pub(super) fn for_ntfy(text: &str) -> String {
    defused(text)
}

/// For a header, which ntfy decodes where it looks like an encoded word (`=?UTF-8?B?…?=`). It has one line.
pub(super) fn for_header(text: &str) -> String {
    let line: String = text.chars().filter(|c| !c.is_control()).collect();
    defused(&line).replace("=?", &format!("={APART}?"))
}

/// Splits mentions, and addresses that chats turn into links by themselves: `https://evil.co`, `www.evil.co`, and on some
/// telephones `evil.co`.
fn defused(text: &str) -> String {
    let mut defused = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        defused.push(c);
        let next = rest.peek().copied().unwrap_or(' ');
        let is_split = match c {
            '@' => true,
            ':' => next == '/' && rest.clone().nth(1) == Some('/'),
            '.' => before.is_alphanumeric() && next.is_alphabetic(),
            _ => false,
        };
        if is_split {
            defused.push(APART);
        }
        before = c;
    }
    defused
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the expected texts, `^` stands for [`APART`].
    #[test]
    fn nothing_that_a_chat_obeys_is_left() {
        let text = "<!channel> @everyone <@U1> [a](http://x) *b* {{DATE(1)}} =?UTF-8?B?Cg==?= 1 < 2 & 3\r\nBcc: x \
                    HTTPS://evil.co/y.z www.Evil.co a@evil.co 98.2 1.x disk:/var a... .b";
        let split = "HTTPS:^//evil.^co/y.^z www.^Evil.^co a@^evil.^co 98.2 1.^x disk:/var a... .b";
        for (escape, expected) in [
            (
                for_json as fn(&str) -> String,
                "<^!channel> @^everyone <^@^U1> [a]^(http:^//x) *b* {{DATE(1)}} =?UTF-8?B?Cg==?= 1 < 2 & 3\r\nBcc: x ",
            ),
            (
                for_slack,
                "&lt;!channel&gt; @^everyone &lt;@^U1&gt; [a](http:^//x) *b* {{DATE(1)}} \
                 =?UTF-8?B?Cg==?= 1 &lt; 2 &amp; 3\r\nBcc: x ",
            ),
            (
                for_discord,
                "\\<!channel\\> @^everyone \\<@^U1\\> \\[a\\]\\(http:^//x\\) \\*b\\* {{DATE\\(1\\)}} \
                 =?UTF\\-8?B?Cg==?= 1 \\< 2 & 3\r\nBcc: x ",
            ),
            (
                for_teams,
                "<!channel> @^everyone <@^U1> [a](http:^//x) *b* {^{DATE(1)}} =?UTF-8?B?Cg==?= 1 < 2 & 3\r\nBcc: x ",
            ),
            (
                for_ntfy,
                "<!channel> @^everyone <@^U1> [a](http:^//x) *b* {{DATE(1)}} =?UTF-8?B?Cg==?= 1 < 2 & 3\r\nBcc: x ",
            ),
            (
                for_header,
                "<!channel> @^everyone <@^U1> [a](http:^//x) *b* {{DATE(1)}} =^?UTF-8?B?Cg==^?= 1 < 2 & 3Bcc: x ",
            ),
        ] {
            let expected = format!("{expected}{split}").replace('^', &APART.to_string());
            assert_eq!(escape(text), expected);
        }
    }
}
