//! The page, its style sheet and its scripts as they are sent: one script of all modules, without comments, without
//! spaces that only people need, with the values of constants in place of their names, and with short names for other
//! things that are declared. That is less than half the size. The sources stay as they are written.
//!
//! This understands the code of this project, not any code. Comments begin a line and end one, or are `/** … */` within
//! one; every statement ends in a semicolon or a brace, and none is empty; parameters are in brackets; no function uses
//! one name both for something of its own and for something of the browser's.

mod code;
mod names;
mod tokens;

use std::collections::HashMap;

use names::shortened;
use tokens::{is_word, split, without_comments};

/// The modules as one script, each after those that it imports. They share one scope, so no two may declare the same name
/// outside functions.
pub(super) fn script(modules: &[&str]) -> String {
    let lines = modules.iter().flat_map(|module| without_imports(module));
    let lines: Vec<&str> = lines.collect();
    let constants = constants(&lines);
    let source: String = lines
        .iter()
        .filter(|line| constant(line).is_none())
        .map(|line| format!("{line}\n"))
        .collect();
    let mut tokens = Vec::new();
    for line in without_comments(&source) {
        split(line, &mut tokens);
    }
    joined(&tokens, &shortened(&tokens, &constants))
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

/// The constants that are numbers, or products of numbers, and their values. Both languages multiply alike.
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
    let factors = factors
        .iter()
        .map(|factor| factor.replace('_', "").parse::<f64>());
    let product = factors.product::<Result<f64, _>>().ok()?;
    Some((name, product.to_string()))
}

/// The tokens, with spaces and semicolons only where they mean something.
fn joined(tokens: &[&str], shortened: &[Option<String>]) -> String {
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
        let token = shortened[at].as_deref().unwrap_or(token);
        if is_word(last) && is_word(token) {
            text.push(' ');
        }
        text.push_str(token);
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
            r#"a="ws:// localhost";const a0=(y);const{c:a1,b:a2}=a1?d+ +e:f- -g;"#,
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
        let expected = "function a0(a){return a}const a1=1;let a2=2;\
                        const a3=a0(8).found+`find ${a0(\"find\",60000)}`;f({size:a1},[a1,a2],a2);";
        assert_eq!(script(&[dom, app]), expected);
    }

    #[test]
    fn each_function_begins_with_the_first_letter_again() {
        let source = "\
const all = 1;
function first(one, { two, three: third = all }, ...rest) {
  const [four, five] = rest.map((item) => item.one + one);
  return { one, two: third, four() { return five; }, two };
}
const second = (one) => `${first(one, (other) => one + other)} ${one}`;
class Third {
  one = all;
  get two() {
    for (const one of this.one) second(one, () => one);
    try { first(); } catch (error) { throw error; }
  }
}
";
        let expected = concat!(
            "const a0=1;",
            "function a1(a,{two:b,three:c=a0},...d){const[e,f]=d.map((b)=>b.one+a);",
            "return{one:a,two:c,four(){return f},two:b}}",
            "const a2=(a)=>`${a1(a,(b)=>a+b)} ${a}`;",
            "class a3{one=a0;get two(){for(const a of this.one)a2(a,()=>a);try{a1()}catch(a){throw a}}}",
        );
        assert_eq!(script(&[source]), expected);
    }

    #[test]
    fn what_is_known_around_a_function_keeps_its_name() {
        // `a` is the browser's, so nothing may have that name where it is used.
        let source = "\
const name = 1;
function outer(one, two) {
  const inner = (two) => {
    const name = one;
    return (three) => three + name + two;
  };
  return (four) => four + a + two;
}
";
        let expected = concat!(
            "const a0=1;function a1(b,c){const d=(c)=>{const a0=b;return(a)=>a+a0+c};",
            "return(b)=>b+a+c}",
        );
        assert_eq!(script(&[source]), expected);
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
        let expected = "class a0{#a=1;#b(){this.#a.turn=this.#b(#a in b)}}";
        assert_eq!(script(&[source]), expected);
    }

    #[test]
    fn a_document_loses_only_its_indentation() {
        let source = "<p>\n  A <b>word</b>\n    and another\n</p>\n";
        assert_eq!(document(source), "<p>\nA <b>word</b>\nand another\n</p>");
    }
}
