//! Words, literals and signs of punctuation of a script.

/// The lines that are no comments and not empty, without their indentation.
pub(super) fn without_comments(source: &str) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    source.lines().map(str::trim).filter(move |line| {
        let begins =
            line.starts_with("/*") && line.find("*/").is_none_or(|at| at + 2 == line.len());
        let is_comment = is_inside || begins || line.starts_with("//");
        is_inside = (is_inside || begins) && !line.ends_with("*/");
        !is_comment && !line.is_empty()
    })
}

fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || "_$#".contains(char)
}

pub(super) fn is_word(token: &str) -> bool {
    token.starts_with(is_of_word)
}

pub(super) fn is_private(token: &str) -> bool {
    token.starts_with('#')
}

/// Splits a line into tokens, without comments, and without spaces but those after `+` and `-`. What a template evaluates is
/// split too.
pub(super) fn split<'a>(line: &'a str, tokens: &mut Vec<&'a str>) {
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if let Some(length) = comment(rest).or_else(|| (first == ' ').then_some(1)) {
            if tokens.last().is_some_and(|last| ["+", "-"].contains(last)) {
                tokens.push(" ");
            }
            rest = &rest[length..];
            continue;
        }
        if first == '`' {
            rest = split_template(rest, tokens);
            continue;
        }
        let word = rest.find(|char| !is_of_word(char)).unwrap_or(rest.len());
        let length = literal(tokens.last().copied(), rest);
        let length = length.unwrap_or_else(|| word.max(first.len_utf8()));
        tokens.push(&rest[..length]);
        rest = &rest[length..];
    }
}

/// The length of the comment that `rest` begins with.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.len());
    }
    rest.strip_prefix("/**")?.find("*/").map(|at| at + 5)
}

/// The length of the string or the regular expression that `rest` begins with.
fn literal(before: Option<&str>, rest: &str) -> Option<usize> {
    let quote = rest.chars().next().filter(|char| "\"'/".contains(*char))?;
    let may_divide = before.is_some_and(|token| is_word(token) || [")", "]", "}"].contains(&token));
    if quote == '/' && may_divide {
        return None;
    }
    let (mut is_escaped, mut is_class) = (false, false);
    let end = rest.char_indices().skip(1).find(|&(_, char)| {
        let is_end = char == quote && !is_escaped && !is_class;
        if quote == '/' && !is_escaped {
            is_class = (is_class || char == '[') && char != ']';
        }
        is_escaped = char == '\\' && !is_escaped;
        is_end
    });
    end.map(|(at, _)| at + 1)
}

/// Splits a template, whose expressions may hold others. Returns what follows it.
fn split_template<'a>(template: &'a str, tokens: &mut Vec<&'a str>) -> &'a str {
    let mut begin = 0;
    let mut at = 1;
    while let Some(char) = template.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = &template[at..];
        if let Some(inner) = rest.strip_prefix("${") {
            tokens.push(&template[begin..at + 2]);
            let length = expression(inner);
            split(&inner[..length], tokens);
            begin = at + 2 + length;
            at = begin;
        } else if char == '`' {
            tokens.push(&template[begin..=at]);
            return &template[at + 1..];
        } else {
            at += char.len_utf8() + usize::from(char == '\\');
        }
    }
    tokens.push(&template[begin..]);
    ""
}

/// The length of an expression in a template, up to its brace.
fn expression(text: &str) -> usize {
    let mut at = 0;
    let mut depth = 0_usize;
    while let Some(char) = text[at..].chars().next() {
        let rest = &text[at..];
        at += match char {
            '}' if depth == 0 => return at,
            '`' => rest.len() - split_template(rest, &mut Vec::new()).len(),
            '"' => literal(None, rest).unwrap_or(1),
            _ => char.len_utf8(),
        };
        depth = match char {
            '{' => depth + 1,
            '}' => depth - 1,
            _ => depth,
        };
    }
    text.len()
}
