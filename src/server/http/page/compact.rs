//! The page, its style sheet and its scripts as they are sent: one script of all modules, without comments, without
//! spaces that only people need, with the values of constants in place of their names, and with short names for other
//! things that are declared. That is less than half the size. The sources stay as they are written.
//!
//! This understands the code of this project, not any code. Comments begin a line and end one, or are `/** … */` within
//! one; every statement ends in a semicolon or a brace, and none is empty; no name begins with `$`.

mod tokens;

use std::collections::{HashMap, HashSet};

use tokens::{is_word, split, without_comments};

/// The modules as one script, each after those that it imports. They share one scope, so no two may declare the same name.
pub(super) fn script(modules: &[&str]) -> String {
    let lines = modules.iter().flat_map(|module| without_imports(module));
    let lines: Vec<&str> = lines.collect();
    let mut names = constants(&lines);
    let source: String = lines
        .iter()
        .filter(|line| constant(line).is_none())
        .map(|line| format!("{line}\n"))
        .collect();
    let mut tokens = Vec::new();
    for line in without_comments(&source) {
        split(line, &mut tokens);
    }
    let declared = declared(&tokens, &maybe_properties(&tokens));
    let shortened = declared.into_iter().enumerate();
    names.extend(shortened.map(|(nth, name)| (name, short('$', nth))));
    let private = private(&tokens).into_iter().enumerate();
    names.extend(private.map(|(nth, name)| (name, short('#', nth))));
    joined(&tokens, &names)
}

/// A style sheet without comments and spare spaces. A space before a colon or a bracket may mean something.
pub(super) fn style(source: &str) -> String {
    let lines = without_comments(source).map(|line| {
        let line = line.replace(": ", ":").replace(", ", ",");
        line.replace(" {", "{")
    });
    lines.collect::<String>().replace(";}", "}")
}

/// A document without its indentation. The ends of its lines are the spaces between words.
pub(super) fn document(source: &str) -> String {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    lines.join("\n")
}

fn without_imports(module: &str) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    module.lines().filter_map(move |line| {
        is_inside |= line.starts_with("import ");
        if is_inside {
            is_inside = !line.ends_with(';');
            return None;
        }
        Some(line.strip_prefix("export ").unwrap_or(line))
    })
}

/// The constants that are numbers, or products of numbers, and their values.
fn constants<'a>(lines: &[&'a str]) -> HashMap<&'a str, String> {
    lines.iter().filter_map(|line| constant(line)).collect()
}

fn constant(line: &str) -> Option<(&str, String)> {
    let (name, value) = line.strip_prefix("const ")?.split_once(" = ")?;
    let value = value.strip_suffix(';')?;
    let is_name = name
        .chars()
        .all(|char| char.is_ascii_uppercase() || char == '_');
    let is_number = |text: &str| {
        text.chars()
            .all(|char| char.is_ascii_digit() || "._".contains(char))
    };
    let factors: Vec<&str> = value.split(" * ").collect();
    if !is_name || !factors.iter().all(|factor| is_number(factor)) {
        return None;
    }
    Some(match factors.len() {
        1 => (name, value.to_owned()),
        _ => (name, format!("({})", factors.join("*"))),
    })
}

/// Names of the browser. One that is declared too stays as it is.
const GLOBALS: [&str; 8] = [
    "document",
    "history",
    "length",
    "location",
    "name",
    "performance",
    "status",
    "window",
];

/// The names that are declared, each once. A name has the same short name everywhere.
fn declared<'a>(tokens: &[&'a str], kept: &HashSet<&'a str>) -> Vec<&'a str> {
    let mut known: HashSet<&str> = kept.iter().copied().chain(GLOBALS).collect();
    let declares = |word: &str| ["const", "let", "function", "class"].contains(&word);
    let pairs = tokens
        .windows(2)
        .filter(|two| declares(two[0]) && is_word(two[1]));
    pairs
        .map(|two| two[1])
        .filter(|name| known.insert(name))
        .collect()
}

/// The names of private members, each once.
fn private<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let mut known = HashSet::new();
    let tokens = tokens.iter().copied();
    tokens
        .filter(|token| is_private(token) && known.insert(*token))
        .collect()
}

fn is_private(token: &str) -> bool {
    token.starts_with('#')
}

/// The short name after so many others of its kind.
fn short(kind: char, nth: usize) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let letter = |at: usize| char::from(letters[at % letters.len()]);
    match nth / letters.len() {
        0 => format!("{kind}{}", letter(nth)),
        more => format!("{kind}{}{}", letter(more - 1), letter(nth)),
    }
}

