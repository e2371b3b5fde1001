//! The rows of the catalogue, one for each metric that a host may measure, in the order in which samples carry them.

mod agent;
mod basics;
mod details;
mod gpus;
mod scopes;

use super::Entry;

/// The groups of rows, in their order.
const GROUPS: &[&[Entry]] = &[
    basics::BASICS,
    details::DETAILS,
    gpus::GPUS,
    scopes::SCOPES,
    agent::AGENT,
];

pub(super) static ENTRIES: [Entry; COUNT] = joined();

const COUNT: usize = {
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        count += GROUPS[group].len();
        group += 1;
    }
    count
};

/// All groups as one list, made when this is compiled.
const fn joined() -> [Entry; COUNT] {
    let mut all = [GROUPS[0][0]; COUNT];
    let (mut place, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut row = 0;
        while row < GROUPS[group].len() {
            all[place] = GROUPS[group][row];
            (place, row) = (place + 1, row + 1);
        }
        group += 1;
    }
    all
}
