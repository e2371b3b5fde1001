//! Which rows of a file are displaced, and where they belong.
//!
//! The rows of one host are ordered by stream and number, never by time: a clock may have been set back. A survey counts
//! each host's [`Runs`], stretches of rows that are in order; a file in order has one for each stream. Only where a row
//! comes late an [`RowOrder`] is made: it ranks the streams, leaves as many rows in place as possible, and keeps for each of
//! the others where it is in the file. So memory grows with the rows that are displaced, 40 bytes each, not with the file.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use crate::protocol::{HostName, Numbered, StreamId};
use crate::recording::{Heading, ReadError, Reader, Row, RowPlace};

use super::Input;
use super::chain::{ChainLink, RowRank, heaviest};

/// The rows of a file, as runs of each host's rows that are in order.
#[derive(Debug, Default)]
pub(super) struct Runs(HashMap<HostName, HostRuns>);

/// The runs of one host.
#[derive(Debug, Default)]
struct HostRuns {
    runs: Vec<RowRun>,
    /// The last holes in the numbers of the last run, at most [`HOLES`].
    holes: VecDeque<Hole>,
    /// The greatest number of each stream.
    greatest: HashMap<StreamId, u64>,
}

/// Rows that were moved ahead of their place leave a hole, which is remembered until they are recognised. Blocks of
/// moved rows with more holes are put in order too, but with more rows moved than necessary.
const HOLES: usize = 16;

/// Missing numbers within a run.
#[derive(Debug)]
struct Hole {
    /// The run as if it ended before the hole.
    before: RowRun,
    /// The number and time after it.
    next: u64,
    timestamp: u64,
}

/// Rows of one host that follow each other, in one stream, with numbers that do not fall.
#[derive(Debug, Clone, Copy)]
struct RowRun {
    stream: StreamId,
    first: u64,
    last: u64,
    rows: u64,
    /// When its first row was recorded.
    timestamp: u64,
}

/// How the rows of all inputs are ordered. By default, as they are.
#[derive(Debug, Clone, Default)]
pub struct RowOrder {
    /// The streams of each host; empty if nothing had to be put in order.
    pub(super) ranks: Arc<Ranks>,
    /// What is displaced in each input.
    plans: Vec<Option<Arc<ReorderPlan>>>,
}

/// The rank of each of a host's streams.
pub(super) type Ranks = HashMap<HostName, HashMap<StreamId, u32>>;

/// The displaced rows of a file.
#[derive(Debug, Default)]
pub(super) struct ReorderPlan {
    pub(super) hosts: HashMap<HostName, HostPlan>,
    pub(super) headings: Vec<Heading>,
    /// Whether any row is left in its place.
    pub(super) any_in_place: bool,
}

/// The displaced rows of a host.
#[derive(Debug, Default)]
pub(super) struct HostPlan {
    pub(super) ranks: HashMap<StreamId, u32>,
    runs: Vec<PlannedRun>,
    /// Where the first row that is left in place belongs.
    pub(super) first_in_place: Option<RowRank>,
    /// In the order in which they belong.
    pub(super) displaced: Vec<Displaced>,
}

/// What to do with a run.
#[derive(Debug)]
pub(super) struct PlannedRun {
    rows: u64,
    /// Whether its rows stay in place.
    pub(super) is_in_place: bool,
    /// Whether they are out of order; the others move only because most do.
    is_moved: bool,
}

/// A row that is read where it belongs instead of where it is.
#[derive(Debug)]
pub(super) struct Displaced {
    seq: u64,
    pub(super) timestamp: u64,
    pub(super) place: RowPlace,
    rank: u32,
    /// The index of its heading, doubled; odd if the row counts as moved.
    heading_and_moved: u32,
}

/// Finds the run of each row of one host by counting.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct RunCounter {
    run: usize,
    rows: u64,
}

impl RunCounter {
    /// The run of the next row.
    pub(super) fn next<'a>(&mut self, plan: &'a HostPlan) -> Option<&'a PlannedRun> {
        if plan.runs.get(self.run)?.rows == self.rows {
            (self.run, self.rows) = (self.run + 1, 0);
        }
        self.rows += 1;
        plan.runs.get(self.run)
    }
}

impl Runs {
    /// Processes the next row of the file.
    pub(super) fn note(&mut self, message: &Numbered) {
        let runs = match self.0.get_mut(&message.host) {
            Some(runs) => runs,
            None => self.0.entry(message.host.clone()).or_default(),
        };
        runs.note(message.stream, message.seq, message.sample.timestamp);
    }
}