/// The words that are names of properties, or might be.
fn maybe_properties<'a>(tokens: &[&'a str]) -> HashSet<&'a str> {
    let mut open: Vec<bool> = Vec::new();
    let mut found = HashSet::new();
    for three in tokens.windows(3) {
        let [before, word, after] = [three[0], three[1], three[2]];
        if [")", "]", "}"].contains(&before) || (before.len() > 1 && before.starts_with('}')) {
            open.pop();
        }
        if ["(", "[", "{"].contains(&before) || before.ends_with("${") {
            open.push(before == "{");
        }
        let is_in_braces = open.last() == Some(&true);
        let is_item = ["{", ",", ";", "}"].contains(&before) && [",", "=", "}"].contains(&after);
        if before == "." || (is_in_braces && (after == ":" || is_item)) {
            found.insert(word);
        }
    }
    found
}

/// The tokens, with spaces and semicolons only where they mean something.
fn joined(tokens: &[&str], names: &HashMap<&str, String>) -> String {
    let mut text = String::new();
    let mut last = "";
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1).copied().unwrap_or_default();
        // Only between two signs: `a + +b` is not `a ++b`.
        if *token == " " && last != next {
            continue;
        }
        if *token == ";" && next == "}" {
            continue;
        }
        if is_word(last) && is_word(token) {
            text.push(' ');
        }
        let name = names.get(token);
        let name = name.filter(|_| last != "." || is_private(token));
        text.push_str(name.map_or(*token, |name| name));
        last = token;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_spare_spaces_are_left_out() {
        let source = r##"
// One.
/** Two. */
/**
 * Three: https://example.org
 * @param {string} name
 */
  a = "ws:// localhost"; // don't
  /** five */ const x = /** @type {Six} */ (y);
  const { c, b } = c ? d + +e : f - -g;
  return `${ h + 1 } , ${i ? ` : ${ {} }` : " } "} ,`;
  j = k.replace(/ , [/ ] "/g, ' , ').split("\" , ");
  l / m / n; #o in p; typeof q;
  "r" in s;
"##;
        let expected = concat!(
            r#"a="ws:// localhost";const $a=(y);const{c,b}=c?d+ +e:f- -g;"#,
            r#"return`${h+1} , ${i?` : ${{}}`:" } "} ,`;"#,
            r#"j=k.replace(/ , [/ ] "/g,' , ').split("\" , ");l/m/n;#a in p;typeof q;"r"in s;"#,
        );
        assert_eq!(script(&[source]), expected);
    }

    #[test]
    fn modules_become_one_script_with_short_names() {
        let dom = "\
// Help.
export function find(x) {
  return x;
}
export const MINUTE_MS = 60 * 1000;
const MOST = 8;
export const size = 1;
let last = 2;
";
        let app = "\
import { find } from \"./dom.js\";
import {
  a,
  b,
} from \"./c.js\";

export const found = find(MOST).found + `find ${find(\"find\", MINUTE_MS)}`;
f({ size }, [size, last], last);
";
        let expected = "function $a(x){return x}const size=1;let $b=2;\
                        const found=$a(8).found+`find ${$a(\"find\",(60*1000))}`;f({size},[size,$b],$b);";
        assert_eq!(script(&[dom, app]), expected);
    }

    #[test]
    fn short_names_are_unique() {
        let names: HashSet<String> = (0..2000).map(|nth| short('$', nth)).collect();
        assert_eq!(names.len(), 2000);
    }

    #[test]
    fn a_style_sheet_keeps_its_meaning() {
        let source = "/* Colours\n   of it. */\n:is(a, b) :not(c) {\n  color: red;\n  margin: 0 calc(1px + 2px);\n}\n";
        let expected = ":is(a,b) :not(c){color:red;margin:0 calc(1px + 2px)}";
        assert_eq!(style(source), expected);
    }

    #[test]
    fn private_members_have_short_names_of_their_own() {
        let source =
            "class A {\n#drop = 1;\n#turn() {\nthis.#drop.turn = this.#turn(#drop in b);\n}\n}\n";
        let expected = "class $a{#a=1;#b(){this.#a.turn=this.#b(#a in b)}}";
        assert_eq!(script(&[source]), expected);
    }

    #[test]
    fn a_document_loses_only_its_indentation() {
        let source = "<p>\n  A <b>word</b>\n    and another\n</p>\n";
        assert_eq!(document(source), "<p>\nA <b>word</b>\nand another\n</p>");
    }
}
