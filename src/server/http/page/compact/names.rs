//! Short names for what a script declares. A name is short only where it is known: each function begins with the letter
//! `a` again, and leaves out what it uses of the functions around it.

use std::collections::{HashMap, HashSet};

use super::code::{Code, Role};
use super::tokens::{is_private, is_word};

/// A function with its parameters, or the whole script.
struct Scope<'a> {
    begin: usize,
    end: usize,
    parent: Option<usize>,
    /// What it declares, numbered. A name that is known around it is not declared again: both have the same short name
    /// then, which is right whichever is meant.
    declared: HashMap<&'a str, usize>,
}

impl<'a> Scope<'a> {
    fn in_order(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.declared.keys().copied().collect();
        names.sort_unstable_by_key(|name| self.declared[name]);
        names
    }
}

/// What each token becomes, if it doesn't stay as it is.
pub(super) fn shortened(tokens: &[&str], constants: &HashMap<&str, String>) -> Vec<Option<String>> {
    let code = Code::of(tokens);
    let roles: Vec<Role> = (0..tokens.len()).map(|at| code.role(at)).collect();
    let places = Places::of(&code, &roles);
    let names = places.names(&code, &roles);
    let private = private(tokens);
    let places = places.owners.iter().enumerate();
    places
        .map(|(at, owner)| {
            let word = tokens[at];
            let known = || owner.and_then(|scope| names[scope].get(word).cloned());
            let name = || known().or_else(|| constants.get(word).cloned());
            match roles[at] {
                Role::Variable => name(),
                Role::Shorthand => name().map(|name| format!("{word}:{name}")),
                Role::Other => private.get(word).cloned(),
                Role::Property => None,
            }
        })
        .collect()
}

/// The scopes, and the one that declares what is at each place.
struct Places<'a> {
    scopes: Vec<Scope<'a>>,
    owners: Vec<Option<usize>>,
}

impl<'a> Places<'a> {
    fn of(code: &Code<'a>, roles: &[Role]) -> Self {
        let (mut scopes, scope_at) = scopes(code);
        for at in 0..roles.len() {
            let scope = &mut scopes[scope_at[at]];
            for name in declared(code, roles, at, scope.begin == at) {
                let nth = scope.declared.len();
                scope.declared.entry(name).or_insert(nth);
            }
        }
        for scope in 1..scopes.len() {
            let around = scopes[scope].parent;
            let mut declared = std::mem::take(&mut scopes[scope].declared);
            declared.retain(|name, _| owner(&scopes, around, name).is_none());
            scopes[scope].declared = declared;
        }
        let owners = scope_at.iter().enumerate().map(|(at, scope)| {
            let is_name = [Role::Variable, Role::Shorthand].contains(&roles[at]);
            is_name.then(|| owner(&scopes, Some(*scope), code.token(at)))?
        });
        let owners = owners.collect();
        Self { scopes, owners }
    }