impl HostRuns {
    fn note(&mut self, stream: StreamId, seq: u64, timestamp: u64) {
        let greatest = self.greatest.entry(stream).or_default();
        let before = std::mem::replace(greatest, seq.max(*greatest));
        match self.runs.last_mut() {
            Some(run) if run.stream == stream && run.last <= seq => {
                let is_behind_hole = run.last + 1 < seq;
                // Rows that were moved behind their place end where the rest continues.
                if is_behind_hole && run.last < before && before < seq {
                    self.begin(stream, seq, timestamp);
                    return;
                }
                if is_behind_hole {
                    self.holes.truncate(HOLES - 1);
                    self.holes.push_front(Hole {
                        before: *run,
                        next: seq,
                        timestamp,
                    });
                }
                run.last = seq;
                run.rows += 1;
            }
            Some(run) if run.stream == stream => {
                // Rows that were moved ahead of their place begin at the hole into which this row falls.
                if let Some(hole) = self.holes.iter().rev().find(|hole| hole.next > seq) {
                    let behind = RowRun {
                        first: hole.next,
                        rows: run.rows - hole.before.rows,
                        timestamp: hole.timestamp,
                        ..*run
                    };
                    *run = hole.before;
                    self.runs.push(behind);
                }
                self.begin(stream, seq, timestamp);
            }
            _ => self.begin(stream, seq, timestamp),
        }
    }

    fn begin(&mut self, stream: StreamId, seq: u64, timestamp: u64) {
        self.holes.clear();
        self.runs.push(RowRun {
            stream,
            first: seq,
            last: seq,
            rows: 1,
            timestamp,
        });
    }
}

impl RowOrder {
    /// The order of `inputs`, which have these runs. Rereads those with displaced rows.
    pub(super) fn of(inputs: &[Input], runs: &[Runs]) -> Result<Self, ReadError> {
        let ranks = rank(runs);
        let plans = inputs.iter().zip(runs).map(|(input, runs)| {
            let plan = ReorderPlan::of(runs, &ranks);
            match input {
                Input::File(path) if !plan.hosts.is_empty() => {
                    Ok(Some(Arc::new(plan.locate(path)?)))
                }
                _ => Ok(None),
            }
        });
        let plans = plans.collect::<Result<_, _>>()?;
        Ok(Self {
            ranks: Arc::new(ranks),
            plans,
        })
    }

    /// What is displaced in an input.
    pub(super) fn plan(&self, input: usize) -> Option<Arc<ReorderPlan>> {
        self.plans.get(input).cloned().flatten()
    }
}

/// Ranks the streams of each host.
fn rank(files: &[Runs]) -> Ranks {
    let mut by_host: HashMap<&HostName, Vec<&[RowRun]>> = HashMap::new();
    for (host, runs) in files.iter().flat_map(|file| &file.0) {
        by_host.entry(host).or_default().push(&runs.runs);
    }
    let ranked = by_host.into_iter().map(|(host, files)| {
        let streams = rank_streams(&files);
        (host.clone(), streams.into_iter().zip(0..).collect())
    });
    ranked.collect()
}

/// The streams of one host, in their order.
///
/// Streams of one file keep their order. Those of different files are ordered by the times of their first rows. If
/// files contradict each other, they are ordered by id.
fn rank_streams(files: &[&[RowRun]]) -> Vec<StreamId> {
    let mut begins: BTreeMap<StreamId, u64> = BTreeMap::new();
    for run in files.iter().copied().flatten() {
        let begin = begins.entry(run.stream).or_insert(run.timestamp);
        *begin = run.timestamp.min(*begin);
    }
    let mut followers: HashMap<StreamId, Vec<StreamId>> = HashMap::new();
    let mut preceded: HashMap<StreamId, usize> = HashMap::new();
    for file in files {
        for pair in streams_of(file).windows(2) {
            followers.entry(pair[0]).or_default().push(pair[1]);
            *preceded.entry(pair[1]).or_default() += 1;
        }
    }
    let is_free = |preceded: &HashMap<StreamId, usize>, stream: &StreamId| {
        preceded.get(stream).is_none_or(|&count| count == 0)
    };
    let mut waiting: BTreeSet<StreamId> = begins.keys().copied().collect();
    let mut free: BTreeSet<(u64, StreamId)> = begins
        .iter()
        .filter(|(stream, _)| is_free(&preceded, stream))
        .map(|(&stream, &begin)| (begin, stream))
        .collect();
    let mut ranked = Vec::with_capacity(waiting.len());
    while let Some(stream) = match free.pop_first() {
        Some((_, stream)) => Some(stream),
        None => waiting.first().copied(),
    } {
        if !waiting.remove(&stream) {
            continue;
        }
        ranked.push(stream);
        for follower in followers.remove(&stream).unwrap_or_default() {
            if let Some(count) = preceded.get_mut(&follower) {
                *count -= 1;
                if *count == 0 {
                    free.insert((begins[&follower], follower));
                }
            }
        }
    }
    ranked
}

