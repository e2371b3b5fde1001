//! The comments of scripts and style sheets, a quarter of their size, which no browser needs.

/// `source` with every comment that has lines of its own replaced by empty lines, so that a line in a browser's console
/// is still that line of the source. The comments of this project begin a line and end one; any other stays.
pub(super) fn blanked(source: &str) -> String {
    let mut is_inside = false;
    let lines = source.lines().map(|line| {
        let text = line.trim();
        let begins =
            text.starts_with("/*") && text.find("*/").is_none_or(|at| at + 2 == text.len());
        let is_comment = is_inside || begins || text.starts_with("//");
        is_inside = (is_inside || begins) && !text.ends_with("*/");
        if is_comment {
            "\n".into()
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_on_lines_of_their_own_are_blank() {
        let source = "\
// One.
/** Two. */
/**
 * Three: https://example.org
 * @param {string} name
 */
export const URL = \"ws://localhost\"; // four
  /* five */ const x = /** @type {Six} */ (y);
  // Seven.
const z = `
`;
";
        let expected = "





export const URL = \"ws://localhost\"; // four
  /* five */ const x = /** @type {Six} */ (y);

const z = `
`;
";
        assert_eq!(blanked(source), expected);
    }
}
