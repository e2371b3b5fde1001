//! Finds the most rows that can stay in place.

/// The position of a row among those of its host: the rank of its stream, and its number.
pub(super) type RowRank = (u32, u64);

/// Rows that stay together.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChainLink {
    pub(super) first: RowRank,
    pub(super) last: RowRank,
    /// The number of rows.
    pub(super) weight: u64,
}

/// Which of `links` are in the heaviest chain: links in the given order, each of which begins at or after the end of
/// the previous one. Takes n log n steps.
pub(super) fn heaviest(links: &[ChainLink]) -> Vec<bool> {
    let mut ends: Vec<RowRank> = links.iter().map(|link| link.last).collect();
    ends.sort_unstable();
    ends.dedup();
    let mut best = Prefixes(vec![(0, NONE); ends.len()]);
    let mut before = Vec::with_capacity(links.len());
    for (at, link) in links.iter().enumerate() {
        let (weight, last) = best.up_to(ends.partition_point(|end| *end <= link.first));
        before.push(last);
        let end = ends.partition_point(|end| *end < link.last);
        best.offer(end, (weight + link.weight, index(at)));
    }
    let mut chosen = vec![false; links.len()];
    let (_, mut at) = best.up_to(ends.len());
    while let Some(link) = chosen.get_mut(at as usize) {
        *link = true;
        at = before[at as usize];
    }
    chosen
}

/// No link; also used for an index that is too large, which would take more memory than there is.
const NONE: u32 = u32::MAX;

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}

/// The heaviest chain that ends at or before a position: a Fenwick tree of weights, each with the last link.
struct Prefixes(Vec<(u64, u32)>);

impl Prefixes {
    fn up_to(&self, mut count: usize) -> (u64, u32) {
        let mut best = (0, NONE);
        while count > 0 {
            if self.0[count - 1].0 > best.0 {
                best = self.0[count - 1];
            }
            count &= count - 1;
        }
        best
    }

    fn offer(&mut self, end: usize, chain: (u64, u32)) {
        let mut at = end + 1;
        while let Some(best) = self.0.get_mut(at - 1) {
            if chain.0 > best.0 {
                *best = chain;
            }
            at += at & at.wrapping_neg();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link(first: u64, last: u64, weight: u64) -> ChainLink {
        ChainLink {
            first: (0, first),
            last: (0, last),
            weight,
        }
    }

    #[test]
    fn as_many_rows_as_possible_stay() {
        for (links, expected) in [
            (vec![], vec![]),
            (vec![link(1, 9, 9)], vec![true]),
            (vec![link(71, 138, 68), link(1, 70, 70)], vec![false, true]),
            (vec![link(9, 9, 1), link(1, 8, 8)], vec![false, true]),
            // The same number twice counts as in order.
            (vec![link(1, 2, 2), link(2, 3, 2)], vec![true, true]),
        ] {
            assert_eq!(heaviest(&links), expected);
        }
    }

    proptest! {
        #[test]
        fn there_is_no_heavier_chain(links in prop::collection::vec((0..9_u64, 0..4_u64, 1..5_u64), 0..9)) {
            let links: Vec<_> = links.into_iter().map(|(at, length, weight)| link(at, at + length, weight)).collect();
            let weigh = |chosen: &dyn Fn(usize) -> bool| {
                let chain: Vec<_> = (0..links.len()).filter(|&at| chosen(at)).map(|at| links[at]).collect();
                let holds = chain.windows(2).all(|pair| pair[0].last <= pair[1].first);
                holds.then(|| chain.iter().map(|link| link.weight).sum::<u64>())
            };
            let found = heaviest(&links);
            let best = (0..1_usize << links.len()).filter_map(|set| weigh(&|at| set >> at & 1 == 1)).max();
            prop_assert_eq!(weigh(&|at| found[at]), best);
        }
    }
}