    /// The short names of each scope, by what it declares.
    fn names(&self, code: &Code<'a>, roles: &[Role]) -> Vec<HashMap<&'a str, String>> {
        let mut names: Vec<HashMap<&str, String>> = Vec::new();
        for (own, scope) in self.scopes.iter().enumerate() {
            let used: HashSet<String> = (scope.begin..scope.end)
                .filter(|at| [Role::Variable, Role::Shorthand].contains(&roles[*at]))
                .filter_map(|at| match self.owners[at] {
                    None => Some(code.token(at).to_owned()),
                    Some(outer) if outer < own => names[outer].get(code.token(at)).cloned(),
                    Some(_) => None,
                })
                .collect();
            // What all functions may use leaves the letters to them.
            let first = if own == 0 { LETTERS.len() } else { 0 };
            let free = (first..).map(short).filter(|name| !used.contains(name));
            names.push(scope.in_order().into_iter().zip(free).collect());
        }
        names
    }
}

/// The scope that declares a name, of one and those around it.
fn owner(scopes: &[Scope<'_>], inner: Option<usize>, name: &str) -> Option<usize> {
    let mut scope = inner;
    while let Some(at) = scope {
        if scopes[at].declared.contains_key(name) {
            return scope;
        }
        scope = scopes[at].parent;
    }
    None
}

/// All scopes, each after the one around it, and which one each token is in.
fn scopes<'a>(code: &Code<'a>) -> (Vec<Scope<'a>>, Vec<usize>) {
    let scope = |begin, end, parent| Scope {
        begin,
        end,
        parent,
        declared: HashMap::new(),
    };
    let mut scopes = vec![scope(0, code.tokens.len(), None)];
    let mut open = vec![0];
    let mut scope_at = Vec::with_capacity(code.tokens.len());
    for at in 0..code.tokens.len() {
        open.retain(|scope| at < scopes[*scope].end);
        if let Some(end) = end_of_function(code, at) {
            scopes.push(scope(at, end, open.last().copied()));
            open.push(scopes.len() - 1);
        }
        scope_at.push(open.last().copied().unwrap_or_default());
    }
    (scopes, scope_at)
}

/// The end of the function whose parameters begin at a place.
fn end_of_function(code: &Code<'_>, at: usize) -> Option<usize> {
    if let Some(body) = code.body(at) {
        return code.end(body);
    }
    let end = code.end(at).filter(|_| code.token(at) == "(")?;
    let is_arrow = code.token(end + 1) == "=" && code.token(end + 2) == ">";
    let body = end + 3;
    is_arrow.then(|| match code.token(body) {
        "{" => code.end(body).unwrap_or(body),
        _ => code.end_of_expression(body),
    })
}

/// The names that are declared at a place.
fn declared<'a>(code: &Code<'a>, roles: &[Role], at: usize, begins_function: bool) -> Vec<&'a str> {
    let next = code.token(at + 1);
    let is_variable = ["const", "let"].contains(&code.token(at));
    let is_named = is_variable || ["function", "class"].contains(&code.token(at));
    if is_named && is_word(next) {
        return vec![next];
    }
    let pattern = match is_variable {
        true => Some(at + 1),
        false => begins_function.then_some(at),
    };
    pattern.map_or_else(Vec::new, |begin| names_in_pattern(code, roles, begin))
}

/// The names that the pattern or the parameters in a bracket declare.
fn names_in_pattern<'a>(code: &Code<'a>, roles: &[Role], begin: usize) -> Vec<&'a str> {
    let end = code.end(begin).unwrap_or(begin);
    let mut names = Vec::new();
    let mut at = begin;
    while at < end {
        let is_item = ["(", "[", "{", ",", ":", "."].contains(&code.before(at, 1))
            && [",", ")", "]", "}", "="].contains(&code.token(at + 1));
        if roles[at] == Role::Shorthand || (roles[at] == Role::Variable && is_item) {
            names.push(code.token(at));
        }
        // A default declares nothing.
        at = match code.token(at) {
            "=" => code.end_of_expression(at + 1),
            _ => at + 1,
        };
    }
    names
}

/// The short names of private members.
fn private<'a>(tokens: &[&'a str]) -> HashMap<&'a str, String> {
    let mut names = HashMap::new();
    for token in tokens.iter().filter(|token| is_private(token)) {
        let nth = names.len();
        names
            .entry(*token)
            .or_insert_with(|| format!("#{}", short(nth)));
    }
    names
}

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The short name after so many others: a letter, then a letter with a number. None is a word of the language.
fn short(nth: usize) -> String {
    let letter = |at: usize| char::from(LETTERS[at % LETTERS.len()]);
    match nth.checked_sub(LETTERS.len()) {
        None => letter(nth).to_string(),
        Some(nth) => format!(
            "{}{}",
            letter(nth / 10),
            nth % 10 + nth / (10 * LETTERS.len()) * 10
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_unique() {
        let names: HashSet<String> = (0..2000).map(short).collect();
        assert_eq!(names.len(), 2000);
    }
}