/// The streams of one host in one file, in order: as they appear, by id where they interleave, and reversed if most
/// numbers descend, as in a file that was sorted newest first.
fn streams_of(runs: &[RowRun]) -> Vec<StreamId> {
    let mut spans: HashMap<StreamId, (usize, usize)> = HashMap::new();
    for (at, run) in runs.iter().enumerate() {
        spans.entry(run.stream).or_insert((at, at)).1 = at;
    }
    let mut spans: Vec<_> = spans.into_iter().collect();
    if is_falling(runs) {
        for (_, (first, last)) in &mut spans {
            (*first, *last) = (runs.len() - *last, runs.len() - *first);
        }
    }
    spans.sort_unstable_by_key(|&(_, span)| span);
    let mut ordered: Vec<StreamId> = Vec::with_capacity(spans.len());
    let (mut end, mut together) = (0, 0);
    for (stream, (first, last)) in spans {
        if first > end {
            ordered[together..].sort_unstable();
            together = ordered.len();
        }
        ordered.push(stream);
        end = last.max(end);
    }
    ordered[together..].sort_unstable();
    ordered
}

fn is_falling(runs: &[RowRun]) -> bool {
    let rises: u64 = runs.iter().map(|run| run.rows - 1).sum();
    let fall = |pair: &&[RowRun]| pair[0].stream == pair[1].stream && pair[1].first < pair[0].last;
    runs.windows(2).filter(fall).count() as u64 > rises
}

impl ReorderPlan {
    /// Which runs move, for hosts that have any.
    fn of(runs: &Runs, ranks: &Ranks) -> Self {
        let mut plan = Self::default();
        for (host, runs) in &runs.0 {
            let runs = &runs.runs;
            let ranks = &ranks[host];
            let links = runs.iter().map(|run| {
                let rank = ranks[&run.stream];
                ChainLink {
                    first: (rank, run.first),
                    last: (rank, run.last),
                    weight: run.rows,
                }
            });
            let links: Vec<_> = links.collect();
            let in_order = heaviest(&links);
            if in_order.iter().all(|&in_order| in_order) {
                plan.any_in_place = true;
                continue;
            }
            let rows = |counted: bool| -> u64 {
                let of = runs.iter().zip(&in_order);
                of.filter(|&(_, &it)| it == counted)
                    .map(|(run, _)| run.rows)
                    .sum()
            };
            // If most rows move, the others move too, so that several hosts are merged row by row.
            let all_move = rows(false) >= rows(true);
            let planned = runs
                .iter()
                .zip(&in_order)
                .map(|(run, &in_order)| PlannedRun {
                    rows: run.rows,
                    is_in_place: in_order && !all_move,
                    is_moved: !in_order,
                });
            let planned: Vec<_> = planned.collect();
            let first_in_place = links.iter().zip(&planned).find(|(_, run)| run.is_in_place);
            plan.any_in_place |= !all_move;
            let host_plan = HostPlan {
                ranks: ranks.clone(),
                first_in_place: first_in_place.map(|(link, _)| link.first),
                runs: planned,
                displaced: Vec::new(),
            };
            plan.hosts.insert(host.clone(), host_plan);
        }
        plan
    }

    /// Finds the rows that move.
    fn locate(mut self, path: &Path) -> Result<Self, ReadError> {
        let mut reader = Reader::open(path)?;
        let mut counters: HashMap<HostName, RunCounter> = HashMap::new();
        while let Some(row) = reader.next().transpose()? {
            let Row::Numbered(message) = row else {
                continue;
            };
            let Some(host) = self.hosts.get_mut(&message.host) else {
                continue;
            };
            let counter = match counters.get_mut(&message.host) {
                Some(counter) => counter,
                None => counters.entry(message.host.clone()).or_default(),
            };
            let Some(run) = counter.next(host).filter(|run| !run.is_in_place) else {
                continue;
            };
            let moved = run.is_moved;
            if (self.headings.last()).is_none_or(|last| !last.is(reader.heading())) {
                self.headings.push(reader.heading().clone());
            }
            let heading = u32::try_from(self.headings.len() - 1).unwrap_or(u32::MAX / 2);
            host.displaced.push(Displaced {
                seq: message.seq,
                timestamp: message.sample.timestamp,
                place: reader.place(),
                rank: host.rank_of(message.stream),
                heading_and_moved: heading << 1 | u32::from(moved),
            });
        }
        for host in self.hosts.values_mut() {
            host.displaced.shrink_to_fit();
            host.displaced
                .sort_unstable_by_key(|row| (row.key(), row.place.byte));
        }
        Ok(self)
    }
}

impl HostPlan {
    /// Where a row of this host belongs.
    pub(super) fn key(&self, stream: StreamId, seq: u64) -> RowRank {
        (self.rank_of(stream), seq)
    }

    fn rank_of(&self, stream: StreamId) -> u32 {
        self.ranks.get(&stream).copied().unwrap_or(u32::MAX)
    }
}

impl Displaced {
    pub(super) fn key(&self) -> RowRank {
        (self.rank, self.seq)
    }

    /// The index of its heading in [`ReorderPlan::headings`].
    pub(super) fn heading(&self) -> usize {
        (self.heading_and_moved >> 1) as usize
    }

    /// Whether it counts as out of place.
    pub(super) fn is_moved(&self) -> bool {
        self.heading_and_moved & 1 == 1
    }
}
